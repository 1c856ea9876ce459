#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/saved_fit.hpp>

#include "effect_errors.hpp"
#include "link_function.hpp"
#include "model_columns.hpp"
#include "ordinal_shape.hpp"
#include "variable.hpp"
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

namespace rapport {
namespace {

using detail::mean_at;
using detail::MeanAt;
using detail::variance_at;

/// The level of each row in the fit's numbering; −1 for one that the fit did not see.
std::vector<std::int32_t> levels_of_rows(const FormulaTerm& group, const RandomTerm& term,
                                         const Table& rows) {
  Factor found;
  for (const std::string& name : group) {
    auto evaluated = evaluate(detail::parse_variable(name).argument, rows);
    const auto* numbers = std::get_if<Eigen::VectorXd>(&evaluated);
    Factor part =
        numbers != nullptr ? make_factor(*numbers) : std::get<Factor>(std::move(evaluated));
    found = found.levels.empty() && found.codes.empty() ? std::move(part) : cross(found, part);
  }
  std::unordered_map<std::string, std::int32_t> position;
  for (std::size_t level = 0; level < term.levels.size(); ++level)
    position.emplace(term.levels[level], static_cast<std::int32_t>(level));
  std::vector<std::int32_t> codes;
  for (const std::int32_t code : found.codes) {
    const auto known =
        code < 0 ? position.end() : position.find(found.levels[static_cast<std::size_t>(code)]);
    codes.push_back(known == position.end() ? -1 : known->second);
  }
  return codes;
}

/// The random effects of the fit as they meet the new rows.
struct NewEffects {
  Eigen::MatrixXd columns;                        ///< rows × q, all terms side by side
  std::vector<std::vector<std::int32_t>> levels;  ///< a row's level in each term; −1: not seen
};

NewEffects new_effects(const Design& design, const MixedFit& fit, const Table& rows) {
  NewEffects effects;
  effects.levels.assign(static_cast<std::size_t>(rows.rows()),
                        std::vector<std::int32_t>(design.random.size()));
  for (std::size_t k = 0; k < design.random.size(); ++k) {
    if (fit.random[k].blups.rows() != static_cast<Index>(design.random[k].levels.size()))
      throw InvalidArgument(
          "predict: `fit` has no BLUPs; fit with random_effects = true, or predict for the "
          "population");
    const Eigen::MatrixXd columns = plan_columns(design.frame, design.frame.random[k], rows, true);
    const Index before = effects.columns.cols();
    effects.columns.conservativeResize(rows.rows(), before + columns.cols());
    effects.columns.rightCols(columns.cols()) = columns;
    const std::vector<std::int32_t> levels =
        levels_of_rows(design.frame.formula.random[k].group, design.random[k], rows);
    for (std::size_t i = 0; i < levels.size(); ++i) effects.levels[i][k] = levels[i];
  }
  return effects;
}

/// Adds z'û to the estimates.
void add_effects(const MixedFit& fit, const NewEffects& effects, Eigen::VectorXd& estimate) {
  for (Index i = 0; i < estimate.size(); ++i) {
    Index column = 0;
    for (std::size_t k = 0; k < fit.random.size(); ++k) {
      const std::int32_t level = effects.levels[static_cast<std::size_t>(i)][k];
      const Index width = fit.random[k].covariance.rows();
      if (level >= 0)
        estimate[i] +=
            fit.random[k].blups.row(level).dot(effects.columns.row(i).segment(column, width));
      column += width;
    }
  }
}

/// Standard errors of x'β̂ + z'(û − u): of z'u itself where the level was not seen.
Eigen::VectorXd conditional_errors(const Design& design, const MixedFit& fit,
                                   const NewEffects& effects, const Eigen::MatrixXd& x,
                                   const Eigen::MatrixXd& fixed_covariance,
                                   const EffectEquations& equations) {
  detail::EffectErrors effect_errors(design, fit, equations);
  const double variance = fit.residual.sd * fit.residual.sd;
  Eigen::VectorXd errors(x.rows());
  for (Index i = 0; i < x.rows(); ++i) {
    const std::vector<std::int32_t>& levels = effects.levels[static_cast<std::size_t>(i)];
    const Eigen::VectorXd z = effects.columns.row(i);
    double unseen = 0;
    Index column = 0;
    for (std::size_t k = 0; k < levels.size(); ++k) {
      const Index width = fit.random[k].covariance.rows();
      const Eigen::VectorXd own = z.segment(column, width);
      if (levels[k] < 0) unseen += own.dot(fit.random[k].covariance * own);
      column += width;
    }
    const detail::EffectErrors::OfLevels& known = effect_errors.of(levels);
    const Eigen::VectorXd rest = x.row(i).transpose() - known.cross * z;
    errors[i] =
        std::sqrt(unseen + variance * z.dot(known.inner * z) + rest.dot(fixed_covariance * rest));
  }
  return errors;
}

/// Σ over the categories of (∂p/∂η)² / p.
double category_information(const GeneralizedFit& fit, const detail::FittedThresholds& thresholds,
                            Index row, double eta) {
  double information = 0;
  MeanAt below{.mean = 0, .slope = 0};
  for (Index j = 0; j < thresholds.categories(); ++j) {
    const bool last = j + 1 == thresholds.categories();
    const MeanAt above =
        last ? MeanAt{.mean = 1, .slope = 0} : mean_at(fit.link, thresholds.cut(row, j, eta));
    const double probability = above.mean - below.mean;
    const double slope = (above.slope - below.slope) * thresholds.precision(row);
    if (probability > 0) information += slope * slope / probability;
    below = above;
  }
  return information;
}

/// What each row of the fit tells about its linear predictor: its expected information at the modes
/// (McCullagh & Nelder 1989).
Eigen::VectorXd expected_information(const Design& design, const GeneralizedFit& fit) {
  Eigen::VectorXd information(fit.linear_predictor.size());
  std::optional<detail::FittedThresholds> thresholds;
  if (fit.family == Family::cumulative) thresholds.emplace(fit);
  for (Index i = 0; i < information.size(); ++i) {
    const double eta = fit.linear_predictor[i];
    if (fit.family == Family::cumulative) {
      information[i] = category_information(fit, *thresholds, i, eta);
    } else {
      const MeanAt at = mean_at(fit.link, eta);
      const double variance = variance_at(fit.family, at.mean, fit.dispersion);
      information[i] = variance > 0 ? at.slope * at.slope / variance : 0;
    }
  }
  if (design.weights.size() > 0) information.array() *= design.weights.array();
  return information;
}

/// predict() with equations() for the errors of effects; they are none if it is empty.
Predictions predict_rows(const Design& design, const MixedFit& fit, const Table& rows,
                         const PredictOptions& options, const Eigen::MatrixXd& fixed_covariance,
                         const std::function<EffectEquations()>& equations) {
  require_level("predict", "confidence_level", options.confidence_level);
  if (design.frame.formula.response.empty())
    throw InvalidArgument(
        "predict: `design` was made by hand; one made from a formula is required");
  const Eigen::MatrixXd all = plan_columns(design.frame, design.frame.fixed, rows);
  const Eigen::MatrixXd x = all(Eigen::all, fit.fixed.columns);
  const Eigen::MatrixXd& covariance =
      fixed_covariance.size() > 0 ? fixed_covariance : fit.fixed.covariance;
  Predictions result;
  result.level = options.confidence_level;
  result.estimate = x * fit.fixed.estimate;
  const Eigen::VectorXd offset = formula_offset(design.frame.formula, rows);
  if (offset.size() > 0) result.estimate += offset;
  result.standard_error = (x * covariance).cwiseProduct(x).rowwise().sum().cwiseSqrt();
  if (!options.population && !design.random.empty()) {
    const NewEffects effects = new_effects(design, fit, rows);
    add_effects(fit, effects, result.estimate);
    if (options.errors_of_effects && equations)
      result.standard_error = conditional_errors(design, fit, effects, x, covariance, equations());
    else
      result.standard_error.setConstant(missing);
  }
  const double quantile = normal_quantile(0.5 + options.confidence_level / 2);
  const Eigen::VectorXd half = quantile * result.standard_error;
  const double variance = fit.residual.sd * fit.residual.sd;
  const Eigen::VectorXd half_new =
      quantile * (result.standard_error.array().square() + variance).sqrt();
  result.ci_lower = result.estimate - half;
  result.ci_upper = result.estimate + half;
  result.prediction_lower = result.estimate - half_new;
  result.prediction_upper = result.estimate + half_new;
  return result;
}

}  // namespace

Predictions predict(const Design& design, const MixedFit& fit, const Table& rows,
                    const PredictOptions& options, const Eigen::MatrixXd& fixed_covariance) {
  if (design.fixed.rows() == 0)
    return predict_rows(design, fit, rows, options, fixed_covariance, {});
  return predict_rows(design, fit, rows, options, fixed_covariance,
                      [&] { return effect_equations(design, fit); });
}

Predictions predict(const SavedFit& saved, const Table& rows, const PredictOptions& options,
                    const Eigen::MatrixXd& fixed_covariance) {
  if (!saved.equations)
    return predict_rows(saved.design, saved.fit, rows, options, fixed_covariance, {});
  return predict_rows(saved.design, saved.fit, rows, options, fixed_covariance,
                      [&] { return *saved.equations; });
}

Predictions predict(const Design& design, const GeneralizedFit& fit, const Table& rows,
                    const PredictOptions& options) {
  Design weighted = design;
  weighted.weights = expected_information(design, fit);
  MixedFit linear{};
  linear.fixed = fit.fixed;
  linear.random = fit.random;
  linear.residual.sd = 1;
  Predictions result = predict(weighted, linear, rows, options);
  result.prediction_lower.setConstant(missing);
  result.prediction_upper.setConstant(missing);
  return result;
}

}  // namespace rapport
