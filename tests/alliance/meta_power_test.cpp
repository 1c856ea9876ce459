#include <rapport/alliance/meta_power.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "meta_reference.hpp"
#include <cmath>

namespace rapport {
namespace {

TEST(MetaEquivalence, IsWithinBoundsWhereItsIntervalIs) {
  const MetaFit fit = fit_meta(test::molloy());
  const double estimate = fit.coefficients[0].estimate;
  const double reach = 1.6448536269514722 * fit.coefficients[0].standard_error;  // qnorm(.95)
  const MetaEquivalence inside =
      meta_equivalence(fit, estimate - reach - 1e-9, estimate + reach + 1e-9);
  const MetaEquivalence outside =
      meta_equivalence(fit, estimate - reach + 1e-9, estimate + reach + 1e-9);
  EXPECT_NEAR(inside.ci.lower, estimate - reach, 1e-12);
  EXPECT_LT(inside.p_value, 0.05);
  EXPECT_GT(outside.p_value, 0.05);
  EXPECT_THROW((void)meta_equivalence(fit, 0.1, 0.1), InvalidArgument);
}

// Borenstein et al. (2009), chapter 29, example 1: d = 0.20, 10 studies with variance 0.1025 (20 +
// 20 persons, as 2/20 + 0.2²/80) have standard error 0.1012..., λ = 1.976 and power 0.51 under the
// fixed effect.
TEST(MetaPower, OfTheFixedEffectIsTheNormalTail) {
  const double variance = 2.0 / 20 + 0.2 * 0.2 / 80;
  EXPECT_NEAR(meta_power(0.2, Eigen::VectorXd::Constant(10, variance)), 0.51, 0.005);
}

TEST(MetaPower, AtNoEffectIsAlpha) {
  EXPECT_NEAR(meta_power(0, Eigen::VectorXd::Constant(8, 0.1)), 0.05, 1e-12);
  EXPECT_NEAR(
      meta_power(0, Eigen::VectorXd::Constant(8, 0.1), {.alpha = 0.01, .test = MetaTest::t}), 0.01,
      1e-9);
}

TEST(MetaPower, EqualsTheShareOfSimulatedRejections) {
  const Index k = 12;
  const double variance = 0.05, tau2 = 0.02, effect = 0.2;
  const double se = std::sqrt((variance + tau2) / k);
  RandomStream stream(Seed{3}, 0);
  const int replicates = 20000;
  int rejected = 0;
  for (int r = 0; r < replicates; ++r)
    rejected += std::abs(effect + se * stream.normal()) > 1.959963984540054 * se;
  const double power = meta_power(effect, Eigen::VectorXd::Constant(k, variance), {.tau2 = tau2});
  EXPECT_NEAR(power, static_cast<double>(rejected) / replicates,
              4 * std::sqrt(power * (1 - power) / replicates));
}

TEST(MetaEffectsNeeded, IsTheLeastThatSuffices) {
  for (const MetaTest test : {MetaTest::z, MetaTest::t}) {
    const MetaPowerOptions options{.tau2 = 0.03, .test = test};
    const Index needed = meta_effects_needed(0.15, 0.04, 0.8, options);
    EXPECT_GE(meta_power(0.15, Eigen::VectorXd::Constant(needed, 0.04), options), 0.8);
    EXPECT_LT(meta_power(0.15, Eigen::VectorXd::Constant(needed - 1, 0.04), options), 0.8);
  }
  EXPECT_THROW((void)meta_effects_needed(0, 0.04, 0.8), InvalidArgument);
}

}  // namespace
}  // namespace rapport
