#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "support/dense_likelihood.hpp"
#include <cmath>
#include <limits>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Eight patients seen four to seven times.
Design small_panel() {
  RandomStream stream(Seed{11}, 0);
  std::vector<double> time;
  std::vector<double> response;
  RandomTerm term{"patient", {"(Intercept)", "time"}, {}, {}, {}};
  for (std::int32_t patient = 0; patient < 8; ++patient) {
    const double level = 2 * stream.normal();
    const double slope = 0.6 * stream.normal();
    for (Index session = 0; session < 4 + patient % 4; ++session) {
      time.push_back(static_cast<double>(session) + 0.2 * stream.uniform());
      response.push_back(10 + time.back() + level + slope * time.back() + stream.normal());
      term.group.push_back(patient);
    }
    term.levels.push_back(std::to_string(patient));
  }
  const auto n = static_cast<Index>(time.size());
  Design design;
  design.response = Eigen::Map<const VectorXd>(response.data(), n);
  design.fixed = MatrixXd::Ones(n, 2);
  design.fixed.col(1) = Eigen::Map<const VectorXd>(time.data(), n);
  design.fixed_terms = {"(Intercept)", "time"};
  term.columns = design.fixed;
  design.random = {term};
  return design;
}

/// First SD, arcsine of the correlation (so that ±1 is an inner point), second SD, σ.
double deviance(const Design& design, const VectorXd& x) {
  MatrixXd covariance(2, 2);
  const double product = x[0] * std::sin(x[1]) * x[2];
  covariance << x[0] * x[0], product, product, x[2] * x[2];
  return testing_support::dense_criterion(design, {covariance}, x[3], Criterion::ml);
}

/// The least deviance over the parameters but one, all of them free for `held` = −1.
double least_deviance(const Design& design, const VectorXd& start, Index held) {
  const auto whole = [&](const VectorXd& free) {
    VectorXd x = start;
    for (Index k = 0, j = 0; k < 4; ++k)
      if (k != held) x[k] = free[j++];
    return x;
  };
  VectorXd free(held < 0 ? 4 : 3);
  for (Index k = 0, j = 0; k < 4; ++k)
    if (k != held) free[j++] = start[k];
  const auto f = [&](const VectorXd& at, Derivatives& out) {
    const VectorXd x = whole(at);
    if (x[3] <= 0) {
      out.value = std::numeric_limits<double>::infinity();
      return;
    }
    out.value = deviance(design, x);
    out.gradient.resize(at.size());
    for (Index k = 0; k < at.size(); ++k) {
      const VectorXd step = 1e-5 * VectorXd::Unit(at.size(), k);
      out.gradient[k] =
          (deviance(design, whole(at + step)) - deviance(design, whole(at - step))) / 2e-5;
    }
  };
  return minimize_bfgs(f, free, {.gradient_tolerance = 1e-7}).value;
}

/// At a limit the least deviance by the definition of the likelihood is higher by the quantile.
TEST(Profile, LimitsRaiseTheDenseDevianceByTheQuantile) {
  const Design design = small_panel();
  const MixedModel model(design);
  const MixedFit fit = model.fit({.criterion = Criterion::ml});
  const RandomEffects& random = fit.random.front();
  VectorXd estimate(4);
  estimate << random.sd[0], std::asin(random.correlation(1, 0)), random.sd[1], fit.residual.sd;
  const std::vector<ParameterInterval> intervals = profile_intervals(model, 0.9);
  ASSERT_EQ(intervals.size(), 6U);
  const double quantile = chi_squared_quantile(0.9, 1);
  for (Index k = 0; k < 4; ++k) {
    const ParameterInterval& interval = intervals[static_cast<std::size_t>(k)];
    SCOPED_TRACE(interval.parameter);
    EXPECT_NEAR(interval.estimate, k == 1 ? std::sin(estimate[k]) : estimate[k], 1e-10);
    for (const double limit : {interval.ci.lower, interval.ci.upper}) {
      if (limit == 0 || std::abs(limit) == 1) continue;  // the boundary is nearer
      VectorXd start = estimate;
      start[k] = k == 1 ? std::asin(limit) : limit;
      EXPECT_NEAR(least_deviance(design, start, k) - fit.criterion.value, quantile, 1e-5);
    }
  }
  for (Index j = 0; j < 2; ++j) {
    const ParameterInterval& interval = intervals[static_cast<std::size_t>(4 + j)];
    for (const double limit : {interval.ci.lower, interval.ci.upper}) {
      Design held = design;
      held.response -= limit * design.fixed.col(j);
      held.fixed = design.fixed.col(1 - j);
      EXPECT_NEAR(least_deviance(held, estimate, -1) - fit.criterion.value, quantile, 1e-5);
    }
  }
}

}  // namespace
}  // namespace rapport
