#include <rapport/base/error.hpp>
#include <rapport/mixed/residual.hpp>

#include <Eigen/Eigenvalues>

#include "describe.hpp"
#include "residual_fit.hpp"
#include "residual_structure.hpp"
#include <algorithm>
#include <cmath>
#include <utility>

namespace rapport {

using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Central differences around the argument of the optimum: the Hessian and what inference needs.
void look_around(ResidualObjective& objective, ResidualOptimum& optimum) {
  Minimum& best = optimum.minimum;
  const Index k = best.x.size();
  const VectorXd curvature = best.hessian.diagonal();
  best.hessian.resize(k, k);
  optimum.cross.resize(k);
  optimum.covariance_slopes.clear();
  VectorXd right;
  VectorXd left;
  const auto evaluate = [&](Index j, double step, VectorXd& gradient) {
    VectorXd shifted = best.x;
    shifted[j] += step;
    if (!std::isfinite(objective.evaluate(shifted, &gradient)))
      throw DataError(
          "fit_residual_model: the likelihood rises without end as the covariance of the residuals "
          "becomes singular: the rows are too few for this structure; choose one with fewer "
          "parameters");
  };
  for (Index j = 0; j < k; ++j) {
    const double step = 3e-4 / std::sqrt(std::clamp(std::abs(curvature[j]), 1e-4, 1e8));
    evaluate(j, step, right);
    const double squares = objective.penalised_squares();
    const MatrixXd covariance = objective.unscaled_covariance();
    evaluate(j, -step, left);
    best.hessian.col(j) = 0.5 * (right - left) / (2 * step);
    optimum.cross[j] = -0.5 * (squares - objective.penalised_squares()) / (2 * step);
    optimum.covariance_slopes.emplace_back((covariance - objective.unscaled_covariance()) /
                                           (2 * step));
  }
  best.evaluations += 2 * k;
  best.hessian = (0.5 * (best.hessian + best.hessian.transpose())).eval();
}

/// Newton steps with the Hessian around the end; false where that has a direction of negative
/// curvature.
bool polish(ResidualObjective& objective, ResidualOptimum& optimum) {
  Minimum& best = optimum.minimum;
  const auto evaluate = [&](const VectorXd& x, VectorXd& gradient) {
    ++best.evaluations;
    const double value = 0.5 * objective.evaluate(x, &gradient);
    gradient *= 0.5;
    return value;
  };
  best.value = evaluate(best.x, best.gradient);
  for (int repeat = 0; repeat < 4; ++repeat) {
    look_around(objective, optimum);
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(best.hessian);
    best.smallest_curvature = best.x.size() == 0 ? 1 : eigen.eigenvalues()[0];
    if (best.smallest_curvature < -1e-6) return false;
    const VectorXd curvature = eigen.eigenvalues().cwiseMax(1e-10);
    double moved = 0;
    for (int step = 0; step < 3; ++step) {
      const VectorXd direction =
          -eigen.eigenvectors() *
          (eigen.eigenvectors().transpose() * best.gradient).cwiseQuotient(curvature);
      best.decrement = -best.gradient.dot(direction);
      if (best.decrement <= 1e-15 * std::max(1.0, std::abs(best.value)) || best.decrement > 10)
        break;
      VectorXd gradient;
      const double value = evaluate(best.x + direction, gradient);
      const double noise = 1e-13 * std::max(1.0, std::abs(best.value));
      if (!(value <= best.value + noise) || !(gradient.norm() < best.gradient.norm())) break;
      best.x += direction;
      best.value = value;
      best.gradient = gradient;
      moved = std::max(moved, best.decrement);
    }
    if (moved < 1e-6) break;  // the Hessian stands for the end: it moved by 1e-3 standard errors
  }
  return true;
}

}  // namespace

ResidualOptimum minimize_residual(ResidualObjective& objective, const VectorXd& start,
                                  Index iterations) {
  ResidualOptimum optimum;
  Minimum& best = optimum.minimum;
  const auto criterion = [&](const VectorXd& x, Derivatives& out) {
    ++best.evaluations;
    out.value = 0.5 * objective.evaluate(x, &out.gradient);
    if (!std::isfinite(out.value)) out.gradient = VectorXd::Zero(x.size());
    out.gradient *= 0.5;
  };
  best.x = start;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Optimum reached = approach_minimum(criterion, best.x, {}, 1e-2, iterations);
    best.iterations += reached.iterations;
    best.x = reached.argument;
    best.hessian = reached.hessian;
    if (best.hessian.rows() != best.x.size())
      best.hessian = MatrixXd::Identity(best.x.size(), best.x.size());
    const bool minimum = polish(objective, optimum);
    best.converged = reached.termination != Termination::iteration_limit && best.decrement < 1e-6;
    if (minimum) break;
    // A saddle, such as a variance of 0 that wants to grow: leave it along the direction of
    // negative curvature.
    best.x += 0.3 * Eigen::SelfAdjointEigenSolver<MatrixXd>(best.hessian).eigenvectors().col(0);
  }
  objective.evaluate(best.x, nullptr);
  return optimum;
}

namespace {

/// The random effects; true if a covariance is singular.
bool describe_random(const Design& design, ResidualObjective& objective, bool with_effects,
                     MixedFit& fit) {
  const std::vector<MatrixXd> factors = objective.factors();
  const double scale = std::sqrt(objective.sigma_squared()) * objective.response_scale();
  ResidualObjective::Effects effects;
  if (with_effects) effects = objective.effects();
  bool singular = false;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const MatrixXd factor = scale * factors[t];
    RandomEffects random = describe_term(design.random[t], factor);
    if (with_effects) {
      random.blups = std::move(effects.modes[t]);
      random.conditional_covariance = objective.sigma_squared() * effects.covariances[t];
    }
    fit.random.push_back(std::move(random));
    singular = singular || is_singular(design.random[t], factor, scale);
  }
  return singular;
}

/// Cov(x, σ²) from the Hessian of −log L unprofiled, and the derivatives of Cov(β̂) in them.
CovarianceInformation describe_information(const ResidualObjective& objective,
                                           const ResidualOptimum& optimum) {
  const Index k = optimum.minimum.x.size();
  const double nu = objective.degrees();
  const double sigma2 = objective.sigma_squared();
  const VectorXd cross = optimum.cross / sigma2;
  CovarianceInformation information;
  information.theta = optimum.minimum.x;
  for (const MatrixXd& slope : optimum.covariance_slopes)
    information.fixed_gradient.emplace_back(sigma2 * slope);
  information.fixed_gradient.emplace_back(objective.unscaled_covariance());
  MatrixXd hessian(k + 1, k + 1);
  hessian.topLeftCorner(k, k) = optimum.minimum.hessian + 2 / nu * cross * cross.transpose();
  hessian.topRightCorner(k, 1) = cross;
  hessian.bottomLeftCorner(1, k) = cross.transpose();
  hessian(k, k) = 0.5 * nu;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(hessian);
  const double floor = 1e-9 * eigen.eigenvalues().maxCoeff();
  const VectorXd inverse =
      eigen.eigenvalues().unaryExpr([&](double v) { return v > floor ? 1 / v : 0.0; });
  information.parameter_covariance =
      eigen.eigenvectors() * inverse.asDiagonal() * eigen.eigenvectors().transpose();
  information.parameter_covariance.row(k) *= sigma2;  // from log σ² to σ²
  information.parameter_covariance.col(k) *= sigma2;
  return information;
}

/// L⁻¹(y − fitted) of each group, LL' the covariance of its residuals.
VectorXd normalized_residuals(const Design& design, const SortedRows& rows,
                              const ResidualObjective& objective, const ResidualFit& fit) {
  const auto n = static_cast<Index>(rows.order.size());
  MatrixXd sorted(n, 1);
  for (Index k = 0; k < n; ++k) {
    const Index row = rows.order[at(k)];
    const double weight = design.weights.size() > 0 ? design.weights[row] : 1;
    const auto variance_class = objective.variance().class_of()[at(k)];
    sorted(k, 0) = (design.response[row] - fit.fitted[row]) * std::sqrt(weight) /
                   (fit.fit.residual.sd * objective.variance().multiplier()[variance_class]);
  }
  for (Index g = 0; g < rows.n_groups(); ++g) {
    const Index first = rows.group_starts[at(g)];
    objective.correlation().whiten(g,
                                   sorted.middleRows(first, rows.group_starts[at(g + 1)] - first));
  }
  VectorXd result(n);
  for (Index k = 0; k < n; ++k) result[rows.order[at(k)]] = sorted(k, 0);
  return result;
}

}  // namespace
}  // namespace detail

ResidualFit fit_residual_model(const Design& design, const ResidualStructure& structure,
                               const FitOptions& options) {
  const detail::SortedRows rows = detail::structured_rows(design, structure);
  const Index n = design.response.size();
  ResidualFit result{};
  MixedFit& fit = result.fit;
  fit.fixed = detail::estimable_fixed_effects(design, "fit_residual_model");
  const auto p = static_cast<Index>(fit.fixed.columns.size());

  detail::ResidualObjective objective(design, structure, rows, fit.fixed.columns,
                                      options.criterion);
  const detail::ResidualOptimum optimum =
      detail::minimize_residual(objective, objective.start(), options.iterations);

  fit.data = {
      .observations = n, .omitted = design.n_omitted, .residual_df = static_cast<double>(n - p)};
  fit.fixed.estimate = objective.fixed();
  fit.fixed.covariance = objective.sigma_squared() * objective.unscaled_covariance();
  fit.fixed.standard_error = fit.fixed.covariance.diagonal().cwiseSqrt();
  const bool singular = detail::describe_random(design, objective, options.random_effects, fit);
  fit.residual.sd = std::sqrt(objective.sigma_squared()) * objective.response_scale();
  fit.criterion =
      detail::describe_criterion(2 * optimum.minimum.value + objective.constant(),
                                 options.criterion, p + objective.n_parameters() + 1, n);
  fit.information = detail::describe_information(objective, optimum);
  fit.optimizer = detail::describe_search(optimum.minimum, singular);
  result.correlation = structure.correlation;
  objective.correlation().describe(result);
  objective.variance().describe(result);
  if (!options.random_effects) return result;
  result.fitted = fitted_values(design, fit);
  result.normalized = detail::normalized_residuals(design, rows, objective, result);
  return result;
}

}  // namespace rapport
