#pragma once

#include <rapport/base/interval.hpp>

/// Distribution functions over Boost.Math. Every function returns NaN for a NaN argument or
/// parameters outside their range, and the limit (0, 1, ±∞) at the ends of the support; none
/// throws. Use the `_upper_tail` functions for p-values: they keep full relative accuracy where one
/// minus the distribution function would be zero.
namespace rapport {

[[nodiscard]] double normal_density(double x);
[[nodiscard]] double normal_cdf(double x);
[[nodiscard]] double normal_upper_tail(double x);
/// log Φ(x), accurate to x = −10⁸ and beyond.
[[nodiscard]] double normal_log_cdf(double x);
[[nodiscard]] double normal_quantile(double p);

[[nodiscard]] double students_t_cdf(double x, double df);
[[nodiscard]] double students_t_upper_tail(double x, double df);
[[nodiscard]] double students_t_quantile(double p, double df);

[[nodiscard]] double chi_squared_cdf(double x, double df);
[[nodiscard]] double chi_squared_upper_tail(double x, double df);
[[nodiscard]] double chi_squared_quantile(double p, double df);

[[nodiscard]] double fisher_f_cdf(double x, double df1, double df2);
[[nodiscard]] double fisher_f_upper_tail(double x, double df1, double df2);
[[nodiscard]] double fisher_f_quantile(double p, double df1, double df2);

[[nodiscard]] double beta_cdf(double x, double a, double b);
[[nodiscard]] double beta_quantile(double p, double a, double b);

[[nodiscard]] double binomial_cdf(double successes, double trials, double probability);
/// P(X ≥ successes).
[[nodiscard]] double binomial_upper_tail(double successes, double trials, double probability);
[[nodiscard]] double binomial_density(double successes, double trials, double probability);

[[nodiscard]] double noncentral_t_cdf(double x, double df, double noncentrality);
[[nodiscard]] double noncentral_t_quantile(double p, double df, double noncentrality);
[[nodiscard]] double noncentral_chi_squared_cdf(double x, double df, double noncentrality);
[[nodiscard]] double noncentral_f_cdf(double x, double df1, double df2, double noncentrality);

/// P(Q ≤ q) of the studentized range of `groups` normal means on `df` degrees of freedom (∞
/// allowed), by quadrature.
[[nodiscard]] double studentized_range_cdf(double q, double groups, double df);
[[nodiscard]] double studentized_range_upper_tail(double q, double groups, double df);
[[nodiscard]] double studentized_range_quantile(double p, double groups, double df);

/// Φ₂(x, y; ρ), the bivariate normal distribution function (Genz 2004); ρ in [−1, 1], infinite
/// limits allowed.
[[nodiscard]] double bivariate_normal_cdf(double x, double y, double correlation);
[[nodiscard]] double bivariate_normal_density(double x, double y, double correlation);

[[nodiscard]] double log_gamma(double x);
[[nodiscard]] double digamma(double x);
[[nodiscard]] double trigamma(double x);
[[nodiscard]] double tetragamma(double x);  ///< the derivative of trigamma

/// p-values of a statistic under the stated alternative.
[[nodiscard]] double normal_p_value(double z, Alternative alternative = Alternative::two_sided);
/// `df` = ∞ is the normal.
[[nodiscard]] double students_t_p_value(double t, double df,
                                        Alternative alternative = Alternative::two_sided);

/// estimate ± quantile × standard_error.
[[nodiscard]] ConfidenceInterval normal_interval(double estimate, double standard_error,
                                                 double level = 0.95);
[[nodiscard]] ConfidenceInterval students_t_interval(double estimate, double standard_error,
                                                     double df, double level = 0.95);

}  // namespace rapport
