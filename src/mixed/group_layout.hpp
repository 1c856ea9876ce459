#pragma once

#include "group_kernels.hpp"
#include "integral.hpp"
#include <vector>

namespace rapport::detail {

/// Groups of similar size side by side in blocks of four, and where each row of the design stands.
/// Rows of a group with equal predictors may share a place.
struct BlockLayout {
  BlockLayout(const SortedDesign& design, const SortedResponse& response, bool merge);

  std::vector<Index> group;   ///< of each lane; −1: none
  std::vector<long> first;    ///< of each block: position of its first row
  std::vector<long> rows;     ///< of its longest group
  std::vector<Index> place;   ///< of each row of the design
  std::vector<Index> row_of;  ///< a row of the design at each place; −1: none
  [[nodiscard]] Index n_blocks() const { return static_cast<Index>(first.size()); }
  [[nodiscard]] Index size() const { return static_cast<Index>(row_of.size()); }
  /// `values` of the design's rows at their places; 0 elsewhere.
  [[nodiscard]] Eigen::VectorXd spread(const Eigen::Ref<const Eigen::VectorXd>& values) const {
    Eigen::VectorXd result(size());
    for (Index i = 0; i < size(); ++i)
      result[i] =
          row_of[static_cast<std::size_t>(i)] < 0 ? 0 : values[row_of[static_cast<std::size_t>(i)]];
    return result;
  }
};

}  // namespace rapport::detail
