#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/mixed/means.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// Someone who rates the alliance.
struct StudyRater {
  std::string name;    ///< "observer", "interpreter", "partner"
  std::string column;  ///< of the rating of the same sessions
};

/// The columns of a process–outcome study, a row a session. Those that may be empty: `therapist`,
/// `treatment`, `therapist_alliance`, `dropout`, `raters`, `time`; and `alliance`, when only the
/// outcome's course is asked for.
struct StudyColumns {
  std::string patient = {};
  std::string session = {};
  std::string alliance = {};  ///< the client's rating
  std::string outcome = {};   ///< symptoms in the same session
  std::string therapist = {};
  std::string treatment = {};           ///< categorical
  std::string therapist_alliance = {};  ///< the therapist's rating of the same sessions
  std::string dropout = {};             ///< 1 in any row of a patient who left early, 0 otherwise
  std::vector<StudyRater> raters = {};  ///< besides client and therapist
  std::string time = {};                ///< when the session was, in days or weeks
};

/// Everyone who rates: "client", "therapist" where there is one, and `raters`; nobody where the
/// study has no alliance.
[[nodiscard]] std::vector<StudyRater> raters_of(const StudyColumns& columns);

/// The names that formulas of a study are built from: "within(wai, patient)" and so on.
struct StudyTerms {
  std::string patient, session, alliance,
      outcome;                    ///< column names, in backquotes where they need them
  std::string within;             ///< "within(A, P)"
  std::string between_patient;    ///< "between(A, P)"; with therapists, less "between(A, T)"
  std::string between_therapist;  ///< "between(A, T)"; empty without therapists
  std::string random;             ///< "(1 + S | P)", and "(1 | T)" with therapists
};
/// Without `random_slope` patients differ in their level only, for data with too few sessions a
/// patient.
[[nodiscard]] StudyTerms study_terms(const StudyColumns& columns, bool random_slope = true);

/// The effect of alliance at the three levels on which it varies, from one model. Estimates are in
/// points of the outcome a point of alliance; negative: more alliance goes with fewer symptoms.
struct [[nodiscard]] Disaggregation {
  ContrastEstimate within;  ///< in sessions in which the patient's alliance is a point above the
                            ///< patient's own mean
  ContrastEstimate
      between_patient;  ///< patients a point higher on average (than others of their therapist)
  ContrastEstimate
      between_therapist;        ///< therapists a point higher on average; NaN without therapists
  ContrastEstimate contextual;  ///< between_patient − within
  ContrastEstimate
      therapist_contextual;  ///< between_therapist − between_patient; NaN without therapists
  /// (γ_between − (1 − λ) γ_within) / λ: what the unreliability of the patients' means takes from
  /// the between effect is put back (Lüdtke et al. 2008), λ taken as known. Serial correlation of
  /// the deviations makes λ too high and the correction too small.
  ContrastEstimate between_patient_corrected;
  double reliability;           ///< λ, mean over patients
  double standardized_within;   ///< by the SDs of the deviations from the patients' means
  double standardized_between;  ///< by the SDs of the patients' means
  double r_squared_within;      ///< of the variance within patients, by the fixed effects (Rights &
                                ///< Sterba 2019)
  double r_squared_between;     ///< of the variance between patients and therapists
  double r_squared_total;
  Index n_sessions;
  Index n_patients;
  Index n_patients_within;  ///< with at least two sessions: the within effect rests on them
  Index n_therapists;
};
Disaggregation disaggregate(const FittedModel& model, const Table& table, const Panel& panel,
                            const StudyColumns& columns);

/// How the alliance's effect may change with sessions: by the same amount each session, or by the
/// same amount each time their number doubles (fast at first, then slower).
enum class SessionScale { linear, logarithmic };

/// Does the alliance's effect change with the number of sessions?
struct [[nodiscard]] SessionModeration {
  SessionScale scale;
  std::string estimand;  ///< what `interaction` is, in a phrase
  ContrastEstimate
      interaction;  ///< change of the within effect a session, or a unit of log session
  std::vector<double> sessions;
  SimpleSlopes slopes;                  ///< of within-patient alliance at those sessions
  std::optional<JohnsonNeyman> region;  ///< in sessions, whatever the scale
};
/// The column of the session on a scale: `columns.session`, or "log_session", its natural
/// logarithm.
[[nodiscard]] std::string session_column(const StudyColumns& columns, SessionScale scale);
SessionModeration moderate_by_session(const FittedModel& model, const StudyColumns& columns,
                                      const std::vector<double>& sessions,
                                      SessionScale scale = SessionScale::linear,
                                      double level = 0.95);

/// The within-patient effect of alliance in one treatment.
struct TreatmentSlope {
  std::string treatment;
  ContrastEstimate slope;
};

/// How the outcome goes on over sessions.
struct [[nodiscard]] GrowthCurve {
  ContrastEstimate rate;                    ///< a session, averaged over treatments
  std::vector<TreatmentSlope> treatments;   ///< the rate in each; empty without treatments
  std::optional<ContrastTest> interaction;  ///< do the rates differ between treatments
  Index n_sessions;
  Index n_patients;
};
/// "outcome ~ session + random", with "session * treatment" where there are treatments.
[[nodiscard]] std::string growth_formula(const StudyColumns& columns, bool random_slope = true);
GrowthCurve growth_curve(const FittedModel& model, const Table& table, const StudyColumns& columns);

/// Does the alliance work alike whatever the treatment?
struct [[nodiscard]] TreatmentModeration {
  ContrastTest interaction;
  std::vector<TreatmentSlope> slopes;
  std::vector<TreatmentSlope> differences;  ///< from the first treatment
  double equivalence_bound;  ///< in points a point: the difference of a standardised slope of 0.1
  double
      equivalence_p_value;  ///< two one-sided tests (Schuirmann 1987), the largest over differences
};
TreatmentModeration moderate_by_treatment(const FittedModel& model, const Table& table,
                                          const StudyColumns& columns, double standardizer);

}  // namespace rapport
