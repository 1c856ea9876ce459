#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/moments.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

const Eigen::VectorXd& sample() {
  static const Eigen::VectorXd x{{2.5, missing, -1, 7.25, 3, 3, missing, 11}};
  return x;
}

// scipy 1.10: numpy.var(ddof=1), scipy.stats.skew and .kurtosis (bias=True) of the six values
// present.
TEST(Moments, AgreeWithScipy) {
  const Moments m = moments(sample());
  EXPECT_NEAR(m.mean, 4.291666666666667, 1e-15);
  EXPECT_NEAR(m.variance, 17.66041666666667, 1e-14);
  EXPECT_NEAR(m.sd, std::sqrt(17.66041666666667), 1e-15);
  EXPECT_NEAR(m.skewness, 0.5004851557430564, 1e-14);
  EXPECT_NEAR(m.kurtosis, -0.7671242320555716, 1e-14);
  EXPECT_EQ(m.minimum, -1);
  EXPECT_EQ(m.maximum, 11);
  EXPECT_EQ(m.n_used, 6);
  EXPECT_EQ(m.n_omitted, 2);
}

TEST(Moments, AreUndefinedWhereTheyAre) {
  EXPECT_TRUE(is_missing(moments(Eigen::VectorXd(0)).mean));
  const Moments single = moments(Eigen::VectorXd{{4.0}});
  EXPECT_EQ(single.mean, 4);
  EXPECT_TRUE(is_missing(single.variance));
  const Moments constant = moments(Eigen::VectorXd::Constant(7, 0.1));
  EXPECT_EQ(constant.variance, 0);
  EXPECT_TRUE(is_missing(constant.skewness));
}

TEST(Moments, KeepTheirDigitsFarFromZero) {
  RandomStream stream(Seed{3}, 0);
  Eigen::VectorXd x(1000);
  for (double& value : x)
    value = std::round(1024 * stream.normal()) / 1024;  // exact after the shift
  EXPECT_NEAR(moments((x.array() + 1e9).matrix()).variance / moments(x).variance, 1, 1e-9);
}

TEST(Covariance, UsesCompletePairs) {
  const Eigen::VectorXd y{{1, 2, 3, missing, 5, 7, 8, 9}};
  const Eigen::VectorXd a{{2.5, -1, 3, 3, 11}};
  const Eigen::VectorXd b{{1, 3, 5, 7, 9}};
  const double expected = ((a.array() - a.mean()) * (b.array() - b.mean())).sum() / 4;
  EXPECT_NEAR(covariance(sample(), y), expected, 1e-14);
  EXPECT_THROW(static_cast<void>(covariance(a, y)), InvalidArgument);
}

// R: quantile(c(2.5, -1, 7.25, 3, 3, 11), p, type = 7)
TEST(Quantile, AgreesWithRsTypeSeven) {
  EXPECT_EQ(quantile(sample(), 0), -1);
  EXPECT_NEAR(quantile(sample(), 0.1), 0.75, 1e-15);
  EXPECT_NEAR(quantile(sample(), 0.25), 2.625, 1e-15);
  EXPECT_EQ(median(sample()), 3);
  EXPECT_NEAR(quantile(sample(), 0.9), 9.125, 1e-14);
  EXPECT_EQ(quantile(sample(), 1), 11);
  EXPECT_TRUE(is_missing(median(Eigen::VectorXd(0))));
  EXPECT_THROW(static_cast<void>(quantile(sample(), 1.5)), InvalidArgument);
}

TEST(CovarianceMatrix, AgreesWithItsEntries) {
  Eigen::MatrixXd x(6, 3);
  x << 1, 2, 0.5, 2, 1, missing, 4, 3, 2, 3, 7, 1, 9, 8, 4, 2, 2, 2;
  const Eigen::MatrixXd pairwise = pairwise_covariance_matrix(x);
  EXPECT_NEAR(pairwise(0, 1), covariance(x.col(0), x.col(1)), 1e-15);
  Eigen::MatrixXd complete(5, 3);
  complete << x.row(0), x.row(2), x.row(3), x.row(4), x.row(5);
  EXPECT_TRUE(covariance_matrix(x).isApprox(pairwise_covariance_matrix(complete), 1e-14));
  const Eigen::MatrixXd correlation = correlation_from_covariance(pairwise);
  EXPECT_EQ(correlation(2, 2), 1);
  EXPECT_NEAR(correlation(0, 2), pairwise(0, 2) / std::sqrt(pairwise(0, 0) * pairwise(2, 2)),
              1e-15);
}

TEST(CompensatedSum, KeepsWhatPlainSumsLose) {
  EXPECT_EQ(compensated_sum(Eigen::VectorXd{{1, 1e100, 1, -1e100}}), 2);
}

}  // namespace
}  // namespace rapport
