#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/location_scale.hpp>

#include <Eigen/Eigenvalues>

#include "describe.hpp"
#include "location_scale_objective.hpp"
#include "search.hpp"
#include <algorithm>
#include <cmath>
#include <utility>

namespace rapport {
namespace {

using detail::LocationScaleObjective;
using detail::Minimum;
using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

void require_options(const LocationScaleOptions& options) {
  if (options.quadrature_points < 3 || options.quadrature_points > 200)
    throw InvalidArgument("fit_location_scale_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) + "; 3 to 200 are required");
  if (!(options.quadrature_error > 0))
    throw InvalidArgument(
        "fit_location_scale_model: `quadrature_error` must be above 0 (an error of log L)");
}

/// Does every level of the scale lie in one level of the term, and the other way round?
bool same_levels(const RandomTerm& term, const ScaleModel& scale) {
  if (term.levels.size() != scale.levels.size()) return false;
  std::vector<std::int32_t> level_of(scale.levels.size(), -1);
  for (std::size_t i = 0; i < scale.group.size(); ++i) {
    std::int32_t& level = level_of[static_cast<std::size_t>(scale.group[i])];
    if (level < 0) level = term.group[i];
    if (level != term.group[i]) return false;
  }
  return true;
}

void require_scale(const Design& design, const ScaleModel& scale) {
  const Index n = design.response.size();
  const std::string function = "fit_location_scale_model";
  require_same_size(function, "group", static_cast<Index>(scale.group.size()), "response", n);
  if (scale.effects.columns.size() > 0) {
    require_same_size(function, "effects", scale.effects.columns.rows(), "response", n);
    if (!scale.effects.columns.allFinite())
      throw DataError("a column of the log residual variance has a missing or infinite value");
  }
  if (scale.levels.size() < 2)
    throw DataError(function + ": " + scale.factor +
                    " has a single level; a variance between levels needs 2 or more");
  std::vector<Index> rows(scale.levels.size(), 0);
  for (const std::int32_t level : scale.group) ++rows[static_cast<std::size_t>(level)];
  if (*std::max_element(rows.begin(), rows.end()) < 2)
    throw DataError(function + ": every level of " + scale.factor +
                    " has one row, so that nothing is known about how much its rows vary; leave "
                    "the random intercept of the scale out");
  for (const RandomTerm& term : design.random) {
    if (same_levels(term, scale)) continue;
    throw InvalidArgument(function + ": the random effects of the mean vary over " + term.factor +
                          " and the random scale over " + scale.factor +
                          "; both must vary over the same levels, so that each level's likelihood "
                          "stands alone. Put fixed effects in the place of one of them");
  }
}

/// The search for the maximum of log L, without and with a random scale.
class LocationScaleSearch {
 public:
  LocationScaleSearch(LocationScaleObjective& objective, const LocationScaleOptions& options)
      : objective_(objective), options_(options), points_(options.quadrature_points) {
    objective_.use_random_scale(false);
    null_ = detail::find_minimum(function(), objective_.start(), options_.iterations);
    objective_.use_random_scale(true);
    objective_.set_points(std::max<Index>(points_, 21));  // fewer may lead astray far from the end
    approach();
    objective_.set_points(points_);
    settle();
    while (std::isfinite(options_.quadrature_error) && points_ < 200 && !accurate()) settle();
    statistic_ = std::max(0.0, 2 * (null_.value - best_.value));
    objective_.use_random_scale(!at_boundary());
    (void)place_nodes(minimum().x);
  }

  [[nodiscard]] bool at_boundary() const { return statistic_ < 1e-6; }
  [[nodiscard]] const Minimum& minimum() const { return at_boundary() ? null_ : best_; }
  [[nodiscard]] double statistic() const { return statistic_; }
  [[nodiscard]] Index points() const { return points_; }
  [[nodiscard]] double error() const { return error_; }

 private:
  using Function = std::function<void(const VectorXd&, Derivatives&)>;
  Function function() {
    return [this](const VectorXd& x, Derivatives& out) { objective_.evaluate(x, out); };
  }
  /// From the model without a random scale, nodes following the parameters.
  void approach() {
    VectorXd start = VectorXd::Zero(objective_.n_parameters());
    start.head(null_.x.size()) = null_.x;
    start[null_.x.size()] = 0.5;
    const Optimum reached =
        detail::approach_minimum(function(), start, {}, 1e-2, options_.iterations);
    best_.x = reached.argument;
    best_.hessian = reached.hessian;
    best_.iterations = reached.iterations;
    best_.evaluations = reached.evaluations;
    if (best_.x[null_.x.size()] < 0)  // the same model with u turned around
      best_.x.tail(best_.x.size() - null_.x.size()) *= -1;
  }
  double place_nodes(const VectorXd& x) {
    Derivatives out;
    objective_.hold_nodes(false);
    objective_.evaluate(x, out);
    return out.value;
  }
  /// Searches with nodes held where they are best at the start of each round, until they stay. A
  /// round whose sum over nodes strays from the integral is taken back: more points are needed.
  void settle() {
    best_.value = place_nodes(best_.x);
    for (int round = 0; round < 10; ++round) {
      objective_.hold_nodes(true);
      Minimum next = detail::find_minimum(function(), best_.x,
                                          std::min<Index>(options_.iterations, 20), best_.hessian);
      next.value = place_nodes(next.x);
      next.iterations += best_.iterations;
      next.evaluations += best_.evaluations;
      const double gain = best_.value - next.value;
      const double noise = 1e-10 * std::max(1.0, std::abs(next.value));
      if (!(gain > -noise)) {
        if (round == 0) describe_end();
        break;
      }
      best_ = std::move(next);
      if (gain < noise) break;
    }
  }
  /// The Hessian where no round was of use.
  void describe_end() {
    (void)place_nodes(best_.x);
    objective_.hold_nodes(true);
    best_.hessian = detail::difference_hessian(function(), best_.x, best_.hessian.diagonal());
    best_.converged = false;
  }
  /// Compares with nearly twice the points, and takes them if they differ.
  bool accurate() {
    const Index more = std::min<Index>(2 * points_ + 1, 200);
    objective_.set_points(more);
    error_ = std::abs(place_nodes(best_.x) - best_.value);
    const bool enough = error_ <= options_.quadrature_error;
    if (enough) {
      objective_.set_points(points_);
      (void)place_nodes(best_.x);
    } else {
      points_ = more;
    }
    return enough;
  }

  LocationScaleObjective& objective_;
  const LocationScaleOptions& options_;
  Index points_;
  Minimum null_;
  Minimum best_;
  double statistic_ = 0;
  double error_ = missing;
};

MatrixXd inverse_information(const MatrixXd& hessian) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(hessian);
  const double floor = 1e-9 * eigen.eigenvalues().maxCoeff();
  const VectorXd inverse =
      eigen.eigenvalues().unaryExpr([&](double v) { return v > floor ? 1 / v : 0.0; });
  return eigen.eigenvectors() * inverse.asDiagonal() * eigen.eigenvectors().transpose();
}

/// SDs of the effects of the mean, ω's share included.
VectorXd location_sd(const LocationScaleObjective::Parameters& p) {
  return (p.lambda.rowwise().squaredNorm() + p.a.cwiseAbs2()).cwiseSqrt();
}

/// β, τ, s and the correlations of ω with the effects of the mean.
VectorXd reported(const LocationScaleObjective::Parameters& p, bool random_scale, bool correlated) {
  const Index q = random_scale && correlated ? p.a.size() : 0;
  VectorXd result(p.beta.size() + p.tau.size() + (random_scale ? 1 : 0) + q);
  result.head(p.beta.size()) = p.beta;
  result.segment(p.beta.size(), p.tau.size()) = p.tau;
  if (random_scale) result[p.beta.size() + p.tau.size()] = p.s;
  if (q > 0) result.tail(q) = p.a.cwiseQuotient(location_sd(p));
  return result;
}

/// Fills in what the parameters and their uncertainty say.
void describe_parameters(const LocationScaleObjective& objective, const LocationScaleSearch& search,
                         const ScaleModel& scale, LocationScaleFit& result) {
  const bool random_scale = !search.at_boundary();
  const auto values_at = [&](const VectorXd& x) {
    return reported(objective.parameters(x), random_scale, objective.correlated());
  };
  const VectorXd& x = search.minimum().x;
  const VectorXd values = values_at(x);
  const MatrixXd jacobian = numerical_jacobian(values_at, x);
  const MatrixXd covariance =
      jacobian * inverse_information(search.minimum().hessian) * jacobian.transpose();
  const VectorXd errors = covariance.diagonal().cwiseSqrt();
  FixedEffects& fixed = result.fit.fixed;
  const auto p = static_cast<Index>(fixed.columns.size());
  const auto m = static_cast<Index>(scale.effects.terms.size()) + 1;
  fixed.estimate = values.head(p);
  fixed.covariance = covariance.topLeftCorner(p, p);
  fixed.standard_error = errors.head(p);
  for (Index k = 0; k < m; ++k)
    result.scale.push_back({.term = k == 0 ? "(Intercept)" : scale.effects.terms[at(k - 1)],
                            .estimate = values[p + k],
                            .standard_error = errors[p + k]});
  const Index q = objective.correlated() ? objective.parameters(x).a.size() : 0;
  result.scale_sd = random_scale ? values[p + m] : 0;
  result.scale_sd_standard_error = random_scale ? errors[p + m] : missing;
  result.correlation = random_scale ? VectorXd(values.tail(q)) : VectorXd::Constant(q, missing);
  result.correlation_standard_error =
      random_scale ? VectorXd(errors.tail(q)) : VectorXd::Constant(q, missing);
  result.parameter_covariance = MatrixXd::Constant(p + m + 1, p + m + 1, missing);
  const Index known = p + m + (random_scale ? 1 : 0);
  result.parameter_covariance.topLeftCorner(known, known) = covariance.topLeftCorner(known, known);
}

/// The random terms of the mean; true if a variance is 0 or a correlation ±1.
bool describe_random(const Design& design, const LocationScaleObjective::Parameters& parameters,
                     double residual_sd, MixedFit& fit) {
  bool singular = false;
  Index first = 0;
  for (const RandomTerm& term : design.random) {
    const Index q = term.columns.cols();
    MatrixXd factor(q, q + 1);
    factor << parameters.lambda.block(first, first, q, q), parameters.a.segment(first, q);
    fit.random.push_back(detail::describe_term(term, factor));
    singular = singular || detail::is_singular(term, factor, residual_sd);
    first += q;
  }
  return singular;
}

/// Effects of the levels, and what they say of the rows.
void describe_levels(const Design& design, const ScaleModel& scale,
                     LocationScaleObjective& objective, LocationScaleFit& result) {
  LocationScaleObjective::Effects effects = objective.effects();
  Index first = 0;
  const auto levels = static_cast<Index>(scale.levels.size());
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    RandomEffects& random = result.fit.random[t];
    const Index q = term.columns.cols();
    random.blups.resize(levels, q);
    random.conditional_covariance.resize(levels * q, q);
    for (std::size_t i = 0; i < scale.group.size(); ++i) {
      const Index from = scale.group[i];
      const Index to = term.group[i];
      random.blups.row(to) = effects.mean.row(from).segment(first, q);
      random.conditional_covariance.middleRows(to * q, q) =
          effects.covariance.block(from * effects.mean.cols() + first, first, q, q);
    }
    first += q;
  }
  result.scale_effects = std::move(effects.scale);
  result.scale_effects_sd = std::move(effects.scale_sd);
  result.fitted = fitted_values(design, result.fit);
  for (Index i = 0; i < result.residual_sd.size(); ++i)
    result.residual_sd[i] *= std::exp(0.5 * result.scale_effects[scale.group[at(i)]]);
}

/// exp(w'τ / 2) of the rows.
VectorXd scale_of_rows(const ScaleModel& scale, const std::vector<OtherParameter>& effects,
                       Index n) {
  VectorXd log_variance = VectorXd::Constant(n, effects.front().estimate);
  for (std::size_t k = 1; k < effects.size(); ++k)
    log_variance += effects[k].estimate * scale.effects.columns.col(static_cast<Index>(k) - 1);
  return (0.5 * log_variance).array().exp();
}

/// Half the weight on one parameter less: χ² with `df` − 1 and `df` degrees of freedom (Stram &
/// Lee 1994), for a variance and its correlations.
LikelihoodRatioTest homogeneity_test(double statistic, double df) {
  const double larger = chi_squared_upper_tail(statistic, df);
  const double smaller =
      df > 1 ? chi_squared_upper_tail(statistic, df - 1) : (statistic > 0 ? 0.0 : 1.0);
  return {.statistic = statistic,
          .df = df,
          .p_value = larger,
          .p_value_boundary = 0.5 * (smaller + larger)};
}

}  // namespace

LocationScaleFit fit_location_scale_model(const Design& design, const ScaleModel& scale,
                                          const LocationScaleOptions& options) {
  require_options(options);
  require_scale(design, scale);
  LocationScaleFit result{};
  MixedFit& fit = result.fit;
  fit.fixed = detail::estimable_fixed_effects(design, "fit_location_scale_model");
  const Index n = design.response.size();
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  LocationScaleObjective objective(design, scale, fit.fixed.columns,
                                   options.correlated && design.random.size() == 1);
  const LocationScaleSearch search(objective, options);
  const Minimum& minimum = search.minimum();
  fit.data = {
      .observations = n, .omitted = design.n_omitted, .residual_df = static_cast<double>(n - p)};
  describe_parameters(objective, search, scale, result);
  const VectorXd sd = scale_of_rows(scale, result.scale, n);
  fit.residual.sd = std::sqrt(sd.squaredNorm() / static_cast<double>(n) *
                              std::exp(0.5 * result.scale_sd * result.scale_sd));
  const bool singular =
      describe_random(design, objective.parameters(minimum.x), fit.residual.sd, fit);
  objective.use_random_scale(true);
  const Index parameters = objective.n_parameters();
  const auto extra = static_cast<double>(parameters - objective.n_without_scale());
  objective.use_random_scale(!search.at_boundary());
  fit.criterion = detail::describe_criterion(2 * (minimum.value - objective.constant()),
                                             Criterion::ml, parameters, n);
  fit.optimizer = detail::describe_search(minimum, singular);
  if (search.at_boundary())
    fit.optimizer.message += "; the SD of the random scale is estimated as 0";
  result.factor = scale.factor;
  result.levels = scale.levels;
  result.homogeneity = homogeneity_test(search.statistic(), extra);
  result.quadrature_points = search.points();
  result.quadrature_error = search.error();
  result.residual_sd = sd;
  if (design.weights.size() > 0) result.residual_sd.array() /= design.weights.array().sqrt();
  if (options.random_effects) describe_levels(design, scale, objective, result);
  return result;
}

}  // namespace rapport
