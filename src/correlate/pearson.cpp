#include <rapport/base/error.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace rapport {
namespace {

bool is_constant(const VectorView& x) { return x.size() == 0 || x.minCoeff() == x.maxCoeff(); }

/// Cut to [−1, 1]; what is within rounding of an end is the end, so that a perfect correlation is
/// one.
double within_one(double r) {
  constexpr double rounding = 8 * std::numeric_limits<double>::epsilon();
  return std::abs(r) > 1 - rounding ? std::copysign(1.0, r) : r;
}

/// xy/√(xx·yy); factor by factor where the product leaves the
/// range of doubles.
double normalized(double xy, double xx, double yy) {
  const double product = xx * yy;
  const bool safe = product > 1e-280 && product < 1e280;
  return within_one(safe ? xy / std::sqrt(product) : xy / std::sqrt(xx) / std::sqrt(yy));
}

void finish_pearson(CorrelationResult& result, const CorrelationOptions& options) {
  detail::test_as_product_moment(result, result.n - 2, options.alternative);
  const double standard_error = result.n > 3 ? 1 / std::sqrt(result.n - 3) : missing;
  result.ci = fisher_interval(result.estimate, standard_error, options.confidence_level);
}

/// ψ-scores of Wilcox (1994): (x − φ)/ω cut at ±1, with ω the quantile of |x − median| and φ the
/// bent mean.
Eigen::VectorXd bent_scores(const VectorView& x, double bend) {
  const auto n = static_cast<double>(x.size());
  const double centre = median(x);
  Eigen::VectorXd distance = (x.array() - centre).abs();
  std::sort(distance.begin(), distance.end());
  const auto position = static_cast<Index>(std::floor((1 - bend) * n + 0.5));
  const double omega = distance[std::clamp<Index>(position - 1, 0, x.size() - 1)];
  if (omega <= 0) return Eigen::VectorXd::Constant(x.size(), missing);
  double sum = 0;
  double inside = 0;
  double below = 0;
  double above = 0;
  for (const double value : x) {
    const double score = (value - centre) / omega;
    if (score < -1) {
      below += 1;
    } else if (score > 1) {
      above += 1;
    } else {
      sum += value;
      inside += 1;
    }
  }
  const double location = (omega * (above - below) + sum) / inside;
  return ((x.array() - location) / omega).max(-1.0).min(1.0);
}

Eigen::VectorXd winsorized(const VectorView& x, Index cut) {
  Eigen::VectorXd sorted = x;
  std::sort(sorted.begin(), sorted.end());
  return x.array().max(sorted[cut]).min(sorted[x.size() - 1 - cut]);
}

}  // namespace

namespace detail {

double product_moment(const VectorView& x, const VectorView& y) {
  if (x.size() < 2 || is_constant(x) || is_constant(y)) return missing;
  const double mean_x = x.mean();
  const double mean_y = y.mean();
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x;
    const double dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return normalized(xy, xx, yy);
}

double weighted_product_moment(const VectorView& x, const VectorView& y,
                               const VectorView& weights) {
  if (x.size() < 2 || is_constant(x) || is_constant(y)) return missing;
  const double total = weights.sum();
  const double mean_x = weights.dot(x) / total;
  const double mean_y = weights.dot(y) / total;
  const Eigen::ArrayXd dx = x.array() - mean_x;
  const Eigen::ArrayXd dy = y.array() - mean_y;
  const double xx = (weights.array() * dx * dx).sum();
  const double yy = (weights.array() * dy * dy).sum();
  return normalized((weights.array() * dx * dy).sum(), xx, yy);
}

void test_as_product_moment(CorrelationResult& result, double df, Alternative alternative) {
  const double r = result.estimate;
  result.df = df;
  if (!(df > 0) || std::isnan(r)) return;
  result.standard_error = std::sqrt((1 - r) * (1 + r) / df);
  result.statistic = r / result.standard_error;  // ±∞ at r = ±1
  result.p_value = students_t_p_value(result.statistic, df, alternative);
}

}  // namespace detail

CorrelationResult pearson_correlation(const VectorView& x, const VectorView& y,
                                      const CorrelationOptions& options) {
  require_level("pearson_correlation", "confidence_level", options.confidence_level);
  return detail::on_complete_pairs("pearson_correlation", x, y, options.missing,
                                   [&](const VectorView& a, const VectorView& b, Index omitted) {
                                     CorrelationResult result{
                                         .estimate = detail::product_moment(a, b),
                                         .n = static_cast<double>(a.size()),
                                         .n_used = a.size(),
                                         .n_omitted = omitted};
                                     finish_pearson(result, options);
                                     return result;
                                   });
}

CorrelationResult weighted_pearson_correlation(const VectorView& x, const VectorView& y,
                                               const VectorView& weights,
                                               const CorrelationOptions& options) {
  require_level("weighted_pearson_correlation", "confidence_level", options.confidence_level);
  const detail::WeightedPairs pairs =
      detail::select_weighted("weighted_pearson_correlation", x, y, weights, options.missing);
  CorrelationResult result{
      .estimate = detail::weighted_product_moment(pairs.x, pairs.y, pairs.weights),
      .n = pairs.weights.sum(),
      .n_used = pairs.x.size(),
      .n_omitted = pairs.n_omitted};
  finish_pearson(result, options);
  return result;
}

CorrelationResult pearson_from_summary(double r, double n, const CorrelationOptions& options) {
  require_level("pearson_from_summary", "confidence_level", options.confidence_level);
  detail::require_summary("pearson_from_summary", r, n);
  CorrelationResult result{.estimate = r, .n = n, .n_used = static_cast<Index>(n)};
  finish_pearson(result, options);
  return result;
}

EquivalenceResult pearson_equivalence(const VectorView& x, const VectorView& y, double lower,
                                      double upper, const CorrelationOptions& options) {
  if (!(lower > -1 && lower < upper && upper < 1))
    throw InvalidArgument("pearson_equivalence: the bounds are " + std::to_string(lower) + " and " +
                          std::to_string(upper) + "; -1 < lower < upper < 1 is required");
  const double alpha = 1 - options.confidence_level;
  CorrelationOptions wide = options;
  wide.confidence_level = 1 - 2 * alpha;
  require_level("pearson_equivalence", "1 - 2 (1 - confidence_level)", wide.confidence_level);
  const CorrelationResult r = pearson_correlation(x, y, wide);
  const double root = r.n > 3 ? std::sqrt(r.n - 3) : missing;
  const double above = (std::atanh(r.estimate) - std::atanh(lower)) * root;
  const double below = (std::atanh(r.estimate) - std::atanh(upper)) * root;
  return {.estimate = r.estimate,
          .ci = r.ci,
          .statistic_lower = above,
          .statistic_upper = below,
          .p_value = std::max(normal_p_value(above, Alternative::greater),
                              normal_p_value(below, Alternative::less)),
          .n_used = r.n_used,
          .n_omitted = r.n_omitted};
}

CorrelationResult percentage_bend_correlation(const VectorView& x, const VectorView& y, double bend,
                                              const CorrelationOptions& options) {
  if (!(bend >= 0 && bend <= 0.5))
    throw InvalidArgument("percentage_bend_correlation: `bend` is " + std::to_string(bend) +
                          "; must lie in [0, 0.5]");
  return detail::on_complete_pairs(
      "percentage_bend_correlation", x, y, options.missing,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        CorrelationResult result{
            .n = static_cast<double>(a.size()), .n_used = a.size(), .n_omitted = omitted};
        if (a.size() < 2) return result;
        const Eigen::VectorXd u = bent_scores(a, bend);
        const Eigen::VectorXd v = bent_scores(b, bend);
        result.estimate = normalized(u.dot(v), u.squaredNorm(), v.squaredNorm());
        detail::test_as_product_moment(result, result.n - 2, options.alternative);
        return result;
      });
}

CorrelationResult winsorized_correlation(const VectorView& x, const VectorView& y, double trim,
                                         const CorrelationOptions& options) {
  if (!(trim >= 0 && trim < 0.5))
    throw InvalidArgument("winsorized_correlation: `trim` is " + std::to_string(trim) +
                          "; must lie in [0, 0.5)");
  return detail::on_complete_pairs(
      "winsorized_correlation", x, y, options.missing,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        CorrelationResult result{
            .n = static_cast<double>(a.size()), .n_used = a.size(), .n_omitted = omitted};
        if (a.size() < 2) return result;
        const auto cut = static_cast<Index>(std::floor(trim * result.n));
        result.estimate = detail::product_moment(winsorized(a, cut), winsorized(b, cut));
        detail::test_as_product_moment(result, result.n - 2 * static_cast<double>(cut) - 2,
                                       options.alternative);
        return result;
      });
}

}  // namespace rapport
