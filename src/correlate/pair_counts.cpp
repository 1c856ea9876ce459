#include <rapport/base/error.hpp>
#include <rapport/correlate/pair_counts.hpp>

#include <algorithm>
#include <array>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

double pairs_of(double n) { return n * (n - 1) / 2; }

double tied_pairs(const DenseRanks& ranks) {
  double pairs = 0;
  for (const std::int32_t t : ranks.count) pairs += pairs_of(t);
  return pairs;
}

bool untied(const DenseRanks& ranks) { return ranks.distinct() == ranks.size(); }

/// The two sums of ties on one variable that complete the counts.
PairCounts completed(double n, double discordant, double tied_x, double tied_y, double tied_both) {
  PairCounts counts{.discordant = discordant,
                    .tied_x = tied_x - tied_both,
                    .tied_y = tied_y - tied_both,
                    .tied_both = tied_both};
  counts.concordant = pairs_of(n) - (discordant + tied_x + tied_y - tied_both);
  return counts;
}

/// The ranks of y as positions 0 … n − 1 in the order of x, ties of either placed so that they make
/// no inversion.
struct OrderedByX {
  std::vector<std::uint32_t> sequence;
  double tied_both = 0;
};

/// x is untied.
OrderedByX order_by_untied(const DenseRanks& x, const DenseRanks& y) {
  OrderedByX ordered;
  ordered.sequence.resize(x.rank.size());
  for (std::size_t i = 0; i < x.rank.size(); ++i)
    ordered.sequence[at(x.rank[i])] = static_cast<std::uint32_t>(y.rank[i]);
  if (untied(y)) return ordered;
  std::vector<std::int32_t> next = rank_starts(y);
  for (std::uint32_t& position : ordered.sequence)
    position = static_cast<std::uint32_t>(next[position]++);
  return ordered;
}

OrderedByX order_by_tied(const DenseRanks& x, const DenseRanks& y) {
  const std::size_t n = x.rank.size();
  std::vector<std::int32_t> next = rank_starts(x);
  std::vector<std::uint64_t> by_x(n);  // both ranks, in the order of x
  for (std::size_t i = 0; i < n; ++i)
    by_x[at(next[at(x.rank[i])]++)] =
        (static_cast<std::uint64_t>(x.rank[i]) << 32U) | static_cast<std::uint32_t>(y.rank[i]);
  next = rank_starts(y);
  std::vector<std::int32_t> x_by_y(n);  // in the order of y, ties in the order of x
  for (const std::uint64_t both : by_x)
    x_by_y[at(next[static_cast<std::uint32_t>(both)]++)] = static_cast<std::int32_t>(both >> 32U);

  OrderedByX ordered;
  ordered.sequence.resize(n);
  next = rank_starts(x);
  std::size_t position = 0;
  for (const std::int32_t tied : y.count) {
    std::int32_t run = 0;
    for (std::int32_t k = 0; k < tied; ++k, ++position) {
      run = k > 0 && x_by_y[position] == x_by_y[position - 1] ? run + 1 : 0;
      ordered.tied_both += run;
      ordered.sequence[at(next[at(x_by_y[position])]++)] = static_cast<std::uint32_t>(position);
    }
  }
  return ordered;
}

constexpr std::size_t block_bits = 6;
constexpr std::size_t block_size = std::size_t{1} << block_bits;

/// Inversions within one block of at most 64 values that share all but their lowest six bits: every
/// later value is compared with every earlier one, sixteen at a time.
std::uint64_t block_inversions(const std::uint32_t* values, std::size_t size) {
  std::array<std::int8_t, 2 * block_size> low;
  low.fill(127);  // never less than a value
  for (std::size_t i = 0; i < size; ++i)
    low[i] = static_cast<std::int8_t>(values[i] & (block_size - 1));
  std::array<std::uint8_t, block_size> greater{};
  for (std::size_t distance = 1; distance < size; ++distance)
    for (std::size_t i = 0; i < block_size; ++i)
      greater[i] = static_cast<std::uint8_t>(greater[i] + (low[i] > low[i + distance] ? 1 : 0));
  std::uint64_t inversions = 0;
  for (std::size_t i = 0; i < size; ++i) inversions += greater[i];
  return inversions;
}

/// Parts a block into the values whose bit is 0 and those whose bit is 1, in order, and counts the
/// inversions between them. The place is computed, not branched to: the bits are random.
std::uint64_t part_by_bit(const std::uint32_t* from, std::size_t size, std::uint32_t* to,
                          unsigned bit) {
  std::uint64_t inversions = 0;
  std::uint64_t ones = 0;
  const std::uint64_t half = std::uint64_t{1} << bit;
  for (std::uint64_t i = 0; i < size; ++i) {
    const std::uint64_t one = (from[i] >> bit) & 1U;
    inversions += ones & (one - 1);
    const std::uint64_t zeros = i - ones;
    to[zeros + ((half + ones - zeros) & (0 - one))] = from[i];
    ones += one;
  }
  return inversions;
}

constexpr std::size_t digits = 16;

/// Row d has a 1 for each digit below d.
template <class Count>
constexpr std::array<std::array<Count, digits>, digits> below_digit() {
  std::array<std::array<Count, digits>, digits> rows{};
  for (std::size_t d = 0; d < digits; ++d)
    for (std::size_t k = 0; k < d; ++k) rows[d][k] = 1;
  return rows;
}

/// The same for four bits at once. `greater` holds, for each digit, how many greater ones have
/// passed; it takes a vector addition a value. Count must hold the size of the block.
template <class Count>
std::uint64_t part_by_digit(const std::uint32_t* from, std::size_t size, std::uint32_t* to,
                            unsigned bit) {
  static constexpr auto below = below_digit<Count>();
  alignas(32) std::array<Count, digits> greater{};
  std::array<std::uint32_t, digits> next{};
  for (std::size_t d = 0; d < digits; ++d) next[d] = static_cast<std::uint32_t>(d << bit);
  std::uint64_t inversions = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t digit = (from[i] >> bit) & (digits - 1);
    inversions += greater[digit];
    for (std::size_t k = 0; k < digits; ++k)
      greater[k] = static_cast<Count>(greater[k] + below[digit][k]);
    to[next[digit]++] = from[i];
  }
  return inversions;
}

/// One level of parting: every block of 2^(bit + width) values is parted by its top `width` bits.
std::uint64_t part_blocks(const std::vector<std::uint32_t>& from, std::vector<std::uint32_t>& to,
                          unsigned bit, unsigned width) {
  const std::size_t block = std::size_t{1} << (bit + width);
  std::uint64_t inversions = 0;
  for (std::size_t start = 0; start < from.size(); start += block) {
    const std::size_t size = std::min(block, from.size() - start);
    const std::uint32_t* source = from.data() + start;
    std::uint32_t* target = to.data() + start;
    if (width == 1) {
      inversions += part_by_bit(source, size, target, bit);
    } else if (block <= std::size_t{1} << 15U) {
      inversions += part_by_digit<std::uint16_t>(source, size, target, bit);
    } else {
      inversions += part_by_digit<std::uint32_t>(source, size, target, bit);
    }
  }
  return inversions;
}

/// A Fenwick tree of sums.
template <class Amount>
class RunningSums {
 public:
  explicit RunningSums(Index size) : sums_(at(size) + 1, Amount{0}) {}

  void add(std::int32_t position, Amount amount) {
    for (std::size_t k = at(position) + 1; k < sums_.size(); k += k & (~k + 1)) sums_[k] += amount;
  }
  /// The sum of what was added before `position`.
  [[nodiscard]] Amount before(std::int32_t position) const {
    Amount sum = 0;
    for (std::size_t k = at(position); k > 0; k &= k - 1) sum += sums_[k];
    return sum;
  }

 private:
  std::vector<Amount> sums_;
};

/// The weight below each value of a variable, and at it.
void fill_margin(const DenseRanks& ranks, const VectorView& weights, Eigen::VectorXd& below,
                 Eigen::VectorXd& equal) {
  Eigen::VectorXd mass = Eigen::VectorXd::Zero(ranks.distinct());
  for (Index i = 0; i < ranks.size(); ++i)
    mass[ranks.rank[at(i)]] += weights.size() > 0 ? weights[i] : 1.0;
  Eigen::VectorXd lower(mass.size());
  double sum = 0;
  for (Index r = 0; r < mass.size(); ++r) {
    lower[r] = sum;
    sum += mass[r];
  }
  below.resize(ranks.size());
  equal.resize(ranks.size());
  for (Index i = 0; i < ranks.size(); ++i) {
    below[i] = lower[ranks.rank[at(i)]];
    equal[i] = mass[ranks.rank[at(i)]];
  }
}

}  // namespace

bool table_is_small(const DenseRanks& x, const DenseRanks& y) {
  constexpr Index most_cells = 1 << 20;
  return x.distinct() * y.distinct() <= std::min(2 * x.size() + 64, most_cells);
}

double count_inversions(std::vector<std::uint32_t>& sequence) {
  const std::size_t n = sequence.size();
  std::uint64_t inversions = 0;
  unsigned bits = block_bits;
  while (n > 0 && (n - 1) >> bits != 0) ++bits;
  std::vector<std::uint32_t> other(bits > block_bits ? n : 0);
  while (bits > block_bits) {
    const unsigned width = (bits - block_bits) % 4 == 0 ? 4 : 1;
    bits -= width;
    inversions += part_blocks(sequence, other, bits, width);
    sequence.swap(other);
  }
  for (std::size_t start = 0; start < n; start += block_size)
    inversions += block_inversions(sequence.data() + start, std::min(block_size, n - start));
  return static_cast<double>(inversions);
}

Eigen::MatrixXd cross_table(const DenseRanks& x, const DenseRanks& y) {
  const auto columns = at(y.distinct());
  const std::size_t cells = at(x.distinct()) * columns;
  std::vector<std::int32_t> odd(
      cells, 0);  // two tables, so that equal neighbours do not wait for each other
  std::vector<std::int32_t> even(cells, 0);
  const std::size_t n = x.rank.size();
  std::size_t i = 0;
  for (; i + 1 < n; i += 2) {
    ++even[at(x.rank[i]) * columns + at(y.rank[i])];
    ++odd[at(x.rank[i + 1]) * columns + at(y.rank[i + 1])];
  }
  if (i < n) ++even[at(x.rank[i]) * columns + at(y.rank[i])];
  Eigen::MatrixXd table(x.distinct(), y.distinct());
  for (Index r = 0; r < table.rows(); ++r)
    for (Index c = 0; c < table.cols(); ++c) {
      const std::size_t cell = at(r) * columns + at(c);
      table(r, c) = even[cell] + odd[cell];
    }
  return table;
}

PairCounts count_pairs(const Eigen::MatrixXd& table) {
  PairCounts counts;
  const Index columns = table.cols();
  Eigen::VectorXd above = Eigen::VectorXd::Zero(columns);  // column sums of the rows already passed
  for (Index i = 0; i < table.rows(); ++i) {
    double less = 0;
    double greater = above.sum();
    double row_sum = 0;
    for (Index j = 0; j < columns; ++j) {
      const double cell = table(i, j);
      greater -= above[j];
      counts.concordant += cell * less;
      counts.discordant += cell * greater;
      counts.tied_y += cell * above[j];
      counts.tied_x += cell * row_sum;
      counts.tied_both += pairs_of(cell);
      less += above[j];
      row_sum += cell;
    }
    above += table.row(i).transpose();
  }
  return counts;
}

PairCounts count_pairs(const DenseRanks& x, const DenseRanks& y) {
  require_same_size("count_pairs", "x", x.size(), "y", y.size());
  if (table_is_small(x, y)) return count_pairs(cross_table(x, y));
  if (!untied(x) && untied(y)) {
    PairCounts counts = count_pairs(y, x);
    std::swap(counts.tied_x, counts.tied_y);
    return counts;
  }
  OrderedByX ordered = untied(x) ? order_by_untied(x, y) : order_by_tied(x, y);
  const double discordant = count_inversions(ordered.sequence);
  return completed(static_cast<double>(x.size()), discordant, tied_pairs(x), tied_pairs(y),
                   ordered.tied_both);
}

std::vector<std::int32_t> lexicographic_order(const DenseRanks& x, const DenseRanks& y) {
  const std::size_t n = x.rank.size();
  std::vector<std::int32_t> next = rank_starts(y);
  std::vector<std::int32_t> by_y(n);
  for (std::size_t i = 0; i < n; ++i)
    by_y[at(next[at(y.rank[i])]++)] = static_cast<std::int32_t>(i);
  next = rank_starts(x);
  std::vector<std::int32_t> order(n);
  for (const std::int32_t i : by_y) order[at(next[at(x.rank[at(i)])]++)] = i;
  return order;
}

namespace {

/// Fills the quadrants' joint counts, observations taken in ascending order of x; `weight(i)` is of
/// type Amount.
template <class Amount, class Weight>
void fill_joint_counts(QuadrantCounts& counts, const DenseRanks& x, const DenseRanks& y,
                       const Weight& weight) {
  const std::vector<std::int32_t> order = lexicographic_order(x, y);
  RunningSums<Amount> lower(y.distinct());
  std::vector<Amount> at_y(at(y.distinct()), Amount{0});
  std::size_t start = 0;
  for (const std::int32_t group : x.count) {
    const std::size_t end = start + at(group);
    Amount equal_less = 0;
    for (std::size_t first = start; first < end;) {  // runs of equal x and y
      const std::int32_t y_rank = y.rank[at(order[first])];
      std::size_t last = first;
      Amount run = 0;
      while (last < end && y.rank[at(order[last])] == y_rank) run += weight(order[last++]);
      const Amount less_less = lower.before(y_rank);
      for (std::size_t k = first; k < last; ++k) {
        const Index i = order[k];
        // Only what differs from the value set beforehand: without ties that spares three scattered
        // writes.
        counts.less_less[i] = static_cast<double>(less_less);
        if (at_y[at(y_rank)] != 0) counts.less_equal[i] = static_cast<double>(at_y[at(y_rank)]);
        if (equal_less != 0) counts.equal_less[i] = static_cast<double>(equal_less);
        if (run != 1) counts.equal_equal[i] = static_cast<double>(run);
      }
      equal_less += run;
      first = last;
    }
    for (std::size_t k = start; k < end; ++k) {
      const std::int32_t i = order[k];
      lower.add(y.rank[at(i)], weight(i));
      at_y[at(y.rank[at(i)])] += weight(i);
    }
    start = end;
  }
}

}  // namespace

QuadrantCounts quadrant_counts(const DenseRanks& x, const DenseRanks& y,
                               const VectorView& weights) {
  const Index n = x.size();
  require_same_size("quadrant_counts", "x", n, "y", y.size());
  if (weights.size() > 0) require_same_size("quadrant_counts", "x", n, "weights", weights.size());
  QuadrantCounts counts;
  counts.less_less.resize(n);
  counts.less_equal = Eigen::VectorXd::Zero(n);
  counts.equal_less = Eigen::VectorXd::Zero(n);
  counts.equal_equal = Eigen::VectorXd::Ones(n);
  fill_margin(x, weights, counts.below_x, counts.equal_x);
  fill_margin(y, weights, counts.below_y, counts.equal_y);
  counts.total = weights.size() > 0 ? weights.sum() : static_cast<double>(n);
  if (weights.size() > 0) {
    fill_joint_counts<double>(counts, x, y, [&](std::int32_t i) { return weights[i]; });
  } else {
    fill_joint_counts<std::int32_t>(counts, x, y, [](std::int32_t) { return 1; });
  }
  return counts;
}

Eigen::VectorXd discordant_with_each(const QuadrantCounts& q) {
  return q.below_x + q.below_y - 2 * q.less_less - q.less_equal - q.equal_less;
}

Eigen::VectorXd concordant_with_each(const QuadrantCounts& q) {
  // Above on both: what is above on x, less what is there but below or equal on y.
  const Eigen::VectorXd above_x = q.total - (q.below_x + q.equal_x).array();
  const Eigen::VectorXd greater_less = q.below_y - q.less_less - q.equal_less;
  const Eigen::VectorXd greater_equal = q.equal_y - q.less_equal - q.equal_equal;
  return q.less_less + above_x - greater_less - greater_equal;
}

PairCounts count_pairs(const QuadrantCounts& quadrants, const VectorView& weights) {
  const Eigen::VectorXd w = weights.size() > 0 ? Eigen::VectorXd(weights)
                                               : Eigen::VectorXd::Ones(quadrants.below_x.size());
  return {.concordant = w.dot(concordant_with_each(quadrants)) / 2,
          .discordant = w.dot(discordant_with_each(quadrants)) / 2,
          .tied_x = w.dot(quadrants.equal_x - quadrants.equal_equal) / 2,
          .tied_y = w.dot(quadrants.equal_y - quadrants.equal_equal) / 2,
          .tied_both = (w.dot(quadrants.equal_equal) - w.sum()) / 2};
}

}  // namespace rapport
