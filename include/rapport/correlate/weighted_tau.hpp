#pragma once

#include <rapport/correlate/correlation.hpp>

namespace rapport {

/// Which ranking the weights of the observations come from.
enum class WeightedTauRank {
  both,  ///< the mean of the coefficients weighted by x, then y, and by y, then x (decreasing)
  x,     ///< decreasing x, ties by decreasing y
  order  ///< the order of the observations: the first weighs most
};

/// How the weights of two observations make the weight of their pair.
enum class WeightedTauCombine { add, multiply };

struct WeightedTauOptions {
  WeightedTauRank rank = WeightedTauRank::both;
  WeightedTauCombine combine = WeightedTauCombine::add;
  Missing missing = Missing::omit;
};

/// Vigna's (2015) weighted τ with hyperbolic weights 1/(r + 1), r = 0, 1, …: disagreement among the
/// largest values counts most. O(n log n). No test is defined (`p_value` is NaN). NaN for n < 2 or
/// a constant variable. Throws InvalidArgument if the lengths differ or a value is infinite.
CorrelationResult weighted_tau(const VectorView& x, const VectorView& y,
                               const WeightedTauOptions& options = {});

}  // namespace rapport
