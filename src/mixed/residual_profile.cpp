#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/residual_inference.hpp>

#include <Eigen/Cholesky>
#include <Eigen/QR>

#include "parameters.hpp"
#include "profile_limit.hpp"
#include "residual_objective.hpp"
#include "residual_parameters.hpp"
#include "residual_structure.hpp"
#include "search.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// What is held: a coordinate, or the correlation of two effects, which is a ratio of two
/// coordinates.
struct Held {
  Index coordinate;
  Index partner = -1;  ///< of a correlation: Λ₂₂, `coordinate` being Λ₂₁
};

/// The deviance in the coordinates (Λ of every term times σ, κ, δ, log σ), in which SDs are linear.
class HeldDeviance {
 public:
  HeldDeviance(const Design& design, const ResidualStructure& structure,
               const detail::SortedRows& rows, const std::vector<Index>& columns)
      : objective_(design, structure, rows, columns, Criterion::ml) {}

  [[nodiscard]] const detail::ResidualObjective& objective() const { return objective_; }
  [[nodiscard]] Index size() const { return objective_.n_parameters() + 1; }
  void set_start(VectorXd start) { at_ = std::move(start); }
  [[nodiscard]] const VectorXd& current() const { return at_; }

  /// −log L and its gradient.
  void evaluate(const VectorXd& coordinates, Derivatives& out) {
    const Index n = objective_.n_parameters();
    const Index n_factor = objective_.n_factor();
    const double sigma = std::exp(coordinates[n]);
    VectorXd x = coordinates.head(n);
    x.head(n_factor) /= sigma;
    objective_.hold_sigma_squared(sigma * sigma);
    VectorXd slope;
    out.value = 0.5 * (objective_.evaluate(x, &slope) + objective_.constant());
    out.gradient = VectorXd::Zero(n + 1);
    if (!std::isfinite(out.value)) return;
    out.gradient.head(n) = 0.5 * slope;
    out.gradient.head(n_factor) /= sigma;
    out.gradient[n] = objective_.degrees() - objective_.penalised_squares() / (sigma * sigma) -
                      0.5 * x.head(n_factor).dot(slope.head(n_factor));
  }

  /// The least deviance with the held coordinate at a value (Index −1: nothing held), started where
  /// the last call ended.
  double least(const Held& held, double value) {
    std::vector<Index> free;
    for (Index k = 0; k < size(); ++k)
      if (k != held.coordinate) free.push_back(k);
    const double rest = held.partner < 0 ? 0 : std::sqrt(std::max(0.0, 1 - value * value));
    VectorXd start = at_(free);
    if (held.partner >= 0) {
      for (std::size_t k = 0; k < free.size(); ++k)
        if (free[k] == held.partner)
          start[static_cast<Index>(k)] = std::hypot(at_[held.coordinate], at_[held.partner]);
    }
    const auto place = [&](const VectorXd& y) {
      VectorXd coordinates(size());
      coordinates(free) = y;
      if (held.coordinate >= 0) coordinates[held.coordinate] = value;
      if (held.partner >= 0) {
        const double length = coordinates[held.partner];
        coordinates[held.coordinate] = value * length;
        coordinates[held.partner] = rest * length;
      }
      return coordinates;
    };
    const auto criterion = [&](const VectorXd& y, Derivatives& out) {
      evaluate(place(y), out);
      VectorXd gradient = out.gradient(free);
      if (held.partner >= 0) {
        for (std::size_t k = 0; k < free.size(); ++k)
          if (free[k] == held.partner)
            gradient[static_cast<Index>(k)] =
                value * out.gradient[held.coordinate] + rest * out.gradient[held.partner];
      }
      out.gradient = gradient;
    };
    leave_zero(start, free);
    const Optimum optimum = detail::approach_minimum(criterion, start, {}, 1e-5, 200);
    if (!std::isfinite(optimum.value)) return infinity;
    at_ = place(optimum.argument);
    return 2 * optimum.value;
  }

 private:
  /// An SD of 0 has no slope: the search starts a little away from it.
  void leave_zero(VectorXd& start, const std::vector<Index>& free) const {
    for (std::size_t k = 0; k < free.size(); ++k) {
      double& value = start[static_cast<Index>(k)];
      if (free[k] < objective_.n_factor() && std::abs(value) < 1e-3) value = 1e-2;
    }
  }

  detail::ResidualObjective objective_;
  VectorXd at_;
};

/// The lower triangular Λ with ΛΛ' = covariance; zero where there is no variance.
MatrixXd triangular_factor(const MatrixXd& covariance) {
  MatrixXd factor = MatrixXd::Zero(covariance.rows(), covariance.cols());
  for (Index j = 0; j < covariance.cols(); ++j) {
    const double pivot = covariance(j, j) - factor.row(j).head(j).squaredNorm();
    if (!(pivot > 1e-14 * covariance(j, j))) continue;
    factor(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < covariance.rows(); ++i)
      factor(i, j) =
          (covariance(i, j) - factor.row(i).head(j).dot(factor.row(j).head(j))) / factor(j, j);
  }
  return factor;
}

/// One profile: the model in an order that suits the parameter, and where the parameter stands.
class Profile {
 public:
  Profile(const Design& design, const ResidualStructure& structure, const ResidualFit& fit)
      : design_(design), structure_(structure), fit_(fit) {}

  ConfidenceInterval random(const FitParameter& parameter, double estimate, double target) {
    Design design = design_;
    RandomTerm& term = design.random[parameter.term];
    const bool correlation = parameter.kind == FitParameter::Kind::correlation;
    std::vector<Index> order;
    if (correlation) order.push_back(parameter.column);
    order.push_back(parameter.row);
    for (Index i = 0; i < term.columns.cols(); ++i)
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    term.columns = MatrixXd(term.columns(Eigen::all, order));
    const std::vector<Index> kept = fit_.fit.fixed.columns;
    const detail::SortedRows rows = detail::structured_rows(design, structure_);
    const auto n = static_cast<double>(design.response.size());
    const double scale =
        std::sqrt(term.columns.col(0).squaredNorm() / n);  // internal columns have mean square 1
    Index first = 0;
    for (std::size_t t = 0; t < parameter.term; ++t) {
      const Index q = design.random[t].columns.cols();
      first += q * (q + 1) / 2;
    }
    const Index q = term.columns.cols();
    const auto deviance = std::make_shared<HeldDeviance>(design, structure_, rows, kept);
    const double unit = correlation ? 1 : scale / deviance->objective().response_scale();
    const Held held = correlation ? Held{first + 1, first + q} : Held{first, -1};
    deviance->set_start(start_of(design, parameter.term, order, *deviance));
    const double step = correlation ? 0.3 : 0.5 * std::max(estimate, 1e-3 * fit_.fit.residual.sd);
    return search(deviance, held, unit, estimate, step, target, correlation ? -1 : 0,
                  correlation ? 1 : infinity);
  }

  /// σ (`coordinate` the last), or a parameter of the structure on its unconstrained scale.
  ConfidenceInterval plain(Index coordinate_from_end, double estimate, double step, double target) {
    const detail::SortedRows rows = detail::structured_rows(design_, structure_);
    const auto deviance =
        std::make_shared<HeldDeviance>(design_, structure_, rows, fit_.fit.fixed.columns);
    deviance->set_start(start_of(design_, design_.random.size(), {}, *deviance));
    return search(deviance, {deviance->size() - coordinate_from_end, -1}, 1, estimate, step, target,
                  -infinity, infinity);
  }
  [[nodiscard]] double log_response_scale() const {
    const detail::SortedRows rows = detail::structured_rows(design_, structure_);
    return std::log(HeldDeviance(design_, structure_, rows, fit_.fit.fixed.columns)
                        .objective()
                        .response_scale());
  }

  ConfidenceInterval fixed(Index j, double target) {
    const FixedEffects& fixed = fit_.fit.fixed;
    const detail::SortedRows rows = detail::structured_rows(design_, structure_);
    std::vector<Index> columns = fixed.columns;
    const Index column = columns[at(j)];
    columns.erase(columns.begin() + j);
    VectorXd last = fit_.fit.information.theta;
    last.conservativeResize(last.size() + 1);
    const double log_sigma = std::log(fit_.fit.residual.sd);
    last.head(factors()) *= fit_.fit.residual.sd;
    const auto deviance = [&, last, log_sigma](double value) mutable {
      Design moved = design_;
      if (moved.offset.size() == 0) moved.offset = VectorXd::Zero(moved.response.size());
      moved.offset += value * moved.fixed.col(column);
      HeldDeviance held(moved, structure_, rows, columns);
      VectorXd start = last;
      const double scale = held.objective().response_scale();
      start.head(factors()) /= scale;
      start[start.size() - 1] = log_sigma - std::log(scale);
      held.set_start(start);
      const double least = held.least({-1, -1}, 0);
      return least;
    };
    const double se = fixed.standard_error[j];
    ConfidenceInterval ci{missing, missing, missing};
    for (const double side : {-1.0, 1.0}) {
      const double limit = detail::profile_limit(deviance, {.least = fit_.fit.criterion.value,
                                                            .estimate = fixed.estimate[j],
                                                            .step = side * target * se,
                                                            .boundary = side * infinity,
                                                            .target = target,
                                                            .tolerance = 1e-7});
      (side < 0 ? ci.lower : ci.upper) = limit;
    }
    return ci;
  }

 private:
  [[nodiscard]] Index factors() const {
    Index n = 0;
    for (const RandomTerm& term : design_.random)
      n += term.columns.cols() * (term.columns.cols() + 1) / 2;
    return n;
  }

  /// The estimates in the coordinates of HeldDeviance; the effects of one term in another order.
  [[nodiscard]] VectorXd start_of(const Design& design, std::size_t moved,
                                  const std::vector<Index>& order,
                                  const HeldDeviance& deviance) const {
    const double scale = deviance.objective().response_scale();
    VectorXd start(deviance.size());
    Index k = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      MatrixXd covariance = fit_.fit.random[t].covariance;
      if (t == moved) covariance = MatrixXd(covariance(order, order));
      const VectorXd size = (design.random[t].columns.colwise().squaredNorm() /
                             static_cast<double>(design.response.size()))
                                .cwiseSqrt();
      const MatrixXd factor = size.asDiagonal() * triangular_factor(covariance) / scale;
      for (Index j = 0; j < factor.cols(); ++j) {
        for (Index i = j; i < factor.rows(); ++i) start[k++] = factor(i, j);
      }
    }
    const VectorXd& x = fit_.fit.information.theta;
    start.segment(k, x.size() - k) = x.tail(x.size() - k);
    start[start.size() - 1] = std::log(fit_.fit.residual.sd / scale);
    return start;
  }

  ConfidenceInterval search(const std::shared_ptr<HeldDeviance>& deviance, const Held& held,
                            double unit, double estimate, double step, double target, double lowest,
                            double highest) const {
    ConfidenceInterval ci{missing, missing, missing};
    const VectorXd start = deviance->current();
    for (const double side : {-1.0, 1.0}) {
      deviance->set_start(start);
      const double limit =
          detail::profile_limit([&](double value) { return deviance->least(held, value * unit); },
                                {.least = fit_.fit.criterion.value,
                                 .estimate = estimate,
                                 .step = side * step,
                                 .boundary = side < 0 ? lowest : highest,
                                 .target = target,
                                 .tolerance = 1e-7});
      (side < 0 ? ci.lower : ci.upper) = limit;
    }
    return ci;
  }

  const Design& design_;
  const ResidualStructure& structure_;
  const ResidualFit& fit_;
};

/// The standard error of an unconstrained parameter of the structure.
double standard_error(const ResidualFit& fit, Index k) {
  const double variance = fit.fit.information.parameter_covariance(k, k);
  return variance > 0 ? std::sqrt(variance) : 1;
}

}  // namespace

std::vector<ParameterInterval> profile_intervals(const Design& design,
                                                 const ResidualStructure& structure, double level,
                                                 int threads) {
  require_level("profile_intervals", "level", level);
  const ResidualFit fit = fit_residual_model(design, structure, {.criterion = Criterion::ml});
  const detail::SortedRows rows = detail::structured_rows(design, structure);
  const auto correlation = detail::make_correlation(structure.correlation, rows);
  const detail::VarianceModel variance(structure.variance, rows.order);
  const detail::ResidualParameters parameters =
      detail::residual_parameters(fit, *correlation, variance);
  const std::vector<FitParameter> linear = fit_parameters(fit.fit);
  const double target = std::sqrt(chi_squared_quantile(level, 1));
  const bool separable = structure.correlation != ResidualCorrelation::toeplitz &&
                         structure.correlation != ResidualCorrelation::unstructured;
  const Index n_correlation = correlation->start().size();
  const Index n_structure = n_correlation + variance.n_parameters();
  const VectorXd x = fit.fit.information.theta.tail(n_structure);
  const auto natural = [&](Index k, double value) {
    VectorXd moved = x;
    moved[k] = value;
    return k < n_correlation
               ? correlation->natural(moved.head(n_correlation))[k]
               : variance.natural(moved.tail(variance.n_parameters()))[k - n_correlation];
  };
  std::vector<ParameterInterval> result(parameters.names.size());
  parallel_for(static_cast<Index>(result.size()), threads, [&](Index i) {
    ParameterInterval& interval = result[at(i)];
    interval = {parameters.names[at(i)], parameters.values[i], missing, {missing, missing, level}};
    if (!std::isfinite(interval.estimate)) return;
    Profile profile(design, structure, fit);
    if (i >= parameters.first_fixed) {
      interval.ci = profile.fixed(i - parameters.first_fixed, target);
    } else if (i >= parameters.first_of_structure) {
      const Index k = i - parameters.first_of_structure;
      if (k < n_correlation && !separable) return;
      const Index place = fit.fit.information.theta.size() - n_structure + k;
      interval.ci =
          profile.plain(n_structure - k + 1, x[k], target * standard_error(fit, place), target);
      interval.ci.lower = natural(k, interval.ci.lower);
      interval.ci.upper = natural(k, interval.ci.upper);
      if (interval.ci.lower > interval.ci.upper) std::swap(interval.ci.lower, interval.ci.upper);
    } else if (linear[at(i)].kind == FitParameter::Kind::sigma) {
      const double shift = profile.log_response_scale();
      const double step = target / std::sqrt(2 * fit.fit.data.residual_df);
      interval.ci = profile.plain(1, std::log(fit.fit.residual.sd) - shift, step, target);
      interval.ci.lower = std::exp(interval.ci.lower + shift);
      interval.ci.upper = std::exp(interval.ci.upper + shift);
    } else {
      interval.ci = profile.random(linear[at(i)], interval.estimate, target);
    }
    interval.ci.level = level;
  });
  return result;
}

}  // namespace rapport
