#pragma once

#include <rapport/agree/congruence.hpp>
#include <rapport/alliance/agreement.hpp>
#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/lags.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/alliance/patients.hpp>
#include <rapport/alliance/perspective.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/alliance/rupture.hpp>
#include <rapport/alliance/rupture_aftermath.hpp>
#include <rapport/alliance/study_screening.hpp>
#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>
#include <rapport/correlate/repeated_measures.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rapport {

struct StudyOptions {
  /// Sessions up to this number make the early alliance; fewer where most patients have no outcome
  /// after them.
  Index early_sessions = 3;
  SessionScale session_scale = SessionScale::linear;  ///< of alliance × session
  Index lags = 3;  ///< sessions back in the distributed lags, as far as the data reach
  RuptureOptions ruptures = {};
  RuptureRule rupture_rule = RuptureRule::gumz;  ///< by which patients' courses are told apart
  StudyScreeningOptions screening = {};
  double outcome_reliability = 0.85;  ///< of the outcome, for reliable change
  Index replicates = 1000;            ///< of bootstrap intervals
  Seed seed = Seed{1};
  double confidence_level = 0.95;
  int threads = 1;
  Progress progress = {};
};

/// Two variables over sessions: within and between patients.
struct StudyCorrelation {
  std::string x;
  std::string y;
  WithinBetweenResult correlation;
};

/// The within-patient effect under one way of centring, and what it then means.
struct SpecifiedEffect {
  std::string model;     ///< name among the models
  std::string estimand;  ///< in a sentence
  ContrastEstimate effect;
};

/// A model of the study, by the name that results refer to.
struct StudyModel {
  std::string name;
  bool of_patients;      ///< fitted to patient_table in place of the sessions
  std::string question;  ///< what it answers, in a phrase
  FittedModel model;
  std::vector<std::string> options = {};  ///< of `rapport fit` besides the formula
};

/// The random-intercept cross-lagged panel model of alliance (x) and outcome (y).
struct StudyCrossLagged {
  std::vector<double> waves;  ///< the sessions
  CrossLaggedFit fit;
};

/// Everything that a process–outcome paper reports about one study. Parts that the data do not
/// allow are absent, and a warning says why.
struct [[nodiscard]] StudyAnalysis {
  StudyColumns columns;
  StudyScreening screening;
  Index early_sessions;  ///< the last of the early ones
  bool one_session;      ///< no patient has two sessions: nothing within patients is analysed
  SessionCounts sessions;
  std::vector<VariableDescription> variables;  ///< alliance, outcome, ratings of the other raters
  std::vector<SessionDescription> by_session;
  std::vector<PairAgreement> agreement;                ///< every pair of raters, client first
  std::optional<RaterGroupAgreement> group_agreement;  ///< where there are three raters or more
  std::vector<StudyCorrelation> correlations;
  std::optional<GrowthCurve> growth;
  std::optional<Disaggregation> disaggregation;
  std::optional<SessionModeration> session_moderation;
  std::optional<TreatmentModeration> treatment_moderation;
  std::optional<LaggedInfluence> alliance_to_outcome;
  std::optional<LaggedInfluence> outcome_to_alliance;
  std::optional<DistributedLags> distributed_lags;  ///< of the alliance on the outcome
  /// With a time column: lagged effects by continuous-time autoregression.
  std::optional<ContinuousTimeInfluence> alliance_to_outcome_in_time;
  std::optional<ContinuousTimeInfluence> outcome_to_alliance_in_time;
  std::optional<StudyCrossLagged> cross_lagged;
  /// Outcome on the ratings of the first two raters, with a random intercept of the patient.
  std::optional<ResponseSurfaceResult> congruence;
  std::vector<SpecifiedEffect> specifications;  ///< what changes with the centring
  /// As patient_table makes it, with `rupture_course` by the rupture rule and, for each pair of
  /// raters, their means over the sessions that both rated (`mean_client_with_therapist`, …).
  Table patients;
  /// The rows analysed, with `alliance_detrended` (the patient's mean plus the deviation from the
  /// patient's own line over sessions), `log_session` where sessions are positive and, where the
  /// study has dropout, `leaves`, `alliance_within` and `alliance_between` as person_period makes
  /// them.
  Table session_table;
  Table rupture_table;  ///< a row a rupture
  std::optional<EarlyAlliance> early;
  std::optional<PerspectiveComparison> perspectives;  ///< over sessions
  std::optional<RatingComparison> rating_comparison;  ///< over patients
  std::optional<TherapistEffects> therapists;
  std::optional<DropoutHazard> dropout;
  std::optional<Retention> retention;  ///< by tertiles of the first session's alliance
  std::optional<OutcomeChange> change;
  std::optional<RuptureAnalysis> ruptures;
  std::vector<RuptureAftermath> aftermath;  ///< of the outcome, by rule
  std::optional<RuptureOutcome> rupture_outcome;
  std::vector<StudyModel> models;
  std::vector<std::string> warnings;
  double level;  ///< of every interval
  Index n_rows;
  Index n_used;  ///< rows of the disaggregation model
};

/// Analyses a study. Throws DataError if a patient has a session twice, if alliance or outcome is
/// constant or missing throughout, or if no patient has two sessions and there is no second rater
/// either (with one, the study is of patients); InvalidArgument for an unknown column or for raters
/// of the same name.
StudyAnalysis analyse_study(const Table& table, const StudyColumns& columns,
                            const StudyOptions& options = {});

}  // namespace rapport
