#pragma once

#include <vector>

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Sizes of the groups of equal values, 1s left out, ascending by value.
using TieSizes = std::vector<Index>;

/// The order that sorts `x` ascending (stable); O(n log n), by radix sort where that is faster. `x` must hold no NaN.
[[nodiscard]] std::vector<Index> ascending_order(const VectorView& x);

/// Mid-ranks from 1: ties share the mean of their ranks. `x` must hold no NaN.
[[nodiscard]] Eigen::VectorXd midranks(const VectorView& x);

/// Mid-ranks of data in which value i stands weights[i] ≥ 0 times.
[[nodiscard]] Eigen::VectorXd midranks(const VectorView& x, const VectorView& weights);

/// Tie group sizes of `x`, which must hold no NaN.
[[nodiscard]] TieSizes tie_sizes(const VectorView& x);

}  // namespace rapport
