#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/pooling.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rapport {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// mice 3.15.0 and mitml 0.4-4; see pooling.R.
double expected(const std::string& quantity) {
  static const Table values = read_csv(RAPPORT_TEST_DATA "/math/pooling.csv");
  for (Index i = 0; i < values.rows(); ++i)
    if (cell_text(values.column("quantity"), i) == quantity) return values.numbers("value")[i];
  ADD_FAILURE() << quantity;
  return 0;
}

struct Analyses {
  Eigen::MatrixXd estimates;
  std::vector<Eigen::MatrixXd> covariances;

  Analyses() {
    const Table data = read_csv(RAPPORT_TEST_DATA "/math/pooling_data.csv");
    estimates.resize(data.rows(), 4);
    for (Index i = 0; i < data.rows(); ++i) {
      Eigen::MatrixXd covariance(4, 4);
      Index column = 4;
      const auto cell = [&](Index c) { return std::get<Eigen::VectorXd>(data.at(c).values)[i]; };
      for (Index j = 0; j < 4; ++j) {
        estimates(i, j) = cell(j);
        for (Index k = j; k < 4; ++k) covariance(j, k) = covariance(k, j) = cell(column++);
      }
      covariances.push_back(covariance);
    }
  }

  [[nodiscard]] PooledEstimates pooled(double df) const {
    return pool_estimates(estimates, covariances, Eigen::VectorXd::Constant(4, df));
  }
};

TEST(Pooling, RubinsRulesAgreeWithMice) {
  const Analyses analyses;
  for (const auto& [df, name] : {std::pair(infinity, " Inf"), std::pair(56.0, " 56")}) {
    const PooledEstimates pooled = analyses.pooled(df);
    for (std::size_t k = 0; k < 4; ++k) {
      const PooledEstimate& p = pooled.parameters[k];
      const std::string at = " " + std::to_string(k + 1) + name;
      EXPECT_NEAR(p.estimate, expected("estimate" + at), 1e-12);
      EXPECT_NEAR(p.standard_error, expected("std.error" + at), 1e-12);
      EXPECT_NEAR(p.statistic, expected("statistic" + at), 1e-11);
      EXPECT_NEAR(p.df / expected("df" + at), 1, 1e-12);
      EXPECT_NEAR(p.p_value / expected("p.value" + at), 1, 1e-9);
      EXPECT_NEAR(p.ci.lower, expected("2.5 %" + at), 1e-11);
      EXPECT_NEAR(p.ci.upper, expected("97.5 %" + at), 1e-11);
      EXPECT_NEAR(p.relative_increase, expected("riv" + at), 1e-12);
      EXPECT_NEAR(p.lambda, expected("lambda" + at), 1e-12);
      EXPECT_NEAR(p.missing_information, expected("fmi" + at), 1e-12);
    }
  }
}

void expect_test(const PooledTest& test, const std::string& name, const std::string& suffix = "") {
  EXPECT_NEAR(test.statistic, expected(name + " 1" + suffix), 1e-10) << name;
  EXPECT_EQ(test.numerator_df, expected(name + " 2" + suffix)) << name;
  EXPECT_NEAR(test.denominator_df / expected(name + " 3" + suffix), 1, 1e-10) << name;
  EXPECT_NEAR(test.p_value / expected(name + " 4" + suffix), 1, 1e-9) << name;
  EXPECT_NEAR(test.relative_increase, expected(name + " 5" + suffix), 1e-10) << name;
}

TEST(Pooling, MultivariateTestsAgreeWithMitml) {
  const Analyses analyses;
  Eigen::MatrixXd slopes = Eigen::MatrixXd::Zero(2, 4);
  slopes(0, 1) = slopes(1, 2) = 1;
  expect_test(pooled_wald_test(analyses.pooled(infinity), slopes), "D1", " Inf");
  expect_test(pooled_wald_test(analyses.pooled(56), slopes, 56), "D1", " 56");
  Eigen::VectorXd own(5), pooled(5);
  for (Index i = 0; i < 5; ++i) {
    own[i] = expected("own " + std::to_string(i + 1));
    pooled[i] = expected("pooled " + std::to_string(i + 1));
  }
  expect_test(pooled_chi_squared_test(own, 2), "D2");
  expect_test(pooled_likelihood_ratio_test(own, pooled, 2), "D3");
}

TEST(Pooling, OneContrastIsTheSquareOfItsT) {
  const Analyses analyses;
  const PooledEstimates pooled = analyses.pooled(56);
  const PooledTest test = pooled_wald_test(pooled, Eigen::RowVectorXd::Unit(4, 1), 56);
  EXPECT_NEAR(test.statistic, std::pow(pooled.parameters[1].statistic, 2), 1e-11);
  EXPECT_NEAR(test.p_value, pooled.parameters[1].p_value, 1e-13);
}

TEST(Pooling, OfEqualAnalysesIsTheAnalysis) {
  const std::vector<Eigen::MatrixXd> covariances(3, Eigen::MatrixXd::Constant(1, 1, 4.0));
  const PooledEstimate p =
      pool_estimates(Eigen::MatrixXd::Constant(3, 1, 2.0), covariances).parameters[0];
  EXPECT_EQ(p.standard_error, 2);
  EXPECT_EQ(p.lambda, 0);
  EXPECT_TRUE(std::isinf(p.df));
  EXPECT_NEAR(p.p_value, 0.31731050786291415, 1e-14);  // 2 Φ(−1)
}

TEST(Pooling, WrongCallsAreRefused) {
  const Analyses analyses;
  EXPECT_THROW((void)pool_estimates(analyses.estimates.topRows(1), {analyses.covariances[0]}),
               InvalidArgument);
  EXPECT_THROW((void)pool_estimates(analyses.estimates, {analyses.covariances[0]}),
               InvalidArgument);
  EXPECT_THROW((void)pooled_chi_squared_test(Eigen::VectorXd::Ones(3), 0), InvalidArgument);
}

}  // namespace
}  // namespace rapport
