#include <rapport/report/agree.hpp>
#include <rapport/report/alliance.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

Json estimate_json(const ContrastEstimate& e) {
  return Json::object({{"estimate", e.estimate},
                       {"standard_error", e.standard_error},
                       {"ci_lower", e.ci.lower},
                       {"ci_upper", e.ci.upper},
                       {"statistic", e.statistic},
                       {"df", e.df},
                       {"p_value", e.p_value}});
}

Json with(Json object, const std::string& key, Json value) {
  object.set(key, std::move(value));
  return object;
}

Json model_json(const StudyModel& study_model) {
  const FittedModel& model = study_model.model;
  const MixedFit& fit = model.fit();
  Json fixed = Json::array();
  const std::vector<ContrastEstimate> effects = model.effects();
  for (std::size_t k = 0; k < effects.size(); ++k) {
    Json row = Json::object({{"term", fit.fixed.terms[k]}});
    const Json estimate = estimate_json(effects[k]);
    for (const auto& [key, value] : estimate.members()) row.set(key, value);
    fixed.push_back(std::move(row));
  }
  Json random = Json::array();
  Json groups = Json::array();
  for (const RandomEffects& term : fit.random) {
    random.push_back(Json::object({{"factor", term.factor},
                                   {"terms", Json(term.terms)},
                                   {"sd", Json(term.sd)},
                                   {"correlation", Json(term.correlation)},
                                   {"covariance", Json(term.covariance)}}));
    groups.push_back(Json::object(
        {{"factor", term.factor}, {"levels", count(static_cast<Index>(term.levels.size()))}}));
  }
  return Json::object(
      {{"question", study_model.question},
       {"formula", model.formula()},
       {"method", "REML"},
       {"df", "satterthwaite"},
       {"observations", count(fit.data.observations)},
       {"groups", std::move(groups)},
       {"dropped_columns", Json(fit.fixed.dropped)},
       {"criterion", fit.criterion.value},
       {"log_likelihood", fit.criterion.log_likelihood},
       {"parameters", count(fit.criterion.parameters)},
       {"aic", fit.criterion.aic},
       {"bic", fit.criterion.bic},
       {"fixed_effects", std::move(fixed)},
       {"fixed_covariance", Json(fit.fixed.covariance)},
       {"random_effects", std::move(random)},
       {"residual", Json::object({{"sd", fit.residual.sd}, {"structure", "independent"}})},
       {"convergence", Json::object({{"converged", fit.optimizer.converged},
                                     {"iterations", count(fit.optimizer.iterations)},
                                     {"evaluations", count(fit.optimizer.evaluations)},
                                     {"gradient_norm", fit.optimizer.gradient_norm},
                                     {"singular", fit.optimizer.singular}})}});
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
  Json within = with(estimate_json(d.within), "standardized", d.standardized_within);
  within.set("n_sessions", count(d.n_sessions));
  within.set("n_patients", count(d.n_patients_within));
  Json between = with(estimate_json(d.between_patient), "standardized", d.standardized_between);
  between.set("n_patients", count(d.n_patients));
  between.set("reliability", d.reliability);
  between.set("corrected", estimate_json(d.between_patient_corrected));
  Json result = Json::object(
      {{"model", "within_between"},
       {"estimand",
        "points of outcome a point of alliance: person-mean centred, time in the model"},
       {"within", std::move(within)},
       {"between_patient", std::move(between)},
       {"contextual", estimate_json(d.contextual)}});
  if (d.n_therapists > 0) {
    result.set("between_therapist",
               with(estimate_json(d.between_therapist), "n_therapists", count(d.n_therapists)));
    result.set("therapist_contextual", estimate_json(d.therapist_contextual));
  }
  result.set("r_squared", Json::object({{"within", d.r_squared_within},
                                        {"between", d.r_squared_between},
                                        {"total", d.r_squared_total}}));
  return result;
}

Json by_session_json(const SessionModeration& m) {
  Json slopes = Json::array();
  for (const SlopeAtSession& at : m.slopes)
    slopes.push_back(with(estimate_json(at.slope), "session", at.session));
  return Json::object({{"model", "by_session"},
                       {"interaction", estimate_json(m.interaction)},
                       {"slopes", std::move(slopes)},
                       {"johnson_neyman",
                        Json::object({{"lower", m.region.lower},
                                      {"upper", m.region.upper},
                                      {"significant", m.region.inside ? "inside" : "outside"}})}});
}

Json by_treatment_json(const TreatmentModeration& m) {
  const auto list = [](const std::vector<TreatmentSlope>& slopes) {
    Json rows = Json::array();
    for (const TreatmentSlope& at : slopes)
      rows.push_back(with(estimate_json(at.slope), "treatment", at.treatment));
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
  Json result = with(estimate_json(lagged.effect), "standardized", lagged.standardized);
  result.set("model", model);
  result.set("autoregression", estimate_json(lagged.autoregression));
  result.set("n_sessions", count(lagged.n_sessions));
  result.set("n_patients", count(lagged.n_patients));
  return result;
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

Json to_json(const StudyAnalysis& study, const Table& table) {
  Json result = Json::object({{"descriptives", descriptives_json(study)}});
  if (study.agreement) {
    Json agreement = agreement_json(*study.agreement);
    if (study.agreement_of_means)
      agreement.set("patient_means", agreement_json(*study.agreement_of_means));
    result.set("agreement", std::move(agreement));
  }
  if (study.disaggregation)
    result.set("disaggregation", disaggregation_json(*study.disaggregation));
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
  if (study.congruence) result.set("congruence", to_json(*study.congruence));
  if (study.ruptures) {
    result.set("ruptures", ruptures_json(*study.ruptures, table, study.columns.patient));
    result.set("rupture_concordance", concordance_json(*study.ruptures));
  }
  Json models = Json::object();
  for (const StudyModel& model : study.models) models.set(model.name, model_json(model));
  result.set("models", std::move(models));
  return result;
}

}  // namespace rapport::report
