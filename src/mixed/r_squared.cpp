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
  VarianceExplained explained{.fixed = varies ? variance(fixed) : 0,
                              .random = 0,
                              .residual = fit.residual.sd * fit.residual.sd,
                              .marginal = 0,
                              .conditional = 0,
                              .icc = {}};
  for (std::size_t k = 0; k < design.random.size(); ++k) {
    const double share = mean_variance(design.random[k], fit.random[k].covariance);
    explained.random += share;
    const auto same = std::find_if(
        explained.icc.begin(), explained.icc.end(),
        [&](const FactorShare& known) { return known.factor == design.random[k].factor; });
    if (same == explained.icc.end())
      explained.icc.push_back({.factor = design.random[k].factor, .value = share});
    else
      same->value += share;
  }
  for (FactorShare& factor : explained.icc) factor.value /= explained.random + explained.residual;
  const double total = explained.fixed + explained.random + explained.residual;
  explained.marginal = explained.fixed / total;
  explained.conditional = (explained.fixed + explained.random) / total;
  return explained;
}

}  // namespace rapport
