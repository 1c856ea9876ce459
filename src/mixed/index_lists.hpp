#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <numeric>
#include <vector>

namespace rapport {

/// Lists of small numbers side by side: those of list k stand from begin[k] to begin[k + 1].
struct IndexLists {
  std::vector<Index> begin = {0};
  std::vector<std::int32_t> items;

  [[nodiscard]] Index size() const { return static_cast<Index>(begin.size()) - 1; }
};

/// For each item the numbers that are paired with it, in the order of the pairs; each_pair(use)
/// calls use(number, item) for every pair.
template <class EachPair>
IndexLists lists_by_item(Index n_items, const EachPair& each_pair) {
  IndexLists lists;
  lists.begin.assign(static_cast<std::size_t>(n_items) + 1, 0);
  each_pair(
      [&](std::int32_t, std::int32_t item) { ++lists.begin[static_cast<std::size_t>(item) + 1]; });
  std::partial_sum(lists.begin.begin(), lists.begin.end(), lists.begin.begin());
  lists.items.resize(static_cast<std::size_t>(lists.begin.back()));
  std::vector<Index> next(lists.begin.begin(), lists.begin.end() - 1);
  each_pair([&](std::int32_t number, std::int32_t item) {
    lists.items[static_cast<std::size_t>(next[static_cast<std::size_t>(item)]++)] = number;
  });
  return lists;
}

/// For each item the lists that hold it, ascending.
inline IndexLists transposed(const IndexLists& lists, Index n_items) {
  return lists_by_item(n_items, [&](const auto& use) {
    std::size_t e = 0;
    for (std::size_t k = 0; k + 1 < lists.begin.size(); ++k)
      for (; e < static_cast<std::size_t>(lists.begin[k + 1]); ++e)
        use(static_cast<std::int32_t>(k), lists.items[e]);
  });
}

}  // namespace rapport
