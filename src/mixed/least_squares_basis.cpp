#include "least_squares_basis.hpp"

#include <rapport/base/error.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <utility>

namespace rapport::detail {

using Eigen::MatrixXd;
using Eigen::VectorXd;

LeastSquaresBasis least_squares_basis(MatrixXd columns, VectorXd response) {
  const Index p = columns.cols();
  const auto n = static_cast<double>(columns.rows());
  LeastSquaresBasis result{.basis = std::move(columns),
                           .remainder = std::move(response),
                           .to_user = MatrixXd::Identity(p, p),
                           .coefficients = {},
                           .scale = 1,
                           .log_determinant = 0};
  MatrixXd& x = result.basis;
  VectorXd& y = result.remainder;
  // Two passes of Cholesky QR: the second makes the basis orthonormal to rounding.
  for (int pass = 0; pass < 2 && p > 0; ++pass) {
    const VectorXd scale =
        pass > 0 ? VectorXd::Ones(p) : VectorXd((x.colwise().squaredNorm() / n).cwiseSqrt());
    x = (x * scale.cwiseInverse().asDiagonal()).eval();
    const Eigen::LLT<MatrixXd> llt(x.transpose() * x / n);
    const MatrixXd inverse = llt.matrixU().solve(MatrixXd::Identity(p, p));
    x = (x * inverse).eval();
    result.to_user = (result.to_user * scale.cwiseInverse().asDiagonal() * inverse).eval();
    result.log_determinant +=
        2 * (scale.array().log().sum() - inverse.diagonal().array().log().sum());
  }
  const double raw = y.squaredNorm();
  const VectorXd internal = x.transpose() * y / n;
  y -= x * internal;
  result.coefficients = result.to_user * internal;
  if (y.squaredNorm() <= 1e-15 * raw)
    throw DataError(
        "the fixed effects reproduce the response exactly; no variance is left for a model of "
        "residuals");
  result.scale = y.norm() / std::sqrt(n);
  y /= result.scale;
  return result;
}

}  // namespace rapport::detail
