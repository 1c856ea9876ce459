#include <rapport/alliance/analysis.hpp>
#include <rapport/report/alliance.hpp>

#include "commands.hpp"
#include <filesystem>

namespace rapport::program {
namespace {

struct AllianceArguments {
  StudyColumns columns;
  int early = 3;
  double reliability = 0.85;
  std::string report;
  std::string tables;
  bool show_ids = false;
};

std::string command_line(const CommonOptions& common, const AllianceArguments& arguments) {
  const StudyColumns& c = arguments.columns;
  std::string line = "rapport alliance " + common.data;
  const auto add = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) line += " " + option + " '" + value + "'";
  };
  add("--patient", c.patient);
  add("--session", c.session);
  add("--alliance", c.alliance);
  add("--outcome", c.outcome);
  add("--therapist", c.therapist);
  add("--treatment", c.treatment);
  add("--therapist-alliance", c.therapist_alliance);
  add("--dropout", c.dropout);
  add("--early", std::to_string(arguments.early));
  add("--reliability", shortest_decimal(arguments.reliability));
  add("--level", shortest_decimal(common.level));
  add("--seed", std::to_string(common.seed));
  for (const std::string& rule : common.rename) add("--rename", rule);
  for (const std::string& rule : common.factor) add("--factor", rule);
  for (const std::string& rule : common.let) add("--let", rule);
  for (const std::string& rule : common.where) add("--where", rule);
  add("--na", common.na);
  return line;
}

void write_tables(const std::string& folder, const std::vector<report::TableFile>& files) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw DataError("the folder cannot be made; check its permissions", folder);
  for (const report::TableFile& file : files)
    report::write_file((std::filesystem::path(folder) / file.name).string(), file.content);
}

Outcome analyse(const CommonOptions& common, const AllianceArguments& arguments) {
  if (arguments.early < 1) throw UsageError("--early: must be 1 or more sessions");
  if (!(arguments.reliability > 0 && arguments.reliability < 1))
    throw UsageError("--reliability: must lie strictly between 0 and 1");
  const Table table = load_table(common);
  StudyOptions options;
  options.early_sessions = arguments.early;
  options.confidence_level = common.level;
  options.threads = common.threads;
  options.seed = Seed{common.seed};
  options.outcome_reliability = arguments.reliability;
  const StudyAnalysis study = analyse_study(table, arguments.columns, options);
  Outcome outcome;
  outcome.result = report::to_json(study, table);
  outcome.main_table = "descriptives.by_session";
  outcome.text = report::study_text(study);
  outcome.warnings = study.warnings;
  outcome.rows = study.n_rows;
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
  command->add_option("--alliance", c.alliance, "Column of the client's alliance rating")
      ->required();
  command->add_option("--outcome", c.outcome, "Column of the outcome in the same session")
      ->required();
  command->add_option("--therapist", c.therapist, "Column of therapists");
  command->add_option("--treatment", c.treatment, "Column of treatments");
  command->add_option("--therapist-alliance", c.therapist_alliance,
                      "Column of the therapist's alliance rating");
  command->add_option("--dropout", c.dropout, "Column that is 1 for a patient who left early");
  command->add_option("--early", arguments->early,
                      "Sessions that make the early alliance (default 3)");
  command->add_option("--reliability", arguments->reliability,
                      "Reliability of the outcome, for reliable change (default 0.85)");
  command->add_option("--report", arguments->report, "Write the study as a page to FILE.html");
  command->add_option(
      "--tables", arguments->tables,
      "Write every table as CSV and Markdown, and the data of the models, to this folder");
  command->add_flag("--show-ids", arguments->show_ids,
                    "The page shows the codes of patients and therapists");
  add_data(*command, *common);
}

}  // namespace rapport::program
