#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/mixed/means.hpp>

#include <string>
#include <vector>

namespace rapport {

/// The columns of a process–outcome study, a row a session. Those that may be empty: `therapist`,
/// `treatment`, `therapist_alliance`, `dropout`.
struct StudyColumns {
  std::string patient = {};
  std::string session = {};
  std::string alliance = {};  ///< the client's rating
  std::string outcome = {};   ///< symptoms in the same session
  std::string therapist = {};
  std::string treatment = {};           ///< categorical
  std::string therapist_alliance = {};  ///< the therapist's rating of the same sessions
  std::string dropout = {};             ///< 1 in any row of a patient who left early, 0 otherwise
};

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

/// Does the alliance's effect change with the number of sessions?
struct [[nodiscard]] SessionModeration {
  ContrastEstimate interaction;  ///< change of the within effect a session
  std::vector<double> sessions;
  SimpleSlopes
      slopes;  ///< of within-patient alliance at those sessions, with the Johnson–Neyman region
};
SessionModeration moderate_by_session(const FittedModel& model, const StudyColumns& columns,
                                      const std::vector<double>& sessions, double level = 0.95);

/// The within-patient effect of alliance in one treatment.
struct TreatmentSlope {
  std::string treatment;
  ContrastEstimate slope;
};

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

/// A lagged effect within patients, with the previous value of the outcome held constant: the two
/// within-person models of `rapport lagged --model mixed`. With few sessions a patient both
/// estimates are biased (Nickell 1981); the cross-lagged panel model with random intercepts is not.
struct [[nodiscard]] LaggedInfluence {
  ContrastEstimate effect;          ///< of the predictor's deviation one session earlier
  ContrastEstimate autoregression;  ///< of the outcome's own deviation one session earlier
  double standardized;  ///< `effect` by the SDs of the deviations from the patients' means
  Index n_sessions;     ///< with a value in the session before
  Index n_patients;
};
LaggedInfluence lagged_influence(const FittedModel& model, const Table& table,
                                 const StudyColumns& columns);

/// Both directions: does x one session earlier tell y, and y one session earlier x?
struct [[nodiscard]] ReciprocalInfluence {
  FittedModel to_y;
  FittedModel to_x;
  LaggedInfluence x_to_y;
  LaggedInfluence y_to_x;
};
ReciprocalInfluence reciprocal_influence(const Table& table, const StudyColumns& columns,
                                         const std::string& x, const std::string& y,
                                         double level = 0.95);

/// The formula of the lagged effect of `predictor` on `outcome`: `outcome ~ session +
/// within(lag(predictor, …)) + …`.
[[nodiscard]] std::string lagged_formula(const StudyColumns& columns, const std::string& predictor,
                                         const std::string& outcome);

}  // namespace rapport
