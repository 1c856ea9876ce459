#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/response_scale.hpp>
#include <rapport/mixed/term_tests.hpp>

#include "link_function.hpp"
#include "reference_grid.hpp"
#include "response_surface.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

using detail::Outputs;
using detail::ReferenceGrid;
using detail::ResponseRows;
using detail::ResponseSurface;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Symmetric on the scale of the link; NaN where the estimate is at an end of its range.
ConfidenceInterval link_interval(Link link, double estimate, double standard_error, double level) {
  const detail::PredictorAt at = detail::predictor_at(link, estimate);
  const double half = normal_quantile(0.5 + level / 2) * standard_error * std::abs(at.slope);
  const double a = detail::mean_at(link, at.predictor - half).mean;
  const double b = detail::mean_at(link, at.predictor + half).mean;
  return {std::min(a, b), std::max(a, b), level};
}

/// The link on which the interval of a mean or a probability is symmetric.
Link interval_link(const GeneralizedFit& fit) {
  return fit.family == Family::cumulative ? Link::logit : fit.link;
}

/// Outputs with, for categories, the mean category as one more.
Outputs with_mean_category(Outputs outputs) {
  const Index k = outputs.value.size();
  if (k == 1) return outputs;
  const VectorXd scores = VectorXd::LinSpaced(k, 1, static_cast<double>(k));
  Outputs more{.value = VectorXd(k + 1), .gradient = MatrixXd(k + 1, outputs.gradient.cols())};
  more.value << outputs.value, scores.dot(outputs.value);
  more.gradient << outputs.gradient, scores.transpose() * outputs.gradient;
  return more;
}

std::vector<std::string> names_with_mean(const ResponseSurface& surface) {
  std::vector<std::string> names = surface.names();
  if (names.size() > 1) names.emplace_back("mean category");
  return names;
}

/// A design of no rows that knows the inputs of everything in the model.
Design with_all_inputs(const Design& design, const std::vector<const EffectColumns*>& effects) {
  Design all;
  all.frame = design.frame;
  for (const EffectColumns* own : effects)
    for (const ModelInput& input : own->frame.inputs)
      if (std::none_of(all.frame.inputs.begin(), all.frame.inputs.end(),
                       [&](const ModelInput& known) { return known.name == input.name; }))
        all.frame.inputs.push_back(input);
  return all;
}

/// Places of the reference grid on the scale of the response.
class ResponseGrid {
 public:
  ResponseGrid(const Design& design, const GeneralizedFit& fit, const ResponseOptions& options)
      : design_(design),
        fit_(fit),
        level_(options.confidence_level),
        inputs_(with_all_inputs(design, {&fit.options.ordinal.nominal, &fit.options.ordinal.scale,
                                         &fit.options.zero_inflation})),
        grid_(inputs_),
        surface_(design, fit, options.averaging == Averaging::groups) {
    require_level("response_means", "confidence_level", options.confidence_level);
  }

  [[nodiscard]] const ReferenceGrid& grid() const { return grid_; }

  [[nodiscard]] Outputs at(const Place& place) const {
    Outputs outputs = with_mean_category(surface_.mean(surface_.grid_rows(grid_.table(place))));
    // What a nominal effect has taken the place of is known all the same.
    if (fit_.family != Family::cumulative &&
        estimable_weights(design_, fit_.fixed, grid_.weights(place)).hasNaN())
      outputs.value.setConstant(missing);
    return outputs;
  }

  [[nodiscard]] std::vector<ResponseValue> values(const Outputs& outputs) const {
    const std::vector<std::string> names = names_with_mean(surface_);
    const VectorXd errors = surface_.standard_errors(outputs.gradient);
    std::vector<ResponseValue> values;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const auto i = static_cast<Index>(k);
      const bool plain = i > 0 && i == surface_.outputs();
      const double estimate = outputs.value[i];
      values.push_back(
          {.name = names[k],
           .estimate = estimate,
           .standard_error = std::isnan(estimate) ? missing : errors[i],
           .ci = plain ? normal_interval(estimate, errors[i], level_)
                       : link_interval(interval_link(fit_), estimate, errors[i], level_)});
    }
    return values;
  }

  [[nodiscard]] ResponseContrast contrast(const Outputs& outputs, Place place) const {
    ResponseContrast result{.contrast = {},
                            .at = std::move(place),
                            .names = names_with_mean(surface_),
                            .estimates = {},
                            .p_tukey = {}};
    const VectorXd errors = surface_.standard_errors(outputs.gradient);
    for (Index k = 0; k < outputs.value.size(); ++k) {
      const double z = outputs.value[k] / errors[k];
      result.estimates.push_back({.estimate = outputs.value[k],
                                  .standard_error = errors[k],
                                  .statistic = z,
                                  .df = std::numeric_limits<double>::infinity(),
                                  .p_value = normal_p_value(z),
                                  .ci = normal_interval(outputs.value[k], errors[k], level_)});
    }
    return result;
  }

 private:
  const Design& design_;
  const GeneralizedFit& fit_;
  double level_;
  Design inputs_;
  ReferenceGrid grid_;
  ResponseSurface surface_;
};

Outputs difference(const Outputs& a, const Outputs& b, double scale = 1) {
  return {.value = (a.value - b.value) * scale, .gradient = (a.gradient - b.gradient) * scale};
}

/// The derivative in a covariate by central differences with Richardson's extrapolation.
Outputs derivative(const ResponseGrid& responses, const ModelInput& covariate, const Place& place) {
  const auto slope = [&](double step) {
    const double upper = covariate.mean + step;
    const double lower = covariate.mean - step;
    return difference(responses.at(detail::with(place, covariate.name, upper)),
                      responses.at(detail::with(place, covariate.name, lower)),
                      1 / (upper - lower));
  };
  const double step = 1e-3 * (covariate.sd > 0 ? covariate.sd : 1);
  const Outputs fine = slope(step);
  const Outputs coarse = slope(2 * step);
  return {.value = (4 * fine.value - coarse.value) / 3,
          .gradient = (4 * fine.gradient - coarse.gradient) / 3};
}

ResponsePredictions empty_predictions(const ResponseSurface& surface, Index rows, double level) {
  const MatrixXd unknown = MatrixXd::Constant(rows, surface.outputs(), missing);
  return {.names = surface.names(),
          .estimate = unknown,
          .standard_error = unknown,
          .ci_lower = unknown,
          .ci_upper = unknown,
          .level = level};
}

void set_row(const GeneralizedFit& fit, Index row, const VectorXd& value, const VectorXd& errors,
             ResponsePredictions& predictions) {
  predictions.estimate.row(row) = value.transpose();
  predictions.standard_error.row(row) = errors.transpose();
  for (Index k = 0; k < value.size(); ++k) {
    const ConfidenceInterval ci =
        link_interval(interval_link(fit), value[k], errors[k], predictions.level);
    predictions.ci_lower(row, k) = ci.lower;
    predictions.ci_upper(row, k) = ci.upper;
  }
}

}  // namespace

ResponseMeans response_means(const Design& design, const GeneralizedFit& fit,
                             std::string_view factor, std::string_view by,
                             const ResponseOptions& options) {
  const ResponseGrid responses(design, fit, options);
  const ModelInput& compared = responses.grid().factor(factor);
  ResponseMeans result;
  for (const Place& place : detail::separating_places(responses.grid(), compared, by)) {
    std::vector<Outputs> cells;
    for (const std::string& level : compared.levels) {
      Place cell{{compared.name, level}};
      cell.insert(cell.end(), place.begin(), place.end());
      cells.push_back(responses.at(cell));
      result.means.push_back({.levels = std::move(cell), .values = responses.values(cells.back())});
    }
    for (std::size_t a = 0; a < cells.size(); ++a)
      for (std::size_t b = a + 1; b < cells.size(); ++b) {
        ResponseContrast contrast = responses.contrast(difference(cells[a], cells[b]), place);
        contrast.contrast = compared.levels[a] + " - " + compared.levels[b];
        for (const ContrastEstimate& estimate : contrast.estimates)
          contrast.p_tukey.push_back(detail::tukey_p_value(estimate, cells.size()));
        result.differences.push_back(std::move(contrast));
      }
  }
  return result;
}

std::vector<ResponseContrast> response_slopes(const Design& design, const GeneralizedFit& fit,
                                              std::string_view covariate,
                                              std::string_view moderator,
                                              const std::vector<std::string>& values,
                                              const ResponseOptions& options) {
  const ResponseGrid responses(design, fit, options);
  const ModelInput& varied = responses.grid().input(covariate);
  if (!varied.levels.empty())
    throw InvalidArgument("\"" + varied.name +
                          "\" is categorical; a slope needs a numeric column (use marginal means)");
  std::vector<Place> places{{}};
  if (!moderator.empty()) {
    const ModelInput& moderating = responses.grid().input(moderator);
    if (&moderating == &varied)
      throw InvalidArgument("\"" + varied.name + "\" cannot moderate its own slope");
    places = detail::moderator_places(moderating, values);
  }
  std::vector<ResponseContrast> slopes;
  for (const Place& place : places)
    slopes.push_back(responses.contrast(derivative(responses, varied, place), place));
  return slopes;
}

ResponsePredictions predict_response(const Design& design, const GeneralizedFit& fit,
                                     const Table& rows, const ResponseOptions& options) {
  require_level("predict_response", "confidence_level", options.confidence_level);
  const ResponseSurface surface(design, fit, options.averaging == Averaging::groups);
  const ResponseRows made = surface.rows(rows);
  ResponsePredictions result = empty_predictions(surface, made.size(), options.confidence_level);
  for (Index i = 0; i < made.size(); ++i) {
    const Outputs outputs = surface.at(made, i);
    if (outputs.value.hasNaN()) continue;
    set_row(fit, i, outputs.value, surface.standard_errors(outputs.gradient), result);
  }
  return result;
}

ResponsePredictions predict_conditional_response(const Design& design, const GeneralizedFit& fit,
                                                 const Table& rows, double confidence_level) {
  require_level("predict_response", "confidence_level", confidence_level);
  const Predictions linear = predict(design, fit, rows, {.confidence_level = confidence_level});
  const ResponseSurface surface(design, fit, false);
  ResponseRows made = surface.rows(rows);
  const VectorXd population = made.x * fit.fixed.estimate;
  made.offset = linear.estimate - population;  // the modes count as an offset
  const VectorXd variance = (made.x * fit.fixed.covariance).cwiseProduct(made.x).rowwise().sum();
  ResponsePredictions result = empty_predictions(surface, made.size(), confidence_level);
  for (Index i = 0; i < made.size(); ++i) {
    const Outputs outputs = surface.at(made, i);
    if (outputs.value.hasNaN()) continue;
    // The error of z'(û − u) comes on top of that of the parameters, by the slope in η.
    const double more = linear.standard_error[i] * linear.standard_error[i] - variance[i];
    const VectorXd errors = (surface.standard_errors(outputs.gradient).array().square() +
                             outputs.by_predictor.array().square() * more)
                                .max(0)
                                .sqrt();
    set_row(fit, i, outputs.value, errors, result);
  }
  return result;
}

}  // namespace rapport
