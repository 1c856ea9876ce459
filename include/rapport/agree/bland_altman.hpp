#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace rapport {

/// How the limits' own intervals are made.
enum class LimitInterval {
  approximate,  ///< t(n − 1) with variance s² (1/n + z² / (2 (n − 1))) (Bland & Altman 1999)
  exact         ///< non-central t (Carkeet 2015)
};

struct BlandAltmanOptions {
  double confidence_level =
      0.95;  ///< of the intervals, and the share of differences between the limits
  LimitInterval interval = LimitInterval::approximate;
};

/// An estimate with its uncertainty.
struct [[nodiscard]] LimitOfAgreement {
  double estimate;
  double standard_error;
  ConfidenceInterval ci;
};

/// Does the difference change with the level? Difference on mean, least squares.
struct ProportionalBias {
  double slope;
  double intercept;
  double standard_error;  ///< of the slope
  double p_value;         ///< t on n − 2; NaN for fewer than three subjects or equal means
};

/// First rater minus second (Bland & Altman 1986, 1999).
struct [[nodiscard]] BlandAltmanResult {
  double bias;
  double standard_error;  ///< of the bias
  ConfidenceInterval ci;  ///< t on df
  double statistic;
  double df;               ///< subjects − 1
  double p_value;          ///< bias = 0
  double sd;               ///< of a difference of single ratings
  LimitOfAgreement lower;  ///< bias − z sd, z the normal quantile of the level
  LimitOfAgreement upper;  ///< bias + z sd
  ProportionalBias proportional;
  std::vector<double> within_variance;  ///< with replicates: each rater's, pooled over subjects
  std::vector<double> repeatability;    ///< with replicates: z √2 × within SD
  Index n_used;                         ///< pairs of ratings; with replicates the subjects
  Index n_omitted;
};

/// For pairs of ratings (equal length, NaN missing; incomplete pairs are left out).
/// Throws InvalidArgument if lengths differ, DataError for fewer than two complete pairs.
BlandAltmanResult bland_altman(const VectorView& first, const VectorView& second,
                               const BlandAltmanOptions& options = {});

/// With replicate ratings of an unchanging value (Bland & Altman 1999, section 5.2): row i belongs
/// to `subject[i]` (codes from 0, −1 missing); replicates need not be paired, nor their numbers
/// equal. sd² = var(differences of subjects' means) + Σ raters (1 − mean 1/m) within variance. The
/// limits' standard error is by the delta method from the variances of these parts. Exact intervals
/// of the limits are not known here: InvalidArgument. Throws DataError if fewer than two subjects
/// have ratings of both, or a rater has no replicates.
BlandAltmanResult bland_altman_replicates(const VectorView& first, const VectorView& second,
                                          const std::vector<std::int32_t>& subject,
                                          const BlandAltmanOptions& options = {});

/// With several pairs a subject whose true value varies (Bland & Altman 1999, section 5.3; 2007):
/// row i is a pair of `subject[i]` (codes from 0, −1 missing), the pairs of a subject were taken
/// together. sd² = within-subject variance of the differences + that of the subjects' mean
/// differences, by the one-way analysis of variance. `bias` is the mean of all pairs, its standard
/// error that of this model; df = subjects − 1; n_used counts subjects. Exact intervals:
/// InvalidArgument. Throws DataError for fewer than two subjects, or none with two pairs.
BlandAltmanResult bland_altman_varying(const VectorView& first, const VectorView& second,
                                       const std::vector<std::int32_t>& subject,
                                       const BlandAltmanOptions& options = {});

}  // namespace rapport
