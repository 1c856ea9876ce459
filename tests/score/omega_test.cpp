#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/omega.hpp>

#include <gtest/gtest.h>

#include "reference_values.hpp"
#include <cmath>

namespace rapport {
namespace {

using testing::keyed_bfi;
using testing::reference;

TEST(OmegaTotal, EqualsLavaan) {
  const OmegaResult omega = omega_total(keyed_bfi().rightCols(5));
  EXPECT_TRUE(omega.converged);
  EXPECT_FALSE(omega.heywood);
  EXPECT_NEAR(omega.total, reference("omega.total"), 1e-7);
  EXPECT_NEAR(omega.standard_error, reference("omega.standard_error"), 1e-7);
  EXPECT_NEAR(omega.ci.lower, reference("omega.lower"), 1e-6);
  EXPECT_NEAR(omega.ci.upper, reference("omega.upper"), 1e-6);
  EXPECT_NEAR(omega.chi_square, reference("omega.chi_square"), 1e-5);
  const double divisor =
      std::sqrt(static_cast<double>(omega.n_used - 1) /
                static_cast<double>(omega.n_used));  // lavaan's variances are over n
  for (Index j = 0; j < 5; ++j)
    EXPECT_NEAR(omega.loadings[j] * divisor, reference("omega.loading." + std::to_string(j + 1)),
                1e-5);
}

/// A covariance matrix that one factor gives exactly is recovered exactly, by both methods.
TEST(OmegaTotal, RecoversAModelThatHolds) {
  Eigen::VectorXd loadings(6);
  loadings << 0.4, 0.5, 0.6, 0.7, 0.8, 3;
  Eigen::VectorXd uniquenesses(6);
  uniquenesses << 1, 0.5, 0.6, 0.3, 0.4, 2;
  Eigen::MatrixXd sigma = loadings * loadings.transpose();
  sigma.diagonal() += uniquenesses;
  const double truth = 36.0 / (36 + 4.8);
  for (const FactorMethod method :
       {FactorMethod::maximum_likelihood, FactorMethod::minimum_residual}) {
    const OmegaResult omega = omega_of_covariance(sigma, 100, {.method = method});
    EXPECT_TRUE(omega.converged);
    EXPECT_NEAR(omega.total, truth, 1e-8);
    EXPECT_NEAR((omega.loadings - loadings).cwiseAbs().maxCoeff(), 0, 1e-6);
  }
  EXPECT_NEAR(omega_of_covariance(sigma, 100).chi_square, 0, 1e-8);
}

TEST(OmegaTotal, DoesNotChangeWithTheItemsOrder) {
  const Eigen::MatrixXd x = keyed_bfi();
  const OmegaResult one = omega_total(x);
  const OmegaResult other = omega_total(x.rowwise().reverse());
  EXPECT_NEAR(one.total, other.total, 1e-9);
  EXPECT_NEAR(one.standard_error, other.standard_error, 1e-9);
}

TEST(OmegaTotal, UndefinedWhereOneFactorIsNotIdentified) {
  EXPECT_TRUE(is_missing(omega_total(keyed_bfi().leftCols(2)).total));
  Eigen::MatrixXd dependent = keyed_bfi().leftCols(4);
  dependent.col(3) = dependent.col(0) + dependent.col(1);
  EXPECT_TRUE(is_missing(omega_total(dependent).total));
  EXPECT_THROW((void)omega_total(dependent.leftCols(1)), InvalidArgument);
}

/// Thurstone's nine tests: ω_h = .74 is published (McDonald 1999); psych::omega gives the digits.
TEST(OmegaHierarchical, EqualsPsychOnThurstone) {
  const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/thurstone.csv");
  const HierarchicalOmega omega = omega_hierarchical(table.matrix(table.names()), 3);
  EXPECT_TRUE(omega.converged);
  EXPECT_NEAR(omega.hierarchical, 0.74, 0.005);
  EXPECT_NEAR(omega.hierarchical, reference("thurstone.hierarchical"), 1e-3);
  EXPECT_NEAR(omega.total, reference("thurstone.total"), 1e-4);
  EXPECT_NEAR(omega.asymptotic, reference("thurstone.asymptotic"), 1e-3);
  for (Index j = 0; j < 9; ++j)
    EXPECT_NEAR(omega.general[j], reference("thurstone.general." + std::to_string(j + 1)), 2e-3);
}

/// The communalities of the Schmid–Leiman solution are those of the factors it came from.
TEST(OmegaHierarchical, KeepsTheCommunalities) {
  const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/thurstone.csv");
  const HierarchicalOmega omega = omega_hierarchical(table.matrix(table.names()), 3);
  const Eigen::VectorXd communality =
      omega.general.cwiseAbs2() + omega.group.cwiseAbs2().rowwise().sum();
  EXPECT_NEAR((communality + omega.uniquenesses - Eigen::VectorXd::Ones(9)).cwiseAbs().maxCoeff(),
              0, 1e-4);
  EXPECT_THROW((void)omega_hierarchical(table.matrix(table.names()), 5), InvalidArgument);
}

}  // namespace
}  // namespace rapport
