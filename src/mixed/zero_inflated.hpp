#pragma once

#include "likelihood.hpp"
#include <memory>

namespace rapport::detail {

/// Counts of which a share is 0 whatever their distribution: P(0) = π + (1 − π) f(0), P(y) = (1 −
/// π) f(y), logit π = columns · γ (Lambert 1992). ψ: the parameters of the counts, then γ.
/// `weights` may be empty.
std::unique_ptr<Likelihood> make_zero_inflated(Family family, Link link,
                                               const Eigen::VectorXd& response,
                                               const Eigen::VectorXd& weights,
                                               const Eigen::MatrixXd& columns);

}  // namespace rapport::detail
