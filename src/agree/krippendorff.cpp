#include <rapport/agree/krippendorff.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/ranks.hpp>

#include "krippendorff_units.hpp"
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <string>
#include <utility>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

using detail::code_units;
using detail::Coded;
using detail::Units;
using detail::units_of_counts;

VectorXd frequencies(const Units& units) {
  VectorXd n = VectorXd::Zero(units.distinct);
  for (const std::int32_t v : units.value) n[v] += 1;
  return n;
}

/// A metric over the distinct values offers the two sums that α needs:
/// within(u) = Σ of δ over the ordered pairs of values of unit u,
/// total()[v] = Σ_l n_l δ(v, l), the disagreement of value v with all values.
class Nominal {
 public:
  Nominal(const Units& units, const VectorXd& n)
      : units_(units), n_(n), seen_(static_cast<std::size_t>(n.size())) {}
  double within(Index unit) {
    std::int64_t equal = 0;
    units_.visit(unit,
                 [&](std::int32_t v) { equal += 2 * seen_[static_cast<std::size_t>(v)]++ + 1; });
    units_.visit(unit, [&](std::int32_t v) { seen_[static_cast<std::size_t>(v)] = 0; });
    const Index m = units_.count(unit);
    return static_cast<double>(m * m - equal);
  }
  [[nodiscard]] VectorXd total() const { return (n_.sum() - n_.array()).matrix(); }

 private:
  const Units& units_;
  const VectorXd& n_;
  std::vector<std::int64_t> seen_;
};

/// δ = (s_a − s_b)², for interval (s the value) and ordinal (s the mid-rank, since the frequencies
/// from one value to another, ends by half, sum to the difference of their mid-ranks).
class SquaredDifference {
 public:
  SquaredDifference(const Units& units, const VectorXd& n, const VectorXd& scores)
      : units_(units), n_(n) {
    scores_ = scores.array() - n.dot(scores) / n.sum();
  }
  double within(Index unit) {
    const auto m = static_cast<double>(units_.count(unit));
    double sum = 0;
    units_.visit(unit, [&](std::int32_t v) { sum += scores_[v]; });
    const double mean = sum / m;
    double squares = 0;
    units_.visit(unit,
                 [&](std::int32_t v) { squares += (scores_[v] - mean) * (scores_[v] - mean); });
    return 2 * m * squares;
  }
  [[nodiscard]] VectorXd total() const {
    const double n = n_.sum();
    const double sum = n_.dot(scores_);
    const double squares = n_.dot(scores_.cwiseAbs2());
    return (n * scores_.array().square() - 2 * sum * scores_.array() + squares).matrix();
  }

 private:
  const Units& units_;
  const VectorXd& n_;
  VectorXd scores_;
};

/// Any δ(v, l), given as a function; quadratic in the number of distinct values.
template <class Distance>
class Pairwise {
 public:
  Pairwise(const Units& units, const VectorXd& n, Distance distance)
      : units_(units), n_(n), distance_(std::move(distance)) {}
  double within(Index unit) {
    double sum = 0;
    units_.visit(unit, [&](std::int32_t a) {
      units_.visit(unit, [&](std::int32_t b) { sum += distance_(a, b); });
    });
    return sum;
  }
  [[nodiscard]] VectorXd total() const {
    VectorXd sums = VectorXd::Zero(n_.size());
    for (Index l = 0; l < n_.size(); ++l)
      if (n_[l] > 0)
        for (Index v = 0; v < n_.size(); ++v) sums[v] += n_[l] * distance_(v, l);
    return sums;
  }

 private:
  const Units& units_;
  const VectorXd& n_;
  Distance distance_;
};

/// n counts each distinct value: its mid-rank among all.
VectorXd rank_scores(const VectorXd& n) {
  VectorXd ranks(n.size());
  double below = 0;
  for (Index v = 0; v < n.size(); ++v) {
    ranks[v] = below + (n[v] + 1) / 2;
    below += n[v];
  }
  return ranks;
}

double ratio_distance(double a, double b) {
  if (a == b) return 0;
  const double relative = (a - b) / (a + b);
  return relative * relative;
}

/// Calls `use` with the metric over the distinct `values`.
template <class Use>
auto with_metric(Metric metric, const Units& units, const VectorXd& n, const VectorXd& values,
                 const Use& use) {
  switch (metric) {
    case Metric::nominal:
      return use(Nominal(units, n));
    case Metric::ordinal:
      return use(SquaredDifference(units, n, rank_scores(n)));
    case Metric::interval:
      return use(SquaredDifference(units, n, values));
    case Metric::ratio:
      return use(Pairwise(
          units, n, [&values](Index a, Index b) { return ratio_distance(values[a], values[b]); }));
  }
  throw InvalidArgument("krippendorff_alpha: not a Metric");
}

/// o_vl = Σ over units of the ordered pairs (v, l) / (m_u − 1), from each unit's counts c: cc' less
/// its diagonal. Where the values are few the whole of c is multiplied, which spares branches.
MatrixXd coincidences(const Units& units) {
  const Index q = units.distinct;
  MatrixXd o = MatrixXd::Zero(q, q);
  VectorXd count = VectorXd::Zero(q);
  std::vector<std::int32_t> present;
  for (Index u = 0; u < units.size(); ++u) {
    const Index m = units.count(u);
    const double weight = 1 / static_cast<double>(m - 1);
    units.visit(u, [&](std::int32_t v) { count[v] += 1; });
    if (q <= 2 * m) {
      for (Index a = 0; a < q; ++a) {
        const double times = weight * count[a];
        for (Index b = 0; b < q; ++b) o(b, a) += times * count[b];
        o(a, a) -= times;
      }
      count.setZero();
      continue;
    }
    present.clear();
    units.visit(u, [&](std::int32_t v) { present.push_back(v); });
    for (const std::int32_t a : present) {
      for (const std::int32_t b : present) o(b, a) += weight;
      o(a, a) -= weight;
      count[a] = 0;
    }
  }
  return o;
}

/// Gwet's (2014) linearised variance with agreement 1 − δ / Δ; it does not depend on the scale Δ.
/// `own` is the unit's mean disagreement within, times its share m_u / mean m; `chance` its values'
/// mean disagreement with all.
template <class Kernel>
double linearised_variance(const Units& units, const VectorXd& within, const Kernel& metric,
                           const VectorXd& frequency) {
  const auto n_units = static_cast<double>(units.size());
  const auto n = static_cast<double>(units.values());
  const double mean_m = n / n_units;
  const double epsilon = 1 / n;
  const VectorXd total = metric.total() / n;  // Σ_l p_l δ(v, l)
  const double chance = frequency.dot(total) / n;
  double raw = 0;
  for (Index u = 0; u < units.size(); ++u)
    raw += within[u] / (mean_m * static_cast<double>(units.count(u) - 1)) / n_units;
  const double ratio = (1 - epsilon) * raw / chance;  // 1 − α
  double sum = 0;
  for (Index u = 0; u < units.size(); ++u) {
    const auto m = static_cast<double>(units.count(u));
    const double excess = (m - mean_m) / mean_m;
    double against = 0;
    units.visit(u, [&](std::int32_t v) { against += total[v]; });
    const double own = (1 - epsilon) * (within[u] / (mean_m * (m - 1)) - raw * excess);
    const double linear = -own / chance + ratio * against / (mean_m * chance);
    sum += linear * linear;
  }
  return sum / (n_units * (n_units - 1));
}

template <class Kernel>
void fill(KrippendorffResult& r, const Units& units, Kernel metric,
          const KrippendorffOptions& options) {
  const auto n = static_cast<double>(units.values());
  VectorXd within(units.size());
  double observed = 0;
  for (Index u = 0; u < units.size(); ++u) {
    within[u] = metric.within(u);
    observed += within[u] / static_cast<double>(units.count(u) - 1);
  }
  r.observed_disagreement = observed / n;
  r.expected_disagreement = r.frequencies.dot(metric.total()) / (n * (n - 1));
  const bool defined = units.size() > 0 && r.expected_disagreement > 0;
  r.estimate = defined ? 1 - r.observed_disagreement / r.expected_disagreement : missing;
  r.standard_error =
      defined ? std::sqrt(linearised_variance(units, within, metric, r.frequencies)) : missing;
  r.df = static_cast<double>(units.size() - 1);
  r.ci = students_t_interval(r.estimate, r.standard_error, r.df, options.confidence_level);
  r.ci.upper = r.ci.upper > 1 ? 1 : r.ci.upper;
  r.statistic = r.estimate / r.standard_error;
  r.p_value = students_t_p_value(r.statistic, r.df);
}

KrippendorffResult start_result(const Units& units, VectorXd values,
                                const KrippendorffOptions& options) {
  require_level("krippendorff_alpha", "confidence_level", options.confidence_level);
  KrippendorffResult r{};
  r.values = std::move(values);
  r.frequencies = frequencies(units);
  if (units.distinct <= options.coincidence_limit) r.coincidences = coincidences(units);
  r.units = units.size();
  r.n_values = units.values();
  r.n_omitted = units.omitted;
  return r;
}

void require_ratio_scale(Metric metric, const VectorXd& values) {
  if (metric == Metric::ratio && values.size() > 0 && values.minCoeff() < 0)
    throw InvalidArgument("krippendorff_alpha: the ratio metric needs values of 0 or more");
}

KrippendorffResult alpha(const Units& units, VectorXd values, Metric metric,
                         const KrippendorffOptions& options) {
  require_ratio_scale(metric, values);
  KrippendorffResult r = start_result(units, std::move(values), options);
  with_metric(metric, units, r.frequencies, r.values,
              [&](auto kernel) { fill(r, units, std::move(kernel), options); });
  return r;
}

KrippendorffResult weighted(const Units& units, const MatrixView& weights,
                            const KrippendorffOptions& options) {
  require_agreement_weights("krippendorff_alpha", weights);
  const auto q = static_cast<double>(weights.rows());
  KrippendorffResult r =
      start_result(units, VectorXd::LinSpaced(weights.rows(), 0, q - 1), options);
  const MatrixXd distance = 1 - ((weights + weights.transpose()) / 2).array();
  fill(r, units,
       Pairwise(units, r.frequencies, [&distance](Index a, Index b) { return distance(a, b); }),
       options);
  return r;
}

}  // namespace

KrippendorffResult krippendorff_alpha(const MatrixView& ratings, Metric metric,
                                      const KrippendorffOptions& options) {
  require_at_least("krippendorff_alpha", "raters", ratings.cols(), 2);
  Coded coded = code_units(ratings);
  KrippendorffResult r = alpha(coded.units, std::move(coded.values), metric, options);
  r.raters = ratings.cols();
  return r;
}

KrippendorffResult krippendorff_alpha_of_counts(const MatrixView& counts, const VectorView& values,
                                                Metric metric, const KrippendorffOptions& options) {
  require_same_size("krippendorff_alpha", "values", values.size(), "counts' columns",
                    counts.cols());
  for (Index k = 1; k < values.size(); ++k)
    if (!(values[k - 1] < values[k]))
      throw InvalidArgument("krippendorff_alpha: `values` must ascend");
  KrippendorffResult r = alpha(units_of_counts(counts), values, metric, options);
  r.raters = counts.rows() > 0 ? static_cast<Index>(counts.rowwise().sum().maxCoeff()) : 0;
  return r;
}

KrippendorffResult krippendorff_alpha_weighted(const CodeView& codes, const MatrixView& weights,
                                               const KrippendorffOptions& options) {
  require_at_least("krippendorff_alpha", "raters", codes.cols(), 2);
  KrippendorffResult r = krippendorff_alpha_weighted_of_counts(
      category_counts(codes, weights.rows()), weights, options);
  r.raters = codes.cols();
  return r;
}

KrippendorffResult krippendorff_alpha_weighted_of_counts(const MatrixView& counts,
                                                         const MatrixView& weights,
                                                         const KrippendorffOptions& options) {
  require_same_size("krippendorff_alpha", "weights", weights.rows(), "counts' columns",
                    counts.cols());
  KrippendorffResult r = weighted(units_of_counts(counts), weights, options);
  r.raters = counts.rows() > 0 ? static_cast<Index>(counts.rowwise().sum().maxCoeff()) : 0;
  return r;
}

namespace {

/// α of the units drawn, from sums kept for each unit: its values' number, sum and sum of squares.
BootstrapResult interval_bootstrap(const Units& units, const VectorXd& values, Seed seed,
                                   const BootstrapOptions& options) {
  const double centre = frequencies(units).dot(values) / static_cast<double>(units.values());
  Eigen::Matrix<double, 4, Eigen::Dynamic> sums(4, units.size());  // m, Σ x, Σ x², within / (m − 1)
  for (Index u = 0; u < units.size(); ++u) {
    double sum = 0;
    double squares = 0;
    units.visit(u, [&](std::int32_t v) {
      const double x = values[v] - centre;
      sum += x;
      squares += x * x;
    });
    const auto m = static_cast<double>(units.count(u));
    sums.col(u) << m, sum, squares, 2 * (m * squares - sum * sum) / (m - 1);
  }
  return bootstrap(
      units.size(),
      [&sums](const std::vector<Index>& rows) {
        Eigen::Vector4d total = Eigen::Vector4d::Zero();
        for (const Index u : rows) total += sums.col(u);
        const double between = 2 * (total[0] * total[2] - total[1] * total[1]);
        return between > 0 ? 1 - total[3] * (total[0] - 1) / between : missing;
      },
      seed, options);
}

}  // namespace

BootstrapResult krippendorff_bootstrap(const MatrixView& ratings, Metric metric, Seed seed,
                                       const BootstrapOptions& options) {
  require_at_least("krippendorff_alpha", "raters", ratings.cols(), 2);
  const Coded coded = code_units(ratings);
  require_ratio_scale(metric, coded.values);
  if (metric == Metric::interval)
    return interval_bootstrap(coded.units, coded.values, seed, options);
  const Units& all = coded.units;
  return bootstrap(
      all.size(),
      [&](const std::vector<Index>& rows) {
        Units sample;
        sample.distinct = all.distinct;
        for (const Index u : rows) {
          all.visit(u, [&](std::int32_t v) { sample.value.push_back(v); });
          sample.close();
        }
        const VectorXd n = frequencies(sample);
        return with_metric(metric, sample, n, coded.values, [&](auto kernel) {
          double observed = 0;
          for (Index u = 0; u < sample.size(); ++u)
            observed += kernel.within(u) / static_cast<double>(sample.count(u) - 1);
          const double expected = n.dot(kernel.total());
          return expected > 0 ? 1 - observed * (n.sum() - 1) / expected : missing;
        });
      },
      seed, options);
}

double set_distance(SetDistance distance, std::uint64_t a, std::uint64_t b) {
  if (a == b) return 0;
  const std::uint64_t both = a & b;
  if (both == 0) return 1;
  const double jaccard =
      static_cast<double>(std::popcount(both)) / static_cast<double>(std::popcount(a | b));
  if (distance == SetDistance::jaccard) return 1 - jaccard;
  const double nested = both == a || both == b ? 2.0 / 3 : 1.0 / 3;
  return 1 - jaccard * nested;
}

KrippendorffResult krippendorff_alpha_of_sets(const std::vector<std::optional<std::uint64_t>>& sets,
                                              Index raters, SetDistance distance,
                                              const KrippendorffOptions& options) {
  require_at_least("krippendorff_alpha_of_sets", "raters", raters, 2);
  if (static_cast<Index>(sets.size()) % raters != 0)
    throw InvalidArgument("krippendorff_alpha_of_sets: `sets` holds " +
                          std::to_string(sets.size()) + " entries; a multiple of the " +
                          std::to_string(raters) + " raters is required");
  std::map<std::uint64_t, std::int32_t> position;
  for (const auto& set : sets)
    if (set) position.emplace(*set, 0);
  std::vector<std::uint64_t> distinct;
  for (auto& [set, place] : position) {
    place = static_cast<std::int32_t>(distinct.size());
    distinct.push_back(set);
  }
  Units units;
  units.distinct = static_cast<Index>(distinct.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (sets[i]) units.value.push_back(position.at(*sets[i]));
    if (static_cast<Index>(i + 1) % raters == 0) units.close();
  }
  KrippendorffResult r = start_result(
      units, VectorXd::LinSpaced(units.distinct, 0, static_cast<double>(units.distinct - 1)),
      options);
  fill(r, units,
       Pairwise(units, r.frequencies,
                [&](Index a, Index b) {
                  return set_distance(distance, distinct[static_cast<std::size_t>(a)],
                                      distinct[static_cast<std::size_t>(b)]);
                }),
       options);
  r.raters = raters;
  return r;
}

}  // namespace rapport
