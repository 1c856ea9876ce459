#pragma once

#include "influence.hpp"
#include "reduced_products.hpp"
#include <optional>
#include <vector>

namespace rapport::detail {

/// Fits of a linear model with nested grouping factors without one level, each from the
/// cross-products of all rows: a few Newton steps from the estimates of all.
class NestedDeletion {
 public:
  /// `groups` (n codes from 0 of `n_levels`) say what is deleted; they must outlive this.
  NestedDeletion(const Design& design, Criterion criterion, const std::vector<std::int32_t>& groups,
                 Index n_levels);

  /// Nothing where the model is not nested, or the level takes so much away that a fit from scratch
  /// is safer or no dearer. Throws DataError where the rows that are left allow no fit.
  [[nodiscard]] std::optional<ReducedFit> operator()(std::int32_t level) const;

 private:
  using Members = std::vector<std::vector<Index>>;

  [[nodiscard]] std::vector<Index> touched_by(const std::vector<Index>& deleted) const;
  void check_factors(const std::vector<Index>& deleted, Index left) const;

  Criterion criterion_;
  const std::vector<std::int32_t>& groups_;
  MixedModel model_;
  std::optional<InternalRows> rows_;       ///< empty: no quick way
  Members deleted_;                        ///< rows of each level
  std::vector<std::vector<Index>> size_;   ///< rows of each group, by level of the model
  Members outermost_;                      ///< rows of each outermost group
  Eigen::VectorXd theta_;                  ///< of all rows
  std::optional<KnownProducts> products_;  ///< of all rows, known at theta_
};

}  // namespace rapport::detail
