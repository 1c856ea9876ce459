#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/report/dropout.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/text.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct DropoutArguments {
  DropoutColumns columns;
  double planned = 0;
  double until = 0;
  int lag = 1;
  int carry = 0;
  std::string centre = "so-far";
  std::string link = "logit";
  std::string frailty;
  std::string baseline;
  std::string covariates;
  bool therapist_level = false;
  int agq = 0;
  int groups = 3;
  int early = 1;
  std::string interval = "log-log";
  std::string person_period;
  std::string outcome;
  std::string patterns;
  std::string shared = "effects";
  int points = 11;
};

DropoutRules rules_of(const DropoutArguments& arguments) {
  if (arguments.lag < 1) throw UsageError("--lag: must be 1 session or more");
  if (arguments.carry < 0) throw UsageError("--carry: must be 0 sessions or more");
  if (arguments.columns.dropout.empty() && !(arguments.planned > 0))
    throw UsageError(
        "--dropout D or --planned N is required: a column that is 1 for patients who left, or the "
        "number of sessions before which leaving is early");
  return {.lag = arguments.lag,
          .carry_forward = arguments.carry,
          .centring = choose<AllianceCentring>("--centre", arguments.centre,
                                               {{"so-far", AllianceCentring::so_far},
                                                {"patient-mean", AllianceCentring::patient_mean}}),
          .planned_sessions = arguments.planned,
          .last_session = arguments.until};
}

HazardOptions hazard_options(const DropoutArguments& arguments, double level) {
  const bool therapists = !arguments.columns.therapist.empty();
  const std::string frailty =
      arguments.frailty.empty() ? (therapists ? "therapist" : "none") : arguments.frailty;
  HazardOptions options{.link = choose("--link", arguments.link, parse_link, {"logit", "cloglog"}),
                        .frailty = choose<Frailty>("--frailty", frailty,
                                                   {{"none", Frailty::none},
                                                    {"patient", Frailty::patient},
                                                    {"therapist", Frailty::therapist}}),
                        .quadrature_points = arguments.agq,
                        .baseline = arguments.baseline,
                        .covariates = arguments.covariates,
                        .therapist_level = arguments.therapist_level,
                        .confidence_level = level};
  if (arguments.agq < 0) throw UsageError("--agq: must be 1 (Laplace) or more quadrature points");
  if (!therapists && (options.frailty == Frailty::therapist || options.therapist_level))
    throw UsageError("--frailty therapist and --therapist-level need --therapist T");
  return options;
}

RetentionOptions retention_options(const DropoutArguments& arguments, double level) {
  if (arguments.groups < 2 || arguments.groups > 20)
    throw UsageError("--groups: must lie in 2 … 20");
  if (arguments.early < 1) throw UsageError("--early: must be 1 or more sessions");
  return {.groups = arguments.groups,
          .early_sessions = arguments.early,
          .interval = choose<SurvivalInterval>("--interval", arguments.interval,
                                               {{"log-log", SurvivalInterval::log_log},
                                                {"log", SurvivalInterval::log},
                                                {"plain", SurvivalInterval::plain}}),
          .confidence_level = level};
}

JointOptions joint_options(const DropoutArguments& arguments, const CommonOptions& common) {
  if (arguments.points < 5 || arguments.points > 50)
    throw UsageError("--points: must lie in 5 … 50");
  return {.link = choose("--link", arguments.link, parse_link, {"logit", "cloglog"}),
          .shared = choose<SharedPart>(
              "--shared", arguments.shared,
              {{"effects", SharedPart::effects}, {"current", SharedPart::current}}),
          .quadrature_points = arguments.points,
          .confidence_level = common.level,
          .threads = common.threads};
}

/// The outcome with dropout that bears on it: two models that disagree about how.
void add_outcome(Outcome& outcome, const PersonPeriod& period, const DropoutArguments& arguments,
                 const CommonOptions& common, const std::string& hazard_formula) {
  const Formula hazard = parse_formula(hazard_formula);
  std::string terms;
  for (const FormulaTerm& term : hazard.fixed)
    terms += (terms.empty() ? "" : " + ") + term_label(term);
  const JointModel joint =
      joint_model(period, arguments.outcome, terms, joint_options(arguments, common));
  outcome.result.set("joint", report::to_json(joint));
  outcome.text += "\n" + report::joint_text(joint);
  for (const std::string& warning : joint.warnings) outcome.warnings.push_back("joint: " + warning);
  PatternMixtureOptions options{.left_by = {}, .confidence_level = common.level};
  if (!arguments.patterns.empty())
    options.left_by = split_numbers(arguments.patterns, "--patterns");
  const PatternMixture mixture = pattern_mixture(period, arguments.outcome, options);
  outcome.result.set("pattern_mixture", report::to_json(mixture));
  outcome.text += "\n" + report::pattern_mixture_text(mixture);
}

Json rules_json(const PersonPeriod& period) {
  return Json::object({{"patients", static_cast<std::int64_t>(period.ends.size())},
                       {"sessions", static_cast<std::int64_t>(period.rows.size())},
                       {"left", static_cast<std::int64_t>(period.n_left)},
                       {"left_unrated", static_cast<std::int64_t>(period.n_left_unrated)},
                       {"omitted", static_cast<std::int64_t>(period.n_omitted)},
                       {"rules", Json(period.rules)}});
}

Outcome analyse(const CommonOptions& common, const DropoutArguments& arguments) {
  const DropoutRules rules = rules_of(arguments);
  const HazardOptions hazard_choices = hazard_options(arguments, common.level);
  const RetentionOptions retention_choices = retention_options(arguments, common.level);
  (void)joint_options(arguments, common);
  const Table table = load_table(common);
  const PersonPeriod period = person_period(table, arguments.columns, rules);
  const DropoutHazard hazard = dropout_hazard(period, hazard_choices);
  Outcome outcome;
  outcome.result =
      Json::object({{"person_period", rules_json(period)}, {"hazard", report::to_json(hazard)}});
  outcome.main_table = "hazard.terms";
  for (const std::string& rule : period.rules) outcome.text += "- " + rule + "\n";
  outcome.text += "\n" + report::hazard_text(hazard);
  outcome.warnings = hazard.warnings;
  outcome.rows = table.rows();
  outcome.used = hazard.n_sessions;
  try {
    const Retention retention = retention_by_alliance(period, retention_choices);
    outcome.result.set("retention", report::to_json(retention));
    outcome.text += "\n" + report::retention_text(retention);
    if (retention.n_before_landmark + retention.n_unrated > 0)
      outcome.warnings.push_back("retention: " + std::to_string(retention.n_before_landmark) +
                                 " patients who left before the last early session and " +
                                 std::to_string(retention.n_unrated) +
                                 " without an early rating are left out");
  } catch (const DataError& error) {
    outcome.warnings.emplace_back(error.what());
  }
  if (!arguments.outcome.empty()) add_outcome(outcome, period, arguments, common, hazard.formula);
  if (!arguments.person_period.empty()) {
    report::write_file(arguments.person_period, to_csv(period.table));
    outcome.text += "\nThe rows at risk: " + arguments.person_period + "\n";
  }
  return outcome;
}

void add_rules(CLI::App& command, DropoutArguments& a) {
  command.add_option("--patient", a.columns.patient, "Column of patients")->required();
  command.add_option("--session", a.columns.session, "Column of session numbers")->required();
  command.add_option("--alliance", a.columns.alliance, "Column of the alliance")->required();
  command.add_option("--therapist", a.columns.therapist, "Column of therapists");
  command.add_option("--dropout", a.columns.dropout,
                     "Column that is 1 in any row of a patient who left early");
  command.add_option("--completed", a.columns.completed,
                     "Column that is 1 for a patient who ended as planned; all others who did not "
                     "leave are then in treatment still (without it: ended as planned)");
  command.add_option("--planned", a.planned,
                     "Session from which on nobody is at risk; without --dropout, a patient with a "
                     "last session before it left");
  command.add_option("--until", a.until, "Take away later sessions, and censor who reaches them");
  command.add_option("--lag", a.lag,
                     "1 (default): the alliance of a session tells leaving after it; 2: that of "
                     "the session before; …");
  command.add_option("--carry", a.carry,
                     "Sessions for which the last rating stands in for a missing one (default 0)");
  command.add_option("--centre", a.centre,
                     "so-far (default): within is against the patient's ratings up to then; "
                     "patient-mean: against all of them");
}

}  // namespace

void add_dropout(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<DropoutArguments>();
  CLI::App* command =
      add_command(program, chosen, "dropout",
                  "Who leaves treatment, and when, by the alliance (main table: hazard.terms)",
                  common, [common, arguments] { return analyse(*common, *arguments); });
  DropoutArguments& a = *arguments;
  add_rules(*command, a);
  command->add_option("--link", a.link, "logit (default) or cloglog: proportional hazards");
  command->add_option("--frailty", a.frailty,
                      "none, patient or therapist (default: therapist where there is one)");
  command->add_option("--agq", a.agq,
                      "Quadrature points; default 15 for patients, 1 (Laplace) for therapists");
  command->add_option("--baseline", a.baseline,
                      "The hazard over sessions as in a formula: 'factor(session)', 'ns(session, "
                      "3)' (default: the session)");
  command->add_option("--covariates", a.covariates, "Further terms, as in a formula");
  command->add_flag("--therapist-level", a.therapist_level,
                    "Split the alliance between patients into patients' and therapists'");
  command->add_option("--groups", a.groups,
                      "Groups of patients by early alliance for the curves (default 3)");
  command->add_option("--early", a.early, "Sessions that make the early alliance (default 1)");
  command->add_option("--interval", a.interval,
                      "Intervals of the curves: log-log (default), log or plain");
  command->add_option("--person-period", a.person_period,
                      "Write the rows at risk with the model's columns to FILE.csv");
  command->add_option("--outcome", a.outcome,
                      "A model of the outcome, 'phq9 ~ session + (1 + session | patient)', to be "
                      "fitted jointly with dropout and by dropout pattern");
  command->add_option("--shared", a.shared,
                      "What of the outcome tells dropout: effects (default; level and slope) or "
                      "current (the patient's deviation at the session)");
  command->add_option("--points", a.points,
                      "Quadrature points of the joint model a random effect (default 11)");
  command->add_option("--patterns", a.patterns,
                      "Last sessions that divide those who left into patterns: 3,6");
  add_data(*command, *common);
}

}  // namespace rapport::program
