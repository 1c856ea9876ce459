#include <rapport/base/error.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/residual.hpp>

#include <Eigen/Cholesky>
#include <gtest/gtest.h>

#include "support/orthodont.hpp"
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using testing_support::orthodont;

Design orthodont_design(const std::string& random = "") {
  return make_design(parse_formula("distance ~ age * Sex" + random), orthodont());
}

ResidualStructure by_subject(ResidualCorrelation correlation, const std::string& time) {
  const Table& table = orthodont();
  VectorXd values = table.numbers("age");
  if (time == "pos") values = (values.array() - 8) / 2 + 1;
  return {.correlation = correlation, .time = values, .group = table.factor("Subject").codes};
}

struct Expected {
  double criterion;
  VectorXd estimate;
  double sd;
  std::vector<double> correlation;
};

void expect_nlme(const ResidualFit& fit, const Expected& expected, double tolerance = 2e-5) {
  EXPECT_TRUE(fit.fit.optimizer.converged) << fit.fit.optimizer.message;
  EXPECT_NEAR(fit.fit.criterion.value, expected.criterion, 1e-6);
  for (Index k = 0; k < expected.estimate.size(); ++k)
    EXPECT_NEAR(fit.fit.fixed.estimate[k], expected.estimate[k], tolerance);
  EXPECT_NEAR(fit.fit.residual.sd, expected.sd, tolerance * expected.sd);
  for (std::size_t k = 0; k < expected.correlation.size(); ++k) {
    EXPECT_NEAR(fit.correlation_parameters.at(k).second, expected.correlation[k], tolerance);
  }
}

// Expected values: nlme 3.1-162 (reference/mixed/residual.R).
TEST(ResidualModel, Ar1AgreesWithNlme) {
  expect_nlme(
      fit_residual_model(orthodont_design(), by_subject(ResidualCorrelation::ar1, "pos"),
                         {.criterion = Criterion::ml}),
      {.criterion = 440.681006075,
       .estimate = VectorXd{{16.5919962302, 0.769571812546, 0.729723609162, -0.285839597913}},
       .sd = 2.21151233188,
       .correlation = {0.607116598942}});
}

TEST(ResidualModel, Car1WithPowerVarianceAgreesWithNlme) {
  ResidualStructure structure = by_subject(ResidualCorrelation::car1, "age");
  structure.variance = {{.function = VarianceFunction::power, .covariate = structure.time}};
  const ResidualFit fit = fit_residual_model(orthodont_design(), structure);
  expect_nlme(
      fit,
      {.criterion = 444.402661426,
       .estimate = VectorXd{{16.5344103573, 0.774838011619, 0.790155603247, -0.291368656465}},
       .sd = 3.13684168339,
       .correlation = {0.791206236209}},
      5e-5);
  EXPECT_NEAR(fit.variance_parameters.at(0).second, -0.133444900719, 2e-5);
  EXPECT_NEAR(fit.fit.fixed.standard_error[1], 0.117227609782, 1e-6);
}

// ARMA(1, 1) and CAR(1) with a nugget are the same family here: AR(1) signal with white noise.
TEST(ResidualModel, Arma11AndNuggetAgreeWithNlmeAndOneAnother) {
  const FitOptions ml{.criterion = Criterion::ml};
  const ResidualFit arma =
      fit_residual_model(orthodont_design(), by_subject(ResidualCorrelation::arma11, "pos"), ml);
  expect_nlme(arma,
              {.criterion = 428.46102673,
               .estimate = VectorXd{{16.3567776707, 0.783792258612, 1.01359159296, -0.30408198832}},
               .sd = 2.21460300564,
               .correlation = {0.97138673084, -0.721021067456}},
              1e-3);
  const ResidualFit nugget = fit_residual_model(
      orthodont_design(), by_subject(ResidualCorrelation::car1_nugget, "age"), ml);
  EXPECT_NEAR(nugget.fit.criterion.value, arma.fit.criterion.value, 1e-7);
  EXPECT_NEAR(nugget.correlation_parameters.at(0).second, std::exp(-1 / 68.8922450312), 1e-4);
  EXPECT_NEAR(nugget.correlation_parameters.at(1).second, 0.351571682651, 1e-3);
}

TEST(ResidualModel, UnstructuredAgreesWithNlme) {
  const ResidualFit fit =
      fit_residual_model(orthodont_design(), by_subject(ResidualCorrelation::unstructured, "age"));
  expect_nlme(
      fit, {.criterion = 424.546800199,
            .estimate = VectorXd{{15.8422826304, 0.826803688787, 1.58308632649, -0.350438999112}},
            .sd = 2.32921258507,
            .correlation = {}});
  EXPECT_NEAR(fit.correlation_matrix(0, 1), 0.568196998244, 1e-5);
  EXPECT_NEAR(fit.correlation_matrix(2, 3), 0.739620742277, 1e-5);
  EXPECT_EQ(fit.variance_parameters.at(1).first, "12");
  EXPECT_NEAR(fit.variance_parameters.at(1).second, 1.07445963654, 1e-5);
  EXPECT_EQ(fit.times, (std::vector<double>{8, 10, 12, 14}));
}

TEST(ResidualModel, Ar1WithRandomInterceptAndStrataAgreesWithNlme) {
  ResidualStructure structure = by_subject(ResidualCorrelation::ar1, "pos");
  const Design design = orthodont_design(" + (1 | Subject)");
  VarianceTerm by_sex{.function = VarianceFunction::by_level, .strata = {"Male", "Female"}};
  for (Index i = 0; i < design.response.size(); ++i)
    by_sex.stratum.push_back(design.fixed(i, 2) == 1 ? 1 : 0);
  structure.variance = {by_sex};
  const ResidualFit fit = fit_residual_model(design, structure);
  expect_nlme(
      fit, {.criterion = 415.02437338,
            .estimate = VectorXd{{16.3723764513, 0.782227944308, 0.993216052687, -0.302075241688}},
            .sd = 1.71382117956,
            .correlation = {0.0770035349585}});
  EXPECT_NEAR(fit.variance_parameters.at(0).second, 0.461693368035, 1e-5);
  EXPECT_NEAR(fit.fit.random[0].covariance(0, 0), 1.1431706591 * 1.71382117956 * 1.71382117956,
              1e-4);
  EXPECT_NEAR(fit.fit.fixed.standard_error[3], 0.111464161303, 1e-6);
}

// --- against the dense likelihood
// ---------------------------------------------------------------------------------

/// y ~ N(Xβ, V): −2 log L, or the REML criterion, with β profiled out.
double dense_criterion(const Design& design, const MatrixXd& v, Criterion criterion) {
  const Eigen::LLT<MatrixXd> llt(v);
  const MatrixXd& x = design.fixed;
  const MatrixXd information = x.transpose() * llt.solve(x);
  const VectorXd beta = information.llt().solve(x.transpose() * llt.solve(design.response));
  const VectorXd residual = design.response - x * beta;
  const auto n = static_cast<double>(x.rows() - (criterion == Criterion::reml ? x.cols() : 0));
  const MatrixXd factor = llt.matrixL();
  double value = n * std::log(2 * std::numbers::pi) + 2 * factor.diagonal().array().log().sum() +
                 residual.dot(llt.solve(residual));
  if (criterion == Criterion::reml) {
    const MatrixXd root = information.llt().matrixL();
    value += 2 * root.diagonal().array().log().sum();
  }
  return value;
}

/// Three levels with slopes, AR(1) and two residual variances; patients of unequal length with
/// gaps.
struct Panel {
  Design design;
  ResidualStructure structure;
};
Panel make_panel() {
  RandomStream stream(Seed{12}, 0);
  Panel panel;
  Design& d = panel.design;
  RandomTerm therapist;
  therapist.factor = "therapist";
  RandomTerm patient;
  patient.factor = "patient";
  therapist.terms = {"(Intercept)"};
  patient.terms = {"(Intercept)", "session"};
  std::vector<std::array<double, 4>> rows;
  for (std::int32_t p = 0; p < 30; ++p) {
    patient.levels.push_back("p" + std::to_string(p));
    if (p % 5 == 0) therapist.levels.push_back("t" + std::to_string(p / 5));
    const double intercept = 2 * stream.normal();
    const double slope = 0.3 * stream.normal();
    double error = 0;
    for (int t = 1; t <= 9; ++t) {
      error = 0.6 * error + 0.8 * stream.normal();
      if (stream.uniform() < 0.25) continue;
      rows.push_back({intercept + slope * t + error * (p % 2 == 0 ? 1.0 : 1.6),
                      static_cast<double>(t), p % 2 == 0 ? 0.0 : 1.0, static_cast<double>(p)});
    }
  }
  const auto n = static_cast<Index>(rows.size());
  d.response.resize(n);
  d.fixed.resize(n, 3);
  d.fixed_terms = {"(Intercept)", "session", "arm"};
  patient.columns.resize(n, 2);
  therapist.columns = MatrixXd::Ones(n, 1);
  panel.structure.time.resize(n);
  VarianceTerm arm{.function = VarianceFunction::by_level, .strata = {"a", "b"}};
  for (Index i = 0; i < n; ++i) {
    const auto& row = rows[static_cast<std::size_t>(n - 1 - i)];  // not sorted
    d.response[i] = row[0];
    d.fixed.row(i) << 1, row[1], row[2];
    patient.columns.row(i) << 1, row[1];
    patient.group.push_back(static_cast<std::int32_t>(row[3]));
    therapist.group.push_back(static_cast<std::int32_t>(row[3]) / 5);
    panel.structure.time[i] = row[1];
    arm.stratum.push_back(static_cast<std::int32_t>(row[2]));
  }
  panel.structure.group = patient.group;
  panel.structure.correlation = ResidualCorrelation::ar1;
  panel.structure.variance = {arm};
  d.random = {therapist, patient};
  return panel;
}

/// V from natural parameters: therapist SD; patient Cholesky factor (3); σ; ratio; ρ.
MatrixXd panel_covariance(const Panel& panel, const VectorXd& at) {
  const Design& d = panel.design;
  const Index n = d.response.size();
  MatrixXd factor(2, 2);
  factor << at[1], 0, at[2], at[3];
  const MatrixXd psi = factor * factor.transpose();
  MatrixXd v(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      const auto a = static_cast<std::size_t>(i);
      const auto b = static_cast<std::size_t>(j);
      v(i, j) = d.random[0].group[a] == d.random[0].group[b] ? at[0] * at[0] : 0;
      if (d.random[1].group[a] != d.random[1].group[b]) continue;
      v(i, j) += d.random[1].columns.row(i) * psi * d.random[1].columns.row(j).transpose();
      const double si = at[4] * (panel.structure.variance[0].stratum[a] == 1 ? at[5] : 1);
      const double sj = at[4] * (panel.structure.variance[0].stratum[b] == 1 ? at[5] : 1);
      v(i, j) +=
          si * sj * std::pow(at[6], std::abs(panel.structure.time[i] - panel.structure.time[j]));
    }
  }
  return v;
}

TEST(ResidualModel, EqualsTheDenseLikelihoodAndItsMaximum) {
  const Panel panel = make_panel();
  for (const Criterion criterion : {Criterion::ml, Criterion::reml}) {
    const ResidualFit fit =
        fit_residual_model(panel.design, panel.structure, {.criterion = criterion});
    ASSERT_TRUE(fit.fit.optimizer.converged);
    const MatrixXd root = Eigen::LLT<MatrixXd>(fit.fit.random[1].covariance).matrixL();
    const VectorXd at{{fit.fit.random[0].sd[0], root(0, 0), root(1, 0), root(1, 1),
                       fit.fit.residual.sd, fit.variance_parameters.at(0).second,
                       fit.correlation_parameters.at(0).second}};
    const auto f = [&](const VectorXd& x) {
      return dense_criterion(panel.design, panel_covariance(panel, x), criterion);
    };
    EXPECT_NEAR(fit.fit.criterion.value, f(at), 1e-8 * std::abs(f(at)));
    const double step = 1e-4;
    for (Index k = 0; k < at.size(); ++k) {
      VectorXd right = at;
      VectorXd left = at;
      right[k] += step;
      left[k] -= step;
      EXPECT_NEAR((f(right) - f(left)) / (2 * step), 0, 1e-4) << k;
    }
    const MatrixXd v = panel_covariance(panel, at);
    const MatrixXd covariance = (panel.design.fixed.transpose() * v.llt().solve(panel.design.fixed))
                                    .llt()
                                    .solve(MatrixXd::Identity(3, 3));
    EXPECT_TRUE(fit.fit.fixed.covariance.isApprox(covariance, 1e-8));
    // BLUPs are Cov(b, y) V⁻¹ (y − Xβ).
    const VectorXd weighted =
        v.llt().solve(panel.design.response - panel.design.fixed * fit.fit.fixed.estimate);
    VectorXd therapist = VectorXd::Zero(6);
    for (Index i = 0; i < weighted.size(); ++i) {
      therapist[panel.design.random[0].group[static_cast<std::size_t>(i)]] +=
          at[0] * at[0] * weighted[i];
    }
    EXPECT_LT((fit.fit.random[0].blups.col(0) - therapist).lpNorm<Eigen::Infinity>(), 1e-7);
  }
}

// Satterthwaite by its definition on the dense model: df = 2 Var² / (g'Ag), g and A by differences.
TEST(ResidualModel, SatterthwaiteFollowsItsDefinition) {
  const Panel panel = make_panel();
  const ResidualFit fit = fit_residual_model(panel.design, panel.structure);
  const MatrixXd root = Eigen::LLT<MatrixXd>(fit.fit.random[1].covariance).matrixL();
  const VectorXd at{{fit.fit.random[0].sd[0], root(0, 0), root(1, 0), root(1, 1),
                     fit.fit.residual.sd, fit.variance_parameters.at(0).second,
                     fit.correlation_parameters.at(0).second}};
  const auto f = [&](const VectorXd& x) {
    return dense_criterion(panel.design, panel_covariance(panel, x), Criterion::reml);
  };
  const auto variance = [&](const VectorXd& x) {
    const MatrixXd information =
        panel.design.fixed.transpose() * panel_covariance(panel, x).llt().solve(panel.design.fixed);
    return MatrixXd(information.llt().solve(MatrixXd::Identity(3, 3)))(1, 1);
  };
  const Index k = at.size();
  const double step = 1e-3;
  MatrixXd hessian(k, k);
  VectorXd gradient(k);
  const auto shifted = [&](Index i, double a, Index j, double b) {
    VectorXd x = at;
    x[i] += a;
    x[j] += b;
    return x;
  };
  for (Index i = 0; i < k; ++i) {
    gradient[i] =
        (variance(shifted(i, step, i, 0)) - variance(shifted(i, -step, i, 0))) / (2 * step);
    for (Index j = 0; j < k; ++j) {
      hessian(i, j) = (f(shifted(i, step, j, step)) - f(shifted(i, step, j, -step)) -
                       f(shifted(i, -step, j, step)) + f(shifted(i, -step, j, -step))) /
                      (4 * step * step);
    }
  }
  const double value = variance(at);
  const double df = 2 * value * value / gradient.dot((0.5 * hessian).ldlt().solve(gradient));
  const FixedInference inference(fit.fit);
  EXPECT_NEAR(inference.contrast(VectorXd::Unit(3, 1)).df, df, 2e-3 * df);
}

// Equal estimates from two roads: compound symmetry is a random intercept when ρ > 0.
TEST(ResidualModel, CompoundSymmetryIsARandomIntercept) {
  const ResidualFit cs = fit_residual_model(
      orthodont_design(), by_subject(ResidualCorrelation::compound_symmetry, "age"));
  const MixedFit mixed = fit_mixed_model(orthodont_design(" + (1 | Subject)"));
  EXPECT_NEAR(cs.fit.criterion.value, mixed.criterion.value, 1e-7);
  const double between = mixed.random[0].covariance(0, 0);
  const double within = mixed.residual.sd * mixed.residual.sd;
  EXPECT_NEAR(cs.correlation_parameters.at(0).second, between / (between + within), 1e-6);
}

// An unstructured covariance of equal times that a Toeplitz one may not beat.
TEST(ResidualModel, ToeplitzLiesBetweenAr1AndUnstructured) {
  const auto value = [](ResidualCorrelation correlation) {
    return fit_residual_model(orthodont_design(), by_subject(correlation, "pos"),
                              {.criterion = Criterion::ml})
        .fit.criterion.value;
  };
  const double toeplitz = value(ResidualCorrelation::toeplitz);
  EXPECT_LT(toeplitz, value(ResidualCorrelation::ar1));
  EXPECT_LT(toeplitz, value(ResidualCorrelation::arma11) + 1e-6);
  EXPECT_GT(toeplitz, value(ResidualCorrelation::unstructured));
}

// Rows in any order, times shifted, response scaled: the same fit.
TEST(ResidualModel, IsInvariant) {
  Panel panel = make_panel();
  const ResidualFit fit = fit_residual_model(panel.design, panel.structure);
  panel.design.response = 1000 + 50 * panel.design.response.array();
  panel.structure.time.array() += 7;
  const ResidualFit moved = fit_residual_model(panel.design, panel.structure);
  EXPECT_NEAR(moved.correlation_parameters[0].second, fit.correlation_parameters[0].second, 1e-6);
  EXPECT_NEAR(moved.fit.residual.sd, 50 * fit.fit.residual.sd, 1e-5 * fit.fit.residual.sd);
  EXPECT_NEAR(moved.fit.fixed.estimate[1], 50 * fit.fit.fixed.estimate[1], 1e-6);
}

TEST(ResidualModel, PlainResidualsAreTheMixedModel) {
  const Design design = orthodont_design(" + (age | Subject)");
  EXPECT_NEAR(fit_residual_model(design, {}).fit.criterion.value,
              fit_mixed_model(design).criterion.value, 1e-7);
}

TEST(ResidualModel, RefusesWhatTheDataCannotCarry) {
  const Design design = orthodont_design();
  ResidualStructure structure = by_subject(ResidualCorrelation::ar1, "pos");
  structure.time[0] = 1.5;
  EXPECT_THROW(static_cast<void>(fit_residual_model(design, structure)), DataError);
  structure = by_subject(ResidualCorrelation::car1, "age");
  structure.time[0] = structure.time[1];
  EXPECT_THROW(static_cast<void>(fit_residual_model(design, structure)), DataError);
  structure = by_subject(ResidualCorrelation::ar1, "pos");
  for (std::size_t i = 0; i < structure.group.size(); ++i)
    structure.group[i] = static_cast<std::int32_t>(i);
  EXPECT_THROW(static_cast<void>(fit_residual_model(design, structure)), DataError);
  structure = by_subject(ResidualCorrelation::unstructured, "pos");
  for (Index i = 0; i < structure.time.size(); ++i) structure.time[i] = static_cast<double>(i);
  EXPECT_THROW(static_cast<void>(fit_residual_model(design, structure)), DataError);
  structure = {.variance = {{.function = VarianceFunction::power,
                             .covariate = VectorXd::Zero(design.response.size())}}};
  EXPECT_THROW(static_cast<void>(fit_residual_model(design, structure)), DataError);
  EXPECT_THROW(static_cast<void>(
                   fit_residual_model(orthodont_design(" + (1 | Subject)"),
                                      by_subject(ResidualCorrelation::compound_symmetry, "age"))),
               InvalidArgument);
}

}  // namespace
}  // namespace rapport
