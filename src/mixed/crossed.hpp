#pragma once

#include <rapport/mixed/cross_products.hpp>

#include "supernodal.hpp"
#include <cstdint>
#include <memory>
#include <vector>

namespace rapport {

struct IndexLists;

/// Cross-products of levels that are not all nested.
///
/// The level with most groups, the leaves, is eliminated group by group, as in NestedCrossProducts:
/// Z_i = QR, C = Q'[Z of the other levels, X, y], where C has only the columns of the groups that
/// the leaf meets. The other levels together form one sparse root, whose effects are scaled by
/// their Λ: u = Λ⁻¹b, and I + Λ'GΛ with G = Z'V₁⁻¹Z (V₁: the part of V of the leaves) is
/// factorised; derivatives need its inverse only where the factor has entries.
class CrossedCrossProducts final : public CrossProducts {
 public:
  /// Throws DataError where the factor of the root would not fit into memory.
  CrossedCrossProducts(const ModelColumns& columns, CovarianceStructure structure);

  [[nodiscard]] Index fixed_columns() const override { return fixed_columns_; }
  [[nodiscard]] bool has_moments() const override;
  [[nodiscard]] WeightedGram value(const std::vector<Eigen::MatrixXd>& factors) const override;
  [[nodiscard]] GramDerivatives derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                            const WeightedGram& at,
                                            const Eigen::MatrixXd& trace_factor,
                                            const Eigen::VectorXd& data_vector) const override;
  [[nodiscard]] GramDerivatives rough_derivatives(
      const std::vector<Eigen::MatrixXd>& factors, const WeightedGram& at,
      const Eigen::MatrixXd& trace_factor, const Eigen::VectorXd& data_vector) const override;
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
  struct RootLevel {
    Index size;
    Index n_groups;
    std::vector<Index> column;  ///< of the root, the first of each group
  };
  /// A leaf's entry in a column of the root.
  struct Entry {
    Index place;  ///< in `met`
    std::int32_t leaf;
  };
  /// What does not depend on values; copies of an object share it.
  struct Layout {
    std::vector<RootLevel> levels;
    SupernodalPattern root;
    bool root_in_order;  ///< one supernode, its columns those of one level after the other
    std::vector<std::int32_t> column_level;  ///< of each column of the root
    std::vector<Index> first;                ///< of each leaf, in `met`; leaves + 1
    std::vector<std::int32_t> met;           ///< columns of the root, ascending within a leaf
    std::vector<Index> column_first;         ///< of each column, in `entries`
    std::vector<Entry> entries;

    [[nodiscard]] Index n_leaves() const { return static_cast<Index>(first.size()) - 1; }
  };
  struct Leaves;
  struct Solved;
  struct Sweep;
  struct SecondOrder;
  struct Probes;

  CrossedCrossProducts(const CrossedCrossProducts&) = default;

  // Compression.
  struct Compression;
  CrossedCrossProducts(const ModelColumns& columns, CovarianceStructure structure,
                       const IndexLists& leaf_rows);
  [[nodiscard]] static std::shared_ptr<const Layout> make_layout(const ModelColumns& columns,
                                                                 const IndexLists& leaf_rows);
  static void list_entries(const IndexLists& meeting, const std::vector<Index>& sizes,
                           Layout& layout);
  void compress(const ModelColumns& columns, const IndexLists& leaf_rows);
  void compress_leaf(const ModelColumns& columns, Index leaf, const std::int32_t* rows,
                     Index n_rows, Compression& work);
  void factor_leaf(Index leaf, Eigen::MatrixXd& own);
  void add_root_row(const ModelColumns& columns, Index row, Index i, Compression& work);

  // The leaves and the root.
  [[nodiscard]] Index n_leaves() const { return layout_->n_leaves(); }
  [[nodiscard]] Leaves whiten(const Eigen::MatrixXd& factor) const;
  /// From a column a leaf's effect to one a column of the root: from · B for the leaves' entries b.
  [[nodiscard]] Eigen::MatrixXd to_root(const Eigen::MatrixXd& from,
                                        const Eigen::MatrixXd& b) const;
  /// from · B'.
  [[nodiscard]] Eigen::MatrixXd to_leaves(const Eigen::MatrixXd& from,
                                          const Eigen::MatrixXd& b) const;
  /// True if the root is one block and a leaf meets so much of it that dense products are faster.
  [[nodiscard]] bool leaves_meet_most() const;
  /// The entries of some leaves as rows: q·count × root.
  [[nodiscard]] Eigen::MatrixXd spread_rows(const Eigen::MatrixXd& values, Index first,
                                            Index count) const;
  /// Lower triangle of matrix += scale · Σ left'right over the leaves, in the places of their
  /// columns.
  void add_leaf_products(const Eigen::MatrixXd& left, const Eigen::MatrixXd& right, double scale,
                         SupernodalMatrix& matrix) const;
  /// b N b' of every leaf for a symmetric N, side by side: q × q·leaves.
  [[nodiscard]] Eigen::MatrixXd leaf_forms(const Eigen::MatrixXd& b,
                                           const SupernodalMatrix& matrix) const;
  [[nodiscard]] bool has_vectors() const;
  /// The block of each column's level where it is a number, else 1.
  [[nodiscard]] Eigen::VectorXd column_scales(const std::vector<Eigen::MatrixXd>& blocks) const;
  /// matrix := T'·matrix·T for a block-diagonal T, one block a group; a block for each level, those
  /// of the root from 1.
  void scale_root(const std::vector<Eigen::MatrixXd>& blocks, SupernodalMatrix& matrix) const;
  /// Each leaf's entries := entries · T.
  void scale_entries(const std::vector<Eigen::MatrixXd>& blocks, Eigen::MatrixXd& entries) const;
  /// rows := T'·rows.
  void scale_rows(const std::vector<Eigen::MatrixXd>& blocks,
                  Eigen::Ref<Eigen::MatrixXd> rows) const;
  [[nodiscard]] std::shared_ptr<Solved> solve(const std::vector<Eigen::MatrixXd>& factors) const;

  // Derivatives.
  [[nodiscard]] GramDerivatives contracted_derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                                       const WeightedGram& at,
                                                       const Eigen::MatrixXd& trace_factor,
                                                       const Eigen::VectorXd& data_vector,
                                                       bool rough) const;
  /// `rough`: traces of the root's inverse are estimated.
  [[nodiscard]] SecondOrder second_order(const std::vector<Eigen::MatrixXd>& factors,
                                         const WeightedGram& at, const Eigen::MatrixXd& projection,
                                         bool rough) const;
  [[nodiscard]] Sweep prepare_sweep(const std::vector<Eigen::MatrixXd>& factors,
                                    const WeightedGram& known, const Eigen::MatrixXd& projection,
                                    bool rough) const;
  void add_leaf_terms(const Sweep& sweep, std::vector<Eigen::MatrixXd>& moves,
                      SecondOrder& result) const;
  void add_vector_terms(const Sweep& sweep, Index k, const Eigen::MatrixXd& projected,
                        Eigen::MatrixXd& move, SecondOrder& result) const;
  void add_root_terms(const Sweep& sweep, std::vector<Eigen::MatrixXd>& moves,
                      SecondOrder& result) const;
  [[nodiscard]] SecondOrder second_order_at_zero(const Eigen::MatrixXd& projection) const;
  void add_leaf_moments(const Eigen::MatrixXd& projection, const Eigen::MatrixXd& projected,
                        SecondOrder& result) const;
  void add_root_moments(const Eigen::MatrixXd& cross, const Eigen::MatrixXd& projected,
                        SecondOrder& result) const;

  void draw_remainder(const Eigen::VectorXd& effects, const Eigen::VectorXd& coefficients,
                      double sigma, RandomStream& stream);

  // tr(V⁻¹V_k), estimated, and tr(V⁻¹V_kV⁻¹V_l).
  [[nodiscard]] bool has_dense_root() const;
  [[nodiscard]] bool has_costly_inverse() const;
  [[nodiscard]] Eigen::MatrixXd dense_information(const Sweep& sweep) const;
  [[nodiscard]] double own_trace(const Sweep& sweep, Index k, Index l) const;
  [[nodiscard]] Eigen::MatrixXd estimated_information(const Sweep& sweep,
                                                      const Probes& probes) const;
  [[nodiscard]] Eigen::VectorXd estimated_traces(const Probes& probes) const;
  [[nodiscard]] Probes make_probes(const Sweep& sweep) const;
  [[nodiscard]] double probe_sum(const Sweep& sweep, const Probes& probes, Index k, Index l) const;
  [[nodiscard]] double scalar_probe_sum(const Sweep& sweep, const Probes& probes, Index target,
                                        Index source) const;
  [[nodiscard]] Eigen::MatrixXd own_block(const Sweep& sweep, Index level, Index group) const;
  [[nodiscard]] const RootLevel& level_of(Index coordinate) const;

  CovarianceStructure structure_;
  Index fixed_columns_;
  Index leaf_size_;
  std::shared_ptr<const Layout> layout_;
  Eigen::MatrixXd leaf_r_;           ///< q × q·leaves: R side by side
  Eigen::MatrixXd leaf_c_;           ///< q × met: C of the root's columns
  Eigen::MatrixXd leaf_fixed_;       ///< M × q·leaves: C' of [X y]
  SupernodalMatrix root_gram_;       ///< Z'Z of the root
  Eigen::MatrixXd remainder_cross_;  ///< root × M: of the residuals of the root's Z and [X y]
  Eigen::MatrixXd remainder_fixed_;  ///< M × M: of those of [X y]
  Index residual_rows_ = 0;          ///< dimension of the space of those residuals
};

}  // namespace rapport
