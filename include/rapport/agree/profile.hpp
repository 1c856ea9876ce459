#pragma once

#include <rapport/base/eigen.hpp>

#include <vector>

namespace rapport {

/// How alike two raters' profiles of one subject are, over the items that both answered.
struct [[nodiscard]] ProfileSimilarity {
  double r;              ///< Pearson: shape; NaN with fewer than two common items or a flat profile
  double icc;            ///< double entry (McCrae 2008): shape, elevation and scatter
  double distinctive_r;  ///< r after each rater's item means over subjects are removed (Furr 2008)
  double mean_absolute_difference;
  double d2;    ///< Σ (difference)² (Cronbach & Gleser 1953)
  Index items;  ///< answered by both
};

/// Row i of `first` and of `second` (subjects × items, NaN missing) are two raters' profiles of
/// subject i. Throws InvalidArgument if sizes differ or there are fewer than two items.
std::vector<ProfileSimilarity> profile_similarity(const MatrixView& first,
                                                  const MatrixView& second);

}  // namespace rapport
