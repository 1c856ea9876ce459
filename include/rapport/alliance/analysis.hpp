#pragma once

#include <rapport/agree/bland_altman.hpp>
#include <rapport/agree/concordance.hpp>
#include <rapport/agree/congruence.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/alliance/patients.hpp>
#include <rapport/alliance/perspective.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/alliance/rupture.hpp>
#include <rapport/base/random.hpp>
#include <rapport/correlate/repeated_measures.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rapport {

struct StudyOptions {
  Index early_sessions = 3;  ///< sessions 1 … k make the early alliance
  RuptureOptions ruptures = {};
  double outcome_reliability = 0.85;  ///< of the outcome, for reliable change
  Index replicates = 1000;            ///< of bootstrap intervals
  Seed seed = Seed{1};
  double confidence_level = 0.95;
  int threads = 1;
};

/// How far client and therapist agree on the same sessions.
struct [[nodiscard]] RaterAgreement {
  BlandAltmanResult bland_altman;  ///< client − therapist
  IccResult icc;
  ConcordanceResult concordance;
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
  SessionCounts sessions;
  std::vector<VariableDescription> variables;  ///< alliance, outcome, therapist's alliance
  std::vector<SessionDescription> by_session;
  std::optional<RaterAgreement> agreement;           ///< over sessions, as if they were independent
  std::optional<RaterAgreement> agreement_of_means;  ///< over the patients' means
  std::vector<StudyCorrelation> correlations;
  std::optional<Disaggregation> disaggregation;
  std::optional<SessionModeration> session_moderation;
  std::optional<TreatmentModeration> treatment_moderation;
  std::optional<LaggedInfluence> alliance_to_outcome;
  std::optional<LaggedInfluence> outcome_to_alliance;
  std::optional<StudyCrossLagged> cross_lagged;
  std::optional<ResponseSurfaceResult>
      congruence;  ///< outcome on both ratings, with a random intercept of the patient
  std::vector<SpecifiedEffect> specifications;  ///< what changes with the centring
  Table patients;                               ///< as patient_table makes it
  /// The rows analysed, with `alliance_detrended` (the patient's mean plus the deviation from the
  /// patient's own line over sessions) and, where the study has dropout, `leaves`, `alliance_within` and
  /// `alliance_between` as person_period makes them.
  Table session_table;
  std::optional<EarlyAlliance> early;
  std::optional<PerspectiveComparison> perspectives;
  std::optional<TherapistEffects> therapists;
  std::optional<DropoutHazard> dropout;
  std::optional<Retention> retention;  ///< by tertiles of the first session's alliance
  std::optional<OutcomeChange> change;
  std::optional<RuptureAnalysis> ruptures;
  std::vector<RuptureAftermath> aftermath;  ///< of the outcome, by rule
  std::vector<StudyModel> models;
  std::vector<std::string> warnings;
  double level;  ///< of every interval
  Index n_rows;
  Index n_used;  ///< rows of the disaggregation model
};

/// Analyses a study. Throws DataError if a patient has a session twice, if alliance or outcome is
/// constant or missing throughout, or if no patient has two sessions; InvalidArgument for an
/// unknown column.
StudyAnalysis analyse_study(const Table& table, const StudyColumns& columns,
                            const StudyOptions& options = {});

}  // namespace rapport
