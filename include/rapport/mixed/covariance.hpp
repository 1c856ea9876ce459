#pragma once

#include <rapport/base/eigen.hpp>

#include <memory>
#include <vector>

namespace rapport {

/// The relative covariance matrices Ψ of the random effects, one a grouping level, as smooth
/// functions of an unconstrained vector θ.
///
/// Ψ of a level is block diagonal with one block a random-effects term; block = ΛΛ' with Λ lower
/// triangular, and θ strings together the lower triangles of all Λ, column by column. Diagonals of
/// Λ may have any sign, so that a variance of 0 is an inner point. ψ strings together the lower
/// triangles of all Ψ in the same order: ∂Ψ/∂ψ_k is 1 at (row, column) and (column, row), else 0.
/// A value: cheap to copy, immutable.
class CovarianceStructure {
 public:
  /// Where a coordinate of θ or ψ stands: in a level's Λ or Ψ, at row ≥ column.
  struct Coordinate {
    Index level;
    Index row;
    Index column;
  };

  /// No level.
  CovarianceStructure();
  /// `blocks[l]` lists the sizes of level l's blocks.
  explicit CovarianceStructure(std::vector<std::vector<Index>> blocks);

  [[nodiscard]] Index n_levels() const { return static_cast<Index>(layout_->blocks.size()); }
  [[nodiscard]] Index n_parameters() const { return static_cast<Index>(coordinates().size()); }
  /// Number of effects of a group at this level.
  [[nodiscard]] Index size(Index level) const {
    return layout_->sizes[static_cast<std::size_t>(level)];
  }
  [[nodiscard]] const std::vector<Index>& blocks(Index level) const {
    return layout_->blocks[static_cast<std::size_t>(level)];
  }
  [[nodiscard]] const std::vector<Coordinate>& coordinates() const { return layout_->coordinates; }
  /// The first coordinate of a level; n_parameters() for level n_levels().
  [[nodiscard]] Index offset(Index level) const {
    return layout_->offsets[static_cast<std::size_t>(level)];
  }

  /// Λ of every level.
  [[nodiscard]] std::vector<Eigen::MatrixXd> factors(const Eigen::VectorXd& theta) const;
  /// The θ of given Λ (lower triangles within the blocks; the rest is not looked at).
  [[nodiscard]] Eigen::VectorXd theta(const std::vector<Eigen::MatrixXd>& factors) const;
  /// The ψ of given Ψ.
  [[nodiscard]] Eigen::VectorXd psi(const std::vector<Eigen::MatrixXd>& covariances) const {
    return theta(covariances);
  }
  /// The symmetric Ψ of every level, or any symmetric matrices given by their lower triangles
  /// within the blocks.
  [[nodiscard]] std::vector<Eigen::MatrixXd> covariances(const Eigen::VectorXd& psi) const;

  /// ∂ψ/∂θ, K × K.
  [[nodiscard]] Eigen::MatrixXd jacobian(const Eigen::VectorXd& theta) const;
  /// Σ_k g_k ∂²ψ_k/∂θ∂θ', which does not depend on θ because ψ is quadratic in it.
  [[nodiscard]] Eigen::MatrixXd curvature(const Eigen::VectorXd& psi_gradient) const;

  /// The same Ψ with every diagonal of Λ not negative.
  [[nodiscard]] Eigen::VectorXd canonical(const Eigen::VectorXd& theta) const;

 private:
  template <class Visit>
  void for_block_pairs(const Visit& visit) const;

  struct Layout {
    std::vector<std::vector<Index>> blocks;
    std::vector<Index> sizes;
    std::vector<Index> offsets = {0};
    std::vector<Coordinate> coordinates;
  };
  std::shared_ptr<const Layout> layout_;
};

}  // namespace rapport
