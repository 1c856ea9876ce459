#pragma once

#include <rapport/mixed/residual.hpp>

#include <map>
#include <memory>
#include <vector>

namespace rapport::detail {

/// The correlation matrices of the groups' residuals as functions of unconstrained parameters κ.
/// Rows of a group are consecutive and ascend in time.
class CorrelationModel {
 public:
  virtual ~CorrelationModel() = default;
  [[nodiscard]] virtual Eigen::VectorXd start() const = 0;
  /// False where R is not positive definite to rounding.
  virtual bool set(const Eigen::VectorXd& parameters) = 0;
  /// log|R| over all groups.
  [[nodiscard]] virtual double log_determinant() const = 0;
  /// rows := L⁻¹ rows of group g, R = LL'.
  virtual void whiten(Index group, Eigen::Ref<Eigen::MatrixXd> rows) const = 0;
  /// With M = QQ' over the group's rows, adds ∂(tr(R⁻¹M) + log|R|)/∂κ to `gradient` and writes the
  /// diagonal of R⁻¹M.
  virtual void adjoint(Index group, const Eigen::Ref<const Eigen::MatrixXd>& q,
                       Eigen::VectorXd& gradient, Eigen::Ref<Eigen::VectorXd> diagonal) = 0;
  /// Called once after all groups' adjoints.
  virtual void finish(Eigen::VectorXd& /*gradient*/) {}
  /// Natural parameters and matrices of the result.
  virtual void describe(ResidualFit& fit) const = 0;
};

/// `time` and `starts` in the order of the sorted rows; starts has the number of rows at its end.
std::unique_ptr<CorrelationModel> make_correlation(ResidualCorrelation correlation,
                                                   const Eigen::VectorXd& time,
                                                   const std::vector<Index>& starts);

}  // namespace rapport::detail
