#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized.hpp>

#include <Eigen/Eigenvalues>

#include "describe.hpp"
#include "generalized_problem.hpp"
#include "generalized_warnings.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport {
namespace {

using detail::category_name;
using detail::Coordinates;
using detail::GeneralizedProblem;
using detail::Integral;
using detail::Likelihood;
using detail::Minimum;
using detail::ModelPoint;
using Eigen::MatrixXd;
using Eigen::VectorXd;

struct NamedFamily {
  std::string_view name;
  Family family;
};
constexpr std::array<NamedFamily, 7> families{{{"binomial", Family::binomial},
                                               {"poisson", Family::poisson},
                                               {"nbinom1", Family::nbinom1},
                                               {"nbinom2", Family::nbinom2},
                                               {"gamma", Family::gamma},
                                               {"beta", Family::beta},
                                               {"cumulative", Family::cumulative}}};

struct NamedLink {
  std::string_view name;
  Link link;
};
constexpr std::array<NamedLink, 8> links{{{"logit", Link::logit},
                                          {"probit", Link::probit},
                                          {"cloglog", Link::cloglog},
                                          {"log", Link::log},
                                          {"identity", Link::identity},
                                          {"inverse", Link::inverse},
                                          {"loglog", Link::loglog},
                                          {"cauchit", Link::cauchit}}};

}  // namespace

std::optional<Family> parse_family(std::string_view text) {
  for (const NamedFamily& entry : families) {
    if (entry.name == text) return entry.family;
  }
  return std::nullopt;
}

std::optional<Link> parse_link(std::string_view text) {
  for (const NamedLink& entry : links) {
    if (entry.name == text) return entry.link;
  }
  return std::nullopt;
}

std::string_view to_string(Family family) {
  return std::find_if(families.begin(), families.end(),
                      [&](const NamedFamily& f) { return f.family == family; })
      ->name;
}

std::string_view to_string(Link link) {
  return std::find_if(links.begin(), links.end(),
                      [&](const NamedLink& l) { return l.link == link; })
      ->name;
}

ResponseKind response_kind(Family family) {
  switch (family) {
    case Family::binomial:
      return ResponseKind::binary;
    case Family::cumulative:
      return ResponseKind::ordered;
    case Family::gamma:
      return ResponseKind::positive;
    case Family::beta:
      return ResponseKind::proportion;
    default:
      return ResponseKind::count;
  }
}

Link default_link(Family family) {
  return family == Family::binomial || family == Family::cumulative || family == Family::beta
             ? Link::logit
             : Link::log;
}

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
/// The covariance of the parameters: the inverse of the Hessian in the coordinates, mapped. A
/// parameter that moves along a direction without curvature has no standard error; the others keep
/// theirs.
MatrixXd parameter_covariance(const MatrixXd& map, const MatrixXd& hessian) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(hessian);
  const MatrixXd directions = map * eigen.eigenvectors();
  MatrixXd covariance = MatrixXd::Zero(map.rows(), map.rows());
  VectorXd flat = VectorXd::Zero(map.rows());
  for (Index k = 0; k < hessian.rows(); ++k) {
    const VectorXd direction = directions.col(k);
    if (eigen.eigenvalues()[k] > 1e-7) {
      covariance += direction * direction.transpose() / eigen.eigenvalues()[k];
    } else {
      flat += direction.cwiseAbs2();
    }
  }
  for (Index k = 0; k < map.rows(); ++k) {
    if (flat[k] < 1e-3 * map.row(k).squaredNorm()) continue;
    covariance.row(k).setConstant(missing);
    covariance.col(k).setConstant(missing);
  }
  return covariance;
}

void describe_fixed(const Coordinates& coordinates, const ModelPoint& optimum,
                    const MatrixXd& covariance, FixedEffects& fixed) {
  const Index p = coordinates.n_fixed();
  fixed.estimate = optimum.fixed;
  fixed.covariance = covariance.topLeftCorner(p, p);
  fixed.standard_error = fixed.covariance.diagonal().cwiseSqrt();
}

std::vector<OtherParameter> other_parameters(const std::vector<std::string>& names,
                                             const VectorXd& estimates,
                                             const MatrixXd& covariance) {
  std::vector<OtherParameter> parameters;
  for (Index k = 0; k < estimates.size(); ++k)
    parameters.push_back({.term = names[at(k)],
                          .estimate = estimates[k],
                          .standard_error = std::sqrt(covariance(k, k))});
  return parameters;
}

void describe_ordinal(const Design& design, const VectorXd& psi, const MatrixXd& covariance,
                      GeneralizedFit& fit) {
  const detail::OrdinalShape shape(fit.options.ordinal, detail::count_categories(design));
  const Index t = shape.n_threshold_parameters();
  const MatrixXd& map = shape.map();
  std::vector<std::string> thresholds;
  for (Index j = 0; j < shape.n_thresholds(); ++j)
    thresholds.push_back(category_name(design, j) + "|" + category_name(design, j + 1));
  fit.thresholds = other_parameters(thresholds, map * psi.head(t),
                                    map * covariance.topLeftCorner(t, t) * map.transpose());
  const std::vector<std::string> names = shape.threshold_parameter_names(thresholds);
  if (fit.options.ordinal.thresholds != Thresholds::flexible)
    fit.threshold_parameters = other_parameters(names, psi.head(t), covariance.topLeftCorner(t, t));
  std::vector<std::string> nominal;
  for (const std::string& term : fit.options.ordinal.nominal.terms)
    for (const std::string& name : names) nominal.push_back(name + "." + term);
  const Index r = t * shape.n_nominal();
  fit.nominal_effects = other_parameters(nominal, psi.segment(t, r), covariance.block(t, t, r, r));
  const Index s = shape.n_scale();
  fit.scale_effects = other_parameters(fit.options.ordinal.scale.terms, psi.tail(s),
                                       covariance.bottomRightCorner(s, s));
}

void describe_family(const Design& design, const VectorXd& parameters, const MatrixXd& covariance,
                     GeneralizedFit& fit) {
  fit.dispersion = fit.dispersion_standard_error = missing;
  if (fit.family == Family::cumulative) {
    describe_ordinal(design, parameters, covariance, fit);
    return;
  }
  const auto n_zero = static_cast<Index>(fit.options.zero_inflation.terms.size());
  if (n_zero > 0) {
    fit.zero_inflation = other_parameters(fit.options.zero_inflation.terms, parameters.tail(n_zero),
                                          covariance.bottomRightCorner(n_zero, n_zero));
  }
  if (parameters.size() == n_zero + 1) {
    // A gamma's parameter is its shape, the inverse of the dispersion.
    fit.dispersion = std::exp(fit.family == Family::gamma ? -parameters[0] : parameters[0]);
    fit.dispersion_standard_error = fit.dispersion * std::sqrt(covariance(0, 0));
    if (fit.family == Family::nbinom2 && fit.dispersion > detail::poisson_limit)
      fit.dispersion_standard_error = missing;
  }
}

void describe_random_effects(const Design& design, const ModelPoint& optimum,
                             const Integral& integral, bool modes, GeneralizedFit& fit) {
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    fit.random.push_back(detail::describe_term(design.random[t], optimum.factor[t]));
  }
  if (!modes || design.random.empty()) return;
  std::vector<detail::TermModes> found = integral.modes();
  for (std::size_t t = 0; t < found.size(); ++t) {
    fit.random[t].blups = std::move(found[t].modes);
    fit.random[t].conditional_covariance = std::move(found[t].covariance);
  }
}

bool any_singular(const Design& design, const ModelPoint& optimum) {
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    if (detail::is_singular(design.random[t], optimum.factor[t], 1)) return true;
  }
  return false;
}

void describe_rows(const GeneralizedProblem& problem, const ModelPoint& optimum,
                   const Integral& integral, GeneralizedFit& fit) {
  fit.linear_predictor = integral.linear_predictor();
  fit.fitted.resize(fit.linear_predictor.size());
  const std::unique_ptr<Likelihood> likelihood = problem.likelihood();
  if (!likelihood->set_parameters(optimum.family))
    throw DataError("fit_generalized_model: the parameters of family " +
                    std::string(to_string(fit.family)) +
                    " have no finite estimates: the rows are too few for it; take terms of "
                    "thresholds, scale or "
                    "zero inflation out");
  for (Index i = 0; i < fit.fitted.size(); ++i) {
    const Index row = problem.rows().order[at(i)];
    fit.fitted[row] = likelihood->fitted(i, fit.linear_predictor[row]);
  }
}

}  // namespace

GeneralizedFit fit_generalized_model(const Design& design, const GeneralizedOptions& options) {
  const GeneralizedProblem problem(design, options);
  const Coordinates& coordinates = problem.coordinates();
  const GeneralizedProblem::Search search = problem.search();
  const Integral& integral = *search.integral;
  const Minimum& minimum = search.minimum;

  GeneralizedFit fit{};
  fit.options = options;
  fit.options.quadrature_points = search.points;
  fit.options.quadrature_error.reset();  // fits alike take the points that were found
  fit.family = options.family;
  fit.link = options.link.value_or(default_link(options.family));
  fit.quadrature_points = search.points;
  fit.quadrature_error = search.error;
  fit.method = design.random.empty() ? "ML" : search.points > 1 ? "AGQ" : "Laplace";
  fit.fixed = problem.fixed();
  const ModelPoint optimum = coordinates.point(minimum.x);
  const MatrixXd covariance = parameter_covariance(coordinates.map(), minimum.hessian);
  describe_fixed(coordinates, optimum, covariance, fit.fixed);
  fit.factors = optimum.factor;
  fit.family_parameters = optimum.family;
  fit.parameter_covariance = covariance;
  const Index n_family = optimum.family.size();
  describe_family(design, optimum.family, covariance.bottomRightCorner(n_family, n_family), fit);
  const bool thresholds = options.family == Family::cumulative;
  fit.data = {.observations = design.response.size(),
              .omitted = design.n_omitted,
              .residual_df = static_cast<double>(design.response.size() - coordinates.n_fixed() -
                                                 (thresholds ? optimum.family.size() : 0))};
  describe_random_effects(design, optimum, integral, options.random_effects, fit);
  fit.criterion = detail::describe_criterion(2 * minimum.value, Criterion::ml, coordinates.size(),
                                             design.response.size());
  fit.optimizer = detail::describe_search(minimum, any_singular(design, optimum));
  describe_rows(problem, optimum, integral, fit);
  if (options.quadrature_error && search.error > *options.quadrature_error) {
    fit.warnings.push_back("quadrature: with more than " + std::to_string(search.points) +
                           " points along each random effect the log-likelihood still changes by " +
                           std::to_string(search.error));
  }
  detail::add_warnings(design, fit);
  return fit;
}

namespace {

/// Var(y) / mean² given the random effects.
double relative_variance(const GeneralizedFit& fit, double mean) {
  switch (fit.family) {
    case Family::nbinom1:
      return (1 + fit.dispersion) / mean;
    case Family::nbinom2:
      return 1 / mean + 1 / fit.dispersion;
    case Family::gamma:
      return fit.dispersion;
    default:
      return 1 / mean;
  }
}

}  // namespace

MixedFit linear_part(const Design& design, const GeneralizedFit& fit) {
  MixedFit linear{};
  linear.fixed = fit.fixed;
  linear.random = fit.random;
  linear.criterion = fit.criterion;
  linear.optimizer = fit.optimizer;
  linear.data = fit.data;
  double variance = missing;
  constexpr double pi = 3.14159265358979323846;
  if (fit.link == Link::logit) variance = pi * pi / 3;
  if (fit.link == Link::probit) variance = 1;
  if (fit.link == Link::cloglog || fit.link == Link::loglog) variance = pi * pi / 6;
  const double fixed = (design.fixed(Eigen::all, fit.fixed.columns) * fit.fixed.estimate).mean();
  if (fit.family == Family::beta) {
    // The variance of logit y itself, at the mean of the linear predictor.
    const double mean = 1 / (1 + std::exp(-fixed));
    variance = trigamma(mean * fit.dispersion) + trigamma((1 - mean) * fit.dispersion);
  }
  if (fit.link == Link::log) {
    // log(1 + Var(y) / mean²) at the marginal mean exp(mean of Xβ + half the random variance).
    double random = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      const MatrixXd& z = design.random[t].columns;
      random += (z.transpose() * z).cwiseProduct(fit.random[t].covariance).sum() /
                static_cast<double>(z.rows());
    }
    variance = std::log1p(relative_variance(fit, std::exp(fixed + 0.5 * random)));
  }
  linear.residual.sd = std::sqrt(variance);
  return linear;
}

}  // namespace rapport
