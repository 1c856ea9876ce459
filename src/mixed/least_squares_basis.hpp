#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport::detail {

/// A response and columns of full rank in units that keep digits: what least squares leaves of y,
/// scaled to mean square 1, and a basis of the columns with basis'basis = n I.
/// β = coefficients + scale · to_user · β of the basis.
struct LeastSquaresBasis {
  Eigen::MatrixXd basis;         ///< n × p
  Eigen::VectorXd remainder;     ///< n
  Eigen::MatrixXd to_user;       ///< p × p, upper triangular
  Eigen::VectorXd coefficients;  ///< of least squares
  double scale;                  ///< root mean square of what least squares leaves
  double log_determinant;        ///< log |columns'columns / n|
};

/// Throws DataError where the columns reproduce the response.
[[nodiscard]] LeastSquaresBasis least_squares_basis(Eigen::MatrixXd columns,
                                                    Eigen::VectorXd response);

}  // namespace rapport::detail
