#pragma once

#include <rapport/correlate/correlation.hpp>

namespace rapport {

/// Coefficients that can be partialled.
enum class PartialMethod {
  pearson,
  spearman,  ///< of the mid-ranks of the complete rows
  kendall    ///< the same algebra on τ-b (Kendall 1942)
};

/// What the covariates are removed from.
enum class RemoveFrom {
  both,  ///< partial correlation
  x,     ///< semi-partial (part) correlation: x less what the covariates explain, against y
  y      ///< the field's part correlation: the outcome residualised, the alliance left as it is
};

struct PartialOptions {
  PartialMethod method = PartialMethod::pearson;
  RemoveFrom remove_from = RemoveFrom::both;
  Alternative alternative = Alternative::two_sided;
  double confidence_level = 0.95;
};

/// Correlation of `x` and `y` given the columns of `covariates` (n × k, k ≥ 0); rows with a missing
/// value are omitted and counted. Test as t on n − 2 − k for every method (for Kendall an
/// approximation that peers share); interval by Fisher's z with n − 3 − k (Spearman: Bonett &
/// Wright's numerator; Kendall: none). NaN where covariates are collinear or a variable is constant
/// given them. Throws InvalidArgument if the lengths differ or a value is infinite.
CorrelationResult partial_correlation(const VectorView& x, const VectorView& y,
                                      const MatrixView& covariates,
                                      const PartialOptions& options = {});

/// The same algebra on any correlation matrix whose first two rows are x and y and the rest
/// covariates.
[[nodiscard]] double partial_from_matrix(const MatrixView& correlation, RemoveFrom remove_from);

}  // namespace rapport
