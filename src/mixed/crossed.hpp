#pragma once

#include <rapport/mixed/cross_products.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace rapport {

/// Cross-products of levels that are not all nested.
///
/// The level with most groups is eliminated group by group, as in NestedCrossProducts: Z_i = QR, C
/// = Q'[Z of the other levels, X, y], where C has only the columns of the groups that i meets. The
/// other levels together form one dense root, whose effects are scaled by their Λ: u = Λ⁻¹b, and I
/// + Λ'Z'V₁⁻¹ZΛ is factorised (V₁: the part of V of the eliminated level).
class CrossedCrossProducts final : public CrossProducts {
 public:
  CrossedCrossProducts(const ModelColumns& columns, CovarianceStructure structure);

  [[nodiscard]] Index fixed_columns() const override { return fixed_columns_; }
  [[nodiscard]] WeightedGram value(const std::vector<Eigen::MatrixXd>& factors) const override;
  [[nodiscard]] GramDerivatives derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                            const WeightedGram& at,
                                            const Eigen::MatrixXd& trace_factor,
                                            const Eigen::VectorXd& data_vector) const override;
  [[nodiscard]] GramJet jet(const std::vector<Eigen::MatrixXd>& factors) const override;
  [[nodiscard]] std::vector<LevelEffects> effects(
      const std::vector<Eigen::MatrixXd>& factors,
      const Eigen::VectorXd& combination) const override;
  [[nodiscard]] std::unique_ptr<CrossProducts> simulate(const std::vector<Eigen::MatrixXd>& factors,
                                                        const Eigen::VectorXd& coefficients,
                                                        double sigma,
                                                        RandomStream& stream) const override;
  void transform_effects(const std::vector<Eigen::MatrixXd>& transforms) override;
  [[nodiscard]] std::vector<Eigen::MatrixXd> mean_effect_grams() const override;

 private:
  /// A group of the eliminated level.
  struct Leaf {
    Eigen::MatrixXd r;                ///< q × q, upper triangular
    std::vector<Index> root_columns;  ///< of the root, that the group meets
    Eigen::MatrixXd c;                ///< q × (root_columns + M)
  };
  struct RootLevel {
    Index size;
    Index n_groups;
    Index first;  ///< its first column in the root
  };
  struct Node;
  struct Root;
  struct SecondOrder;
  struct Kept;
  struct Sweep;

  CrossedCrossProducts(const CrossedCrossProducts&) = default;
  void compress(const ModelColumns& columns);
  [[nodiscard]] std::vector<Index> columns_of_row(const ModelColumns& columns, Index row) const;
  void compress_leaf(const ModelColumns& columns, const std::vector<Index>& rows, Leaf& leaf);
  [[nodiscard]] Node leaf_node(const Leaf& leaf, const Eigen::MatrixXd& factor) const;
  /// Gram matrix of [Z of the root, X, y] weighted by V₁⁻¹; adds log|V₁|.
  [[nodiscard]] Eigen::MatrixXd root_gram(const Eigen::MatrixXd& leaf_factor,
                                          double& log_determinant) const;
  /// Multiplies the root's rows by Λ' (or the transpose of other q × q matrices, one a level).
  void multiply_rows(Eigen::Ref<Eigen::MatrixXd> rows,
                     const std::vector<Eigen::MatrixXd>& factors) const;
  /// `lower` receives the Cholesky factor of I + Ĝ.
  [[nodiscard]] Root solve_root(const Eigen::MatrixXd& gram,
                                const std::vector<Eigen::MatrixXd>& factors,
                                Eigen::MatrixXd& lower) const;
  /// Adds what derivatives need: the inverse and the predictor.
  void invert_root(const Eigen::MatrixXd& gram, const std::vector<Eigen::MatrixXd>& factors,
                   const Eigen::MatrixXd& lower, Root& root) const;
  [[nodiscard]] SecondOrder second_order(const std::vector<Eigen::MatrixXd>& factors,
                                         const WeightedGram& at,
                                         const Eigen::MatrixXd& projection) const;

  /// Lower triangle of gram += scale · left'right, in the places of the leaf's columns.
  void add_outer(const Leaf& leaf, const Eigen::MatrixXd& left, const Eigen::MatrixXd& right,
                 double scale, Eigen::MatrixXd& gram) const;
  /// Rows on the scale of b = Λu from those of u.
  [[nodiscard]] Eigen::MatrixXd on_effects(Eigen::MatrixXd rows,
                                           const std::vector<Eigen::MatrixXd>& factors) const;
  /// ΛVΛ' of an inverse V on the scale of u.
  [[nodiscard]] Eigen::MatrixXd effects_covariance(
      const Eigen::MatrixXd& inverse, const std::vector<Eigen::MatrixXd>& factors) const;
  void add_leaf_terms(const Eigen::MatrixXd& leaf_factor, Sweep& sweep, SecondOrder& result) const;
  void add_tangent_terms(Sweep& sweep, SecondOrder& result) const;
  void add_own_terms(Sweep& sweep, SecondOrder& result) const;
  [[nodiscard]] const RootLevel& level_of(Index coordinate) const;
  [[nodiscard]] double own_trace(const Sweep& sweep, Index k, Index l) const;
  [[nodiscard]] double mixed_trace(const Sweep& sweep, Index k, Index l) const;

  CovarianceStructure structure_;
  Index fixed_columns_;
  Index leaf_size_;
  std::vector<RootLevel> root_levels_;
  Index root_size_ = 0;
  std::vector<Leaf> leaves_;
  Eigen::MatrixXd remainder_;  ///< residual Gram matrix of [Z of the root, X, y]
  Index residual_rows_ = 0;    ///< dimension of the space of those residuals
};

}  // namespace rapport
