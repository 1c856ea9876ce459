#include <rapport/base/error.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/pair_counts.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/resample.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <unordered_map>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// A probability on whole numbers from `lowest`.
struct Distribution {
  Index lowest = 0;
  std::vector<double> mass;

  /// Adds `other` shifted by `shift`, scaled by `weight`.
  void add(const Distribution& other, Index shift, double weight) {
    const Index low = other.lowest + shift;
    const Index high = low + static_cast<Index>(other.mass.size());
    if (mass.empty()) lowest = low;
    if (low < lowest) {
      mass.insert(mass.begin(), at(lowest - low), 0.0);
      lowest = low;
    }
    if (high > lowest + static_cast<Index>(mass.size())) mass.resize(at(high - lowest), 0.0);
    double* to = mass.data() + (low - lowest);
    for (std::size_t k = 0; k < other.mass.size(); ++k) to[k] += weight * other.mass[k];
  }
};

/// Tail probabilities at `observed` of a statistic that is centre + step · k with probability
/// mass[k].
TailProbabilities tails_of(const Distribution& distribution, double step, double centre,
                           double observed) {
  TailProbabilities tails{.less = 0, .greater = 0, .two_sided = 0, .method = PValueMethod::exact};
  const double slack = 1e-9 * std::max(1.0, std::abs(observed));
  for (std::size_t k = 0; k < distribution.mass.size(); ++k) {
    const double value =
        centre + step * static_cast<double>(distribution.lowest + static_cast<Index>(k));
    if (value <= observed + slack) tails.less += distribution.mass[k];
    if (value >= observed - slack) tails.greater += distribution.mass[k];
    if (std::abs(value) >= std::abs(observed) - slack) tails.two_sided += distribution.mass[k];
  }
  tails.less = std::min(tails.less, 1.0);
  tails.greater = std::min(tails.greater, 1.0);
  tails.two_sided = std::min(tails.two_sided, 1.0);
  return tails;
}

/// Walks through the contingency tables with the margins of x (rows, one after another) and y
/// (columns). A state is the number of each column's observations that the rows so far have used;
/// each way to fill a row has the probability of drawing it at random from what is left.
class TableWalk {
 public:
  /// What a row adds to the statistic: `row`, the counts chosen, and the counts left afterwards.
  using Increment = std::function<Index(std::size_t row, const std::vector<std::int32_t>& chosen,
                                        const std::vector<std::int32_t>& left)>;

  TableWalk(const std::vector<std::int32_t>& rows, const std::vector<std::int32_t>& columns)
      : rows_(rows), columns_(columns) {}

  /// Number of (state, row) steps, the measure of work.
  [[nodiscard]] double steps() const {
    const std::size_t n = static_cast<std::size_t>(std::accumulate(rows_.begin(), rows_.end(), 0));
    const auto widest = static_cast<std::size_t>(*std::ranges::max_element(rows_));
    // ways[u][c]: states that have used u, with c chosen now, as columns are added one by one.
    std::vector<std::vector<double>> ways(n + 1, std::vector<double>(widest + 1, 0.0));
    ways[0][0] = 1;
    for (const std::int32_t column : columns_) {
      std::vector<std::vector<double>> next(n + 1, std::vector<double>(widest + 1, 0.0));
      const auto most = static_cast<std::size_t>(column);
      for (std::size_t u = 0; u <= n; ++u)
        for (std::size_t c = 0; c <= widest; ++c) {
          if (ways[u][c] == 0) continue;
          for (std::size_t du = 0; du <= most && u + du <= n; ++du)
            for (std::size_t dc = 0; du + dc <= most && c + dc <= widest; ++dc)
              next[u + du][c + dc] += ways[u][c];
        }
      ways.swap(next);
    }
    double total = 0;
    std::size_t used = 0;
    for (const std::int32_t row : rows_) {
      total += ways[used][static_cast<std::size_t>(row)];
      used += static_cast<std::size_t>(row);
    }
    return total;
  }

  Distribution run(const Increment& increment) {
    increment_ = &increment;
    std::unordered_map<std::uint64_t, Distribution> states;
    states[0] = {.lowest = 0, .mass = {1.0}};
    left_total_ = std::accumulate(rows_.begin(), rows_.end(), 0);
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      next_.clear();
      for (const auto& [code, distribution] : states) {
        row_ = row;
        from_ = &distribution;
        left_ = decode(code);
        chosen_.assign(columns_.size(), 0);
        fill(0, rows_[row], 1.0);
      }
      left_total_ -= rows_[row];
      states.swap(next_);
    }
    return states.begin()->second;
  }

 private:
  std::vector<std::int32_t> decode(std::uint64_t code) const {
    std::vector<std::int32_t> left = columns_;
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      const auto base = static_cast<std::uint64_t>(columns_[j]) + 1;
      left[j] -= static_cast<std::int32_t>(code % base);
      code /= base;
    }
    return left;
  }

  std::uint64_t encode() const {
    std::uint64_t code = 0;
    for (std::size_t j = columns_.size(); j-- > 0;)
      code = code * (static_cast<std::uint64_t>(columns_[j]) + 1) +
             static_cast<std::uint64_t>(columns_[j] - left_[j]);
    return code;
  }

  /// Chooses from column `j` on; `ways` is Π C(left, chosen) so far.
  void fill(std::size_t j, std::int32_t needed, double ways) {
    if (needed == 0 || j == columns_.size()) {
      if (needed == 0) finish_row(ways);
      return;
    }
    const std::int32_t available = left_[j];
    double binomial = 1;
    for (std::int32_t c = 0; c <= std::min(available, needed); ++c) {
      chosen_[j] = c;
      left_[j] = available - c;
      fill(j + 1, needed - c, ways * binomial);
      binomial *= static_cast<double>(available - c) / (c + 1);
    }
    chosen_[j] = 0;
    left_[j] = available;
  }

  void finish_row(double ways) {
    double all = 1;  // C(left in total, row)
    for (std::int32_t k = 0; k < rows_[row_]; ++k)
      all *= static_cast<double>(left_total_ - k) / (k + 1);
    next_[encode()].add(*from_, (*increment_)(row_, chosen_, left_), ways / all);
  }

  std::vector<std::int32_t> rows_;
  std::vector<std::int32_t> columns_;
  const Increment* increment_ = nullptr;
  std::unordered_map<std::uint64_t, Distribution> next_;
  const Distribution* from_ = nullptr;
  std::vector<std::int32_t> left_;
  std::vector<std::int32_t> chosen_;
  std::int32_t left_total_ = 0;
  std::size_t row_ = 0;
};

constexpr double most_work = 4e8;  // additions, about a third of a second

/// Steps of the walk, or infinity where even counting them would be long.
double walk_steps(const DenseRanks& rows, const DenseRanks& columns) {
  constexpr double most_counting = 1e8;
  double states = 1;
  double choices = 0;
  for (const std::int32_t column : columns.count) {
    states *= column + 1.0;
    choices += (column + 1.0) * (column + 1.0);
  }
  const double counting =
      choices * static_cast<double>(rows.size()) * *std::ranges::max_element(rows.count);
  if (states > most_work || counting > most_counting) return HUGE_VAL;
  return TableWalk(rows.count, columns.count).steps();
}

/// Twice the centred mid-ranks as whole numbers, brought to start at 0 in steps as wide as
/// possible.
struct Scores {
  std::vector<Index> score;  // of each distinct value
  double lowest = 0;         // twice the centred mid-rank that score 0 stands for
  double step = 1;
};

Scores whole_scores(const DenseRanks& ranks) {
  const Eigen::VectorXd midranks = midrank_of_distinct(ranks);
  Scores scores;
  const auto n = static_cast<double>(ranks.size());
  scores.lowest = 2 * midranks[0] - (n + 1);
  Index step = 0;
  for (const double r : midranks) {
    scores.score.push_back(static_cast<Index>(std::lround(2 * (r - midranks[0]))));
    step = std::gcd(step, scores.score.back());
  }
  if (step > 1)
    for (Index& s : scores.score) s /= step;
  scores.step = static_cast<double>(std::max<Index>(step, 1));
  return scores;
}

/// Σ (2a)(2b) over the observations, a and b the centred mid-ranks.
double doubled_rank_product(const DenseRanks& x, const DenseRanks& y) {
  const Eigen::VectorXd a = midrank_of_distinct(x);
  const Eigen::VectorXd b = midrank_of_distinct(y);
  const double centre = (static_cast<double>(x.size()) + 1) / 2;
  double sum = 0;
  for (std::size_t i = 0; i < x.rank.size(); ++i)
    sum += 4 * (a[x.rank[i]] - centre) * (b[y.rank[i]] - centre);
  return sum;
}

TailProbabilities tails_from_counts(const std::vector<double>& replicates, double observed) {
  const double slack = 1e-9 * std::max(1.0, std::abs(observed));
  double less = 1;
  double greater = 1;
  double beyond = 1;
  for (const double t : replicates) {
    less += t <= observed + slack ? 1 : 0;
    greater += t >= observed - slack ? 1 : 0;
    beyond += std::abs(t) >= std::abs(observed) - slack ? 1 : 0;
  }
  const double all = static_cast<double>(replicates.size()) + 1;
  return {.less = less / all,
          .greater = greater / all,
          .two_sided = beyond / all,
          .method = PValueMethod::permutation};
}

/// `statistic` of x and y with y's values in random order, against its value as observed.
TailProbabilities permute(
    const DenseRanks& x, const DenseRanks& y, const ExactOptions& options,
    const std::function<double(const DenseRanks&, const DenseRanks&)>& statistic) {
  require_at_least("permutation test", "permutations", options.permutations, 1);
  std::vector<double> replicates(at(options.permutations));
  parallel_for(options.permutations, options.threads, [&](Index r) {
    RandomStream stream(options.seed, static_cast<std::uint64_t>(r));
    DenseRanks shuffled = y;
    for (std::size_t i = shuffled.rank.size(); i > 1; --i)  // Fisher & Yates
      std::swap(shuffled.rank[i - 1], shuffled.rank[at(stream.below(static_cast<Index>(i)))]);
    replicates[at(r)] = statistic(x, shuffled);
  });
  return tails_from_counts(replicates, statistic(x, y));
}

double kendall_score(const DenseRanks& x, const DenseRanks& y) {
  const PairCounts counts = count_pairs(x, y);
  return counts.concordant - counts.discordant;
}

/// Upper tail of a symmetric statistic by the Edgeworth series (Kendall & Stuart 1977, 6.18) to the
/// eighth cumulant; `x` is standardised, `k4`, `k6`, `k8` standardised cumulants.
double edgeworth_upper_tail(double x, double k4, double k6, double k8) {
  const auto hermite = [x](int order) {
    double previous = 1;
    double current = x;
    for (int k = 1; k < order; ++k) {
      const double next = x * current - k * previous;
      previous = current;
      current = next;
    }
    return current;
  };
  const double series = k4 / 24 * hermite(3) + k6 / 720 * hermite(5) + k4 * k4 / 1152 * hermite(7) +
                        k8 / 40320 * hermite(7) + k4 * k6 / 17280 * hermite(9) +
                        k4 * k4 * k4 / 82944 * hermite(11);
  return std::clamp(normal_upper_tail(x) + normal_density(x) * series, 0.0, 1.0);
}

}  // namespace

double p_value(const TailProbabilities& tails, Alternative alternative) {
  switch (alternative) {
    case Alternative::two_sided:
      return tails.two_sided;
    case Alternative::less:
      return tails.less;
    case Alternative::greater:
      return tails.greater;
  }
  return missing;
}

TailProbabilities kendall_null(double s, Index n) {
  if (n < 2 || n > 1000)
    throw InvalidArgument("kendall_null: `n` is " + std::to_string(n) + "; 2 to 1000 is required");
  // Inversions of a random permutation of k + 1: those of k plus a uniform on 0 … k. Only the
  // shorter half is kept, where differences of running sums lose nothing.
  const Index pairs = n * (n - 1) / 2;
  const auto discordant =
      static_cast<Index>(std::lround((static_cast<double>(pairs) - std::abs(s)) / 2));
  std::vector<double> mass(at(discordant) + 1, 0.0);
  std::vector<double> sums(at(discordant) + 1, 0.0);
  mass[0] = 1;
  for (Index k = 2; k <= n; ++k) {
    const Index most = std::min(discordant, k * (k - 1) / 2);
    std::partial_sum(mass.begin(), mass.begin() + most + 1, sums.begin());
    for (Index i = 0; i <= most; ++i)
      mass[at(i)] = (sums[at(i)] - (i >= k ? sums[at(i - k)] : 0.0)) / static_cast<double>(k);
  }
  const double tail = std::min(std::accumulate(mass.begin(), mass.end(), 0.0), 1.0);
  const double other = s == 0 ? tail : std::min(1.0, 1 - tail + mass[at(discordant)]);
  return {.less = s > 0 ? other : tail,
          .greater = s > 0 ? tail : other,
          .two_sided = s == 0 ? 1.0 : std::min(1.0, 2 * tail),
          .method = PValueMethod::exact};
}

TailProbabilities kendall_null_series(double s, Index n) {
  // S is a sum of independent uniforms on −(i − 1), −(i − 3) … i − 1, i = 1 … n, with cumulants
  // 2^{2r} B_{2r}/(2r) Σ (i^{2r} − 1). Its probabilities 2g(s) at steps of 2 sum to the integral of
  // g freed of a uniform on (−1, 1) (Sheppard's correction), whose cumulants are the same with 1
  // for the sum.
  double power2 = -1;
  double power4 = -1;
  double power6 = -1;
  double power8 = -1;
  for (Index i = 1; i <= n; ++i) {
    const auto square = static_cast<double>(i) * static_cast<double>(i);
    power2 += square - 1;
    power4 += square * square - 1;
    power6 += square * square * square - 1;
    power8 += square * square * square * square - 1;
  }
  const double variance = 4.0 / 12 * power2;
  const double k4 = -16.0 / 120 * power4 / (variance * variance);
  const double k6 = 64.0 / 252 * power6 / std::pow(variance, 3);
  const double k8 = -256.0 / 240 * power8 / std::pow(variance, 4);
  const auto upper = [&](double score) {
    return edgeworth_upper_tail((score - 1) / std::sqrt(variance), k4, k6, k8);
  };
  return {.less = upper(-s),
          .greater = upper(s),
          .two_sided = std::min(1.0, 2 * upper(std::abs(s))),
          .method = PValueMethod::series};
}

TailProbabilities spearman_null_series(double rho, Index n) {
  const double b = 1 / static_cast<double>(n);
  const double steps =
      static_cast<double>(n) * (static_cast<double>(n) * static_cast<double>(n) - 1) / 6;
  const auto upper = [&](double r) {
    const double x = (r - 1 / steps) * std::sqrt(1 / b - 1);  // half a step of Σd² for continuity
    const double y = x * x;
    const double series = x * b *
                          (0.2274 + b * (0.2531 + 0.1745 * b) +
                           y * (-0.0758 + b * (0.1033 + 0.3932 * b) -
                                y * b *
                                    (0.0879 + 0.0151 * b -
                                     y * (0.0072 - 0.0831 * b + y * b * (0.0131 - 4.6e-4 * y)))));
    return std::clamp(series * std::exp(-y / 2) + normal_upper_tail(x), 0.0, 1.0);
  };
  return {.less = upper(-rho),
          .greater = upper(rho),
          .two_sided = std::min(1.0, 2 * upper(std::abs(rho))),
          .method = PValueMethod::series};
}

std::optional<TailProbabilities> rank_product_null(const DenseRanks& x, const DenseRanks& y) {
  require_same_size("rank_product_null", "x", x.size(), "y", y.size());
  require_at_least("rank_product_null", "x", x.size(), 1);
  const Scores a = whole_scores(x);
  const Scores b = whole_scores(y);
  const double range = static_cast<double>(a.score.back()) * static_cast<double>(b.score.back()) *
                       static_cast<double>(x.size());
  const double as_rows = walk_steps(x, y);
  const double as_columns = walk_steps(y, x);
  if (std::min(as_rows, as_columns) * std::max(range / 8, 1.0) > most_work) return std::nullopt;

  const bool swapped = as_columns < as_rows;
  const Scores& row = swapped ? b : a;
  const Scores& column = swapped ? a : b;
  TableWalk walk(swapped ? y.count : x.count, swapped ? x.count : y.count);
  const Distribution null =
      walk.run([&](std::size_t i, const std::vector<std::int32_t>& chosen, const auto&) {
        Index sum = 0;
        for (std::size_t j = 0; j < chosen.size(); ++j) sum += chosen[j] * column.score[j];
        return row.score[i] * sum;
      });
  // Σ (2a)(2b) = step·Σ scores + what the origins of both scores contribute, the same in every
  // permutation.
  const auto n = static_cast<double>(x.size());
  const double centre = -n * a.lowest * b.lowest;
  return tails_of(null, a.step * b.step, centre, doubled_rank_product(x, y));
}

std::optional<TailProbabilities> kendall_null_given_ties(const DenseRanks& x, const DenseRanks& y) {
  require_same_size("kendall_null_given_ties", "x", x.size(), "y", y.size());
  require_at_least("kendall_null_given_ties", "x", x.size(), 1);
  const auto n = static_cast<double>(x.size());
  const double as_rows = walk_steps(x, y);
  const double as_columns = walk_steps(y, x);
  if (std::min(as_rows, as_columns) * std::max(n * n / 4, 1.0) > most_work) return std::nullopt;

  const bool swapped = as_columns < as_rows;
  TableWalk walk(swapped ? y.count : x.count, swapped ? x.count : y.count);
  const Distribution null = walk.run([](std::size_t, const std::vector<std::int32_t>& chosen,
                                        const std::vector<std::int32_t>& left) {
    // The row against all later rows: concordant where those lie above, discordant where below.
    Index score = 0;
    Index chosen_below = 0;
    Index left_below = 0;
    for (std::size_t j = 0; j < chosen.size(); ++j) {
      score += chosen_below * left[j] - left_below * chosen[j];
      chosen_below += chosen[j];
      left_below += left[j];
    }
    return score;
  });
  return tails_of(null, 1, 0, kendall_score(x, y));
}

TailProbabilities rank_product_permutation(const DenseRanks& x, const DenseRanks& y,
                                           const ExactOptions& options) {
  return permute(x, y, options, doubled_rank_product);
}

TailProbabilities kendall_permutation(const DenseRanks& x, const DenseRanks& y,
                                      const ExactOptions& options) {
  return permute(x, y, options, kendall_score);
}

TailProbabilities signed_rank_null(double statistic, const VectorView& ranks) {
  Distribution null{.lowest = 0, .mass = {1.0}};  // of twice the sum of the positive ranks
  for (const double r : ranks) {
    Distribution next;
    next.add(null, 0, 0.5);
    next.add(null, static_cast<Index>(std::lround(2 * r)), 0.5);
    null = std::move(next);
  }
  return tails_of(null, 1, -ranks.sum(), statistic);
}

}  // namespace rapport
