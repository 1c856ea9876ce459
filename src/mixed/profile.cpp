#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Jacobi>
#include <Eigen/LU>
#include <Eigen/QR>

#include "model.hpp"
#include "parameters.hpp"
#include "profile_limit.hpp"
#include "search.hpp"
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Makes a square G lower triangular with the same GG', its diagonal not negative.
void make_triangular(Eigen::Ref<MatrixXd> g) {
  for (Index i = 0; i < g.rows(); ++i) {
    for (Index j = i + 1; j < g.cols(); ++j) {
      Eigen::JacobiRotation<double> rotation;
      rotation.makeGivens(g(i, i), g(i, j));
      g.applyOnTheRight(i, j, rotation);
      g(i, j) = 0;
    }
    if (g(i, i) < 0) g.col(i) *= -1;
  }
}

/// Where the block of a term starts among the coordinates of its level.
struct BlockPlace {
  Index level;
  Index first;
  Index size;
};

/// −2 log L as a function of the entries of lower triangular factors L of the covariances and of σ,
/// one parameter held at a given value.
///
/// The effects of the term in question are taken in the user's units with the parameter's effects
/// first, so that their SD is |L₁₁| and their correlation L₂₁/√(L₂₁² + L₂₂²): to hold either makes
/// the free entries a linear function of fewer variables. All else is on the model's internal
/// scale, and every unit is such that the estimates have size 1. Where a correlation is held, the
/// two lengths that give it its sign are positive: their logarithms are free.
class HeldDeviance {
 public:
  HeldDeviance(const MixedModel::Data& data, const MixedFit& fit, const FitParameter& parameter)
      : data_(data),
        objective_(*data.products, data.structure, Criterion::ml, data.observations),
        parameter_(parameter),
        sigma_unit_(fit.residual.sd * data.response_scale) {
    const Index n = data.structure.n_parameters();
    std::vector<MatrixXd> factors = data.structure.factors(fit.information.theta);
    for (MatrixXd& factor : factors) {
      factor *= sigma_unit_;
      maps_.push_back(MatrixXd::Identity(factor.rows(), factor.cols()));
    }
    if (parameter.kind != FitParameter::Kind::sigma) take_user_units(fit, factors);
    entries_.resize(n + 1);
    entries_.head(n) = data.structure.theta(factors);
    entries_[n] = 1;
    leave_zero();
    covariance_map_ = linear_map();
    const double estimate = parameter_estimate(fit, parameter);
    hold(estimate);
    last_ = {estimate, start_};
  }

  /// The least deviance with the parameter at `value`, started where the line through the last two
  /// ends leads.
  double operator()(double value) {
    constexpr double tolerance = 1e-8;  // the last step's decrease is taken from its model
    hold(value);
    const detail::Minimum minimum = detail::find_minimum_by_newton(
        [this](const VectorXd& x, Derivatives& derivatives) { evaluate(x, derivatives); },
        predicted_start(value), 100, tolerance);
    before_ = std::exchange(last_, {value, minimum.x});
    entries_ = offset_ + basis_ * unlogged(minimum.x);
    return minimum.converged ? minimum.value - 0.5 * minimum.decrement : minimum.value;
  }

 private:
  /// The end of a search.
  struct End {
    double held = missing;
    VectorXd free = {};
  };

  [[nodiscard]] VectorXd predicted_start(double value) const {
    const double reach = (value - last_.held) / (last_.held - before_.held);
    if (!(std::abs(reach) <= 2)) return start_;
    const VectorXd start = last_.free + reach * (last_.free - before_.free);
    return (offset_ + basis_ * unlogged(start)).tail<1>()[0] > 0 ? start : start_;
  }

  void take_user_units(const MixedFit& fit, std::vector<MatrixXd>& factors) {
    const TermPlace& term = data_.terms[parameter_.term];
    const RandomEffects& random = fit.random[parameter_.term];
    const Index q = term.size();
    block_ = {term.level, term.first, q};
    std::vector<Index> order = {parameter_.row};
    if (parameter_.kind == FitParameter::Kind::correlation) order.push_back(parameter_.column);
    for (Index i = 0; i < q; ++i)
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    MatrixXd to_user = MatrixXd::Zero(q, q);  // effects in units of their SD, in the order wanted
    for (Index i = 0; i < q; ++i) {
      const Index effect = order[at(i)];
      const double error_sd = fit.residual.sd * term.transform.row(effect).norm();
      const double unit = std::max(random.sd[effect], 1e-3 * error_sd);
      if (i == 0) parameter_unit_ = unit;
      to_user.row(i) = term.transform.row(effect) / (data_.response_scale * unit);
    }
    auto factor = factors[at(term.level)].block(term.first, term.first, q, q);
    factor = (to_user * factor).eval();
    make_triangular(factor);
    maps_[at(term.level)].block(term.first, term.first, q, q) =
        to_user.partialPivLu().solve(MatrixXd::Identity(q, q));
  }

  /// A diagonal of 0 has no slope: the search starts a little away from it.
  void leave_zero() {
    constexpr double little = 1e-2;
    const std::vector<CovarianceStructure::Coordinate>& coordinates = data_.structure.coordinates();
    for (std::size_t k = 0; k < coordinates.size(); ++k) {
      double& entry = entries_[static_cast<Index>(k)];
      const bool own = parameter_.kind != FitParameter::Kind::sigma &&
                       coordinates[k].level == block_.level && coordinates[k].row >= block_.first &&
                       coordinates[k].row < block_.first + block_.size;
      const double unit = own ? 1 : sigma_unit_;
      if (coordinates[k].row == coordinates[k].column && std::abs(entry) < little * unit)
        entry = little * unit;
    }
  }

  /// vech of the internal covariances from vech of LL'.
  [[nodiscard]] MatrixXd linear_map() const {
    const Index n = data_.structure.n_parameters();
    MatrixXd map(n, n);
    for (Index k = 0; k < n; ++k) {
      std::vector<MatrixXd> unit = data_.structure.covariances(VectorXd::Unit(n, k));
      for (std::size_t level = 0; level < unit.size(); ++level)
        unit[level] = (maps_[level] * unit[level] * maps_[level].transpose()).eval();
      map.col(k) = data_.structure.psi(unit);
    }
    return map;
  }

  [[nodiscard]] Index coordinate(Index row, Index column) const {
    const std::vector<CovarianceStructure::Coordinate>& coordinates = data_.structure.coordinates();
    for (std::size_t k = 0; k < coordinates.size(); ++k)
      if (coordinates[k].level == block_.level && coordinates[k].row == block_.first + row &&
          coordinates[k].column == block_.first + column)
        return static_cast<Index>(k);
    return -1;
  }

  /// Makes entries = offset + basis · free with the parameter at `value`.
  void hold(double value) {
    const Index n = data_.structure.n_parameters();
    offset_ = VectorXd::Zero(n + 1);
    basis_ = MatrixXd::Identity(n + 1, n + 1);
    Index removed = n;
    std::vector<bool> logged(at(n + 1), false);
    switch (parameter_.kind) {
      case FitParameter::Kind::sd:
        removed = coordinate(0, 0);
        offset_[removed] = value / parameter_unit_;
        break;
      case FitParameter::Kind::correlation: {
        removed = coordinate(1, 0);
        const Index kept = coordinate(1, 1);
        const double length = std::hypot(entries_[removed], entries_[kept]);
        entries_[kept] = std::max(length, 1e-3);
        logged[at(kept)] = true;
        logged[at(coordinate(0, 0))] = true;
        basis_(removed, kept) = value;
        basis_(kept, kept) = std::sqrt(std::max(0.0, 1 - value * value));
        break;
      }
      case FitParameter::Kind::sigma:
      case FitParameter::Kind::fixed:
        offset_[n] = value * data_.response_scale / sigma_unit_;
        break;
    }
    start_.resize(n);
    logged_.clear();
    MatrixXd kept_basis(n + 1, n);
    for (Index k = 0, column = 0; k <= n; ++k) {
      if (k == removed) continue;
      if (logged[at(k)]) logged_.push_back(column);
      start_[column] = logged[at(k)] ? std::log(std::max(entries_[k], 1e-3)) : entries_[k];
      kept_basis.col(column++) = basis_.col(k);
    }
    basis_ = std::move(kept_basis);
  }

  [[nodiscard]] VectorXd unlogged(VectorXd x) const {
    for (const Index k : logged_) x[k] = std::exp(x[k]);
    return x;
  }

  void evaluate(const VectorXd& x, Derivatives& derivatives) const {
    const Index n = data_.structure.n_parameters();
    const VectorXd free = unlogged(x);
    const VectorXd entries = offset_ + basis_ * free;
    const double sigma = entries[n] * sigma_unit_;
    if (!(sigma > 0)) {
      derivatives.value = infinity;
      return;
    }
    const double v = sigma * sigma;
    std::vector<MatrixXd> factors = data_.structure.factors(entries.head(n));
    std::vector<MatrixXd> products;
    for (std::size_t level = 0; level < factors.size(); ++level) {
      products.emplace_back(factors[level] * factors[level].transpose());
      MatrixXd& factor = factors[level];
      factor = (maps_[level] * factor / sigma).eval();
      Index first = 0;
      for (const Index size : data_.structure.blocks(static_cast<Index>(level))) {
        make_triangular(factor.block(first, first, size, size));
        first += size;
      }
    }
    const VectorXd tau = covariance_map_ * data_.structure.psi(products);
    const VectorXd theta = data_.structure.theta(factors);
    const ProfiledValue value = objective_.value(theta);
    if (!std::isfinite(value.criterion)) {
      derivatives.value = infinity;
      return;
    }
    const double nu = objective_.degrees();
    const double log_determinant =
        value.criterion - nu * (1 + std::log(2 * std::numbers::pi * value.sigma_squared));
    derivatives.value =
        log_determinant + nu * (std::log(2 * std::numbers::pi * v) + value.sigma_squared / v);

    // In (ψ, v), v = σ²; then in (τ, σ), ψ = τ/v; then in the entries.
    const CriterionDerivatives d = objective_.derivatives(value);
    const VectorXd by_psi = d.trace - d.quadratic / v;
    const MatrixXd by_psi_psi = -d.expected + (d.hessian + d.expected) * (value.sigma_squared / v);
    const VectorXd by_psi_v = d.quadratic / (v * v);
    const double by_v = nu / v - nu * value.sigma_squared / (v * v);
    const double by_v_v = -nu / (v * v) + 2 * nu * value.sigma_squared / (v * v * v);
    const VectorXd psi_sigma = -2 * tau / (v * sigma);
    MatrixXd second(n + 1, n + 1);
    second.topLeftCorner(n, n) = by_psi_psi / (v * v);
    second.topRightCorner(n, 1) =
        (by_psi_psi * psi_sigma + 2 * sigma * by_psi_v) / v - 2 * by_psi / (v * sigma);
    second.bottomLeftCorner(1, n) = second.topRightCorner(n, 1).transpose();
    second(n, n) = psi_sigma.dot(by_psi_psi * psi_sigma) + 4 * sigma * psi_sigma.dot(by_psi_v) +
                   4 * v * by_v_v + 6 * by_psi.dot(tau) / (v * v) + 2 * by_v;
    VectorXd first(n + 1);
    first.head(n) = by_psi / v;
    first[n] = by_psi.dot(psi_sigma) + 2 * sigma * by_v;

    MatrixXd jacobian = MatrixXd::Zero(n + 1, n + 1);
    jacobian.topLeftCorner(n, n) = covariance_map_ * data_.structure.jacobian(entries.head(n));
    jacobian(n, n) = sigma_unit_;
    MatrixXd hessian = jacobian.transpose() * second * jacobian;
    hessian.topLeftCorner(n, n) +=
        data_.structure.curvature(covariance_map_.transpose() * first.head(n));
    derivatives.gradient = basis_.transpose() * (jacobian.transpose() * first);
    derivatives.hessian = basis_.transpose() * hessian * basis_;
    for (const Index k : logged_) {
      derivatives.gradient[k] *= free[k];
      derivatives.hessian.row(k) *= free[k];
      derivatives.hessian.col(k) *= free[k];
      derivatives.hessian(k, k) += derivatives.gradient[k];
    }
  }

  const MixedModel::Data& data_;
  Objective objective_;
  FitParameter parameter_;
  double sigma_unit_;
  double parameter_unit_ = 1;
  BlockPlace block_{0, 0, 0};
  std::vector<MatrixXd> maps_;  ///< internal effects from those of L, a level each
  MatrixXd covariance_map_;
  VectorXd entries_;
  VectorXd offset_;
  MatrixXd basis_;
  VectorXd start_;  ///< free variables of entries_
  End last_;
  End before_;
  std::vector<Index> logged_;  ///< free variables that are logarithms
};

/// The least deviance with a fixed effect at `value`: its column moves into the response.
class HeldCoefficient {
 public:
  HeldCoefficient(const MixedModel::Data& data, const MixedFit& fit, Index coefficient)
      : data_(data), theta_(fit.information.theta) {
    // The coefficient is weights'β̃ + shift in the internal β̃.
    const VectorXd weights =
        data.fixed_transform.row(coefficient).transpose() / data.response_scale;
    shift_ = data.fixed_shift[coefficient];
    direction_ = weights / weights.squaredNorm();
    const Eigen::HouseholderQR<MatrixXd> qr(weights);
    const MatrixXd q = qr.householderQ();
    null_space_ = q.rightCols(weights.size() - 1);
    for (Index k = 0; k < theta_.size(); ++k)
      if (std::abs(theta_[k]) < 1e-3 && is_diagonal(k)) theta_[k] = 1e-2;
  }

  double operator()(double value) {
    const Index p = direction_.size();
    MatrixXd projection = MatrixXd::Zero(p + 1, p);
    projection.topLeftCorner(p, p - 1) = null_space_;
    projection.topRightCorner(p, 1) = -(value - shift_) * direction_;
    projection(p, p - 1) = 1;
    const Objective objective(*data_.products, data_.structure, Criterion::ml, data_.observations,
                              std::move(projection));
    const CriterionOptimum optimum = minimize_criterion(objective, theta_, 100);
    return optimum.value.criterion;
  }

 private:
  [[nodiscard]] bool is_diagonal(Index k) const {
    const CovarianceStructure::Coordinate& c = data_.structure.coordinates()[at(k)];
    return c.row == c.column;
  }

  const MixedModel::Data& data_;
  VectorXd theta_;
  double shift_;
  VectorXd direction_;
  MatrixXd null_space_;
};

struct Boundaries {
  double lower;
  double upper;
};

Boundaries boundaries_of(FitParameter::Kind kind) {
  switch (kind) {
    case FitParameter::Kind::sd:
      return {0, infinity};
    case FitParameter::Kind::correlation:
      return {-1, 1};
    case FitParameter::Kind::sigma:
    case FitParameter::Kind::fixed:
      break;
  }
  return {-infinity, infinity};
}

/// A first guess of the distance from the estimate to a limit.
double first_step(const MixedModel& model, const MixedFit& fit, const FitParameter& parameter,
                  const std::vector<ParameterInterval>& wald, double target) {
  double standard_error = missing;
  if (parameter.kind == FitParameter::Kind::fixed)
    standard_error = fit.fixed.standard_error[parameter.row];
  for (const ParameterInterval& interval : wald)
    if (interval.parameter == parameter.name && parameter.kind != FitParameter::Kind::fixed)
      standard_error = interval.standard_error;
  if (std::isfinite(standard_error) && standard_error > 0) return target * standard_error;
  if (parameter.kind == FitParameter::Kind::correlation) return 0.5;
  const TermPlace& term = model.data().terms[parameter.term];
  return 0.3 * fit.residual.sd * term.transform.row(parameter.row).norm();
}

ParameterInterval profile_interval(const MixedModel& model, const MixedFit& fit,
                                   const FitParameter& parameter,
                                   const std::vector<ParameterInterval>& wald, double level) {
  const double estimate = parameter_estimate(fit, parameter);
  ParameterInterval result{parameter.name, estimate, missing, {missing, missing, level}};
  if (!std::isfinite(estimate)) return result;
  const double least = fit.criterion.value - model.data().criterion_offset(Criterion::ml);
  const double target = std::sqrt(chi_squared_quantile(level, 1));
  const double step = first_step(model, fit, parameter, wald, target);
  const Boundaries boundaries = boundaries_of(parameter.kind);
  const auto limit = [&](double direction, double boundary) {
    std::function<double(double)> deviance;
    if (parameter.kind == FitParameter::Kind::fixed)
      deviance = HeldCoefficient(model.data(), fit, parameter.row);
    else
      deviance = HeldDeviance(model.data(), fit, parameter);
    double bounded = direction * step;
    if (parameter.kind == FitParameter::Kind::sigma && direction < 0)
      bounded = -std::min(step, 0.5 * estimate);
    return detail::profile_limit(std::move(deviance), {.least = least,
                                                       .estimate = estimate,
                                                       .step = bounded,
                                                       .boundary = boundary,
                                                       .target = target,
                                                       .tolerance = 1e-9});
  };
  result.ci.lower = limit(-1, boundaries.lower);
  result.ci.upper = limit(1, boundaries.upper);
  return result;
}

}  // namespace

std::vector<ParameterInterval> profile_intervals(const MixedModel& model, double level) {
  require_level("profile_intervals", "level", level);
  const MixedFit fit = model.fit({.criterion = Criterion::ml, .random_effects = false});
  const std::vector<ParameterInterval> wald = variance_intervals(model, fit, level);
  std::vector<ParameterInterval> result;
  for (const FitParameter& parameter : fit_parameters(fit))
    result.push_back(profile_interval(model, fit, parameter, wald, level));
  return result;
}

}  // namespace rapport
