#pragma once

#include <rapport/base/eigen.hpp>

/// Effect sizes with their large-sample variances, and the ways from one to another. Arguments out
/// of range throw InvalidArgument; NaN gives NaN.
namespace rapport {

struct [[nodiscard]] EffectSize {
  double estimate;
  double variance;
};

/// Fisher's z = atanh r, variance 1/(n − 3); |r| < 1, n > 3.
EffectSize fisher_z(double r, double n);
/// r back from Fisher's z, and its variance by the delta method.
EffectSize correlation_from_fisher_z(const EffectSize& z);
/// r as it is, variance (1 − r²)²/(n − 1); |r| ≤ 1, n > 1.
EffectSize raw_correlation(double r, double n);
/// r without its bias, r ₂F₁(½, ½; (n − 2)/2; 1 − r²) (Olkin & Pratt 1958), variance as
/// `raw_correlation` at that value; n > 4.
EffectSize unbiased_correlation(double r, double n);

/// Mean, standard deviation and size of a group.
struct GroupSummary {
  double mean;
  double sd;
  double n;
};

/// Hedges' g of a − b: the difference over the pooled SD times the exact J(n_a + n_b − 2); variance
/// 1/n_a + 1/n_b + g²/(2(n_a + n_b)) (Hedges 1981).
EffectSize hedges_g(const GroupSummary& a, const GroupSummary& b);
/// (after − before)/SD_before times J(n − 1), for n persons whose two scores correlate `r`;
/// variance 2(1 − r)/n + d²/(2n) (Becker 1988).
EffectSize standardized_mean_change(double before, double after, double sd_before, double r,
                                    double n);
/// log(ad/(bc)) of a 2 × 2 table (rows groups, columns event and none), variance 1/a + 1/b + 1/c +
/// 1/d; where a cell is 0, ½ is added to all (Haldane 1956).
EffectSize log_odds_ratio(double a, double b, double c, double d);
/// log(p/(1 − p)) of `events` of n, variance 1/events + 1/(n − events); ½ is added to both where
/// one is 0.
EffectSize log_odds(double events, double n);

/// d to r for groups of sizes n_a and n_b: r = d/√(d² + (n_a + n_b)²/(n_a n_b)). This and the next
/// three after Borenstein, Hedges, Higgins & Rothstein (2009, chapter 7).
EffectSize correlation_from_d(const EffectSize& d, double n_a = 1, double n_b = 1);
EffectSize d_from_correlation(const EffectSize& r);
EffectSize d_from_log_odds_ratio(const EffectSize& log_odds_ratio);
EffectSize log_odds_ratio_from_d(const EffectSize& d);

/// A correlation as it were without errors of measurement: r/√(ρ_x ρ_y), its variance over ρ_x ρ_y
/// (Spearman 1904; Schmidt & Hunter 2015, chapter 3). Reliability 1 leaves that side alone.
/// Estimates beyond ±1 stand as they are.
EffectSize disattenuated(const EffectSize& r, double reliability_x, double reliability_y = 1);

/// Sampling covariances of the correlations among k variables seen on the same n persons (Olkin &
/// Siotani 1976). `correlations` is k × k; rows and columns of the result are the pairs (2,1),
/// (3,1), (3,2), (4,1), …; with `fisher_z` those of atanh r.
[[nodiscard]] Eigen::MatrixXd correlation_sampling_covariance(const MatrixView& correlations,
                                                              double n, bool fisher_z = true);

}  // namespace rapport
