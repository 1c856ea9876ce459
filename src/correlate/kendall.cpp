#include <rapport/base/error.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr Index automatic_limit = 50;
constexpr Index recurrence_limit = 1000;

bool untied(const DenseRanks& ranks) { return ranks.distinct() == ranks.size(); }

std::vector<double> as_doubles(const std::vector<std::int32_t>& counts) {
  return {counts.begin(), counts.end()};
}

/// Weight of each distinct value.
std::vector<double> weight_of_distinct(const DenseRanks& ranks, const VectorView& weights) {
  std::vector<double> sums(static_cast<std::size_t>(ranks.distinct()), 0.0);
  for (std::size_t i = 0; i < ranks.rank.size(); ++i)
    sums[static_cast<std::size_t>(ranks.rank[i])] += weights[static_cast<Index>(i)];
  return sums;
}

void fill_asymptotic(KendallResult& result, const KendallOptions& options) {
  result.s = result.pairs.concordant - result.pairs.discordant;
  result.estimate = kendall_tau_b(result.pairs);
  if (std::isnan(result.estimate)) return;
  const double magnitude =
      options.continuity ? std::max(std::abs(result.s) - 1, 0.0) : std::abs(result.s);
  result.statistic = std::copysign(magnitude, result.s) / std::sqrt(result.s_variance);
  result.p_value = normal_p_value(result.statistic, options.alternative);
}

void fill_exact(KendallResult& result, const DenseRanks& x, const DenseRanks& y,
                const KendallOptions& options) {
  if (std::isnan(result.estimate)) return;
  const Index n = x.size();
  const bool without_ties = untied(x) && untied(y);
  const ExactTest test = options.exact.test;
  if (test == ExactTest::no ||
      (test == ExactTest::automatic && !(without_ties && n < automatic_limit)))
    return;
  const TailProbabilities tails = [&] {
    if (without_ties)
      return n <= recurrence_limit ? kendall_null(result.s, n) : kendall_null_series(result.s, n);
    const auto enumerated = kendall_null_given_ties(x, y);
    return enumerated ? *enumerated : kendall_permutation(x, y, options.exact);
  }();
  result.p_value = p_value(tails, options.alternative);
  result.p_value_method = tails.method;
  result.statistic = missing;
}

void fill_interval(KendallResult& result, const OrdinalEstimate& estimate,
                   const KendallOptions& options) {
  result.standard_error = estimate.standard_error;
  result.ci =
      interval_within_one(result.estimate, estimate.standard_error, options.confidence_level);
}

}  // namespace

double kendall_tau_b(const PairCounts& pairs) {
  const double decided = pairs.concordant + pairs.discordant;
  const double untied_x = decided + pairs.tied_y;
  const double untied_y = decided + pairs.tied_x;
  if (!(untied_x > 0 && untied_y > 0)) return missing;
  // The product of two equal factors has an exact root, so that a perfect order gives exactly ±1.
  return std::clamp((pairs.concordant - pairs.discordant) / std::sqrt(untied_x * untied_y), -1.0,
                    1.0);
}

double kendall_score_variance(double n, const std::vector<double>& ties_x,
                              const std::vector<double>& ties_y) {
  struct Sums {
    double two_five = 0;  // Σ t(t − 1)(2t + 5)
    double two = 0;       // Σ t(t − 1)
    double three = 0;     // Σ t(t − 1)(t − 2)
  };
  const auto sums_of = [](const std::vector<double>& ties) {
    Sums sums;
    for (const double t : ties) {
      sums.two_five += t * (t - 1) * (2 * t + 5);
      sums.two += t * (t - 1);
      sums.three += t * (t - 1) * (t - 2);
    }
    return sums;
  };
  const Sums x = sums_of(ties_x);
  const Sums y = sums_of(ties_y);
  double variance = (n * (n - 1) * (2 * n + 5) - x.two_five - y.two_five) / 18 +
                    x.two * y.two / (2 * n * (n - 1));
  if (n > 2) variance += x.three * y.three / (9 * n * (n - 1) * (n - 2));
  return variance;
}

KendallResult kendall_tau(const DenseRanks& x, const DenseRanks& y, const KendallOptions& options) {
  require_level("kendall_tau", "confidence_level", options.confidence_level);
  require_same_size("kendall_tau", "x", x.size(), "y", y.size());
  KendallResult result{.n = static_cast<double>(x.size()), .n_used = x.size()};
  if (x.size() < 2) return result;
  const bool small = table_is_small(x, y);
  const Eigen::MatrixXd table = small ? cross_table(x, y) : Eigen::MatrixXd();
  result.pairs = small ? count_pairs(table) : count_pairs(x, y);
  result.s_variance = kendall_score_variance(result.n, as_doubles(x.count), as_doubles(y.count));
  fill_asymptotic(result, options);
  fill_exact(result, x, y, options);
  if (options.interval)
    fill_interval(result,
                  small ? ordinal_estimate(table, OrdinalMeasure::tau_b)
                        : ordinal_estimate(x, y, OrdinalMeasure::tau_b),
                  options);
  return result;
}

KendallResult kendall_tau(const VectorView& x, const VectorView& y, const KendallOptions& options) {
  return detail::on_complete_pairs("kendall_tau", x, y, options.missing,
                                   [&](const VectorView& a, const VectorView& b, Index omitted) {
                                     KendallResult result =
                                         kendall_tau(dense_ranks(a), dense_ranks(b), options);
                                     result.n_omitted = omitted;
                                     return result;
                                   });
}

KendallResult weighted_kendall_tau(const VectorView& x, const VectorView& y,
                                   const VectorView& weights, const KendallOptions& options) {
  require_level("weighted_kendall_tau", "confidence_level", options.confidence_level);
  const detail::WeightedPairs rows =
      detail::select_weighted("weighted_kendall_tau", x, y, weights, options.missing);
  KendallResult result{
      .n = rows.weights.sum(), .n_used = rows.x.size(), .n_omitted = rows.n_omitted};
  if (rows.x.size() < 2) return result;
  const DenseRanks a = dense_ranks(rows.x);
  const DenseRanks b = dense_ranks(rows.y);
  const QuadrantCounts quadrants = quadrant_counts(a, b, rows.weights);
  result.pairs = count_pairs(quadrants, rows.weights);
  result.s_variance = kendall_score_variance(result.n, weight_of_distinct(a, rows.weights),
                                             weight_of_distinct(b, rows.weights));
  fill_asymptotic(result, options);
  if (options.interval)
    fill_interval(result,
                  ordinal_estimate(quadrants, OrdinalMeasure::tau_b,
                                   std::min(a.distinct(), b.distinct()), rows.weights),
                  options);
  return result;
}

CorrelationResult kendall_from_summary(double tau, double n, const CorrelationOptions& options) {
  require_level("kendall_from_summary", "confidence_level", options.confidence_level);
  detail::require_summary("kendall_from_summary", tau, n);
  CorrelationResult result{.estimate = tau, .n = n, .n_used = static_cast<Index>(n)};
  result.statistic = tau * n * (n - 1) / 2 / std::sqrt(kendall_score_variance(n, {}, {}));
  result.p_value = normal_p_value(result.statistic, options.alternative);
  result.ci =
      fisher_interval(tau, n > 4 ? std::sqrt(0.437 / (n - 4)) : missing, options.confidence_level);
  return result;
}

}  // namespace rapport
