#include <rapport/base/error.hpp>
#include <rapport/data/expression.hpp>

#include "study_builder.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::detail {
namespace {

/// The parts that every model of levels has.
std::string between_terms(const StudyBuilder& study) {
  return study.terms.between_patient +
         (study.terms.between_therapist.empty() ? "" : " + " + study.terms.between_therapist);
}

std::string treatment_term(const StudyBuilder& study) {
  return study.columns.treatment.empty() ? "" : " + " + quoted_name(study.columns.treatment);
}

/// The fit of the main model; null where the data did not allow it.
const StudyModel* main_model(const StudyBuilder& study) {
  for (const StudyModel& model : study.result.models)
    if (model.name == "within_between") return &model;
  return nullptr;
}

/// Sessions at which slopes are shown: 1, 3, 5, 10 and the last, as far as the data reach.
std::vector<double> named_sessions(const StudyBuilder& study) {
  const double first = study.result.by_session.front().session;
  const double last = study.result.by_session.back().session;
  std::vector<double> sessions;
  for (const double session : {1.0, 3.0, 5.0, 10.0, last})
    if (session >= first && session <= last &&
        std::find(sessions.begin(), sessions.end(), session) == sessions.end())
      sessions.push_back(session);
  return sessions;
}

}  // namespace

void add_growth(StudyBuilder& study) {
  study.result.growth = growth_curve(study.fit("growth", "how the outcome goes on over sessions",
                                               growth_formula(study.columns, study.random_slope)),
                                     study.table, study.columns);
  if (!study.has_alliance()) study.result.n_used = study.result.growth->n_sessions;
}

void add_correlations(StudyBuilder& study) {
  std::vector<std::string> names = {study.columns.alliance, study.columns.outcome};
  const std::vector<StudyRater> raters = raters_of(study.columns);
  for (std::size_t k = 1; k < raters.size(); ++k) names.push_back(raters[k].column);
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t j = i + 1; j < names.size(); ++j)
      study.result.correlations.push_back(
          {.x = names[i],
           .y = names[j],
           .correlation = within_between_correlation(
               study.table.numbers(names[i]), study.table.numbers(names[j]),
               study.panel.patient.codes, {.confidence_level = study.level()})});
}

void add_disaggregation(StudyBuilder& study) {
  const FittedModel& model = study.fit(
      "within_between", "alliance within and between patients and therapists",
      study.terms.outcome + " ~ " + study.terms.session + " + " + study.terms.within + " + " +
          between_terms(study) + treatment_term(study) + " + " + study.terms.random);
  study.result.disaggregation = disaggregate(model, study.table, study.panel, study.columns);
  study.result.n_used = model.fit().data.observations;
  if (study.result.disaggregation->reliability < 0.8)
    study.warn("the patients' mean alliance has a reliability of " +
               rounded_text(study.result.disaggregation->reliability) +
               ": the uncorrected between-patient effect is drawn towards the within-patient one");
}

/// The same question by other centrings, so that a reader sees what depends on the choice.
void add_specifications(StudyBuilder& study) {
  const StudyModel* main = main_model(study);
  if (main == nullptr || !study.result.disaggregation) return;
  study.result.specifications.push_back(
      {.model = main->name,
       .estimand = "person-mean centred, time in the model: sessions above the patient's own "
                   "mean, the outcome's course apart",
       .effect = study.result.disaggregation->within});
  const auto add = [&](const std::string& name, const std::string& estimand,
                       const std::string& term, const std::string& rest) {
    const FittedModel& model = study.fit(name, estimand,
                                         study.terms.outcome + " ~ " + term + rest +
                                             treatment_term(study) + " + " + study.terms.random);
    if (model.has(term))  // two sessions leave nothing of a patient's own line
      study.result.specifications.push_back(
          {.model = name, .estimand = estimand, .effect = model.effect(term)});
  };
  const std::string time = " + " + study.terms.session;
  const std::string between = " + " + between_terms(study);
  add("not_centred", "no centring: a blend of the effects within and between patients",
      study.terms.alliance, time);
  add("without_time",
      "person-mean centred without time: shared trends of alliance and outcome count as effect",
      study.terms.within, between);
  add("detrended",
      "deviations from the patient's own line over sessions: only what departs from the "
      "patient's trend",
      "within(alliance_detrended, " + study.terms.patient + ")", time + between);
}

void add_session_moderation(StudyBuilder& study) {
  const SessionScale scale = study.options.session_scale;
  const std::string moderator = session_column(study.columns, scale);
  if (!study.result.session_table.contains(moderator))
    throw DataError("log session needs sessions above 0");
  // The outcome's own course keeps its line beside the logarithm, so that a course that the
  // logarithm does not fit is not taken for a change of the alliance's effect.
  const std::string course = scale == SessionScale::linear ? "" : study.terms.session + " + ";
  const FittedModel& model = study.fit(
      "by_session", "does the alliance's effect change with sessions",
      study.terms.outcome + " ~ " + course + quoted_name(moderator) + " * " + study.terms.within +
          " + " + between_terms(study) + treatment_term(study) + " + " + study.terms.random);
  study.result.session_moderation =
      moderate_by_session(model, study.columns, named_sessions(study), scale, study.level());
}

void add_treatment_moderation(StudyBuilder& study) {
  const std::string treatment = quoted_name(study.columns.treatment);
  const FittedModel& model =
      study.fit("by_treatment", "does the alliance work alike whatever the treatment",
                study.terms.outcome + " ~ " + study.terms.session + " * " + treatment + " + " +
                    study.terms.within + " * " + treatment + " + " + between_terms(study) + " + " +
                    study.terms.random);
  const double standardizer =
      study.result.variables[0].sd_within / study.result.variables[1].sd_within;
  study.result.treatment_moderation =
      moderate_by_treatment(model, study.table, study.columns, standardizer);
}

void add_lagged_models(StudyBuilder& study) {
  const std::string& alliance = study.columns.alliance;
  const std::string& outcome = study.columns.outcome;
  study.result.alliance_to_outcome = lagged_influence(
      study.fit("alliance_to_outcome", "alliance one session earlier and the outcome",
                lagged_formula(study.columns, alliance, outcome)),
      study.table, study.columns);
  study.result.outcome_to_alliance = lagged_influence(
      study.fit("outcome_to_alliance", "outcome one session earlier and the alliance",
                lagged_formula(study.columns, outcome, alliance)),
      study.table, study.columns);
  const Index lagged = study.result.alliance_to_outcome->n_sessions;
  const Index possible = study.result.sessions.sessions - study.result.sessions.patients;
  if (2 * lagged < possible)
    study.warn("lagged models rest on " + std::to_string(lagged) + " of " +
               std::to_string(possible) +
               " sessions after a first one, since the session before is found by its number less "
               "1; sessions numbered 1, 2, … would have it");
  if (study.result.sessions.median < 15)
    study.warn("lagged models: with a median of " + rounded_text(study.result.sessions.median) +
               " sessions a patient, centring on the patient's mean biases an "
               "effect that is adjusted for the previous outcome "
               "(Nickell 1981); read the cross-lagged panel model instead");
}

void add_distributed_lags(StudyBuilder& study) {
  // Patients need some sessions beyond those that the lags use up.
  const auto reach = static_cast<Index>(study.result.sessions.median) - 3;
  const Index lags = std::min(study.options.lags, reach);
  if (lags < 2) return;
  study.result.distributed_lags = distributed_lags(
      study.fit("distributed_lags", "alliance several sessions earlier and the outcome",
                distributed_lag_formula(study.columns, study.columns.alliance,
                                        study.columns.outcome, lags)),
      study.table, study.columns, lags);
}

void add_continuous_time(StudyBuilder& study) {
  const std::string& alliance = study.columns.alliance;
  const std::string& outcome = study.columns.outcome;
  study.result.alliance_to_outcome_in_time = continuous_time_influence(
      study.fit_in_time("alliance_to_outcome_in_time",
                        "alliance one session earlier and the outcome, sessions unequally spaced",
                        continuous_time_formula(study.columns, alliance, outcome)),
      study.table, study.columns);
  study.result.outcome_to_alliance_in_time = continuous_time_influence(
      study.fit_in_time("outcome_to_alliance_in_time",
                        "outcome one session earlier and the alliance, sessions unequally spaced",
                        continuous_time_formula(study.columns, outcome, alliance)),
      study.table, study.columns);
}

/// The first sessions, in so far as half of the patients have them: at most five.
void add_cross_lagged(StudyBuilder& study) {
  std::vector<double> waves;
  for (const SessionDescription& at : study.result.by_session) {
    const bool common = 2 * at.n_both >= study.result.sessions.patients;
    const bool next = waves.empty() || at.session == waves.back() + 1;
    if (!common && waves.empty()) continue;
    if (!common || !next || waves.size() == 5) break;
    waves.push_back(at.session);
  }
  if (waves.size() < 3)
    throw DataError("fewer than 3 consecutive sessions are shared by half of the patients");
  study.result.cross_lagged =
      StudyCrossLagged{.waves = waves,
                       .fit = random_intercept_cross_lagged(
                           in_waves(study.panel, study.alliance(), waves),
                           in_waves(study.panel, study.outcome(), waves),
                           {.equal_over_time = true, .confidence_level = study.level()})};
  if (!study.result.cross_lagged->fit.proper || !study.result.cross_lagged->fit.converged)
    study.warn("cross-lagged panel model: no proper solution; its estimates should not be read");
}

}  // namespace rapport::detail
