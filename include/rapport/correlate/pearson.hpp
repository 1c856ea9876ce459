#pragma once

#include <rapport/correlate/correlation.hpp>

namespace rapport {

/// Pearson's product-moment correlation of `x` and `y` (equal length). Missing pairs are omitted
/// and counted. Standard error √((1 − r²)/(n − 2)), t on n − 2 degrees of freedom, interval by
/// Fisher's z with 1/√(n − 3). The estimate is NaN for n < 2 or a constant variable, the test for n
/// < 3, the interval for n < 4. Throws InvalidArgument if the lengths differ or a value is
/// infinite.
CorrelationResult pearson_correlation(const VectorView& x, const VectorView& y,
                                      const CorrelationOptions& options = {});

/// The same of data in which row i stands weights[i] times (≥ 0; need not be whole). Rows with a
/// missing weight are omitted.
CorrelationResult weighted_pearson_correlation(const VectorView& x, const VectorView& y,
                                               const VectorView& weights,
                                               const CorrelationOptions& options = {});

/// Test and interval from a published r and n. Throws InvalidArgument unless −1 ≤ r ≤ 1.
CorrelationResult pearson_from_summary(double r, double n, const CorrelationOptions& options = {});

/// Two one-sided tests that a correlation lies within (lower, upper) (Fisher's z; Lakens 2017).
struct [[nodiscard]] EquivalenceResult {
  double estimate;
  ConfidenceInterval ci;   ///< of level 1 − 2α for the confidence level 1 − α asked for
  double statistic_lower;  ///< z of r > lower
  double statistic_upper;  ///< z of r < upper
  double p_value;          ///< the larger of the two one-sided
  Index n_used;
  Index n_omitted;
};
EquivalenceResult pearson_equivalence(const VectorView& x, const VectorView& y, double lower,
                                      double upper, const CorrelationOptions& options = {});

/// Percentage-bend correlation (Wilcox 1994): marginal outliers beyond the `bend` quantile of |x −
/// median| are bent in; 0 ≤ bend ≤ 0.5. t on n − 2 degrees of freedom; no interval (use the
/// bootstrap).
CorrelationResult percentage_bend_correlation(const VectorView& x, const VectorView& y,
                                              double bend = 0.2,
                                              const CorrelationOptions& options = {});

/// Pearson's r after ⌊trim·n⌋ values at each end of each variable are set to the next one in
/// (Wilcox 2017, 9.3.2); 0 ≤ trim < 0.5. t on h − 2 degrees of freedom, h = n − 2⌊trim·n⌋.
CorrelationResult winsorized_correlation(const VectorView& x, const VectorView& y,
                                         double trim = 0.2, const CorrelationOptions& options = {});

namespace detail {
/// Pearson's r of complete data, by two passes; NaN for n < 2 or a constant variable.
[[nodiscard]] double product_moment(const VectorView& x, const VectorView& y);
[[nodiscard]] double weighted_product_moment(const VectorView& x, const VectorView& y,
                                             const VectorView& weights);
/// standard_error, statistic, df, p_value of a coefficient tested as Pearson's r is, on `df`
/// degrees of freedom.
void test_as_product_moment(CorrelationResult& result, double df, Alternative alternative);
}  // namespace detail
}  // namespace rapport
