#include <rapport/base/error.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/math/ranks.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr Index automatic_limit = 9;

bool untied(const DenseRanks& ranks) { return ranks.distinct() == ranks.size(); }

void finish(CorrelationResult& result, const SpearmanOptions& options) {
  detail::test_as_product_moment(result, result.n - 2, options.alternative);
  const double rho = result.estimate;
  const double numerator = options.interval == SpearmanInterval::fieller ? 1.06 : 1 + rho * rho / 2;
  const double standard_error = result.n > 3 ? std::sqrt(numerator / (result.n - 3)) : missing;
  result.ci = fisher_interval(rho, standard_error, options.confidence_level);
}

TailProbabilities exact_tails(const DenseRanks& x, const DenseRanks& y, double rho,
                              const ExactOptions& options) {
  if (const auto tails = rank_product_null(x, y)) return *tails;
  if (untied(x) && untied(y)) return spearman_null_series(rho, x.size());
  return rank_product_permutation(x, y, options);
}

/// Σ over the ranks of (mid-rank − mean)².
double sum_of_squares(const DenseRanks& ranks) {
  const auto n = static_cast<double>(ranks.size());
  double ties = 0;
  for (const std::int32_t t : ranks.count)
    ties += static_cast<double>(t) * (static_cast<double>(t) * t - 1);
  return (n * (n * n - 1) - ties) / 12;
}

/// Spearman's ρ from twice the centred mid-ranks, whose products are whole numbers: sums stay exact
/// to 2⁵³.
double rho_of(const DenseRanks& x, const DenseRanks& y) {
  if (x.distinct() < 2 || y.distinct() < 2) return missing;
  const double centre = static_cast<double>(x.size()) + 1;
  const Eigen::VectorXd a = 2 * midrank_of_distinct(x).array() - centre;
  const Eigen::VectorXd b = 2 * midrank_of_distinct(y).array() - centre;
  double product = 0;
  for (std::size_t i = 0; i < x.rank.size(); ++i) product += a[x.rank[i]] * b[y.rank[i]];
  return std::clamp(product / 4 / std::sqrt(sum_of_squares(x) * sum_of_squares(y)), -1.0, 1.0);
}

}  // namespace

CorrelationResult spearman_correlation(const DenseRanks& x, const DenseRanks& y,
                                       const SpearmanOptions& options) {
  require_level("spearman_correlation", "confidence_level", options.confidence_level);
  require_same_size("spearman_correlation", "x", x.size(), "y", y.size());
  CorrelationResult result{
      .estimate = rho_of(x, y), .n = static_cast<double>(x.size()), .n_used = x.size()};
  finish(result, options);
  if (std::isnan(result.estimate)) return result;
  const bool small_without_ties = x.size() <= automatic_limit && untied(x) && untied(y);
  const ExactTest test = options.exact.test;
  if (test == ExactTest::no || (test == ExactTest::automatic && !small_without_ties)) return result;
  const TailProbabilities tails = exact_tails(x, y, result.estimate, options.exact);
  result.p_value = p_value(tails, options.alternative);
  result.p_value_method = tails.method;
  result.statistic = missing;
  result.df = missing;
  return result;
}

CorrelationResult spearman_correlation(const VectorView& x, const VectorView& y,
                                       const SpearmanOptions& options) {
  return detail::on_complete_pairs("spearman_correlation", x, y, options.missing,
                                   [&](const VectorView& a, const VectorView& b, Index omitted) {
                                     CorrelationResult result = spearman_correlation(
                                         dense_ranks(a), dense_ranks(b), options);
                                     result.n_omitted = omitted;
                                     return result;
                                   });
}

CorrelationResult weighted_spearman_correlation(const VectorView& x, const VectorView& y,
                                                const VectorView& weights,
                                                const SpearmanOptions& options) {
  require_level("weighted_spearman_correlation", "confidence_level", options.confidence_level);
  const detail::WeightedPairs pairs =
      detail::select_weighted("weighted_spearman_correlation", x, y, weights, options.missing);
  CorrelationResult result{
      .n = pairs.weights.sum(), .n_used = pairs.x.size(), .n_omitted = pairs.n_omitted};
  result.estimate = detail::weighted_product_moment(
      midranks(pairs.x, pairs.weights), midranks(pairs.y, pairs.weights), pairs.weights);
  finish(result, options);
  return result;
}

CorrelationResult spearman_from_summary(double rho, double n, const SpearmanOptions& options) {
  require_level("spearman_from_summary", "confidence_level", options.confidence_level);
  detail::require_summary("spearman_from_summary", rho, n);
  CorrelationResult result{.estimate = rho, .n = n, .n_used = static_cast<Index>(n)};
  finish(result, options);
  return result;
}

}  // namespace rapport
