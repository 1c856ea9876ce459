#include <rapport/mixed/residual_inference.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <gtest/gtest.h>

#include "support/orthodont.hpp"
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using testing_support::orthodont;

Design design_of(const std::string& random = "") {
  return make_design(parse_formula("distance ~ age * Sex" + random), orthodont());
}

ResidualStructure structure_of(ResidualCorrelation correlation) {
  ResidualStructure structure{.correlation = correlation,
                              .time = (orthodont().numbers("age").array() - 8) / 2 + 1};
  structure.group = orthodont().factor("Subject").codes;
  return structure;
}

VarianceTerm by_sex() {
  return {.function = VarianceFunction::by_level,
          .stratum = orthodont().factor("Sex").codes,
          .strata = {"Male", "Female"}};
}

void expect_kenward_roger(const Design& design, const ResidualStructure& structure,
                          const VectorXd& standard_errors, const VectorXd& df) {
  const ResidualFit fit = fit_residual_model(design, structure);
  const FixedInference inference(fit.fit, kenward_roger_adjustment(design, structure, fit));
  for (Index k = 0; k < 4; ++k) {
    const ContrastEstimate estimate = inference.contrast(VectorXd::Unit(4, k));
    EXPECT_NEAR(estimate.standard_error, standard_errors[k], 2e-6 * standard_errors[k]) << k;
    EXPECT_NEAR(estimate.df, df[k], 2e-5 * df[k]) << k;
  }
}

// Expected values: the definition on dense matrices under R 4.2.2 (reference/mixed/residual_kr.R).
TEST(ResidualKenwardRoger, FollowsItsDefinition) {
  ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  expect_kenward_roger(design_of(), structure,
                       VectorXd{{1.376282246125, 0.118707874548, 2.156219886050, 0.185979496904}},
                       VectorXd{{99.9701947378, 103.8842418655, 99.9701947378, 103.8842418655}});
  expect_kenward_roger(design_of(" + (1 | Subject)"), structure,
                       VectorXd{{0.975044440376, 0.076891292650, 1.527601055699, 0.120465503891}},
                       VectorXd{{54.7351619814, 35.5341755637, 54.7351619814, 35.5341755637}});
  structure.variance = {by_sex()};
  expect_kenward_roger(design_of(), structure,
                       VectorXd{{1.681218972209, 0.141386289556, 2.034138144802, 0.171067478237}},
                       VectorXd{{61.1022190402, 61.4921246781, 98.3667932882, 99.5761528259}});
  structure.variance = {
      {.function = VarianceFunction::power, .covariate = orthodont().numbers("age")}};
  expect_kenward_roger(design_of(), structure,
                       VectorXd{{2.012702859056, 0.169835346147, 3.153299362559, 0.266080850602}},
                       VectorXd{{61.4755051695, 101.9706603946, 61.4755051695, 101.9706603946}});
  expect_kenward_roger(
      design_of(), structure_of(ResidualCorrelation::toeplitz),
      VectorXd{{1.0713912544737, 0.0866598748325, 1.6785475037119, 0.1357699308863}},
      VectorXd{{40.5806741119, 27.3292214214, 40.5806741119, 27.3292214214}});
}

// Compound symmetry is a random intercept, whose adjustment agrees with pbkrtest (lmm.json).
TEST(ResidualKenwardRoger, CompoundSymmetryIsARandomIntercept) {
  const Design design = design_of();
  const ResidualStructure structure = structure_of(ResidualCorrelation::compound_symmetry);
  const ResidualFit fit = fit_residual_model(design, structure);
  const FixedInference inference(fit.fit, kenward_roger_adjustment(design, structure, fit));
  const Design mixed_design = design_of(" + (1 | Subject)");
  const MixedModel model(mixed_design);
  const FixedInference mixed(model, model.fit(), DegreesOfFreedom::kenward_roger);
  EXPECT_TRUE(inference.covariance().isApprox(mixed.covariance(), 1e-6));
  for (Index k = 0; k < 4; ++k)
    EXPECT_NEAR(inference.contrast(VectorXd::Unit(4, k)).df,
                mixed.contrast(VectorXd::Unit(4, k)).df, 1e-4);
  const std::vector<TermTest> tests = type3_tests(design, fit.fit.fixed, inference);
  const std::vector<TermTest> expected = type3_tests(mixed_design, model.fit().fixed, mixed);
  for (std::size_t t = 0; t < tests.size(); ++t)
    EXPECT_NEAR(tests[t].test.statistic, expected[t].test.statistic, 1e-5);
}

// Of an unstructured covariance with complete data, the mean at each time has n − g degrees of
// freedom (the one-sample and two-sample t-test of that time): 27 patients in two groups.
TEST(ResidualKenwardRoger, UnstructuredWithCompleteDataIsTheTTest) {
  const Design design = make_design(parse_formula("distance ~ 0 + factor(age) : Sex"), orthodont());
  const ResidualStructure structure = structure_of(ResidualCorrelation::unstructured);
  const ResidualFit fit = fit_residual_model(design, structure);
  const FixedInference inference(fit.fit, kenward_roger_adjustment(design, structure, fit));
  for (Index k = 0; k < 8; ++k) EXPECT_NEAR(inference.contrast(VectorXd::Unit(8, k)).df, 25, 1e-3);
}

TEST(ResidualInference, DrawsHaveTheFittedCovariance) {
  const Design design = design_of(" + (1 | Subject)");
  ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  structure.variance = {by_sex()};
  const ResidualFit fit = fit_residual_model(design, structure);
  const MatrixXd draws = simulate_responses(design, structure, fit, Seed{7}, 4000);
  EXPECT_EQ(draws.col(3), simulate_responses(design, structure, fit, Seed{7}, 4).col(3));
  const VectorXd fixed = fitted_values(design, fit.fit, true);
  double same = 0;
  double next = 0;
  for (Index r = 0; r < draws.cols(); ++r) {
    same += std::pow(draws(0, r) - fixed[0], 2);
    next += (draws(0, r) - fixed[0]) * (draws(1, r) - fixed[1]);
  }
  const double sd = fit.fit.residual.sd *
                    (structure.variance[0].stratum[0] == 1 ? fit.variance_parameters[0].second : 1);
  const double between = fit.fit.random[0].covariance(0, 0);
  const double variance = between + sd * sd;
  const double rho = fit.correlation_parameters[0].second;
  EXPECT_NEAR(same / 4000, variance, 4 * variance * std::sqrt(2.0 / 4000));
  EXPECT_NEAR(next / 4000, between + sd * sd * rho, 4 * variance * std::sqrt(2.0 / 4000));
}

TEST(ResidualInference, BootstrapCentresOnTheFit) {
  const Design design = design_of();
  const ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  const ResidualFit fit = fit_residual_model(design, structure);
  const MixedBootstrap bootstrap =
      parametric_bootstrap(design, structure, fit, Seed{3}, {.replicates = 200, .threads = 2});
  ASSERT_EQ(bootstrap.intervals.size(), 6U);
  EXPECT_EQ(bootstrap.intervals[1].parameter, "rho");
  EXPECT_NEAR(bootstrap.intervals[1].estimate, 0.624488839, 1e-5);
  EXPECT_LT(bootstrap.intervals[1].ci.lower, 0.6);
  EXPECT_GT(bootstrap.intervals[1].ci.upper, 0.65);
  // The slope's standard error is that of the fit.
  const ParameterInterval& slope = bootstrap.intervals[3];
  EXPECT_EQ(slope.parameter, "age");
  EXPECT_NEAR(slope.standard_error, fit.fit.fixed.standard_error[1],
              4 * fit.fit.fixed.standard_error[1] / std::sqrt(400.0));
  EXPECT_EQ(bootstrap.replicates,
            parametric_bootstrap(design, structure, fit, Seed{3}, {.replicates = 200}).replicates);
}

TEST(ResidualInference, DeletionRefits) {
  const Design design = design_of(" + (1 | Subject)");
  ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  structure.variance = {by_sex()};
  const ResidualFit fit = fit_residual_model(design, structure);
  const Factor subjects = orthodont().factor("Subject");
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, structure, fit, subjects.codes, subjects.levels);
  ASSERT_EQ(influence.size(), 27U);
  // The same by hand for one subject: rows of it taken out of the table.
  std::vector<Index> kept;
  for (Index i = 0; i < orthodont().rows(); ++i)
    if (subjects.codes[static_cast<std::size_t>(i)] != 4) kept.push_back(i);
  const Table without = orthodont().select(kept);
  ResidualStructure reduced{.correlation = ResidualCorrelation::ar1,
                            .time = without.numbers("age").array() / 2};
  reduced.group = without.factor("Subject").codes;
  reduced.variance = {{.function = VarianceFunction::by_level,
                       .stratum = without.factor("Sex").codes,
                       .strata = {"Male", "Female"}}};
  const ResidualFit by_hand = fit_residual_model(
      make_design(parse_formula("distance ~ age * Sex + (1 | Subject)"), without), reduced);
  EXPECT_LT((influence[4].estimate - by_hand.fit.fixed.estimate).norm(), 1e-5);
  EXPECT_NEAR(influence[4].residual_sd, by_hand.fit.residual.sd, 1e-5);
}

// x'β + z'(û − u): by the joint covariance of y and u on dense matrices.
TEST(ResidualInference, PredictionErrorsFollowTheCovariance) {
  const Design design = design_of(" + (1 | Subject)");
  const ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  const ResidualFit fit = fit_residual_model(design, structure);
  const Predictions predictions = predict(design, structure, fit, orthodont().select({0, 5, 9}));
  const Index n = design.response.size();
  const double sigma2 = fit.fit.residual.sd * fit.fit.residual.sd;
  const double between = fit.fit.random[0].covariance(0, 0);
  MatrixXd v = MatrixXd::Zero(n, n);
  const auto& group = structure.group;
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      if (group[static_cast<std::size_t>(i)] != group[static_cast<std::size_t>(j)]) continue;
      v(i, j) = between + sigma2 * std::pow(fit.correlation_parameters[0].second,
                                            std::abs(structure.time[i] - structure.time[j]));
    }
  }
  const MatrixXd& x = design.fixed;
  const MatrixXd phi = (x.transpose() * v.llt().solve(x)).inverse();
  for (const Index row : {0, 5, 9}) {
    VectorXd with_u = VectorXd::Zero(n);
    for (Index i = 0; i < n; ++i)
      if (group[static_cast<std::size_t>(i)] == group[static_cast<std::size_t>(row)])
        with_u[i] = between;
    const VectorXd solved = v.llt().solve(with_u);
    const VectorXd left = x.row(row).transpose() - x.transpose() * solved;
    const double error = between - with_u.dot(solved) + left.dot(phi * left);
    const Index k = row == 0 ? 0 : row == 5 ? 1 : 2;
    EXPECT_NEAR(predictions.standard_error[k], std::sqrt(error), 1e-8);
    EXPECT_NEAR(predictions.estimate[k], fit.fitted[row], 1e-9);
  }
}

// Normalized residuals of the right model are white: their squares sum to n − p or so, and
// neighbours do not correlate.
TEST(ResidualInference, NormalizedResidualsAreWhite) {
  const Design design = design_of();
  const ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  const ResidualFit fit = fit_residual_model(design, structure);
  // GLS: residuals in the metric of V⁻¹ have norm σ²(n − p).
  EXPECT_NEAR(fit.normalized.squaredNorm(), 104, 1e-6);
}

// A profile limit is where the least deviance is higher by the quantile: checked by fits with the
// parameter held in other ways.
TEST(ResidualProfile, CompoundSymmetryProfilesAsTheRandomIntercept) {
  const ResidualStructure structure = structure_of(ResidualCorrelation::compound_symmetry);
  const std::vector<ParameterInterval> cs = profile_intervals(design_of(), structure);
  const std::vector<ParameterInterval> mixed =
      profile_intervals(MixedModel(design_of(" + (1 | Subject)")));
  const auto find = [](const std::vector<ParameterInterval>& all, const std::string& name) {
    for (const ParameterInterval& one : all)
      if (one.parameter == name) return one;
    ADD_FAILURE() << name;
    return all.front();
  };
  for (const std::string name : {"(Intercept)", "age", "SexFemale", "age:SexFemale"}) {
    EXPECT_NEAR(find(cs, name).ci.lower, find(mixed, name).ci.lower, 1e-4);
    EXPECT_NEAR(find(cs, name).ci.upper, find(mixed, name).ci.upper, 1e-4);
  }
  const ParameterInterval rho = find(cs, "rho");
  EXPECT_LT(rho.ci.lower, rho.estimate);
  EXPECT_GT(rho.ci.upper, rho.estimate);
}

// Independent residuals given as a structure: every limit is that of the linear mixed model.
TEST(ResidualProfile, PlainResidualsProfileAsTheMixedModel) {
  const Design design = design_of(" + (age | Subject)");
  const std::vector<ParameterInterval> own = profile_intervals(design, ResidualStructure{});
  const std::vector<ParameterInterval> mixed = profile_intervals(MixedModel(design));
  ASSERT_EQ(own.size(), mixed.size());
  for (std::size_t k = 0; k < own.size(); ++k) {
    EXPECT_EQ(own[k].parameter, mixed[k].parameter);
    const double scale = std::max(1e-2, std::abs(mixed[k].estimate));
    EXPECT_NEAR(own[k].ci.lower, mixed[k].ci.lower, 1e-3 * scale) << own[k].parameter;
    EXPECT_NEAR(own[k].ci.upper, mixed[k].ci.upper, 1e-3 * scale) << own[k].parameter;
  }
}

// AR(1)'s rho by the dense likelihood: at each limit the best deviance with rho held is 3.84
// higher.
TEST(ResidualProfile, LimitsOfRhoRaiseTheDenseDevianceByTheQuantile) {
  const Design design = design_of();
  const ResidualStructure structure = structure_of(ResidualCorrelation::ar1);
  const std::vector<ParameterInterval> profile = profile_intervals(design, structure);
  ASSERT_EQ(profile[1].parameter, "rho");
  const Index n = design.response.size();
  const auto deviance = [&](double rho) {
    MatrixXd r = MatrixXd::Zero(n, n);
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < n; ++i) {
        if (structure.group[static_cast<std::size_t>(i)] ==
            structure.group[static_cast<std::size_t>(j)])
          r(i, j) = std::pow(rho, std::abs(structure.time[i] - structure.time[j]));
      }
    }
    const Eigen::LLT<MatrixXd> llt(r);
    const MatrixXd& x = design.fixed;
    const VectorXd beta =
        (x.transpose() * llt.solve(x)).llt().solve(x.transpose() * llt.solve(design.response));
    const VectorXd left = design.response - x * beta;
    const MatrixXd factor = llt.matrixL();
    const auto m = static_cast<double>(n);
    return m * (1 + std::log(2 * std::acos(-1.0) * left.dot(llt.solve(left)) / m)) +
           2 * factor.diagonal().array().log().sum();
  };
  const double least = deviance(profile[1].estimate);
  EXPECT_NEAR(deviance(profile[1].ci.lower) - least, 3.841458820694124, 1e-4);
  EXPECT_NEAR(deviance(profile[1].ci.upper) - least, 3.841458820694124, 1e-4);
}

}  // namespace
}  // namespace rapport
