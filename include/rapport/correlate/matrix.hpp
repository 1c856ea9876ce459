#pragma once

#include <rapport/base/progress.hpp>
#include <rapport/correlate/correlation.hpp>
#include <rapport/math/multiple_testing.hpp>

#include <optional>

namespace rapport {

enum class CorrelationMethod { pearson, spearman, kendall };

/// Which rows a matrix rests on.
enum class MatrixMissing {
  pairwise,  ///< each entry on the rows complete in its two columns
  listwise   ///< every entry on the rows complete in all columns
};

struct CorrelationMatrixOptions {
  CorrelationMethod method = CorrelationMethod::pearson;
  MatrixMissing missing = MatrixMissing::pairwise;
  Adjustment adjustment = Adjustment::holm;  ///< over the pairs above the diagonal
  Alternative alternative = Alternative::two_sided;
  double confidence_level = 0.95;
  int threads = 1;  ///< 0: every core; the result does not depend on it
  Progress progress = {};
};

/// A correlation matrix with its tests; k × k each, symmetric. On the diagonal estimates are 1 and
/// all else NaN.
struct [[nodiscard]] CorrelationMatrixResult {
  Eigen::MatrixXd estimate;
  Eigen::MatrixXd
      ci_lower;  ///< Fisher's z for Pearson, Bonett & Wright for Spearman; NaN for Kendall
  Eigen::MatrixXd ci_upper;
  Eigen::MatrixXd
      statistic;  ///< t on n − 2 (Pearson, Spearman), z with the tie-corrected variance (Kendall)
  Eigen::MatrixXd p_value;  ///< asymptotic
  Eigen::MatrixXd p_adjusted;
  Eigen::MatrixXd n;
  double confidence_level;
};

/// Correlations of all columns of `data` (rows × k); columns are ranked once. A constant column
/// gives NaN. Throws InvalidArgument for an infinite value.
CorrelationMatrixResult correlation_matrix(const MatrixView& data,
                                           const CorrelationMatrixOptions& options = {});

/// The estimates alone, of complete data; `threads` as above.
[[nodiscard]] Eigen::MatrixXd correlation_estimates(const MatrixView& data,
                                                    CorrelationMethod method, int threads = 1);

/// A correlation matrix made positive definite.
struct [[nodiscard]] NearestCorrelation {
  Eigen::MatrixXd matrix;
  bool repaired;  ///< false: the matrix was positive definite already and is returned as it was
  double smallest_eigenvalue;  ///< before
  double largest_change;       ///< of an entry
  Index iterations;
  bool converged;
};

/// The correlation matrix nearest to `correlation` in the Frobenius norm with eigenvalues of at
/// least `least_eigenvalue` times the largest (Higham 2002, alternating projections).
NearestCorrelation nearest_correlation(const MatrixView& correlation,
                                       double least_eigenvalue = 1e-8);

/// A correlation matrix shrunk towards the identity.
struct [[nodiscard]] ShrunkCorrelation {
  Eigen::MatrixXd matrix;
  double intensity;  ///< in [0, 1]
};

/// (1 − λ)R + λI of complete data. Without `intensity` λ is estimated (Schäfer & Strimmer 2005).
/// Throws InvalidArgument for a missing value or λ outside [0, 1].
ShrunkCorrelation shrunk_correlation(const MatrixView& data,
                                     CorrelationMethod method = CorrelationMethod::pearson,
                                     std::optional<double> intensity = {});

}  // namespace rapport
