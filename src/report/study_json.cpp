#include "study_json.hpp"

#include <rapport/report/agree.hpp>
#include <rapport/report/correlate.hpp>
#include <rapport/report/score.hpp>

namespace rapport::report {
namespace {

Json model_json(const StudyModel& study) {
  Json options = Json::array();
  for (const std::string& option : study.options) options.push_back(option);
  Json result = Json::object({{"question", study.question},
                              {"data", study.of_patients ? "patients" : "sessions"},
                              {"options", std::move(options)}});
  const Json fit = fit_json(study.model);
  for (const auto& [key, value] : fit.members()) result.set(key, value);
  return result;
}

Json variable_json(const VariableDescription& v) {
  return Json::object({{"name", v.name},
                       {"n", count_json(v.moments.n_used)},
                       {"missing", count_json(v.moments.n_omitted)},
                       {"mean", v.moments.mean},
                       {"sd", v.moments.sd},
                       {"sd_within", v.sd_within},
                       {"sd_between", v.sd_between},
                       {"min", v.moments.minimum},
                       {"max", v.moments.maximum},
                       {"skewness", v.moments.skewness},
                       {"icc", v.icc},
                       {"reliability_of_means", v.reliability}});
}

Json descriptives_json(const StudyAnalysis& study) {
  Json variables = Json::array();
  for (const VariableDescription& v : study.variables) variables.push_back(variable_json(v));
  Json sessions = Json::array();
  for (const SessionDescription& at : study.by_session)
    sessions.push_back(Json::object({{"session", at.session},
                                     {"n_alliance", count_json(at.n_alliance)},
                                     {"n_outcome", count_json(at.n_outcome)},
                                     {"alliance_mean", at.alliance_mean},
                                     {"outcome_mean", at.outcome_mean},
                                     {"n", count_json(at.n_both)},
                                     {"r", at.correlation},
                                     {"ci_lower", at.ci.lower},
                                     {"ci_upper", at.ci.upper}}));
  return Json::object({{"sessions_per_patient", to_json(study.sessions)},
                       {"variables", std::move(variables)},
                       {"by_session", std::move(sessions)}});
}

Json screening_json(const StudyScreening& screening) {
  Json findings = Json::array();
  for (const StudyFinding& f : screening.findings) {
    Json rows = Json::array();
    for (const Index row : f.rows) rows.push_back(count_json(row + 1));
    findings.push_back(Json::object({{"kind", f.kind},
                                     {"severity", std::string(to_text(f.severity))},
                                     {"count", count_json(f.count)},
                                     {"unit", f.unit},
                                     {"rows", std::move(rows)},
                                     {"message", f.message}}));
  }
  return Json::object({{"findings", std::move(findings)}, {"checks", Json(screening.checks)}});
}

Json correlations_json(const StudyAnalysis& study) {
  Json pairs = Json::array();
  for (const StudyCorrelation& c : study.correlations)
    pairs.push_back(to_json(c.correlation, c.x, c.y));
  return Json::object({{"pairs", std::move(pairs)}});
}

Json specifications_json(const StudyAnalysis& study) {
  Json specifications = Json::array();
  for (const SpecifiedEffect& one : study.specifications)
    specifications.push_back(
        with(with(to_json(one.effect), "model", one.model), "estimand", one.estimand));
  return specifications;
}

Json rupture_outcome_json(const RuptureOutcome& outcome) {
  return Json::object({{"model", "rupture_outcome"},
                       {"rule", name_of(outcome.rule)},
                       {"course", test_json(outcome.course)},
                       {"means", means_json(outcome.means)},
                       {"mean_differences", mean_differences_json(outcome.means)}});
}

/// What happened to patients and in sessions: therapists, dropout, change, ruptures.
void add_events(const StudyAnalysis& study, const Factor& patients, Json& result) {
  if (study.therapists) result.set("therapist_effects", therapists_json(*study.therapists));
  if (study.dropout) result.set("dropout", dropout_json(study));
  if (study.change) {
    result.set("change", with(to_json(study.change->change, study.change->persons), "reliability",
                              study.change->reliability));
    result.set("sudden_gains", gains_json(*study.change, patients));
  }
  if (study.congruence) result.set("congruence", to_json(*study.congruence));
  if (!study.ruptures) return;
  result.set("ruptures", ruptures_json(*study.ruptures, patients));
  result.set("rupture_aftermath", rupture_aftermath_json(study));
  if (study.rupture_outcome)
    result.set("rupture_outcome", rupture_outcome_json(*study.rupture_outcome));
  result.set("rupture_concordance", rupture_concordance_json(*study.ruptures));
}

}  // namespace

Json to_json(const StudyAnalysis& study, const Table& table) {
  Json result = Json::object(
      {{"descriptives", descriptives_json(study)}, {"screening", screening_json(study.screening)}});
  if (!study.agreement.empty()) result.set("agreement", agreement_json(study));
  if (study.growth) result.set("growth", growth_json(*study.growth));
  result.set("correlations", correlations_json(study));
  if (study.disaggregation)
    result.set("disaggregation", disaggregation_json(*study.disaggregation));
  if (!study.specifications.empty()) result.set("specifications", specifications_json(study));
  result.set("moderation", moderation_json(study));
  result.set("lagged", lags_json(study));
  if (study.early) result.set("early_alliance", early_json(*study.early));
  if (study.perspectives || study.rating_comparison)
    result.set("perspective", perspective_json(study));
  add_events(study, table.factor(study.columns.patient), result);
  Json models = Json::object();
  for (const StudyModel& model : study.models) models.set(model.name, model_json(model));
  result.set("models", std::move(models));
  result.set("commands", commands_json(study));
  return result;
}

}  // namespace rapport::report
