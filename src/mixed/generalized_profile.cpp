#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized_inference.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>

#include "generalized_parameters.hpp"
#include "generalized_problem.hpp"
#include "profile_limit.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace rapport {
namespace {

using detail::GeneralizedParameter;
using detail::GeneralizedProblem;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Kind = GeneralizedParameter::Kind;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// The effects of a parameter's term with its own effects first, so that their SD is |Λ₁₁| and
/// their correlation Λ₂₁/√(Λ₂₁² + Λ₂₂²): to hold either is a linear constraint.
std::vector<Index> effects_in_order(const GeneralizedParameter& parameter, Index q) {
  std::vector<Index> order;
  if (parameter.kind == Kind::correlation) order.push_back(parameter.column);
  order.push_back(parameter.row);
  for (Index i = 0; i < q; ++i)
    if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
  return order;
}

Design reordered(Design design, const GeneralizedParameter& parameter) {
  if (parameter.kind != Kind::sd && parameter.kind != Kind::correlation) return design;
  RandomTerm& term = design.random[parameter.term];
  const std::vector<Index> order = effects_in_order(parameter, term.columns.cols());
  term.columns = MatrixXd(term.columns(Eigen::all, order));
  std::vector<std::string> names;
  for (const Index i : order) names.push_back(term.terms[at(i)]);
  term.terms = std::move(names);
  return design;
}

/// The lower triangular Λ with ΛΛ' = GG', its diagonal not negative.
MatrixXd triangular_factor(const MatrixXd& g) {
  const Eigen::HouseholderQR<MatrixXd> qr(g.transpose());
  MatrixXd factor = MatrixXd(qr.matrixQR().triangularView<Eigen::Upper>()).transpose();
  for (Index j = 0; j < factor.cols(); ++j)
    if (factor(j, j) < 0) factor.col(j) *= -1;
  return factor;
}

/// Positive definite, eigenvalues raised where they are small or negative.
MatrixXd made_definite(const MatrixXd& hessian) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(hessian);
  const double floor = 1e-4 * std::max(eigen.eigenvalues().cwiseAbs().maxCoeff(), 1e-10);
  return eigen.eigenvectors() * eigen.eigenvalues().cwiseAbs().cwiseMax(floor).asDiagonal() *
         eigen.eigenvectors().transpose();
}

/// The model at its estimates in coordinates that suit one parameter.
class OrderedModel {
 public:
  OrderedModel(const Design& design, const GeneralizedFit& fit,
               const GeneralizedParameter& parameter)
      : points_(fit.quadrature_points),
        parameter_(parameter),
        design_(reordered(design, parameter)),
        problem_(design_, fit.options) {
    const detail::Coordinates& coordinates = problem_.coordinates();
    VectorXd natural(coordinates.size());
    natural << fit.fixed.estimate, factor_entries(fit), fit.family_parameters;
    inverse_map_ = coordinates.map().partialPivLu().inverse();
    estimate_ = inverse_map_ * natural;
    const std::unique_ptr<detail::Integral> integral = problem_.integral(points_);
    const auto criterion = problem_.criterion(*integral);
    MatrixXd raw =
        detail::difference_hessian(criterion, estimate_, VectorXd::Ones(estimate_.size()));
    hessian_ = made_definite(raw);
  }

  [[nodiscard]] const GeneralizedProblem& problem() const { return problem_; }
  [[nodiscard]] std::unique_ptr<detail::Integral> integral() const {
    return problem_.integral(points_);
  }
  [[nodiscard]] const GeneralizedParameter& parameter() const { return parameter_; }
  [[nodiscard]] const VectorXd& estimate() const { return estimate_; }
  [[nodiscard]] const MatrixXd& hessian() const { return hessian_; }
  [[nodiscard]] const MatrixXd& map() const { return problem_.coordinates().map(); }
  [[nodiscard]] const MatrixXd& inverse_map() const { return inverse_map_; }
  /// Where the parameter's term begins among the natural parameters, and its number of effects.
  [[nodiscard]] Index term_start() const { return term_start_; }
  [[nodiscard]] Index effects() const { return effects_; }
  /// Where diagonal entries of all Λ stand.
  [[nodiscard]] const std::vector<Index>& diagonals() const { return diagonals_; }

  /// The natural parameter that a held SD, family's parameter or fixed effect is.
  [[nodiscard]] Index natural_index() const {
    const detail::Coordinates& coordinates = problem_.coordinates();
    if (parameter_.kind == Kind::fixed) return parameter_.row;
    if (parameter_.kind == Kind::family)
      return coordinates.n_fixed() + coordinates.n_factor() + parameter_.row;
    return term_start_;
  }

 private:
  VectorXd factor_entries(const GeneralizedFit& fit) {
    const bool moved = parameter_.kind == Kind::sd || parameter_.kind == Kind::correlation;
    std::vector<double> entries;
    for (std::size_t t = 0; t < fit.factors.size(); ++t) {
      MatrixXd factor = fit.factors[t];
      const Index q = factor.rows();
      if (moved && t == parameter_.term) {
        term_start_ = fit.fixed.estimate.size() + static_cast<Index>(entries.size());
        effects_ = q;
        factor = MatrixXd(factor(effects_in_order(parameter_, q), Eigen::all));
      }
      factor = triangular_factor(factor);
      for (Index j = 0; j < q; ++j) {
        diagonals_.push_back(fit.fixed.estimate.size() + static_cast<Index>(entries.size()));
        for (Index i = j; i < q; ++i) entries.push_back(factor(i, j));
      }
    }
    return Eigen::Map<const VectorXd>(entries.data(), static_cast<Index>(entries.size()));
  }

  Index points_;
  GeneralizedParameter parameter_;
  Design design_;
  GeneralizedProblem problem_;
  Index term_start_ = 0;
  Index effects_ = 0;
  std::vector<Index> diagonals_;
  MatrixXd inverse_map_;
  VectorXd estimate_;
  MatrixXd hessian_;
};

/// The least deviance with the parameter at a value, started where the last call ended.
class HeldDeviance {
 public:
  explicit HeldDeviance(std::shared_ptr<const OrderedModel> model)
      : model_(std::move(model)), integral_(model_->integral()), x_(model_->estimate()) {}

  double operator()(double value) {
    const auto criterion = model_->problem().criterion(*integral_);
    const Constraint constraint = hold(value);
    leave_zero(constraint);
    if (x_.size() == 1) {
      Derivatives only;
      criterion(x_, only);
      return 2 * only.value;
    }
    const Eigen::HouseholderQR<MatrixXd> qr(constraint.normal);
    const MatrixXd q = qr.householderQ();
    const MatrixXd free = q.rightCols(x_.size() - 1);
    const VectorXd origin = x_;
    const Optimum optimum = detail::approach_minimum(
        [&](const VectorXd& y, Derivatives& out) {
          criterion(origin + free * y, out);
          out.gradient = free.transpose() * out.gradient;
        },
        VectorXd::Zero(free.cols()), free.transpose() * model_->hessian() * free, 1e-6, 200);
    if (!std::isfinite(optimum.value)) {
      x_ = model_->estimate();
      return infinity;
    }
    x_ = origin + free * optimum.argument;
    return 2 * optimum.value;
  }

 private:
  /// normal'x stays what it is at the present x.
  struct Constraint {
    VectorXd normal;
  };

  /// Moves x to where the parameter has the value: along the line of least deviance of the
  /// quadratic at the estimates, or for a correlation by turning its two entries.
  Constraint hold(double value) {
    const MatrixXd& map = model_->map();
    if (model_->parameter().kind == Kind::correlation) {
      const Index across = model_->term_start() + 1;
      const Index along = model_->term_start() + model_->effects();
      const double rest = std::sqrt(std::max(0.0, 1 - value * value));
      VectorXd natural = map * x_;
      const double length = std::hypot(natural[across], natural[along]);
      natural[across] = value * length;
      natural[along] = rest * length;
      x_ = model_->inverse_map() * natural;
      return {rest * map.row(across).transpose() - value * map.row(along).transpose()};
    }
    const VectorXd normal = map.row(model_->natural_index());
    const VectorXd direction = model_->hessian().llt().solve(normal);
    x_ += direction * ((value - normal.dot(x_)) / normal.dot(direction));
    return {normal};
  }

  /// An SD of 0 has no slope: the search starts a little away from it.
  void leave_zero(const Constraint& constraint) {
    constexpr double little = 1e-2;
    for (const Index k : model_->diagonals()) {
      const bool held = std::abs(constraint.normal[k]) > 0;
      if (!held && std::abs(x_[k]) < little) x_[k] = little;
    }
  }

  std::shared_ptr<const OrderedModel> model_;
  std::shared_ptr<detail::Integral> integral_;
  VectorXd x_;
};

/// A first guess of the distance from the estimate to a limit, by Wald.
double first_step(const OrderedModel& model, double target) {
  if (model.parameter().kind == Kind::correlation) return 0.3;
  const VectorXd normal = model.map().row(model.natural_index());
  return target * std::sqrt(normal.dot(model.hessian().llt().solve(normal)));
}

/// The parameter as the search sees it.
double internal_estimate(const GeneralizedFit& fit, const GeneralizedParameter& parameter) {
  if (parameter.kind == Kind::family) return fit.family_parameters[parameter.row];
  return detail::parameter_estimate(fit, parameter);
}

/// ±1 for the side of the estimate.
double profile_side(const std::shared_ptr<const OrderedModel>& model, const GeneralizedFit& fit,
                    double side, double target) {
  const GeneralizedParameter& parameter = model->parameter();
  double boundary = side * infinity;
  if (parameter.kind == Kind::sd && side < 0) boundary = 0;
  if (parameter.kind == Kind::correlation) boundary = side;
  const double limit =
      detail::profile_limit(HeldDeviance(model), {.least = fit.criterion.value,
                                                  .estimate = internal_estimate(fit, parameter),
                                                  .step = side * first_step(*model, target),
                                                  .boundary = boundary,
                                                  .target = target,
                                                  .tolerance = 1e-7});
  if (parameter.kind != Kind::family) return limit;
  // A dispersion's logarithm is searched between −30 and 30.
  const bool endless = fit.family != Family::cumulative && std::abs(limit) > 29;
  return detail::family_scale(fit, parameter.row, endless ? side * infinity : limit);
}

}  // namespace

std::vector<ParameterInterval> profile_intervals(const Design& design, const GeneralizedFit& fit,
                                                 double level, int threads) {
  require_level("profile_intervals", "level", level);
  const std::vector<GeneralizedParameter> parameters = detail::generalized_parameters(fit);
  const double target = std::sqrt(chi_squared_quantile(level, 1));
  std::vector<ParameterInterval> result(parameters.size());
  parallel_for(static_cast<Index>(parameters.size()), threads, [&](Index k) {
    const GeneralizedParameter& parameter = parameters[at(k)];
    const double estimate = detail::parameter_estimate(fit, parameter);
    ParameterInterval& interval = result[at(k)];
    interval = {parameter.name, estimate, missing, {missing, missing, level}};
    if (!std::isfinite(estimate)) return;
    const auto model = std::make_shared<const OrderedModel>(design, fit, parameter);
    double lower = profile_side(model, fit, -1, target);
    double upper = profile_side(model, fit, 1, target);
    if (lower > upper) std::swap(lower, upper);
    interval.ci.lower = lower;
    interval.ci.upper = upper;
  });
  return result;
}

}  // namespace rapport
