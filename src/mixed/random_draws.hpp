#pragma once

#include <rapport/base/random.hpp>
#include <rapport/mixed/fit.hpp>

#include <vector>

namespace rapport::detail {

/// Zb for every row of the design, the effects of all levels drawn anew.
Eigen::VectorXd draw_random_part(const Design& design, const std::vector<RandomEffects>& random,
                                 RandomStream& stream);

}  // namespace rapport::detail
