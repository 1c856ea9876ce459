#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/generalized_inference.hpp>

#include "bootstrap_replicates.hpp"
#include "generalized_parameters.hpp"
#include "random_draws.hpp"
#include "response_distribution.hpp"
#include <algorithm>

namespace rapport {
namespace {

using detail::GeneralizedParameter;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// offset + Xβ.
VectorXd fixed_part(const Design& design, const GeneralizedFit& fit) {
  VectorXd eta = design.fixed(Eigen::all, fit.fixed.columns) * fit.fixed.estimate;
  if (design.offset.size() > 0) eta += design.offset;
  return eta;
}

VectorXd draw_responses(const Design& design, const GeneralizedFit& fit, const VectorXd& fixed,
                        RandomStream stream) {
  const detail::ResponseDistribution distribution(design, fit);
  VectorXd response = fixed + detail::draw_random_part(design, fit.random, stream);
  for (Index i = 0; i < response.size(); ++i)
    response[i] = distribution.draw(i, response[i], stream);
  return response;
}

}  // namespace

MatrixXd simulate_responses(const Design& design, const GeneralizedFit& fit, Seed seed,
                            Index replicates) {
  require_at_least("simulate_responses", "replicates", replicates, 1);
  const VectorXd fixed = fixed_part(design, fit);
  MatrixXd result(fixed.size(), replicates);
  for (Index replicate = 0; replicate < replicates; ++replicate)
    result.col(replicate) = draw_responses(
        design, fit, fixed, RandomStream(seed, static_cast<std::uint64_t>(replicate)));
  return result;
}

MixedBootstrap parametric_bootstrap(const Design& design, const GeneralizedFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options) {
  const std::vector<GeneralizedParameter> parameters = detail::generalized_parameters(fit);
  const auto n = static_cast<Index>(parameters.size());
  const VectorXd fixed = fixed_part(design, fit);
  GeneralizedOptions refit = fit.options;
  refit.random_effects = false;
  std::vector<char> singular(static_cast<std::size_t>(std::max<Index>(options.replicates, 0)), 0);
  const MatrixXd columns = detail::bootstrap_columns(n, options, [&](Index replicate) {
    VectorXd values = VectorXd::Constant(n, missing);
    Design drawn = design;
    drawn.response = draw_responses(design, fit, fixed,
                                    RandomStream(seed, static_cast<std::uint64_t>(replicate)));
    try {
      const GeneralizedFit again = fit_generalized_model(drawn, refit);
      if (again.fixed.columns != fit.fixed.columns) return values;
      singular[static_cast<std::size_t>(replicate)] = again.optimizer.singular ? 1 : 0;
      for (Index k = 0; k < n; ++k)
        values[k] = detail::parameter_estimate(again, parameters[static_cast<std::size_t>(k)]);
    } catch (const DataError&) {  // counted below
    }
    return values;
  });
  MixedBootstrap result;
  result.replicates = columns.transpose();
  result.n_singular = std::count(singular.begin(), singular.end(), 1);
  for (Index r = 0; r < columns.cols(); ++r)
    result.n_failed += columns.col(r).array().isNaN().all() ? 1 : 0;
  for (Index k = 0; k < n; ++k) {
    const GeneralizedParameter& parameter = parameters[static_cast<std::size_t>(k)];
    result.intervals.push_back(
        detail::percentile_interval(parameter.name, detail::parameter_estimate(fit, parameter),
                                    result.replicates.col(k), options.confidence_level));
  }
  return result;
}

LikelihoodRatioTest likelihood_ratio_test(const GeneralizedFit& a, const GeneralizedFit& b) {
  if (a.family != b.family || a.link != b.link || a.quadrature_points != b.quadrature_points)
    throw InvalidArgument(
        "likelihood_ratio_test: `a` and `b` differ in family, link or quadrature points, so that "
        "their likelihoods do not compare; fit both alike");
  const auto comparable = [](const GeneralizedFit& fit) {
    MixedFit linear{};
    linear.fixed = fit.fixed;
    linear.random = fit.random;
    linear.criterion = fit.criterion;
    linear.data = fit.data;
    return linear;
  };
  return likelihood_ratio_test(comparable(a), comparable(b));
}

}  // namespace rapport
