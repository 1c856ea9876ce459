#pragma once

#include <rapport/base/eigen.hpp>

#include <vector>

namespace rapport::testing_support {

/// Numbers as a column of a table.
inline Eigen::VectorXd column(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

}  // namespace rapport::testing_support
