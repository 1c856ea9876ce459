#include <rapport/math/moments.hpp>
#include <rapport/mixed/r_squared.hpp>

#include <algorithm>

namespace rapport {
namespace {

/// The mean of z'Σz over the rows.
double mean_variance(const RandomTerm& term, const Eigen::MatrixXd& covariance) {
  const Eigen::MatrixXd squares = term.columns.transpose() * term.columns;
  return squares.cwiseProduct(covariance).sum() / static_cast<double>(term.columns.rows());
}

}  // namespace

VarianceExplained variance_explained(const Design& design, const MixedFit& fit) {
  Eigen::VectorXd fixed = Eigen::VectorXd::Zero(design.fixed.rows());
  for (std::size_t j = 0; j < fit.fixed.columns.size(); ++j)
    fixed += fit.fixed.estimate[static_cast<Index>(j)] * design.fixed.col(fit.fixed.columns[j]);
  const bool varies =
      fixed.maxCoeff() > fixed.minCoeff();  // exactly 0 for a constant, not its rounding
  std::vector<double> shares;
  for (std::size_t k = 0; k < design.random.size(); ++k)
    shares.push_back(mean_variance(design.random[k], fit.random[k].covariance));
  return variance_explained(fit, varies ? variance(fixed) : 0, shares);
}

VarianceExplained variance_explained(const MixedFit& fit, double fixed,
                                     const std::vector<double>& shares) {
  VarianceExplained explained{.fixed = fixed,
                              .random = 0,
                              .residual = fit.residual.sd * fit.residual.sd,
                              .marginal = 0,
                              .conditional = 0,
                              .icc = {}};
  for (std::size_t k = 0; k < shares.size(); ++k) {
    explained.random += shares[k];
    const auto same = std::find_if(
        explained.icc.begin(), explained.icc.end(),
        [&](const FactorShare& known) { return known.factor == fit.random[k].factor; });
    if (same == explained.icc.end())
      explained.icc.push_back({.factor = fit.random[k].factor, .value = shares[k]});
    else
      same->value += shares[k];
  }
  for (FactorShare& factor : explained.icc) factor.value /= explained.random + explained.residual;
  const double total = explained.fixed + explained.random + explained.residual;
  explained.marginal = explained.fixed / total;
  explained.conditional = (explained.fixed + explained.random) / total;
  return explained;
}

}  // namespace rapport
