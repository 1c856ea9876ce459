#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/random.hpp>

#include "leaf_kernels.hpp"

namespace rapport {

/// What a group with Z = QR, C = Q'S and covariance Ψ = ΛΛ' gives, with M = I + RΨR'.
struct GroupNode {
  double log_determinant;  ///< log|M|
  Eigen::MatrixXd half;    ///< L⁻¹C for M = LL', so that half'half = C'M⁻¹C
  Eigen::MatrixXd a;       ///< Z'V⁻¹Z = R'M⁻¹R
  Eigen::MatrixXd b;       ///< Z'V⁻¹S = R'M⁻¹C
};

[[nodiscard]] GroupNode solve_node(const Eigen::MatrixXd& r, const Eigen::MatrixXd& c,
                                   const Eigen::MatrixXd& factor);

/// Cov(b | y, S) / σ² = Λ(I + Λ'Z'ZΛ)⁻¹Λ'.
[[nodiscard]] Eigen::MatrixXd node_covariance(const Eigen::MatrixXd& r,
                                              const Eigen::MatrixXd& factor);

/// R and C of a group: orthogonal-triangular decomposition of the first `q` columns of `work` (rows
/// × (q + width)) by modified Gram–Schmidt; the other columns are left with their residuals. Rows
/// of R and C of columns that depend on those before are 0.
struct GroupFactor {
  Eigen::MatrixXd r;
  Eigen::MatrixXd c;
};
[[nodiscard]] GroupFactor factor_group(Eigen::MatrixXd& work, Index q);

/// R (upper triangular) with R'R = gram; rows of pivots that are 0 up to rounding are 0.
[[nodiscard]] Eigen::MatrixXd semidefinite_factor(const Eigen::MatrixXd& gram);

/// What OuterNode holds of a group of an outer level.
struct InnerNode {
  Eigen::MatrixXd a;         ///< Z'V⁻¹Z
  Eigen::MatrixXd b;         ///< Z'V⁻¹S
  Eigen::MatrixXd n;         ///< Cov(b | y, S) / σ²
  Eigen::MatrixXd k;         ///< I − AΨ
  Eigen::MatrixXd residual;  ///< [−ΨB; I]: what S leaves of [Z S] once b is predicted

  InnerNode(const OuterNode& node, Index q, Index width);
};

/// n standard normal values.
[[nodiscard]] Eigen::VectorXd normal_vector(Index n, RandomStream& stream);

/// The last column of the Gram matrix of [S y], drawn given that of S: y = S v + σe, e standard
/// normal on `rows` rows (fewer where S lies in a subspace: `rows` is the dimension of the space of
/// residuals).
[[nodiscard]] Eigen::VectorXd draw_gram_column(const Eigen::MatrixXd& gram,
                                               const Eigen::VectorXd& v, double sigma, Index rows,
                                               RandomStream& stream);

/// The symmetric unit matrix E of a coordinate of ψ: 1 at (row, column) and (column, row).
[[nodiscard]] Eigen::MatrixXd symmetric_unit(Index q, Index row, Index column);

/// U⁻¹ for the upper triangle U of a square; what stands below it is not looked at.
[[nodiscard]] Eigen::MatrixXd inverse_of_upper(const MatrixView& u);

/// Variances below this, where an effect of variance 1 is as large as its error, are 0.
constexpr double null_variance = 1e-9;

/// A lower bound of the least eigenvalue of ΛΛ', Λ lower triangular: |ΛΛ'| over the most that the
/// other eigenvalues can multiply to.
[[nodiscard]] double least_variance_bound(const MatrixView& factor);

}  // namespace rapport
