#pragma once

#include <cstddef>
#include <numeric>
#include <vector>

namespace rapport::detail {

/// Disjoint sets of 0 … n − 1, each at first alone, with path halving (Tarjan & van Leeuwen 1984).
class DisjointSets {
 public:
  explicit DisjointSets(std::size_t n) : parent_(n) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  /// The member that stands for i's set.
  std::size_t find(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[find(b)] = find(a); }

 private:
  std::vector<std::size_t> parent_;
};

}  // namespace rapport::detail
