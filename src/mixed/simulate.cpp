#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Eigenvalues>
#include <Eigen/LU>

#include "model.hpp"
#include "parameters.hpp"
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
  const CriterionOptimum optimum =
      minimize_criterion(objective, identity_theta(data.structure), 200);
  const MixedFit fit =
      describe_fit(data, optimum, {.criterion = criterion, .random_effects = false});
  singular = fit.optimizer.singular;
  VectorXd values(static_cast<Index>(parameters.size()));
  for (std::size_t k = 0; k < parameters.size(); ++k)
    values[static_cast<Index>(k)] = parameter_estimate(fit, parameters[k]);
  return values;
}

/// Percentiles of the replicates in which the parameter is defined.
ParameterInterval percentile_interval(const std::string& name, double estimate,
                                      const VectorXd& column, double level) {
  std::vector<double> values;
  for (const double value : column)
    if (!is_missing(value)) values.push_back(value);
  const Eigen::Map<const VectorXd> defined(values.data(), static_cast<Index>(values.size()));
  ParameterInterval result{name, estimate, missing, {missing, missing, level}};
  if (values.size() < 2) return result;
  result.standard_error = std::sqrt(variance(defined));
  result.ci.lower = quantile(defined, (1 - level) / 2);
  result.ci.upper = quantile(defined, (1 + level) / 2);
  return result;
}

}  // namespace

MixedBootstrap parametric_bootstrap(const MixedModel& model, const MixedFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options) {
  require_level("parametric_bootstrap", "confidence_level", options.confidence_level);
  require_at_least("parametric_bootstrap", "replicates", options.replicates, 1);
  const MixedModel::Data& data = model.data();
  const InternalParameters truth = internal_parameters(data, fit);
  const std::vector<FitParameter> parameters = fit_parameters(fit);
  const auto n = static_cast<Index>(parameters.size());
  MatrixXd columns(n, options.replicates);
  std::vector<char> singular(static_cast<std::size_t>(options.replicates), 0);
  constexpr Index batch = 64;  // between two words to the listener
  for (Index first = 0; first < options.replicates; first += batch) {
    const Index count = std::min(batch, options.replicates - first);
    parallel_for(count, options.threads, [&](Index i) {
      bool is_singular = false;
      columns.col(first + i) = replicate_parameters(
          data, truth, parameters, fit.criterion.method,
          RandomStream(seed, static_cast<std::uint64_t>(first + i)), is_singular);
      singular[static_cast<std::size_t>(first + i)] = is_singular ? 1 : 0;
    });
    if (options.progress && !options.progress(first + count, options.replicates))
      throw Interrupted("parametric_bootstrap: stopped");
  }
  MixedBootstrap result;
  result.replicates = columns.transpose();
  result.n_singular = std::count(singular.begin(), singular.end(), 1);
  for (Index k = 0; k < n; ++k) {
    const FitParameter& parameter = parameters[static_cast<std::size_t>(k)];
    result.intervals.push_back(
        percentile_interval(parameter.name, parameter_estimate(fit, parameter),
                            result.replicates.col(k), options.confidence_level));
  }
  return result;
}

Eigen::MatrixXd simulate_responses(const Design& design, const MixedFit& fit, Seed seed,
                                   Index replicates) {
  require_at_least("simulate_responses", "replicates", replicates, 1);
  const Index n = design.response.size();
  const VectorXd mean = fitted_values(design, fit, true);
  MatrixXd result(n, replicates);
  for (Index replicate = 0; replicate < replicates; ++replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    VectorXd response = mean;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      const RandomTerm& term = design.random[t];
      const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(fit.random[t].covariance);
      const MatrixXd root =
          solver.eigenvectors() * solver.eigenvalues().cwiseMax(0).cwiseSqrt().asDiagonal();
      MatrixXd effects(term.columns.cols(), static_cast<Index>(term.levels.size()));
      for (Index g = 0; g < effects.cols(); ++g)
        effects.col(g) = root * VectorXd::NullaryExpr(root.cols(), [&] { return stream.normal(); });
      for (Index i = 0; i < n; ++i)
        response[i] +=
            term.columns.row(i).dot(effects.col(term.group[static_cast<std::size_t>(i)]));
    }
    for (Index i = 0; i < n; ++i) {
      const double weight = design.weights.size() == 0 ? 1 : design.weights[i];
      response[i] += fit.residual.sd / std::sqrt(weight) * stream.normal();
    }
    result.col(replicate) = response;
  }
  return result;
}

}  // namespace rapport
