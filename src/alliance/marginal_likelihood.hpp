#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/math/minimize.hpp>

#include <array>
#include <vector>

/// The likelihood of y ~ N(Xβ, M(θ)) where M is block-diagonal by study. Fixed, random,
/// three-level, multivariate and location–scale models differ only in M; whatever M is, the
/// likelihood, its restricted version and their first and second derivatives are made of a few
/// weighted cross-products of U = [X y], which each structure of M accumulates over studies.
/// docs/derivations.md has the algebra; D_j stands for ∂M/∂θ_j, A for M⁻¹.
namespace rapport {

struct MarginalMoments {
  double log_determinant = 0;           ///< log |M|
  Eigen::MatrixXd cross;                ///< U'AU, (p + 1) × (p + 1)
  Eigen::VectorXd trace;                ///< tr(A D_j)
  Eigen::MatrixXd trace2;               ///< tr(A D_j A D_k)
  std::vector<Eigen::MatrixXd> first;   ///< U'A D_j A U
  std::vector<Eigen::MatrixXd> second;  ///< U'A D_j A D_k A U made symmetric, at `pair(j, k)`
  Eigen::MatrixXd bend_trace;  ///< tr(A D_jk), D_jk = ∂²M/∂θ_j∂θ_k; empty where M is linear in θ
  std::vector<Eigen::MatrixXd>
      bend;  ///< U'A D_jk A U, at `pair(j, k)`; empty where M is linear in θ

  MarginalMoments(Index columns, Index parameters, bool linear);
  void clear();
  [[nodiscard]] Index parameters() const { return trace.size(); }
  /// Where the pair j ≤ k stands in `second` and `bend`.
  [[nodiscard]] static std::size_t pair(Index j, Index k) {
    return static_cast<std::size_t>(k * (k + 1) / 2 + j);
  }
};

/// −2 log-likelihood of θ with β profiled out, less its constant n log 2π (restricted: (n − p) log
/// 2π), with gradient and Hessian. X must be orthonormal: then the restricted likelihood is that of
/// n − p error contrasts of unit length.
void minus_twice_log_likelihood(const MarginalMoments& moments, bool restricted,
                                Derivatives& derivatives);

/// Generalised least squares at the moments' θ.
struct GeneralizedLeastSquares {
  Eigen::VectorXd coefficients;
  Eigen::MatrixXd covariance;  ///< (X'AX)⁻¹
  double quadratic;            ///< (y − Xβ)'A(y − Xβ)
};
GeneralizedLeastSquares generalized_least_squares(const MarginalMoments& moments);

/// Rows of U by study, for M = diag(v + σ²_effect) + σ²_study 11': everything in closed form, in
/// one pass over the rows (Sherman & Morrison). With `study` empty there is no study variance. θ =
/// (σ²_study, σ²_effect), or (σ²_effect) alone.
class NestedModel {
 public:
  NestedModel(const Eigen::MatrixXd& u, const Eigen::VectorXd& variance,
              const std::vector<std::vector<Index>>& studies);
  [[nodiscard]] Index parameters() const { return nested_ ? 2 : 1; }
  /// The moments at θ.
  void accumulate(const Eigen::VectorXd& theta, MarginalMoments& moments);

 private:
  /// Σ w^r over a study's rows, by itself and with U on one and on both sides.
  struct PowerSums {
    Eigen::MatrixXd both;  // U'W^rU
    Eigen::VectorXd one;   // U'W^r 1
    double none = 0;       // 1'W^r 1
  };
  double sum_powers(Index first, Index last, double effect_variance);
  void add_study(double log_determinant, const Eigen::VectorXd& theta, MarginalMoments& moments);

  Eigen::MatrixXd u_;  // columns are rows of U, study by study
  Eigen::VectorXd variance_;
  std::vector<Index> start_;
  bool nested_;
  std::array<PowerSums, 3> power_;  // r = 1, 2, 3; kept between studies to save their memory
  Eigen::VectorXd h_, h2_;
};

/// A study of any M: its rows of U, M and the derivatives at the current θ.
struct DenseStudy {
  Eigen::MatrixXd u;
  Eigen::MatrixXd covariance;
  std::vector<Eigen::MatrixXd> derivatives;  ///< D_j
  std::vector<Eigen::MatrixXd> bends;        ///< D_jk at `pair(j, k)`; empty where M is linear
};

/// Adds a study's part to the moments. Returns false, the moments then being of no use, if M is not
/// positive definite.
[[nodiscard]] bool accumulate(const DenseStudy& study, MarginalMoments& moments);

/// The columns of X made orthonormal from left to right: X = Q R with R upper triangular.
/// `dependent` is the first column that is a combination of those before it, or −1.
struct Orthonormal {
  Eigen::MatrixXd q;
  Eigen::MatrixXd r;
  Index dependent;
};
Orthonormal orthonormalized(const Eigen::MatrixXd& x);

}  // namespace rapport
