#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <vector>

namespace rapport {

/// A column by its distinct values: what every rank statistic needs, computed once.
struct [[nodiscard]] DenseRanks {
  std::vector<std::int32_t> rank;   ///< of each value among the distinct ones, ascending from 0
  std::vector<std::int32_t> count;  ///< how often the distinct value of each rank occurs

  [[nodiscard]] Index size() const { return static_cast<Index>(rank.size()); }
  [[nodiscard]] Index distinct() const { return static_cast<Index>(count.size()); }
};

/// Dense ranks of `x`, which must hold no NaN and fewer than 2³¹ values; −0 equals 0. O(n) for
/// whole numbers of a small range and for few distinct values, else a radix sort of the leading 32
/// bits that finishes runs of equal ones.
DenseRanks dense_ranks(const VectorView& x);

/// Where the values of each rank begin in ascending order: the running sum of `count` from 0,
/// distinct() + 1 values.
[[nodiscard]] std::vector<std::int32_t> rank_starts(const DenseRanks& ranks);

/// The mid-rank, from 1, of each distinct value.
[[nodiscard]] Eigen::VectorXd midrank_of_distinct(const DenseRanks& ranks);

}  // namespace rapport
