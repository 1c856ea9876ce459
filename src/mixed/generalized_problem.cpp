#include "generalized_problem.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <Eigen/Cholesky>

#include "distinct_terms.hpp"
#include "generalized_start.hpp"
#include "group_kernels.hpp"
#include "independent_columns.hpp"
#include "ordinal_likelihood.hpp"
#include "zero_inflated.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

Coordinates::Coordinates(const Design& design, const MatrixXd& fixed, const VectorXd& weights,
                         const FamilyCoordinates& family)
    : n_fixed_(fixed.cols()), n_family_(family.unit.size()) {
  for (const RandomTerm& term : design.random) sizes_.push_back(term.columns.cols());
  for (const Index q : sizes_) n_factor_ += q * (q + 1) / 2;
  map_ = MatrixXd::Identity(size(), size());
  const VectorXd mean =
      family.shift.isZero() ? VectorXd::Zero(n_fixed_) : VectorXd(fixed.colwise().mean());
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
  for (Index j = 0; j < n_family_; ++j, ++k) {
    map_(k, k) = family.unit[j];
    map_.row(k).head(n_fixed_) =
        family.shift[j] * mean.transpose() * map_.topLeftCorner(n_fixed_, n_fixed_);
  }
}

ModelPoint Coordinates::point(const VectorXd& x) const {
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

VectorXd Coordinates::gradient(const ModelPoint& g) const {
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

Index count_categories(const Design& design) {
  if (!design.frame.response_levels.empty())
    return static_cast<Index>(design.frame.response_levels.size());
  return static_cast<Index>(design.response.maxCoeff()) + 1;
}

std::string category_name(const Design& design, Index category) {
  const auto& levels = design.frame.response_levels;
  return levels.empty() ? std::to_string(category) : levels[at(category)];
}

namespace {

/// The kept columns of X; the intercept of a cumulative model is none of them, nor is what its
/// nominal effects already say.
void choose_columns(const Design& design, bool thresholds, const MatrixXd& nominal,
                    FixedEffects& fixed) {
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
  MatrixXd columns(design.fixed.rows(), nominal.cols() + static_cast<Index>(candidates.size()));
  columns << nominal, design.fixed(Eigen::all, candidates);
  if (thresholds && columns.cols() > 0) columns.rowwise() -= columns.colwise().mean().eval();
  std::vector<bool> keep(candidates.size(), false);
  for (const Index k : detail::independent_columns(columns))
    if (k >= nominal.cols()) keep[at(k - nominal.cols())] = true;
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

void require_ordinal_columns(const Design& design, const EffectColumns& effects, const char* what) {
  if (effects.terms.empty()) return;
  if (effects.columns.rows() == design.response.size()) return;
  throw InvalidArgument("fit_generalized_model: `ordinal." + std::string(what) + "` has " +
                        std::to_string(effects.columns.rows()) + " rows but the design has " +
                        std::to_string(design.response.size()) + "; both must have the same");
}

void require_zero_inflation(const Design& design, const GeneralizedOptions& options) {
  const EffectColumns& zeros = options.zero_inflation;
  if (zeros.terms.empty()) return;
  if (options.family != Family::poisson && options.family != Family::nbinom1 &&
      options.family != Family::nbinom2)
    throw InvalidArgument(
        "fit_generalized_model: `zero_inflation` goes with counts (poisson, nbinom1, nbinom2); the "
        "family is " +
        std::string(to_string(options.family)));
  if (zeros.columns.rows() != design.response.size())
    throw InvalidArgument("fit_generalized_model: `zero_inflation` has " +
                          std::to_string(zeros.columns.rows()) + " rows but the design has " +
                          std::to_string(design.response.size()) + "; both must have the same");
  if ((design.response.array() > 0).all())
    throw DataError("no count is 0, so that nothing about extra zeros can be estimated");
}

void require_usable(const Design& design, const GeneralizedOptions& options) {
  if (design.response.size() == 0) throw DataError("fit_generalized_model: the design has no rows");
  if (options.quadrature_points < 1 || options.quadrature_points > 200) {
    throw InvalidArgument("fit_generalized_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) +
                          "; must lie between 1 and 200");
  }
  require_ordinal_columns(design, options.ordinal.nominal, "nominal");
  require_ordinal_columns(design, options.ordinal.scale, "scale");
  require_zero_inflation(design, options);
  const VectorXd& y = design.response;
  if (y.maxCoeff() == y.minCoeff()) {
    throw DataError("the response is the same in all " + std::to_string(y.size()) +
                    " rows, so that nothing about it can be estimated");
  }
}

void require_structure(const Design& design, const OrdinalOptions& options) {
  if (options.thresholds == Thresholds::flexible || count_categories(design) > 2) return;
  throw DataError("the response has two categories, and so a single threshold; " +
                  std::string(to_string(options.thresholds)) +
                  " thresholds need three or more categories");
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

VectorXd starting_point(const Design& design, const Coordinates& coordinates,
                        const GeneralizedStart& from, const VectorXd& family, bool thresholds) {
  VectorXd start = VectorXd::Zero(coordinates.size());
  const Index p = coordinates.n_fixed();
  if (p > 0) {
    start.head(p) =
        from.stretch *
        coordinates.map().topLeftCorner(p, p).triangularView<Eigen::Upper>().solve(from.fixed);
  }
  Index k = p;
  Index effect = 0;
  for (const RandomTerm& term : design.random) {
    for (Index q = term.columns.cols(); q > 0; --q) {
      start[k] = from.sd[effect++] / coordinates.map()(k, k);
      k += q;
    }
  }
  start.tail(family.size()) = (thresholds ? from.stretch : 1) * family;
  return start;
}

}  // namespace

GeneralizedProblem::GeneralizedProblem(const Design& design, const GeneralizedOptions& options)
    : options_(options), fixed_{} {
  require_usable(design, options);
  detail::require_distinct_terms(design, "fit_generalized_model");
  const bool thresholds = options.family == Family::cumulative;
  if (thresholds) {
    require_every_category(design);
    require_structure(design, options.ordinal);
  }
  options_.link = options.link.value_or(default_link(options.family));
  const OrdinalOptions& ordinal = options_.ordinal;
  const Index n = design.response.size();
  choose_columns(
      design, thresholds,
      thresholds && ordinal.nominal.columns.size() > 0 ? ordinal.nominal.columns : MatrixXd(n, 0),
      fixed_);
  rows_ = std::make_unique<SortedDesign>(design, design.fixed(Eigen::all, fixed_.columns));
  require_integrable(options);
  response_ = {
      .family = options.family,
      .link = *options_.link,
      .response = design.response(rows_->order),
      .weights = design.weights.size() == 0 ? VectorXd() : VectorXd(design.weights(rows_->order)),
  };
  if (thresholds) make_ordinal_rows(count_categories(design));
  if (!options.zero_inflation.terms.empty()) {
    response_.needs_likelihood = options.family != Family::poisson;  // the kernels know no other
    response_.zeros = MatrixXd(options.zero_inflation.columns(rows_->order, Eigen::all));
  }
  const std::unique_ptr<Likelihood> rows = likelihood();
  const VectorXd family = rows->start();
  const GeneralizedStart start = generalized_start(*rows, *rows_, *options_.link, thresholds);
  coordinates_ = std::make_unique<Coordinates>(design, rows_->fixed, start.weights,
                                               family_coordinates(family.size()));
  start_ = starting_point(design, *coordinates_, start, family, thresholds);
}

void GeneralizedProblem::require_integrable(const GeneralizedOptions& options) const {
  if (options.quadrature_error && !(*options.quadrature_error > 0)) {
    throw InvalidArgument("fit_generalized_model: `quadrature_error` is " +
                          std::to_string(*options.quadrature_error) + "; must be positive");
  }
  const bool quadrature = options.quadrature_points > 1 || options.quadrature_error;
  if (!quadrature || rows_->random.empty()) return;
  if (!is_grouped(*rows_)) {
    throw InvalidArgument(
        "fit_generalized_model: `quadrature_points` are more than 1; quadrature needs one grouping "
        "factor with at most " +
        std::to_string(most_effects) + " random effects: use Laplace's approximation, 1 point");
  }
  if (!affordable(options.quadrature_points)) {
    throw InvalidArgument("fit_generalized_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) +
                          " along each random effect; they may make at most " +
                          std::to_string(static_cast<Index>(most_nodes)) + " nodes");
  }
}

void GeneralizedProblem::make_ordinal_rows(Index categories) {
  const OrdinalOptions& ordinal = options_.ordinal;
  response_.shape = std::make_shared<const OrdinalShape>(ordinal, categories);
  const OrdinalShape& shape = *response_.shape;
  // The kernels know the logit without effects on the scale.
  response_.needs_likelihood = response_.link != Link::logit || shape.n_scale() > 0;
  if (shape.n_nominal() > 0)
    response_.nominal = MatrixXd(ordinal.nominal.columns(rows_->order, Eigen::all));
  if (shape.n_scale() > 0) scale_ = MatrixXd(ordinal.scale.columns(rows_->order, Eigen::all));
}

FamilyCoordinates GeneralizedProblem::family_coordinates(Index n_family) const {
  FamilyCoordinates family{.shift = VectorXd::Zero(n_family), .unit = VectorXd::Ones(n_family)};
  for (Index k = 0; k < response_.zeros.cols(); ++k) {
    family.unit[n_family - response_.zeros.cols() + k] =
        std::sqrt(static_cast<double>(response_.zeros.rows())) / response_.zeros.col(k).norm();
  }
  if (response_.shape == nullptr) return family;
  const Index t = response_.shape->n_threshold_parameters();
  const auto inverse_size = [](const VectorXd& column) {
    return 1 / std::sqrt(column.squaredNorm() / static_cast<double>(column.size()));
  };
  family.shift.head(t) = response_.shape->shift();
  for (Index k = 0; k < response_.shape->n_nominal(); ++k)
    family.unit.segment(t * (1 + k), t).setConstant(inverse_size(response_.nominal.col(k)));
  for (Index k = 0; k < response_.shape->n_scale(); ++k)
    family.unit[response_.shape->scale_start() + k] = inverse_size(scale_.col(k));
  return family;
}

std::unique_ptr<Likelihood> GeneralizedProblem::likelihood() const {
  if (response_.zeros.size() > 0)
    return make_zero_inflated(response_.family, response_.link, response_.response,
                              response_.weights, response_.zeros);
  const OrdinalShape* shape = response_.shape.get();
  const bool extended = response_.link == Link::loglog || response_.link == Link::cauchit;
  const bool known = response_.link == Link::logit || response_.link == Link::probit ||
                     response_.link == Link::cloglog;
  if (shape != nullptr && (extended || (known && !shape->plain())))
    return make_ordinal_likelihood(*shape, response_.link, response_.response, response_.weights,
                                   response_.nominal, scale_);
  return make_likelihood(response_.family, response_.link, response_.response, response_.weights,
                         shape == nullptr ? 0 : shape->n_thresholds() + 1);
}

std::unique_ptr<Integral> GeneralizedProblem::integral(Index points) const {
  return is_grouped(*rows_) ? make_group_integral(*rows_, likelihood(), response_, points)
                            : make_laplace_integral(*rows_, likelihood(), response_);
}

std::function<void(const VectorXd&, Derivatives&)> GeneralizedProblem::criterion(
    Integral& integral) const {
  return [&integral, &coordinates = *coordinates_](const VectorXd& x, Derivatives& out) {
    ModelPoint gradient;
    out.value = integral.evaluate(coordinates.point(x), &gradient);
    out.gradient =
        std::isfinite(out.value) ? coordinates.gradient(gradient) : VectorXd::Zero(x.size());
  };
}

std::function<void(const VectorXd&, Derivatives&)> GeneralizedProblem::curved_criterion(
    Integral& integral) const {
  return [&integral, &coordinates = *coordinates_](const VectorXd& x, Derivatives& out) {
    ModelPoint gradient;
    out.value = integral.evaluate(coordinates.point(x), gradient, out.hessian);
    if (!std::isfinite(out.value)) return;
    out.gradient = coordinates.gradient(gradient);
    out.hessian = coordinates.map().transpose() * out.hessian * coordinates.map();
  };
}

Minimum GeneralizedProblem::search(Integral& integral) const {
  if (integral.points() == 1) return search(integral, start_);
  const std::unique_ptr<Integral> laplace = this->integral(1);
  if (laplace->has_hessian()) {
    const Minimum near =
        find_minimum_by_newton(curved_criterion(*laplace), start_, options_.iterations, 1e-2);
    return search(integral, near.converged ? near.x : start_);
  }
  const Optimum near = approach_minimum(criterion(*laplace), start_, {}, 1e-2, options_.iterations);
  return find_minimum(criterion(integral), near.argument, options_.iterations, near.hessian);
}

Minimum GeneralizedProblem::search(Integral& integral, const VectorXd& start) const {
  if (!integral.has_hessian()) return find_minimum(criterion(integral), start, options_.iterations);
  const Minimum minimum = find_minimum_by_newton(curved_criterion(integral), start,
                                                 options_.iterations, 1e-12, criterion(integral));
  if (minimum.converged && minimum.smallest_curvature > -1e-6) return minimum;
  return find_minimum(criterion(integral), minimum.x, options_.iterations);
}

GeneralizedProblem::Search GeneralizedProblem::search() const {
  Search found{.integral = integral(options_.quadrature_points),
               .minimum = {},
               .points = options_.quadrature_points,
               .error = missing};
  found.minimum = search(*found.integral);
  if (!options_.quadrature_error || !is_grouped(*rows_)) return found;
  for (;;) {
    const Index more = found.points + 2 + found.points / 3 / 2 * 2;
    const std::unique_ptr<Integral> finer = integral(more);
    const double value =
        finer->evaluate(coordinates_->point(found.minimum.x), static_cast<ModelPoint*>(nullptr));
    found.error = std::abs(value - found.minimum.value);
    if (found.error <= *options_.quadrature_error || !affordable(more)) return found;
    const VectorXd start = found.minimum.x;
    found.integral = integral(more);
    found.minimum = search(*found.integral, start);
    found.points = more;
  }
}

bool GeneralizedProblem::affordable(Index points) const {
  Index effects = 0;
  for (const RandomTerm& term : rows_->random) effects += term.columns.cols();
  return points <= 200 &&
         std::pow(static_cast<double>(points), static_cast<double>(effects)) <= most_nodes;
}

}  // namespace rapport::detail
