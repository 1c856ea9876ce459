#include <rapport/alliance/tipping_point.hpp>
#include <rapport/data/all_sessions.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/imputation.hpp>
#include <rapport/mixed/pooled_fit.hpp>
#include <rapport/report/dropout.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/imputation.hpp>

#include "commands.hpp"
#include <cmath>
#include <filesystem>

namespace rapport::program {
namespace {

struct ImputeArguments {
  std::string group;
  std::string variables;
  std::string group_variables;
  std::string predictors;
  std::string group_predictors;
  std::string slopes;
  std::string ordinal;
  std::string all_sessions;
  std::string session;
  int m = 20;
  int chains = 4;
  int burn_in = 500;
  int thin = 100;
  std::string fit;
  std::string against;
  std::string family = "gaussian";
  std::string link;
  int agq = 1;
  std::string df = "satterthwaite";
  std::string save;
  std::string delta;
  std::string delta_variable;
  std::string delta_term;
};

std::vector<std::string> list(const std::string& text, const std::string& option) {
  return text.empty() ? std::vector<std::string>{} : split_list(text, option);
}

ImputationModel model_of(const ImputeArguments& a) {
  return {.variables = list(a.variables, "--variables"),
          .group = a.group,
          .group_variables = list(a.group_variables, "--group-variables"),
          .predictors = a.predictors,
          .slopes = list(a.slopes, "--slopes"),
          .group_predictors = a.group_predictors,
          .ordinal = list(a.ordinal, "--ordinal")};
}

PooledFitOptions fit_options(const ImputeArguments& a, const CommonOptions& common) {
  PooledFitOptions options{.confidence_level = common.level, .threads = common.threads};
  options.df = choose<DegreesOfFreedom>("--df", a.df,
                                        {{"satterthwaite", DegreesOfFreedom::satterthwaite},
                                         {"kenward-roger", DegreesOfFreedom::kenward_roger},
                                         {"residual", DegreesOfFreedom::residual},
                                         {"none", DegreesOfFreedom::none}});
  if (a.family == "gaussian") {
    if (!a.link.empty() || a.agq > 1)
      throw UsageError("--link and --agq need a --family other than gaussian");
    return options;
  }
  const std::optional<Family> family = parse_family(a.family);
  if (!family) throw UsageError("--family: \"" + a.family + "\" is not a family of `rapport fit`");
  options.generalized = GeneralizedOptions{.family = *family, .quadrature_points = a.agq};
  if (a.link.empty()) return options;
  options.generalized->link = parse_link(a.link);
  if (!options.generalized->link)
    throw UsageError("--link: \"" + a.link + "\" is not a link of `rapport fit`");
  return options;
}

/// "1:12" or "1,2,4" to sessions.
std::vector<double> sessions_of(const std::string& text) {
  if (text.find(':') == std::string::npos) return split_numbers(text, "--all-sessions");
  const auto [first, last] = split_range(text, "--all-sessions");
  if (first != std::floor(first) || last != std::floor(last) || last - first > 1000)
    throw UsageError("--all-sessions: \"" + text + "\" must be whole sessions, such as 1:12");
  std::vector<double> sessions;
  for (double s = first; s <= last; ++s) sessions.push_back(s);
  return sessions;
}

void validate(const ImputeArguments& a) {
  if (a.m < 1 || a.chains < 1 || a.thin < 1 || a.burn_in < 0)
    throw UsageError("--m, --chains and --thin must be 1 or more, --burn-in 0 or more");
  if (!a.fit.empty() && a.m < 2)
    throw UsageError("--fit: needs --m 2 or more; imputing once hides that it was imputed");
  if (!a.against.empty() && a.fit.empty()) throw UsageError("--against needs --fit");
  const bool shifts = !a.delta.empty() || !a.delta_variable.empty() || !a.delta_term.empty();
  if (shifts && (a.delta.empty() || a.delta_variable.empty() || a.delta_term.empty() ||
                 a.fit.empty() || a.session.empty() || a.group.empty()))
    throw UsageError(
        "--delta, --delta-variable and --delta-term go together, with --fit, --group and "
        "--session");
  if (!a.all_sessions.empty() && (a.session.empty() || a.group.empty()))
    throw UsageError("--all-sessions needs --session S and --group P");
}

void save_tables(const std::string& folder, const std::vector<Table>& tables) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw DataError("the folder cannot be made; check its permissions", folder);
  const std::size_t width = std::to_string(tables.size()).size();
  for (std::size_t i = 0; i < tables.size(); ++i) {
    std::string name = std::to_string(i + 1);
    name.insert(0, width - name.size(), '0');
    report::write_file((std::filesystem::path(folder) / ("imputed_" + name + ".csv")).string(),
                       to_csv(tables[i]));
  }
}

void add_fit(Outcome& outcome, const ImputeArguments& a, const PooledFitOptions& options,
             const std::vector<Table>& tables) {
  const PooledFit fit = fit_imputed(parse_formula(a.fit), tables, options);
  Json json = report::to_json(fit);
  outcome.text += "\n" + report::pooled_text(fit);
  outcome.warnings.insert(outcome.warnings.end(), fit.warnings.begin(), fit.warnings.end());
  outcome.used = fit.n_used;
  outcome.main_table = "fit.fixed_effects";
  if (!a.against.empty()) {
    const PooledComparison comparison =
        compare_imputed(parse_formula(a.fit), parse_formula(a.against), tables, options);
    json.set("comparison", report::to_json(comparison));
    outcome.text += "\n" + report::pooled_comparison_text(comparison, a.against);
  }
  outcome.result.set("fit", std::move(json));
}

/// The conclusion when outcomes after dropout are worse than missing at random says.
void add_tipping(Outcome& outcome, const ImputeArguments& a, const PooledFitOptions& options,
                 const Table& table, const std::vector<Table>& imputations) {
  const std::vector<Index> rows = rows_after_dropout(
      table, {.patient = a.group, .session = a.session, .therapist = ""}, a.delta_variable);
  if (rows.empty())
    throw DataError("--delta: no value of \"" + a.delta_variable +
                    "\" is missing after a patient's last one; --all-sessions adds the rows");
  const TippingPoint tipping =
      tipping_point(imputations, a.delta_variable, rows, a.fit, a.delta_term,
                    split_numbers(a.delta, "--delta"), options);
  outcome.result.set("tipping_point", report::to_json(tipping));
  outcome.text += "\n" + report::tipping_text(tipping);
}

Outcome analyse(const CommonOptions& common, const ImputeArguments& a) {
  validate(a);
  const PooledFitOptions options = fit_options(a, common);
  Table table = load_table(common);
  Outcome outcome;
  outcome.rows = table.rows();
  if (!a.all_sessions.empty())
    table = with_all_sessions(table, {.patient = a.group, .session = a.session, .therapist = ""},
                              sessions_of(a.all_sessions));
  const Imputation imputation = impute(table, model_of(a), Seed{common.seed},
                                       {.imputations = a.m,
                                        .chains = a.chains,
                                        .burn_in = a.burn_in,
                                        .thin = a.thin,
                                        .threads = common.threads,
                                        .progress = progress_bar(common, "Imputation")});
  outcome.result = report::to_json(imputation);
  outcome.main_table = "variables";
  outcome.text = report::imputation_text(imputation);
  outcome.warnings = imputation.warnings;
  outcome.used = imputation.n_used;
  if (!a.fit.empty()) add_fit(outcome, a, options, imputation.tables);
  if (!a.delta.empty()) add_tipping(outcome, a, options, table, imputation.tables);
  if (!a.save.empty()) {
    save_tables(a.save, imputation.tables);
    outcome.text += "\nThe completed tables: " + a.save + "\n";
  }
  return outcome;
}

void add_model(CLI::App& command, ImputeArguments& a) {
  command
      .add_option("--variables", a.variables,
                  "Variables to be imputed or to impute from, that change from row to row: a,b,…")
      ->required();
  command.add_option("--group", a.group, "Column of patients (without it rows are independent)");
  command.add_option("--group-variables", a.group_variables, "Variables with one value a patient");
  command.add_option("--predictors", a.predictors,
                     "Columns without missing values, as in a formula: 'session + treatment'");
  command.add_option("--group-predictors", a.group_predictors, "The same for the group variables");
  command.add_option("--slopes", a.slopes, "Numeric predictors whose effects vary over patients");
  command.add_option("--ordinal", a.ordinal, "Variables that are ordered categories");
  command.add_option("--session", a.session, "Column of session numbers, for --all-sessions");
  command.add_option("--all-sessions", a.all_sessions,
                     "Add the rows of these sessions, such as 1:12, that patients lack");
  command.add_option("--m", a.m, "Imputations (default 20)");
  command.add_option("--chains", a.chains, "Markov chains that they are shared among (default 4)");
  command.add_option("--burn-in", a.burn_in, "Iterations before the first (default 500)");
  command.add_option("--thin", a.thin, "Iterations between two (default 100)");
}

}  // namespace

void add_impute(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<ImputeArguments>();
  CLI::App* command = add_command(
      program, chosen, "impute",
      "Multiple imputation of sessions within patients, and models pooled over it (main table: "
      "fit.fixed_effects, without --fit variables)",
      common, [common, arguments] { return analyse(*common, *arguments); });
  ImputeArguments& a = *arguments;
  add_model(*command, a);
  command->add_option("--fit", a.fit, "Fit this formula to each imputation and pool");
  command->add_option("--against", a.against, "Compare with this smaller model (D2, D3)");
  command->add_option("--family", a.family, "Of the model, as in `rapport fit` (default gaussian)");
  command->add_option("--link", a.link, "Of the model, as in `rapport fit`");
  command->add_option("--agq", a.agq, "Quadrature points of the model (default 1, Laplace)");
  command->add_option("--df", a.df,
                      "Degrees of freedom without missing values: satterthwaite (default), "
                      "kenward-roger, residual, none");
  command->add_option(
      "--delta", a.delta,
      "Fit again with imputed outcomes after dropout moved by each of these: 0,1,2");
  command->add_option("--delta-variable", a.delta_variable, "The outcome that --delta moves");
  command->add_option("--delta-term", a.delta_term, "The fixed effect to be followed");
  command->add_option("--save", a.save, "Write the completed tables to this folder");
  add_data(*command, *common);
}

}  // namespace rapport::program
