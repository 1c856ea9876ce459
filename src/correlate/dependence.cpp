#include <rapport/base/error.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/pair_counts.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/quadrature.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Σ |a − b| over all pairs of sorted values.
double pairwise_differences(const std::vector<double>& sorted) {
  double sum = 0;
  double below = 0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    sum += sorted[k] * static_cast<double>(k) - below;
    below += sorted[k];
  }
  return sum;
}

/// The expected Σ |r_{i+1} − r_i| over the orders that ties in x may take: neighbours within a
/// group of m are any of its pairs, so that they differ by the mean pair m − 1 times; at the border
/// any two of both groups meet.
double expected_steps(const DenseRanks& x, const DenseRanks& y,
                      const std::vector<double>& upper_rank) {
  const std::vector<std::int32_t> order = lexicographic_order(x, y);
  std::vector<double> previous;
  std::vector<double> group;
  std::vector<double> joined;
  double steps = 0;
  double previous_pairs = 0;
  auto member = order.begin();
  for (const std::int32_t size : x.count) {
    group.clear();
    for (std::int32_t k = 0; k < size; ++k, ++member)
      group.push_back(upper_rank[at(y.rank[at(*member)])]);
    const double pairs = size > 1 ? pairwise_differences(group) : 0.0;
    if (size > 1) steps += 2 * pairs / size;
    if (previous.size() == 1 && size == 1) {
      steps += std::abs(group[0] - previous[0]);
    } else if (!previous.empty()) {
      joined.resize(previous.size() + group.size());
      std::ranges::merge(previous, group, joined.begin());
      const double across = pairwise_differences(joined) - pairs - previous_pairs;
      steps += across / (static_cast<double>(previous.size()) * size);
    }
    previous.swap(group);
    previous_pairs = pairs;
  }
  return steps;
}

/// Chatterjee's (2021, theorem 2.2) variance of √n ξ under independence from the sorted upper ranks
/// r_(1) ≤ … ≤ r_(n).
double xi_variance(const DenseRanks& y, const std::vector<double>& upper_rank,
                   double mean_product) {
  const auto n = static_cast<double>(y.size());
  double a = 0;
  double b = 0;
  double c = 0;
  double sum = 0;
  double i = 0;
  for (std::size_t g = 0; g < y.count.size(); ++g) {
    const double r = upper_rank[g] / n;
    for (std::int32_t k = 0; k < y.count[g]; ++k) {
      i += 1;
      sum += r;
      const double weight = 2 * n - 2 * i + 1;
      const double m = (sum + (n - i) * r) / n;
      a += weight * r * r;
      b += m * m;
      c += weight * r;
    }
  }
  a /= n * n;
  b /= n;
  c /= n * n;
  return (a - 2 * b + c * c) / (mean_product * mean_product);
}

/// Σ over ordered pairs of a symmetric matrix with zero diagonal: of its entries, their squares,
/// and its squared row sums.
struct MatrixSums {
  double entries = 0;
  double squares = 0;
  double squared_rows = 0;
};

/// Of the weights with which |r_i − r_j| enters the expected steps: 2/m within a group of m, 1/(m
/// m') across a border.
MatrixSums step_weights(const std::vector<std::int32_t>& groups) {
  MatrixSums sums;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double m = groups[g];
    const double borders = (g > 0 ? 1 : 0) + (g + 1 < groups.size() ? 1 : 0);
    const double row = (2 * (m - 1) + borders) / m;
    sums.entries += m * row;
    sums.squared_rows += m * row * row;
    sums.squares += m * (m - 1) * 4 / (m * m) + (g > 0 ? 2 / (m * groups[g - 1]) : 0);
  }
  return sums;
}

/// Of the distances |r_i − r_j| of the upper ranks.
MatrixSums rank_distances(const DenseRanks& y, const std::vector<double>& upper_rank) {
  MatrixSums sums;
  const auto n = static_cast<double>(y.size());
  double all = 0;
  double all_squares = 0;
  for (std::size_t g = 0; g < upper_rank.size(); ++g) {
    all += y.count[g] * upper_rank[g];
    all_squares += y.count[g] * upper_rank[g] * upper_rank[g];
  }
  double below = 0;
  double below_sum = 0;
  for (std::size_t g = 0; g < upper_rank.size(); ++g) {
    const double r = upper_rank[g];
    const double row = r * below - below_sum + (all - below_sum) - r * (n - below);
    sums.entries += y.count[g] * row;
    sums.squared_rows += y.count[g] * row * row;
    below += y.count[g];
    below_sum += y.count[g] * r;
  }
  sums.squares = 2 * (n * all_squares - all * all);
  return sums;
}

struct NullMoments {
  double mean;
  double variance;
};

/// Mean and variance of Σ_{i<j} w_ij d_ij under all orders of one against the other (Mantel 1967).
NullMoments permutation_moments(const MatrixSums& w, const MatrixSums& d, double n) {
  const double pairs = n * (n - 1);
  const double mean = w.entries * d.entries / pairs;
  double square = 2 * w.squares * d.squares / pairs + 4 * (w.squared_rows - w.squares) *
                                                          (d.squared_rows - d.squares) /
                                                          (pairs * (n - 2));
  if (n > 3)
    square += (w.entries * w.entries + 2 * w.squares - 4 * w.squared_rows) *
              (d.entries * d.entries + 2 * d.squares - 4 * d.squared_rows) /
              (pairs * (n - 2) * (n - 3));
  return {.mean = mean / 2, .variance = std::max(square - mean * mean, 0.0) / 4};
}

void test_with_ties_in_x(CorrelationResult& result, const MatrixSums& weights,
                         const MatrixSums& distances, double scale) {
  if (result.n < 3) return;
  const NullMoments null = permutation_moments(weights, distances, result.n);
  if (!(null.variance > 1e-12 * null.mean * null.mean))
    return;  // one group of x: every order gives the same
  result.standard_error = std::sqrt(null.variance) / scale;
  result.statistic = (result.estimate - (1 - null.mean / scale)) / result.standard_error;
  result.p_value = normal_p_value(result.statistic, Alternative::greater);
}

CorrelationResult xi_of(const VectorView& x, const VectorView& y) {
  CorrelationResult result{.n = static_cast<double>(x.size()), .n_used = x.size()};
  const DenseRanks rank_y = dense_ranks(y);
  if (x.size() < 2 || rank_y.distinct() < 2) return result;
  const double n = result.n;
  std::vector<double> upper_rank(at(rank_y.distinct()));  // how many are ≤ each distinct y
  double at_most = 0;
  double mean_product = 0;  // of l(n − l)/n², l the number ≥ y
  for (std::size_t g = 0; g < upper_rank.size(); ++g) {
    const double at_least = n - at_most;
    at_most += rank_y.count[g];
    upper_rank[g] = at_most;
    mean_product += rank_y.count[g] * at_least * (n - at_least);
  }
  mean_product /= n * n * n;
  const DenseRanks rank_x = dense_ranks(x);
  const double scale = 2 * n * n * mean_product;
  result.estimate = 1 - expected_steps(rank_x, rank_y, upper_rank) / scale;
  if (rank_x.distinct() < rank_x.size()) {
    test_with_ties_in_x(result, step_weights(rank_x.count), rank_distances(rank_y, upper_rank),
                        scale);
    return result;
  }
  const bool ties = rank_y.distinct() < rank_y.size();
  result.standard_error =
      std::sqrt((ties ? xi_variance(rank_y, upper_rank, mean_product) : 0.4) / n);
  result.statistic = result.estimate / result.standard_error;
  result.p_value = normal_p_value(result.statistic, Alternative::greater);
  return result;
}

/// The characteristic function of Σ λ_jk χ²₁ with λ_jk = 1/(π⁴ j² k²) at t = v², as phase and log
/// modulus. The product over k is closed: Π_k (1 − 2it/(π⁴ j² k²)) = sin(w)/w with w = (1 + i)s, s
/// = v/(πj).
struct CharacteristicFunction {
  double phase = 0;
  double log_modulus = 0;
};

CharacteristicFunction hoeffding_characteristic(double v) {
  constexpr double pi = std::numbers::pi;
  constexpr int terms = 60;
  CharacteristicFunction value;
  for (int j = 1; j <= terms; ++j) {
    const double s = v / (pi * j);
    const double sine = std::sin(s) * std::cosh(s);
    const double cosine = std::cos(s) * std::sinh(s);
    const double real = (sine + cosine) / (2 * s);
    const double imaginary = (cosine - sine) / (2 * s);
    // The argument followed continuously from 0: −s²/3 for small s, π/4 − s for large.
    double angle = std::atan2(imaginary, real);
    const double expected = s > 1 ? pi / 4 - s : -s * s / 3;
    angle += 2 * pi * std::round((expected - angle) / (2 * pi));
    value.phase -= angle / 2;
    value.log_modulus -= std::log(std::hypot(real, imaginary)) / 2;
  }
  // The factors beyond: 1 − 2is²/6 each, Σ 1/j² by the Euler–Maclaurin formula.
  value.phase += v * v / (6 * pi * pi) * (1.0 / terms - 0.5 / (terms * terms));
  return value;
}

/// A node of the inversion integral: what multiplies sin(phase − v² q), and that phase.
struct InversionNode {
  double v_squared;
  double phase;
  double weight;
};

std::vector<InversionNode> make_inversion_nodes() {
  constexpr double end = 110;  // where the modulus has fallen to e⁻³⁵
  constexpr double panel = 0.5;
  const QuadratureRule rule = gauss_legendre(32);
  std::vector<InversionNode> nodes;
  for (double start = 0; start < end; start += panel)
    for (Index k = 0; k < rule.nodes.size(); ++k) {
      const double v = start + panel * (rule.nodes[k] + 1) / 2;
      const CharacteristicFunction f = hoeffding_characteristic(v);
      nodes.push_back({.v_squared = v * v,
                       .phase = f.phase,
                       .weight = rule.weights[k] * panel / v * std::exp(f.log_modulus)});
    }
  return nodes;
}

/// P(Σ λ_jk χ²₁ > q): the limit of nD + 1/36 (Blum, Kiefer & Rosenblatt 1961), by inversion
/// (Gil-Pelaez 1951). Absolute error about 1e-9.
double hoeffding_upper_tail(double q) {
  static const std::vector<InversionNode> nodes = make_inversion_nodes();  // the same for every q
  double sum = 0;
  for (const InversionNode& node : nodes)
    sum += node.weight * std::sin(node.phase - node.v_squared * q);
  return std::clamp(0.5 + sum / std::numbers::pi, 0.0, 1.0);
}

CorrelationResult hoeffding_of(const VectorView& x, const VectorView& y) {
  CorrelationResult result{.n = static_cast<double>(x.size()), .n_used = x.size()};
  if (x.size() < 5) return result;
  const DenseRanks rank_x = dense_ranks(x);
  const DenseRanks rank_y = dense_ranks(y);
  if (rank_x.distinct() < 2 || rank_y.distinct() < 2) return result;
  const QuadrantCounts q = quadrant_counts(rank_x, rank_y);
  const double n = result.n;
  // Ranks less 1: values below count 1, values equal (but the observation itself) a half of each
  // variable.
  const Eigen::ArrayXd r = q.below_x.array() + (q.equal_x.array() - 1) / 2;
  const Eigen::ArrayXd s = q.below_y.array() + (q.equal_y.array() - 1) / 2;
  const Eigen::ArrayXd both = q.less_less.array() +
                              (q.less_equal.array() + q.equal_less.array()) / 2 +
                              (q.equal_equal.array() - 1) / 4;
  const double d1 = (both * (both - 1)).sum();
  const double d2 = (r * (r - 1) * s * (s - 1)).sum();
  const double d3 = ((r - 1) * (s - 1) * both).sum();
  const double d = ((n - 2) * (n - 3) * d1 + d2 - 2 * (n - 2) * d3) /
                   (n * (n - 1) * (n - 2) * (n - 3) * (n - 4));
  result.estimate = 30 * d;
  result.statistic = n * d + 1.0 / 36;
  result.p_value = hoeffding_upper_tail(result.statistic);
  return result;
}

double choose2(double n) { return n * (n - 1) / 2; }
double choose3(double n) { return n * (n - 1) * (n - 2) / 6; }
double choose4(double n) { return n * (n - 1) * (n - 2) * (n - 3) / 24; }

/// Fours whose second and third value are equal to the same value: at most one below it and at most
/// one above.
double undivided_fours(const DenseRanks& ranks) {
  double fours = 0;
  double below = 0;
  for (const std::int32_t t : ranks.count) {
    const double above = static_cast<double>(ranks.size()) - below - t;
    fours += choose4(t) + choose3(t) * (below + above) + choose2(t) * below * above;
    below += t;
  }
  return fours;
}

/// Counts at or below each pair of ranks.
Eigen::MatrixXi cumulative_table(const DenseRanks& x, const DenseRanks& y) {
  Eigen::MatrixXi table = Eigen::MatrixXi::Zero(x.distinct() + 1, y.distinct() + 1);
  for (std::size_t i = 0; i < x.rank.size(); ++i) ++table(x.rank[i] + 1, y.rank[i] + 1);
  for (Index j = 1; j < table.cols(); ++j)
    for (Index i = 1; i < table.rows(); ++i) table(i, j) += table(i - 1, j);
  for (Index j = 1; j < table.cols(); ++j) table.col(j) += table.col(j - 1);
  return table;
}

/// Fours undivided in both variables: the middle values are x = v and y = w. Chooses four
/// observations from the nine regions (below, at, above v) × (below, at, above w) with at most one
/// in each outer row and outer column.
double doubly_undivided_fours(const DenseRanks& x, const DenseRanks& y,
                              const Eigen::MatrixXi& cumulative) {
  const Index rows = x.distinct();
  const Index columns = y.distinct();
  const auto count = [&](Index i0, Index i1, Index j0, Index j1) {
    return static_cast<double>(cumulative(i1, j1) - cumulative(i0, j1) - cumulative(i1, j0) +
                               cumulative(i0, j0));
  };
  double fours = 0;
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) {
      const double centre = count(i, i + 1, j, j + 1);
      const double left = count(0, i, j, j + 1);
      const double right = count(i + 1, rows, j, j + 1);
      const double down = count(i, i + 1, 0, j);
      const double up = count(i, i + 1, j + 1, columns);
      const double ll = count(0, i, 0, j);
      const double lu = count(0, i, j + 1, columns);
      const double rl = count(i + 1, rows, 0, j);
      const double ru = count(i + 1, rows, j + 1, columns);
      // Outside the centre: none; one; two that share no outer row or column; three; four.
      const double one = left + right + down + up + ll + lu + rl + ru;
      const double two = left * right + down * up + (left + right) * (down + up) +
                         ll * (right + up + ru) + lu * (right + down + rl) + rl * (left + up) +
                         ru * (left + down);
      const double three = left * right * (down + up) + down * up * (left + right) +
                           ll * right * up + lu * right * down + rl * left * up + ru * left * down;
      const double four = left * right * down * up;
      fours +=
          choose4(centre) + choose3(centre) * one + choose2(centre) * two + centre * three + four;
    }
  return fours;
}

/// Fours that fall into two pairs, one below the other on x and below or above it on y.
double parallel_fours(const DenseRanks& x, const DenseRanks& y, const Eigen::MatrixXi& cumulative) {
  const std::size_t n = x.rank.size();
  const auto last_x = x.distinct();
  const auto last_y = y.distinct();
  double fours = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < i; ++k) {  // the pair that is lower on x
      const Index x_high = std::max(x.rank[i], x.rank[k]) + 1;
      const Index y_high = std::max(y.rank[i], y.rank[k]) + 1;
      const Index y_low = std::min(y.rank[i], y.rank[k]);
      const double beyond_above = cumulative(last_x, last_y) - cumulative(x_high, last_y) -
                                  cumulative(last_x, y_high) + cumulative(x_high, y_high);
      const double beyond_below = cumulative(last_x, y_low) - cumulative(x_high, y_low);
      fours += choose2(beyond_above) + choose2(beyond_below);
    }
  return fours;
}

CorrelationResult bergsma_dassios_of(const VectorView& x, const VectorView& y) {
  CorrelationResult result{.n = static_cast<double>(x.size()), .n_used = x.size()};
  if (x.size() > 20000)
    throw InvalidArgument("bergsma_dassios_tau: `x` has " + std::to_string(x.size()) +
                          " values; at most 20000 are possible");
  if (x.size() < 4) return result;
  const DenseRanks a = dense_ranks(x);
  const DenseRanks b = dense_ranks(y);
  const Eigen::MatrixXi cumulative = cumulative_table(a, b);
  const double all = choose4(result.n);
  const double divided =
      all - undivided_fours(a) - undivided_fours(b) + doubly_undivided_fours(a, b, cumulative);
  const double parallel = parallel_fours(a, b, cumulative);
  // Of a four's 24 orders 16 have a kernel of ±1 each time both variables divide it alike, 8 when
  // they cross.
  result.estimate = (2 * parallel - (divided - parallel)) / (3 * all);
  return result;
}

Eigen::VectorXd signs_about_median(const VectorView& x) {
  const double centre = median(x);
  Eigen::VectorXd signs(x.size());
  for (Index i = 0; i < x.size(); ++i) signs[i] = x[i] > centre ? 1 : (x[i] < centre ? -1 : 0);
  return signs;
}

/// The noncentrality at which the observed χ² has upper tail `tail`; 0 where even a central χ² lies
/// below.
double noncentrality_at(double chi_squared, double df, double tail) {
  const auto excess = [&](double noncentrality) {
    return 1 - noncentral_chi_squared_cdf(chi_squared, df, noncentrality) - tail;
  };
  if (excess(0) >= 0) return 0;
  double high = chi_squared + 10;
  while (excess(high) < 0) high *= 2;
  return find_root(excess, 0, high).argument;
}

CramerResult cramer_of(const Eigen::MatrixXd& table, double level) {
  const double n = table.sum();
  const auto rows = static_cast<double>(table.rows());
  const auto columns = static_cast<double>(table.cols());
  CramerResult result{
      missing, missing, {.level = level}, missing, (rows - 1) * (columns - 1), missing, missing,
      0,       0};
  const double least = std::min(rows, columns);
  if (least < 2) return result;
  const Eigen::MatrixXd expected = table.rowwise().sum() * table.colwise().sum() / n;
  result.statistic = ((table - expected).array().square() / expected.array()).sum();
  result.p_value = chi_squared_upper_tail(result.statistic, result.df);
  result.phi = std::sqrt(result.statistic / n);
  result.estimate = std::min(1.0, result.phi / std::sqrt(least - 1));
  const auto v_of = [&](double noncentrality) {
    return std::min(1.0, std::sqrt(noncentrality / (n * (least - 1))));
  };
  result.ci.lower = v_of(noncentrality_at(result.statistic, result.df, (1 - level) / 2));
  result.ci.upper = v_of(noncentrality_at(result.statistic, result.df, (1 + level) / 2));
  const double phi2 = std::max(0.0, result.statistic / n - result.df / (n - 1));
  const double r = rows - (rows - 1) * (rows - 1) / (n - 1);
  const double c = columns - (columns - 1) * (columns - 1) / (n - 1);
  result.bias_corrected = std::sqrt(phi2 / (std::min(r, c) - 1));
  return result;
}

/// `compute` on complete pairs, with the number omitted noted.
template <class Compute>
CorrelationResult counted(std::string_view function, const VectorView& x, const VectorView& y,
                          Missing policy, const Compute& compute) {
  return detail::on_complete_pairs(function, x, y, policy,
                                   [&](const VectorView& a, const VectorView& b, Index omitted) {
                                     CorrelationResult result = compute(a, b);
                                     result.n_omitted = omitted;
                                     return result;
                                   });
}

}  // namespace

CorrelationResult chatterjee_xi(const VectorView& x, const VectorView& y, Missing missing_policy) {
  return counted("chatterjee_xi", x, y, missing_policy, xi_of);
}

CorrelationResult hoeffding_d(const VectorView& x, const VectorView& y, Missing missing_policy) {
  return counted("hoeffding_d", x, y, missing_policy, hoeffding_of);
}

CorrelationResult bergsma_dassios_tau(const VectorView& x, const VectorView& y,
                                      Missing missing_policy) {
  return counted("bergsma_dassios_tau", x, y, missing_policy, bergsma_dassios_of);
}

CorrelationResult blomqvist_beta(const VectorView& x, const VectorView& y,
                                 const CorrelationOptions& options) {
  return counted("blomqvist_beta", x, y, options.missing,
                 [&](const VectorView& a, const VectorView& b) {
                   CorrelationResult result{.n = static_cast<double>(a.size()), .n_used = a.size()};
                   if (a.size() < 2) return result;
                   const Eigen::VectorXd u = signs_about_median(a);
                   const Eigen::VectorXd v = signs_about_median(b);
                   const double scale = std::sqrt(u.squaredNorm() * v.squaredNorm());
                   if (scale == 0) return result;
                   result.estimate = u.dot(v) / scale;
                   result.statistic = result.estimate * std::sqrt(result.n - 1);
                   result.p_value = normal_p_value(result.statistic, options.alternative);
                   return result;
                 });
}

CramerResult cramers_v(const VectorView& x, const VectorView& y,
                       const CorrelationOptions& options) {
  require_level("cramers_v", "confidence_level", options.confidence_level);
  return detail::on_complete_pairs("cramers_v", x, y, options.missing,
                                   [&](const VectorView& a, const VectorView& b, Index omitted) {
                                     CramerResult result =
                                         cramer_of(cross_table(dense_ranks(a), dense_ranks(b)),
                                                   options.confidence_level);
                                     result.n_used = a.size();
                                     result.n_omitted = omitted;
                                     return result;
                                   });
}

}  // namespace rapport
