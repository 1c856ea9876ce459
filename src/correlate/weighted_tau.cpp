#include <rapport/correlate/pair_counts.hpp>
#include <rapport/correlate/weighted_tau.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// 1/(r + 1), r the place of each observation by decreasing x, then decreasing y.
Eigen::VectorXd weights_by_rank(const DenseRanks& x, const DenseRanks& y) {
  const std::vector<std::int32_t> order = lexicographic_order(x, y);
  const Index n = x.size();
  Eigen::VectorXd weights(n);
  for (Index place = 0; place < n; ++place)
    weights[order[static_cast<std::size_t>(place)]] = 1 / static_cast<double>(n - place);
  return weights;
}

Eigen::VectorXd weights_by_order(Index n) {
  Eigen::VectorXd weights(n);
  for (Index i = 0; i < n; ++i) weights[i] = 1 / static_cast<double>(i + 1);
  return weights;
}

double ratio(const PairCounts& pairs) {
  const double decided = pairs.concordant + pairs.discordant;
  const double untied_x = decided + pairs.tied_y;
  const double untied_y = decided + pairs.tied_x;
  if (!(untied_x > 0 && untied_y > 0)) return missing;
  return std::clamp(
      (pairs.concordant - pairs.discordant) / std::sqrt(untied_x) / std::sqrt(untied_y), -1.0, 1.0);
}

/// How many pairs of each kind an observation makes, for all observations.
struct OwnPairs {
  Eigen::VectorXd concordant;
  Eigen::VectorXd discordant;
  Eigen::VectorXd tied_x;
  Eigen::VectorXd tied_y;
};

OwnPairs own_pairs(const QuadrantCounts& quadrants) {
  return {.concordant = concordant_with_each(quadrants),
          .discordant = discordant_with_each(quadrants),
          .tied_x = quadrants.equal_x - quadrants.equal_equal,
          .tied_y = quadrants.equal_y - quadrants.equal_equal};
}

/// Pair weights w_i + w_j: each observation's weight times its own pairs of each kind.
double additive(const OwnPairs& own, const Eigen::VectorXd& weights) {
  return ratio({.concordant = weights.dot(own.concordant),
                .discordant = weights.dot(own.discordant),
                .tied_x = weights.dot(own.tied_x),
                .tied_y = weights.dot(own.tied_y)});
}

/// Pair weights w_i · w_j.
double multiplicative(const DenseRanks& x, const DenseRanks& y, const Eigen::VectorXd& weights) {
  return ratio(count_pairs(quadrant_counts(x, y, weights), weights));
}

double estimate(const DenseRanks& x, const DenseRanks& y, const WeightedTauOptions& options) {
  if (x.distinct() < 2 || y.distinct() < 2) return missing;
  const bool add = options.combine == WeightedTauCombine::add;
  const OwnPairs own = add ? own_pairs(quadrant_counts(x, y)) : OwnPairs{};
  const auto with = [&](const Eigen::VectorXd& weights) {
    return add ? additive(own, weights) : multiplicative(x, y, weights);
  };
  switch (options.rank) {
    case WeightedTauRank::order:
      return with(weights_by_order(x.size()));
    case WeightedTauRank::x:
      return with(weights_by_rank(x, y));
    case WeightedTauRank::both:
      return (with(weights_by_rank(x, y)) + with(weights_by_rank(y, x))) / 2;
  }
  return missing;
}

}  // namespace

CorrelationResult weighted_tau(const VectorView& x, const VectorView& y,
                               const WeightedTauOptions& options) {
  return detail::on_complete_pairs(
      "weighted_tau", x, y, options.missing,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        CorrelationResult result{
            .n = static_cast<double>(a.size()), .n_used = a.size(), .n_omitted = omitted};
        result.estimate = estimate(dense_ranks(a), dense_ranks(b), options);
        return result;
      });
}

}  // namespace rapport
