#include <rapport/base/error.hpp>
#include <rapport/math/dense_ranks.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

/// Ranks by counting if every value is a whole number and their range is small for their number.
bool rank_whole_numbers(const VectorView& x, DenseRanks& ranks) {
  const Index n = x.size();
  const double* value = x.data();
  double lowest = value[0];
  double highest = value[0];
  for (Index i = 0; i < n; ++i) {
    lowest = value[i] < lowest ? value[i] : lowest;
    highest = value[i] > highest ? value[i] : highest;
  }
  constexpr double exact = 1 << 30;
  if (!(lowest > -exact && highest < exact && highest - lowest <= static_cast<double>(n) + 256))
    return false;

  const auto least = static_cast<std::int32_t>(lowest);
  bool whole = true;
  for (Index i = 0; i < n; ++i) {
    const auto code = static_cast<std::int32_t>(value[i]);
    whole &= static_cast<double>(code) == value[i];
    ranks.rank[static_cast<std::size_t>(i)] = code - least;
  }
  if (!whole) return false;

  // Two tables, so that runs of one value do not wait for one another's increments.
  const auto range = static_cast<std::size_t>(highest - lowest) + 1;
  std::vector<std::int32_t> odd(range, 0);
  std::vector<std::int32_t> even(range, 0);
  const std::int32_t* code = ranks.rank.data();
  Index i = 0;
  for (; i + 1 < n; i += 2) {
    ++even[static_cast<std::size_t>(code[i])];
    ++odd[static_cast<std::size_t>(code[i + 1])];
  }
  if (i < n) ++even[static_cast<std::size_t>(code[i])];
  std::vector<std::int32_t> rank_of(range, 0);
  bool gaps = false;
  for (std::size_t v = 0; v < range; ++v) {
    const std::int32_t times = even[v] + odd[v];
    rank_of[v] = static_cast<std::int32_t>(ranks.count.size());
    if (times > 0) ranks.count.push_back(times);
    gaps |= times == 0;
  }
  if (gaps)
    for (std::int32_t& r : ranks.rank) r = rank_of[static_cast<std::size_t>(r)];
  return true;
}

/// A key whose order as an unsigned number is the order of the doubles.
std::uint64_t ordered_key(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);  // −0 becomes 0
  return (bits >> 63U) != 0 ? ~bits : bits | (std::uint64_t{1} << 63U);
}

/// Ranks through a small hash table of the distinct values; gives up when there are too many of
/// them.
bool rank_few_values(const VectorView& x, DenseRanks& ranks) {
  constexpr std::size_t slots = 2048;
  constexpr std::size_t most = 512;
  std::array<std::uint64_t, slots> keys{};
  std::array<std::int32_t, slots> code{};
  code.fill(-1);
  std::vector<std::uint64_t> found;
  std::vector<std::int32_t> times;
  for (Index i = 0; i < x.size(); ++i) {
    const std::uint64_t key = ordered_key(x[i]);
    std::size_t slot = (key * 0x9E3779B97F4A7C15U) >> 53U;
    while (code[slot] >= 0 && keys[slot] != key) slot = (slot + 1) % slots;
    if (code[slot] < 0) {
      if (found.size() == most) return false;
      keys[slot] = key;
      code[slot] = static_cast<std::int32_t>(found.size());
      found.push_back(key);
      times.push_back(0);
    }
    ranks.rank[static_cast<std::size_t>(i)] = code[slot];
    ++times[static_cast<std::size_t>(code[slot])];
  }
  std::vector<std::int32_t> order(found.size());
  for (std::size_t c = 0; c < order.size(); ++c) order[c] = static_cast<std::int32_t>(c);
  std::ranges::sort(order, {}, [&](std::int32_t c) { return found[static_cast<std::size_t>(c)]; });
  std::vector<std::int32_t> rank_of(found.size());
  for (std::size_t r = 0; r < order.size(); ++r) {
    rank_of[static_cast<std::size_t>(order[r])] = static_cast<std::int32_t>(r);
    ranks.count.push_back(times[static_cast<std::size_t>(order[r])]);
  }
  for (std::int32_t& r : ranks.rank) r = rank_of[static_cast<std::size_t>(r)];
  return true;
}

/// One stable pass over the digit that starts at bit `shift`.
void scatter_by_digit(const std::vector<std::uint64_t>& from, std::vector<std::uint64_t>& to,
                      const std::array<std::uint32_t, 2048>& histogram, unsigned shift) {
  std::array<std::uint32_t, 2048> next{};
  std::uint32_t sum = 0;
  for (std::size_t d = 0; d < histogram.size(); ++d) {
    next[d] = sum;
    sum += histogram[d];
  }
  for (const std::uint64_t item : from) to[next[(item >> shift) & 2047U]++] = item;
}

/// The leading half of each key with its position, ascending by that half (least significant digit
/// first).
std::vector<std::uint64_t> sorted_leading_halves(const VectorView& x) {
  const Index n = x.size();
  std::vector<std::uint64_t> items(static_cast<std::size_t>(n));
  std::vector<std::uint64_t> other(static_cast<std::size_t>(n));
  std::array<std::array<std::uint32_t, 2048>, 3> histograms{};
  constexpr std::array<unsigned, 3> shifts = {32, 43, 54};
  for (Index i = 0; i < n; ++i) {
    const std::uint64_t item =
        (ordered_key(x[i]) & 0xFFFFFFFF00000000U) | static_cast<std::uint64_t>(i);
    items[static_cast<std::size_t>(i)] = item;
    for (std::size_t pass = 0; pass < 3; ++pass) ++histograms[pass][(item >> shifts[pass]) & 2047U];
  }
  for (std::size_t pass = 0; pass < 3; ++pass) {
    if (histograms[pass][(items[0] >> shifts[pass]) & 2047U] == static_cast<std::uint32_t>(n))
      continue;
    scatter_by_digit(items, other, histograms[pass], shifts[pass]);
    items.swap(other);
  }
  return items;
}

/// Appends the ranks of one run of equal leading halves.
void rank_run(const VectorView& x, const std::uint64_t* first, const std::uint64_t* last,
              DenseRanks& ranks) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> run;
  run.reserve(static_cast<std::size_t>(last - first));
  for (const std::uint64_t* item = first; item != last; ++item) {
    const auto i = static_cast<std::uint32_t>(*item);
    run.emplace_back(ordered_key(x[static_cast<Index>(i)]), i);
  }
  std::ranges::sort(run);
  for (std::size_t k = 0; k < run.size(); ++k) {
    if (k == 0 || run[k].first != run[k - 1].first) ranks.count.push_back(0);
    ++ranks.count.back();
    ranks.rank[run[k].second] = static_cast<std::int32_t>(ranks.count.size()) - 1;
  }
}

void rank_by_radix_sort(const VectorView& x, DenseRanks& ranks) {
  const std::vector<std::uint64_t> items = sorted_leading_halves(x);
  ranks.count.reserve(items.size());
  const std::uint64_t* const end = items.data() + items.size();
  for (const std::uint64_t* first = items.data(); first != end;) {
    const std::uint64_t* last = first + 1;
    while (last != end && (*last >> 32U) == (*first >> 32U)) ++last;
    if (last - first == 1) {
      ranks.rank[static_cast<std::uint32_t>(*first)] =
          static_cast<std::int32_t>(ranks.count.size());
      ranks.count.push_back(1);
    } else if (last - first == 2) {  // by far the commonest run
      const auto i = static_cast<std::uint32_t>(first[0]);
      const auto j = static_cast<std::uint32_t>(first[1]);
      const double a = x[static_cast<Index>(i)];
      const double b = x[static_cast<Index>(j)];
      const auto rank = static_cast<std::int32_t>(ranks.count.size());
      ranks.rank[i] = rank + (b < a ? 1 : 0);
      ranks.rank[j] = rank + (a < b ? 1 : 0);
      if (a == b) {
        ranks.count.push_back(2);
      } else {
        ranks.count.insert(ranks.count.end(), 2, 1);
      }
    } else {
      rank_run(x, first, last, ranks);
    }
    first = last;
  }
}

}  // namespace

DenseRanks dense_ranks(const VectorView& x) {
  const Index n = x.size();
  if (n >= std::numeric_limits<std::int32_t>::max())
    throw InvalidArgument("dense_ranks: `x` has " + std::to_string(n) +
                          " values; fewer than 2^31 are required");
  DenseRanks ranks;
  ranks.rank.resize(static_cast<std::size_t>(n));
  if (n == 0) return ranks;
  if (rank_whole_numbers(x, ranks)) return ranks;
  if (rank_few_values(x, ranks)) return ranks;
  rank_by_radix_sort(x, ranks);
  return ranks;
}

std::vector<std::int32_t> rank_starts(const DenseRanks& ranks) {
  std::vector<std::int32_t> starts(ranks.count.size() + 1, 0);
  for (std::size_t r = 0; r < ranks.count.size(); ++r) starts[r + 1] = starts[r] + ranks.count[r];
  return starts;
}

Eigen::VectorXd midrank_of_distinct(const DenseRanks& ranks) {
  Eigen::VectorXd midrank(ranks.distinct());
  double below = 0;
  for (Index r = 0; r < midrank.size(); ++r) {
    const auto times = static_cast<double>(ranks.count[static_cast<std::size_t>(r)]);
    midrank[r] = below + (times + 1) / 2;
    below += times;
  }
  return midrank;
}

}  // namespace rapport
