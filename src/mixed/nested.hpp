#pragma once

#include <rapport/base/error.hpp>
#include <rapport/mixed/cross_products.hpp>

#include "leaf_terms.hpp"
#include "matrix_array.hpp"
#include "node.hpp"
#include <cstdint>
#include <memory>
#include <vector>

namespace rapport {

/// Groups of one level that lie in several of the next.
class NotNested : public DataError {
 public:
  using DataError::DataError;
};

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
  /// Rows in which each group's stand together, to be absorbed: not settled.
  struct Part {};
  NestedCrossProducts(Part part, const ModelColumns& columns, CovarianceStructure structure,
                      int threads = 1);
  /// No row yet: levels of the structure's sizes and `fixed_columns` columns of W. `leaves` is how
  /// many innermost groups to expect.
  NestedCrossProducts(CovarianceStructure structure, Index fixed_columns, Index leaves,
                      int threads);

  /// Adds the rows of another, whose group g of level l is `groups[l][g]` here; A group may have
  /// rows in several parts: its triangles are then stacked and decomposed again. Throws NotNested
  /// if a group of one level lies in several of the next.
  void absorb(const NestedCrossProducts& part,
              const std::vector<std::vector<std::int32_t>>& groups);
  /// The same for the first part, which is given away, if each of its groups is another one here
  /// and they are numbered from 0; else false.
  [[nodiscard]] bool adopt(NestedCrossProducts& part,
                           const std::vector<std::vector<std::int32_t>>& groups);
  /// Nothing more is absorbed: frees what only absorbing needs.
  void close() { lane_of_ = std::vector<std::int32_t>(); }
  /// True if groups 0 … n − 1 of a level all have rows.
  [[nodiscard]] bool has_groups(Index level, Index n) const;
  /// Gives group g of level l the number `numbers[l][g]`.
  void renumber(const std::vector<std::vector<std::int32_t>>& numbers);
  /// Makes what was absorbed ready to be searched.
  void settle();

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

  /// Innermost groups in blocks of four, lane by lane, each run of blocks within one parent.
  struct LeafSet {
    std::vector<double> values;        ///< LeafBlocks::values
    std::vector<double> multiplicity;  ///< LeafBlocks::multiplicity; empty: once
    std::vector<Run> runs;
  };

  /// Lanes that stand for innermost groups of one R: first those that carry shared columns before
  /// the last, then (if there are any) q with the last column alone.
  struct Bundle {
    Index parent;
    Index first;     ///< the first of its lanes
    Index n_shared;  ///< lanes that carry shared columns
    Index n_last;    ///< lanes with the last column alone
    double members;  ///< groups that it stands for
  };

  struct LaneRows;
  struct VaryingColumns;
  void set_levels(Index fixed_columns);
  void reserve_leaves();
  void absorb_levels(const NestedCrossProducts& part,
                     const std::vector<std::vector<std::int32_t>>& groups);
  void absorb_run(const NestedCrossProducts& part, const Run& run, Index parent,
                  const std::vector<std::int32_t>& groups);
  /// A lane for one more group of `parent`.
  Index append_lane(Index parent);
  void stack_leaf(const NestedCrossProducts& part, Index part_slot, Index slot, Index parent);
  struct Merger;
  /// Innermost groups in the order of their parents.
  void arrange();
  [[nodiscard]] LaneRows find_rows(const std::vector<std::int32_t>& group) const;
  void compress(const ModelColumns& columns);
  void compress_all_rows(const ModelColumns& columns);
  void compress_run(const Run& run, const VaryingColumns& varying, const LaneRows& rows,
                    Eigen::Ref<Eigen::MatrixXd> remainder, std::vector<unsigned char>& doubtful);
  void compress_group(const ModelColumns& columns, const std::vector<Index>& rows, Index slot,
                      Eigen::Ref<Eigen::MatrixXd> remainder);
  /// Groups with the same R under the same parent share their lanes: what the likelihood needs of
  /// their C is the second moment.
  void merge_equal_designs();
  NestedCrossProducts(const NestedCrossProducts&) = default;
  [[nodiscard]] Index depth() const { return static_cast<Index>(levels_.size()) - 1; }
  [[nodiscard]] Index leaf_doubles() const;
  [[nodiscard]] Eigen::MatrixXd leaf_r(const LeafSet& set, Index slot) const;
  [[nodiscard]] Eigen::MatrixXd leaf_c(const LeafSet& set, Index slot) const;
  void set_leaf(LeafSet& set, Index slot, const Eigen::MatrixXd& r, const Eigen::MatrixXd& c) const;
  /// What searches look at.
  [[nodiscard]] const LeafSet& searched() const {
    return merged_.runs.empty() ? *leaves_ : merged_;
  }
  /// Runs that are worked on together: whole parents, or single runs of the one parent there is.
  struct Batch {
    Index first;
    Index last;
  };
  [[nodiscard]] std::vector<Batch> batches(const LeafSet& set) const;
  [[nodiscard]] LeafBlocks blocks_of(const LeafSet& set, const Run& run, double* scratch) const;
  void transform_leaves(LeafSet& set, const Eigen::MatrixXd& own,
                        const Eigen::MatrixXd& shared) const;
  /// Gram matrices of the groups of level 1 with the sums over innermost groups added; adds their
  /// log-determinants.
  [[nodiscard]] MatrixArray leaf_grams(const std::vector<Eigen::MatrixXd>& factors,
                                       double& log_determinant) const;
  struct Sweep;
  struct Adjoints;
  /// Solves the groups of an outer level, which receive `grams`; returns what they hand up.
  [[nodiscard]] MatrixArray solve_level(Index level, MatrixArray& grams,
                                        const Eigen::MatrixXd& factor, MatrixArray& nodes,
                                        double& log_determinant) const;
  /// What value() kept of the outer levels, if there are any.
  [[nodiscard]] static const Sweep& solved(const WeightedGram& known);
  /// The adjoints of what each group receives, from those of the root, which are referred to.
  [[nodiscard]] Adjoints hand_down(const WeightedGram& known, const Eigen::MatrixXd& trace_factor,
                                   const Eigen::VectorXd& data_vector) const;
  /// Terms of the innermost groups; returns the derivatives of the Gram matrices that the groups of
  /// level 1 receive, group by group.
  [[nodiscard]] MatrixArray add_leaf_derivatives(const Eigen::MatrixXd& factor,
                                                 const Adjoints& adjoints,
                                                 GramDerivatives& result) const;
  /// Terms of one level of outer groups; `tangents` come from below and are replaced by what is
  /// handed up.
  void add_level_derivatives(Index level, const MatrixArray& nodes, const Adjoints& adjoints,
                             MatrixArray& tangents, GramDerivatives& result) const;
  void add_leaf_terms(const LeafSet& set, const Run& run, const LeafAdjoint& adjoint,
                      LeafTerms& sum) const;
  [[nodiscard]] InnerNode outer(const WeightedGram& known, Index level, Index group) const;
  struct Tangents;
  /// What a run of innermost groups adds to the second derivatives in full.
  void add_leaf_jet(const Run& run, const Eigen::MatrixXd& factor, GramJet& jet,
                    Tangents& tangents) const;
  [[nodiscard]] static Eigen::MatrixXd leaf_root(const Eigen::MatrixXd& r,
                                                 const Eigen::MatrixXd& factor);
  void draw_leaves(const std::vector<Eigen::MatrixXd>& factors,
                   const std::vector<Eigen::VectorXd>& around, double sigma,
                   NestedCrossProducts& drawn, RandomStream& stream) const;
  /// Draws the last column of a bundle's lanes; `around` are the coefficients of its other shared
  /// columns.
  void draw_bundle(const Bundle& bundle, const Eigen::MatrixXd& factor,
                   const Eigen::VectorXd& around, double sigma, LeafSet& set,
                   RandomStream& stream) const;

  CovarianceStructure structure_;
  int threads_;
  Index expected_ = 0;         ///< innermost groups to make room for
  std::vector<Level> levels_;  ///< innermost first, the root last
  std::shared_ptr<LeafSet> leaves_ = std::make_shared<LeafSet>();  ///< every innermost group
  std::vector<std::int32_t> leaf_group_;  ///< group of each lane of leaves_, −1 for none
  std::vector<std::int32_t> lane_of_;     ///< while absorbing: the lane of each innermost group
  LeafSet merged_;                        ///< the same for the likelihood; empty: no use
  std::vector<Bundle> bundles_;           ///< of merged_
  MatrixArray remainders_;                ///< residual Gram matrix of each group of level 1 (of
                                          ///< the root where there is no level)
  std::vector<Index> residual_rows_;      ///< dimension of the space of those residuals
};

/// The outer groups solved at a point.
struct NestedCrossProducts::Sweep final : Factorization {
  std::vector<MatrixArray> nodes;  ///< OuterNode of each group of a level; none of the innermost
};

inline const NestedCrossProducts::Sweep& NestedCrossProducts::solved(const WeightedGram& known) {
  return static_cast<const Sweep&>(*known.factorization);
}

/// True if each group of `inner` lies in one group of `outer`.
[[nodiscard]] bool is_nested(const std::vector<std::int32_t>& inner, Index n_inner,
                             const std::vector<std::int32_t>& outer);

}  // namespace rapport
