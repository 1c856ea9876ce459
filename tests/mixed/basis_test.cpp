#include <rapport/base/error.hpp>
#include <rapport/mixed/basis.hpp>

#include <Eigen/LU>
#include <gtest/gtest.h>

namespace rapport {
namespace {

const Eigen::VectorXd values{{0.3, 1.9, 2.2, 4.1, 4.1, 5.0, 7.7, 9.6}};

TEST(Contrasts, WithAConstantSpanAllFunctionsOfTheLevels) {
  for (const Contrast contrast :
       {Contrast::treatment, Contrast::sum, Contrast::helmert, Contrast::polynomial}) {
    Eigen::MatrixXd full(5, 5);
    full << Eigen::VectorXd::Ones(5), contrast_matrix(contrast, 5);
    EXPECT_GT(std::abs(full.determinant()), 1e-3);
    if (contrast != Contrast::treatment) {
      EXPECT_NEAR(contrast_matrix(contrast, 5).colwise().sum().norm(), 0, 1e-12);
    }
  }
}

TEST(PolynomialBasis, IsOrthonormalOverItsValues) {
  const Eigen::MatrixXd p = basis_columns(polynomial_basis(values, 4), values);
  EXPECT_NEAR((p.transpose() * p - Eigen::MatrixXd::Identity(4, 4)).norm(), 0, 1e-12);
  EXPECT_NEAR(p.colwise().sum().norm(), 0, 1e-12);
}

TEST(PolynomialBasis, NeedsMoreDistinctValuesThanItsDegree) {
  EXPECT_THROW((void)polynomial_basis(Eigen::VectorXd{{1, 2, 1, 2}}, 2), InvalidArgument);
}

TEST(SplineBasis, IsLinearBeyondTheBoundary) {
  const SplineBasis basis = spline_basis(values, 3);
  const Eigen::VectorXd beyond{{10, 11, 12, -1, -2, -3}};
  const Eigen::MatrixXd s = basis_columns(basis, beyond);
  EXPECT_NEAR((s.row(0) - 2 * s.row(1) + s.row(2)).norm(), 0, 1e-12);
  EXPECT_NEAR((s.row(3) - 2 * s.row(4) + s.row(5)).norm(), 0, 1e-12);
}

TEST(SplineBasis, HasTwoContinuousDerivativesAtAKnot) {
  const SplineBasis basis = spline_basis(values, 2);
  const double knot = basis.knots[4];
  const double h = 1e-4;
  const Eigen::MatrixXd s =
      basis_columns(basis, Eigen::VectorXd{{knot - 2 * h, knot - h, knot, knot + h, knot + 2 * h}});
  const Eigen::RowVectorXd left = s.row(0) - 2 * s.row(1) + s.row(2);
  const Eigen::RowVectorXd right = s.row(2) - 2 * s.row(3) + s.row(4);
  EXPECT_NEAR((left - right).norm() / (h * h), 0, 1e-3);
}

TEST(Basis, AMissingValueGivesAMissingRow) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Basis& basis : {Basis(polynomial_basis(values, 2)), Basis(spline_basis(values, 2)),
                             Basis(standardization(values))})
    EXPECT_TRUE(basis_columns(basis, Eigen::VectorXd{{nan}}).array().isNaN().all());
}

}  // namespace
}  // namespace rapport
