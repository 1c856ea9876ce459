#include <rapport/agree/marginal.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

const Eigen::MatrixXd cohen_1968{{88, 10, 2}, {14, 40, 6}, {18, 10, 12}};

// DescTools 0.99.59 StuartMaxwellTest, BhapkarTest; R 4.2.2 mcnemar.test (Bowker).
TEST(MarginalTests, MatchDescTools) {
  EXPECT_NEAR(stuart_maxwell_test(cohen_1968).statistic, 13.51351351351351, 1e-10);
  EXPECT_NEAR(stuart_maxwell_test(cohen_1968).p_value, 0.0011629949394361477, 1e-12);
  EXPECT_NEAR(bhapkar_test(cohen_1968).statistic, 14.492753623188403, 1e-10);
  EXPECT_NEAR(bhapkar_test(cohen_1968).p_value, 0.0007127521514942117, 1e-12);
  const McNemarResult bowker = mcnemar_test(cohen_1968);
  EXPECT_NEAR(bowker.statistic, 14.466666666666667, 1e-12);
  EXPECT_DOUBLE_EQ(bowker.df, 3);
  EXPECT_NEAR(bowker.p_value, 0.0023340915880645787, 1e-12);
}

// Agresti (1990), presidential approval: mcnemar.test in R, binom.test(86, 236).
TEST(McNemar, ReproducesPresidentialApproval) {
  const Eigen::MatrixXd approval{{794, 150}, {86, 570}};
  const McNemarResult r = mcnemar_test(approval);
  EXPECT_NEAR(r.statistic, 17.3559322, 1e-6);
  EXPECT_NEAR(mcnemar_test(approval, true).statistic, 16.8177966, 1e-6);
  EXPECT_NEAR(r.exact_p_value, 3.716e-05, 1e-8);
  EXPECT_LT(r.mid_p_value, r.exact_p_value);
}

TEST(McNemar, EqualDiscordantCounts) {
  const Eigen::MatrixXd balanced{{5, 4}, {4, 5}};
  EXPECT_DOUBLE_EQ(mcnemar_test(balanced).statistic, 0);
  EXPECT_DOUBLE_EQ(mcnemar_test(balanced, true).statistic,
                   0);  // no correction of a difference of 0
  EXPECT_DOUBLE_EQ(mcnemar_test(balanced).exact_p_value, 1);
}

// For two categories Stuart–Maxwell is McNemar's test.
RC_GTEST_PROP(MarginalTests, OfTwoCategoriesAreMcNemars, ()) {
  Eigen::MatrixXd t(2, 2);
  for (Index i = 0; i < 4; ++i) t(i) = *rc::gen::inRange(0, 30);
  const MarginalTest sm = stuart_maxwell_test(t);
  const McNemarResult mc = mcnemar_test(t);
  RC_ASSERT(std::abs(sm.statistic - mc.statistic) < 1e-10);
  RC_ASSERT(sm.df == mc.df);
}

// The order of categories, an unused category, and who is first do not matter.
RC_GTEST_PROP(MarginalTests, DoNotDependOnNames, ()) {
  Eigen::MatrixXd t = Eigen::MatrixXd::Zero(4, 4);
  for (Index j = 0; j < 3; ++j)
    for (Index i = 0; i < 3; ++i) t(i, j) = *rc::gen::inRange(0, 20);
  const MarginalTest a = stuart_maxwell_test(t.topLeftCorner(3, 3));
  for (const Eigen::MatrixXd& other :
       {Eigen::MatrixXd(t), Eigen::MatrixXd(t.reverse()), Eigen::MatrixXd(t.transpose())}) {
    const MarginalTest b = stuart_maxwell_test(other);
    RC_ASSERT(std::abs(a.statistic - b.statistic) < 1e-8);
    RC_ASSERT(a.df == b.df);
  }
}

TEST(MarginalTests, LimitsAndRefusals) {
  const Eigen::MatrixXd agreed = Eigen::Vector3d(3, 4, 5).asDiagonal();
  EXPECT_DOUBLE_EQ(stuart_maxwell_test(agreed).p_value, 1);
  EXPECT_DOUBLE_EQ(stuart_maxwell_test(agreed).df, 0);
  EXPECT_THROW((void)stuart_maxwell_test(Eigen::MatrixXd::Ones(2, 3)), InvalidArgument);
  EXPECT_THROW((void)mcnemar_test(-Eigen::MatrixXd::Ones(2, 2)), InvalidArgument);
}

// irr 0.84.1 maxwell(): 9 of 12 agree.
TEST(MaxwellRe, MatchesIrr) {
  EXPECT_DOUBLE_EQ(maxwell_re(Eigen::MatrixXd{{4, 1}, {2, 5}}).estimate, 0.5);
  EXPECT_THROW((void)maxwell_re(cohen_1968), InvalidArgument);
}

}  // namespace
}  // namespace rapport
