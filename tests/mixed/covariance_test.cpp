#include <rapport/base/random.hpp>
#include <rapport/mixed/covariance.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// ψ(θ) by its definition, from whole matrices.
VectorXd psi_at(const CovarianceStructure& structure, const VectorXd& theta) {
  std::vector<MatrixXd> covariances = structure.factors(theta);
  for (MatrixXd& factor : covariances) factor = (factor * factor.transpose()).eval();
  return structure.psi(covariances);
}

class Structures : public testing::TestWithParam<std::vector<std::vector<Index>>> {
 protected:
  const CovarianceStructure structure{GetParam()};
  const Index n = structure.n_parameters();
  RandomStream stream{Seed{1}, 0};
  const VectorXd theta = VectorXd::NullaryExpr(n, [this] { return stream.normal(); });
};

TEST_P(Structures, JacobianIsThatOfPsi) {
  const MatrixXd jacobian = structure.jacobian(theta);
  for (Index t = 0; t < n; ++t) {
    // ψ is quadratic, so that central differences are exact.
    const VectorXd difference = 0.5 * (psi_at(structure, theta + VectorXd::Unit(n, t)) -
                                       psi_at(structure, theta - VectorXd::Unit(n, t)));
    EXPECT_LT((jacobian.col(t) - difference).norm(), 1e-12 * (1 + difference.norm()));
  }
}

TEST_P(Structures, CurvatureIsTheJacobiansChange) {
  const VectorXd weights = VectorXd::NullaryExpr(n, [this] { return stream.normal(); });
  const MatrixXd curvature = structure.curvature(weights);
  for (Index t = 0; t < n; ++t) {
    const VectorXd change =
        (structure.jacobian(theta + VectorXd::Unit(n, t)) - structure.jacobian(theta)).transpose() *
        weights;
    EXPECT_LT((curvature.col(t) - change).norm(), 1e-12 * (1 + change.norm()));
  }
}

INSTANTIATE_TEST_SUITE_P(Blocks, Structures,
                         testing::Values(std::vector<std::vector<Index>>{{1}},
                                         std::vector<std::vector<Index>>{{2}},
                                         std::vector<std::vector<Index>>{{3, 1}, {1, 2}},
                                         std::vector<std::vector<Index>>{{1, 1}, {4}, {1}}));

}  // namespace
}  // namespace rapport
