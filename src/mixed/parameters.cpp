#include "parameters.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/inference.hpp>

#include "model.hpp"
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Derivatives of the covariance matrix of a term, in the user's units, in (θ, internal σ²).
std::vector<MatrixXd> covariance_gradient(const MixedModel::Data& data, const MixedFit& fit,
                                          std::size_t t) {
  const TermPlace& term = data.terms[t];
  const Index q = term.size();
  const std::vector<MatrixXd> factors = data.structure.factors(fit.information.theta);
  const MatrixXd factor = factors[at(term.level)].block(term.first, term.first, q, q);
  const double sigma_squared = fit.residual.sd * fit.residual.sd;
  std::vector<MatrixXd> result;
  for (const CovarianceStructure::Coordinate& c : data.structure.coordinates()) {
    MatrixXd change = MatrixXd::Zero(q, q);
    if (c.level == term.level && c.row >= term.first && c.row < term.first + q) {
      change.row(c.row - term.first) += factor.col(c.column - term.first).transpose();
      change.col(c.row - term.first) += factor.col(c.column - term.first);
    }
    result.emplace_back(sigma_squared * term.transform * change * term.transform.transpose());
  }
  const double internal = sigma_squared * data.response_scale * data.response_scale;
  result.emplace_back(fit.random[t].covariance / internal);
  return result;
}

/// The derivative of a parameter of the random part in (θ, internal σ²).
VectorXd parameter_gradient(const MixedModel::Data& data, const MixedFit& fit,
                            const FitParameter& parameter) {
  const Index n = data.structure.n_parameters();
  VectorXd gradient = VectorXd::Zero(n + 1);
  if (parameter.kind == FitParameter::Kind::sigma) {
    gradient[n] = 1 / (2 * fit.residual.sd * data.response_scale * data.response_scale);
    return gradient;
  }
  const std::vector<MatrixXd> changes = covariance_gradient(data, fit, parameter.term);
  const RandomEffects& random = fit.random[parameter.term];
  const Index i = parameter.row;
  const Index j = parameter.column;
  for (Index k = 0; k <= n; ++k) {
    const MatrixXd& change = changes[at(k)];
    if (parameter.kind == FitParameter::Kind::sd) {
      gradient[k] = change(i, i) / (2 * random.sd[i]);
    } else {
      const double rho = random.correlation(i, j);
      gradient[k] =
          change(i, j) / (random.sd[i] * random.sd[j]) -
          0.5 * rho *
              (change(i, i) / random.covariance(i, i) + change(j, j) / random.covariance(j, j));
    }
  }
  return gradient;
}

/// Wald limits on the log scale of an SD, and on Fisher's z of a correlation.
ConfidenceInterval transformed_interval(FitParameter::Kind kind, double estimate,
                                        double standard_error, double level) {
  if (kind == FitParameter::Kind::correlation) {
    ConfidenceInterval ci =
        normal_interval(std::atanh(estimate), standard_error / (1 - estimate * estimate), level);
    return {std::tanh(ci.lower), std::tanh(ci.upper), level};
  }
  const ConfidenceInterval ci =
      normal_interval(std::log(estimate), standard_error / estimate, level);
  return {std::exp(ci.lower), std::exp(ci.upper), level};
}

}  // namespace

std::vector<FitParameter> fit_parameters(const MixedFit& fit) {
  std::vector<FitParameter> result;
  for (std::size_t t = 0; t < fit.random.size(); ++t) {
    const RandomEffects& term = fit.random[t];
    for (Index j = 0; j < term.sd.size(); ++j) {
      result.push_back(
          {"sd(" + term.terms[at(j)] + "|" + term.factor + ")", FitParameter::Kind::sd, t, j, j});
      for (Index i = j + 1; i < term.sd.size(); ++i)
        result.push_back(
            {"cor(" + term.terms[at(j)] + "," + term.terms[at(i)] + "|" + term.factor + ")",
             FitParameter::Kind::correlation, t, i, j});
    }
  }
  result.push_back({"sigma", FitParameter::Kind::sigma});
  for (std::size_t j = 0; j < fit.fixed.terms.size(); ++j)
    result.push_back({fit.fixed.terms[j], FitParameter::Kind::fixed, 0, static_cast<Index>(j), 0});
  return result;
}

double parameter_estimate(const MixedFit& fit, const FitParameter& parameter) {
  switch (parameter.kind) {
    case FitParameter::Kind::sd:
      return fit.random[parameter.term].sd[parameter.row];
    case FitParameter::Kind::correlation:
      return fit.random[parameter.term].correlation(parameter.row, parameter.column);
    case FitParameter::Kind::sigma:
      return fit.residual.sd;
    case FitParameter::Kind::fixed:
      return fit.fixed.estimate[parameter.row];
  }
  throw InvalidArgument("parameter_estimate: not a FitParameter::Kind");
}

std::vector<ParameterInterval> variance_intervals(const MixedModel& model, const MixedFit& fit,
                                                  double level) {
  require_level("variance_intervals", "level", level);
  std::vector<ParameterInterval> result;
  for (const FitParameter& parameter : fit_parameters(fit)) {
    if (parameter.kind == FitParameter::Kind::fixed) continue;
    const double estimate = parameter_estimate(fit, parameter);
    const VectorXd gradient = parameter_gradient(model.data(), fit, parameter);
    const double variance = gradient.dot(fit.information.parameter_covariance * gradient);
    const bool boundary = parameter.kind == FitParameter::Kind::correlation
                              ? !(std::abs(estimate) < 1 - 1e-6)
                              : !(estimate > 0);
    const double standard_error = boundary ? missing : std::sqrt(variance);
    result.push_back({parameter.name, estimate, standard_error,
                      boundary
                          ? ConfidenceInterval{missing, missing, level}
                          : transformed_interval(parameter.kind, estimate, standard_error, level)});
  }
  return result;
}

}  // namespace rapport
