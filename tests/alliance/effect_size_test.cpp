#include <rapport/alliance/effect_size.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include "meta_reference.hpp"
#include <cmath>
#include <numbers>

namespace rapport {
namespace {

void expect_equals_metafor(const EffectSize& effect, const std::string& key) {
  EXPECT_NEAR(effect.estimate, test::metafor(key, 0), 1e-12) << key;
  EXPECT_NEAR(effect.variance, test::metafor(key, 1), 1e-12) << key;
}

TEST(EffectSize, EqualsMetafor) {
  expect_equals_metafor(fisher_z(0.45, 23), "es.zcor");
  expect_equals_metafor(raw_correlation(0.45, 23), "es.cor");
  expect_equals_metafor(unbiased_correlation(0.45, 23), "es.ucor");
  expect_equals_metafor(
      hedges_g({.mean = 10.2, .sd = 3.1, .n = 24}, {.mean = 8.4, .sd = 2.7, .n = 31}), "es.smd");
  expect_equals_metafor(standardized_mean_change(11.5, 8, 4.2, 0.6, 37), "es.smcr");
  expect_equals_metafor(log_odds_ratio(12, 20, 7, 30), "es.or");
  expect_equals_metafor(log_odds_ratio(0, 20, 7, 30), "es.or0");
  expect_equals_metafor(log_odds(8, 33), "es.plo");
}

TEST(EffectSize, SamplingCovarianceOfCorrelationsEqualsMetafor) {
  Eigen::MatrixXd r(4, 4);
  r << 1, .4, .3, .2, .4, 1, .5, .25, .3, .5, 1, .35, .2, .25, .35, 1;
  const Eigen::MatrixXd z = correlation_sampling_covariance(r, 60);
  const Eigen::MatrixXd raw = correlation_sampling_covariance(r, 60, false);
  for (Index i = 0; i < 6; ++i)
    for (Index j = 0; j < 6; ++j) {
      EXPECT_NEAR(z(i, j), test::metafor("rcalc.rtoz", 6 * i + j), 1e-14);
      EXPECT_NEAR(raw(i, j), test::metafor("rcalc.r", 6 * i + j), 1e-14);
    }
}

TEST(EffectSize, FisherZTurnsBack) {
  const EffectSize r = correlation_from_fisher_z(fisher_z(0.3, 103));
  EXPECT_NEAR(r.estimate, 0.3, 1e-15);
  EXPECT_NEAR(r.variance, 0.91 * 0.91 / 100, 1e-15);
}

// Borenstein et al. (2009), chapter 7: log OR 0.9069 (variance 0.0676) is d = 0.5000 (variance
// 0.0205); d = 0.5, r = 0.2425 (variance 0.0043); r = 0.50 (variance 0.0058) is d = 1.1547
// (variance 0.0550).
TEST(EffectSize, ConversionsReproducePublishedExamples) {
  const EffectSize d = d_from_log_odds_ratio({.estimate = 0.9069, .variance = 0.0676});
  EXPECT_NEAR(d.estimate, 0.5000, 5e-5);
  EXPECT_NEAR(d.variance, 0.0205, 5e-5);
  const EffectSize odds = log_odds_ratio_from_d({.estimate = 0.5, .variance = 0.0205});
  EXPECT_NEAR(odds.estimate, 0.9069, 5e-5);
  const EffectSize r = correlation_from_d({.estimate = 0.5, .variance = 0.0205});
  EXPECT_NEAR(r.estimate, 0.2425, 5e-5);
  EXPECT_NEAR(r.variance, 0.0043, 5e-5);
  const EffectSize back = d_from_correlation({.estimate = 0.50, .variance = 0.0058});
  EXPECT_NEAR(back.estimate, 1.1547, 5e-5);
  EXPECT_NEAR(back.variance, 0.0550, 5e-5);
}

TEST(EffectSize, ConversionsAreInverses) {
  for (const double value : {-1.3, -0.2, 0.0, 0.7}) {
    const EffectSize d{.estimate = value, .variance = 0.03};
    EXPECT_NEAR(d_from_correlation(correlation_from_d(d)).estimate, value, 1e-14);
    EXPECT_NEAR(d_from_correlation(correlation_from_d(d)).variance, 0.03, 1e-14);
    EXPECT_NEAR(d_from_log_odds_ratio(log_odds_ratio_from_d(d)).variance, 0.03, 1e-15);
  }
}

TEST(EffectSize, DisattenuationDividesByReliability) {
  const EffectSize r = disattenuated({.estimate = 0.28, .variance = 0.01}, 0.81, 0.64);
  EXPECT_NEAR(r.estimate, 0.28 / (0.9 * 0.8), 1e-15);
  EXPECT_NEAR(r.estimate / std::sqrt(r.variance), 0.28 / 0.1,
              1e-12);  // the test of zero is the same
  EXPECT_NEAR(disattenuated({.estimate = 0.28, .variance = 0.01}, 0.81).estimate, 0.28 / 0.9,
              1e-15);
}

// Olkin & Pratt's estimator is 0 and ±1 where r is, odd in r, and about r(1 + (1 − r²)/(2(n − 4)))
// in large samples.
TEST(EffectSize, UnbiasedCorrelationHasItsLimits) {
  EXPECT_EQ(unbiased_correlation(0, 20).estimate, 0);
  EXPECT_NEAR(unbiased_correlation(1, 20).estimate, 1, 1e-15);
  EXPECT_NEAR(unbiased_correlation(-0.4, 30).estimate, -unbiased_correlation(0.4, 30).estimate,
              1e-15);
  EXPECT_NEAR(unbiased_correlation(0.4, 2000).estimate, 0.4 * (1 + (1 - 0.16) / (2 * 1996.0)),
              1e-6);
}

TEST(EffectSize, RefusesWhatIsOutOfRange) {
  EXPECT_THROW((void)fisher_z(1, 20), InvalidArgument);
  EXPECT_THROW((void)fisher_z(0.2, 3), InvalidArgument);
  EXPECT_THROW((void)hedges_g({.mean = 1, .sd = 0, .n = 9}, {.mean = 1, .sd = 0, .n = 9}),
               InvalidArgument);
  EXPECT_THROW((void)disattenuated({.estimate = 0.2, .variance = 0.1}, 1.2), InvalidArgument);
  EXPECT_THROW((void)log_odds(5, 4), InvalidArgument);
  EXPECT_TRUE(std::isnan(fisher_z(NAN, 20).estimate));
}

}  // namespace
}  // namespace rapport
