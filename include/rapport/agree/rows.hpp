#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/missing.hpp>

#include <vector>

namespace rapport {

/// The rows of `values` (subjects × raters) without a missing value.
[[nodiscard]] inline std::vector<Index> complete_rows(const MatrixView& values) {
  std::vector<Index> rows;
  for (Index i = 0; i < values.rows(); ++i)
    if (!values.row(i).array().isNaN().any()) rows.push_back(i);
  return rows;
}

/// The given entries, in the given order.
[[nodiscard]] inline Eigen::VectorXd pick(const VectorView& values,
                                          const std::vector<Index>& entries) {
  Eigen::VectorXd picked(static_cast<Index>(entries.size()));
  for (Index i = 0; i < picked.size(); ++i)
    picked[i] = values[entries[static_cast<std::size_t>(i)]];
  return picked;
}

/// The given rows, in the given order.
[[nodiscard]] inline Eigen::MatrixXd pick_rows(const MatrixView& values,
                                               const std::vector<Index>& rows) {
  Eigen::MatrixXd picked(static_cast<Index>(rows.size()), values.cols());
  for (Index j = 0; j < values.cols(); ++j)
    for (Index i = 0; i < picked.rows(); ++i)
      picked(i, j) = values(rows[static_cast<std::size_t>(i)], j);
  return picked;
}

}  // namespace rapport
