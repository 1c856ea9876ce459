#pragma once

#include <rapport/mixed/cross_products.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace rapport {

/// Cross-products of levels that are nested in one another, each group in one group of the next
/// level; also of no level at all.
///
/// Every innermost group i is compressed once by an orthogonal-triangular decomposition of its own
/// Z alone, applied to all columns that it shares with others, S = [Z of outer levels, X, y]: Z_i =
/// Q R, C = Q'S_i; what remains, S_i − Q C, adds to the residual Gram matrix of the group that
/// contains it. V⁻¹-weighted Gram matrices are then sums of positive semidefinite terms, C'(I +
/// RΨR')⁻¹C. An outer group is the same node, with (R, C) from the Cholesky factor of what its
/// members hand up; the root has no Z of its own.
class NestedCrossProducts final : public CrossProducts {
 public:
  NestedCrossProducts(const ModelColumns& columns, CovarianceStructure structure, int threads);

  [[nodiscard]] Index fixed_columns() const override { return levels_.back().width; }
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

  /// A level of groups; the last of all is the root, one group without effects.
  struct Level {
    Index size = 0;   ///< q
    Index width = 0;  ///< columns that its groups share with others: q of the outer levels, then M
    Index n_groups = 1;
    std::vector<std::int32_t> parent;  ///< of each group, at the next level
  };

 private:
  /// A run of blocks of innermost groups with the same parent.
  struct Run {
    Index parent;
    Index first_block;
    Index n_blocks;
  };

  struct LaneRows;
  struct VaryingColumns;
  /// Innermost groups in the order of their parents, in blocks, each run of blocks within one
  /// parent.
  void arrange();
  [[nodiscard]] LaneRows find_rows(const std::vector<std::int32_t>& group) const;
  void compress(const ModelColumns& columns);
  void compress_all_rows(const ModelColumns& columns);
  void compress_run(const Run& run, const VaryingColumns& varying, const LaneRows& rows,
                    Eigen::MatrixXd& remainder, std::vector<unsigned char>& doubtful);
  void compress_group(const ModelColumns& columns, const std::vector<Index>& rows, Index slot,
                      Eigen::MatrixXd& remainder);
  NestedCrossProducts(const NestedCrossProducts&) = default;
  [[nodiscard]] Index depth() const { return static_cast<Index>(levels_.size()) - 1; }
  [[nodiscard]] Index leaf_doubles() const;
  [[nodiscard]] Eigen::MatrixXd leaf_r(Index slot) const;
  [[nodiscard]] Eigen::MatrixXd leaf_c(Index slot) const;
  void set_leaf(Index slot, const Eigen::MatrixXd& r, const Eigen::MatrixXd& c);
  /// Gram matrices of the groups of level 1 with the sums over innermost groups added; adds their
  /// log-determinants.
  [[nodiscard]] std::vector<Eigen::MatrixXd> leaf_grams(const std::vector<Eigen::MatrixXd>& factors,
                                                        double& log_determinant) const;
  struct Sweep;
  struct Adjoints;
  /// Solves the outer groups, innermost level first.
  [[nodiscard]] std::shared_ptr<const Sweep> sweep_up(
      const std::vector<Eigen::MatrixXd>& factors) const;
  /// The adjoints of what each group receives, from those of the root.
  [[nodiscard]] Adjoints hand_down(const Sweep& sweep, const Eigen::MatrixXd& trace_factor,
                                   const Eigen::VectorXd& data_vector) const;
  /// Terms of the innermost groups; returns the derivatives of the Gram matrix that each group of
  /// level 1 receives.
  [[nodiscard]] std::vector<std::vector<Eigen::MatrixXd>> add_leaf_derivatives(
      const Eigen::MatrixXd& factor, const Adjoints& adjoints, GramDerivatives& result) const;
  /// Terms of one level of outer groups; `tangents` come from below and are replaced by what is
  /// handed up.
  void add_level_derivatives(Index level, const Sweep& sweep, const Adjoints& adjoints,
                             std::vector<std::vector<Eigen::MatrixXd>>& tangents,
                             GramDerivatives& result) const;
  struct LeafTerms;
  struct Tangents;
  /// What a run of innermost groups adds to the second derivatives in full.
  void add_leaf_jet(const Run& run, const Eigen::MatrixXd& factor, GramJet& jet,
                    Tangents& tangents) const;
  [[nodiscard]] LeafTerms leaf_terms(const Run& run, const Eigen::MatrixXd& factor,
                                     const Eigen::MatrixXd& trace_factor,
                                     const Eigen::VectorXd& data_vector) const;

  CovarianceStructure structure_;
  int threads_;
  std::vector<Level> levels_;             ///< innermost first, the root last
  std::vector<double> leaves_;            ///< LeafBlocks::values
  std::vector<std::int32_t> leaf_group_;  ///< group of each lane, −1 for none
  std::vector<Run> runs_;
  std::vector<Eigen::MatrixXd> remainders_;  ///< residual Gram matrix of each group of level 1 (of
                                             ///< the root where there is no level)
  std::vector<Index> residual_rows_;         ///< dimension of the space of those residuals
};

/// True if each group of `inner` lies in one group of `outer`.
[[nodiscard]] bool is_nested(const std::vector<std::int32_t>& inner, Index n_inner,
                             const std::vector<std::int32_t>& outer);

}  // namespace rapport
