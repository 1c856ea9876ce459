#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "support/dense_likelihood.hpp"
#include <array>
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using testing::HasSubstr;
using testing_support::dense_at;
using testing_support::parameters_of;

/// A term of an intercept and, if wanted, a slope.
RandomTerm make_term(const std::string& factor, const std::vector<std::int32_t>& group,
                     const VectorXd* slope) {
  RandomTerm term;
  term.factor = factor;
  const auto n = static_cast<Index>(group.size());
  term.columns = MatrixXd::Ones(n, slope == nullptr ? 1 : 2);
  term.terms = {"(Intercept)"};
  if (slope != nullptr) {
    term.columns.col(1) = *slope;
    term.terms.emplace_back("time");
  }
  term.group = group;
  std::int32_t levels = 0;
  for (const std::int32_t g : group) levels = std::max(levels, g + 1);
  for (std::int32_t g = 0; g < levels; ++g) term.levels.push_back(std::to_string(g));
  return term;
}

enum class Shape {
  one_level,
  uncorrelated,
  three_levels,
  four_levels,
  crossed,
  crossed_slopes,
  weighted
};
std::string name_of(Shape shape) {
  return std::array{"one_level", "uncorrelated",   "three_levels", "four_levels",
                    "crossed",   "crossed_slopes", "weighted"}[static_cast<std::size_t>(shape)];
}

/// Unbalanced simulated data, 8 to 14 patients in 4 therapists in 2 clinics, seen by 3 raters.
Design simulated_design(Shape shape, std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 0);
  std::vector<std::int32_t> patient;
  std::vector<std::int32_t> therapist;
  std::vector<std::int32_t> clinic;
  std::vector<std::int32_t> rater;
  std::vector<double> time;
  std::vector<double> response;
  MatrixXd effects(12, 2);
  for (double& value : effects.reshaped()) value = 2 * stream.normal();
  for (std::int32_t p = 0; p < 12; ++p)
    for (Index s = 0; s < 2 + stream.below(6); ++s) {
      patient.push_back(p);
      therapist.push_back(p / 3);
      clinic.push_back(p / 6);
      rater.push_back(s < 3 ? static_cast<std::int32_t>(s)
                            : static_cast<std::int32_t>(stream.below(3)));
      time.push_back(static_cast<double>(s) + 0.3 * stream.uniform());
      response.push_back(10 + time.back() + effects(p, 0) + 0.3 * effects(p, 1) * time.back() +
                         (p / 3) % 2 + (p / 6) + 0.7 * rater.back() + stream.normal());
    }
  const auto n = static_cast<Index>(time.size());
  const VectorXd t = Eigen::Map<const VectorXd>(time.data(), n);
  Design design;
  design.response = Eigen::Map<const VectorXd>(response.data(), n);
  design.fixed = MatrixXd::Ones(n, 2);
  design.fixed.col(1) = t;
  design.fixed_terms = {"(Intercept)", "time"};
  switch (shape) {
    case Shape::one_level:
      design.random = {make_term("patient", patient, &t)};
      break;
    case Shape::uncorrelated:
      design.random = {make_term("patient", patient, nullptr),
                       make_term("patient", patient, nullptr)};
      design.random[1].columns = t;
      design.random[1].terms = {"time"};
      break;
    case Shape::three_levels:
      design.random = {make_term("therapist", therapist, &t), make_term("patient", patient, &t)};
      break;
    case Shape::four_levels:
      design.random = {make_term("clinic", clinic, nullptr),
                       make_term("therapist", therapist, nullptr),
                       make_term("patient", patient, &t)};
      break;
    case Shape::crossed:
      design.random = {make_term("patient", patient, nullptr), make_term("rater", rater, nullptr)};
      break;
    case Shape::crossed_slopes:
      design.random = {make_term("patient", patient, &t), make_term("rater", rater, &t),
                       make_term("therapist", therapist, nullptr)};
      break;
    case Shape::weighted:
      design.random = {make_term("patient", patient, &t)};
      design.weights = VectorXd::NullaryExpr(n, [&] { return 0.2 + 3 * stream.uniform(); });
      design.offset = VectorXd::NullaryExpr(n, [&] { return stream.normal(); });
      break;
  }
  return design;
}

/// The least criterion among random covariances near the fit's.
double least_nearby(const Design& design, const MixedFit& fit, std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 1);
  double least = fit.criterion.value + 1;
  for (const double size : {1e-1, 1e-2, 1e-3}) {
    for (int trial = 0; trial < 10; ++trial) {
      std::vector<MatrixXd> covariances;
      for (const RandomEffects& term : fit.random) {
        const Index q = term.covariance.rows();
        const MatrixXd step = MatrixXd::NullaryExpr(q, q, [&] { return size * stream.normal(); });
        const MatrixXd mix = MatrixXd::Identity(q, q) + step;
        covariances.emplace_back(mix * term.covariance * mix.transpose() +
                                 size * step * step.transpose());
      }
      const double sigma = fit.residual.sd * (1 + size * stream.normal());
      least = std::min(least, testing_support::dense_criterion(design, covariances, sigma,
                                                               fit.criterion.method));
    }
  }
  return least;
}

class DenseLikelihood : public testing::TestWithParam<std::tuple<Shape, Criterion>> {};

TEST_P(DenseLikelihood, CriterionIsTheDefinitionAndLeast) {
  const auto [shape, criterion] = GetParam();
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Design design = simulated_design(shape, seed);
    const MixedFit fit = fit_mixed_model(design, {.criterion = criterion});
    const VectorXd at = parameters_of(fit);
    EXPECT_NEAR(fit.criterion.value, dense_at(design, fit, at),
                1e-8 * std::abs(fit.criterion.value));
    EXPECT_TRUE(fit.optimizer.converged);
    if (fit.optimizer.singular) {
      EXPECT_GT(fit.optimizer.certificate.boundary_multiplier, -1e-3);
      EXPECT_GT(least_nearby(design, fit, seed), fit.criterion.value - 1e-6);
      continue;
    }
    const VectorXd gradient =
        numerical_gradient([&](const VectorXd& x) { return dense_at(design, fit, x); }, at);
    EXPECT_LT(gradient.cwiseProduct(at.cwiseAbs()).cwiseAbs().maxCoeff(), 2e-4) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, DenseLikelihood,
                         testing::Combine(testing::Values(Shape::one_level, Shape::uncorrelated,
                                                          Shape::three_levels, Shape::four_levels,
                                                          Shape::crossed, Shape::crossed_slopes,
                                                          Shape::weighted),
                                          testing::Values(Criterion::ml, Criterion::reml)),
                         [](const auto& instance) {
                           return name_of(std::get<0>(instance.param)) +
                                  (std::get<1>(instance.param) == Criterion::ml ? "_ml" : "_reml");
                         });

/// BLUPs are what generalised least squares predicts: Σ Z'V⁻¹(y − Xβ), conditional covariance
/// Σ − ΣZ'V⁻¹ZΣ.
TEST(MixedFit, EffectsAreBestLinearPredictions) {
  for (const Shape shape : {Shape::three_levels, Shape::crossed_slopes, Shape::weighted}) {
    const Design design = simulated_design(shape, 3);
    const MixedFit fit = fit_mixed_model(design);
    const Index n = design.response.size();
    MatrixXd v = MatrixXd::Zero(n, n);
    for (Index i = 0; i < n; ++i)
      v(i, i) =
          fit.residual.sd * fit.residual.sd / (design.weights.size() > 0 ? design.weights[i] : 1.0);
    std::vector<MatrixXd> z;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      const RandomTerm& term = design.random[t];
      const Index q = term.columns.cols();
      MatrixXd columns = MatrixXd::Zero(n, q * static_cast<Index>(term.levels.size()));
      for (Index i = 0; i < n; ++i)
        columns.block(i, term.group[static_cast<std::size_t>(i)] * q, 1, q) = term.columns.row(i);
      for (Index g = 0; g < static_cast<Index>(term.levels.size()); ++g)
        v += columns.middleCols(g * q, q) * fit.random[t].covariance *
             columns.middleCols(g * q, q).transpose();
      z.push_back(columns);
    }
    const Eigen::LLT<MatrixXd> llt(v);
    VectorXd residual = design.response - design.fixed * fit.fixed.estimate;
    if (design.offset.size() > 0) residual -= design.offset;
    for (std::size_t t = 0; t < z.size(); ++t) {
      const Index q = design.random[t].columns.cols();
      const MatrixXd& covariance = fit.random[t].covariance;
      for (Index g = 0; g < fit.random[t].blups.rows(); ++g) {
        const MatrixXd columns = z[t].middleCols(g * q, q);
        const VectorXd blup = covariance * columns.transpose() * llt.solve(residual);
        const MatrixXd conditional =
            covariance - covariance * columns.transpose() * llt.solve(columns * covariance);
        EXPECT_LT((blup - fit.random[t].blups.row(g).transpose()).norm(), 1e-7);
        EXPECT_LT((conditional - fit.random[t].conditional_covariance.middleRows(g * q, q)).norm(),
                  1e-7);
      }
    }
  }
}

TEST(MixedFit, RescalingColumnsRescalesEstimates) {
  const Design design = simulated_design(Shape::three_levels, 2);
  const MixedFit fit = fit_mixed_model(design);
  for (const double scale : {1e12, 1e-9}) {
    Design scaled = design;
    scaled.fixed.col(1) = (scaled.fixed.col(1).array() * scale + 3 * scale).matrix();
    for (RandomTerm& term : scaled.random)
      term.columns.col(1) = (term.columns.col(1).array() * scale + 3 * scale).matrix();
    scaled.response *= 1 / scale;
    const MixedFit other = fit_mixed_model(scaled);
    const double n = static_cast<double>(design.response.size()) - 2;
    // The response's scale adds −2(n − p) log(1/scale), the column's 2 log scale.
    EXPECT_NEAR(other.criterion.value,
                fit.criterion.value - 2 * n * std::log(scale) + 2 * std::log(scale), 1e-6);
    EXPECT_NEAR(other.fixed.estimate[1] * scale * scale / fit.fixed.estimate[1], 1, 1e-7);
    EXPECT_NEAR(other.random[1].sd[1] * scale * scale / fit.random[1].sd[1], 1, 1e-6);
    EXPECT_NEAR(other.residual.sd * scale / fit.residual.sd, 1, 1e-8);
  }
}

TEST(MixedFit, DoesNotDependOnTheOrderOfRowsOrThreads) {
  const Design design = simulated_design(Shape::crossed_slopes, 4);
  const MixedFit fit = fit_mixed_model(design);
  const Index n = design.response.size();
  Design reversed = design;
  reversed.response = design.response.reverse();
  reversed.fixed = design.fixed.colwise().reverse();
  for (RandomTerm& term : reversed.random) {
    term.columns = term.columns.colwise().reverse().eval();
    std::reverse(term.group.begin(), term.group.end());
  }
  const MixedFit other = fit_mixed_model(reversed, {.threads = 3});
  EXPECT_NEAR(other.criterion.value, fit.criterion.value, 1e-9 * std::abs(fit.criterion.value));
  EXPECT_LT((other.fixed.estimate - fit.fixed.estimate).norm(), 1e-7);
  EXPECT_EQ(n, other.data.observations);
  const MixedFit threaded = fit_mixed_model(design, {.threads = 4});
  EXPECT_EQ(threaded.criterion.value, fit.criterion.value);
  EXPECT_EQ(threaded.fixed.estimate, fit.fixed.estimate);
}

TEST(MixedFit, DependentColumnsAreDroppedByName) {
  Design design = simulated_design(Shape::one_level, 1);
  const MixedFit fit = fit_mixed_model(design);
  const Index n = design.response.size();
  MatrixXd fixed(n, 4);
  fixed << design.fixed, 2 * design.fixed.col(1) - VectorXd::Constant(n, 5),
      VectorXd::Constant(n, 7);
  design.fixed = fixed;
  design.fixed_terms = {"(Intercept)", "time", "twice", "constant"};
  const MixedFit other = fit_mixed_model(design);
  EXPECT_THAT(other.fixed.dropped, testing::ElementsAre("twice", "constant"));
  EXPECT_THAT(other.fixed.terms, testing::ElementsAre("(Intercept)", "time"));
  EXPECT_NEAR(other.criterion.value, fit.criterion.value, 1e-9 * std::abs(fit.criterion.value));
  EXPECT_LT((other.fixed.estimate - fit.fixed.estimate).norm(), 1e-7);
}

TEST(MixedFit, EqualPartitionsShareALevel) {
  Design design = simulated_design(Shape::uncorrelated, 5);
  const MixedFit fit = fit_mixed_model(design);
  RandomTerm& slope = design.random[1];
  for (std::int32_t& g : slope.group) g = 11 - g;
  std::reverse(slope.levels.begin(), slope.levels.end());
  const MixedFit other = fit_mixed_model(design);
  EXPECT_NEAR(other.criterion.value, fit.criterion.value, 1e-9 * std::abs(fit.criterion.value));
  EXPECT_LT((other.random[1].blups.colwise().reverse() - fit.random[1].blups).norm(), 1e-8);
}

template <class Change>
std::string refusal(Change change) {
  Design design = simulated_design(Shape::one_level, 1);
  change(design);
  try {
    static_cast<void>(fit_mixed_model(design));
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(MixedFit, RefusesWhatCannotBeEstimated) {
  EXPECT_THAT(refusal([](Design& d) { d.response.setConstant(3); }), HasSubstr("constant"));
  EXPECT_THAT(refusal([](Design& d) { d.response[2] = NAN; }), HasSubstr("not finite"));
  EXPECT_THAT(refusal([](Design& d) { d.response = d.fixed * VectorXd::Ones(2); }),
              HasSubstr("exactly"));
  EXPECT_THAT(refusal([](Design& d) {
                d.random[0].group.assign(d.random[0].group.size(), 0);
                d.random[0].levels.resize(1);
              }),
              HasSubstr("one level"));
  EXPECT_THAT(refusal([](Design& d) {
                d.random[0].levels.clear();
                for (std::size_t i = 0; i < d.random[0].group.size(); ++i) {
                  d.random[0].group[i] = static_cast<std::int32_t>(i);
                  d.random[0].levels.push_back(std::to_string(i));
                }
              }),
              HasSubstr("as many levels"));
  EXPECT_THAT(refusal([](Design& d) { d.weights = VectorXd::Zero(d.response.size()); }),
              HasSubstr("weight"));
  EXPECT_THAT(refusal([](Design& d) { d.fixed.setZero(); }), HasSubstr("zero in every row"));
  EXPECT_THAT(refusal([](Design& d) {  // no variation within patients
                for (Index i = 0; i < d.response.size(); ++i)
                  d.response[i] = d.random[0].group[static_cast<std::size_t>(i)];
              }),
              HasSubstr("within"));
  EXPECT_THAT(refusal([](Design& d) {  // another name for the same groups
                d.random.push_back(d.random[0]);
                d.random[1].factor = "clinic";
                for (std::int32_t& group : d.random[1].group)
                  group = static_cast<std::int32_t>(d.random[1].levels.size()) - 1 - group;
              }),
              HasSubstr("group the rows alike"));
}

TEST(MixedFit, ARandomPartWithoutVarianceIsReportedAsSuch) {
  Design design = simulated_design(Shape::one_level, 1);
  RandomStream stream(Seed{9}, 1);
  for (double& value : design.response) value = stream.normal();
  // The means of all patients made equal: no variance between them is the best estimate.
  VectorXd sum = VectorXd::Zero(12);
  VectorXd count = VectorXd::Zero(12);
  for (Index i = 0; i < design.response.size(); ++i) {
    sum[design.random[0].group[static_cast<std::size_t>(i)]] += design.response[i];
    count[design.random[0].group[static_cast<std::size_t>(i)]] += 1;
  }
  for (Index i = 0; i < design.response.size(); ++i) {
    const std::int32_t g = design.random[0].group[static_cast<std::size_t>(i)];
    design.response[i] -= sum[g] / count[g];
  }
  design.random = {make_term("patient", design.random[0].group, nullptr)};
  const MixedFit fit = fit_mixed_model(design);
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_TRUE(fit.optimizer.singular);
  EXPECT_EQ(fit.random[0].sd[0], 0);
  EXPECT_GT(fit.optimizer.certificate.boundary_multiplier, 0);
  EXPECT_THAT(fit.optimizer.message,
              HasSubstr("variance of (Intercept) by patient is estimated as 0"));
}

TEST(MixedFit, WithoutRandomTermsIsLeastSquares) {
  Design design = simulated_design(Shape::one_level, 2);
  design.random.clear();
  const MixedFit fit = fit_mixed_model(design);
  const VectorXd beta = (design.fixed.transpose() * design.fixed)
                            .llt()
                            .solve(design.fixed.transpose() * design.response);
  EXPECT_LT((fit.fixed.estimate - beta).norm(), 1e-10);
  const double rss = (design.response - design.fixed * beta).squaredNorm();
  EXPECT_NEAR(fit.residual.sd, std::sqrt(rss / static_cast<double>(design.response.size() - 2)),
              1e-10);
}

}  // namespace
}  // namespace rapport
