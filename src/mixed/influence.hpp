#pragma once

#include <rapport/base/parallel.hpp>
#include <rapport/mixed/inference.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rapport::detail {

/// What a fit without a level says of the fixed effects.
struct ReducedFit {
  FixedEffects fixed;
  double residual_sd;
};

/// Deletes each level in turn; `fit(rows)` fits to some of the rows, and a DataError leaves its
/// level without values.
std::vector<LevelInfluence> influence_of(
    const FixedEffects& full, const std::vector<std::int32_t>& groups,
    const std::vector<std::string>& levels, int threads,
    const std::function<ReducedFit(const std::vector<Index>&)>& fit);

}  // namespace rapport::detail
