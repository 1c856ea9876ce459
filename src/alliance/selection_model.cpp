#include <rapport/alliance/meta_bias.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <Eigen/LU>

#include "meta_design.hpp"
#include <cmath>
#include <numbers>

namespace rapport {
namespace {

/// −log L of (μ, τ², ω): each effect's normal density, times ω where it is not significant, over
/// the probability P + ω(1 − P) that such a study is published, P = Φ((μ − b)/η), η² = v + τ², b =
/// √v z (Hedges & Vevea 1996).
class StepLikelihood {
 public:
  StepLikelihood(const MetaData& data, double threshold)
      : y_(data.effect), v_(data.variance), bound_(threshold * data.variance.cwiseSqrt()) {
    for (Index i = 0; i < y_.size(); ++i) significant_ += y_[i] >= bound_[i] ? 1 : 0;
  }

  [[nodiscard]] Index significant() const { return significant_; }

  /// Value and gradient at (μ, τ², ω).
  double operator()(const Eigen::Vector3d& at, Eigen::Vector3d& gradient) const {
    const double omega = at[2];
    const auto rest = static_cast<double>(y_.size() - significant_);
    double value = -rest * std::log(omega);
    gradient = {0, 0, -rest / omega};
    for (Index i = 0; i < y_.size(); ++i) {
      const double square = v_[i] + at[1];
      const double eta = std::sqrt(square);
      const double residual = y_[i] - at[0];
      const double x = (at[0] - bound_[i]) / eta;
      const double p = normal_cdf(x);
      const double published = p + omega * normal_upper_tail(x);
      const double slope = (1 - omega) * normal_density(x) / published;  // ∂ log published / ∂x
      value += 0.5 * std::log(2 * std::numbers::pi * square) + 0.5 * residual * residual / square +
               std::log(published);
      gradient[0] += -residual / square + slope / eta;
      gradient[1] +=
          0.5 / square - 0.5 * residual * residual / (square * square) - 0.5 * slope * x / square;
      gradient[2] += normal_upper_tail(x) / published;
    }
    return value;
  }

 private:
  const Eigen::VectorXd& y_;
  const Eigen::VectorXd& v_;
  Eigen::VectorXd bound_;
  Index significant_ = 0;
};

/// The inverse information in (μ, τ², ω); τ² at its boundary is taken as known.
Eigen::Matrix3d covariance_at(const StepLikelihood& likelihood, const Eigen::Vector3d& at) {
  Eigen::MatrixXd information = numerical_jacobian(
      [&](const Eigen::VectorXd& x) {
        Eigen::Vector3d gradient;
        likelihood(x, gradient);
        return Eigen::VectorXd(gradient);
      },
      at);
  if (at[1] > 0) return information.inverse();
  Eigen::Matrix3d covariance = Eigen::Matrix3d::Constant(missing);
  Eigen::Matrix2d free;
  free << information(0, 0), information(0, 2), information(2, 0), information(2, 2);
  const Eigen::Matrix2d known = free.inverse();
  covariance(0, 0) = known(0, 0);
  covariance(0, 2) = covariance(2, 0) = known(0, 1);
  covariance(2, 2) = known(1, 1);
  return covariance;
}

void require_selection(const MetaData& data, const SelectionOptions& options) {
  require_level("selection_model", "step", options.step);
  require_level("selection_model", "confidence_level", options.confidence_level);
  if (!data.study.empty())
    throw InvalidArgument("selection_model: `study` is given; it takes one effect a study");
  if (data.moderators.cols() > 0)
    throw InvalidArgument("selection_model: `moderators` are given; it takes none");
  require_at_least("selection_model", "effect", data.effect.size(), 3);
}

SelectionModel undefined(Index significant, double level) {
  return {.mean = meta_coefficient("(Intercept)", missing, missing,
                                   std::numeric_limits<double>::infinity(), level),
          .tau2 = missing,
          .tau2_standard_error = missing,
          .weight = missing,
          .weight_standard_error = missing,
          .weight_ci = {missing, missing, level},
          .log_likelihood = missing,
          .statistic = missing,
          .p_value = missing,
          .n_significant = significant,
          .termination = Termination::no_progress};
}

}  // namespace

SelectionModel selection_model(const MetaData& data, const SelectionOptions& options) {
  require_selection(data, options);
  MetaData facing = data;
  if (!options.positive) facing.effect = -facing.effect;
  const MetaFit plain = fit_meta(facing, {.estimator = MetaEstimator::ml});
  const StepLikelihood likelihood(facing, normal_quantile(1 - options.step));
  const Index significant = likelihood.significant();
  if (significant == 0 || significant == data.effect.size())
    return undefined(significant, options.confidence_level);

  const double scale = std::sqrt(std::max(plain.tau2, 0.1 * facing.variance.mean()));
  // In units of `scale`: μ, τ (its sign does not matter, so that 0 is no wall) and log ω.
  const auto natural = [&](const Eigen::VectorXd& x) {
    return Eigen::Vector3d(scale * x[0], scale * scale * x[1] * x[1], std::exp(x[2]));
  };
  const auto objective = [&](const Eigen::VectorXd& x, Derivatives& d) {
    const Eigen::Vector3d at = natural(x);
    Eigen::Vector3d gradient;
    d.value = likelihood(at, gradient);
    d.gradient = Eigen::Vector3d(scale * gradient[0], 2 * scale * scale * x[1] * gradient[1],
                                 at[2] * gradient[2]);
  };
  const Eigen::Vector3d start(plain.coefficients[0].estimate / scale, 1, 0);
  const Optimum optimum = minimize_bfgs(objective, start, {.gradient_tolerance = 1e-9});
  Eigen::Vector3d at = natural(optimum.argument);
  if (at[1] < 1e-10 * facing.variance.mean()) at[1] = 0;
  const Eigen::Matrix3d covariance = covariance_at(likelihood, at);

  SelectionModel model = undefined(significant, options.confidence_level);
  model.mean = meta_coefficient("(Intercept)", options.positive ? at[0] : -at[0],
                                std::sqrt(covariance(0, 0)),
                                std::numeric_limits<double>::infinity(), options.confidence_level);
  model.tau2 = at[1];
  model.tau2_standard_error = std::sqrt(covariance(1, 1));
  model.weight = at[2];
  model.weight_standard_error = std::sqrt(covariance(2, 2));
  const ConfidenceInterval log_ci = normal_interval(
      std::log(at[2]), model.weight_standard_error / at[2], options.confidence_level);
  model.weight_ci = {std::exp(log_ci.lower), std::exp(log_ci.upper), options.confidence_level};
  model.log_likelihood = -optimum.value;
  model.statistic = std::max(0.0, 2 * (model.log_likelihood - plain.log_likelihood));
  model.p_value = chi_squared_upper_tail(model.statistic, 1);
  model.termination = optimum.termination;
  return model;
}

}  // namespace rapport
