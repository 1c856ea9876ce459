#pragma once

#include <rapport/base/eigen.hpp>

#include <cmath>
#include <cstdlib>

namespace rapport::validation {

/// Replicates of a simulation: RAPPORT_VALIDATION_REPLICATES, or `by_default`.
inline Index replicates(Index by_default) {
  const char* given = std::getenv("RAPPORT_VALIDATION_REPLICATES");
  return given == nullptr ? by_default : static_cast<Index>(std::strtol(given, nullptr, 10));
}

/// Monte-Carlo standard error of a share p seen in n replicates.
inline double monte_carlo_error(double p, Index n) {
  return std::sqrt(p * (1 - p) / static_cast<double>(n));
}

}  // namespace rapport::validation
