#pragma once

#include <rapport/mixed/design.hpp>

#include <Eigen/SparseCore>

#include <vector>

namespace rapport::detail {

/// All random effects side by side, those of a term's levels one after another.
struct EffectPositions {
  explicit EffectPositions(const Design& design);
  std::vector<Index> first;  ///< of each term
  Index size = 0;
  std::vector<Index> width;  ///< q of each term
  [[nodiscard]] Index of(std::size_t term, std::int32_t level) const {
    return first[term] + level * width[term];
  }
};

/// √w ZΛ, n × effects, with one Λ a term. `weights` may be empty.
Eigen::SparseMatrix<double> random_loadings(const Design& design, const EffectPositions& positions,
                                            const std::vector<Eigen::MatrixXd>& factors,
                                            const Eigen::VectorXd& weights);

}  // namespace rapport::detail
