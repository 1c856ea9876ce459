#include <rapport/base/missing.hpp>
#include <rapport/mixed/location_scale.hpp>

#include <cmath>

namespace rapport {

std::vector<VarianceTerm> log_linear_variance(const EffectColumns& effects) {
  std::vector<VarianceTerm> terms;
  for (std::size_t k = 0; k < effects.terms.size(); ++k)
    terms.push_back({.function = VarianceFunction::exponential,
                     .covariate = effects.columns.col(static_cast<Index>(k)),
                     .name = "exp(" + effects.terms[k] + ")"});
  return terms;
}

std::vector<OtherParameter> log_variance_effects(const ResidualFit& fit,
                                                 const EffectColumns& effects) {
  // Exponents are of the SD: τ = 2δ. The last internal parameter is σ² up to a factor; the fixed
  // effects' covariance is proportional to it.
  const CovarianceInformation& information = fit.fit.information;
  const Eigen::MatrixXd& covariance = information.parameter_covariance;
  const Index last = information.theta.size();
  const auto m = static_cast<Index>(effects.terms.size());
  const bool any = fit.fit.fixed.covariance.size() > 0;
  const double sigma_squared =
      any ? fit.fit.fixed.covariance(0, 0) / information.fixed_gradient.back()(0, 0) : missing;
  std::vector<OtherParameter> result;
  result.push_back({.term = "(Intercept)",
                    .estimate = 2 * std::log(fit.fit.residual.sd),
                    .standard_error = std::sqrt(covariance(last, last)) / sigma_squared});
  for (Index k = 0; k < m; ++k) {
    const Index position = last - m + k;
    result.push_back({.term = effects.terms[static_cast<std::size_t>(k)],
                      .estimate = 2 * information.theta[position],
                      .standard_error = 2 * std::sqrt(covariance(position, position))});
  }
  return result;
}

}  // namespace rapport
