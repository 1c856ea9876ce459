#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/session_order.hpp>
#include <rapport/report/alliance.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"
#include <algorithm>
#include <filesystem>

namespace rapport::program {
namespace {

struct AllianceArguments {
  StudyColumns columns;
  std::vector<std::string> raters;
  std::string repeated = "refuse";
  bool number_sessions = false;
  int early = 3;
  int lags = 3;
  std::string session_scale = "linear";
  double reliability = 0.85;
  std::string alliance_range;
  std::string outcome_range;
  ScaleArguments scale;
  std::string rupture_rules;
  std::string rupture_rule = "gumz";
  int repair_sessions = 3;
  double srs_cutoff = 36;
  double srs_drop = 0;
  std::string srs_lines;
  std::string report;
  std::string tables;
  bool show_ids = false;
};

/// The call as it can be repeated: what differs from the defaults.
std::string command_line(const CommonOptions& common, const AllianceArguments& arguments) {
  const StudyColumns& c = arguments.columns;
  std::string line = "rapport alliance " + common.data;
  const auto add = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) line += " " + option + " '" + value + "'";
  };
  const auto add_unless = [&](const std::string& option, const std::string& value,
                              const std::string& standard) {
    if (value != standard) add(option, value);
  };
  add("--patient", c.patient);
  add("--session", c.session);
  add("--alliance", c.alliance);
  add("--outcome", c.outcome);
  add("--therapist", c.therapist);
  add("--treatment", c.treatment);
  add("--therapist-alliance", c.therapist_alliance);
  for (const std::string& rater : arguments.raters) add("--rater", rater);
  add("--time", c.time);
  add("--dropout", c.dropout);
  add("--early", std::to_string(arguments.early));
  add("--lags", std::to_string(arguments.lags));
  add_unless("--repeated-sessions", arguments.repeated, "refuse");
  if (arguments.number_sessions) line += " --number-sessions";
  add_unless("--session-scale", arguments.session_scale, "linear");
  add("--reliability", shortest_decimal(arguments.reliability));
  add("--alliance-range", arguments.alliance_range);
  add("--outcome-range", arguments.outcome_range);
  add("--instrument", arguments.scale.instrument);
  add("--key", arguments.scale.key);
  add("--items", arguments.scale.items);
  add("--rupture-rules", arguments.rupture_rules);
  add_unless("--rupture-rule", arguments.rupture_rule, "gumz");
  add_unless("--repair-sessions", std::to_string(arguments.repair_sessions), "3");
  add_unless("--srs-cutoff", shortest_decimal(arguments.srs_cutoff), "36");
  add_unless("--srs-drop", shortest_decimal(arguments.srs_drop), "0");
  add("--srs-lines", arguments.srs_lines);
  add("--level", shortest_decimal(common.level));
  add("--seed", std::to_string(common.seed));
  for (const std::string& rule : common.rename) add("--rename", rule);
  for (const std::string& rule : common.factor) add("--factor", rule);
  for (const std::string& rule : common.let) add("--let", rule);
  for (const std::string& rule : common.where) add("--where", rule);
  add("--na", common.na);
  return line;
}

/// "observer=wai_observer".
StudyRater rater_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw UsageError("--rater: \"" + text +
                     "\" must be NAME=COLUMN, such as observer=wai_observer");
  const std::string name = text.substr(0, equals);
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
      std::string::npos)
    throw UsageError("--rater: the name \"" + name + "\" must be of letters, digits and _");
  return {.name = name, .column = text.substr(equals + 1)};
}

RuptureRule rule_of(const std::string& text, const std::string& option) {
  return choose(
      option, text, parse_rupture_rule,
      {"stiles", "strauss", "gumz", "gumz-2sd", "xmr", "cusum", "reliable-change", "srs"});
}

RuptureOptions rupture_options(const AllianceArguments& arguments) {
  RuptureOptions options;
  if (!arguments.rupture_rules.empty()) {
    options.rules.clear();
    for (const std::string& name : split_list(arguments.rupture_rules, "--rupture-rules"))
      options.rules.push_back(rule_of(name, "--rupture-rules"));
  }
  const RuptureRule course = rule_of(arguments.rupture_rule, "--rupture-rule");
  if (std::find(options.rules.begin(), options.rules.end(), course) == options.rules.end())
    options.rules.push_back(course);
  if (arguments.repair_sessions < 1) throw UsageError("--repair-sessions: must be 1 or more");
  if (arguments.srs_drop < 0) throw UsageError("--srs-drop: must be 0 or more points");
  options.repair_sessions = arguments.repair_sessions;
  options.srs_cutoff = arguments.srs_cutoff;
  options.srs_drop = arguments.srs_drop;
  return options;
}

std::optional<ScaleRange> range_of(const std::string& text, const std::string& option) {
  if (text.empty()) return std::nullopt;
  const auto [low, high] = split_range(text, option);
  return ScaleRange{.lower = low, .upper = high};
}

RepeatedSessions repeated_sessions(const AllianceArguments& arguments) {
  return choose<RepeatedSessions>("--repeated-sessions", arguments.repeated,
                                  {{"refuse", RepeatedSessions::refuse},
                                   {"first", RepeatedSessions::keep_first},
                                   {"last", RepeatedSessions::keep_last}});
}

StudyOptions study_options(const CommonOptions& common, const AllianceArguments& arguments) {
  if (arguments.early < 1) throw UsageError("--early: must be 1 or more sessions");
  if (arguments.lags < 1) throw UsageError("--lags: must be 1 or more sessions");
  if (!(arguments.reliability > 0 && arguments.reliability < 1))
    throw UsageError("--reliability: must lie strictly between 0 and 1");
  StudyOptions options;
  options.early_sessions = arguments.early;
  options.lags = arguments.lags;
  options.session_scale =
      choose<SessionScale>("--session-scale", arguments.session_scale,
                           {{"linear", SessionScale::linear}, {"log", SessionScale::logarithmic}});
  options.ruptures = rupture_options(arguments);
  options.rupture_rule = rule_of(arguments.rupture_rule, "--rupture-rule");
  options.screening.alliance_range = range_of(arguments.alliance_range, "--alliance-range");
  options.screening.outcome_range = range_of(arguments.outcome_range, "--outcome-range");
  options.confidence_level = common.level;
  options.threads = common.threads;
  options.seed = Seed{common.seed};
  options.outcome_reliability = arguments.reliability;
  options.progress = progress_bar(common, "Analysing the study");
  return options;
}

/// What the options say of columns that the data hold.
void add_columns(const AllianceArguments& arguments, const Table& table, StudyOptions& options) {
  if (!arguments.srs_lines.empty())
    options.ruptures.srs_lines = table.matrix(split_list(arguments.srs_lines, "--srs-lines"));
  const bool has_items = !arguments.scale.instrument.empty() || !arguments.scale.key.empty() ||
                         !arguments.scale.items.empty();
  if (!has_items) return;
  const Scale scale = resolve_scale(arguments.scale, table);
  ScreeningOptions screening;
  screening.item_names = scale.columns;
  screening.supplied = {{.column = arguments.columns.alliance,
                         .subscale = -1,
                         .values = table.numbers(arguments.columns.alliance)}};
  options.screening.items = StudyItems{
      .instrument = scale.instrument, .responses = scale.responses, .options = screening};
}

void write_tables(const std::string& folder, const std::vector<report::TableFile>& files) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw DataError("the folder cannot be made; check its permissions", folder);
  for (const report::TableFile& file : files)
    report::write_file((std::filesystem::path(folder) / file.name).string(), file.content);
}

Outcome analyse(const CommonOptions& common, const AllianceArguments& arguments) {
  StudyOptions options = study_options(common, arguments);
  StudyColumns columns = arguments.columns;
  if (columns.alliance.empty() &&
      (!columns.therapist_alliance.empty() || !arguments.raters.empty()))
    throw UsageError("--alliance: is required with --therapist-alliance and --rater");
  if (columns.alliance == columns.outcome)
    throw UsageError("--alliance and --outcome: both name \"" + columns.outcome + "\"");
  for (const std::string& rater : arguments.raters) columns.raters.push_back(rater_of(rater));
  const Table all = load_table(common);
  Table table = without_repeated_sessions(all, columns, repeated_sessions(arguments));
  if (arguments.number_sessions) {
    table = with_session_numbers(table, columns);
    if (columns.time.empty()) columns.time = columns.session;
    columns.session = "session_number";
  }
  add_columns(arguments, table, options);
  StudyAnalysis study = analyse_study(table, columns, options);
  if (table.rows() < all.rows())
    study.warnings.insert(study.warnings.begin(),
                          std::to_string(all.rows() - table.rows()) +
                              " rows repeat a session of the same patient; the " +
                              arguments.repeated + " of them counts");
  Outcome outcome;
  outcome.result = report::to_json(study, table);
  outcome.main_table = "descriptives.by_session";
  outcome.text = report::study_text(study);
  outcome.warnings = study.warnings;
  outcome.rows = all.rows();
  outcome.used = study.n_used;
  if (arguments.report.empty() && arguments.tables.empty()) return outcome;
  const report::Page page = report::study_page(
      study, table, {.command = command_line(common, arguments), .show_ids = arguments.show_ids});
  if (!arguments.report.empty()) {
    report::write_file(arguments.report, report::to_html(page));
    outcome.text += "\nThe page: " + arguments.report + "\n";
  }
  if (!arguments.tables.empty()) {
    write_tables(arguments.tables, report::study_tables(study, page));
    outcome.text += "\nThe tables: " + arguments.tables + "\n";
  }
  return outcome;
}

void add_analysis_options(CLI::App& command, AllianceArguments& a) {
  command.add_option("--repeated-sessions", a.repeated,
                     "refuse (default), first or last: which row of a patient's session counts "
                     "when it stands twice");
  command.add_flag(
      "--number-sessions", a.number_sessions,
      "--session is a time, or has gaps: number each patient's sessions 1, 2, … in its "
      "order, and take it for the --time");
  command.add_option("--lags", a.lags,
                     "Sessions back in the distributed lags, as far as the data reach (default 3)");
  command.add_option("--session-scale", a.session_scale,
                     "linear (default) or log: how the alliance's effect may change over sessions");
  const std::string screening = "Screening";
  command.add_option("--alliance-range", a.alliance_range, "LOW:HIGH that the alliance can have")
      ->group(screening);
  command.add_option("--outcome-range", a.outcome_range, "LOW:HIGH that the outcome can have")
      ->group(screening);
  command
      .add_option("--instrument", a.scale.instrument,
                  "Name of the built-in key of the alliance, whose items stand in the data")
      ->group(screening);
  command.add_option("--key", a.scale.key, "JSON file with a key of your own")->group(screening);
  command.add_option("--items", a.scale.items, "Columns of its items: a prefix, or a,b,c")
      ->group(screening);
  command
      .add_flag("--accept-unverified", a.scale.accept_unverified,
                "Use a key that rests on a single source")
      ->group(screening);
  const std::string ruptures = "Ruptures";
  command
      .add_option("--rupture-rules", a.rupture_rules,
                  "stiles, strauss, gumz, gumz-2sd, xmr, cusum, reliable-change, srs (default: all "
                  "but srs)")
      ->group(ruptures);
  command
      .add_option("--rupture-rule", a.rupture_rule,
                  "The rule by which patients' courses are told apart (default gumz)")
      ->group(ruptures);
  command
      .add_option("--repair-sessions", a.repair_sessions,
                  "Rated sessions within which a repair has to come (default 3)")
      ->group(ruptures);
  command.add_option("--srs-cutoff", a.srs_cutoff, "srs: totals below alert (default 36)")
      ->group(ruptures);
  command
      .add_option("--srs-lines", a.srs_lines, "srs: columns of the four lines; any below 9 alerts")
      ->group(ruptures);
  command
      .add_option("--srs-drop", a.srs_drop,
                  "srs: a fall by so many points alerts too (default 0: no such alert)")
      ->group(ruptures);
}

}  // namespace

void add_alliance(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<AllianceArguments>();
  CLI::App* command =
      add_command(program, chosen, "alliance",
                  "The whole analysis of alliance and outcome over sessions (main table: "
                  "descriptives.by_session)",
                  common, [common, arguments] { return analyse(*common, *arguments); });
  StudyColumns& c = arguments->columns;
  command->add_option("--patient", c.patient, "Column of patients")->required();
  command->add_option("--session", c.session, "Column of session numbers")->required();
  command->add_option("--alliance", c.alliance,
                      "Column of the client's alliance rating (without it: the outcome's course "
                      "alone)");
  command->add_option("--outcome", c.outcome, "Column of the outcome in the same session")
      ->required();
  command->add_option("--therapist", c.therapist, "Column of therapists");
  command->add_option("--treatment", c.treatment, "Column of treatments");
  command->add_option("--therapist-alliance", c.therapist_alliance,
                      "Column of the therapist's alliance rating");
  command->add_option("--dropout", c.dropout, "Column that is 1 for a patient who left early");
  add_repeatable(*command, "--rater", arguments->raters,
                 "NAME=COLUMN: someone else who rated the sessions: an observer, an interpreter, a "
                 "partner (repeatable)");
  command->add_option("--time", c.time,
                      "Column of the time of the session (days, weeks), where sessions are "
                      "unequally spaced");
  command->add_option("--early", arguments->early,
                      "Sessions that make the early alliance (default 3)");
  command->add_option("--reliability", arguments->reliability,
                      "Reliability of the outcome, for reliable change (default 0.85)");
  add_analysis_options(*command, *arguments);
  command->add_option("--report", arguments->report, "Write the study as a page to FILE.html");
  command->add_option(
      "--tables", arguments->tables,
      "Write every table as CSV and Markdown, and the data of the models, to this folder");
  command->add_flag("--show-ids", arguments->show_ids,
                    "The page shows the codes of patients and therapists");
  add_data(*command, *common);
}

}  // namespace rapport::program
