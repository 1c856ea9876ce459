#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/retest.hpp>

#include <cmath>
#include <string>

namespace rapport {

RetestResult test_retest(const VectorView& first, const VectorView& second,
                         double confidence_level) {
  require_same_size("test_retest", "first", first.size(), "second", second.size());
  require_level("test_retest", "confidence_level", confidence_level);
  Eigen::MatrixXd pair(first.size(), 2);
  pair << first, second;
  const Eigen::VectorXd change = second - first;
  const Moments moments_of_change = moments(change);
  const Index n = moments_of_change.n_used;
  if (n < 2)
    throw DataError("test_retest: " + std::to_string(n) +
                    " persons have both scores; at least 2 are required");
  const Eigen::MatrixXd c = covariance_matrix(pair);
  RetestResult out{};
  out.estimate = c(0, 0) > 0 && c(1, 1) > 0 ? c(0, 1) / std::sqrt(c(0, 0) * c(1, 1)) : missing;
  const ConfidenceInterval z = normal_interval(
      std::atanh(out.estimate), 1 / std::sqrt(static_cast<double>(n - 3)), confidence_level);
  if (n > 3)
    out.ci = {.lower = std::tanh(z.lower), .upper = std::tanh(z.upper), .level = confidence_level};
  out.mean_change = moments_of_change.mean;
  out.sd_change = moments_of_change.sd;
  out.standard_error_of_measurement = moments_of_change.sd / std::sqrt(2.0);
  out.n_used = n;
  out.n_omitted = moments_of_change.n_omitted;
  return out;
}

}  // namespace rapport
