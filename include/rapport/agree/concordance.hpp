#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

#include <vector>

namespace rapport {

struct ConcordanceOptions {
  double confidence_level = 0.95;
};

/// Lin's concordance correlation coefficient (1989), variances over n.
struct [[nodiscard]] ConcordanceResult {
  double estimate;  ///< 2 s₁₂ / (s₁² + s₂² + (m₁ − m₂)²) = pearson × bias_correction; NaN for two
                    ///< equal constants
  double standard_error;   ///< Lin 1989, as corrected in Lin 2000
  ConfidenceInterval ci;   ///< by Fisher's z; the correlation ±1 gives the point itself
  double pearson;          ///< precision
  double bias_correction;  ///< accuracy, C_b in (0, 1]
  double location_shift;   ///< (m₁ − m₂) / √(s₁ s₂)
  double scale_shift;      ///< s₁ / s₂: rater 1 over rater 2
  Index n_used;            ///< complete pairs
  Index n_omitted;
};

/// `first` and `second` of equal length, NaN missing. Throws InvalidArgument if lengths differ,
/// DataError for fewer than three complete pairs.
ConcordanceResult concordance_correlation(const VectorView& first, const VectorView& second,
                                          const ConcordanceOptions& options = {});

/// CCC for any number of raters: 1 − Σ E(x_g − x_h)² / what independence would give, over pairs of
/// raters (Barnhart, Haber & Song 2002). Complete rows. `cluster`: one code a row from 0 (−1 leaves
/// the row out) where rows are replicates of one subject's unchanging value, which all enter alike;
/// empty: each row its own. Standard error by a jackknife over clusters on Fisher's scale, interval
/// by Fisher's z. Throws DataError for fewer than three rows or clusters.
ConcordanceResult overall_concordance(const MatrixView& ratings,
                                      const std::vector<int>& cluster = {},
                                      const ConcordanceOptions& options = {});

/// CCC for repeated measures, of two raters (King, Chinchilli & Carrasco 2007, weights equal over
/// occasions) or more: both sums of squares above are taken within each occasion, so that change
/// over occasions neither helps nor harms agreement, and are added over occasions and pairs of
/// raters. An occasion that subjects miss weighs as its share of rows. Jackknife over subjects.
/// `subject` and `occasion`: one code a row, −1 leaves the row out.
ConcordanceResult repeated_concordance(const MatrixView& ratings, const std::vector<int>& subject,
                                       const std::vector<int>& occasion,
                                       const ConcordanceOptions& options = {});

/// Kendall's coefficient of concordance W (Kendall & Babington Smith 1939).
struct [[nodiscard]] KendallWResult {
  double estimate;       ///< without correction for ties; in [0, 1]
  double estimate_tied;  ///< corrected; NaN if every rater ties all subjects
  double statistic;      ///< raters (subjects − 1) × estimate_tied
  double df;             ///< subjects − 1
  double p_value;        ///< χ²
  double mean_spearman;  ///< (m W − 1) / (m − 1), of estimate_tied
  Index raters;
  Index n_used;  ///< subjects rated by all
  Index n_omitted;
};

/// `ratings`: subjects × raters, NaN missing. Throws DataError for fewer than two complete
/// subjects, InvalidArgument for fewer than two raters.
KendallWResult kendall_w(const MatrixView& ratings);

enum class FinnModel { one_way, two_way };

/// Finn's r (1970): 1 − MS_error / variance of a uniform choice among the scale points.
struct [[nodiscard]] FinnResult {
  double estimate;   ///< may be negative
  double statistic;  ///< F = uniform variance / MS_error, on ∞ and df
  double df;
  double p_value;
  Index raters;
  Index n_used;
  Index n_omitted;
};
FinnResult finn_r(const MatrixView& ratings, Index scale_points, FinnModel model);

/// Robinson's A (1957): SS_subjects / (SS_subjects + SS_residual), the raters' means removed.
struct [[nodiscard]] RobinsonResult {
  double estimate;  ///< NaN if all ratings agree but for raters' means and subjects do not differ
  Index raters;
  Index n_used;
  Index n_omitted;
};
RobinsonResult robinson_a(const MatrixView& ratings);

}  // namespace rapport
