#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

namespace rapport {

/// How a one-factor model is fitted.
enum class FactorMethod {
  maximum_likelihood,
  minimum_residual  ///< least squares of the off-diagonal correlations; gives no standard error
};

struct OmegaOptions {
  FactorMethod method = FactorMethod::maximum_likelihood;
  double confidence_level = 0.95;
};

/// ω of the sum of the items from one common factor: (Σλ)² / ((Σλ)² + Σθ) (McDonald 1999).
/// `total` is NaN for fewer than 3 items, dependent items, or when the search did not converge.
struct [[nodiscard]] OmegaResult {
  double total;
  double standard_error;  ///< delta method on the expected information; NaN under minimum_residual
  ConfidenceInterval ci;
  Eigen::VectorXd loadings;      ///< k, in the units of the items
  Eigen::VectorXd uniquenesses;  ///< k; a negative one is a Heywood case
  double chi_square;             ///< of the model; NaN under minimum_residual
  double df;
  bool heywood;  ///< some uniqueness is not above 0: do not trust the model
  bool converged;
  Index n_used;
  Index n_omitted;
};

/// ω of the items (n × k, reversed already), complete rows. Throws InvalidArgument for fewer than 2
/// columns and a level outside (0, 1); DataError for fewer than 2 complete rows.
OmegaResult omega_total(const MatrixView& items, const OmegaOptions& options = {});

/// The same from a covariance matrix (k × k) of n persons.
OmegaResult omega_of_covariance(const MatrixView& covariance, Index n,
                                const OmegaOptions& options = {});

/// A general factor and m group factors (Schmid & Leiman 1957) from an oblique solution of minimum
/// residuals.
struct [[nodiscard]] HierarchicalOmega {
  double hierarchical;      ///< (Σg)² / V: the general factor's share of the variance of the sum
  double total;             ///< 1 − Σu² / V
  double asymptotic;        ///< hierarchical / total: its limit for a longer test of the same kind
  Eigen::VectorXd general;  ///< k loadings on the general factor
  Eigen::MatrixXd group;    ///< k × m
  Eigen::VectorXd uniquenesses;        ///< k
  Eigen::MatrixXd factor_correlation;  ///< m × m, of the oblique factors
  bool converged;
};

/// ω hierarchical of a correlation matrix (k × k): m factors by minimum residuals, turned by direct
/// quartimin (Jennrich & Sampson 1966; Jennrich 2002), one second-order factor; with m = 2 its two
/// loadings are taken equal. Throws InvalidArgument unless 2 ≤ m ≤ k / 2.
HierarchicalOmega omega_hierarchical(const MatrixView& correlation, Index factors = 3);

}  // namespace rapport
