// Crossed models against the likelihood by its definition: small roots, which are factorised as one
// dense block, and sparse ones of more than 384 effects.
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/LU>
#include <gtest/gtest.h>

#include "support/dense_likelihood.hpp"
#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <numeric>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using testing_support::dense_at;
using testing_support::parameters_of;

struct FactorPlan {
  Index groups;
  bool slope;
  double sd;
};

/// Rows i with covariate x; the group of a factor is near i's share of its groups (within `spread`
/// groups), so that few groups meet.
Design crossed_design(Index n, const std::vector<FactorPlan>& factors, Index spread,
                      std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 0);
  Design design;
  design.fixed = MatrixXd::Ones(n, 2);
  for (double& x : design.fixed.col(1)) x = stream.normal();
  design.fixed_terms = {"(Intercept)", "x"};
  design.response = 2 * design.fixed.col(1);
  for (double& y : design.response) y += stream.normal();
  for (const FactorPlan& plan : factors) {
    RandomTerm term;
    term.factor = "f" + std::to_string(design.random.size());
    term.terms = {"(Intercept)"};
    if (plan.slope) term.terms.emplace_back("x");
    term.columns = design.fixed.leftCols(plan.slope ? 2 : 1);
    MatrixXd effects(plan.groups, 2);
    for (double& effect : effects.reshaped()) effect = plan.sd * stream.normal();
    for (Index i = 0; i < n; ++i) {
      const Index base = i < plan.groups ? i : stream.below(plan.groups);
      const Index near =
          std::min(base + (i < plan.groups ? 0 : stream.below(spread)), plan.groups - 1);
      term.group.push_back(static_cast<std::int32_t>(near));
      design.response[i] += effects(near, 0);
      if (plan.slope) design.response[i] += effects(near, 1) * design.fixed(i, 1);
    }
    for (Index g = 0; g < plan.groups; ++g) term.levels.push_back(std::to_string(g));
    design.random.push_back(std::move(term));
  }
  return design;
}

void expect_optimum(const Design& design, Criterion criterion, double tolerance) {
  const MixedFit fit = fit_mixed_model(design, {.criterion = criterion});
  const VectorXd at = parameters_of(fit);
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.value, dense_at(design, fit, at), 1e-9 * std::abs(fit.criterion.value));
  if (fit.optimizer.singular) {
    EXPECT_GT(fit.optimizer.certificate.boundary_multiplier, -1e-3);
    return;
  }
  const VectorXd gradient =
      numerical_gradient([&](const VectorXd& x) { return dense_at(design, fit, x); }, at);
  EXPECT_LT(gradient.cwiseProduct(at.cwiseAbs()).cwiseAbs().maxCoeff(), tolerance);
}

TEST(CrossedModel, SmallDesignsReachTheOptimumOfTheDefinition) {
  int singular = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    RandomStream stream(Seed{seed}, 7);
    const Index n = 60 + stream.below(60);
    std::vector<FactorPlan> factors;
    const Index n_factors = 2 + stream.below(2);
    for (Index f = 0; f < n_factors; ++f)
      factors.push_back({3 + stream.below(15), n_factors == 2 && stream.below(3) == 0,
                         stream.below(4) == 0 ? 0.0 : 1.0});
    const Design design = crossed_design(n, factors, 15, seed);
    expect_optimum(design, seed % 2 == 0 ? Criterion::ml : Criterion::reml, 2e-4);
    singular += fit_mixed_model(design).optimizer.singular ? 1 : 0;
  }
  EXPECT_GT(singular, 0);  // variances of 0 are among them
}

Design sparse_scalar() { return crossed_design(600, {{420, false, 1.5}, {400, false, 1.5}}, 3, 1); }
Design sparse_slopes() {
  return crossed_design(900, {{205, true, 1.5}, {200, true, 1.5}, {5, false, 1}}, 3, 2);
}

TEST(CrossedModel, ASparseRootReachesTheOptimumOfTheDefinition) {
  expect_optimum(sparse_scalar(), Criterion::reml, 1e-3);

  const Design design = sparse_slopes();
  const MixedFit fit = fit_mixed_model(design);
  const VectorXd at = parameters_of(fit);
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_FALSE(fit.optimizer.singular);
  EXPECT_NEAR(fit.criterion.value, dense_at(design, fit, at), 1e-9 * std::abs(fit.criterion.value));
  // Down a direction that moves every parameter, differences of the definition are level.
  const VectorXd step = 1e-3 * at.cwiseAbs();
  EXPECT_NEAR(dense_at(design, fit, at + step) - dense_at(design, fit, at - step), 0, 1e-5);
}

/// A sparse root whose factor fills, so that the search starts from estimated traces.
TEST(CrossedModel, AFilledRootReachesTheOptimumOfTheDefinition) {
  const Design design = crossed_design(1300, {{420, false, 1.5}, {400, false, 1.5}}, 400, 4);
  const MixedFit fit = fit_mixed_model(design);
  const VectorXd at = parameters_of(fit);
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.value, dense_at(design, fit, at), 1e-9 * std::abs(fit.criterion.value));
  for (const double sign : {1.0, -1.0}) {
    VectorXd step = 1e-3 * at.cwiseAbs();
    step[0] *= sign;
    EXPECT_NEAR(dense_at(design, fit, at + step) - dense_at(design, fit, at - step), 0, 1e-5);
  }
}

/// BLUPs and conditional covariances by generalised least squares on V itself.
class CrossedEffects : public testing::TestWithParam<bool> {};

TEST_P(CrossedEffects, AreBestLinearPredictions) {
  const Design design =
      GetParam() ? sparse_slopes() : crossed_design(300, {{14, true, 1}, {7, true, 1}}, 14, 3);
  const MixedFit fit = fit_mixed_model(design);
  const Index n = design.response.size();
  MatrixXd v = fit.residual.sd * fit.residual.sd * MatrixXd::Identity(n, n);
  std::vector<std::vector<MatrixXd>> columns(design.random.size());
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    const Index q = term.columns.cols();
    for (std::size_t g = 0; g < term.levels.size(); ++g) {
      MatrixXd z = MatrixXd::Zero(n, q);
      for (Index i = 0; i < n; ++i)
        if (static_cast<std::size_t>(term.group[static_cast<std::size_t>(i)]) == g)
          z.row(i) = term.columns.row(i);
      v += z * fit.random[t].covariance * z.transpose();
      if (g < 5) columns[t].push_back(z);
    }
  }
  const Eigen::LLT<MatrixXd> llt(v);
  const VectorXd residual = llt.solve(design.response - design.fixed * fit.fixed.estimate);
  for (std::size_t t = 0; t < columns.size(); ++t) {
    const MatrixXd& covariance = fit.random[t].covariance;
    const Index q = covariance.rows();
    for (std::size_t g = 0; g < columns[t].size(); ++g) {
      const MatrixXd& z = columns[t][g];
      const VectorXd blup = covariance * z.transpose() * residual;
      const MatrixXd conditional =
          covariance - covariance * z.transpose() * llt.solve(z * covariance);
      const auto group = static_cast<Index>(g);
      EXPECT_LT((blup - fit.random[t].blups.row(group).transpose()).norm(), 1e-7);
      EXPECT_LT(
          (conditional - fit.random[t].conditional_covariance.middleRows(group * q, q)).norm(),
          1e-7);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(SparseOrFull, CrossedEffects, testing::Bool());

/// Standard errors of variances rest on tr(V⁻¹V_kV⁻¹V_l), which is estimated for a sparse root:
/// compared with second differences of the definition.
TEST(CrossedModel, StandardErrorsOfASparseRootFollowFromTheCurvature) {
  const Design design = sparse_scalar();
  const MixedModel model(design);
  const MixedFit fit = model.fit({.criterion = Criterion::ml});
  const Index k = 3;
  VectorXd sd(k);
  sd << fit.random[0].sd[0], fit.random[1].sd[0], fit.residual.sd;
  const auto criterion = [&](const VectorXd& x) {
    return dense_at(design, fit, VectorXd{{x[0] * x[0], x[1] * x[1], x[2]}});
  };
  constexpr double step = 1e-2;
  const double here = criterion(sd);
  const auto shifted = [&](Index i, double s, Index j, double t) {
    VectorXd x = sd;
    x[i] += s * step;
    x[j] += t * step;
    return criterion(x);
  };
  MatrixXd hessian(k, k);
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j <= i; ++j) {
      hessian(i, j) = i == j ? (shifted(i, 1, i, 0) - 2 * here + shifted(i, -1, i, 0))
                             : (shifted(i, 1, j, 1) - shifted(i, 1, j, -1) - shifted(i, -1, j, 1) +
                                shifted(i, -1, j, -1)) /
                                   4;
      hessian(i, j) /= step * step;
      hessian(j, i) = hessian(i, j);
    }
  const MatrixXd covariance = 2 * hessian.inverse();
  const std::vector<ParameterInterval> intervals = variance_intervals(model, fit);
  ASSERT_EQ(intervals.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const double expected = std::sqrt(covariance(static_cast<Index>(i), static_cast<Index>(i)));
    EXPECT_NEAR(intervals[i].standard_error, expected, 0.03 * expected) << intervals[i].parameter;
  }
}

TEST(CrossedModel, DoesNotDependOnOrderOrThreads) {
  for (const Design& design : {sparse_scalar(), sparse_slopes()}) {
    const MixedFit fit = fit_mixed_model(design);
    const MixedFit threaded = fit_mixed_model(design, {.threads = 4});
    EXPECT_EQ(threaded.criterion.value, fit.criterion.value);
    EXPECT_EQ(threaded.fixed.estimate, fit.fixed.estimate);

    RandomStream stream(Seed{5}, 0);
    const Index n = design.response.size();
    std::vector<Index> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), Index{0});
    for (Index i = n - 1; i > 0; --i)
      std::swap(order[static_cast<std::size_t>(i)],
                order[static_cast<std::size_t>(stream.below(i + 1))]);
    Design other = design;
    other.response = design.response(order);
    other.fixed = design.fixed(order, Eigen::all);
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      RandomTerm& term = other.random[t];
      term.columns = design.random[t].columns(order, Eigen::all);
      const auto last = static_cast<std::int32_t>(term.levels.size()) - 1;
      for (std::size_t i = 0; i < order.size(); ++i)  // groups numbered backwards
        term.group[i] = last - design.random[t].group[static_cast<std::size_t>(order[i])];
    }
    const MixedFit again = fit_mixed_model(other);
    EXPECT_NEAR(again.criterion.value, fit.criterion.value, 1e-10 * std::abs(fit.criterion.value));
    EXPECT_LT((again.fixed.estimate - fit.fixed.estimate).norm(), 1e-6);
    for (std::size_t t = 0; t < fit.random.size(); ++t)
      EXPECT_LT((again.random[t].blups.colwise().reverse() - fit.random[t].blups).norm(), 1e-3);
  }
}

TEST(CrossedModel, AResponseThatTheGroupsExplainIsRefused) {
  Design design = sparse_scalar();
  for (Index i = 0; i < design.response.size(); ++i)
    design.response[i] = design.random[0].group[static_cast<std::size_t>(i)] % 7 +
                         design.random[1].group[static_cast<std::size_t>(i)] % 5;
  try {
    static_cast<void>(fit_mixed_model(design));
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("no residual variance"));
  }
}

/// Means and variances of responses drawn as cross-products are those of the model.
TEST(CrossedModel, BootstrapCentersOnTheFit) {
  const Design design = crossed_design(300, {{30, false, 1}, {25, false, 1}}, 25, 4);
  const MixedModel model(design);
  const MixedFit fit = model.fit({.criterion = Criterion::ml});
  const MixedBootstrap bootstrap = parametric_bootstrap(model, fit, Seed{3}, {.replicates = 200});
  for (const ParameterInterval& interval : bootstrap.intervals) {
    if (interval.parameter != "x" && interval.parameter != "sigma") continue;
    const double truth = interval.parameter == "x" ? fit.fixed.estimate[1] : fit.residual.sd;
    EXPECT_NEAR(interval.estimate, truth, 1e-12);
    EXPECT_LT(interval.ci.lower, truth);
    EXPECT_GT(interval.ci.upper, truth);
  }
  // Across the replicates, SDs near the standard errors: 200 replicates give them within 5 %.
  const Eigen::Index x = [&] {
    for (std::size_t k = 0; k < bootstrap.intervals.size(); ++k)
      if (bootstrap.intervals[k].parameter == "x") return static_cast<Index>(k);
    return Index{-1};
  }();
  ASSERT_GE(x, 0);
  const VectorXd draws = bootstrap.replicates.col(x);
  const double sd = std::sqrt((draws.array() - draws.mean()).square().mean());
  EXPECT_NEAR(sd / fit.fixed.standard_error[1], 1, 0.2);
}

}  // namespace
}  // namespace rapport
