#include <rapport/base/error.hpp>
#include <rapport/math/ranks.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace rapport {
namespace {

/// A value as an unsigned key of the same order, and where it stood.
struct Item {
  std::uint64_t key;
  Index position;
};

/// IEEE 754: flipping the sign bit of positive numbers and every bit of negative ones makes the
/// order that of the integers; adding 0 makes −0 equal to 0.
std::uint64_t ordered_key(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
  const std::uint64_t sign = std::uint64_t{1} << 63U;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

bool before(const Item& a, const Item& b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}

constexpr unsigned digit_bits = 11;
constexpr std::size_t n_digits = 6;
constexpr std::uint64_t digit_mask = (std::uint64_t{1} << digit_bits) - 1;
using Histogram = std::array<std::uint32_t, std::size_t{1} << digit_bits>;

std::size_t digit(const Item& item, std::size_t k) {
  return (item.key >> (digit_bits * k)) & digit_mask;
}

/// One stable counting pass over digit k, from `from` to `to`.
void distribute(const std::vector<Item>& from, std::vector<Item>& to, std::size_t k,
                const Histogram& counts) {
  Histogram next;
  std::uint32_t sum = 0;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    next[d] = sum;
    sum += counts[d];
  }
  for (const Item& item : from) to[next[digit(item, k)]++] = item;
}

/// Radix sort by the highest digits that differ at all, at most three of them; what those leave
/// equal and lower digits would separate is few on continuous data and is finished by comparisons.
void radix_sort(std::vector<Item>& items) {
  std::vector<Histogram> counts(n_digits);
  for (const Item& item : items) {
    for (std::size_t k = 0; k < n_digits; ++k) ++counts[k][digit(item, k)];
  }
  const auto differs = [&](std::size_t k) {
    return counts[k][digit(items.front(), k)] != items.size();
  };
  std::vector<std::size_t> digits;  // that differ, lowest first
  for (std::size_t k = 0; k < n_digits; ++k) {
    if (differs(k)) digits.push_back(k);
  }
  const std::size_t skipped = digits.size() > 3 ? digits.size() - 3 : 0;
  std::vector<Item> other(items.size());
  for (std::size_t i = skipped; i < digits.size(); ++i) {
    distribute(items, other, digits[i], counts[digits[i]]);
    items.swap(other);
  }
  if (skipped == 0) return;
  const unsigned shift = digit_bits * static_cast<unsigned>(digits[skipped]);
  for (auto first = items.begin(); first != items.end();) {
    auto last = first + 1;
    while (last != items.end() && last->key >> shift == first->key >> shift) ++last;
    if (last - first > 1) std::sort(first, last, before);
    first = last;
  }
}

std::vector<Item> sorted_items(const VectorView& x) {
  std::vector<Item> items(static_cast<std::size_t>(x.size()));
  for (Index i = 0; i < x.size(); ++i) items[static_cast<std::size_t>(i)] = {ordered_key(x[i]), i};
  if (items.size() < 500 || items.size() > 0xFFFFFFFFU) {
    std::sort(items.begin(), items.end(), before);
  } else {
    radix_sort(items);
  }
  return items;
}

/// Calls visit(first, last) for each run of equal values, ascending.
template <class Visit>
void for_each_tie(const std::vector<Item>& items, const Visit& visit) {
  for (std::size_t first = 0; first < items.size();) {
    std::size_t last = first + 1;
    while (last < items.size() && items[last].key == items[first].key) ++last;
    visit(first, last);
    first = last;
  }
}

}  // namespace

std::vector<Index> ascending_order(const VectorView& x) {
  const std::vector<Item> items = sorted_items(x);
  std::vector<Index> order(items.size());
  std::ranges::transform(items, order.begin(), &Item::position);
  return order;
}

Eigen::VectorXd midranks(const VectorView& x) {
  const std::vector<Item> items = sorted_items(x);
  Eigen::VectorXd ranks(x.size());
  for_each_tie(items, [&](std::size_t first, std::size_t last) {
    const double rank = 0.5 * static_cast<double>(first + last + 1);
    for (std::size_t i = first; i < last; ++i) ranks[items[i].position] = rank;
  });
  return ranks;
}

Eigen::VectorXd midranks(const VectorView& x, const VectorView& weights) {
  require_same_size("midranks", "x", x.size(), "weights", weights.size());
  if ((weights.array() < 0).any() || weights.hasNaN()) {
    throw InvalidArgument(
        "midranks: `weights` has a negative or missing value; each must be 0 or more");
  }
  const std::vector<Item> items = sorted_items(x);
  Eigen::VectorXd ranks(x.size());
  double below = 0;
  for_each_tie(items, [&](std::size_t first, std::size_t last) {
    double tied = 0;
    for (std::size_t i = first; i < last; ++i) tied += weights[items[i].position];
    const double rank = below + 0.5 * (tied + 1);
    for (std::size_t i = first; i < last; ++i) ranks[items[i].position] = rank;
    below += tied;
  });
  return ranks;
}

TieSizes tie_sizes(const VectorView& x) {
  TieSizes sizes;
  for_each_tie(sorted_items(x), [&](std::size_t first, std::size_t last) {
    if (last - first > 1) sizes.push_back(static_cast<Index>(last - first));
  });
  return sizes;
}

}  // namespace rapport
