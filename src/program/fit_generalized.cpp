#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/response_scale.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "fit.hpp"
#include "fit_effects.hpp"
#include "fit_extras.hpp"
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

namespace rapport::program {
namespace {

GeneralizedOptions options_of(const FitArguments& arguments) {
  GeneralizedOptions options{.family = *parse_family(arguments.family)};
  set_quadrature(arguments, options);
  if (!arguments.link.empty()) {
    options.link = choose("--link", arguments.link, parse_link,
                          {"logit", "probit", "cloglog", "log", "loglog", "cauchit"});
  }
  options.ordinal.thresholds = choose("--thresholds", arguments.thresholds, parse_thresholds,
                                      {"flexible", "symmetric", "symmetric2", "equidistant"});
  return options;
}

}  // namespace

void set_quadrature(const FitArguments& arguments, GeneralizedOptions& options) {
  const std::string& text = arguments.agq;
  const bool automatic = text == "auto" || text.rfind("auto:", 0) == 0;
  if (automatic) {
    const std::vector<double> error =
        text == "auto" ? std::vector<double>{1e-6} : split_numbers(text.substr(5), "--agq");
    if (error.size() != 1 || !(error[0] > 0))
      throw UsageError("--agq: \"" + text + "\" must be auto:ERROR, an error of log L above 0");
    options.quadrature_points = 3;
    options.quadrature_error = error[0];
    return;
  }
  const std::vector<double> points = split_numbers(text, "--agq");
  if (points.size() != 1 || !(points[0] >= 1 && points[0] <= 200) ||
      points[0] != std::floor(points[0])) {
    throw UsageError("--agq: must be 1 (Laplace) or more quadrature points, at most 200; or auto");
  }
  options.quadrature_points = static_cast<Index>(points[0]);
}

namespace {

/// A model's numbers: the design, and what an ordinal response has beside it.
struct FamilyDesign {
  Design design;
  GeneralizedOptions options;
};

FamilyDesign make_family_design(const FitArguments& arguments, const Formula& formula,
                                const Table& table) {
  FamilyDesign made{.design = {}, .options = options_of(arguments)};
  made.design =
      make_design(formula, table, design_options(arguments, response_kind(made.options.family)));
  std::optional<Design> nominal;
  std::optional<Design> scale;
  std::optional<Design> zeros;
  std::vector<Design*> designs{&made.design};
  if (!arguments.nominal.empty()) {
    nominal = effect_design(formula, arguments.nominal, "--nominal", table, arguments);
    designs.push_back(&*nominal);
  }
  if (!arguments.scale.empty()) {
    scale = effect_design(formula, arguments.scale, "--scale", table, arguments);
    designs.push_back(&*scale);
  }
  if (!arguments.zero_inflation.empty()) {
    zeros = effect_design(formula, arguments.zero_inflation, "--zero-inflation", table, arguments);
    designs.push_back(&*zeros);
  }
  keep_common_rows(designs);
  if (nominal) made.options.ordinal.nominal = effect_columns(*nominal, made.design);
  if (zeros) made.options.zero_inflation = zero_inflation_columns(*zeros, made.design);
  if (scale) made.options.ordinal.scale = effect_columns(*scale, made.design);
  return made;
}

/// A generalized model with everything that was asked of it.
class FamilyFit {
 public:
  FamilyFit(const FitArguments& arguments, const Table& table, FamilyDesign made)
      : arguments_(arguments),
        table_(table),
        options_(std::move(made.options)),
        design_(std::move(made.design)),
        fit_(fit_generalized_model(design_, options_)),
        linear_(linear_part(design_, fit_)),
        inference_(fit_.fixed, arguments.common->level) {}

  Outcome outcome() {
    MixedSummary summary = summarize(design_, linear_, inference_);
    summary.formula = arguments_.formula;
    for (const std::string& warning : fit_.warnings)
      if (std::find(summary.warnings.begin(), summary.warnings.end(), warning) ==
          summary.warnings.end())
        summary.warnings.push_back(warning);
    add_intervals(summary);
    Outcome outcome =
        outcome_of(report::to_json(summary, fit_), report::generalized_text(summary, fit_),
                   summary.warnings, table_, design_);
    add_extras(outcome);
    return outcome;
  }

 private:
  void add_intervals(MixedSummary& summary) const {
    const CommonOptions& common = *arguments_.common;
    if (arguments_.ci == "profile")
      summary.intervals = profile_intervals(design_, fit_, common.level, common.threads);
    if (arguments_.ci == "boot")
      take_bootstrap(summary, parametric_bootstrap(design_, fit_, Seed{common.seed},
                                                   bootstrap_options(arguments_)));
  }

  void add_extras(Outcome& outcome) const {
    const FitExtras extras(arguments_, design_, linear_, inference_);
    extras.add_random_effects(outcome);
    extras.add_fitted(outcome, fit_.fitted);
    add_quantile_residuals(outcome);
    extras.add_simulations(
        outcome, [&](Seed seed, Index n) { return simulate_responses(design_, fit_, seed, n); });
    extras.add_means(outcome);
    add_response_means(outcome);
    extras.add_slopes(outcome);
    add_response_slopes(outcome);
    add_predictions(outcome, extras.predict_options());
    extras.add_influence(outcome, table_, [&](const Factor& groups, int threads) {
      return deletion_influence(design_, fit_, groups.codes, groups.levels, threads);
    });
    add_proportional_odds(outcome);
    extras.add_comparison(outcome, [&] { return comparison(); });
  }

  void add_quantile_residuals(Outcome& outcome) const {
    if (!arguments_.quantile_residuals) return;
    const QuantileResiduals residuals =
        quantile_residuals(design_, fit_, Seed{arguments_.common->seed});
    outcome.result.set("quantile_residuals", report::to_json(residuals));
    outcome.text += report::quantile_residuals_text(residuals);
  }

  /// On which scales responses are given beside the linear predictor, and what the members are
  /// called.
  struct Scale {
    std::string name;
    std::string title;
    ResponseOptions options;
  };
  [[nodiscard]] std::vector<Scale> scales() const {
    const double level = arguments_.common->level;
    std::vector<Scale> all{{"response", "response", {Averaging::none, level}}};
    if (arguments_.averaged)
      all.push_back({"averaged", "response averaged over groups", {Averaging::groups, level}});
    return all;
  }

  /// Beside the means of the linear predictor.
  void add_response_means(Outcome& outcome) const {
    if (arguments_.means.empty()) return;
    const ByClause clause = parse_by_clause(arguments_.means, "--means");
    Json rows = outcome.result.at("means");
    Json differences = outcome.result.at("mean_differences");
    for (const Scale& scale : scales()) {
      const ResponseMeans responses =
          response_means(design_, fit_, clause.first, clause.by, scale.options);
      rows = report::with_means(rows, scale.name, responses.means);
      differences = report::with_contrasts(differences, scale.name, responses.differences);
      outcome.text += report::response_means_text(responses, "Means (" + scale.title + ")");
    }
    outcome.result.set("means", rows);
    outcome.result.set("mean_differences", differences);
  }

  /// Beside the slopes of the linear predictor.
  void add_response_slopes(Outcome& outcome) const {
    if (arguments_.slopes.empty()) return;
    const ByClause clause = parse_by_clause(arguments_.slopes, "--slopes");
    Json rows = outcome.result.at("slopes");
    for (const Scale& scale : scales()) {
      const std::vector<ResponseContrast> responses =
          response_slopes(design_, fit_, clause.first, clause.by, clause.values, scale.options);
      rows = report::with_contrasts(rows, scale.name, responses);
      outcome.text += report::response_slopes_text(responses, "Slopes (" + scale.title + ")");
    }
    outcome.result.set("slopes", rows);
  }

  void add_predictions(Outcome& outcome, const PredictOptions& options) const {
    if (arguments_.predict.empty()) return;
    const double level = options.confidence_level;
    const Table rows = load_further_table(*arguments_.common, arguments_.predict);
    Json predictions = report::to_json(predict(design_, fit_, rows, options));
    const ResponsePredictions responses =
        options.population ? predict_response(design_, fit_, rows, {Averaging::none, level})
                           : predict_conditional_response(design_, fit_, rows, level);
    predictions = report::with_predictions(predictions, "response", responses);
    if (arguments_.averaged)
      predictions = report::with_predictions(
          predictions, "averaged",
          predict_response(design_, fit_, rows, {Averaging::groups, level}));
    show(outcome, "predictions", "Predictions (linear predictor, then response)", predictions);
  }

  void add_proportional_odds(Outcome& outcome) const {
    if (!arguments_.proportional_odds) return;
    const std::vector<OrdinalTermTest> tests =
        ordinal_term_tests(design_, fit_, arguments_.common->threads);
    outcome.result.set("proportional_odds", report::to_json(tests));
    outcome.text += report::ordinal_tests_text(tests);
    const OrdinalOptions& ordinal = fit_.options.ordinal;
    const bool plain = ordinal.nominal.terms.empty() && ordinal.scale.terms.empty();
    if (!design_.random.empty() || fit_.link != Link::logit || !plain || fit_.thresholds.size() < 2)
      return;
    const std::vector<BrantTest> slopes = brant_test(design_, fit_);
    outcome.result.set("brant", report::to_json(slopes));
    outcome.text += report::brant_text(slopes);
  }

  [[nodiscard]] LikelihoodRatioTest comparison() const {
    const FamilyDesign other =
        make_family_design(arguments_, parse_formula(arguments_.against), table_);
    require_same_rows(design_, other.design);
    return likelihood_ratio_test(fit_, fit_generalized_model(other.design, other.options));
  }

  const FitArguments& arguments_;
  const Table& table_;
  GeneralizedOptions options_;
  Design design_;
  GeneralizedFit fit_;
  MixedFit linear_;
  FixedInference inference_;
};

}  // namespace

Outcome fit_generalized(const FitArguments& arguments, const Formula& formula, const Table& table) {
  if (arguments.family == "gaussian") {
    if (!arguments.link.empty() && arguments.link != "identity")
      throw UsageError("--link: \"" + arguments.link +
                       "\" does not go with family gaussian, whose link is identity");
    return has_random_scale(arguments) ? fit_location_scale(arguments, formula, table)
                                       : fit_residual(arguments, formula, table);
  }
  if (arguments.residual != "independent" || arguments.variance != "constant")
    throw UsageError("--residual and --variance need --family gaussian");
  return FamilyFit(arguments, table, make_family_design(arguments, formula, table)).outcome();
}

}  // namespace rapport::program
