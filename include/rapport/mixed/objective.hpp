#pragma once

#include <rapport/mixed/covariance.hpp>
#include <rapport/mixed/cross_products.hpp>
#include <rapport/mixed/fit.hpp>

#include <vector>

namespace rapport {

/// The criterion with fixed effects and σ² at their best for given covariances:
/// log|V| + [REML] log|X'V⁻¹X| + ν (1 + log 2πr²/ν), ν = n (ML) or n − p (REML), r² = (y −
/// Xβ)'V⁻¹(y − Xβ).
struct ProfiledValue {
  std::vector<Eigen::MatrixXd> factors;  ///< Λ of every level
  double criterion;
  Eigen::VectorXd coefficients;  ///< β, p
  double sigma_squared;          ///< r² / ν
  WeightedGram weighted;         ///< what the rest follows from
  Eigen::MatrixXd inverse_root;  ///< U⁻¹, X'V⁻¹X = U'U, p × p upper triangular
};

/// Derivatives of the criterion in the covariances ψ, at the profiled β.
struct CriterionDerivatives {
  Eigen::VectorXd gradient;           ///< K
  Eigen::MatrixXd hessian;            ///< K × K, at fixed σ²
  Eigen::VectorXd sigma_cross;        ///< K: ∂²/∂ψ∂σ²
  double sigma_curvature;             ///< ∂²/∂(σ²)²
  Eigen::MatrixXd profiled_hessian;   ///< K × K, with σ² at its best
  Eigen::VectorXd trace;              ///< K: tr(P V_k) (ML: tr(V⁻¹V_k))
  Eigen::MatrixXd expected;           ///< K × K: tr(P V_k P V_l), ML: tr(V⁻¹V_k V⁻¹V_l)
  Eigen::VectorXd quadratic;          ///< K: y'P V_k P y
  std::vector<Eigen::MatrixXd> gram;  ///< K of (p + 1)²: ∂(W'V⁻¹W)/∂ψ, W = [X y]
};

/// The profiled criterion of compressed data, as a function of θ.
class Objective {
 public:
  /// `projection` (M × M'), if it is not empty, replaces W = [X y] by W · projection: a constraint
  /// on the fixed effects.
  Objective(const GramFunction& products, const CovarianceStructure& structure, Criterion criterion,
            Index observations, Eigen::MatrixXd projection = {});

  [[nodiscard]] const CovarianceStructure& structure() const { return structure_; }
  /// ν.
  [[nodiscard]] double degrees() const { return degrees_; }
  [[nodiscard]] ProfiledValue value(const Eigen::VectorXd& theta) const;
  /// Where `at` was evaluated.
  [[nodiscard]] CriterionDerivatives derivatives(const ProfiledValue& at) const;
  /// From GramFunction::rough_derivatives().
  [[nodiscard]] CriterionDerivatives rough_derivatives(const ProfiledValue& at) const;

 private:
  using Contraction = decltype(&GramFunction::derivatives);
  [[nodiscard]] CriterionDerivatives contract(const ProfiledValue& at,
                                              Contraction contraction) const;

  const GramFunction& products_;
  const CovarianceStructure& structure_;
  Criterion criterion_;
  double observations_;
  Eigen::MatrixXd projection_;
  double degrees_ = 0;
};

/// θ at which every effect varies as much as its error: Λ = I.
[[nodiscard]] Eigen::VectorXd identity_theta(const CovarianceStructure& structure);

/// The end of a search for the least criterion.
struct CriterionOptimum {
  Eigen::VectorXd theta;
  ProfiledValue value;
  CriterionDerivatives derivatives;
  Eigen::VectorXd gradient;  ///< in θ
  Eigen::MatrixXd hessian;   ///< in θ, profiled
  Certificate certificate;
  bool converged;
  Index iterations;
  Index evaluations;
};

/// Newton steps in a trust region from `start`, which is improved by one step of iterated
/// generalised least squares if that helps; two from θ = 0, where CrossProducts::has_moments()
/// makes the first one cheap. At the end the criterion's slope along directions of no variance is
/// looked at: a search that ended in a saddle goes on.
CriterionOptimum minimize_criterion(const Objective& objective, const Eigen::VectorXd& start,
                                    Index iterations);

}  // namespace rapport
