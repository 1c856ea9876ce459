#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/predict.hpp>

#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>

#include "link_function.hpp"
#include "loadings.hpp"
#include "model_columns.hpp"
#include "ordinal_shape.hpp"
#include "variable.hpp"
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

namespace rapport {
namespace {

using detail::mean_at;
using detail::MeanAt;
using detail::variance_at;
using Sparse = Eigen::SparseMatrix<double>;

/// A lower triangular Λ with ΛΛ' = matrix, which is positive semidefinite.
Eigen::MatrixXd semidefinite_factor(const Eigen::MatrixXd& matrix) {
  Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(matrix.rows(), matrix.cols());
  for (Index j = 0; j < matrix.cols(); ++j) {
    const double pivot = matrix(j, j) - factor.row(j).head(j).squaredNorm();
    if (pivot <= 1e-14 * matrix(j, j)) continue;
    factor(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < matrix.rows(); ++i)
      factor(i, j) =
          (matrix(i, j) - factor.row(i).head(j).dot(factor.row(j).head(j))) / factor(j, j);
  }
  return factor;
}

/// The random effects of all terms side by side, standardised: b = Λv, Var v = σ².
class MixedModelEquations {
 public:
  MixedModelEquations(const Design& design, const MixedFit& fit) : positions_(design) {
    const double variance = fit.residual.sd * fit.residual.sd;
    for (const RandomEffects& term : fit.random)
      factors_.push_back(semidefinite_factor(term.covariance / variance));
    const Sparse zl = detail::random_loadings(design, positions_, factors_, design.weights);
    Sparse system = zl.transpose() * zl;
    for (Index j = 0; j < positions_.size; ++j) system.coeffRef(j, j) += 1;
    cholesky_.compute(system);
    Eigen::MatrixXd x = design.fixed(Eigen::all, fit.fixed.columns);
    if (design.weights.size() > 0) x = design.weights.cwiseSqrt().asDiagonal() * x;
    cross_ = zl.transpose() * x;
  }

  /// Errors of the effects of one level of each term: with a = Λ'z, all terms side by side,
  /// z'(inner)z = a'M⁻¹a and (cross)z = X'ZΛM⁻¹a, where M = Λ'Z'ZΛ + I.
  struct LevelErrors {
    Eigen::MatrixXd inner;  ///< q × q
    Eigen::MatrixXd cross;  ///< p × q
  };

  /// `levels` has one level a term; −1 for none. Solved once for each combination.
  const LevelErrors& errors(const std::vector<std::int32_t>& levels) {
    const auto known = errors_.find(levels);
    if (known != errors_.end()) return known->second;
    Index q = 0;
    for (const Eigen::MatrixXd& factor : factors_) q += factor.rows();
    Eigen::MatrixXd a = Eigen::MatrixXd::Zero(positions_.size, q);
    Index column = 0;
    for (std::size_t k = 0; k < factors_.size(); ++k) {
      const Index width = factors_[k].rows();
      if (levels[k] >= 0)
        a.block(positions_.of(k, levels[k]), column, width, width) = factors_[k].transpose();
      column += width;
    }
    const Eigen::MatrixXd solved = cholesky_.solve(a);
    return errors_
        .emplace(levels,
                 LevelErrors{.inner = a.transpose() * solved, .cross = cross_.transpose() * solved})
        .first->second;
  }

 private:
  detail::EffectPositions positions_;
  std::vector<Eigen::MatrixXd> factors_;
  Eigen::SimplicialLLT<Sparse> cholesky_;
  Eigen::MatrixXd cross_;  ///< Λ'Z'X
  std::map<std::vector<std::int32_t>, LevelErrors> errors_;
};

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
                                   const Eigen::MatrixXd& fixed_covariance) {
  MixedModelEquations equations(design, fit);
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
    const MixedModelEquations::LevelErrors& known = equations.errors(levels);
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

}  // namespace

Predictions predict(const Design& design, const MixedFit& fit, const Table& rows,
                    const PredictOptions& options, const Eigen::MatrixXd& fixed_covariance) {
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
    const bool with_errors =
        options.errors_of_effects && design.fixed.rows() > 0;  // a saved fit has no rows
    if (with_errors)
      result.standard_error = conditional_errors(design, fit, effects, x, covariance);
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
