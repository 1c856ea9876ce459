#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

#include <limits>
#include <vector>

/// What m analyses of m completed data sets say together (Rubin 1987).
namespace rapport {

/// One parameter over the imputations.
struct PooledEstimate {
  double estimate;        ///< mean
  double standard_error;  ///< √T, T = Ū + (1 + 1/m) B
  double statistic;       ///< estimate / standard_error
  double df;              ///< Barnard & Rubin (1999)
  double p_value;         ///< two-sided
  ConfidenceInterval ci;
  double within;               ///< Ū, mean squared standard error
  double between;              ///< B, variance of the estimates
  double relative_increase;    ///< r = (1 + 1/m) B / Ū of the variance, by what is missing
  double lambda;               ///< (1 + 1/m) B / T
  double missing_information;  ///< γ = (r + 2 / (df + 3)) / (r + 1)
};

struct [[nodiscard]] PooledEstimates {
  std::vector<PooledEstimate> parameters;  ///< p
  Eigen::MatrixXd covariance;              ///< T, p × p
  Eigen::MatrixXd within;                  ///< Ū
  Eigen::MatrixXd between;                 ///< B
  Index imputations;                       ///< m
};

/// `estimates` is m × p, `covariances` m of p × p; `complete_df` p degrees of freedom that the
/// tests would have without missing values (empty: ∞). Throws InvalidArgument for fewer than two
/// imputations or sizes that differ.
PooledEstimates pool_estimates(const MatrixView& estimates,
                               const std::vector<Eigen::MatrixXd>& covariances,
                               const Eigen::VectorXd& complete_df = {}, double level = 0.95);

/// A joint test of several parameters over the imputations.
struct [[nodiscard]] PooledTest {
  double statistic;  ///< F
  double numerator_df;
  double denominator_df;
  double p_value;
  double relative_increase;  ///< of the variance, one for all parameters
};

/// D1, Wald's test that contrasts · parameters = 0 (Li, Raghunathan & Rubin 1991), with Reiter's
/// (2007) degrees of freedom if `complete_df` is finite. It takes the fraction of missing
/// information as equal for all contrasts.
PooledTest pooled_wald_test(const PooledEstimates& pooled, const MatrixView& contrasts,
                            double complete_df = std::numeric_limits<double>::infinity());

/// D2, from m χ² statistics on `df` (Li, Meng, Raghunathan & Rubin 1991). Less powerful and less
/// exact than D1 and D3.
PooledTest pooled_chi_squared_test(const VectorView& statistics, double df);

/// D3, the likelihood ratio (Meng & Rubin 1992). `own` are the m statistics 2 (log L₁ − log L₀) at
/// each imputation's own estimates, `pooled` those at the means of the estimates; `df` is the
/// difference in parameters.
PooledTest pooled_likelihood_ratio_test(const VectorView& own, const VectorView& pooled, double df);

}  // namespace rapport
