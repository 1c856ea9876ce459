#include <rapport/report/correlate.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>

#include "study_json.hpp"

namespace rapport::report {
namespace {

Json by_treatment_json(const TreatmentModeration& m) {
  const auto list = [](const std::vector<TreatmentSlope>& slopes) {
    Json rows = Json::array();
    for (const TreatmentSlope& at : slopes)
      rows.push_back(with(to_json(at.slope), "treatment", at.treatment));
    return rows;
  };
  return Json::object({{"model", "by_treatment"},
                       {"interaction", test_json(m.interaction)},
                       {"slopes", list(m.slopes)},
                       {"differences", list(m.differences)},
                       {"equivalence_bound", m.equivalence_bound},
                       {"equivalence_p_value", m.equivalence_p_value}});
}

Json lagged_json(const LaggedInfluence& lagged, const std::string& model) {
  Json result = with(to_json(lagged.effect), "standardized", lagged.standardized);
  result.set("model", model);
  result.set("autoregression", to_json(lagged.autoregression));
  result.set("n_sessions", count_json(lagged.n_sessions));
  result.set("n_patients", count_json(lagged.n_patients));
  return result;
}

Json by_session_json(const SessionModeration& m) {
  Json result = Json::object({{"model", "by_session"},
                              {"scale", m.scale == SessionScale::linear ? "linear" : "log"},
                              {"estimand", m.estimand},
                              {"interaction", to_json(m.interaction)},
                              {"slopes", slopes_json(m.slopes)}});
  if (m.slopes.region) result.set("johnson_neyman", to_json(*m.slopes.region));
  if (m.region && m.scale == SessionScale::logarithmic)
    result.set("johnson_neyman_sessions", to_json(*m.region));
  return result;
}

Json distributed_json(const DistributedLags& lags) {
  Json rows = Json::array();
  for (std::size_t k = 0; k < lags.effects.size(); ++k)
    rows.push_back(Json::object({{"lag", count_json(static_cast<Index>(k) + 1)},
                                 {"effect", to_json(lags.effects[k])},
                                 {"cumulative", to_json(lags.cumulative[k])}}));
  return Json::object(
      {{"model", "distributed_lags"},
       {"estimand",
        "points of outcome a point of alliance above the patient's mean so many sessions before, "
        "the other lags and the previous outcome held constant; cumulative: their sum up to a lag"},
       {"lags", std::move(rows)},
       {"autoregression", to_json(lags.autoregression)},
       {"n_sessions", count_json(lags.n_sessions)},
       {"n_patients", count_json(lags.n_patients)}});
}

Json in_time_json(const ContinuousTimeInfluence& influence, const std::string& model) {
  return with(
      with(with(with(with(with(with(to_json(influence.effect), "model", model), "estimand",
                               "points a point of the predictor above the patient's mean one "
                               "session before; what carries over decays with the time elapsed"),
                          "rho", influence.rho),
                     "half_life", influence.half_life),
                "median_gap", influence.median_gap),
           "n_sessions", count_json(influence.n_sessions)),
      "n_patients", count_json(influence.n_patients));
}

}  // namespace

Json fit_json(const FittedModel& model) {
  if (model.residuals() != nullptr)
    return to_json(summarize(model.design(), model.fit(), model.inference()), *model.residuals());
  return to_json(summarize(model.design(), model.model(), model.fit(), model.inference()));
}

Json test_json(const ContrastTest& test) {
  return Json::object({{"statistic", test.statistic},
                       {"numerator_df", test.numerator_df},
                       {"denominator_df", test.denominator_df},
                       {"p_value", test.p_value}});
}

Json disaggregation_json(const Disaggregation& d) {
  Json within = with(to_json(d.within), "standardized", d.standardized_within);
  within.set("n_sessions", count_json(d.n_sessions));
  within.set("n_patients", count_json(d.n_patients_within));
  Json between = with(to_json(d.between_patient), "standardized", d.standardized_between);
  between.set("n_patients", count_json(d.n_patients));
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
               with(to_json(d.between_therapist), "n_therapists", count_json(d.n_therapists)));
    result.set("therapist_contextual", to_json(d.therapist_contextual));
  }
  result.set("r_squared", Json::object({{"within", d.r_squared_within},
                                        {"between", d.r_squared_between},
                                        {"total", d.r_squared_total}}));
  return result;
}

Json growth_json(const GrowthCurve& growth) {
  Json treatments = Json::array();
  for (const TreatmentSlope& at : growth.treatments)
    treatments.push_back(with(to_json(at.slope), "treatment", at.treatment));
  Json result = Json::object({{"model", "growth"},
                              {"rate", to_json(growth.rate)},
                              {"n_sessions", count_json(growth.n_sessions)},
                              {"n_patients", count_json(growth.n_patients)}});
  if (!growth.treatments.empty()) result.set("treatments", std::move(treatments));
  if (growth.interaction) result.set("interaction", test_json(*growth.interaction));
  return result;
}

Json moderation_json(const StudyAnalysis& study) {
  Json moderation = Json::object();
  if (study.session_moderation)
    moderation.set("session", by_session_json(*study.session_moderation));
  if (study.treatment_moderation)
    moderation.set("treatment", by_treatment_json(*study.treatment_moderation));
  return moderation;
}

Json lags_json(const StudyAnalysis& study) {
  Json lagged = Json::object();
  if (study.alliance_to_outcome)
    lagged.set("alliance_to_outcome",
               lagged_json(*study.alliance_to_outcome, "alliance_to_outcome"));
  if (study.outcome_to_alliance)
    lagged.set("outcome_to_alliance",
               lagged_json(*study.outcome_to_alliance, "outcome_to_alliance"));
  if (study.distributed_lags)
    lagged.set("distributed_lags", distributed_json(*study.distributed_lags));
  if (study.alliance_to_outcome_in_time)
    lagged.set("alliance_to_outcome_in_time",
               in_time_json(*study.alliance_to_outcome_in_time, "alliance_to_outcome_in_time"));
  if (study.outcome_to_alliance_in_time)
    lagged.set("outcome_to_alliance_in_time",
               in_time_json(*study.outcome_to_alliance_in_time, "outcome_to_alliance_in_time"));
  if (study.cross_lagged)
    lagged.set("cross_lagged", to_json(study.cross_lagged->fit, study.cross_lagged->waves));
  return lagged;
}

Json early_json(const EarlyAlliance& early) {
  Json result = Json::object({{"sessions", count_json(early.sessions)},
                              {"n", count_json(early.n_used)},
                              {"correlation", to_json(early.correlation)},
                              {"partial", to_json(early.partial)},
                              {"semi_partial", to_json(early.semi_partial)},
                              {"effect", with(to_json(early.effect), "model", "early_alliance")},
                              {"adjusted_for_prior_change",
                               with(to_json(early.adjusted), "model", "early_alliance_adjusted")}});
  if (early.treatment)
    result.set("treatment",
               with(test_json(*early.treatment), "model", "early_alliance_by_treatment"));
  Json reliability = Json::array();
  for (Index k = 0; k < early.reliability.size(); ++k)
    reliability.push_back(
        Json::object({{"sessions", count_json(k + 1)}, {"reliability", early.reliability[k]}}));
  result.set("reliability", std::move(reliability));
  return result;
}

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
                              {"n", count_json(influence.x_to_y.n_patients)},
                              {"sessions", count_json(influence.x_to_y.n_sessions)},
                              {"effects", std::move(effects)}});
  result.set("standardized", Json::object({{"x_to_y", influence.x_to_y.standardized},
                                           {"y_to_x", influence.y_to_x.standardized}}));
  result.set("models",
             Json::object({{"y", fit_json(influence.to_y)}, {"x", fit_json(influence.to_x)}}));
  return result;
}

}  // namespace rapport::report
