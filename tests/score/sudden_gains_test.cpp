#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/sudden_gains.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

Eigen::MatrixXd row(std::initializer_list<double> values) {
  Eigen::MatrixXd out(1, static_cast<Index>(values.size()));
  Index j = 0;
  for (const double value : values) out(0, j++) = value;
  return out;
}

/// 30 31 29 | 18 17 19: a drop of 11 (38 %), means 30 and 18, pooled SD 1, critical 2.776.
TEST(SuddenGains, OneClearGain) {
  const SuddenGainResult result = sudden_gains(row({30, 31, 29, 18, 17, 19}), 7);
  ASSERT_EQ(result.events.size(), 1U);
  const SuddenGain& gain = result.events[0];
  EXPECT_EQ(gain.from, 2);
  EXPECT_DOUBLE_EQ(gain.magnitude, 11);
  EXPECT_DOUBLE_EQ(gain.change_proportion, 1);  // of 30 − 19
  EXPECT_DOUBLE_EQ(gain.reversal_value, 23.5);
  EXPECT_FALSE(gain.reversal);
  EXPECT_EQ(result.persons, 1);
  EXPECT_EQ(result.testable, 3);
  EXPECT_EQ(result.gains, (std::vector<Index>{0, 1, 0}));
}

/// Means 30 and 20, each side with SD s: a gain as long as 10 > 2.776 s (t on 4 df to more
/// places: 2.7764451).
TEST(SuddenGains, TheThirdCriterionIsDifferenceOverSpread) {
  const auto count = [](double s, StabilityCriterion rule) {
    return sudden_gains(row({30 - s, 30 + s, 30, 20, 20 - s, 20 + s}), 9, {.stability = rule})
        .gains[1];
  };
  EXPECT_EQ(count(3.6017, StabilityCriterion::adjusted), 1);
  EXPECT_EQ(count(3.602, StabilityCriterion::adjusted), 0);
  EXPECT_EQ(count(3.602, StabilityCriterion::fixed), 1);
  EXPECT_EQ(count(3.603, StabilityCriterion::fixed), 0);
  EXPECT_EQ(count(9, StabilityCriterion::none), 1);
}

TEST(SuddenGains, FewerSessionsRaiseTheCriticalValue) {
  // sessions 1 and 2 before, 3 … 5 after: t(3) = 3.182
  const Eigen::MatrixXd scores = row({31, 29, 20, 19, 21, missing});
  EXPECT_EQ(sudden_gains(scores, 7).gains[0], 1);
  // one session missing on either side leaves one value before: not testable
  const SuddenGainResult result = sudden_gains(row({missing, 29, 20, 19, 21, missing}), 7);
  EXPECT_EQ(result.gains[0], 0);
  EXPECT_EQ(result.untestable,
            2);  // 2 to 3 for want of a second value, 4 to 5 for want of values after
}

TEST(SuddenGains, CriteriaOneAndTwoAreInclusive) {
  const SuddenGainOptions loose{.stability = StabilityCriterion::none};
  EXPECT_EQ(sudden_gains(row({28, 28, 21, 21, 21}), 7, loose).gains[0],
            1);  // exactly 7 and exactly a quarter
  EXPECT_EQ(sudden_gains(row({28, 28.1, 21.1, 21, 21}), 7, loose).gains[0], 0);
}

TEST(SuddenGains, ReversalLosesHalf) {
  EXPECT_TRUE(sudden_gains(row({30, 31, 29, 18, 17, 19, 24}), 7).events[0].reversal);
  EXPECT_FALSE(sudden_gains(row({30, 31, 29, 18, 17, 19, 23.5}), 7).events[0].reversal);
}

TEST(SuddenGains, LossesAreGainsSeenFromTheOtherSide) {
  const Eigen::MatrixXd scores = row({18, 17, 19, 29, 31, 30, 29, 18, 17, 19});
  const SuddenGainResult losses = sudden_losses(scores, 7);
  const SuddenGainResult turned = sudden_gains(scores, 7, {.higher_is = Direction::better});
  ASSERT_EQ(losses.events.size(), 1U);
  EXPECT_EQ(losses.events[0].from, 2);
  EXPECT_DOUBLE_EQ(losses.events[0].magnitude, 10);
  EXPECT_TRUE(losses.events[0].reversal);  // back below 24
  EXPECT_EQ(turned.events.size(), losses.events.size());
}

TEST(SuddenGains, Refusals) {
  EXPECT_THROW((void)sudden_gains(row({1, 2, 3}), 7), InvalidArgument);
  EXPECT_THROW((void)sudden_gains(row({1, 2, 3, 4}), 0), InvalidArgument);
  EXPECT_THROW((void)sudden_gains(row({1, 2, 3, 4}), 7, {.alpha = 1}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
