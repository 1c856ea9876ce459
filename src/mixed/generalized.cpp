#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/generalized.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "describe.hpp"
#include "independent_columns.hpp"
#include "integral.hpp"
#include "search.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport {
namespace {

using detail::Integral;
using detail::Likelihood;
using detail::Minimum;
using detail::ModelPoint;
using detail::SortedDesign;
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
constexpr std::array<NamedLink, 6> links{{{"logit", Link::logit},
                                          {"probit", Link::probit},
                                          {"cloglog", Link::cloglog},
                                          {"log", Link::log},
                                          {"identity", Link::identity},
                                          {"inverse", Link::inverse}}};

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

Link default_link(Family family) {
  return family == Family::binomial || family == Family::cumulative || family == Family::beta
             ? Link::logit
             : Link::log;
}

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Internal coordinates x in which the criterion is well scaled, and the parameters of the model as
/// a linear map of them: β = (X'WX)^{−1/2}-scaled coordinates, Λ in units of each column's root
/// mean square, thresholds about the mean of X.
class Coordinates {
 public:
  Coordinates(const Design& design, const MatrixXd& fixed, const VectorXd& weights, Index n_family,
              bool thresholds)
      : n_fixed_(fixed.cols()), n_family_(n_family) {
    for (const RandomTerm& term : design.random) sizes_.push_back(term.columns.cols());
    n_factor_ = 0;
    for (const Index q : sizes_) n_factor_ += q * (q + 1) / 2;
    map_ = MatrixXd::Identity(size(), size());
    const VectorXd mean = thresholds ? VectorXd(fixed.colwise().mean()) : VectorXd::Zero(n_fixed_);
    if (n_fixed_ > 0) {
      const MatrixXd centred = fixed.rowwise() - mean.transpose();
      const MatrixXd information =
          centred.transpose() * (centred.array().colwise() * weights.array()).matrix();
      const Eigen::LLT<MatrixXd> llt(information);
      map_.topLeftCorner(n_fixed_, n_fixed_) =
          llt.matrixU().solve(MatrixXd::Identity(n_fixed_, n_fixed_));
    }
    Index k = n_fixed_;
    for (const RandomTerm& term : design.random) {
      const VectorXd rms =
          (term.columns.colwise().squaredNorm() / static_cast<double>(term.columns.rows()))
              .cwiseSqrt();
      for (Index j = 0; j < rms.size(); ++j) {
        for (Index i = j; i < rms.size(); ++i, ++k) map_(k, k) = 1 / rms[i];
      }
    }
    if (thresholds) {
      for (Index j = 0; j < n_family_; ++j) {
        map_.row(n_fixed_ + n_factor_ + j).head(n_fixed_) =
            mean.transpose() * map_.topLeftCorner(n_fixed_, n_fixed_);
      }
    }
  }

  [[nodiscard]] Index size() const { return n_fixed_ + n_factor_ + n_family_; }
  [[nodiscard]] Index n_fixed() const { return n_fixed_; }
  [[nodiscard]] Index n_factor() const { return n_factor_; }
  [[nodiscard]] const MatrixXd& map() const { return map_; }

  [[nodiscard]] ModelPoint point(const VectorXd& x) const {
    const VectorXd natural = map_ * x;
    ModelPoint p;
    p.fixed = natural.head(n_fixed_);
    Index k = n_fixed_;
    for (const Index q : sizes_) {
      MatrixXd factor = MatrixXd::Zero(q, q);
      for (Index j = 0; j < q; ++j) {
        for (Index i = j; i < q; ++i) factor(i, j) = natural[k++];
      }
      p.factor.push_back(std::move(factor));
    }
    p.family = natural.tail(n_family_);
    return p;
  }

  /// The gradient in x.
  [[nodiscard]] VectorXd gradient(const ModelPoint& g) const {
    VectorXd natural(size());
    natural.head(n_fixed_) = g.fixed;
    Index k = n_fixed_;
    for (const MatrixXd& factor : g.factor) {
      for (Index j = 0; j < factor.cols(); ++j) {
        for (Index i = j; i < factor.rows(); ++i) natural[k++] = factor(i, j);
      }
    }
    natural.tail(n_family_) = g.family;
    return map_.transpose() * natural;
  }

 private:
  Index n_fixed_;
  Index n_factor_ = 0;
  Index n_family_;
  std::vector<Index> sizes_;
  MatrixXd map_;
};

/// The model without random effects by iteratively reweighted least squares, not to convergence:
/// where the search starts, and the weights that scale its coordinates.
struct WorkingModel {
  VectorXd fixed;
  VectorXd weights;
};
WorkingModel working_model(Likelihood& likelihood, const SortedDesign& design,
                           const VectorXd& family) {
  const Index n = design.n();
  WorkingModel start{.fixed = VectorXd::Zero(design.fixed.cols()), .weights = VectorXd::Ones(n)};
  likelihood.set_parameters(family);
  VectorXd eta(n);
  for (Index i = 0; i < n; ++i) eta[i] = likelihood.first_guess(i);
  VectorXd first(n);
  VectorXd second(n);
  double before = std::numeric_limits<double>::infinity();
  for (int iteration = 0; iteration < 4; ++iteration) {
    const double value = likelihood.evaluate(
        0, n, eta.data(), {.first = first.data(), .second = second.data(), .third = nullptr});
    if (!std::isfinite(value) || (iteration > 1 && -value > before)) break;
    before = -value;
    start.weights = (-second).cwiseMax(1e-8 * (-second).maxCoeff()).cwiseMax(1e-300);
    const VectorXd working = (eta - design.offset).array() + first.array() / start.weights.array();
    const MatrixXd weighted = design.fixed.array().colwise() * start.weights.array();
    const Eigen::LLT<MatrixXd> llt(design.fixed.transpose() * weighted);
    if (llt.info() != Eigen::Success) break;
    start.fixed = llt.solve(weighted.transpose() * working);
    eta = design.offset + design.fixed * start.fixed;
  }
  return start;
}

/// The kept columns of X; the intercept of a cumulative model is none of them.
void choose_columns(const Design& design, bool thresholds, FixedEffects& fixed) {
  std::vector<Index> candidates;
  for (Index j = 0; j < design.fixed.cols(); ++j) {
    const bool constant = (design.fixed.col(j).array() == design.fixed(0, j)).all();
    if (thresholds && constant) {
      if (design.fixed_terms[at(j)] != "(Intercept)")
        fixed.dropped.push_back(design.fixed_terms[at(j)]);
    } else {
      candidates.push_back(j);
    }
  }
  MatrixXd columns = design.fixed(Eigen::all, candidates);
  if (thresholds && columns.cols() > 0) columns.rowwise() -= columns.colwise().mean().eval();
  std::vector<bool> keep(candidates.size(), false);
  for (const Index k : detail::independent_columns(columns)) keep[at(k)] = true;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    const std::string& name = design.fixed_terms[at(candidates[k])];
    if (keep[k]) {
      fixed.columns.push_back(candidates[k]);
      fixed.terms.push_back(name);
    } else {
      fixed.dropped.push_back(name);
    }
  }
}

bool is_scalar(const Design& design) {
  return design.random.size() == 1 && design.random.front().columns.cols() == 1;
}

void require_usable(const Design& design, const GeneralizedOptions& options) {
  if (design.response.size() == 0) throw DataError("fit_generalized_model: the design has no rows");
  if (options.quadrature_points < 1 || options.quadrature_points > 200) {
    throw InvalidArgument("fit_generalized_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) +
                          "; must lie between 1 and 200");
  }
  if (options.quadrature_points > 1 && !is_scalar(design)) {
    throw InvalidArgument("fit_generalized_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) +
                          "; more than 1 needs exactly one scalar random effect");
  }
  const VectorXd& y = design.response;
  if (y.maxCoeff() == y.minCoeff()) {
    throw DataError("the response is the same in all " + std::to_string(y.size()) +
                    " rows, so that nothing about it can be estimated");
  }
}

Index count_categories(const Design& design) {
  if (!design.frame.response_levels.empty())
    return static_cast<Index>(design.frame.response_levels.size());
  return static_cast<Index>(design.response.maxCoeff()) + 1;
}

std::string category_name(const Design& design, Index category) {
  const auto& levels = design.frame.response_levels;
  return levels.empty() ? std::to_string(category) : levels[at(category)];
}

/// The thresholds on both sides of a category that never occurs cannot be told apart.
void require_every_category(const Design& design) {
  for (Index category = 0; category < count_categories(design); ++category) {
    if ((design.response.array() == static_cast<double>(category)).any()) continue;
    throw DataError("category \"" + category_name(design, category) +
                    "\" of the response never occurs, so that the thresholds around it cannot be "
                    "told apart; leave it out of the levels");
  }
}

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

/// A dispersion above which variance μ + μ²/k is Poisson's to the data.
constexpr double poisson_limit = 1e5;

/// Says in plain words what a user should know of the fit.
void add_warnings(const Design& design, GeneralizedFit& fit) {
  if (fit.family == Family::binomial) {
    const VectorXd trials =
        design.weights.size() > 0 ? design.weights : VectorXd::Ones(design.response.size());
    const double successes = design.response.dot(trials);
    const double rarer = std::round(std::min(successes, trials.sum() - successes));
    if (rarer <= static_cast<double>(fit.fixed.terms.size())) {
      fit.warnings.push_back("the rarer outcome occurs only " +
                             std::to_string(static_cast<Index>(rarer)) +
                             (rarer == 1 ? " time" : " times") + ", too few for " +
                             std::to_string(fit.fixed.terms.size()) + " fixed effects");
    }
    Index certain = 0;
    for (const double p : fit.fitted) certain += p < 1e-7 || p > 1 - 1e-7 ? 1 : 0;
    if (certain > 0) {
      fit.warnings.push_back("separation: " + std::to_string(certain) +
                             " fitted probabilities are 0 or 1 to seven digits; some coefficients "
                             "have no finite estimate, and "
                             "theirs and their standard errors mean nothing");
    }
  }
  if (fit.family == Family::poisson) {
    double chi = 0;
    for (Index i = 0; i < fit.fitted.size(); ++i) {
      const double difference = design.response[i] - fit.fitted[i];
      chi += difference * difference / fit.fitted[i];
    }
    const double ratio = chi / fit.data.residual_df;
    if (ratio > 1.5) {
      fit.warnings.push_back("overdispersion: the Pearson statistic is " +
                             std::to_string(ratio).substr(0, 4) +
                             " times its degrees of freedom; consider family nbinom2");
    }
  }
  if (fit.family == Family::nbinom2 && fit.dispersion > poisson_limit) {
    fit.warnings.push_back(
        "the dispersion parameter has no finite estimate: the counts vary no more than Poisson's; "
        "use family poisson");
  }
  for (const std::string& name : fit.fixed.dropped) {
    fit.warnings.push_back("column " + name +
                           " depends linearly on those before it and is left out");
  }
}

/// The rows of a design in the order of evaluation, and everything that is made from them anew for
/// each search.
class Problem {
 public:
  Problem(const Design& design, const GeneralizedOptions& options,
          const std::vector<Index>& columns)
      : design_(design),
        family_(options.family),
        link_(options.link.value_or(default_link(options.family))),
        rows_(design, design.fixed(Eigen::all, columns)) {}

  [[nodiscard]] const SortedDesign& rows() const { return rows_; }
  [[nodiscard]] std::unique_ptr<Likelihood> likelihood() const {
    const VectorXd weights =
        design_.weights.size() == 0 ? VectorXd() : VectorXd(design_.weights(rows_.order));
    return detail::make_likelihood(family_, link_, design_.response(rows_.order), weights,
                                   family_ == Family::cumulative ? count_categories(design_) : 0);
  }
  [[nodiscard]] std::unique_ptr<Integral> integral(Index points) const {
    return is_scalar(design_) ? detail::make_scalar_integral(rows_, likelihood(), points)
                              : detail::make_laplace_integral(rows_, likelihood());
  }

 private:
  const Design& design_;
  Family family_;
  Link link_;
  SortedDesign rows_;
};

/// Fixed effects and dispersion as without random effects; random effects of moderate variance.
VectorXd starting_point(const Design& design, const Coordinates& coordinates, const VectorXd& fixed,
                        const VectorXd& family, bool thresholds) {
  VectorXd start = VectorXd::Zero(coordinates.size());
  const Index p = coordinates.n_fixed();
  if (!thresholds && p > 0) {
    start.head(p) =
        coordinates.map().topLeftCorner(p, p).triangularView<Eigen::Upper>().solve(fixed);
  }
  Index k = p;
  for (const RandomTerm& term : design.random) {
    const Index q = term.columns.cols();
    for (Index j = 0; j < q; ++j) {
      start[k] = 0.7;
      k += q - j;
    }
  }
  start.tail(family.size()) = family;
  return start;
}

/// −log L in the coordinates.
auto criterion_of(Integral& integral, const Coordinates& coordinates) {
  return [&](const VectorXd& x, Derivatives& out) {
    ModelPoint gradient;
    out.value = integral.evaluate(coordinates.point(x), &gradient);
    out.gradient =
        std::isfinite(out.value) ? coordinates.gradient(gradient) : VectorXd::Zero(x.size());
  };
}

/// Laplace's approximation is cheap and its optimum near: quadrature starts from there.
Minimum search(const Problem& problem, Integral& integral, const Coordinates& coordinates,
               const VectorXd& start, const GeneralizedOptions& options) {
  const auto criterion = criterion_of(integral, coordinates);
  if (options.quadrature_points == 1)
    return detail::find_minimum(criterion, start, options.iterations);
  const std::unique_ptr<Integral> laplace = problem.integral(1);
  const Optimum near = detail::approach_minimum(criterion_of(*laplace, coordinates), start, {},
                                                1e-2, options.iterations);
  return detail::find_minimum(criterion, near.argument, options.iterations, near.hessian);
}

void describe_fixed(const Coordinates& coordinates, const ModelPoint& optimum,
                    const MatrixXd& covariance, FixedEffects& fixed) {
  const Index p = coordinates.n_fixed();
  fixed.estimate = optimum.fixed;
  fixed.covariance = covariance.topLeftCorner(p, p);
  fixed.standard_error = fixed.covariance.diagonal().cwiseSqrt();
}

void describe_family(const Design& design, const VectorXd& parameters, const VectorXd& errors,
                     GeneralizedFit& fit) {
  fit.dispersion = fit.dispersion_standard_error = missing;
  if (fit.family == Family::cumulative) {
    for (Index j = 0; j < parameters.size(); ++j) {
      fit.thresholds.push_back(
          {.term = category_name(design, j) + "|" + category_name(design, j + 1),
           .estimate = parameters[j],
           .standard_error = errors[j]});
    }
  } else if (parameters.size() == 1) {
    // A gamma's parameter is its shape, the inverse of the dispersion.
    fit.dispersion = std::exp(fit.family == Family::gamma ? -parameters[0] : parameters[0]);
    fit.dispersion_standard_error = fit.dispersion * errors[0];
    if (fit.family == Family::nbinom2 && fit.dispersion > poisson_limit)
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

void describe_rows(const Problem& problem, const ModelPoint& optimum, const Integral& integral,
                   GeneralizedFit& fit) {
  fit.linear_predictor = integral.linear_predictor();
  fit.fitted.resize(fit.linear_predictor.size());
  const std::unique_ptr<Likelihood> likelihood = problem.likelihood();
  likelihood->set_parameters(optimum.family);
  for (Index i = 0; i < fit.fitted.size(); ++i) {
    const Index row = problem.rows().order[at(i)];
    fit.fitted[row] = likelihood->fitted(i, fit.linear_predictor[row]);
  }
}

}  // namespace

GeneralizedFit fit_generalized_model(const Design& design, const GeneralizedOptions& options) {
  require_usable(design, options);
  const bool thresholds = options.family == Family::cumulative;
  if (thresholds) require_every_category(design);
  GeneralizedFit fit{};
  fit.family = options.family;
  fit.link = options.link.value_or(default_link(options.family));
  fit.quadrature_points = options.quadrature_points;
  fit.method = design.random.empty() ? "ML" : options.quadrature_points > 1 ? "AGQ" : "Laplace";
  choose_columns(design, thresholds, fit.fixed);

  const Problem problem(design, options, fit.fixed.columns);
  const std::unique_ptr<Likelihood> likelihood = problem.likelihood();
  const VectorXd family = likelihood->start();
  const WorkingModel working = working_model(*likelihood, problem.rows(), family);
  const Coordinates coordinates(design, problem.rows().fixed, working.weights, family.size(),
                                thresholds);
  const std::unique_ptr<Integral> integral = problem.integral(options.quadrature_points);
  const Minimum minimum =
      search(problem, *integral, coordinates,
             starting_point(design, coordinates, working.fixed, family, thresholds), options);

  const ModelPoint optimum = coordinates.point(minimum.x);
  const MatrixXd covariance = parameter_covariance(coordinates.map(), minimum.hessian);
  describe_fixed(coordinates, optimum, covariance, fit.fixed);
  describe_family(design, optimum.family, covariance.diagonal().tail(family.size()).cwiseSqrt(),
                  fit);
  fit.data = {.observations = design.response.size(),
              .omitted = design.n_omitted,
              .residual_df = static_cast<double>(design.response.size() - coordinates.n_fixed() -
                                                 (thresholds ? family.size() : 0))};
  describe_random_effects(design, optimum, *integral, options.random_effects, fit);
  fit.criterion = detail::describe_criterion(2 * minimum.value, Criterion::ml, coordinates.size(),
                                             design.response.size());
  fit.optimizer = detail::describe_search(minimum, any_singular(design, optimum));
  describe_rows(problem, optimum, *integral, fit);
  add_warnings(design, fit);
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
  if (fit.link == Link::cloglog) variance = pi * pi / 6;
  if (fit.link == Link::log) {
    // log(1 + Var(y) / mean²) at the marginal mean exp(mean of Xβ + half the random variance).
    const VectorXd fixed = design.fixed(Eigen::all, fit.fixed.columns) * fit.fixed.estimate;
    double random = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      const MatrixXd& z = design.random[t].columns;
      random += (z.transpose() * z).cwiseProduct(fit.random[t].covariance).sum() /
                static_cast<double>(z.rows());
    }
    const double mean = std::exp(fixed.mean() + 0.5 * random);
    variance = std::log1p(relative_variance(fit, mean));
  }
  linear.residual.sd = std::sqrt(variance);
  return linear;
}

}  // namespace rapport
