#pragma once

#include <rapport/base/eigen.hpp>

#include <vector>

namespace rapport::detail {

/// The columns that do not depend linearly on those before them, up to 1e-7 of their norm (the
/// tolerance of R's qr).
std::vector<Index> independent_columns(const Eigen::MatrixXd& columns);

}  // namespace rapport::detail
