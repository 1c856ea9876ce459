#pragma once

#include "residual_correlation.hpp"
#include "residual_rows.hpp"
#include "residual_variance.hpp"
#include <functional>
#include <memory>
#include <vector>

namespace rapport::detail {

/// Sizes of what a block and its cluster hold: q columns of Z of the block's own factor and s
/// columns that it shares with its cluster. Packed symmetric matrices have their lower triangle by
/// columns; the block's cross Gram matrix is q × s by rows.
struct BlockShape {
  Index cluster = 0;
  Index q = 0;
  Index s = 0;
  [[nodiscard]] Index zz() const { return q * (q + 1) / 2; }
  [[nodiscard]] Index own() const { return zz() + q * s; }
  [[nodiscard]] Index shared() const { return s * (s + 1) / 2; }
};

/// The Gram matrices W'C⁻¹W of blocks, C = DRD, as functions of the parameters of R and D.
///
/// Blocks of one cluster share the columns S, W = [Z S], whose Gram matrix is kept as a sum over
/// the cluster where that can be.
class ResidualGrams {
 public:
  virtual ~ResidualGrams() = default;
  ResidualGrams(const ResidualGrams&) = delete;
  ResidualGrams& operator=(const ResidualGrams&) = delete;

  /// False where C is not positive definite.
  bool set(const Eigen::VectorXd& correlation, const Eigen::VectorXd& variance);
  /// log|C| over all rows.
  [[nodiscard]] double log_determinant() const;

  /// shared (packed S'C⁻¹S) += what the cluster holds as a sum.
  virtual void add_cluster(Index cluster, double* shared) = 0;
  /// own = packed Z'C⁻¹Z, then Z'C⁻¹S; shared += what the cluster does not hold as a sum.
  virtual void block(Index block, double* own, double* shared) = 0;

  /// Adjoints of the same, entries off the diagonals counted twice.
  virtual void add_cluster_adjoint(Index cluster, const double* shared) = 0;
  virtual void add_block_adjoint(Index block, const double* own, const double* shared) = 0;
  /// ∂(⟨adjoint, Gram⟩ + log|C|) by the parameters of R, then of D.
  virtual Eigen::VectorXd gradient() = 0;

 protected:
  ResidualGrams(CorrelationModel& correlation, VarianceModel& variance)
      : correlation_(correlation), variance_(variance) {}
  /// Called by set().
  virtual void update() = 0;

  CorrelationModel& correlation_;
  VarianceModel& variance_;
};

/// Writes the rows of a block into (q + s) × rows, a column each.
using BlockRows = std::function<void(Index block, Eigen::MatrixXd& rows)>;

/// Sums by precision coefficient and variance class if these are fewer numbers than the rows, else
/// the rows.
std::unique_ptr<ResidualGrams> make_residual_grams(const SortedRows& rows,
                                                   const std::vector<BlockShape>& shapes,
                                                   const std::vector<BlockShape>& clusters,
                                                   const BlockRows& block_rows,
                                                   CorrelationModel& correlation,
                                                   VarianceModel& variance);

}  // namespace rapport::detail
