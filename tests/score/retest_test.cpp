#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/retest.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

/// Student's sleep data (two drugs, ten patients; R's `sleep`): cor.test and sd of R 4.2.2.
TEST(TestRetest, EqualsRsCorrelationTest) {
  Eigen::VectorXd first(11);
  Eigen::VectorXd second(11);
  first << 0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0, missing;
  second << 1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4, 1.0;
  const RetestResult result = test_retest(first, second);
  EXPECT_NEAR(result.estimate, 0.7951702058335778, 1e-14);
  EXPECT_NEAR(result.ci.lower, 0.3315254741643373, 1e-13);
  EXPECT_NEAR(result.ci.upper, 0.9494465336113636, 1e-13);
  EXPECT_NEAR(result.mean_change, 1.58, 1e-14);
  EXPECT_NEAR(result.sd_change, 1.2299954832798732, 1e-14);
  EXPECT_NEAR(result.standard_error_of_measurement, 0.8697381470560230, 1e-14);
  EXPECT_EQ(result.n_used, 10);
  EXPECT_EQ(result.n_omitted, 1);
}

TEST(TestRetest, OfAPerfectShift) {
  const Eigen::VectorXd first = Eigen::VectorXd::LinSpaced(10, 1, 10);
  const RetestResult result = test_retest(first, first.array() + 2);
  EXPECT_NEAR(result.estimate, 1, 1e-12);
  EXPECT_DOUBLE_EQ(result.mean_change, 2);
  EXPECT_NEAR(result.standard_error_of_measurement, 0, 1e-12);
}

TEST(TestRetest, UndefinedAndRefused) {
  const Eigen::VectorXd constant = Eigen::VectorXd::Ones(5);
  EXPECT_TRUE(is_missing(test_retest(constant, Eigen::VectorXd::LinSpaced(5, 1, 5)).estimate));
  EXPECT_THROW((void)test_retest(constant, Eigen::VectorXd::Ones(4)), InvalidArgument);
  EXPECT_THROW((void)test_retest(constant.head(1), constant.head(1)), DataError);
}

}  // namespace
}  // namespace rapport
