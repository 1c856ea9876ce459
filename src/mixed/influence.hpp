#pragma once

#include <rapport/base/parallel.hpp>
#include <rapport/mixed/inference.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rapport::detail {

/// What a fit without a level says.
struct ReducedFit {
  FixedEffects fixed;
  std::vector<RandomEffects> random;
  double residual_sd;
};

/// The fit without a level, where what the full fit knows gives it; else nothing.
using QuickFit = std::function<std::optional<ReducedFit>(std::int32_t level)>;

/// Deletes each level in turn: by `quick` where that gives an answer. `fit(rows)` fits to some of
/// the rows, and a DataError leaves its level without values.
std::vector<LevelInfluence> influence_of(
    const ReducedFit& full, const std::vector<std::int32_t>& groups,
    const std::vector<std::string>& levels, int threads,
    const std::function<ReducedFit(const std::vector<Index>&)>& fit, const QuickFit& quick = {});

}  // namespace rapport::detail
