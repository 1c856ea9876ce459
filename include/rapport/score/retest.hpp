#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

namespace rapport {

/// Two administrations of one score, persons in the same order.
struct [[nodiscard]] RetestResult {
  double estimate;        ///< Pearson's r; NaN if either does not vary
  ConfidenceInterval ci;  ///< Fisher's z
  double mean_change;     ///< second − first
  double sd_change;
  double standard_error_of_measurement;  ///< sd_change / √2
  Index n_used;
  Index n_omitted;
};

/// Throws InvalidArgument if sizes differ and for a level outside (0, 1); DataError for fewer than
/// 2 persons with both scores.
RetestResult test_retest(const VectorView& first, const VectorView& second,
                         double confidence_level = 0.95);

}  // namespace rapport
