#include <rapport/alliance/meta.hpp>
#include <rapport/alliance/meta_bias.hpp>
#include <rapport/alliance/meta_models.hpp>
#include <rapport/alliance/meta_power.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/meta.hpp>

#include "commands.hpp"
#include <algorithm>
#include <filesystem>

namespace rapport::program {
namespace {

struct MetaCommand {
  MetaColumns columns;
  std::string moderators;
  std::string method = "reml";
  std::string test = "z";
  std::string equivalence;
  std::string scale;
  std::string outcome;
  std::optional<double> error_correlation;
  std::string page;
  bool robust = false;
  bool bias = false;
  bool leave_one_out = false;
  bool influence = false;
  bool blups = false;
};

/// "rater, ns(year, 3)" to its two terms: a comma within parentheses does not split.
std::vector<std::string> split_terms(const std::string& text, const std::string& option) {
  std::vector<std::string> terms;
  std::ptrdiff_t open = 0;
  for (const std::string& part : split_list(text, option)) {
    if (open > 0) {
      terms.back() += ", " + part;
    } else {
      terms.push_back(part);
    }
    open += std::count(part.begin(), part.end(), '(') - std::count(part.begin(), part.end(), ')');
  }
  return terms;
}

MetaOptions model_of(const MetaCommand& command, double level) {
  return {.estimator = choose("--method", command.method, parse_meta_estimator,
                              {"reml", "ml", "dl", "pm", "fe", "sj", "hs", "he", "eb"}),
          .test = choose("--test", command.test, parse_meta_test, {"z", "t", "knha"}),
          .confidence_level = level};
}

void check_columns(const MetaColumns& c) {
  const bool effects = !c.effect.empty() || !c.variance.empty();
  const bool correlations = !c.correlation.empty() || !c.size.empty();
  if (effects == correlations)
    throw UsageError("meta: give --effect and --variance, or --r and --n");
  if (effects && (c.effect.empty() || c.variance.empty()))
    throw UsageError("meta: --effect and --variance go together");
  if (correlations && (c.correlation.empty() || c.size.empty()))
    throw UsageError("meta: --r and --n go together");
  if (c.study.empty() && !c.effect_id.empty()) throw UsageError("meta: --effect-id needs --study");
}

/// What goes with what; the library would say so too, but of arguments, not of options.
void check_usage(const MetaCommand& command) {
  check_columns(command.columns);
  const bool three_levels = !command.columns.study.empty();
  const bool likelihood = command.method == "reml" || command.method == "ml";
  if (three_levels && command.test == "knha")
    throw UsageError("--test: knha is for two levels; with --study use z or t, or --robust");
  if (three_levels && !likelihood && command.method != "fe")
    throw UsageError("--method: " + command.method +
                     " is for two levels; with --study use reml, ml or fe");
  if (three_levels && (command.bias || command.influence))
    throw UsageError("meta: --bias and --influence are for two levels; leave out --study");
  if (command.bias && !command.moderators.empty())
    throw UsageError("meta: --bias takes no --moderators");
  if (!command.equivalence.empty() && !command.moderators.empty())
    throw UsageError("meta: --equivalence takes no --moderators");
  if (command.error_correlation &&
      (!three_levels || !(*command.error_correlation >= 0 && *command.error_correlation < 1)))
    throw UsageError("--rho: needs --study and a correlation in [0, 1)");
  if (!command.scale.empty() && (three_levels || !likelihood || command.test == "knha"))
    throw UsageError(
        "--scale: needs two levels (no --study), --method reml or ml, and --test z or t");
  if (!command.outcome.empty() && (!three_levels || !likelihood))
    throw UsageError("--outcome: needs --study and --method reml or ml");
}

std::vector<std::string> warnings_of(const report::MetaReport& found) {
  const MetaFit& fit = *found.fit;
  std::vector<std::string> warnings;
  if (fit.n_omitted > 0)
    warnings.push_back(std::to_string(fit.n_omitted) + " rows miss a value and were left out");
  if (fit.termination != Termination::converged)
    warnings.emplace_back("the variances did not converge");
  if (fit.variances.size() > 1 && fit.at_boundary)
    warnings.emplace_back("a variance is at its boundary of 0");
  if (found.tau2_interval && found.tau2_interval->upper == 0)
    warnings.emplace_back(
        "the effects vary less than their sampling errors allow: the interval of tau2 is 0 alone");
  for (const MetaCoefficient& robust : found.robust)
    if (robust.df < 4) {
      warnings.emplace_back(
          "robust tests with fewer than 4 degrees of freedom are not to be trusted (Tipton 2015)");
      break;
    }
  if (found.bias && fit.n_used < 10)
    warnings.emplace_back("tests of asymmetry have little power below 10 effects");
  if (found.bias && std::isnan(found.bias->selection.weight))
    warnings.emplace_back(
        "the selection model needs effects on both sides of p = .025; it is left out");
  return warnings;
}

/// Moderators of log tau2 on the rows used.
MetaData scale_moderators(const Table& table, MetaColumns columns, const MetaCommand& command) {
  columns.moderators = split_terms(command.scale, "--scale");
  MetaData scale = make_meta_data(table, columns);
  return scale;
}

void add_models(report::MetaReport& found, const Table& table, const MetaColumns& columns,
                const MetaCommand& command, const MetaOptions& model) {
  if (!command.scale.empty()) {
    const MetaData scale = scale_moderators(table, columns, command);
    if (scale.rows != found.data.rows)
      throw DataError(
          "a scale moderator is missing where the others are not; keep the complete rows by "
          "--where",
          table.origin().file);
    found.location_scale = fit_location_scale(found.data, scale.moderators, scale.terms, model);
  }
  if (!command.outcome.empty())
    found.multivariate =
        fit_multivariate_meta(found.data, select(table.factor(command.outcome), found.data.rows),
                              OutcomeCovariance::unstructured, model);
}

/// The page shows everything that the model allows.
void write_report(const MetaCommand& command, report::MetaReport found, const CommonOptions& common,
                  const std::vector<std::string>& warnings) {
  const bool two_levels = found.data.study.empty();
  const bool plain =
      two_levels && found.data.moderators.cols() == 0 && found.data.effect.size() >= 3;
  if (plain && !found.bias) found.bias = meta_bias(found.data, found.fit->options);
  if (found.leave_one_out.empty() && found.data.moderators.cols() == 0 &&
      found.data.effect.size() <= 500)
    found.leave_one_out = leave_one_out(found.data, *found.fit);
  if (two_levels && found.influence.empty() && found.data.effect.size() <= 500)
    found.influence = meta_influence(found.data, *found.fit);
  if (found.blups.empty()) found.blups = meta_blups(found.data, *found.fit);
  report::Page page =
      report::meta_page(found, std::filesystem::path(common.data).filename().string());
  page.warnings = warnings;
  report::write_file(command.page, report::to_html(page));
}

Outcome run(const MetaCommand& command, const CommonOptions& common) {
  check_usage(command);
  const MetaOptions model = model_of(command, common.level);
  MetaColumns columns = command.columns;
  if (!command.moderators.empty())
    columns.moderators = split_terms(command.moderators, "--moderators");
  const Table table = load_table(common);

  report::MetaReport found{.data = make_meta_data(table, columns),
                           .correlations = !columns.correlation.empty()};
  if (command.error_correlation)
    found.data.covariance = correlated_sampling_errors(found.data, *command.error_correlation);
  found.fit = fit_meta(found.data, model);
  if (columns.moderators.size() == 1 && table.contains(columns.moderators[0]) &&
      !table.is_numeric(columns.moderators[0])) {
    found.subgroup = select(table.factor(columns.moderators[0]), found.data.rows);
    found.subgroup_name = columns.moderators[0];
  }
  if (found.data.study.empty() && model.estimator != MetaEstimator::fixed)
    found.tau2_interval = tau2_interval(found.data, common.level);
  if (!found.data.study.empty() && model.estimator != MetaEstimator::fixed)
    found.variance_intervals = variance_intervals(found.data, *found.fit);
  if (command.robust) found.robust = robust_coefficients(found.data, *found.fit);
  if (command.bias) found.bias = meta_bias(found.data, model);
  if (command.leave_one_out) found.leave_one_out = leave_one_out(found.data, *found.fit);
  if (command.influence) found.influence = meta_influence(found.data, *found.fit);
  if (command.blups) found.blups = meta_blups(found.data, *found.fit);
  if (!command.equivalence.empty()) {
    const auto bounds = split_range(command.equivalence, "--equivalence");
    found.equivalence = meta_equivalence(*found.fit, bounds.first, bounds.second);
  }
  add_models(found, table, columns, command, model);
  const std::vector<std::string> warnings = warnings_of(found);
  if (!command.page.empty()) write_report(command, found, common, warnings);
  return {.result = report::to_json(found),
          .main_table = "coefficients",
          .text = common.format == "text" ? report::meta_text(found) : "",
          .warnings = warnings,
          .rows = table.rows(),
          .used = found.fit->n_used};
}

}  // namespace

void add_meta(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto c = std::make_shared<MetaCommand>();
  CLI::App* command = add_command(
      program, chosen, "meta",
      "Meta-analysis: pooled effects, heterogeneity, moderators, bias (main table: coefficients)",
      common, [c, common] { return run(*c, *common); });
  command->add_option("--effect", c->columns.effect, "Column of the effects");
  command->add_option("--variance", c->columns.variance, "Column of their sampling variances");
  command->add_option("--r", c->columns.correlation,
                      "Column of correlations, analysed as Fisher's z");
  command->add_option("--n", c->columns.size, "Column of their sample sizes");
  command->add_option(
      "--moderators", c->moderators,
      "Moderators: columns, or terms such as ns(year, 3) and a:b, separated by commas");
  command->add_option("--study", c->columns.study, "Column of studies: three levels");
  command->add_option("--effect-id", c->columns.effect_id, "Column of effects within studies");
  command->add_option("--label", c->columns.label, "Column that names the effects");
  command->add_option("--method", c->method, "reml (default), ml, dl, pm, sj, hs, he, eb or fe");
  command->add_option("--test", c->test, "z (default), t or knha (Knapp and Hartung)");
  command->add_flag("--robust", c->robust, "Cluster-robust tests (CR2) by study");
  command->add_flag("--bias", c->bias, "Small-study effects and selective publication");
  command->add_flag("--leave-one-out", c->leave_one_out,
                    "The model without each effect, or each study");
  command->add_flag("--influence", c->influence, "Cook's distance, hat values, deleted residuals");
  command->add_flag("--blups", c->blups, "Best linear unbiased predictions of the true effects");
  command->add_option("--equivalence", c->equivalence,
                      "LOWER:UPPER, bounds for two one-sided tests of the pooled effect");
  command->add_option("--scale", c->scale,
                      "Columns that moderate log tau2: a location-scale model");
  command->add_option(
      "--outcome", c->outcome,
      "Column of outcomes: a multivariate model, sampling errors correlated by --rho");
  command->add_option("--rho", c->error_correlation,
                      "Correlation of sampling errors within a study, such as 0.6 (default 0)");
  command->add_option("--report", c->page, "Write a page with tables and pictures to FILE.html");
  add_data(*command, *common);
}

}  // namespace rapport::program
