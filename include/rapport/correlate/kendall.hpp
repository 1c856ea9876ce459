#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/correlate/pair_counts.hpp>

namespace rapport {

/// Kendall's τ-b with its parts.
struct [[nodiscard]] KendallResult {
  double estimate = missing;  ///< τ-b = S/√((pairs not tied on x)(pairs not tied on y)), in [−1, 1]
  double standard_error = missing;  ///< large sample, τ ≠ 0 (Brown & Benedetti 1977)
  ConfidenceInterval ci = {};       ///< estimate ± z · standard error, cut at ±1
  double statistic = missing;       ///< z = S/√(variance of S); NaN where the p-value is exact
  double p_value = missing;
  PValueMethod p_value_method = PValueMethod::asymptotic;
  double s = missing;  ///< concordant − discordant
  double s_variance =
      missing;  ///< of S under independence, tie-corrected (Kendall & Gibbons 1990, 4.11)
  PairCounts pairs = {};
  double n = 0;         ///< pairs of values used; with weights, the sum of their weights
  Index n_used = 0;     ///< rows used
  Index n_omitted = 0;  ///< rows left out because a value was missing
};

struct KendallOptions {
  Alternative alternative = Alternative::two_sided;
  ExactOptions exact = {};
  bool continuity = false;  ///< asymptotic test: |S| less 1
  bool interval =
      true;  ///< false saves the standard error and interval, which cost more than the test
  double confidence_level = 0.95;
  Missing missing = Missing::omit;
};

/// Kendall's τ-b of `x` and `y` (equal length), O(n log n); O(n) for few distinct values. Missing
/// pairs are omitted and counted. The estimate is NaN for n < 2 or a constant variable. Throws
/// InvalidArgument if the lengths differ or a value is infinite.
KendallResult kendall_tau(const VectorView& x, const VectorView& y,
                          const KendallOptions& options = {});

/// The same from ranks already made, of complete columns.
KendallResult kendall_tau(const DenseRanks& x, const DenseRanks& y,
                          const KendallOptions& options = {});

/// τ-b of data in which row i stands weights[i] times; asymptotic test.
KendallResult weighted_kendall_tau(const VectorView& x, const VectorView& y,
                                   const VectorView& weights, const KendallOptions& options = {});

/// Test without ties and interval (Fieller's √(0.437/(n − 4)) on Fisher's scale) from a published τ
/// and n.
CorrelationResult kendall_from_summary(double tau, double n,
                                       const CorrelationOptions& options = {});

/// τ-b alone, of complete ranks.
[[nodiscard]] double kendall_tau_b(const PairCounts& pairs);

/// Variance of S under independence given the sizes of the ties (weights allowed).
[[nodiscard]] double kendall_score_variance(double n, const std::vector<double>& ties_x,
                                            const std::vector<double>& ties_y);

}  // namespace rapport
