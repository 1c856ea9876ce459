#pragma once

#include "residual_gram.hpp"
#include <vector>

namespace rapport::detail {

/// Gram matrices as sums over features: a feature is a coefficient of the precision matrix between
/// rows of two variance classes, with the fixed Gram matrix of what it multiplies. Returns null if
/// more than `limit` numbers would be kept.
std::unique_ptr<ResidualGrams> make_feature_grams(const SortedRows& rows,
                                                  const std::vector<BlockShape>& shapes,
                                                  const std::vector<ResidualShape>& clusters,
                                                  const BlockRows& block_rows,
                                                  CorrelationModel& correlation,
                                                  VarianceModel& variance, Index limit);

}  // namespace rapport::detail
