#pragma once

#include "residual_correlation.hpp"
#include "residual_kernels.hpp"
#include "residual_rows.hpp"
#include "residual_variance.hpp"
#include <functional>
#include <memory>
#include <vector>

namespace rapport::detail {

/// A block and the cluster that it belongs to. `weight`: how often its Z counts where S does not
/// enter.
struct BlockShape {
  Index cluster = 0;
  ResidualShape sizes = {};
  double weight = 1;
};

/// The Gram matrices W'C⁻¹W of blocks, C = DRD, as functions of the parameters of R and D.
///
/// Blocks of one cluster share the columns S, W = [Z S], whose Gram matrix is kept as a sum over
/// the cluster where that can be. Blocks with the same Z'C⁻¹Z whatever the parameters are replaced
/// by as few units as give the same sums of squares and products of Z'C⁻¹S.
class ResidualGrams {
 public:
  virtual ~ResidualGrams() = default;
  ResidualGrams(const ResidualGrams&) = delete;
  ResidualGrams& operator=(const ResidualGrams&) = delete;

  /// False where C is not positive definite.
  bool set(const Eigen::VectorXd& correlation, const Eigen::VectorXd& variance);
  /// log|C| over all rows.
  [[nodiscard]] double log_determinant() const;

  /// shared (S'C⁻¹S) += what the cluster holds as a sum.
  virtual void add_cluster(Index cluster, double* shared) = 0;
  /// Blocks, or what stands for them in sums.
  [[nodiscard]] const std::vector<BlockShape>& units() const { return units_; }
  /// own = Z'C⁻¹Z and Z'C⁻¹S; shared += what the cluster does not hold as a sum.
  virtual void unit(Index unit, double* own, double* shared) = 0;
  /// own of a block.
  virtual void block(Index block, double* own) = 0;

  /// Adjoints of the same; those of `own` count twice off the diagonal.
  virtual void add_cluster_adjoint(Index cluster, const double* shared) = 0;
  virtual void add_unit_adjoint(Index unit, const double* own, const double* shared) = 0;
  /// ∂(⟨adjoint, Gram⟩ + log|C|) by the parameters of R, then of D.
  virtual Eigen::VectorXd gradient() = 0;

 protected:
  ResidualGrams(CorrelationModel& correlation, VarianceModel& variance)
      : correlation_(correlation), variance_(variance) {}
  /// Called by set().
  virtual void update() = 0;

  CorrelationModel& correlation_;
  VarianceModel& variance_;
  std::vector<BlockShape> units_;
};

/// Writes the rows of a block into (q + stride) × rows, a column each, filled up by 0.
using BlockRows = std::function<void(Index block, Eigen::MatrixXd& rows)>;

/// Sums by precision coefficient and variance class if these are fewer numbers than the rows, else
/// the rows.
std::unique_ptr<ResidualGrams> make_residual_grams(const SortedRows& rows,
                                                   const std::vector<BlockShape>& shapes,
                                                   const std::vector<ResidualShape>& clusters,
                                                   const BlockRows& block_rows,
                                                   CorrelationModel& correlation,
                                                   VarianceModel& variance);

}  // namespace rapport::detail
