#pragma once

#include <rapport/mixed/design.hpp>

#include <cstdint>
#include <vector>

namespace rapport::detail {

/// Rows in the order of blocks, of residual groups within them, and of times within those. A block
/// is a level of the finest grouping factor whose levels hold residual groups whole; without such a
/// factor, a residual group.
struct SortedRows {
  std::vector<Index> order;
  std::vector<Index> block_starts;  ///< and the number of rows
  std::vector<Index> group_starts;  ///< and the number of rows
  std::vector<Index> first_group;   ///< of each block, and the number of groups
  std::vector<bool> inner;          ///< is the term's factor that of the blocks?
  Eigen::VectorXd time;             ///< of the sorted rows; without times, the place in the group

  [[nodiscard]] Index n_blocks() const { return static_cast<Index>(block_starts.size()) - 1; }
  [[nodiscard]] Index n_groups() const { return static_cast<Index>(group_starts.size()) - 1; }
};

/// True if each residual group lies in one level of the term's factor.
[[nodiscard]] bool holds_groups(const RandomTerm& term, const std::vector<std::int32_t>& group);

/// `group` empty: every row is a group of its own. `time` may be empty.
[[nodiscard]] SortedRows sort_rows(const Design& design, const std::vector<std::int32_t>& group,
                                   const Eigen::VectorXd& time);

}  // namespace rapport::detail
