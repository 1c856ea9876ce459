#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>

#include "study_builder.hpp"

namespace rapport::detail {
namespace {

BootstrapOptions bootstrap_options(const StudyBuilder& study) {
  return {.replicates = study.options.replicates,
          .confidence_level = study.level(),
          .interval = BootstrapInterval::percentile,
          .threads = study.options.threads};
}

/// The patients' means of one rater over the sessions that the other rated too.
void add_paired_means(StudyBuilder& study, const StudyRater& rater, const StudyRater& other) {
  const Eigen::VectorXd paired =
      paired_with(study.table.numbers(rater.column), study.table.numbers(other.column));
  const Eigen::VectorXd means = group_means(paired, study.panel.patient);
  const Factor patients = study.result.patients.factor("patient");
  Eigen::VectorXd column(study.result.patients.rows());
  for (Index i = 0; i < column.size(); ++i)
    column[i] = means[patients.codes[static_cast<std::size_t>(i)]];
  study.result.patients.set("mean_" + rater.name + "_with_" + other.name, column);
}

}  // namespace

void add_agreement(StudyBuilder& study) {
  const std::vector<StudyRater> raters = raters_of(study.columns);
  for (std::size_t i = 0; i < raters.size(); ++i)
    for (std::size_t j = i + 1; j < raters.size(); ++j) {
      study.result.agreement.push_back(
          pair_agreement(study.table, study.panel, raters[i], raters[j], study.level()));
      add_paired_means(study, raters[i], raters[j]);
      add_paired_means(study, raters[j], raters[i]);
    }
  if (raters.size() > 2)
    study.result.group_agreement = group_agreement(study.table, raters, study.level());
}

void add_congruence(StudyBuilder& study) {
  const Eigen::VectorXd& second = study.table.numbers(raters_of(study.columns)[1].column);
  study.result.congruence =
      response_surface(study.outcome(), study.alliance(), second,
                       {.confidence_level = study.level(),
                        .centre = pooled_mean(study.alliance(), second),
                        .patient = study.result.one_session ? std::vector<std::int32_t>{}
                                                            : study.panel.patient.codes});
}

void add_early_alliance(StudyBuilder& study) {
  const Table& patients = study.result.patients;
  const FittedModel effect = study.fit_patients(
      "early_alliance", "early alliance and the final outcome, adjusted for intake",
      early_formula(patients, false));
  const FittedModel adjusted =
      study.fit_patients("early_alliance_adjusted", "the same, adjusted for the change before",
                         early_formula(patients, true));
  study.result.early = early_alliance(effect, adjusted, patients, study.result.early_sessions,
                                      study.result.variables[0].icc);
  if (!patients.contains("treatment") || patients.factor("treatment").level_count() < 2) return;
  const FittedModel& by_treatment =
      study.fit_patients("early_alliance_by_treatment",
                         "does early alliance tell the final outcome alike in every treatment",
                         early_treatment_formula(patients));
  study.result.early->treatment = treatment_interaction(by_treatment);
}

void add_perspectives(StudyBuilder& study) {
  const FittedModel& model = study.fit("perspectives", "every rating of the alliance in one model",
                                       perspective_formula(study.columns, study.random_slope));
  study.result.perspectives = compare_perspectives(model, study.table, study.columns);
}

void add_rating_comparison(StudyBuilder& study) {
  const std::vector<StudyRater> raters = raters_of(study.columns);
  std::vector<std::string> columns;
  for (const StudyRater& rater : raters)
    columns.push_back(study.result.one_session ? rater.column : early_column(rater));
  study.result.rating_comparison =
      compare_ratings(study.result.one_session ? study.table : study.result.patients,
                      study.result.one_session ? study.columns.outcome : "final", raters, columns,
                      study.options.seed, bootstrap_options(study));
}

void add_therapist_effects(StudyBuilder& study) {
  const FittedModel model =
      study.fit_patients("therapists", "how much therapists differ in the final outcome",
                         "final ~ intake + (1 | therapist)");
  const FittedModel split = study.fit_patients(
      "therapists_split", "whose alliance counts: the patient's or the therapist's",
      "final ~ intake + within(mean_alliance, therapist) + between(mean_alliance, therapist) + "
      "(1 | therapist)");
  study.result.therapists = therapist_effects(model, split, study.result.patients, study.level());
}

/// Hazard and retention; the columns that the hazard rests on go to the table of sessions.
void add_dropout(StudyBuilder& study) {
  const StudyColumns& columns = study.columns;
  const PersonPeriod period = person_period(study.table, {.patient = columns.patient,
                                                          .session = columns.session,
                                                          .alliance = columns.alliance,
                                                          .therapist = columns.therapist,
                                                          .dropout = columns.dropout,
                                                          .completed = ""});
  for (const char* name : {"leaves", "alliance_within", "alliance_between"}) {
    Eigen::VectorXd all = Eigen::VectorXd::Constant(study.table.rows(), missing);
    all(period.rows) = period.table.numbers(name);
    study.result.session_table.set(name, std::move(all));
  }
  study.result.dropout = dropout_hazard(
      period, {.frailty = study.panel.has_therapist() ? Frailty::therapist : Frailty::none,
               .confidence_level = study.level()});
  for (const std::string& warning : study.result.dropout->warnings)
    study.warn("dropout: " + warning);
  study.result.retention = retention_by_alliance(period, {.confidence_level = study.level()});
}

void add_change(StudyBuilder& study) {
  study.result.change = outcome_change(study.result.patients, study.panel, study.outcome(),
                                       study.options.outcome_reliability);
}

void add_ruptures(StudyBuilder& study) {
  const RuptureOptions& options = study.options.ruptures;
  study.result.ruptures = find_ruptures(study.panel, study.alliance(), options);
  study.result.rupture_table =
      rupture_table(study.panel, *study.result.ruptures, study.outcome(), options.repair_sessions);
  study.result.aftermath = rupture_aftermath(study.result.rupture_table, study.level());
}

void add_rupture_outcome(StudyBuilder& study) {
  if (!study.result.ruptures) return;
  const Factor all = rupture_courses(study.panel, study.alliance(), *study.result.ruptures,
                                     study.options.rupture_rule);
  const Factor patient = study.result.patients.factor("patient");
  Factor courses{.codes = {}, .levels = all.levels};
  for (const std::int32_t code : patient.codes)
    courses.codes.push_back(all.codes[static_cast<std::size_t>(code)]);
  study.result.patients.set("rupture_course", courses);
  const FittedModel& model =
      study.fit_patients("rupture_outcome", "ruptures, their repair and the final outcome",
                         rupture_outcome_formula(study.result.patients));
  study.result.rupture_outcome = rupture_outcome(model, study.options.rupture_rule);
}

}  // namespace rapport::detail
