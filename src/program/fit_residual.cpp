#include <rapport/mixed/location_scale.hpp>
#include <rapport/mixed/residual_inference.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/location_scale.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "fit.hpp"
#include "fit_effects.hpp"
#include "fit_extras.hpp"
#include "fit_structure.hpp"
#include <cmath>
#include <utility>
#include <vector>

namespace rapport::program {
namespace {

/// Refuses options that the model has no answer for, rather than leave them out silently.
void refuse(const FitArguments& arguments) {
  const auto unless = [&](bool fine, const std::string& option) {
    if (!fine) throw UsageError(option + ": not available for a residual structure");
  };
  unless(arguments.agq == "1", "--agq");
  unless(!arguments.quantile_residuals, "--quantile-residuals");
  if (arguments.df == "kenward-roger" && arguments.ml)
    throw UsageError("--df kenward-roger: needs a REML fit; leave --ml out");
}

/// A Gaussian model with a residual structure and everything that was asked of it.
class StructuredFit {
 public:
  StructuredFit(const FitArguments& arguments, const Formula& formula, const Table& table)
      : arguments_(arguments),
        table_(table),
        request_(parse_structure(arguments)),
        model_(prepared(formula)),
        fit_(fit_residual_model(model_.design, model_.structure, {.criterion = criterion()})),
        inference_(make_inference()) {}

  Outcome outcome() {
    MixedSummary summary = summarize(model_.design, fit_.fit, inference_);
    summary.formula = arguments_.formula;
    if (arguments_.ci == "profile") {
      summary.intervals = profile_intervals(model_.design, model_.structure,
                                            arguments_.common->level, arguments_.common->threads);
    } else if (arguments_.ci == "boot") {
      take_bootstrap(summary, parametric_bootstrap(model_.design, model_.structure, fit_,
                                                   Seed{arguments_.common->seed},
                                                   bootstrap_options(arguments_)));
    }
    Outcome outcome =
        outcome_of(report::to_json(summary, fit_), report::residual_text(summary, fit_),
                   summary.warnings, table_, model_.design);
    add_scale(outcome);
    add_extras(outcome);
    return outcome;
  }

 private:
  [[nodiscard]] Criterion criterion() const {
    return arguments_.ml ? Criterion::ml : Criterion::reml;
  }
  [[nodiscard]] PreparedStructure prepared(const Formula& formula) const {
    Design design = make_design(formula, table_, design_options(arguments_, ResponseKind::numeric));
    if (arguments_.scale.empty()) return prepare_structure(request_, table_, std::move(design));
    Design scale = effect_design(formula, arguments_.scale, "--scale", table_, arguments_);
    keep_common_rows({&design, &scale});
    PreparedStructure model = prepare_structure(request_, table_, std::move(design));
    keep_common_rows({&model.design, &scale});
    model.scale = effect_columns(scale, model.design);
    for (VarianceTerm& term : log_linear_variance(model.scale))
      model.structure.variance.push_back(std::move(term));
    return model;
  }
  [[nodiscard]] FixedInference make_inference() const {
    const double level = arguments_.common->level;
    if (arguments_.df == "kenward-roger")
      return FixedInference(fit_.fit,
                            kenward_roger_adjustment(model_.design, model_.structure, fit_), level);
    return FixedInference(fit_.fit, parse_degrees_of_freedom(arguments_.df).value(), level);
  }

  void add_scale(Outcome& outcome) const {
    if (arguments_.scale.empty()) return;
    const std::vector<OtherParameter> effects = log_variance_effects(fit_, model_.scale);
    outcome.result.set("scale_effects", report::effects_json(effects));
    outcome.text += report::log_variance_text(effects);
  }

  void add_extras(Outcome& outcome) const {
    const FitExtras extras(arguments_, model_.design, fit_.fit, inference_);
    extras.add_random_effects(outcome);
    extras.add_fitted(outcome, fit_.fitted);
    if (arguments_.fitted) outcome.result.set("normalized_residuals", Json(fit_.normalized));
    extras.add_simulations(outcome, [&](Seed seed, Index n) {
      return simulate_responses(model_.design, model_.structure, fit_, seed, n);
    });
    extras.add_predictions(outcome, [&](const Table& rows, const PredictOptions& options) {
      const Predictions predictions =
          predict(model_.design, model_.structure, fit_, rows, options, inference_.covariance());
      if (predictions.standard_error.array().isNaN().any() && !options.population)
        outcome.warnings.push_back(
            "--predict: rows without a standard error miss a variable, or residual groups meet "
            "several levels of a random term; --population needs no random effects");
      return predictions;
    });
    extras.add_influence(outcome, table_, [&](const Factor& groups, int threads) {
      return deletion_influence(model_.design, model_.structure, fit_, groups.codes, groups.levels,
                                threads);
    });
    extras.add_comparison(outcome, [&] { return comparison(); });
    extras.add_means(outcome);
    extras.add_slopes(outcome);
  }

  /// Different fixed effects can only be compared by ML.
  [[nodiscard]] LikelihoodRatioTest comparison() const {
    const PreparedStructure other = prepared(parse_formula(arguments_.against));
    require_same_rows(model_.design, other.design);
    const auto fitted_by = [&](Criterion by, const PreparedStructure& model) {
      return fit_residual_model(model.design, model.structure, {.criterion = by});
    };
    ResidualFit second = fitted_by(criterion(), other);
    const bool same_fixed = second.fit.fixed.terms == fit_.fit.fixed.terms;
    const Criterion by = same_fixed ? criterion() : Criterion::ml;
    if (by != criterion()) second = fitted_by(by, other);
    const ResidualFit first = by == criterion() ? fit_ : fitted_by(by, model_);
    return likelihood_ratio_test(first.fit, second.fit);
  }

  const FitArguments& arguments_;
  const Table& table_;
  StructureRequest request_;
  PreparedStructure model_;
  ResidualFit fit_;
  FixedInference inference_;
};

}  // namespace

Outcome fit_residual(const FitArguments& arguments, const Formula& formula, const Table& table) {
  refuse(arguments);
  return StructuredFit(arguments, formula, table).outcome();
}

}  // namespace rapport::program
