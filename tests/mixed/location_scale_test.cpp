#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/quadrature.hpp>
#include <rapport/mixed/location_scale.hpp>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

struct Truth {
  double scale_sd = 0.6;
  double share = 0.5;  ///< of the scale effect in the random intercept
  Index levels = 12;
  Index rows = 5;  ///< of a level on average
};

struct Drawn {
  Design design;
  ScaleModel scale;
};

/// y = 2 + 0.4 x + b + e, log Var e = −0.5 + 0.5 x + 0.3 g + ω; levels of unequal size.
Drawn draw(const Truth& truth, Index slopes, std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 0);
  std::vector<double> x;
  std::vector<double> g;
  std::vector<double> y;
  Drawn drawn;
  for (Index level = 0; level < truth.levels; ++level) {
    drawn.scale.levels.push_back("p" + std::to_string(level));
    const double u = stream.normal();
    const double group = level % 2 == 0 ? 0 : 1;
    const double intercept = truth.share * u + 0.7 * stream.normal();
    const double slope = 0.3 * stream.normal();
    const Index rows = truth.rows - 1 + level % 3;
    for (Index k = 0; k < rows; ++k) {
      const double at = stream.normal();
      const double sd = std::exp(0.5 * (-0.5 + 0.5 * at + 0.3 * group + truth.scale_sd * u));
      x.push_back(at);
      g.push_back(group);
      y.push_back(2 + 0.4 * at + intercept + slope * at + sd * stream.normal());
      drawn.scale.group.push_back(static_cast<std::int32_t>(level));
    }
  }
  const auto n = static_cast<Index>(y.size());
  const VectorXd predictor = Eigen::Map<VectorXd>(x.data(), n);
  drawn.design.response = Eigen::Map<VectorXd>(y.data(), n);
  drawn.design.fixed.resize(n, 2);
  drawn.design.fixed << VectorXd::Ones(n), predictor;
  drawn.design.fixed_terms = {"(Intercept)", "x"};
  drawn.scale.factor = "patient";
  drawn.scale.effects.terms = {"x", "g"};
  drawn.scale.effects.columns.resize(n, 2);
  drawn.scale.effects.columns << predictor, Eigen::Map<VectorXd>(g.data(), n);
  for (Index i = 0; i < n; ++i) drawn.design.rows.push_back(i);
  if (slopes >= 0) {
    RandomTerm term{"patient", {"(Intercept)", "x"}, drawn.design.fixed, drawn.scale.group, {}};
    term.columns.conservativeResize(Eigen::NoChange, 1 + slopes);
    term.terms.resize(static_cast<std::size_t>(1 + slopes));
    term.levels = drawn.scale.levels;
    drawn.design.random.push_back(term);
  }
  return drawn;
}

/// Everything that the log-likelihood depends on.
struct Parameters {
  VectorXd beta;
  VectorXd tau;
  double s;
  MatrixXd covariance;  ///< of (u, b), u standard normal
};

/// log ∫ φ(u) N(y; Xβ + Z E(b|u), Z Var(b|u) Z' + D exp(su)) du of every level by Gauss–Legendre
/// on panels of [−10, 10], with the definition's dense normal density.
double dense_log_likelihood(const Drawn& data, const Parameters& p, Index panels = 40) {
  const double width = 20.0 / static_cast<double>(panels);
  const QuadratureRule rule = gauss_legendre(12);
  const bool effects = !data.design.random.empty();
  const Index q = p.covariance.rows() - 1;
  const VectorXd share = p.covariance.col(0).tail(q);
  const MatrixXd rest = p.covariance.bottomRightCorner(q, q) - share * share.transpose();
  double total = 0;
  for (std::size_t level = 0; level < data.scale.levels.size(); ++level) {
    std::vector<Index> rows;
    for (Index i = 0; i < data.design.response.size(); ++i)
      if (data.scale.group[static_cast<std::size_t>(i)] == static_cast<std::int32_t>(level))
        rows.push_back(i);
    const auto n = static_cast<Index>(rows.size());
    const VectorXd error =
        data.design.response(rows) - data.design.fixed(rows, Eigen::all) * p.beta;
    const MatrixXd z =
        effects ? MatrixXd(data.design.random[0].columns(rows, Eigen::all)) : MatrixXd(n, 0);
    VectorXd d =
        (p.tau[0] + (data.scale.effects.columns(rows, Eigen::all) * p.tau.tail(2)).array()).exp();
    if (data.design.weights.size() > 0) d.array() /= data.design.weights(rows).array();
    double sum = 0;
    for (Index panel = 0; panel < panels; ++panel)
      for (Index k = 0; k < rule.nodes.size(); ++k) {
        const double u = -10 + width * (static_cast<double>(panel) + 0.5 * (1 + rule.nodes[k]));
        const MatrixXd v =
            z * rest * z.transpose() + MatrixXd((std::exp(p.s * u) * d).asDiagonal());
        const VectorXd e = error - z * share * u;
        const Eigen::LLT<MatrixXd> llt(v);
        const MatrixXd l = llt.matrixL();
        const double log_density = -0.5 * static_cast<double>(n) * std::log(2 * std::numbers::pi) -
                                   l.diagonal().array().log().sum() - 0.5 * e.dot(llt.solve(e));
        sum += 0.5 * width * rule.weights[k] *
               std::exp(log_density - 0.5 * u * u - 0.5 * std::log(2 * std::numbers::pi));
      }
    total += std::log(sum);
  }
  return total;
}

Parameters parameters_of(const LocationScaleFit& fit) {
  const Index q = fit.fit.random.empty() ? 0 : fit.fit.random[0].sd.size();
  Parameters p{.beta = fit.fit.fixed.estimate,
               .tau = VectorXd(3),
               .s = fit.scale_sd,
               .covariance = MatrixXd::Identity(q + 1, q + 1)};
  for (Index k = 0; k < 3; ++k) p.tau[k] = fit.scale[static_cast<std::size_t>(k)].estimate;
  if (q > 0) p.covariance.bottomRightCorner(q, q) = fit.fit.random[0].covariance;
  for (Index k = 0; k < q && fit.correlation.size() > 0; ++k)
    p.covariance(0, k + 1) = p.covariance(k + 1, 0) = fit.correlation[k] * fit.fit.random[0].sd[k];
  return p;
}

class LocationScaleDense : public testing::TestWithParam<Index> {};

TEST_P(LocationScaleDense, IsTheMaximumOfTheIntegral) {
  const Drawn data = draw(GetParam() < 1 ? Truth{} : Truth{.levels = 40, .rows = 9}, GetParam(), 5);
  const LocationScaleFit fit = fit_location_scale_model(data.design, data.scale);
  ASSERT_TRUE(fit.fit.optimizer.converged) << fit.fit.optimizer.message;
  EXPECT_LT(fit.quadrature_error, 1e-8);
  const Parameters best = parameters_of(fit);
  const double maximum = dense_log_likelihood(data, best);
  EXPECT_NEAR(fit.fit.criterion.log_likelihood, maximum, 1e-8);
  // The score by differences of the dense integral, per standard error.
  const auto slope = [&](const auto& change, double step) {
    Parameters up = best;
    Parameters down = best;
    change(up, step);
    change(down, -step);
    return (dense_log_likelihood(data, up) - dense_log_likelihood(data, down)) / (2 * step);
  };
  for (Index k = 0; k < 2; ++k)
    EXPECT_NEAR(slope([k](Parameters& p, double h) { p.beta[k] += h; }, 1e-4), 0, 1e-4);
  for (Index k = 0; k < 3; ++k)
    EXPECT_NEAR(slope([k](Parameters& p, double h) { p.tau[k] += h; }, 1e-4), 0, 1e-4);
  EXPECT_NEAR(slope([](Parameters& p, double h) { p.s += h; }, 1e-4), 0, 1e-4);
  for (Index j = 0; j < best.covariance.rows(); ++j)
    for (Index i = std::max<Index>(1, j); i < best.covariance.rows(); ++i) {
      const auto change = [i, j](Parameters& p, double h) {
        p.covariance(i, j) += h;
        if (i != j) p.covariance(j, i) += h;
      };
      EXPECT_NEAR(slope(change, 1e-5), 0, 1e-3) << i << j;
    }
}

INSTANTIATE_TEST_SUITE_P(RandomSlopes, LocationScaleDense, testing::Values(-1, 0, 1));

/// β, τ, s, and for a random intercept Cov(u, b), Var b.
VectorXd flat(const Parameters& p) {
  VectorXd x(p.covariance.rows() > 1 ? 8 : 6);
  x.head(6) << p.beta, p.tau, p.s;
  if (x.size() > 6) x.tail(2) << p.covariance(1, 0), p.covariance(1, 1);
  return x;
}

Parameters shaped(const VectorXd& x) {
  Parameters p{.beta = x.head(2), .tau = x.segment(2, 3), .s = x[5], .covariance = {}};
  const Index q = x.size() > 6 ? 1 : 0;
  p.covariance = MatrixXd::Identity(q + 1, q + 1);
  if (q > 0) p.covariance << 1, x[6], x[6], x[7];
  return p;
}

MatrixXd second_differences(const std::function<double(const VectorXd&)>& f, const VectorXd& at,
                            double step) {
  const Index n = at.size();
  MatrixXd h(n, n);
  const auto moved = [&](Index i, double di, Index j, double dj) {
    VectorXd x = at;
    x[i] += di;
    x[j] += dj;
    return f(x);
  };
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j)
      h(i, j) = h(j, i) = (moved(i, step, j, step) - moved(i, step, j, -step) -
                           moved(i, -step, j, step) + moved(i, -step, j, -step)) /
                          (4 * step * step);
  return h;
}

TEST(LocationScale, StandardErrorsAreThoseOfTheObservedInformation) {
  for (const Index slopes : {-1, 0}) {
    const Drawn data = draw({.levels = 16, .rows = 6}, slopes, 3);
    const LocationScaleFit fit = fit_location_scale_model(data.design, data.scale);
    const VectorXd at = flat(parameters_of(fit));
    const auto log_likelihood = [&](const VectorXd& x) {
      return dense_log_likelihood(data, shaped(x), 12);
    };
    const MatrixXd information = -second_differences(log_likelihood, at, 1e-3);
    const VectorXd se = information.inverse().diagonal().cwiseSqrt();
    EXPECT_LT((fit.fit.fixed.standard_error - se.head(2)).norm(), 1e-4 * se.head(2).norm());
    for (Index k = 0; k < 3; ++k)
      EXPECT_NEAR(fit.scale[static_cast<std::size_t>(k)].standard_error, se[2 + k],
                  1e-4 * se[2 + k]);
    EXPECT_NEAR(fit.scale_sd_standard_error, se[5], 1e-4 * se[5]);
    ASSERT_EQ(fit.correlation.size(), slopes + 1);
    if (slopes < 0) continue;
    // ρ = c / √v by the delta method.
    const double v = at[7];
    VectorXd slope = VectorXd::Zero(8);
    slope.tail(2) << 1 / std::sqrt(v), -0.5 * at[6] / (v * std::sqrt(v));
    EXPECT_NEAR(fit.correlation_standard_error[0],
                std::sqrt(slope.dot(information.inverse() * slope)), 1e-4);
  }
}

TEST(LocationScale, DoesNotDependOnTheNumberOfPoints) {
  const Drawn data = draw({.levels = 30, .rows = 12}, 0, 1);
  const LocationScaleFit reference =
      fit_location_scale_model(data.design, data.scale, {.quadrature_points = 61});
  double last = std::numeric_limits<double>::infinity();
  for (const Index points : {5, 11, 23}) {
    const LocationScaleFit fit = fit_location_scale_model(
        data.design, data.scale,
        {.quadrature_points = points, .quadrature_error = std::numeric_limits<double>::infinity()});
    EXPECT_EQ(fit.quadrature_points, points);
    const double error =
        std::abs(fit.fit.criterion.log_likelihood - reference.fit.criterion.log_likelihood);
    EXPECT_LT(error, last);
    last = error;
  }
  EXPECT_LT(last, 1e-7);
  const LocationScaleFit adapted =
      fit_location_scale_model(data.design, data.scale, {.quadrature_points = 3});
  EXPECT_GT(adapted.quadrature_points, 3);
  EXPECT_NEAR(adapted.fit.criterion.log_likelihood, reference.fit.criterion.log_likelihood, 1e-7);
  EXPECT_NEAR(adapted.scale_sd, reference.scale_sd, 1e-5);
}

TEST(LocationScale, FollowsUnitsOrderAndWeights) {
  const Drawn data = draw({.levels = 25}, 1, 8);
  const LocationScaleFit fit = fit_location_scale_model(data.design, data.scale);
  Drawn changed = data;
  const Index n = data.design.response.size();
  std::vector<Index> order(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = (7 * i + 3) % n;
  ASSERT_NE(n % 7, 0);
  changed.design.response = 10 * data.design.response(order).array() + 500;
  changed.design.fixed = data.design.fixed(order, Eigen::all);
  changed.design.fixed.col(1).array() *= 100;
  changed.design.random[0].columns = changed.design.fixed;
  changed.scale.effects.columns = data.scale.effects.columns(order, Eigen::all);
  changed.scale.effects.columns.col(0).array() += 1000;
  for (Index i = 0; i < n; ++i)
    changed.scale.group[static_cast<std::size_t>(i)] =
        data.scale.group[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
  changed.design.random[0].group = changed.scale.group;
  changed.design.weights = VectorXd::Constant(n, 4);
  const LocationScaleFit moved = fit_location_scale_model(changed.design, changed.scale);
  EXPECT_NEAR(moved.fit.criterion.log_likelihood,
              fit.fit.criterion.log_likelihood - static_cast<double>(n) * std::log(10.0), 1e-7);
  EXPECT_NEAR(moved.fit.fixed.estimate[1], fit.fit.fixed.estimate[1] / 10, 1e-6);
  EXPECT_NEAR(moved.scale[0].estimate + 1000 * moved.scale[1].estimate,
              fit.scale[0].estimate + std::log(400.0), 1e-4);
  EXPECT_NEAR(moved.scale[1].standard_error, fit.scale[1].standard_error, 1e-5);
  EXPECT_NEAR(moved.scale_sd, fit.scale_sd, 1e-5);
  EXPECT_NEAR(moved.correlation[1], fit.correlation[1], 1e-4);
  EXPECT_LT((moved.scale_effects - fit.scale_effects).norm(), 1e-3);
  EXPECT_NEAR(moved.residual_sd[0], 10 * fit.residual_sd[order[0]], 1e-3);
}

// Where the levels vary alike, s is 0 and the model is that of the variance function alone.
TEST(LocationScale, BoundaryIsTheClosedForm) {
  const Drawn data = draw({.scale_sd = 0, .share = 0, .levels = 30}, 0, 1);
  const LocationScaleFit fit =
      fit_location_scale_model(data.design, data.scale, {.correlated = false});
  ASSERT_EQ(fit.scale_sd, 0) << "choose data whose levels vary alike";
  EXPECT_THAT(fit.fit.optimizer.message, testing::HasSubstr("random scale is estimated as 0"));
  EXPECT_TRUE(std::isnan(fit.scale_sd_standard_error));
  EXPECT_EQ(fit.correlation.size(), 0);
  EXPECT_EQ(fit.scale_effects.norm(), 0);
  EXPECT_NEAR(fit.homogeneity.statistic, 0, 1e-6);
  EXPECT_GT(fit.homogeneity.p_value_boundary, 0.49);
  const ResidualFit closed =
      fit_residual_model(data.design, {.variance = log_linear_variance(data.scale.effects)},
                         {.criterion = Criterion::ml});
  EXPECT_NEAR(fit.fit.criterion.value, closed.fit.criterion.value, 1e-7);
  EXPECT_LT((fit.fit.fixed.estimate - closed.fit.fixed.estimate).norm(), 1e-5);
  const std::vector<OtherParameter> effects = log_variance_effects(closed, data.scale.effects);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(fit.scale[k].estimate, effects[k].estimate, 1e-5);
    EXPECT_NEAR(fit.scale[k].standard_error, effects[k].standard_error, 1e-4);
  }
  EXPECT_NEAR(fit.fit.random[0].blups(0, 0), closed.fit.random[0].blups(0, 0), 1e-5);
}

// glmmTMB 1.1.5: glmmTMB(phq9 ~ session + wai_client + (1 | patient), dispformula = ~ session +
// wai_client), ML and REML (its disp coefficients are effects on the log variance), their standard
// errors with both predictors standardised and moved back.
TEST(LogLinearVariance, AgreesWithGlmmTmb) {
  const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  Design design = make_design(parse_formula("phq9 ~ session + wai_client + (1 | patient)"), table);
  const Design scale = make_design(parse_formula("phq9 ~ session + wai_client"), table);
  const EffectColumns effects = effect_columns(scale, design);
  const auto expect = [&](Criterion criterion, double log_likelihood, const VectorXd& tau,
                          const VectorXd& se, const VectorXd& fixed_se, double sd) {
    const ResidualFit fit = fit_residual_model(design, {.variance = log_linear_variance(effects)},
                                               {.criterion = criterion});
    EXPECT_NEAR(fit.fit.criterion.log_likelihood, log_likelihood, 1e-7);
    EXPECT_LT((fit.fit.fixed.standard_error - fixed_se).cwiseQuotient(fixed_se).norm(), 1e-2);
    EXPECT_NEAR(fit.fit.random[0].sd[0], sd, 1e-5);
    const std::vector<OtherParameter> found = log_variance_effects(fit, effects);
    for (Index k = 0; k < 3; ++k) {
      EXPECT_NEAR(found[static_cast<std::size_t>(k)].estimate, tau[k], 1e-5 * std::abs(tau[k]));
      EXPECT_NEAR(found[static_cast<std::size_t>(k)].standard_error, se[k], 1e-4 * se[k]);
    }
  };
  expect(Criterion::ml, -2814.77922222,
         VectorXd{{0.9280800285, 0.03368401001415, 0.00989896442048}},
         VectorXd{{0.32259480315263, 0.0148593647463, 0.00514137049997}},
         VectorXd{{0.9495814814884, 0.0227954468346, 0.0149002800271}}, 2.87327992755);
  expect(Criterion::reml, -2821.35165297,
         VectorXd{{0.93100368963637, 0.03369213220429, 0.00987946761542}},
         VectorXd{{0.32267920359822, 0.01486969555577, 0.00514224544791}},
         VectorXd{{0.9514030708674, 0.022817486944, 0.0149245185253}}, 2.88892907984);
}

// Moments of draws: Var y = Var b + E exp(w'τ + ω), and a covariance of b and the log scale.
TEST(LocationScale, DrawsHaveTheFittedMoments) {
  const Drawn data = draw({.levels = 30, .rows = 6}, 1, 12);
  const LocationScaleFit fit = fit_location_scale_model(data.design, data.scale);
  const Index replicates = 20000;
  const MatrixXd draws = simulate_responses(data.design, data.scale, fit, Seed{3}, replicates);
  ASSERT_EQ(draws.rows(), data.design.response.size());
  const VectorXd z = data.design.random[0].columns.row(4);
  const VectorXd w = data.scale.effects.columns.row(4);
  const double residual =
      std::exp(fit.scale[0].estimate + fit.scale[1].estimate * w[0] + fit.scale[2].estimate * w[1] +
               0.5 * fit.scale_sd * fit.scale_sd);
  const double variance = z.dot(fit.fit.random[0].covariance * z) + residual;
  const Eigen::ArrayXd row = draws.row(4).transpose();
  const Eigen::ArrayXd centred = row - row.mean();
  const double mean = data.design.fixed.row(4).dot(fit.fit.fixed.estimate);
  const double root = std::sqrt(static_cast<double>(replicates));
  EXPECT_NEAR(row.mean(), mean, 4 * std::sqrt(variance) / root);
  const Eigen::ArrayXd squares = centred.square();
  const double error = std::sqrt((squares - squares.mean()).square().mean()) / root;
  EXPECT_NEAR(squares.mean(), variance, 4 * error);
  EXPECT_EQ(simulate_responses(data.design, data.scale, fit, Seed{3}, 2), draws.leftCols(2));
}

TEST(LocationScale, RefusesWhatCannotBeEstimated) {
  const auto message = [](const Drawn& data, const LocationScaleOptions& options = {}) {
    try {
      (void)fit_location_scale_model(data.design, data.scale, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const Drawn good = draw({}, 0, 5);
  Drawn single = good;
  for (std::size_t i = 0; i < single.scale.group.size(); ++i) {
    single.scale.group[i] = static_cast<std::int32_t>(i);
    if (i >= single.scale.levels.size()) single.scale.levels.push_back(std::to_string(i));
  }
  single.design.random.clear();
  EXPECT_THAT(message(single), testing::HasSubstr("every level of patient has one row"));
  Drawn other = good;
  for (std::int32_t& level : other.design.random[0].group) level /= 2;
  other.design.random[0].factor = "therapist";
  other.design.random[0].levels.resize(6);
  EXPECT_THAT(message(other), testing::HasSubstr("vary over therapist"));
  Drawn constant = good;
  constant.design.response.setConstant(3);
  EXPECT_THAT(message(constant), testing::HasSubstr("the response is constant"));
  Drawn exact = good;
  exact.design.response = exact.design.fixed.col(1);
  EXPECT_THAT(message(exact), testing::HasSubstr("reproduce the response exactly"));
  EXPECT_THAT(message(good, {.quadrature_points = 2}), testing::HasSubstr("3 to 200"));
  EXPECT_THAT(message(good, {.quadrature_error = 0}), testing::HasSubstr("above 0"));
}

}  // namespace
}  // namespace rapport
