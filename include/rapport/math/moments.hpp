#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Moments of the values that are not missing (NaN is left out), by two passes.
struct [[nodiscard]] Moments {
  double mean;      ///< NaN if n = 0
  double variance;  ///< divisor n − 1; NaN if n < 2
  double sd;        ///< √variance
  double skewness;  ///< g₁ = m₃ / m₂^{3/2}; NaN if all are equal
  double kurtosis;  ///< excess, m₄ / m₂² − 3; NaN if all are equal
  double minimum;
  double maximum;
  Index n_used;
  Index n_omitted;
};
Moments moments(const VectorView& x);

[[nodiscard]] double mean(const VectorView& x);                          ///< of the values that are not missing
[[nodiscard]] double variance(const VectorView& x);                      ///< divisor n − 1
[[nodiscard]] double covariance(const VectorView& x, const VectorView& y);  ///< complete pairs, divisor n − 1
/// The p-quantile, linear between order statistics (type 7 of Hyndman & Fan 1996); p in [0, 1].
[[nodiscard]] double quantile(const VectorView& x, double p);
[[nodiscard]] double median(const VectorView& x);

/// Covariance matrix of complete rows (n × k in, k × k out), divisor n − 1, means subtracted first.
[[nodiscard]] Eigen::MatrixXd covariance_matrix(const MatrixView& x);
/// Each entry from the rows complete in its two columns.
[[nodiscard]] Eigen::MatrixXd pairwise_covariance_matrix(const MatrixView& x);
/// A covariance matrix rescaled to unit diagonal.
[[nodiscard]] Eigen::MatrixXd correlation_from_covariance(const MatrixView& covariance);

/// Sum with Neumaier's compensation.
[[nodiscard]] double compensated_sum(const VectorView& x);

}  // namespace rapport
