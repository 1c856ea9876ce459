#pragma once

#include <rapport/mixed/residual.hpp>

#include "residual_correlation.hpp"
#include "residual_rows.hpp"
#include "residual_variance.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// Var y of a fitted model in full, component by component: rows of different components share no
/// level of a random term and no residual group. In the user's units.
///
/// Its parameters are natural ones: the (co)variances of the random terms (lower triangles by
/// columns); then of the residuals the (co)variances themselves where nothing else is free in them
/// (unstructured, and Toeplitz and compound symmetry without variance function), else σ², the
/// correlation's parameters and the variance function's, a stratum's being its variance.
class ResidualCovariance {
 public:
  ResidualCovariance(const Design& design, const ResidualStructure& structure,
                     const ResidualFit& fit);

  [[nodiscard]] const SortedRows& sorted() const { return rows_; }
  [[nodiscard]] Index n_components() const { return static_cast<Index>(components_.size()); }
  /// Rows of the design, ascending in sorted().
  [[nodiscard]] const std::vector<Index>& rows(Index component) const {
    return components_[static_cast<std::size_t>(component)].rows;
  }
  /// The component of a row of the design.
  [[nodiscard]] Index component_of(Index row) const {
    return component_of_[static_cast<std::size_t>(row)];
  }
  [[nodiscard]] Eigen::MatrixXd covariance(Index component) const;
  /// Cholesky factor of the residuals' covariance of a group of sorted().
  [[nodiscard]] Eigen::MatrixXd residual_factor(Index group) const;

  /// Works out the derivatives; before it, there are none.
  void differentiate();
  [[nodiscard]] Index n_parameters() const { return n_random_ + n_residual_; }
  [[nodiscard]] Eigen::MatrixXd slope(Index component, Index parameter) const;
  /// False where a second derivative is 0 everywhere.
  [[nodiscard]] bool is_curved(Index a, Index b) const;
  [[nodiscard]] Eigen::MatrixXd curvature(Index component, Index a, Index b) const;

 private:
  struct Component {
    std::vector<Index> rows;
    std::vector<Index> groups;
  };
  void find_components();
  void set_cells();
  [[nodiscard]] Eigen::VectorXd natural() const;
  [[nodiscard]] Eigen::VectorXd blocks(const Eigen::VectorXd& natural);
  [[nodiscard]] Eigen::MatrixXd assembled(Index component, const Eigen::VectorXd& blocks) const;
  [[nodiscard]] Eigen::Map<const Eigen::MatrixXd> block(Index group,
                                                        const Eigen::VectorXd& blocks) const;
  void differentiate_residuals();

  const Design& design_;
  const ResidualStructure& structure_;
  const ResidualFit& fit_;
  SortedRows rows_;
  std::unique_ptr<CorrelationModel> correlation_;
  VarianceModel variance_;
  Eigen::VectorXd kappa_;
  Eigen::VectorXd delta_;
  bool strata_as_variances_ = false;
  std::vector<Component> components_;
  std::vector<Index> component_of_;
  std::vector<Index> place_;        ///< of each design row within its component
  std::vector<Index> block_start_;  ///< of each group among the flattened blocks
  Index block_size_ = 0;
  Eigen::VectorXd residual_;  ///< blocks of the residuals' covariance
  Index n_random_ = 0;
  Index n_residual_ = 0;
  bool linear_ = false;
  std::vector<Eigen::VectorXd> slopes_;
  std::vector<Eigen::VectorXd> curvatures_;  ///< packed lower triangle by rows
};

}  // namespace rapport::detail
