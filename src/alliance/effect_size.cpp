#include <rapport/alliance/effect_size.hpp>
#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>

#include <cmath>
#include <numbers>
#include <string>

namespace rapport {
namespace {

/// NaN passes: it is a missing value.
void require(bool holds, double value, const char* function, const char* name, const char* what) {
  if (!holds && !std::isnan(value))
    throw InvalidArgument(std::string(function) + ": `" + name + "` is " + shortest_decimal(value) +
                          "; " + what);
}

void require_correlation(const char* function, double r) {
  require(std::abs(r) <= 1, r, function, "r", "a correlation lies in [-1, 1]");
}

/// Hedges' exact correction J(m) = Γ(m/2) / (√(m/2) Γ((m − 1)/2)).
double hedges_j(double m) {
  return std::exp(log_gamma(m / 2) - log_gamma((m - 1) / 2) - 0.5 * std::log(m / 2));
}

/// ₂F₁(½, ½; c; x) for c > 1 and x in [0, 1]: its terms are positive and fall at least as i^−c.
double hypergeometric_half_half(double c, double x) {
  double term = 1;
  double sum = 1;
  for (int i = 0; i < 2'000'000 && term > 1e-17 * sum; ++i) {
    term *= (i + 0.5) * (i + 0.5) / ((c + i) * (i + 1.0)) * x;
    sum += term;
  }
  return sum;
}

}  // namespace

EffectSize fisher_z(double r, double n) {
  require(std::abs(r) < 1, r, "fisher_z", "r", "must lie strictly between -1 and 1");
  require(n > 3, n, "fisher_z", "n", "must exceed 3");
  return {.estimate = std::atanh(r), .variance = 1 / (n - 3)};
}

EffectSize correlation_from_fisher_z(const EffectSize& z) {
  const double r = std::tanh(z.estimate);
  return {.estimate = r, .variance = z.variance * (1 - r * r) * (1 - r * r)};
}

EffectSize raw_correlation(double r, double n) {
  require_correlation("raw_correlation", r);
  require(n > 1, n, "raw_correlation", "n", "must exceed 1");
  return {.estimate = r, .variance = (1 - r * r) * (1 - r * r) / (n - 1)};
}

EffectSize unbiased_correlation(double r, double n) {
  require_correlation("unbiased_correlation", r);
  require(n > 4, n, "unbiased_correlation", "n", "must exceed 4");
  return raw_correlation(
      std::abs(r) == 1 ? r : r * hypergeometric_half_half((n - 2) / 2, 1 - r * r), n);
}

EffectSize hedges_g(const GroupSummary& a, const GroupSummary& b) {
  require(a.n > 1, a.n, "hedges_g", "a.n", "must exceed 1");
  require(b.n > 1, b.n, "hedges_g", "b.n", "must exceed 1");
  const double df = a.n + b.n - 2;
  const double pooled = ((a.n - 1) * a.sd * a.sd + (b.n - 1) * b.sd * b.sd) / df;
  require(pooled > 0, pooled, "hedges_g", "sd", "the pooled variance must be positive");
  const double g = hedges_j(df) * (a.mean - b.mean) / std::sqrt(pooled);
  return {.estimate = g, .variance = 1 / a.n + 1 / b.n + g * g / (2 * (a.n + b.n))};
}

EffectSize standardized_mean_change(double before, double after, double sd_before, double r,
                                    double n) {
  require(sd_before > 0, sd_before, "standardized_mean_change", "sd_before", "must be positive");
  require(n > 2, n, "standardized_mean_change", "n", "must exceed 2");
  require_correlation("standardized_mean_change", r);
  const double d = hedges_j(n - 1) * (after - before) / sd_before;
  return {.estimate = d, .variance = 2 * (1 - r) / n + d * d / (2 * n)};
}

EffectSize log_odds_ratio(double a, double b, double c, double d) {
  for (const double count : {a, b, c, d})
    require(count >= 0, count, "log_odds_ratio", "count", "must not be negative");
  const double add = a == 0 || b == 0 || c == 0 || d == 0 ? 0.5 : 0;
  a += add;
  b += add;
  c += add;
  d += add;
  return {.estimate = std::log(a * d / (b * c)), .variance = 1 / a + 1 / b + 1 / c + 1 / d};
}

EffectSize log_odds(double events, double n) {
  require(events >= 0 && events <= n, events, "log_odds", "events", "must lie between 0 and n");
  const double add = events == 0 || events == n ? 0.5 : 0;
  const double with = events + add;
  const double without = n - events + add;
  return {.estimate = std::log(with / without), .variance = 1 / with + 1 / without};
}

EffectSize correlation_from_d(const EffectSize& d, double n_a, double n_b) {
  require(n_a > 0, n_a, "correlation_from_d", "n_a", "must be positive");
  require(n_b > 0, n_b, "correlation_from_d", "n_b", "must be positive");
  const double a = (n_a + n_b) * (n_a + n_b) / (n_a * n_b);
  const double square = d.estimate * d.estimate + a;
  return {.estimate = d.estimate / std::sqrt(square),
          .variance = a * a * d.variance / (square * square * square)};
}

EffectSize d_from_correlation(const EffectSize& r) {
  require(std::abs(r.estimate) < 1, r.estimate, "d_from_correlation", "r",
          "must lie strictly between -1 and 1");
  const double rest = 1 - r.estimate * r.estimate;
  return {.estimate = 2 * r.estimate / std::sqrt(rest),
          .variance = 4 * r.variance / (rest * rest * rest)};
}

EffectSize d_from_log_odds_ratio(const EffectSize& log_odds_ratio) {
  const double factor = std::sqrt(3.0) / std::numbers::pi;
  return {.estimate = factor * log_odds_ratio.estimate,
          .variance = factor * factor * log_odds_ratio.variance};
}

EffectSize log_odds_ratio_from_d(const EffectSize& d) {
  const double factor = std::numbers::pi / std::sqrt(3.0);
  return {.estimate = factor * d.estimate, .variance = factor * factor * d.variance};
}

EffectSize disattenuated(const EffectSize& r, double reliability_x, double reliability_y) {
  for (const double reliability : {reliability_x, reliability_y})
    require(reliability > 0 && reliability <= 1, reliability, "disattenuated", "reliability",
            "must lie in (0, 1]");
  const double product = reliability_x * reliability_y;
  return {.estimate = r.estimate / std::sqrt(product), .variance = r.variance / product};
}

Eigen::MatrixXd correlation_sampling_covariance(const MatrixView& correlations, double n,
                                                bool fisher_z) {
  const Index k = correlations.rows();
  require_same_size("correlation_sampling_covariance", "correlations (rows)", k,
                    "correlations (columns)", correlations.cols());
  require_at_least("correlation_sampling_covariance", "correlations", k, 2);
  require(n > 3, n, "correlation_sampling_covariance", "n", "must exceed 3");
  const auto& r = correlations;
  const Index pairs = k * (k - 1) / 2;
  Eigen::MatrixXd covariance(pairs, pairs);
  Index row = 0;
  for (Index i = 1; i < k; ++i)
    for (Index j = 0; j < i; ++j, ++row) {
      Index column = 0;
      for (Index s = 1; s < k; ++s)
        for (Index t = 0; t < s; ++t, ++column) {
          const double squares =
              r(i, s) * r(i, s) + r(i, t) * r(i, t) + r(j, s) * r(j, s) + r(j, t) * r(j, t);
          const double product = 0.5 * r(i, j) * r(s, t) * squares + r(i, s) * r(j, t) +
                                 r(i, t) * r(j, s) -
                                 (r(i, j) * r(i, s) * r(i, t) + r(i, j) * r(j, s) * r(j, t) +
                                  r(i, s) * r(j, s) * r(s, t) + r(i, t) * r(j, t) * r(s, t));
          const double slopes = (1 - r(i, j) * r(i, j)) * (1 - r(s, t) * r(s, t));
          covariance(row, column) = fisher_z ? product / slopes / (n - 3) : product / (n - 1);
        }
    }
  return covariance;
}

}  // namespace rapport
