#include <rapport/report/agree.hpp>
#include <rapport/report/alliance.hpp>
#include <rapport/report/correlate.hpp>
#include <rapport/report/dropout.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/score.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

Json with(Json object, const std::string& key, Json value) {
  object.set(key, std::move(value));
  return object;
}

Json fit_json(const FittedModel& model) {
  return to_json(summarize(model.design(), model.model(), model.fit(), model.inference()));
}

Json model_json(const StudyModel& study) {
  Json result = Json::object(
      {{"question", study.question}, {"data", study.of_patients ? "patients" : "sessions"}});
  const Json fit = fit_json(study.model);
  for (const auto& [key, value] : fit.members()) result.set(key, value);
  return result;
}

Json variable_json(const VariableDescription& v) {
  return Json::object({{"name", v.name},
                       {"n", count(v.moments.n_used)},
                       {"missing", count(v.moments.n_omitted)},
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
                                     {"n_alliance", count(at.n_alliance)},
                                     {"n_outcome", count(at.n_outcome)},
                                     {"alliance_mean", at.alliance_mean},
                                     {"outcome_mean", at.outcome_mean},
                                     {"n", count(at.n_both)},
                                     {"r", at.correlation},
                                     {"ci_lower", at.ci.lower},
                                     {"ci_upper", at.ci.upper}}));
  return Json::object({{"sessions_per_patient", to_json(study.sessions)},
                       {"variables", std::move(variables)},
                       {"by_session", std::move(sessions)}});
}

Json agreement_json(const RaterAgreement& agreement) {
  return Json::object({{"bland_altman", to_json(agreement.bland_altman)},
                       {"icc", to_json(agreement.icc)},
                       {"concordance", to_json(agreement.concordance)}});
}

Json disaggregation_json(const Disaggregation& d) {
  Json within = with(to_json(d.within), "standardized", d.standardized_within);
  within.set("n_sessions", count(d.n_sessions));
  within.set("n_patients", count(d.n_patients_within));
  Json between = with(to_json(d.between_patient), "standardized", d.standardized_between);
  between.set("n_patients", count(d.n_patients));
  between.set("reliability", d.reliability);
  between.set("corrected", to_json(d.between_patient_corrected));
  Json result = Json::object(
      {{"model", "within_between"},
       {"estimand",
        "points of outcome a point of alliance: person-mean centred, time in the model"},
       {"within", std::move(within)},
       {"between_patient", std::move(between)},
       {"contextual", to_json(d.contextual)}});
  if (d.n_therapists > 0) {
    result.set("between_therapist",
               with(to_json(d.between_therapist), "n_therapists", count(d.n_therapists)));
    result.set("therapist_contextual", to_json(d.therapist_contextual));
  }
  result.set("r_squared", Json::object({{"within", d.r_squared_within},
                                        {"between", d.r_squared_between},
                                        {"total", d.r_squared_total}}));
  return result;
}

Json by_session_json(const SessionModeration& m) {
  Json result = Json::object({{"model", "by_session"},
                              {"interaction", to_json(m.interaction)},
                              {"slopes", slopes_json(m.slopes)}});
  if (m.slopes.region) result.set("johnson_neyman", to_json(*m.slopes.region));
  return result;
}

Json test_json(const ContrastTest& test) {
  return Json::object({{"statistic", test.statistic},
                       {"numerator_df", test.numerator_df},
                       {"denominator_df", test.denominator_df},
                       {"p_value", test.p_value}});
}

Json by_treatment_json(const TreatmentModeration& m) {
  const auto list = [](const std::vector<TreatmentSlope>& slopes) {
    Json rows = Json::array();
    for (const TreatmentSlope& at : slopes)
      rows.push_back(with(to_json(at.slope), "treatment", at.treatment));
    return rows;
  };
  return Json::object(
      {{"model", "by_treatment"},
       {"interaction", Json::object({{"statistic", m.interaction.statistic},
                                     {"numerator_df", m.interaction.numerator_df},
                                     {"denominator_df", m.interaction.denominator_df},
                                     {"p_value", m.interaction.p_value}})},
       {"slopes", list(m.slopes)},
       {"differences", list(m.differences)},
       {"equivalence_bound", m.equivalence_bound},
       {"equivalence_p_value", m.equivalence_p_value}});
}

Json lagged_json(const LaggedInfluence& lagged, const std::string& model) {
  Json result = with(to_json(lagged.effect), "standardized", lagged.standardized);
  result.set("model", model);
  result.set("autoregression", to_json(lagged.autoregression));
  result.set("n_sessions", count(lagged.n_sessions));
  result.set("n_patients", count(lagged.n_patients));
  return result;
}

Json early_json(const EarlyAlliance& early) {
  Json result = Json::object({{"sessions", count(early.sessions)},
                              {"n", count(early.n_used)},
                              {"correlation", to_json(early.correlation)},
                              {"partial", to_json(early.partial)},
                              {"semi_partial", to_json(early.semi_partial)},
                              {"effect", with(to_json(early.effect), "model", "early_alliance")},
                              {"adjusted_for_prior_change",
                               with(to_json(early.adjusted), "model", "early_alliance_adjusted")}});
  if (early.treatment) result.set("treatment", test_json(*early.treatment));
  Json reliability = Json::array();
  for (Index k = 0; k < early.reliability.size(); ++k)
    reliability.push_back(
        Json::object({{"sessions", count(k + 1)}, {"reliability", early.reliability[k]}}));
  result.set("reliability", std::move(reliability));
  return result;
}

Json share_json(const BootstrapResult& share) {
  return Json::object({{"estimate", share.estimate},
                       {"standard_error", share.standard_error},
                       {"ci_lower", share.ci.lower},
                       {"ci_upper", share.ci.upper}});
}

Json perspective_json(const PerspectiveComparison& p) {
  return Json::object(
      {{"model", "perspectives"},
       {"client", Json::object({{"within", to_json(p.client_within)},
                                {"between", to_json(p.client_between)}})},
       {"therapist", Json::object({{"within", to_json(p.therapist_within)},
                                   {"between", to_json(p.therapist_between)}})},
       {"comparison",
        Json::object({{"standardized_within_difference", to_json(p.standardized_difference)},
                      {"early_correlations_with_final", to_json(p.correlations)},
                      {"r_squared", p.r_squared},
                      {"client_share", share_json(p.client_share)},
                      {"therapist_share", share_json(p.therapist_share)}})}});
}

Json therapists_json(const TherapistEffects& effects) {
  Json list = Json::array();
  for (const TherapistEstimate& t : effects.therapists)
    list.push_back(Json::object({{"therapist", t.therapist},
                                 {"patients", count(t.patients)},
                                 {"effect", t.effect},
                                 {"standard_error", t.standard_error},
                                 {"left", count(t.left)}}));
  return Json::object({{"model", "therapists"},
                       {"n", count(effects.n_patients)},
                       {"share", Json::object({{"estimate", effects.share},
                                               {"ci_lower", effects.share_ci.lower},
                                               {"ci_upper", effects.share_ci.upper},
                                               {"p_value", effects.p_value}})},
                       {"split_model", "therapists_split"},
                       {"within_therapists", to_json(effects.within_therapists)},
                       {"between_therapists", to_json(effects.between_therapists)},
                       {"difference", to_json(effects.difference)},
                       {"therapists", std::move(list)}});
}

Json dropout_json(const StudyAnalysis& study) {
  Json result = to_json(*study.dropout);
  if (study.retention) result.set("retention", to_json(*study.retention));
  return result;
}

Json gains_json(const OutcomeChange& change, const Table& table, const std::string& patient) {
  const std::vector<std::string> names = table.factor(patient).levels;
  Json rows = Json::array();
  const auto add = [&](const std::optional<SuddenGainResult>& found, const char* kind) {
    if (!found) return;
    for (const SuddenGain& g : found->events)
      rows.push_back(Json::object({{"kind", kind},
                                   {"patient", names[static_cast<std::size_t>(g.person)]},
                                   {"from", change.sessions[static_cast<std::size_t>(g.from)]},
                                   {"to", change.sessions[static_cast<std::size_t>(g.from) + 1]},
                                   {"pre", g.pre},
                                   {"post", g.post},
                                   {"magnitude", g.magnitude},
                                   {"reversal", g.reversal}}));
  };
  add(change.gains, "gain");
  add(change.losses, "loss");
  return rows;
}

Json ruptures_json(const RuptureAnalysis& analysis, const Table& table,
                   const std::string& patient) {
  const std::vector<std::string> names = table.factor(patient).levels;
  Json rows = Json::array();
  for (const Rupture& r : analysis.ruptures)
    rows.push_back(Json::object({{"rule", name_of(r.rule)},
                                 {"patient", names[static_cast<std::size_t>(r.patient)]},
                                 {"session", r.session},
                                 {"before", r.before},
                                 {"low", r.low},
                                 {"depth", r.depth},
                                 {"repaired", r.repaired},
                                 {"repair_session", r.repair_session},
                                 {"length", count(r.length)}}));
  return rows;
}

Json aftermath_json(const std::vector<RuptureAftermath>& aftermath) {
  Json rows = Json::array();
  for (const RuptureAftermath& a : aftermath)
    rows.push_back(Json::object({{"rule", name_of(a.rule)},
                                 {"n_repaired", count(a.n_repaired)},
                                 {"n_unrepaired", count(a.n_unrepaired)},
                                 {"change_repaired", a.change_repaired},
                                 {"change_unrepaired", a.change_unrepaired},
                                 {"difference", Json::object({{"estimate", a.difference},
                                                              {"standard_error", a.standard_error},
                                                              {"ci_lower", a.ci.lower},
                                                              {"ci_upper", a.ci.upper},
                                                              {"p_value", a.p_value}})}}));
  return rows;
}

Json concordance_json(const RuptureAnalysis& analysis) {
  Json rows = Json::array();
  for (const RuleConcordance& c : analysis.concordance)
    rows.push_back(Json::object({{"first", name_of(c.first)},
                                 {"second", name_of(c.second)},
                                 {"both", count(c.both)},
                                 {"only_first", count(c.only_first)},
                                 {"only_second", count(c.only_second)},
                                 {"neither", count(c.neither)},
                                 {"kappa", c.kappa}}));
  return rows;
}

}  // namespace

Json to_json(const ReciprocalInfluence& influence) {
  Json effects = Json::array();
  const auto add = [&](const char* from, const char* to, const ContrastEstimate& effect) {
    Json row = Json::object({{"from", from}, {"to", to}});
    const Json estimate = to_json(effect);
    for (const auto& [key, value] : estimate.members()) row.set(key, value);
    effects.push_back(std::move(row));
  };
  add("x", "x", influence.y_to_x.autoregression);
  add("y", "x", influence.y_to_x.effect);
  add("x", "y", influence.x_to_y.effect);
  add("y", "y", influence.x_to_y.autoregression);
  Json result = Json::object({{"model", "mixed"},
                              {"n", count(influence.x_to_y.n_patients)},
                              {"sessions", count(influence.x_to_y.n_sessions)},
                              {"effects", std::move(effects)}});
  result.set("standardized", Json::object({{"x_to_y", influence.x_to_y.standardized},
                                           {"y_to_x", influence.y_to_x.standardized}}));
  result.set("models",
             Json::object({{"y", fit_json(influence.to_y)}, {"x", fit_json(influence.to_x)}}));
  return result;
}

Json to_json(const StudyAnalysis& study, const Table& table) {
  Json result = Json::object({{"descriptives", descriptives_json(study)}});
  if (study.agreement) {
    Json agreement = agreement_json(*study.agreement);
    if (study.agreement_of_means)
      agreement.set("patient_means", agreement_json(*study.agreement_of_means));
    result.set("agreement", std::move(agreement));
  }
  Json pairs = Json::array();
  for (const StudyCorrelation& c : study.correlations)
    pairs.push_back(to_json(c.correlation, c.x, c.y));
  result.set("correlations", Json::object({{"pairs", std::move(pairs)}}));
  if (study.disaggregation)
    result.set("disaggregation", disaggregation_json(*study.disaggregation));
  if (!study.specifications.empty()) {
    Json specifications = Json::array();
    for (const SpecifiedEffect& one : study.specifications)
      specifications.push_back(
          with(with(to_json(one.effect), "model", one.model), "estimand", one.estimand));
    result.set("specifications", std::move(specifications));
  }
  Json moderation = Json::object();
  if (study.session_moderation)
    moderation.set("session", by_session_json(*study.session_moderation));
  if (study.treatment_moderation)
    moderation.set("treatment", by_treatment_json(*study.treatment_moderation));
  result.set("moderation", std::move(moderation));
  Json lagged = Json::object();
  if (study.alliance_to_outcome)
    lagged.set("alliance_to_outcome",
               lagged_json(*study.alliance_to_outcome, "alliance_to_outcome"));
  if (study.outcome_to_alliance)
    lagged.set("outcome_to_alliance",
               lagged_json(*study.outcome_to_alliance, "outcome_to_alliance"));
  if (study.cross_lagged)
    lagged.set("cross_lagged", to_json(study.cross_lagged->fit, study.cross_lagged->waves));
  result.set("lagged", std::move(lagged));
  if (study.early) result.set("early_alliance", early_json(*study.early));
  if (study.perspectives) result.set("perspective", perspective_json(*study.perspectives));
  if (study.therapists) result.set("therapist_effects", therapists_json(*study.therapists));
  if (study.dropout) result.set("dropout", dropout_json(study));
  if (study.change) {
    result.set("change", with(to_json(study.change->change, study.change->persons), "reliability",
                              study.change->reliability));
    result.set("sudden_gains", gains_json(*study.change, table, study.columns.patient));
  }
  if (study.congruence) result.set("congruence", to_json(*study.congruence));
  if (study.ruptures) {
    result.set("ruptures", ruptures_json(*study.ruptures, table, study.columns.patient));
    result.set("rupture_aftermath", aftermath_json(study.aftermath));
    result.set("rupture_concordance", concordance_json(*study.ruptures));
  }
  Json models = Json::object();
  for (const StudyModel& model : study.models) models.set(model.name, model_json(model));
  result.set("models", std::move(models));
  return result;
}

}  // namespace rapport::report
