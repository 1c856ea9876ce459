#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/response_scale.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "fit.hpp"
#include "fit_extras.hpp"
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace rapport::program {
namespace {

GeneralizedOptions options_of(const FitArguments& arguments) {
  GeneralizedOptions options{.family = *parse_family(arguments.family)};
  set_quadrature(arguments, options);
  if (!arguments.link.empty()) {
    options.link = choose<Link>("--link", arguments.link,
                                {{"logit", Link::logit},
                                 {"probit", Link::probit},
                                 {"cloglog", Link::cloglog},
                                 {"log", Link::log},
                                 {"loglog", Link::loglog},
                                 {"cauchit", Link::cauchit}});
  }
  options.ordinal.thresholds = choose<Thresholds>("--thresholds", arguments.thresholds,
                                                  {{"flexible", Thresholds::flexible},
                                                   {"symmetric", Thresholds::symmetric},
                                                   {"equidistant", Thresholds::equidistant}});
  return options;
}

ResponseKind response_of(Family family) {
  return family == Family::binomial     ? ResponseKind::binary
         : family == Family::cumulative ? ResponseKind::ordered
                                        : ResponseKind::numeric;
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

/// The design of '~ TERMS' with the response of the model.
Design effect_design(const Formula& formula, const std::string& terms, const std::string& option,
                     const Table& table, const FitArguments& arguments) {
  Formula effects = parse_formula("y ~ " + terms);
  if (!effects.random.empty() || !effects.offsets.empty())
    throw UsageError(option + ": \"" + terms + "\" must hold fixed terms only");
  effects.response = formula.response;
  return make_design(effects, table, design_options(arguments, ResponseKind::ordered));
}

/// Keeps the rows that every design uses.
void keep_common_rows(const std::vector<Design*>& designs) {
  std::vector<Index> common = designs.front()->rows;
  for (const Design* design : designs) {
    std::vector<Index> both;
    std::set_intersection(common.begin(), common.end(), design->rows.begin(), design->rows.end(),
                          std::back_inserter(both));
    common = std::move(both);
  }
  for (Design* design : designs) {
    if (design->rows == common) continue;
    std::vector<Index> kept;
    for (std::size_t i = 0; i < design->rows.size(); ++i)
      if (std::binary_search(common.begin(), common.end(), design->rows[i]))
        kept.push_back(static_cast<Index>(i));
    const Index omitted = design->n_omitted + static_cast<Index>(design->rows.size() - kept.size());
    *design = select(*design, kept);
    design->n_omitted = omitted;
  }
}

FamilyDesign make_family_design(const FitArguments& arguments, const Formula& formula,
                                const Table& table) {
  FamilyDesign made{.design = {}, .options = options_of(arguments)};
  made.design =
      make_design(formula, table, design_options(arguments, response_of(made.options.family)));
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
    const std::size_t tilde = arguments.zero_inflation.find('~');
    const std::string terms = tilde == std::string::npos
                                  ? arguments.zero_inflation
                                  : arguments.zero_inflation.substr(tilde + 1);
    zeros = effect_design(formula, terms, "--zero-inflation", table, arguments);
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
    for (const std::string& warning : fit_.warnings) summary.warnings.push_back(warning);
    add_intervals(summary);
    Outcome outcome{.result = report::to_json(summary, fit_),
                    .main_table = "fixed_effects",
                    .text = report::generalized_text(summary, fit_),
                    .warnings = summary.warnings,
                    .rows = table_.rows(),
                    .used = static_cast<Index>(design_.rows.size())};
    add_rows(outcome);
    add_means(outcome);
    add_slopes(outcome);
    add_predictions(outcome);
    add_influence(outcome);
    add_comparison(outcome);
    return outcome;
  }

 private:
  /// Sets a member of the result, and shows it in the text.
  static void show(Outcome& outcome, const std::string& key, const std::string& title,
                   const Json& value) {
    outcome.result.set(key, value);
    outcome.text += "\n" + title + "\n" + report::plain_text(value);
  }

  void add_intervals(MixedSummary& summary) const {
    const CommonOptions& common = *arguments_.common;
    if (arguments_.ci == "profile")
      summary.intervals = profile_intervals(design_, fit_, common.level, common.threads);
    if (arguments_.ci != "boot") return;
    const MixedBootstrap bootstrap =
        parametric_bootstrap(design_, fit_, Seed{common.seed},
                             {.replicates = arguments_.replicates,
                              .confidence_level = common.level,
                              .threads = common.threads,
                              .progress = progress_bar(common, "Bootstrap")});
    summary.intervals = bootstrap.intervals;
    if (bootstrap.n_failed > 0)
      summary.warnings.push_back("--ci boot: " + std::to_string(bootstrap.n_failed) +
                                 " drawn responses allowed no fit and are left out");
  }

  void add_rows(Outcome& outcome) const {
    if (arguments_.random_effects)
      show(outcome, "blups", "Random effects of the levels", report::blups_json(linear_));
    if (arguments_.fitted) {
      outcome.result.set("fitted", Json(fit_.fitted));
      outcome.result.set("residuals", Json(Eigen::VectorXd(design_.response - fit_.fitted)));
    }
    if (arguments_.quantile_residuals) {
      const QuantileResiduals residuals =
          quantile_residuals(design_, fit_, Seed{arguments_.common->seed});
      outcome.result.set("quantile_residuals", report::to_json(residuals));
      outcome.text += report::quantile_residuals_text(residuals);
    }
    if (arguments_.simulate > 0) {
      const Eigen::MatrixXd responses =
          simulate_responses(design_, fit_, Seed{arguments_.common->seed}, arguments_.simulate);
      outcome.result.set("simulations", Json(Eigen::MatrixXd(responses.transpose())));
    }
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

  void add_means(Outcome& outcome) const {
    if (arguments_.means.empty()) return;
    const ByClause clause = parse_by_clause(arguments_.means, "--means");
    const MarginalMeans means =
        marginal_means(design_, fit_.fixed, inference_, clause.first, clause.by);
    Json rows = report::means_json(means);
    Json differences = report::mean_differences_json(means);
    outcome.text += report::means_text(means);
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

  void add_slopes(Outcome& outcome) const {
    if (arguments_.slopes.empty()) return;
    const ByClause clause = parse_by_clause(arguments_.slopes, "--slopes");
    const double level = arguments_.common->level;
    const SimpleSlopes slopes = simple_slopes(design_, fit_.fixed, inference_, clause.first,
                                              clause.by, clause.values, level);
    Json rows = report::slopes_json(slopes);
    if (slopes.region) outcome.result.set("johnson_neyman", report::to_json(*slopes.region));
    outcome.text += report::slopes_text(slopes, clause.first, clause.by, level);
    for (const Scale& scale : scales()) {
      const std::vector<ResponseContrast> responses =
          response_slopes(design_, fit_, clause.first, clause.by, clause.values, scale.options);
      rows = report::with_contrasts(rows, scale.name, responses);
      outcome.text += report::response_slopes_text(responses, "Slopes (" + scale.title + ")");
    }
    outcome.result.set("slopes", rows);
  }

  void add_predictions(Outcome& outcome) const {
    if (arguments_.predict.empty()) return;
    const double level = arguments_.common->level;
    const Table rows = load_further_table(*arguments_.common, arguments_.predict);
    const Predictions linear = predict(
        design_, fit_, rows, {.population = arguments_.population, .confidence_level = level});
    Json predictions = report::to_json(linear);
    const ResponsePredictions responses =
        arguments_.population ? predict_response(design_, fit_, rows, {Averaging::none, level})
                              : predict_conditional_response(design_, fit_, rows, level);
    predictions = report::with_predictions(predictions, "response", responses);
    if (arguments_.averaged)
      predictions = report::with_predictions(
          predictions, "averaged",
          predict_response(design_, fit_, rows, {Averaging::groups, level}));
    show(outcome, "predictions", "Predictions (linear predictor, then response)", predictions);
  }

  void add_influence(Outcome& outcome) const {
    if (arguments_.influence.empty()) return;
    const Factor groups = influence_groups(arguments_, design_, table_);
    const std::vector<LevelInfluence> influence =
        deletion_influence(design_, fit_, groups.codes, groups.levels, arguments_.common->threads);
    show(outcome, "influence", "Influence of the levels of " + arguments_.influence,
         report::to_json(influence, fit_.fixed.terms));
  }

  void add_comparison(Outcome& outcome) const {
    if (arguments_.proportional_odds) {
      const std::vector<OrdinalTermTest> tests =
          ordinal_term_tests(design_, fit_, arguments_.common->threads);
      outcome.result.set("proportional_odds", report::to_json(tests));
      outcome.text += report::ordinal_tests_text(tests);
    }
    if (arguments_.against.empty()) return;
    const FamilyDesign other =
        make_family_design(arguments_, parse_formula(arguments_.against), table_);
    require_same_rows(design_, other.design);
    const LikelihoodRatioTest test =
        likelihood_ratio_test(fit_, fit_generalized_model(other.design, other.options));
    outcome.result.set("likelihood_ratio", report::to_json(test));
    outcome.text += report::likelihood_ratio_text(test, arguments_.against);
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
    return fit_residual(arguments, formula, table);
  }
  if (arguments.residual != "independent" || arguments.variance != "constant")
    throw UsageError("--residual and --variance need --family gaussian");
  return FamilyFit(arguments, table, make_family_design(arguments, formula, table)).outcome();
}

}  // namespace rapport::program
