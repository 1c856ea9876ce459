#include <rapport/base/error.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/rank_biserial.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/ranks.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr Index automatic_limit = 50;

Eigen::VectorXd present(const VectorView& x) {
  Eigen::VectorXd kept(x.size());
  Index n = 0;
  for (const double value : x)
    if (!is_missing(value)) kept[n++] = value;
  kept.conservativeResize(n);
  return kept;
}

bool wants_exact(ExactTest test, bool ties, Index n) {
  return test == ExactTest::yes || (test == ExactTest::automatic && !ties && n < automatic_limit);
}

/// z of a statistic whose null mean is 0. For continuity it is moved half a step against the
/// alternative, or towards 0.
void test_asymptotically(RankBiserialResult& result, double statistic, double variance,
                         const RankBiserialOptions& options) {
  constexpr double half_step = 0.5;
  double moved = statistic;
  if (options.continuity) {
    switch (options.alternative) {
      case Alternative::two_sided:
        moved = std::copysign(std::max(std::abs(statistic) - half_step, 0.0), statistic);
        break;
      case Alternative::less:
        moved += half_step;
        break;
      case Alternative::greater:
        moved -= half_step;
        break;
    }
  }
  result.statistic = moved / std::sqrt(variance);
  result.p_value = normal_p_value(result.statistic, options.alternative);
}

void take_exact(RankBiserialResult& result, const TailProbabilities& tails,
                Alternative alternative) {
  result.p_value = p_value(tails, alternative);
  result.p_value_method = tails.method;
  result.statistic = missing;
}

double sum_of_cubes_less_ties(const VectorView& values) {
  double sum = 0;
  for (const Index t : tie_sizes(values)) {
    const auto size = static_cast<double>(t);
    sum += size * (size * size - 1);
  }
  return sum;
}

/// Variance of U/(n₁n₂) from the placements: ranks among all less ranks within the own group.
double placement_variance(const VectorView& ranks, const VectorView& first,
                          const VectorView& second) {
  const Index n1 = first.size();
  const Index n2 = second.size();
  if (n1 < 2 || n2 < 2) return missing;
  const Eigen::ArrayXd above_second =
      (ranks.head(n1) - midranks(first)).array() / static_cast<double>(n2);
  const Eigen::ArrayXd above_first =
      (ranks.tail(n2) - midranks(second)).array() / static_cast<double>(n1);
  const auto variance = [](const Eigen::ArrayXd& values) {
    return (values - values.mean()).square().sum() / static_cast<double>(values.size() - 1);
  };
  return variance(above_second) / static_cast<double>(n1) +
         variance(above_first) / static_cast<double>(n2);
}

}  // namespace

RankBiserialResult rank_biserial_correlation(const VectorView& first, const VectorView& second,
                                             const RankBiserialOptions& options) {
  require_level("rank_biserial_correlation", "confidence_level", options.confidence_level);
  require_no_infinity("rank_biserial_correlation", "first", first);
  require_no_infinity("rank_biserial_correlation", "second", second);
  const Eigen::VectorXd a = present(first);
  const Eigen::VectorXd b = present(second);
  const Index n = a.size() + b.size();
  RankBiserialResult result{
      .n = static_cast<double>(n), .n_used = n, .n_omitted = first.size() + second.size() - n};
  if (a.size() == 0 || b.size() == 0) return result;

  Eigen::VectorXd joined(n);
  joined << a, b;
  const Eigen::VectorXd ranks = midranks(joined);
  const auto n1 = static_cast<double>(a.size());
  const auto n2 = static_cast<double>(b.size());
  result.u = ranks.head(a.size()).sum() - n1 * (n1 + 1) / 2;
  result.common_language = result.u / (n1 * n2);
  result.estimate = 2 * result.common_language - 1;
  result.standard_error = 2 * std::sqrt(placement_variance(ranks, a, b));
  const double slope = (1 - result.estimate) * (1 + result.estimate);
  result.ci = fisher_interval(result.estimate, slope > 0 ? result.standard_error / slope : missing,
                              options.confidence_level);

  const double total = result.n;
  const double ties = sum_of_cubes_less_ties(joined);
  const double variance = n1 * n2 / 12 * (total + 1 - ties / (total * (total - 1)));
  test_asymptotically(result, result.u - n1 * n2 / 2, variance, options);
  if (!wants_exact(options.exact.test, ties > 0, n)) return result;
  Eigen::VectorXd group(n);
  group << Eigen::VectorXd::Ones(a.size()), Eigen::VectorXd::Zero(b.size());
  const DenseRanks x = dense_ranks(group);
  const DenseRanks y = dense_ranks(joined);
  const auto enumerated = rank_product_null(x, y);
  take_exact(result, enumerated ? *enumerated : rank_product_permutation(x, y, options.exact),
             options.alternative);
  return result;
}

RankBiserialResult paired_rank_biserial_correlation(const VectorView& x, const VectorView& y,
                                                    const RankBiserialOptions& options) {
  require_level("paired_rank_biserial_correlation", "confidence_level", options.confidence_level);
  return detail::on_complete_pairs(
      "paired_rank_biserial_correlation", x, y, Missing::omit,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        RankBiserialResult result{
            .n = static_cast<double>(a.size()), .n_used = a.size(), .n_omitted = omitted};
        if (a.size() == 0) return result;
        const Eigen::ArrayXd all = (a - b).array();
        result.common_language =
            ((all > 0).cast<double>() + 0.5 * (all == 0).cast<double>()).mean();
        Eigen::VectorXd difference(all.size());
        Index kept = 0;
        for (const double d : all)
          if (d != 0) difference[kept++] = d;
        difference.conservativeResize(kept);
        if (kept == 0) return result;
        const Eigen::VectorXd magnitude = difference.cwiseAbs();
        const Eigen::VectorXd ranks = midranks(magnitude);
        const double signed_sum = difference.array().sign().matrix().dot(ranks);
        const double all_ranks = ranks.sum();
        result.u = (signed_sum + all_ranks) / 2;
        result.estimate = signed_sum / all_ranks;
        const auto n = static_cast<double>(kept);
        const double ties = sum_of_cubes_less_ties(magnitude);
        // Of the positive ranks' sum V; signed_sum is 2V − total.
        const double variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48;
        test_asymptotically(result, signed_sum / 2, variance, options);
        if (wants_exact(options.exact.test, ties > 0 || kept < all.size(), kept))
          take_exact(result, signed_rank_null(signed_sum, ranks), options.alternative);
        return result;
      });
}

}  // namespace rapport
