#pragma once

#include <rapport/mixed/residual.hpp>

#include "residual_objective.hpp"
#include "search.hpp"
#include <vector>

namespace rapport::detail {

/// The end of a search, with what inference needs of the points around it.
struct ResidualOptimum {
  Minimum minimum;
  /// ∂²(−log L unprofiled) / ∂x ∂log σ².
  Eigen::VectorXd cross;
  /// Derivatives in x of the fixed effects' covariance over σ², and of its internal scale.
  std::vector<Eigen::MatrixXd> covariance_slopes;
};

/// BFGS from `start` with a Hessian by differences, then Newton with the Hessian at the end;
/// saddles are left. The last evaluation of the objective is at the minimum.
[[nodiscard]] ResidualOptimum minimize_residual(ResidualObjective& objective,
                                                const Eigen::VectorXd& start, Index iterations);

}  // namespace rapport::detail
