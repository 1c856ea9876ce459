#include <rapport/agree/bland_altman.hpp>
#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

// Bland & Altman (1986): peak flow by the large and the mini Wright meter, first measurements.
const Eigen::VectorXd large_meter{
    {494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427}};
const Eigen::VectorXd mini_meter{
    {512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451}};

// Published: mean difference −2.1, SD 38.8; the rest by R 4.2.2 from the formulas of the papers.
TEST(BlandAltman, ReproducesThePeakFlowExample) {
  const BlandAltmanResult r = bland_altman(large_meter, mini_meter);
  EXPECT_NEAR(r.bias, -2.1, 0.05);
  EXPECT_NEAR(r.sd, 38.8, 0.05);
  EXPECT_NEAR(r.sd, 38.76512987360738, 1e-10);
  EXPECT_NEAR(r.ci.lower, -22.048837696645165, 1e-9);
  EXPECT_NEAR(r.p_value, 0.8246476735303766, 1e-10);
  EXPECT_NEAR(r.lower.estimate, -78.09590546711172, 1e-9);
  EXPECT_NEAR(r.lower.standard_error, 16.39490579365342, 1e-9);
  EXPECT_NEAR(r.lower.ci.lower, -112.85155313931085, 1e-8);
  EXPECT_NEAR(r.upper.ci.upper, 108.61625902166378, 1e-8);
  EXPECT_NEAR(r.proportional.slope, 0.028687445152549246, 1e-12);  // lm
  EXPECT_NEAR(r.proportional.p_value, 0.749498533649294, 1e-10);
}

TEST(BlandAltman, ExactIntervalsAreCarkeets) {
  const BlandAltmanResult r =
      bland_altman(large_meter, mini_meter, {.interval = LimitInterval::exact});
  // R 4.2.2, qt(ncp = ) (good to about 1e-8 there)
  EXPECT_NEAR(r.lower.ci.lower, -124.16079829483958, 1e-5);
  EXPECT_NEAR(r.lower.ci.upper, -53.094931416742156, 1e-5);
  EXPECT_NEAR(r.upper.ci.upper, 119.92550417719251, 1e-5);
  // By definition: the limit is at the 2.5 % point of non-central t seen from its own upper end.
  const double n = 17;
  const double far = (r.upper.ci.upper - r.bias) / (r.sd / std::sqrt(n));
  EXPECT_NEAR(noncentral_t_cdf(far, n - 1, normal_quantile(0.975) * std::sqrt(n)), 0.975, 1e-9);
}

TEST(BlandAltman, ReplicatesOfOneEachAreTheSimpleCase) {
  // With one rating each there are no replicates to pool: refused. With every rating twice alike
  // the within variance is 0 and the limits are the simple ones.
  std::vector<std::int32_t> person;
  Eigen::VectorXd a(34);
  Eigen::VectorXd b(34);
  for (Index i = 0; i < 34; ++i) {
    person.push_back(static_cast<std::int32_t>(i / 2));
    a[i] = large_meter[i / 2];
    b[i] = mini_meter[i / 2];
  }
  const BlandAltmanResult simple = bland_altman(large_meter, mini_meter);
  const BlandAltmanResult r = bland_altman_replicates(a, b, person);
  EXPECT_NEAR(r.bias, simple.bias, 1e-12);
  EXPECT_NEAR(r.sd, simple.sd, 1e-12);
  EXPECT_NEAR(r.lower.standard_error, simple.lower.standard_error, 1e-10);
  EXPECT_NEAR(r.within_variance.at(0), 0, 1e-12);
  EXPECT_EQ(r.n_used, 17);
  std::vector<std::int32_t> own;
  for (std::int32_t i = 0; i < 17; ++i) own.push_back(i);
  EXPECT_THROW((void)bland_altman_replicates(large_meter, mini_meter, own), DataError);
}

TEST(BlandAltman, ReplicatesByHand) {
  // Two persons, two and one ratings by the first rater, one and two by the second.
  const Eigen::VectorXd a{{1, 3, 10, missing}};
  const Eigen::VectorXd b{{2, missing, 6, 8}};
  const BlandAltmanResult r = bland_altman_replicates(a, b, {0, 0, 1, 1});
  // means 2, 10 against 2, 7: differences 0 and 3, variance 4.5; within variances 2 and 2;
  // mean of 1/m is .75 for both: sd² = 4.5 + .25 · 2 + .25 · 2
  EXPECT_NEAR(r.bias, 1.5, 1e-15);
  EXPECT_NEAR(r.sd, std::sqrt(5.5), 1e-14);
  EXPECT_NEAR(r.within_variance.at(1), 2, 1e-15);
}

// Bland & Altman (1999), 5.3, by hand: differences (1, 3), (2, 2), (6, 4): mean 3, within mean
// square 4/3, between 2 (1 + 1 + 4) / 2 = 6, heterogeneity (6 − 4/3) / 2.
TEST(BlandAltman, VaryingValuesByHand) {
  const Eigen::VectorXd a{{11, 23, 12, 32, 16, 54}};
  const Eigen::VectorXd b{{10, 20, 10, 30, 10, 50}};
  const BlandAltmanResult r = bland_altman_varying(a, b, {0, 0, 1, 1, 2, 2});
  EXPECT_NEAR(r.bias, 3, 1e-14);
  EXPECT_NEAR(r.sd, std::sqrt(7.0 / 3 + 4.0 / 3), 1e-14);
  EXPECT_NEAR(r.standard_error, std::sqrt(6.0 / 6), 1e-14);  // balanced: between / N
  EXPECT_NEAR(r.within_variance.at(0), 4.0 / 3, 1e-14);
  EXPECT_EQ(r.n_used, 3);
  EXPECT_THROW((void)bland_altman_varying(a, b, {0, 1, 2, 3, 4, 5}), DataError);
  EXPECT_THROW(
      (void)bland_altman_varying(a, b, {0, 0, 1, 1, 2, 2}, {.interval = LimitInterval::exact}),
      InvalidArgument);
}

TEST(BlandAltman, Refusals) {
  const Eigen::VectorXd one{{1, missing, 2}};
  const Eigen::VectorXd two{{missing, 1, 3}};
  EXPECT_THROW((void)bland_altman(one, two), DataError);
  EXPECT_THROW((void)bland_altman(one, two.head(2)), InvalidArgument);
  EXPECT_THROW((void)bland_altman(large_meter, mini_meter, {.confidence_level = 0}),
               InvalidArgument);
}

RC_GTEST_PROP(BlandAltman, SwappingRatersTurnsTheSigns, ()) {
  Eigen::VectorXd a(10);
  Eigen::VectorXd b(10);
  for (Index i = 0; i < 10; ++i) {
    a[i] = *rc::gen::inRange(0, 100);
    b[i] = *rc::gen::inRange(0, 100);
  }
  const BlandAltmanResult ab = bland_altman(a, b);
  const BlandAltmanResult ba = bland_altman(b, a);
  RC_ASSERT(std::abs(ab.bias + ba.bias) < 1e-12);
  RC_ASSERT(std::abs(ab.lower.estimate + ba.upper.estimate) < 1e-10);
  RC_ASSERT(std::abs(ab.lower.ci.lower + ba.upper.ci.upper) < 1e-9);
}

}  // namespace
}  // namespace rapport
