#include <rapport/agree/bland_altman.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

struct Pairs {
  VectorXd first;
  VectorXd second;
};

Pairs complete_pairs(const VectorView& first, const VectorView& second) {
  require_same_size("bland_altman", "first", first.size(), "second", second.size());
  std::vector<Index> rows;
  for (Index i = 0; i < first.size(); ++i)
    if (!is_missing(first[i]) && !is_missing(second[i])) rows.push_back(i);
  if (rows.size() < 2)
    throw DataError("bland_altman: " + std::to_string(rows.size()) +
                    " subjects have both ratings; at least two are required");
  return {pick(first, rows), pick(second, rows)};
}

ProportionalBias proportional_bias(const VectorXd& difference, const VectorXd& level) {
  const auto n = static_cast<double>(level.size());
  const double mean_level = level.mean();
  const double sxx = (level.array() - mean_level).square().sum();
  ProportionalBias b;
  b.slope = sxx > 0 ? (level.array() - mean_level).matrix().dot(difference) / sxx : missing;
  b.intercept = difference.mean() - b.slope * mean_level;
  const double residual =
      (difference.array() - b.intercept - b.slope * level.array()).square().sum();
  b.standard_error = n > 2 ? std::sqrt(residual / (n - 2) / sxx) : missing;
  b.p_value = students_t_p_value(b.slope / b.standard_error, n - 2);
  return b;
}

void add_bias(BlandAltmanResult& r, const VectorXd& difference, double level) {
  const auto n = static_cast<double>(difference.size());
  r.bias = difference.mean();
  r.standard_error = std::sqrt(variance(difference) / n);
  r.df = n - 1;
  r.ci = students_t_interval(r.bias, r.standard_error, r.df, level);
  r.statistic = r.bias / r.standard_error;
  r.p_value = students_t_p_value(r.statistic, r.df);
}

void add_limits(BlandAltmanResult& r, double z, double standard_error, double level) {
  const auto limit = [&](double estimate) {
    return LimitOfAgreement{estimate, standard_error,
                            students_t_interval(estimate, standard_error, r.df, level)};
  };
  r.lower = limit(r.bias - z * r.sd);
  r.upper = limit(r.bias + z * r.sd);
}

/// (x̄ + z s − limit) √n / s is a non-central t variable of noncentrality z √n (Carkeet 2015).
void make_exact(BlandAltmanResult& r, double z, double n, double level) {
  const double scale = r.sd / std::sqrt(n);
  const double near = noncentral_t_quantile(0.5 - level / 2, r.df, z * std::sqrt(n)) * scale;
  const double far = noncentral_t_quantile(0.5 + level / 2, r.df, z * std::sqrt(n)) * scale;
  r.lower.ci = {r.bias - far, r.bias - near, level};
  r.upper.ci = {r.bias + near, r.bias + far, level};
}

void refuse_exact(const BlandAltmanOptions& options) {
  if (options.interval == LimitInterval::exact)
    throw InvalidArgument(
        "bland_altman: exact intervals are for single pairs; with several ratings a person use the "
        "approximate ones");
}

/// One rater's replicates: subjects' means and numbers, and the pooled variance within subjects.
struct Replicates {
  VectorXd mean;
  VectorXd count;
  double within;
  double df;
};

Replicates replicates(const VectorView& x, const std::vector<std::int32_t>& subject,
                      Index subjects) {
  Replicates r{VectorXd::Zero(subjects), VectorXd::Zero(subjects), 0, 0};
  const auto each = [&](const auto& visit) {
    for (Index i = 0; i < x.size(); ++i) {
      const std::int32_t s = subject[static_cast<std::size_t>(i)];
      if (s >= 0 && !is_missing(x[i])) visit(s, x[i]);
    }
  };
  each([&](std::int32_t s, double value) {
    r.mean[s] += value;
    r.count[s] += 1;
  });
  r.mean.array() /= r.count.array();
  each(
      [&](std::int32_t s, double value) { r.within += (value - r.mean[s]) * (value - r.mean[s]); });
  r.df = (r.count.array() - 1).max(0).sum();
  r.within /= r.df;
  return r;
}

}  // namespace

BlandAltmanResult bland_altman(const VectorView& first, const VectorView& second,
                               const BlandAltmanOptions& options) {
  require_level("bland_altman", "confidence_level", options.confidence_level);
  const double level = options.confidence_level;
  const double z = normal_quantile(0.5 + level / 2);
  const Pairs pairs = complete_pairs(first, second);
  const VectorXd difference = pairs.first - pairs.second;
  const auto n = static_cast<double>(difference.size());
  BlandAltmanResult r{};
  add_bias(r, difference, level);
  r.sd = std::sqrt(variance(difference));
  add_limits(r, z, r.sd * std::sqrt(1 / n + z * z / (2 * (n - 1))), level);
  if (options.interval == LimitInterval::exact) make_exact(r, z, n, level);
  r.proportional = proportional_bias(difference, (pairs.first + pairs.second) / 2);
  r.n_used = difference.size();
  r.n_omitted = first.size() - r.n_used;
  return r;
}

BlandAltmanResult bland_altman_replicates(const VectorView& first, const VectorView& second,
                                          const std::vector<std::int32_t>& subject,
                                          const BlandAltmanOptions& options) {
  require_level("bland_altman", "confidence_level", options.confidence_level);
  require_same_size("bland_altman", "first", first.size(), "second", second.size());
  require_same_size("bland_altman", "first", first.size(), "subject",
                    static_cast<Index>(subject.size()));
  refuse_exact(options);
  const Index subjects =
      subject.empty() ? 0 : *std::max_element(subject.begin(), subject.end()) + 1;
  const Replicates a = replicates(first, subject, subjects);
  const Replicates b = replicates(second, subject, subjects);
  std::vector<Index> both;
  for (Index s = 0; s < subjects; ++s)
    if (a.count[s] > 0 && b.count[s] > 0) both.push_back(s);
  if (both.size() < 2)
    throw DataError("bland_altman: " + std::to_string(both.size()) +
                    " persons have ratings of both raters; at least two are required");
  if (a.df < 1 || b.df < 1)
    throw DataError(
        "bland_altman: a rater has no replicates of any person; at least one person must be rated "
        "twice");
  const double level = options.confidence_level;
  const double z = normal_quantile(0.5 + level / 2);
  const VectorXd mean_a = pick(a.mean, both);
  const VectorXd mean_b = pick(b.mean, both);
  const VectorXd difference = mean_a - mean_b;
  const double share_a = 1 - pick(a.count, both).cwiseInverse().mean();
  const double share_b = 1 - pick(b.count, both).cwiseInverse().mean();
  const double between = variance(difference);
  const double total = between + share_a * a.within + share_b * b.within;
  BlandAltmanResult r{};
  add_bias(r, difference, level);
  r.sd = std::sqrt(total);
  const auto square = [](double x) { return x * x; };
  const double variance_of_total = 2 * (square(between) / r.df + square(share_a * a.within) / a.df +
                                        square(share_b * b.within) / b.df);
  add_limits(r, z, std::sqrt(square(r.standard_error) + z * z * variance_of_total / (4 * total)),
             level);
  r.proportional = proportional_bias(difference, (mean_a + mean_b) / 2);
  for (const Replicates* rater : {&a, &b}) {
    r.within_variance.push_back(rater->within);
    r.repeatability.push_back(z * std::sqrt(2 * rater->within));
  }
  r.n_used = static_cast<Index>(both.size());
  r.n_omitted = subjects - r.n_used;
  return r;
}

BlandAltmanResult bland_altman_varying(const VectorView& first, const VectorView& second,
                                       const std::vector<std::int32_t>& subject,
                                       const BlandAltmanOptions& options) {
  require_level("bland_altman", "confidence_level", options.confidence_level);
  require_same_size("bland_altman", "first", first.size(), "second", second.size());
  require_same_size("bland_altman", "first", first.size(), "subject",
                    static_cast<Index>(subject.size()));
  refuse_exact(options);
  const double level = options.confidence_level;
  const double z = normal_quantile(0.5 + level / 2);
  const VectorXd difference = first - second;
  const Index codes = subject.empty() ? 0 : *std::max_element(subject.begin(), subject.end()) + 1;
  const Replicates pairs = replicates(difference, subject, codes);
  const double n = pairs.count.sum();
  const auto subjects = static_cast<double>((pairs.count.array() > 0).count());
  if (subjects < 2 || pairs.df < 1)
    throw DataError("bland_altman: " + std::to_string(static_cast<Index>(n)) + " pairs of " +
                    std::to_string(static_cast<Index>(subjects)) +
                    " persons; at least two persons, and one with two pairs, are required");
  const VectorXd mean = (pairs.count.array() > 0).select(pairs.mean, 0);
  BlandAltmanResult r{};
  r.bias = pairs.count.dot(mean) / n;
  const double between =
      pairs.count.dot((mean.array() - r.bias).square().matrix()) / (subjects - 1);
  const double size = (n - pairs.count.squaredNorm() / n) / (subjects - 1);
  const double heterogeneity = std::max(0.0, (between - pairs.within) / size);
  r.df = subjects - 1;
  r.standard_error =
      std::sqrt(heterogeneity * pairs.count.squaredNorm() / (n * n) + pairs.within / n);
  r.ci = students_t_interval(r.bias, r.standard_error, r.df, level);
  r.statistic = r.bias / r.standard_error;
  r.p_value = students_t_p_value(r.statistic, r.df);
  const double total = heterogeneity + pairs.within;
  r.sd = std::sqrt(total);
  const auto square = [](double x) { return x * x; };
  const double variance_of_total =
      2 * (square(between / size) / r.df + square((1 - 1 / size) * pairs.within) / pairs.df);
  add_limits(r, z, std::sqrt(square(r.standard_error) + z * z * variance_of_total / (4 * total)),
             level);
  const std::vector<Index> complete =
      complete_rows((MatrixXd(first.size(), 2) << first, second).finished());
  r.proportional =
      proportional_bias(pick(difference, complete), pick((first + second) / 2, complete));
  r.within_variance.push_back(pairs.within);
  r.n_used = static_cast<Index>(subjects);
  r.n_omitted = codes - r.n_used;
  return r;
}

}  // namespace rapport
