#include <rapport/base/error.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/pearson.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// x, y and the covariates side by side, complete rows only.
Eigen::MatrixXd complete_rows(const VectorView& x, const VectorView& y,
                              const MatrixView& covariates) {
  Eigen::MatrixXd all(x.size(), 2 + covariates.cols());
  all << x, y, covariates;
  Index kept = 0;
  for (Index i = 0; i < all.rows(); ++i) {
    if (all.row(i).hasNaN()) continue;
    if (kept != i) all.row(kept) = all.row(i);
    ++kept;
  }
  all.conservativeResize(kept, Eigen::NoChange);
  return all;
}

CorrelationMethod as_correlation_method(PartialMethod method) {
  switch (method) {
    case PartialMethod::pearson:
      return CorrelationMethod::pearson;
    case PartialMethod::spearman:
      return CorrelationMethod::spearman;
    case PartialMethod::kendall:
      return CorrelationMethod::kendall;
  }
  return CorrelationMethod::pearson;
}

}  // namespace

double partial_from_matrix(const MatrixView& correlation, RemoveFrom remove_from) {
  const Index k = correlation.rows() - 2;
  const double r = correlation(0, 1);
  if (k == 0 || correlation.hasNaN()) return r;
  const Eigen::LLT<Eigen::MatrixXd> covariates(correlation.bottomRightCorner(k, k));
  constexpr double singular =
      1e-12;  // a covariate that the others explain but for this share of its variance
  if (covariates.info() != Eigen::Success ||
      covariates.matrixLLT().diagonal().minCoeff() < std::sqrt(singular))
    return missing;
  // Both rows in the covariates' coordinates: products of them are what the covariates explain.
  const Eigen::MatrixXd explained = covariates.matrixL().solve(correlation.bottomLeftCorner(k, 2));
  const double covariance = r - explained.col(0).dot(explained.col(1));
  const double left_x = remove_from == RemoveFrom::y ? 1 : 1 - explained.col(0).squaredNorm();
  const double left_y = remove_from == RemoveFrom::x ? 1 : 1 - explained.col(1).squaredNorm();
  if (!(left_x > singular && left_y > singular)) return missing;
  return std::clamp(covariance / std::sqrt(left_x * left_y), -1.0, 1.0);
}

CorrelationResult partial_correlation(const VectorView& x, const VectorView& y,
                                      const MatrixView& covariates, const PartialOptions& options) {
  constexpr auto function = "partial_correlation";
  require_level(function, "confidence_level", options.confidence_level);
  require_same_size(function, "x", x.size(), "y", y.size());
  require_same_size(function, "x", x.size(), "covariates' rows", covariates.rows());
  require_no_infinity(function, "x", x);
  require_no_infinity(function, "y", y);
  for (Index j = 0; j < covariates.cols(); ++j)
    require_no_infinity(function, "covariates", covariates.col(j));

  const Eigen::MatrixXd rows = complete_rows(x, y, covariates);
  const auto k = static_cast<double>(covariates.cols());
  CorrelationResult result{.n = static_cast<double>(rows.rows()),
                           .n_used = rows.rows(),
                           .n_omitted = x.size() - rows.rows()};
  result.estimate = partial_from_matrix(
      correlation_estimates(rows, as_correlation_method(options.method)), options.remove_from);
  detail::test_as_product_moment(result, result.n - 2 - k, options.alternative);
  const double spread =
      options.method == PartialMethod::spearman ? 1 + result.estimate * result.estimate / 2 : 1;
  if (options.method != PartialMethod::kendall && result.n > k + 3)
    result.ci = fisher_interval(result.estimate, std::sqrt(spread / (result.n - k - 3)),
                                options.confidence_level);
  result.ci.level = options.confidence_level;
  return result;
}

}  // namespace rapport
