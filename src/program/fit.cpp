#include "fit.hpp"

#include <rapport/mixed/saved_fit.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/mixed.hpp>

#include "commands.hpp"
#include "fit_effects.hpp"
#include "fit_extras.hpp"

namespace rapport::program {
namespace {

bool is_gaussian(const FitArguments& arguments) {
  return choose<bool>("--family", arguments.family,
                      {{"gaussian", true},
                       {"binomial", false},
                       {"poisson", false},
                       {"nbinom1", false},
                       {"nbinom2", false},
                       {"gamma", false},
                       {"beta", false},
                       {"cumulative", false}});
}

DegreesOfFreedom df_of(const FitArguments& arguments) {
  return choose("--df", arguments.df, parse_degrees_of_freedom,
                {"satterthwaite", "kenward-roger", "residual", "none"});
}

IntervalMethod intervals_of(const FitArguments& arguments) {
  return choose("--ci", arguments.ci, parse_interval_method, {"wald", "profile", "boot"});
}

/// Checks everything that the command line alone can have wrong, before any file is read.
void validate(const FitArguments& arguments) {
  (void)is_gaussian(arguments);
  (void)df_of(arguments);
  (void)intervals_of(arguments);
  (void)design_options(arguments, ResponseKind::numeric);
  if (arguments.reml && arguments.ml) throw UsageError("--reml and --ml exclude one another");
  GeneralizedOptions quadrature;
  set_quadrature(arguments, quadrature);
  if (arguments.simulate < 0)
    throw UsageError("--simulate: must be a number of responses, 1 or more");
  if (arguments.replicates < 1) throw UsageError("--replicates: must be 1 or more");
  if (arguments.population && arguments.predict.empty())
    throw UsageError("--population: needs --predict NEW.csv");
  if (arguments.family != "cumulative" &&
      (arguments.thresholds != "flexible" || !arguments.nominal.empty() ||
       arguments.proportional_odds))
    throw UsageError("--thresholds, --nominal and --proportional-odds need --family cumulative");
  if (arguments.family != "cumulative" && !arguments.scale.empty() && !is_gaussian(arguments))
    throw UsageError("--scale needs --family gaussian or cumulative");
  if (arguments.averaged && is_gaussian(arguments))
    throw UsageError("--averaged: needs --family other than gaussian");
  if (arguments.averaged && arguments.predict.empty() && arguments.means.empty() &&
      arguments.slopes.empty())
    throw UsageError("--averaged: needs --predict, --means or --slopes");
  if (!arguments.zero_inflation.empty() && arguments.family.rfind("nbinom", 0) != 0 &&
      arguments.family != "poisson")
    throw UsageError("--zero-inflation needs --family poisson, nbinom1 or nbinom2");
  if (!arguments.save.empty() && is_generalized(arguments))
    throw UsageError("--save: keeps Gaussian models with independent residuals only");
  if (arguments.agq != "1" && is_gaussian(arguments) && !has_random_scale(arguments))
    throw UsageError("--agq: a gaussian likelihood needs no quadrature; name another --family");
  if (arguments.quantile_residuals && is_gaussian(arguments))
    throw UsageError("--quantile-residuals: needs --family other than gaussian");
  if (!arguments.means.empty()) (void)parse_by_clause(arguments.means, "--means");
  if (!arguments.slopes.empty()) (void)parse_by_clause(arguments.slopes, "--slopes");
}

/// A Gaussian mixed model with everything that was asked of it.
class GaussianFit {
 public:
  GaussianFit(const FitArguments& arguments, const Formula& formula, const Table& table,
              ModelOfData data)
      : arguments_(arguments),
        formula_(formula),
        table_(table),
        fit_options_{.criterion = arguments.ml ? Criterion::ml : Criterion::reml,
                     .random_effects = !arguments.stream || arguments.random_effects,
                     .threads = arguments.common->threads},
        design_options_(design_options(arguments, ResponseKind::numeric)),
        data_(std::move(data)),
        design_(data_.design),
        model_(data_.model),
        fit_(model_.fit(fit_options_)),
        inference_(model_, fit_, df_of(arguments), arguments.common->level) {}

  Outcome outcome() {
    const CommonOptions& common = *arguments_.common;
    MixedSummary summary = summarize(design_, model_, fit_, inference_,
                                     {.df = df_of(arguments_),
                                      .intervals = intervals_of(arguments_),
                                      .confidence_level = common.level,
                                      .seed = Seed{common.seed},
                                      .replicates = arguments_.replicates,
                                      .threads = common.threads,
                                      .progress = progress_bar(common, "Bootstrap")});
    summary.formula = arguments_.formula;
    if (data_.explained) summary.explained = (*data_.explained)(fit_);
    Outcome outcome{.result = report::to_json(summary),
                    .main_table = "fixed_effects",
                    .text = report::mixed_text(summary),
                    .warnings = summary.warnings,
                    .rows = data_.rows,
                    .used = data_.used};
    add_extras(outcome);
    return outcome;
  }

 private:
  void add_extras(Outcome& outcome) const {
    const FitExtras extras(arguments_, design_, fit_, inference_);
    extras.add_random_effects(outcome);
    if (arguments_.fitted) extras.add_fitted(outcome, fitted_values(design_, fit_));
    extras.add_simulations(
        outcome, [&](Seed seed, Index n) { return simulate_responses(design_, fit_, seed, n); });
    extras.add_predictions(outcome, [&](const Table& rows, const PredictOptions& options) {
      return predict(design_, fit_, rows, options, inference_.covariance());
    });
    extras.add_influence(outcome, table_, [&](const Factor& groups, int threads) {
      return deletion_influence(design_, fit_, groups.codes, groups.levels, threads);
    });
    extras.add_comparison(outcome, [&] {
      return compare_models(formula_, parse_formula(arguments_.against), table_, fit_options_,
                            design_options_);
    });
    extras.add_means(outcome);
    extras.add_slopes(outcome);
    if (arguments_.save.empty()) return;
    report::write_file(arguments_.save, to_json(make_saved_fit(design_, fit_)).dump() + "\n");
    outcome.text += "\nThe fit: " + arguments_.save + "\n";
  }

  const FitArguments& arguments_;
  const Formula& formula_;
  const Table& table_;
  FitOptions fit_options_;
  DesignOptions design_options_;
  ModelOfData data_;
  const Design& design_;
  const MixedModel& model_;
  MixedFit fit_;
  FixedInference inference_;
};

ModelOfData model_of_table(const FitArguments& arguments, const Formula& formula,
                           const Table& table) {
  Design design = make_design(formula, table, design_options(arguments, ResponseKind::numeric));
  MixedModel model(design, arguments.common->threads);
  const auto used = static_cast<Index>(design.rows.size());
  return {std::move(design), std::move(model), table.rows(), used, std::nullopt};
}

Outcome fit_rows(const FitArguments& arguments, const Formula& formula, const Table& table) {
  if (is_generalized(arguments)) return fit_generalized(arguments, formula, table);
  return GaussianFit(arguments, formula, table, model_of_table(arguments, formula, table))
      .outcome();
}

/// The same model of the responses that --refit names.
void add_refits(const FitArguments& arguments, const Formula& formula, const Table& table,
                Outcome& outcome) {
  if (arguments.refit.empty()) return;
  Json refits = Json::array();
  for (const std::string& response : split_names(arguments.refit, "--refit")) {
    Formula changed = formula;
    changed.response = quoted_name(response);
    FitArguments own = arguments;
    own.formula = changed.response + " " + arguments.formula.substr(arguments.formula.find('~'));
    own.save.clear();
    Outcome refit = fit_rows(own, changed, table);
    for (const std::string& warning : refit.warnings)
      outcome.warnings.push_back(response + ": " + warning);
    outcome.text += "\n" + refit.text;
    refits.push_back(std::move(refit.result));
  }
  outcome.result.set("refits", refits);
}

Outcome run_fit(const FitArguments& arguments) {
  validate(arguments);
  const Formula formula = parse_formula(arguments.formula);
  if (arguments.stream)
    return GaussianFit(arguments, formula, Table(), stream_model(arguments, formula)).outcome();
  const bool compared = !arguments.against.empty();
  const Formula against = compared ? parse_formula(arguments.against) : Formula{};
  const Table table = load_table(*arguments.common, [&](Table& all) {
    add_panel_columns(all, formula);
    if (compared) add_panel_columns(all, against);
  });
  Outcome outcome = fit_rows(arguments, formula, table);
  add_refits(arguments, formula, table, outcome);
  std::vector<std::string> variables;
  for (const FormulaTerm& term : formula.fixed)
    if (term.size() == 1) variables.push_back(term.front());
  for (std::string& warning : mixed_column_warnings(*arguments.common, table, variables))
    outcome.warnings.push_back(std::move(warning));
  return outcome;
}

void add_model_options(CLI::App& command, FitArguments& a) {
  const std::string model = "Model";
  command.add_flag("--reml", a.reml, "Restricted maximum likelihood (default)")->group(model);
  command.add_flag("--ml", a.ml, "Maximum likelihood")->group(model);
  command
      .add_option("--family", a.family,
                  "gaussian, binomial, poisson, nbinom1, nbinom2, gamma, beta or cumulative")
      ->group(model);
  command.add_option("--link", a.link, "Link function (default: the family's)")->group(model);
  command
      .add_option("--thresholds", a.thresholds,
                  "Of a cumulative model: flexible, symmetric, symmetric2 or equidistant")
      ->group(model);
  command
      .add_option("--zero-inflation", a.zero_inflation,
                  "'~ TERMS' (or '~ 1'): a share of extra zeros, for counts")
      ->group(model);
  command
      .add_option("--nominal", a.nominal,
                  "'TERMS' whose effects differ between thresholds (partial proportional odds)")
      ->group(model);
  command
      .add_option("--scale", a.scale,
                  "'TERMS' with effects on the log residual variance, '(1 | g)' among them; of a "
                  "cumulative model on its log scale")
      ->group(model);
  command
      .add_option("--agq", a.agq,
                  "Points of adaptive Gauss-Hermite quadrature along each random effect (1: "
                  "Laplace), or auto[:ERROR of log L]")
      ->group(model);
  command
      .add_option(
          "--residual", a.residual,
          "independent, ar1(t|g), car1(t|g), car1-nugget(t|g), arma(t|g), toeplitz(t|g), cs(g) or "
          "unstructured(t|g)")
      ->group(model);
  command
      .add_option("--variance", a.variance,
                  "constant, ident(g), power(x), exp(x), const-power(x), or a product with *")
      ->group(model);
  command
      .add_option("--refit", a.refit,
                  "Y1[,Y2]: the same model of these responses, each on its complete rows")
      ->group(model);
  command
      .add_option("--weights", a.weights,
                  "Column of prior weights: the residual variance is sigma^2 / weight")
      ->group(model);
  command.add_option("--contrasts", a.contrasts, "treatment, sum, helmert or poly")->group(model);
  command
      .add_flag("--stream", a.stream,
                "Read DATA in pieces, for files larger than memory (nested Gaussian models)")
      ->group(model);
  const std::string inference = "Inference";
  command.add_option("--df", a.df, "satterthwaite, kenward-roger, residual or none")
      ->group(inference);
  command.add_option("--ci", a.ci, "wald, profile or boot")->group(inference);
  command.add_option("--replicates", a.replicates, "Replicates of --ci boot (default 1000)")
      ->group(inference);
  command.add_option("--against", a.against, "'FORMULA2': likelihood-ratio test")->group(inference);
  command
      .add_option("--means", a.means,
                  "'FACTOR[ by X]': estimated marginal means and their differences")
      ->group(inference);
  command
      .add_option("--slopes", a.slopes,
                  "'X by Z[=v1,v2]': simple slopes and the Johnson-Neyman region")
      ->group(inference);
  command.add_option("--influence", a.influence, "Refit without each level of this factor")
      ->group(inference);
  command
      .add_flag("--proportional-odds", a.proportional_odds,
                "Test each term of a cumulative model for nominal and scale effects")
      ->group(inference);
  const std::string values = "Values";
  command.add_flag("--random-effects", a.random_effects, "BLUPs with conditional standard errors")
      ->group(values);
  command.add_flag("--fitted", a.fitted, "Fitted values and residuals")->group(values);
  command
      .add_flag("--quantile-residuals", a.quantile_residuals,
                "Randomised quantile residuals of a generalized model and their uniformity")
      ->group(values);
  command.add_option("--predict", a.predict, "NEW.csv: predictions for its rows")->group(values);
  command.add_flag("--population", a.population, "Predict without the random effects")
      ->group(values);
  command
      .add_flag("--averaged", a.averaged,
                "Means, slopes and predictions of responses averaged over the random effects, too")
      ->group(values);
  command.add_option("--simulate", a.simulate, "Responses drawn from the fitted model")
      ->group(values);
  command
      .add_option("--save", a.save, "FIT.json: keeps the fit for `rapport predict --fit FIT.json`")
      ->group(values);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

ByClause parse_by_clause(const std::string& text, const std::string& option) {
  const std::size_t by = text.find(" by ");
  ByClause clause{
      .first = std::string(trimmed(std::string_view(text).substr(0, by))), .by = {}, .values = {}};
  if (by != std::string::npos) {
    const std::string rest(trimmed(std::string_view(text).substr(by + 4)));
    const std::size_t equals = rest.find('=');
    clause.by = std::string(trimmed(std::string_view(rest).substr(0, equals)));
    if (equals != std::string::npos)
      clause.values = split_list(std::string_view(rest).substr(equals + 1), option);
  }
  if (clause.first.empty() || (by != std::string::npos && clause.by.empty()))
    throw UsageError(option + ": \"" + text + "\" must be COLUMN or COLUMN by COLUMN");
  return clause;
}

DesignOptions design_options(const FitArguments& arguments, ResponseKind response) {
  return {.contrast = choose("--contrasts", arguments.contrasts, parse_contrast,
                             {"treatment", "sum", "helmert", "poly"}),
          .weights = arguments.weights,
          .response = response};
}

Factor influence_groups(const FitArguments& arguments, const Design& design, const Table& table) {
  for (const RandomTerm& term : design.random)
    if (term.factor == arguments.influence) return {.codes = term.group, .levels = term.levels};
  return select(table.factor(arguments.influence), design.rows);
}

bool is_generalized(const FitArguments& arguments) {
  return !is_gaussian(arguments) || (!arguments.link.empty() && arguments.link != "identity") ||
         arguments.residual != "independent" || arguments.variance != "constant" ||
         !arguments.scale.empty();
}

void add_fit(CLI::App& program, Chosen& chosen) {
  const auto arguments = std::make_shared<FitArguments>();
  CLI::App* command =
      add_command(program, chosen, "fit", "Fit a (mixed) model: 'y ~ x * z + (1 + x | g)' DATA",
                  arguments->common, [arguments] { return run_fit(*arguments); });
  command->add_option("FORMULA", arguments->formula, "Model formula")->required();
  add_model_options(*command, *arguments);
  add_data(*command, *arguments->common);
}

}  // namespace rapport::program
