#pragma once

#include <rapport/mixed/residual.hpp>

#include "residual_rows.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// One term of the precision matrix R⁻¹ of a group as a sum of few coefficients times fixed
/// matrices; i and j are rows of the group.
struct PrecisionTerm {
  enum class Kind {
    square,             ///< e_i e_i'
    cross,              ///< e_i e_j' + e_j e_i'
    difference_square,  ///< (e_i − e_j)(e_i − e_j)'
    difference_cross    ///< (e_i − e_j) e_j' + e_j (e_i − e_j)'
  };
  Kind kind;
  Index coefficient;
  Index i;
  Index j;
};

/// The correlation matrices R of the groups' residuals as functions of unconstrained parameters κ.
///
/// With M = W G W' over a group's rows (G the adjoint of the Gram matrix W'R⁻¹W), the criterion's
/// slope in the coefficients of R⁻¹ is collected in `adjoint`, either by precision terms or row by
/// row; gradient() carries it to κ.
class CorrelationModel {
 public:
  CorrelationModel() = default;
  CorrelationModel(const CorrelationModel&) = delete;
  CorrelationModel& operator=(const CorrelationModel&) = delete;
  virtual ~CorrelationModel() = default;

  [[nodiscard]] virtual Eigen::VectorXd start() const = 0;
  /// False where R is not positive definite to rounding. Sets adjoint() to 0.
  virtual bool set(const Eigen::VectorXd& parameters) = 0;
  /// log|R| over all groups.
  [[nodiscard]] double log_determinant() const { return log_determinant_; }

  /// Adds the terms of R⁻¹ of a group.
  virtual void precision(Index group, std::vector<PrecisionTerm>& terms) const = 0;
  /// Bound on the number of terms of a group of n rows.
  [[nodiscard]] virtual Index precision_terms(Index n) const = 0;
  [[nodiscard]] const Eigen::VectorXd& coefficients() const { return coefficients_; }
  [[nodiscard]] Eigen::VectorXd& adjoint() { return adjoint_; }

  /// rows := L⁻¹ rows of group g, R = LL'.
  virtual void whiten(Index group, Eigen::Ref<Eigen::MatrixXd> rows) const = 0;
  /// Adds to adjoint() what the group's rows (n × m) give with G (m × m); writes the diagonal of
  /// R⁻¹M.
  virtual void add_adjoint(Index group, const Eigen::Ref<const Eigen::MatrixXd>& rows,
                           const Eigen::MatrixXd& g, Eigen::Ref<Eigen::VectorXd> diagonal) = 0;
  /// ∂(⟨adjoint, coefficients⟩ + log|R|)/∂κ.
  [[nodiscard]] virtual Eigen::VectorXd gradient() const = 0;

  /// R at any ascending times.
  [[nodiscard]] virtual Eigen::MatrixXd matrix(const Eigen::VectorXd& times) const = 0;
  /// Natural parameters by name, as functions of κ and back; κ is NaN outside of their range.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  [[nodiscard]] virtual Eigen::VectorXd natural(const Eigen::VectorXd& parameters) const = 0;
  [[nodiscard]] virtual Eigen::VectorXd unconstrained(const Eigen::VectorXd& natural) const = 0;
  /// Natural parameters and matrices of the result.
  virtual void describe(ResidualFit& fit) const = 0;

 protected:
  Eigen::VectorXd coefficients_;
  Eigen::VectorXd adjoint_;
  double log_determinant_ = 0;
};

std::unique_ptr<CorrelationModel> make_correlation(ResidualCorrelation correlation,
                                                   const SortedRows& rows);

/// The models whose matrices are made once for each distinct pattern of times.
std::unique_ptr<CorrelationModel> make_dense_correlation(ResidualCorrelation correlation,
                                                         const SortedRows& rows);

/// Median gap between successive times of a group.
[[nodiscard]] double median_gap(const SortedRows& rows);

}  // namespace rapport::detail
