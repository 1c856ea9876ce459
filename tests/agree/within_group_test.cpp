#include <rapport/agree/within_group.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

const Factor groups = make_factor(std::vector<std::string>{"a", "a", "a", "b", "b", "b", "c", ""});

TEST(WithinGroup, RwgByHand) {
  Eigen::MatrixXd item(8, 1);
  item << 3, 4, 5, 1, 5, 1, 2, 2;
  const WithinGroupResult r = within_group_rwg(item, groups, {.null_variance = 2});
  ASSERT_EQ(r.groups.size(), 3U);
  EXPECT_NEAR(r.groups[0].value, 1 - 1.0 / 2, 1e-14);
  EXPECT_DOUBLE_EQ(r.groups[1].value, 0);  // variance 5.33 above 2
  EXPECT_TRUE(r.groups[1].truncated);
  EXPECT_TRUE(is_missing(r.groups[2].value));  // one member
  EXPECT_NEAR(r.mean, 0.25, 1e-14);
  EXPECT_EQ(r.n_omitted, 1);
}

// James, Demaree & Wolf (1984): r_wg(J) is the Spearman–Brown of Lindell's mean.
RC_GTEST_PROP(WithinGroup, RwgJIsSteppedUp, ()) {
  Eigen::MatrixXd items(8, 3);
  for (Index i = 0; i < items.size(); ++i) items(i) = *rc::gen::inRange(1, 6);
  const WithinGroupResult j = within_group_rwg(items, groups, {.null_variance = 2});
  const WithinGroupResult lindell =
      within_group_rwg(items, groups, {.null_variance = 2, .lindell = true});
  for (std::size_t g = 0; g < 2; ++g) {
    const double r = lindell.groups[g].value;
    RC_ASSERT(std::abs(j.groups[g].value - 3 * r / (1 + 2 * r)) < 1e-12);
  }
}

TEST(WithinGroup, AdAndAwgByHand) {
  Eigen::MatrixXd item(8, 1);
  item << 3, 4, 8, 2, 2, 4, 2, 2;
  EXPECT_NEAR(within_group_ad(item, groups, Centre::mean).groups[0].value, 2, 1e-14);
  EXPECT_NEAR(within_group_ad(item, groups, Centre::median).groups[0].value, 5.0 / 3, 1e-14);
  // M = 8/3, s² = 4/3: 1 − 2 (4/3) / [(6 · 8/3 − 64/9 − 5) 3/2]
  item(2, 0) = 5;  // of the first group; 8 is no point of the scale
  EXPECT_NEAR(within_group_awg(item, groups, 1, 5).groups[1].value,
              1 - (8.0 / 3) / ((16 - 64.0 / 9 - 5) * 1.5), 1e-12);
  Eigen::MatrixXd extreme = Eigen::MatrixXd::Ones(8, 1);
  EXPECT_DOUBLE_EQ(within_group_awg(extreme, groups, 1, 5).groups[0].value, 1);
}

// Balanced groups: ICC(1) by REML is that by mean squares when positive; ICC(2) steps it up.
TEST(GroupIcc, MethodsAgreeOnBalancedGroups) {
  const Factor g =
      make_factor(std::vector<std::string>{"a", "a", "a", "b", "b", "b", "c", "c", "c"});
  Eigen::MatrixXd item(9, 1);
  item << 1, 2, 3, 4, 6, 5, 9, 7, 8;
  const GroupIccResult anova = group_icc(item, g);
  const GroupIccResult reml = group_icc(item, g, GroupIccMethod::reml);
  // MSB = 27, MSW = 1, k = 3
  EXPECT_NEAR(anova.f, 27, 1e-12);
  EXPECT_NEAR(anova.icc1, 26.0 / 29, 1e-12);
  EXPECT_NEAR(anova.icc2, 26.0 / 27, 1e-12);
  EXPECT_NEAR(reml.icc1, anova.icc1, 1e-8);
  EXPECT_NEAR(reml.icc2, anova.icc2, 1e-8);
  EXPECT_NEAR(anova.eta_squared, 54.0 / 60, 1e-12);
}

TEST(WithinGroup, Refusals) {
  const Eigen::MatrixXd item = Eigen::MatrixXd::Ones(8, 1);
  EXPECT_THROW((void)within_group_rwg(item, groups, {.null_variance = 0}), InvalidArgument);
  EXPECT_THROW((void)within_group_awg(item, groups, 5, 1), InvalidArgument);
  EXPECT_THROW((void)within_group_awg(item, groups, 2, 5), DataError);
  EXPECT_THROW((void)within_group_ad(item.topRows(3), groups, Centre::mean), InvalidArgument);
  EXPECT_THROW((void)group_icc(item, make_factor(std::vector<std::string>(8, "a"))), DataError);
}

}  // namespace
}  // namespace rapport
