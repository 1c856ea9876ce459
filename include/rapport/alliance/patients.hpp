#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/correlate/correlation.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/score/change.hpp>
#include <rapport/score/sudden_gains.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// One row a patient, by level: `patient`, `therapist` and `treatment` where the study has them
/// (those of the first session), `sessions` (with alliance or outcome), `early_alliance` (mean of
/// sessions 1 … k; of other raters `early_NAME_alliance`), `mean_alliance`, `intake` (first
/// outcome), `prior_change` (last outcome up to session k less intake), `final` (last outcome,
/// where it lies beyond session k) and `left` (1 for a patient who dropped out, where the study
/// says so).
[[nodiscard]] Table patient_table(const Table& table, const Panel& panel,
                                  const StudyColumns& columns, Index early_sessions);

/// The column of a rater's early alliance in patient_table.
[[nodiscard]] std::string early_column(const StudyRater& rater);

/// Early alliance and final outcome.
struct [[nodiscard]] EarlyAlliance {
  Index sessions;                  ///< k, the last early session
  CorrelationResult correlation;   ///< with the final outcome
  CorrelationResult partial;       ///< intake held constant
  CorrelationResult semi_partial;  ///< intake taken out of the final outcome only: residual change
  ContrastEstimate effect;         ///< final outcome a point of alliance, adjusted for intake
  ContrastEstimate
      adjusted;  ///< and for the change before session k, which may have made the alliance
  std::optional<ContrastTest>
      treatment;                ///< early alliance × treatment, where the caller tested it
  Eigen::VectorXd reliability;  ///< of the mean of 1, 2, … 10 sessions (Spearman–Brown of the ICC)
  Index n_used;
};

/// The formulas of early_alliance: "final ~ early_alliance + intake", with a random intercept of
/// the therapist where the patients have therapists.
[[nodiscard]] std::string early_formula(const Table& patients, bool with_prior_change);

/// "final ~ early_alliance * treatment + intake", and the therapist's random intercept; and the
/// joint test of its interaction.
[[nodiscard]] std::string early_treatment_formula(const Table& patients);
[[nodiscard]] ContrastTest treatment_interaction(const FittedModel& model);

/// `effect` and `adjusted` are fits of early_formula to `patients`; `icc` is the alliance's share
/// between patients.
EarlyAlliance early_alliance(const FittedModel& effect, const FittedModel& adjusted,
                             const Table& patients, Index early_sessions, double icc);

/// A therapist's deviation from the average therapist.
struct TherapistEstimate {
  std::string therapist;
  Index patients;
  double effect;          ///< shrunk towards 0
  double standard_error;  ///< given the estimated parameters
  Index left;             ///< patients who dropped out; 0 where the study does not say
};

/// How much therapists differ in their patients' final outcome, and whose alliance it is that
/// counts (Baldwin, Wampold & Imel 2007).
struct [[nodiscard]] TherapistEffects {
  double share;                 ///< of the variance of the final outcome, intake held constant
  ConfidenceInterval share_ci;  ///< from the profile interval of the therapists' SD, the residual
                                ///< SD held at its estimate
  double p_value;               ///< of a variance of 0, by the χ̄² mixture
  ContrastEstimate
      within_therapists;  ///< patients with a better alliance than others of their therapist
  ContrastEstimate between_therapists;        ///< therapists with a better average alliance
  ContrastEstimate difference;                ///< between − within
  std::vector<TherapistEstimate> therapists;  ///< by effect
  Index n_patients;
};

/// `model` is "final ~ intake + (1 | therapist)" and `split` "final ~ intake +
/// within(mean_alliance, therapist) + between(mean_alliance, therapist) + (1 | therapist)", fitted
/// to `patients`.
TherapistEffects therapist_effects(const FittedModel& model, const FittedModel& split,
                                   const Table& patients, double level = 0.95);

/// Reliable change of the outcome from intake to the final session, and sudden gains.
struct [[nodiscard]] OutcomeChange {
  double reliability;  ///< of the outcome, as given
  ChangeResult change;
  std::vector<std::string>
      persons;  ///< the rows of the patient table, to which `change.rows` point
  std::optional<SuddenGainResult> gains;
  std::optional<SuddenGainResult> losses;
  double gain_cutoff;            ///< the reliable change threshold
  std::vector<double> sessions;  ///< columns of the sudden-gain search
};
OutcomeChange outcome_change(const Table& patients, const Panel& panel, const VectorView& outcome,
                             double reliability);

}  // namespace rapport
