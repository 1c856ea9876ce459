#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/report/alliance.hpp>

#include "commands.hpp"
#include <cmath>

namespace rapport::program {
namespace {

struct LaggedArguments {
  std::string patient;
  std::string session;
  std::string x;
  std::string y;
  std::string model = "ri-clpm";
  std::string waves = "1:5";
  bool equal = false;
};

/// "1:5" or "1,2,4,8" to sessions, ascending.
std::vector<double> sessions_of(const std::string& text) {
  std::vector<double> sessions;
  if (text.find(':') == std::string::npos) {
    sessions = split_numbers(text, "--waves");
  } else {
    const auto [first, last] = split_range(text, "--waves");
    if (first != std::floor(first) || last != std::floor(last) || last - first > 1000)
      throw UsageError("--waves: \"" + text + "\" must be whole sessions, such as 1:5");
    for (double session = first; session <= last; ++session) sessions.push_back(session);
  }
  for (std::size_t k = 1; k < sessions.size(); ++k)
    if (!(sessions[k - 1] < sessions[k])) throw UsageError("--waves: \"" + text + "\" must rise");
  if (sessions.size() < 3)
    throw UsageError("--waves: \"" + text + "\" names " + std::to_string(sessions.size()) +
                     "; the model needs at least 3 waves");
  return sessions;
}

Outcome panel_model(const CommonOptions& common, const LaggedArguments& arguments) {
  const std::vector<double> sessions = sessions_of(arguments.waves);
  const Table table = load_table(common);
  const Panel panel = make_panel(
      table, {.patient = arguments.patient, .session = arguments.session, .therapist = ""});
  const Eigen::MatrixXd both = table.matrix({arguments.x, arguments.y});
  const CrossLaggedFit fit = random_intercept_cross_lagged(
      in_waves(panel, both.col(0), sessions), in_waves(panel, both.col(1), sessions),
      {.equal_over_time = arguments.equal, .confidence_level = common.level});
  Outcome outcome;
  outcome.result = report::to_json(fit, sessions);
  outcome.result.set("sessions_per_patient", report::to_json(session_counts(panel, both)));
  outcome.main_table = "effects";
  outcome.rows = outcome.used = table.rows();
  if (!fit.converged)
    outcome.warnings.emplace_back(
        "the search stopped before its optimum; fewer waves or --equal may help");
  if (!fit.proper)
    outcome.warnings.emplace_back(
        "a variance is estimated as negative or a correlation beyond 1: the model does not suit "
        "these data, and its "
        "estimates should not be read; fewer waves or --equal may help");
  if (std::isnan(fit.unrestricted_log_likelihood))
    outcome.warnings.emplace_back(
        "some waves are never observed in the same patient, or patients are fewer than variables: "
        "no test of fit");
  return outcome;
}

Outcome mixed_models(const CommonOptions& common, const LaggedArguments& arguments) {
  const Table table = load_table(common);
  const Panel panel = make_panel(
      table, {.patient = arguments.patient, .session = arguments.session, .therapist = ""});
  StudyColumns columns;
  columns.patient = arguments.patient;
  columns.session = arguments.session;
  const ReciprocalInfluence influence =
      reciprocal_influence(table, columns, arguments.x, arguments.y, common.level);
  const SessionCounts sessions = session_counts(panel, table.matrix({arguments.x, arguments.y}));
  Outcome outcome;
  outcome.result = report::to_json(influence);
  outcome.result.set("sessions_per_patient", report::to_json(sessions));
  outcome.main_table = "effects";
  outcome.rows = table.rows();
  outcome.used = influence.x_to_y.n_sessions;
  if (sessions.median < 15)
    outcome.warnings.push_back(
        "with a median of " + shortest_decimal(sessions.median) +
        " sessions a patient, centring on the patient's mean biases effects that are adjusted "
        "for the previous value (Nickell 1981); --model ri-clpm is the answer to it");
  return outcome;
}

}  // namespace

void add_lagged(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<LaggedArguments>();
  CLI::App* command =
      add_command(program, chosen, "lagged",
                  "Reciprocal influence of two variables over sessions (main table: effects)",
                  common, [common, arguments] {
                    enum class Model { panel, mixed };
                    if (arguments->x == arguments->y)
                      throw UsageError("--x and --y: both name \"" + arguments->x + "\"");
                    switch (choose<Model>("--model", arguments->model,
                                          {{"ri-clpm", Model::panel}, {"mixed", Model::mixed}})) {
                      case Model::panel:
                        return panel_model(*common, *arguments);
                      case Model::mixed:
                        return mixed_models(*common, *arguments);
                    }
                    throw UsageError("--model: unknown");
                  });
  command->add_option("--patient", arguments->patient, "Column of patients")->required();
  command->add_option("--session", arguments->session, "Column of session numbers")->required();
  command->add_option("--x", arguments->x, "First variable, such as the alliance")->required();
  command->add_option("--y", arguments->y, "Second variable, such as the symptoms")->required();
  command->add_option(
      "--model", arguments->model,
      "ri-clpm (default): random-intercept cross-lagged panel model; mixed: lagged mixed models");
  command->add_option("--waves", arguments->waves,
                      "Sessions that are the waves: FIRST:LAST or a list (default 1:5)");
  command->add_flag("--equal", arguments->equal, "Lagged effects equal over waves");
  add_data(*command, *common);
}

}  // namespace rapport::program
