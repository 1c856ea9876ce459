#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/alliance/rupture.hpp>
#include <rapport/mixed/means.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// One row a rupture: `rule`, `patient`, `session`, `depth`, `fall`, `length`, `repaired` (0 or 1),
/// `pattern`, `outcome_before` (the outcome's last value before the session of the rupture) and
/// `change_after` (its mean over the next `sessions_after` sessions that have one, less that
/// value).
[[nodiscard]] Table rupture_table(const Panel& panel, const RuptureAnalysis& analysis,
                                  const VectorView& outcome, Index sessions_after = 3);

/// How the outcome goes on after ruptures by one rule.
struct [[nodiscard]] RuptureAftermath {
  RuptureRule rule;
  Index n_repaired;  ///< with an outcome on both sides
  Index n_unrepaired;
  double change_repaired;  ///< mean; NaN without any
  double change_unrepaired;
  /// unrepaired − repaired by Welch's t, ruptures as if independent; NaN below two of either.
  double difference;
  double standard_error;
  ConfidenceInterval ci;
  double p_value;
  /// repaired − unrepaired from aftermath_formula: patients with several ruptures are one patient,
  /// and those who stood worse before have more room to improve. Absent where it cannot be fitted.
  std::optional<ContrastEstimate> adjusted;
};

/// "change_after ~ repaired + outcome_before + (1 | patient)", fitted to the rows of one rule.
[[nodiscard]] std::string aftermath_formula();

/// One entry a rule that found any rupture; `ruptures` as rupture_table makes it.
[[nodiscard]] std::vector<RuptureAftermath> rupture_aftermath(const Table& ruptures,
                                                              double level = 0.95);

/// Each patient's course by one rule: "none", "repaired" (every rupture was), "unrepaired". One
/// level code a patient of the panel; −1 for a patient with fewer than two ratings.
[[nodiscard]] Factor rupture_courses(const Panel& panel, const VectorView& alliance,
                                     const RuptureAnalysis& analysis, RuptureRule rule);

/// The final outcome of patients without ruptures, with repaired and with unrepaired ones.
struct [[nodiscard]] RuptureOutcome {
  RuptureRule rule;
  ContrastTest course;  ///< do the courses differ at all
  MarginalMeans means;  ///< of the final outcome, at the mean intake and number of sessions
};

/// "final ~ intake + sessions + rupture_course" (sessions where their number varies), with a random
/// intercept of the therapist where the patients have therapists.
[[nodiscard]] std::string rupture_outcome_formula(const Table& patients);
/// `model` is the fit of rupture_outcome_formula to `patients` with the column `rupture_course`.
RuptureOutcome rupture_outcome(const FittedModel& model, RuptureRule rule);

}  // namespace rapport
