#include "independent_columns.hpp"

namespace rapport::detail {

std::vector<Index> independent_columns(const Eigen::MatrixXd& columns) {
  std::vector<Index> kept;
  Eigen::MatrixXd basis(columns.rows(), columns.cols());  // orthonormal, by Gram–Schmidt done twice
  for (Index j = 0; j < columns.cols(); ++j) {
    const auto rank = static_cast<Index>(kept.size());
    Eigen::VectorXd rest = columns.col(j);
    const double norm = rest.norm();
    for (int pass = 0; pass < 2; ++pass) {
      rest -= basis.leftCols(rank) * (basis.leftCols(rank).transpose() * rest);
    }
    const double left = rest.norm();
    if (rank >= columns.rows() || !(left > 1e-7 * norm)) continue;
    basis.col(rank) = rest / left;
    kept.push_back(j);
  }
  return kept;
}

}  // namespace rapport::detail
