#pragma once

#include <Eigen/Core>

namespace rapport {

/// Every size and subscript.
using Index = Eigen::Index;

/// A read-only vector argument: a column, a block or a whole vector is passed without a copy, a row
/// is copied.
using VectorView = Eigen::Ref<const Eigen::VectorXd>;

/// A read-only, column-major matrix argument.
using MatrixView = Eigen::Ref<const Eigen::MatrixXd>;

}  // namespace rapport
