#include <rapport/mixed/location_scale.hpp>
#include <rapport/report/location_scale.hpp>
#include <rapport/report/mixed.hpp>

#include "fit.hpp"
#include "fit_effects.hpp"
#include "fit_extras.hpp"
#include <limits>
#include <utility>

namespace rapport::program {
namespace {

/// Refuses options that the model has no answer for, rather than leave them out silently.
void refuse(const FitArguments& arguments) {
  const auto unless = [&](bool fine, const std::string& option) {
    if (!fine) throw UsageError(option + ": not available where --scale has a random intercept");
  };
  unless(arguments.residual == "independent", "--residual");
  unless(arguments.variance == "constant", "--variance");
  unless(!arguments.quantile_residuals, "--quantile-residuals");
  unless(arguments.ci == "wald", "--ci " + arguments.ci);
  unless(arguments.df == "satterthwaite" || arguments.df == "none", "--df " + arguments.df);
  unless(arguments.influence.empty(), "--influence");
  if (arguments.reml)
    throw UsageError("--reml: a random intercept in --scale is fitted by maximum likelihood");
}

/// --agq: points to start from, and the error that lets them grow. Without it the model's own.
LocationScaleOptions options_of(const FitArguments& arguments) {
  LocationScaleOptions options;
  if (arguments.agq == "1") return options;
  GeneralizedOptions quadrature;
  set_quadrature(arguments, quadrature);
  options.quadrature_error =
      quadrature.quadrature_error.value_or(std::numeric_limits<double>::infinity());
  if (!quadrature.quadrature_error) options.quadrature_points = quadrature.quadrature_points;
  return options;
}

/// A model's numbers.
struct LocationScaleModel {
  Design design;
  ScaleModel scale;
};

LocationScaleModel make_model(const FitArguments& arguments, const Formula& formula,
                              const Table& table) {
  Design design = make_design(formula, table, design_options(arguments, ResponseKind::numeric));
  Design scale = effect_design(formula, arguments.scale, "--scale", table, arguments,
                               EffectTerms::fixed_and_random);
  keep_common_rows({&design, &scale});
  if (scale.random.size() != 1 || scale.random[0].terms != std::vector<std::string>{"(Intercept)"})
    throw UsageError("--scale: \"" + arguments.scale +
                     "\" must hold one random intercept, (1 | GROUP)");
  RandomTerm& random = scale.random[0];
  ScaleModel model{.effects = effect_columns(scale, design),
                   .factor = std::move(random.factor),
                   .group = std::move(random.group),
                   .levels = std::move(random.levels)};
  return {std::move(design), std::move(model)};
}

/// A location-scale model with everything that was asked of it.
class LocationScaleModelFit {
 public:
  LocationScaleModelFit(const FitArguments& arguments, const Formula& formula, const Table& table)
      : arguments_(arguments),
        table_(table),
        options_(options_of(arguments)),
        model_(make_model(arguments, formula, table)),
        fit_(fit_location_scale_model(model_.design, model_.scale, options_)),
        inference_(fit_.fit.fixed, arguments.common->level) {}

  Outcome outcome() const {
    MixedSummary summary = summarize(model_.design, fit_.fit, inference_);
    summary.formula = arguments_.formula;
    if (fit_.scale_sd == 0)
      summary.warnings.push_back("--scale: the levels of " + fit_.factor +
                                 " do not differ in their residual variance beyond chance; the SD "
                                 "of the random intercept is estimated as 0");
    if (fit_.quadrature_error > options_.quadrature_error)
      summary.warnings.push_back(
          "--scale: 200 points of quadrature leave an error of log L above " +
          std::to_string(options_.quadrature_error));
    Outcome outcome =
        outcome_of(report::to_json(summary, fit_), report::location_scale_text(summary, fit_),
                   summary.warnings, table_, model_.design);
    add_extras(outcome);
    return outcome;
  }

 private:
  void add_extras(Outcome& outcome) const {
    const FitExtras extras(arguments_, model_.design, fit_.fit, inference_);
    extras.add_random_effects(outcome);
    if (arguments_.random_effects)
      show(outcome, "scale_blups", "Effects of the levels on the log residual variance",
           report::scale_blups_json(fit_));
    extras.add_fitted(outcome, fit_.fitted);
    if (arguments_.fitted) outcome.result.set("residual_sd", Json(fit_.residual_sd));
    extras.add_simulations(outcome, [&](Seed seed, Index n) {
      return simulate_responses(model_.design, model_.scale, fit_, seed, n);
    });
    extras.add_predictions(outcome, [&](const Table& rows, PredictOptions options) {
      options.errors_of_effects = false;
      return predict(model_.design, fit_.fit, rows, options);
    });
    extras.add_comparison(outcome, [&] { return comparison(); });
    extras.add_means(outcome);
    extras.add_slopes(outcome);
  }

  [[nodiscard]] LikelihoodRatioTest comparison() const {
    const LocationScaleModel other =
        make_model(arguments_, parse_formula(arguments_.against), table_);
    require_same_rows(model_.design, other.design);
    const LocationScaleFit second = fit_location_scale_model(other.design, other.scale, options_);
    return likelihood_ratio_test(fit_.fit, second.fit);
  }

  const FitArguments& arguments_;
  const Table& table_;
  LocationScaleOptions options_;
  LocationScaleModel model_;
  LocationScaleFit fit_;
  FixedInference inference_;
};

}  // namespace

Outcome fit_location_scale(const FitArguments& arguments, const Formula& formula,
                           const Table& table) {
  refuse(arguments);
  return LocationScaleModelFit(arguments, formula, table).outcome();
}

}  // namespace rapport::program
