#include <rapport/base/error.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Eigenvalues>
#include <Eigen/LU>

#include "bootstrap_replicates.hpp"
#include "model.hpp"
#include "parameters.hpp"
#include "random_draws.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A fit's parameters on the internal scale of its model.
struct InternalParameters {
  std::vector<MatrixXd> factors;
  VectorXd coefficients;
  double sigma;
};

InternalParameters internal_parameters(const MixedModel::Data& data, const MixedFit& fit) {
  const VectorXd scaled = data.response_scale * (fit.fixed.estimate - data.fixed_shift);
  return {data.structure.factors(fit.information.theta),
          data.fixed_transform.partialPivLu().solve(scaled), fit.residual.sd * data.response_scale};
}

/// The parameters of the model fitted to one drawn response.
VectorXd replicate_parameters(const MixedModel::Data& data, const InternalParameters& truth,
                              const std::vector<FitParameter>& parameters, Criterion criterion,
                              RandomStream stream, bool& singular) {
  const std::unique_ptr<CrossProducts> drawn =
      data.products->simulate(truth.factors, truth.coefficients, truth.sigma, stream);
  const Objective objective(*drawn, data.structure, criterion, data.observations);
  const CriterionOptimum optimum = minimize_criterion(objective, start_theta(data), 200);
  const MixedFit fit = describe_estimates(data, optimum);
  singular = fit.optimizer.singular;
  VectorXd values(static_cast<Index>(parameters.size()));
  for (std::size_t k = 0; k < parameters.size(); ++k)
    values[static_cast<Index>(k)] = parameter_estimate(fit, parameters[k]);
  return values;
}

}  // namespace

MixedBootstrap parametric_bootstrap(const MixedModel& model, const MixedFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options) {
  const MixedModel::Data& data = model.data();
  const InternalParameters truth = internal_parameters(data, fit);
  const std::vector<FitParameter> parameters = fit_parameters(fit);
  const auto n = static_cast<Index>(parameters.size());
  std::vector<char> singular(static_cast<std::size_t>(std::max<Index>(options.replicates, 0)), 0);
  const MatrixXd columns = detail::bootstrap_columns(n, options, [&](Index replicate) {
    bool is_singular = false;
    VectorXd values = replicate_parameters(
        data, truth, parameters, fit.criterion.method,
        RandomStream(seed, static_cast<std::uint64_t>(replicate)), is_singular);
    singular[static_cast<std::size_t>(replicate)] = is_singular ? 1 : 0;
    return values;
  });
  MixedBootstrap result;
  result.replicates = columns.transpose();
  result.n_singular = std::count(singular.begin(), singular.end(), 1);
  for (Index k = 0; k < n; ++k) {
    const FitParameter& parameter = parameters[static_cast<std::size_t>(k)];
    result.intervals.push_back(
        detail::percentile_interval(parameter.name, parameter_estimate(fit, parameter),
                                    result.replicates.col(k), options.confidence_level));
  }
  return result;
}

VectorXd detail::draw_random_part(const Design& design, const std::vector<RandomEffects>& random,
                                  RandomStream& stream) {
  VectorXd part = VectorXd::Zero(design.response.size());
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(random[t].covariance);
    const MatrixXd root =
        solver.eigenvectors() * solver.eigenvalues().cwiseMax(0).cwiseSqrt().asDiagonal();
    MatrixXd effects(term.columns.cols(), static_cast<Index>(term.levels.size()));
    for (Index g = 0; g < effects.cols(); ++g)
      effects.col(g) = root * VectorXd::NullaryExpr(root.cols(), [&] { return stream.normal(); });
    for (Index i = 0; i < part.size(); ++i)
      part[i] += term.columns.row(i).dot(effects.col(term.group[static_cast<std::size_t>(i)]));
  }
  return part;
}

Eigen::MatrixXd simulate_responses(const Design& design, const MixedFit& fit, Seed seed,
                                   Index replicates) {
  require_at_least("simulate_responses", "replicates", replicates, 1);
  const Index n = design.response.size();
  const VectorXd mean = fitted_values(design, fit, true);
  MatrixXd result(n, replicates);
  for (Index replicate = 0; replicate < replicates; ++replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    VectorXd response = mean + detail::draw_random_part(design, fit.random, stream);
    for (Index i = 0; i < n; ++i) {
      const double weight = design.weights.size() == 0 ? 1 : design.weights[i];
      response[i] += fit.residual.sd / std::sqrt(weight) * stream.normal();
    }
    result.col(replicate) = response;
  }
  return result;
}

}  // namespace rapport
