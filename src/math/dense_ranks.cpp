#include <rapport/base/error.hpp>
#include <rapport/math/dense_ranks.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

struct Range {
  double lowest;
  double highest;
};

/// Four at a time, because one comparison would wait for the last.
Range range_of(const VectorView& x) {
  constexpr Index lanes = 4;
  std::array<double, lanes> lowest;
  std::array<double, lanes> highest;
  lowest.fill(x[0]);
  highest.fill(x[0]);
  const double* value = x.data();
  Index i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    for (Index k = 0; k < lanes; ++k) {
      const auto lane = static_cast<std::size_t>(k);
      lowest[lane] = value[i + k] < lowest[lane] ? value[i + k] : lowest[lane];
      highest[lane] = value[i + k] > highest[lane] ? value[i + k] : highest[lane];
    }
  Range range{.lowest = *std::ranges::min_element(lowest),
              .highest = *std::ranges::max_element(highest)};
  for (; i < x.size(); ++i) {
    range.lowest = std::min(range.lowest, value[i]);
    range.highest = std::max(range.highest, value[i]);
  }
  return range;
}

/// Values less `least` as codes; false if one is not a whole number. Values fit 31 bits, so that
/// adding 1.5·2⁵² leaves a whole one in the lowest bits of the sum and rounds any other: conversion
/// without a conversion instruction.
bool whole_codes(const double* values, Index n, std::int32_t least, std::int32_t* code) {
  constexpr double shift = 6755399441055744.0;
  const auto origin = std::bit_cast<std::uint64_t>(shift + least);
  std::uint64_t fractions = 0;
  for (Index i = 0; i < n; ++i) {
    const double shifted = values[i] + shift;
    fractions |= std::bit_cast<std::uint64_t>((shifted - shift) - values[i]);
    code[i] = static_cast<std::int32_t>(std::bit_cast<std::uint64_t>(shifted) - origin);
  }
  return fractions << 1U == 0;  // the sign of a zero aside
}

/// Closes the gaps in the codes: each comes down by the number of absent codes below it.
void close_gaps(const std::vector<std::int32_t>& absent, std::size_t values,
                std::vector<std::int32_t>& codes) {
  constexpr std::size_t few = 8;  // a vector comparison each is less than a look-up
  if (absent.size() <= few) {
    for (auto gap = absent.rbegin(); gap != absent.rend(); ++gap)
      for (std::int32_t& code : codes) code -= code > *gap ? 1 : 0;
    return;
  }
  std::vector<std::int32_t> rank_of(values);
  auto gap = absent.begin();
  for (std::size_t v = 0; v < values; ++v) {
    rank_of[v] = static_cast<std::int32_t>(v) - static_cast<std::int32_t>(gap - absent.begin());
    if (gap != absent.end() && *gap == static_cast<std::int32_t>(v)) ++gap;
  }
  for (std::int32_t& code : codes) code = rank_of[static_cast<std::size_t>(code)];
}

/// Ranks by counting if every value is a whole number and their range is small for their number.
bool rank_whole_numbers(const VectorView& x, const Range& range, DenseRanks& ranks) {
  const Index n = x.size();
  constexpr double exact = 1 << 30;
  const double width = range.highest - range.lowest;
  if (!(range.lowest > -exact && range.highest < exact && width <= static_cast<double>(n) + 256))
    return false;
  if (range.lowest != std::floor(range.lowest)) return false;

  // Two tables, so that a value need not wait for the count of its like before it.
  const auto values = static_cast<std::size_t>(width) + 1;
  std::vector<std::int32_t> even(values, 0);
  std::vector<std::int32_t> odd(values, 0);
  constexpr Index block = 1024;
  for (Index start = 0; start < n; start += block) {
    const Index size = std::min(block, n - start);
    std::int32_t* code = ranks.rank.data() + start;
    if (!whole_codes(x.data() + start, size, static_cast<std::int32_t>(range.lowest), code))
      return false;
    Index i = 0;
    for (; i + 1 < size; i += 2) {
      ++even[static_cast<std::size_t>(code[i])];
      ++odd[static_cast<std::size_t>(code[i + 1])];
    }
    if (i < size) ++even[static_cast<std::size_t>(code[i])];
  }
  std::vector<std::int32_t> absent;
  for (std::size_t v = 0; v < values; ++v) {
    const std::int32_t times = even[v] + odd[v];
    if (times > 0) {
      ranks.count.push_back(times);
    } else {
      absent.push_back(static_cast<std::int32_t>(v));
    }
  }
  if (!absent.empty()) close_gaps(absent, values, ranks.rank);
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

using Histogram = std::array<std::uint32_t, 2048>;

/// One stable pass over the 11 bits that start at bit `shift`; none if they are all the same.
void scatter_by_digit(std::vector<std::uint64_t>& items, std::vector<std::uint64_t>& other,
                      const Histogram& histogram, unsigned shift) {
  if (histogram[(items[0] >> shift) & 2047U] == items.size()) return;
  Histogram next{};
  std::uint32_t sum = 0;
  for (std::size_t d = 0; d < histogram.size(); ++d) {
    next[d] = sum;
    sum += histogram[d];
  }
  for (const std::uint64_t item : items) other[next[(item >> shift) & 2047U]++] = item;
  items.swap(other);
}

/// Sorts what is nearly in order; false after more moves than `most`.
bool finish_by_insertion(std::vector<std::uint64_t>& items, std::size_t most) {
  std::size_t moves = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    const std::uint64_t item = items[i];
    std::size_t place = i;
    for (; place > 0 && items[place - 1] > item; --place) items[place] = items[place - 1];
    items[place] = item;
    moves += i - place;
    if (moves > most) return false;
  }
  return true;
}

/// Values spread evenly enough: their place within the range as 32 bits, and their position, in
/// ascending order. The map never falls, so that only equal places are left to compare. Empty where
/// the values crowd.
std::vector<std::uint64_t> sorted_places(const VectorView& x, const Range& range,
                                         std::vector<std::uint64_t>& other) {
  const double scale = 4294967040.0 / (range.highest - range.lowest);
  if (!std::isfinite(scale) || scale == 0) return {};
  std::vector<std::uint64_t> items(other.size());
  Histogram middle{};
  Histogram upper{};
  for (Index i = 0; i < x.size(); ++i) {
    const auto place = static_cast<std::uint64_t>((x[i] - range.lowest) * scale);
    items[static_cast<std::size_t>(i)] = place << 32U | static_cast<std::uint64_t>(i);
    ++middle[(place >> 10U) & 2047U];
    ++upper[place >> 21U];
  }
  scatter_by_digit(items, other, middle, 42);
  scatter_by_digit(items, other, upper, 53);
  if (!finish_by_insertion(items, 4 * items.size())) items.clear();
  return items;
}

/// Any values: the leading half of each key, and its position, in ascending order (least
/// significant digit first).
std::vector<std::uint64_t> sorted_leading_halves(const VectorView& x,
                                                 std::vector<std::uint64_t>& other) {
  std::vector<std::uint64_t> items(other.size());
  constexpr std::array<unsigned, 3> shifts = {32, 43, 54};
  std::array<Histogram, 3> histograms{};
  for (Index i = 0; i < x.size(); ++i) {
    const std::uint64_t item =
        (ordered_key(x[i]) & 0xFFFFFFFF00000000U) | static_cast<std::uint64_t>(i);
    items[static_cast<std::size_t>(i)] = item;
    for (std::size_t pass = 0; pass < 3; ++pass) ++histograms[pass][(item >> shifts[pass]) & 2047U];
  }
  for (std::size_t pass = 0; pass < 3; ++pass)
    scatter_by_digit(items, other, histograms[pass], shifts[pass]);
  return items;
}

/// Ranks one run of equal leading halves by the values themselves, from rank `rank` on; returns the
/// rank that comes next.
std::int32_t rank_run(const VectorView& x, const std::uint64_t* first, const std::uint64_t* last,
                      std::int32_t rank, DenseRanks& ranks) {
  std::vector<std::pair<double, std::uint32_t>> run;
  run.reserve(static_cast<std::size_t>(last - first));
  for (const std::uint64_t* item = first; item != last; ++item) {
    const auto i = static_cast<std::uint32_t>(*item);
    run.emplace_back(x[static_cast<Index>(i)], i);
  }
  std::ranges::sort(run);
  for (std::size_t k = 0; k < run.size(); ++k) {
    if (k > 0 && run[k].first != run[k - 1].first) ++rank;
    ++ranks.count[static_cast<std::size_t>(rank)];
    ranks.rank[run[k].second] = rank;
  }
  return rank + 1;
}

void rank_by_radix_sort(const VectorView& x, const Range& range, DenseRanks& ranks) {
  std::vector<std::uint64_t> other(static_cast<std::size_t>(x.size()));
  std::vector<std::uint64_t> items = sorted_places(x, range, other);
  if (items.empty()) items = sorted_leading_halves(x, other);
  ranks.count.assign(items.size(), 0);
  std::int32_t rank = 0;
  const std::uint64_t* const end = items.data() + items.size();
  for (const std::uint64_t* first = items.data(); first != end;) {
    const std::uint64_t* last = first + 1;
    while (last != end && (*last >> 32U) == (*first >> 32U)) ++last;
    if (last - first == 1) {
      ranks.rank[static_cast<std::uint32_t>(*first)] = rank;
      ranks.count[static_cast<std::size_t>(rank++)] = 1;
    } else {
      rank = rank_run(x, first, last, rank, ranks);
    }
    first = last;
  }
  ranks.count.resize(static_cast<std::size_t>(rank));
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
  const Range range = range_of(x);
  if (rank_whole_numbers(x, range, ranks) || rank_few_values(x, ranks)) return ranks;
  rank_by_radix_sort(x, range, ranks);
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
