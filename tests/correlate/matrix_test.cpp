#include <rapport/base/error.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/math/distributions.hpp>

#include <Eigen/Eigenvalues>
#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"

namespace rapport {
namespace {

using oracle::simulated_column;

const std::map<std::string, double>& peers() {
  static const std::map<std::string, double> values = oracle::peer_values("peers_r.csv");
  return values;
}

Eigen::MatrixXd five_columns() {
  Eigen::MatrixXd data(60, 5);
  data << simulated_column("x"), simulated_column("y"), simulated_column("z"),
      simulated_column("xt"), simulated_column("yt");
  return data;
}

TEST(CorrelationMatrix, AgreesWithPsych) {
  const auto r = correlation_matrix(five_columns(), {.adjustment = Adjustment::holm});
  EXPECT_NEAR(r.p_value(0, 4), peers().at("matrix.p.x.yt"), 1e-18);
  EXPECT_NEAR(r.p_adjusted(0, 4), peers().at("matrix.holm.x.yt"), 1e-17);
}

TEST(CorrelationMatrix, HoldsWhatThePairsGive) {
  Eigen::MatrixXd data(60, 4);
  data << simulated_column("xm"), simulated_column("ym"), simulated_column("z"),
      simulated_column("xt");
  const ExactOptions asymptotic{.test = ExactTest::no};
  for (const auto method :
       {CorrelationMethod::pearson, CorrelationMethod::spearman, CorrelationMethod::kendall}) {
    const auto matrix = correlation_matrix(data, {.method = method});
    for (Index i = 0; i < 4; ++i)
      for (Index j = 0; j < 4; ++j) {
        if (i == j) continue;
        double estimate = 0;
        double p = 0;
        if (method == CorrelationMethod::kendall) {
          const auto pair = kendall_tau(data.col(i), data.col(j), {.exact = asymptotic});
          estimate = pair.estimate;
          p = pair.p_value;
        } else {
          const auto pair =
              method == CorrelationMethod::pearson
                  ? pearson_correlation(data.col(i), data.col(j))
                  : spearman_correlation(data.col(i), data.col(j), {.exact = asymptotic});
          estimate = pair.estimate;
          p = pair.p_value;
          EXPECT_NEAR(matrix.ci_lower(i, j), pair.ci.lower, 1e-12);
        }
        EXPECT_NEAR(matrix.estimate(i, j), estimate, 1e-13);
        EXPECT_NEAR(matrix.p_value(i, j), p, 1e-12);
      }
  }
  const auto listwise = correlation_matrix(data, {.missing = MatrixMissing::listwise});
  EXPECT_EQ(listwise.n(2, 3), 55);
}

TEST(CorrelationMatrix, DoesNotDependOnThreads) {
  RandomStream stream(Seed{51}, 0);
  Eigen::MatrixXd data(80, 70);
  for (Index j = 0; j < data.cols(); ++j)
    data.col(j) = oracle::random_values(stream, 80, j % 3 == 0 ? 5 : 0);
  for (const auto method :
       {CorrelationMethod::pearson, CorrelationMethod::spearman, CorrelationMethod::kendall}) {
    const auto one = correlation_matrix(data, {.method = method, .threads = 1});
    const auto four = correlation_matrix(data, {.method = method, .threads = 4});
    EXPECT_EQ(one.estimate, four.estimate);
    EXPECT_EQ(one.p_adjusted(3, 9), four.p_adjusted(3, 9));
  }
}

TEST(CorrelationMatrix, ConstantColumnsAreUndefined) {
  Eigen::MatrixXd data(5, 2);
  data << 1, 4, 1, 5, 1, 6, 1, 7, 1, 9;
  EXPECT_TRUE(std::isnan(correlation_matrix(data).estimate(0, 1)));
  EXPECT_TRUE(
      std::isnan(correlation_matrix(data, {.method = CorrelationMethod::spearman}).estimate(0, 1)));
}

// Higham (2002), the example of section 4: the nearest correlation matrix to tridiag(1, 1, 1) with
// zero corners has off-diagonals 0.7607 and 0.1573 at distance 0.5278.
TEST(NearestCorrelation, ReproducesHighamsExample) {
  Eigen::MatrixXd a(3, 3);
  a << 1, 1, 0, 1, 1, 1, 0, 1, 1;
  const auto nearest = nearest_correlation(a);
  EXPECT_TRUE(nearest.repaired);
  EXPECT_TRUE(nearest.converged);
  EXPECT_NEAR(nearest.matrix(0, 1), 0.7607, 1e-4);
  EXPECT_NEAR(nearest.matrix(0, 2), 0.1573, 1e-4);
  EXPECT_NEAR((nearest.matrix - a).norm(), 0.5278, 1e-4);
  EXPECT_GT(Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(nearest.matrix).eigenvalues()[0], 0);
}

TEST(NearestCorrelation, LeavesAGoodMatrixAlone) {
  const Eigen::MatrixXd r = correlation_estimates(five_columns(), CorrelationMethod::pearson);
  const auto nearest = nearest_correlation(r);
  EXPECT_FALSE(nearest.repaired);
  EXPECT_NEAR((nearest.matrix - r).norm(), 0, 1e-15);
}

TEST(Shrinkage, RunsFromTheMatrixToTheIdentity) {
  const Eigen::MatrixXd data = five_columns();
  const Eigen::MatrixXd r = correlation_estimates(data, CorrelationMethod::pearson);
  EXPECT_NEAR((shrunk_correlation(data, CorrelationMethod::pearson, 0.0).matrix - r).norm(), 0,
              1e-15);
  EXPECT_NEAR((shrunk_correlation(data, CorrelationMethod::pearson, 1.0).matrix -
               Eigen::MatrixXd::Identity(5, 5))
                  .norm(),
              0, 1e-15);
  const auto found = shrunk_correlation(data);
  EXPECT_GT(found.intensity, 0);
  EXPECT_LT(found.intensity, 0.3);
  EXPECT_THROW((void)shrunk_correlation(data, CorrelationMethod::pearson, 1.5), InvalidArgument);
}

TEST(Polychoric, AgreesWithPolycor) {
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  const auto two_step = polychoric_correlation(x, y, {.estimator = LatentEstimator::two_step});
  EXPECT_NEAR(two_step.estimate, peers().at("polychoric.two_step"), 1e-5);
  EXPECT_NEAR(two_step.standard_error, peers().at("polychoric.two_step.se"), 1e-4);
  const auto ml = polychoric_correlation(x, y);
  EXPECT_TRUE(ml.converged);
  EXPECT_NEAR(ml.estimate, peers().at("polychoric.ml"), 1e-4);
  EXPECT_NEAR(ml.standard_error, peers().at("polychoric.ml.se"), 2e-4);
  EXPECT_GE(ml.log_likelihood, two_step.log_likelihood);
}

TEST(Polychoric, ExchangeAndReversalKeepAndTurnIt) {
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  const auto ml = polychoric_correlation(x, y);
  EXPECT_NEAR(polychoric_correlation(y, x).estimate, ml.estimate, 1e-8);
  EXPECT_NEAR(polychoric_correlation(-x, y).estimate, -ml.estimate, 1e-8);
  EXPECT_NEAR(polychoric_correlation(-x, y).standard_error, ml.standard_error, 1e-7);
}

// For a 2 × 2 table with both margins at the median, ρ = sin(π/2 (4p − 1)), p the proportion in a
// diagonal cell (Sheppard).
TEST(Polychoric, TetrachoricAtTheMediansIsSheppards) {
  Eigen::MatrixXd table(2, 2);
  table << 35, 15, 15, 35;
  for (const auto estimator : {LatentEstimator::maximum_likelihood, LatentEstimator::two_step})
    EXPECT_NEAR(polychoric_correlation(table, {.estimator = estimator}).estimate,
                std::sin(1.5707963267948966 * 0.4), 1e-9);
}

TEST(Polychoric, GoesToItsLimitWithoutCounterexamples) {
  Eigen::MatrixXd table(2, 2);
  table << 20, 0, 0, 20;
  const auto r = polychoric_correlation(table);
  EXPECT_EQ(r.estimate, 1);
  EXPECT_TRUE(std::isnan(r.standard_error));
  EXPECT_TRUE(std::isnan(polychoric_correlation(Eigen::MatrixXd::Ones(1, 3)).estimate));
}

TEST(Polyserial, AgreesWithPolycor) {
  const auto r = polyserial_correlation(simulated_column("x"), simulated_column("yt"));
  EXPECT_TRUE(r.converged);
  EXPECT_NEAR(r.estimate, peers().at("polyserial.ml"), 1e-4);
  EXPECT_NEAR(r.standard_error, peers().at("polyserial.ml.se"), 2e-4);
}

TEST(Polychoric, MatrixHoldsThePairs) {
  Eigen::MatrixXd data(60, 3);
  data << simulated_column("xt"), simulated_column("yt"), simulated_column("group");
  const Eigen::MatrixXd rho = polychoric_matrix(data, 2);
  EXPECT_EQ(rho(0, 2), polychoric_correlation(data.col(0), data.col(2),
                                              {.estimator = LatentEstimator::two_step})
                           .estimate);
  EXPECT_EQ(rho(1, 0), rho(0, 1));
}

}  // namespace
}  // namespace rapport
