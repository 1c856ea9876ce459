#pragma once

#include <cmath>
#include <limits>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "rapport marks missing values by NaN: compile without -ffast-math and -ffinite-math-only"
#endif

namespace rapport {

/// A missing number.
inline constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// True for a missing number (NaN).
[[nodiscard]] inline bool is_missing(double value) { return std::isnan(value); }

/// What a function does with missing values. Every result counts what was used and what was
/// omitted.
enum class Missing {
  omit,       ///< use what is complete for the statistic at hand
  propagate,  ///< the statistic is NaN if any value is missing
  reject      ///< throw InvalidArgument if any value is missing
};

}  // namespace rapport
