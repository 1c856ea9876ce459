#include <rapport/base/missing.hpp>
#include <rapport/report/score.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"
#include <cmath>

namespace rapport::program {
namespace {

struct ScoreCommand {
  ScaleArguments scale;
  std::string missing;
  double max_missing = std::numeric_limits<double>::quiet_NaN();
  std::string id;
  double norm_mean = std::numeric_limits<double>::quiet_NaN();
  double norm_sd = std::numeric_limits<double>::quiet_NaN();
  bool screen = true;
};

ScoringOptions scoring_of(const std::string& rule, double max_missing) {
  if (!is_missing(max_missing) && !(max_missing >= 0 && max_missing <= 1))
    throw UsageError("--max-missing: " + shortest_decimal(max_missing) +
                     " must lie in 0..1, a share of the items");
  ScoringOptions options{.max_missing = max_missing};
  if (!rule.empty())
    options.missing =
        choose("--missing", rule, parse_missing_items, {"strict", "prorate", "available", "fail"});
  return options;
}

/// Under the rule `fail`: names the first empty cell.
void require_answers(const Scale& scale, const Table& table) {
  for (Index i = 0; i < scale.responses.rows(); ++i)
    for (Index j = 0; j < scale.responses.cols(); ++j)
      if (is_missing(scale.responses(i, j)))
        throw DataError("column \"" + scale.columns[static_cast<std::size_t>(j)] +
                            "\" has no answer; --missing fail needs every item answered",
                        table.origin().file, table.line(i));
}

report::ScoreSheet sheet_of(const ScoreCommand& command, const Scale& scale, const Table& table) {
  report::ScoreSheet sheet;
  if (!command.id.empty()) sheet.id_names = split_list(command.id, "--id");
  for (Index i = 0; i < table.rows() && !sheet.id_names.empty(); ++i) {
    std::vector<Json> cells;
    for (const std::string& name : sheet.id_names) {
      const Column& column = table.column(name);
      const auto* numbers = std::get_if<Eigen::VectorXd>(&column.values);
      cells.push_back(numbers != nullptr ? Json((*numbers)[i]) : Json(cell_text(column, i)));
    }
    sheet.ids.push_back(std::move(cells));
  }
  if (!scale.instrument.criteria.empty())
    sheet.criteria = criterion_of(scale.instrument, scale.responses);
  if (is_missing(command.norm_mean) != is_missing(command.norm_sd))
    throw UsageError("--norm-mean and --norm-sd go together");
  if (!is_missing(command.norm_mean)) {
    if (!(command.norm_sd > 0))
      throw UsageError("--norm-sd: " + shortest_decimal(command.norm_sd) + " must be above 0");
    sheet.norms = Norms{.mean = command.norm_mean, .sd = command.norm_sd};
  }
  return sheet;
}

Outcome run_score(const ScoreCommand& command, const CommonOptions& common) {
  const ScoringOptions scoring = scoring_of(command.missing, command.max_missing);
  const Table table = load_table(common);
  const Scale scale = resolve_scale(command.scale, table);
  require_allowed(scale, table);
  if (scoring.missing.value_or(scale.instrument.missing) == MissingItems::fail)
    require_answers(scale, table);
  const report::ScoreSheet sheet = sheet_of(command, scale, table);
  Outcome outcome{.result = {},
                  .main_table = "rows",
                  .text = {},
                  .warnings = scale.warnings,
                  .rows = table.rows(),
                  .used = 0};
  if (command.screen)
    for (const Finding& finding : screen_responses(
             scale.instrument, scale.responses, {.scoring = scoring, .item_names = scale.columns}))
      outcome.warnings.push_back(report::one_line(finding));
  const ScaleScores scores = score_scale(scale.instrument, scale.responses, scoring);
  outcome.result = report::to_json(scale.instrument, scores, sheet);
  if (!scale.instrument.note.empty()) outcome.result.set("note", scale.instrument.note);
  outcome.used = scores.n_used;
  return outcome;
}

struct ScreenCommand {
  ScaleArguments scale;
  std::string id;
  std::string total;
  std::string subscales;
  std::string other_items;
};

/// "task=COL,bond=COL" to the scores that the file supplies.
std::vector<SuppliedScore> supplied_scores(const ScreenCommand& command, const Scale& scale,
                                           const Table& table) {
  std::vector<SuppliedScore> out;
  if (!command.total.empty()) {
    if (scale.instrument.total.items.empty())
      throw UsageError("--total: \"" + scale.instrument.name +
                       "\" has no total; use --subscale-columns");
    out.push_back(
        {.column = command.total, .subscale = -1, .values = table.numbers(command.total)});
  }
  if (command.subscales.empty()) return out;
  std::vector<std::string> names;
  for (const Score& subscale : scale.instrument.subscales) names.push_back(subscale.name);
  for (const std::string& pair : split_list(command.subscales, "--subscale-columns")) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos)
      throw UsageError("--subscale-columns: \"" + pair + "\" must be SUBSCALE=COLUMN");
    const std::string name = pair.substr(0, equals);
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      const std::string near = nearest_name(name, names);
      throw UsageError("--subscale-columns: \"" + scale.instrument.name + "\" has no subscale \"" +
                       name + "\"" + (near.empty() ? "" : "; did you mean " + near + "?"));
    }
    const std::string column = pair.substr(equals + 1);
    out.push_back({.column = column,
                   .subscale = static_cast<int>(at - names.begin()),
                   .values = table.numbers(column)});
  }
  return out;
}

Outcome run_screen(const ScreenCommand& command, const CommonOptions& common) {
  const Table table = load_table(common);
  const Scale scale = resolve_scale(command.scale, table);
  ScreeningOptions options{.item_names = scale.columns,
                           .supplied = supplied_scores(command, scale, table)};
  if (!command.other_items.empty()) {
    const std::vector<std::string> others = split_names(command.other_items, "--other-items");
    if (others.size() != scale.columns.size())
      throw UsageError("--other-items: " + std::to_string(others.size()) + " columns for " +
                       std::to_string(scale.columns.size()) +
                       " items; name the other rater's columns in the same order");
    options.other_rater = table.matrix(others);
  }
  const std::vector<Finding> findings =
      screen_responses(scale.instrument, scale.responses, options);
  const std::vector<std::string> ids = command.id.empty()
                                           ? std::vector<std::string>{}
                                           : joined_ids(table, split_list(command.id, "--id"));
  Outcome outcome{.result = report::to_json(findings, scale.columns, ids, table.rows()),
                  .main_table = "findings",
                  .text = {},
                  .warnings = scale.warnings,
                  .rows = table.rows(),
                  .used = table.rows()};
  outcome.text =
      findings.empty() ? "  Nothing found in " + std::to_string(table.rows()) + " rows.\n" : "";
  for (const Finding& finding : findings)
    outcome.text +=
        "  " + std::string(to_text(finding.severity)) + "  " + report::one_line(finding) + "\n";
  return outcome;
}

}  // namespace

void add_score(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<ScoreCommand>();
  CLI::App* command =
      add_command(program, chosen, "score", "Scores of a questionnaire (csv: a row a respondent)",
                  common, [own, common] { return run_score(*own, *common); });
  add_scale_options(*command, own->scale);
  command->add_option("--missing", own->missing,
                      "fail, prorate, available or strict (default: the instrument's rule)");
  command->add_option("--max-missing", own->max_missing,
                      "Largest share of a score's items that may be missing");
  command->add_option("--id", own->id, "Columns to carry along");
  command->add_option("--norm-mean", own->norm_mean,
                      "Mean of a reference group: adds T scores and percentiles");
  command->add_option("--norm-sd", own->norm_sd, "Its standard deviation");
  add_data(*command, *common);
}

void add_screen(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<ScreenCommand>();
  CLI::App* command = add_command(
      program, chosen, "screen",
      "What silently spoils scores: wrong reversals, codes, totals, copies (csv: the findings)",
      common, [own, common] { return run_screen(*own, *common); });
  add_scale_options(*command, own->scale);
  command->add_option("--id", own->id, "Columns that name a row");
  command->add_option("--total", own->total, "Column with the file's own total");
  command->add_option("--subscale-columns", own->subscales,
                      "Columns with the file's own subscales: task=COL,bond=COL");
  command->add_option("--other-items", own->other_items,
                      "The other rater's columns, in the same order");
  add_data(*command, *common);
}

}  // namespace rapport::program
