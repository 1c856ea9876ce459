#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/incomplete_normal.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace rapport {
namespace {

/// Correlated values in which every fourth is missing.
Eigen::MatrixXd sample(Index n, bool complete) {
  RandomStream random(Seed{3}, 0);
  Eigen::MatrixXd data(n, 3);
  for (Index i = 0; i < n; ++i) {
    const double shared = random.normal();
    for (Index j = 0; j < 3; ++j) {
      data(i, j) = static_cast<double>(j) + shared + random.normal();
      if (!complete && random.uniform() < 0.25) data(i, j) = missing;
    }
  }
  return data;
}

Eigen::VectorXd packed(const Eigen::VectorXd& mean, const Eigen::MatrixXd& covariance) {
  Eigen::VectorXd all(mean.size() + covariance.rows() * (covariance.rows() + 1) / 2);
  all << mean, lower_triangle(covariance);
  return all;
}

double log_likelihood_at(const IncompleteNormal& normal, const Eigen::VectorXd& all) {
  return normal.log_likelihood(all.head(3), from_lower_triangle(all.tail(6), 3));
}

TEST(IncompleteNormal, LikelihoodIsTheSumOfDensitiesOfWhatIsPresent) {
  Eigen::MatrixXd data(3, 2);
  data << 1, 2, missing, 3, missing, missing;
  const IncompleteNormal normal(data);
  EXPECT_EQ(normal.rows(), 2);
  const Eigen::MatrixXd sigma{{2, 0.5}, {0.5, 1}};
  // By hand: the determinant is 1.75; (1, 2) − (0, 1) = (1, 1) has the quadratic form (1 − 1 + 2)
  // / 1.75.
  const double both = -std::log(2 * std::numbers::pi) - 0.5 * std::log(1.75) - 0.5 * 2 / 1.75;
  const double single = -0.5 * std::log(2 * std::numbers::pi) - 0.5 * 4;
  EXPECT_NEAR(normal.log_likelihood(Eigen::VectorXd{{0, 1}}, sigma), both + single, 1e-14);
}

TEST(IncompleteNormal, DerivativesAreThoseOfTheLikelihood) {
  const IncompleteNormal normal(sample(60, false));
  const Eigen::VectorXd mean{{0.1, 0.9, 2.2}};
  const Eigen::MatrixXd sigma{{2.1, 0.8, 0.9}, {0.8, 1.9, 1.1}, {0.9, 1.1, 2.4}};
  const auto at = normal.derivatives(mean, sigma);
  Eigen::MatrixXd doubled = 2 * at.covariance;
  doubled.diagonal() = at.covariance.diagonal();
  const auto value = [&](const Eigen::VectorXd& all) { return log_likelihood_at(normal, all); };
  const auto gradient = [&](const Eigen::VectorXd& all) { return numerical_gradient(value, all); };
  EXPECT_LT((packed(at.mean, doubled) - gradient(packed(mean, sigma))).cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_LT((at.hessian - numerical_jacobian(gradient, packed(mean, sigma))).cwiseAbs().maxCoeff(),
            1e-3);
  EXPECT_NEAR(at.value, value(packed(mean, sigma)), 1e-10);
}

TEST(IncompleteNormal, CompleteDataHaveTheirOwnMoments) {
  const Eigen::MatrixXd data = sample(40, true);
  const auto fit = IncompleteNormal(data).saturated();
  EXPECT_LT((fit.mean.transpose() - data.colwise().mean()).cwiseAbs().maxCoeff(), 1e-8);
  EXPECT_LT((fit.covariance - covariance_matrix(data) * 39 / 40).cwiseAbs().maxCoeff(), 1e-7);
}

TEST(IncompleteNormal, TheOptimumIsStationary) {
  const IncompleteNormal normal(sample(80, false));
  const auto fit = normal.saturated();
  const auto at = normal.derivatives(fit.mean, fit.covariance, false);
  EXPECT_LT(at.mean.cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_LT(at.covariance.cwiseAbs().maxCoeff(), 1e-5);
  EXPECT_GT(fit.log_likelihood, normal.independent().log_likelihood);
}

TEST(IncompleteNormal, ACovarianceMatrixThatIsNoneHasNoLikelihood) {
  const IncompleteNormal normal(sample(10, true));
  EXPECT_EQ(normal.log_likelihood(Eigen::VectorXd::Zero(3), -Eigen::MatrixXd::Identity(3, 3)),
            -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace rapport
