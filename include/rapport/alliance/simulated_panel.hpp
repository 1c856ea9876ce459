#pragma once

#include <rapport/base/random.hpp>
#include <rapport/data/table.hpp>

namespace rapport {

/// A made-up study. The alliance of patient p of therapist j in session t is
///   A = 60 + T_j + P_p + trend · ln t + w_t,  w an AR(1) series,
/// and the symptoms are
///   Y = 15 + v_p + (slope + s_p)(t − 1) + within · w_t + between_patients · P_p +
///   between_therapists · T_j + e,
/// with `treatment_slope` added to the slope of the treatment "CBT". A session is missed with a
/// fixed probability, and a patient leaves after a session with a probability that rises as w
/// falls.
struct SimulatedPanelOptions {
  Index patients = 80;
  Index therapists = 8;
  Index sessions = 12;
  double therapist_sd = 3;
  double patient_sd = 6;
  double session_sd = 5;         ///< of w
  double autocorrelation = 0.3;  ///< of w
  double trend = 2;
  double within_effect = -0.15;
  double between_patient_effect = -0.25;
  double between_therapist_effect = -0.3;
  double slope = -0.5;  ///< points a session
  double treatment_slope = -0.2;
  double symptom_sd = 3;          ///< of v
  double symptom_slope_sd = 0.2;  ///< of s
  double residual_sd = 2;         ///< of e
  double missed = 0.05;           ///< probability that a session is missed
  double dropout =
      0.02;  ///< probability of leaving after a session with w = 0; logit −0.15 a point of w
  bool rounded = true;  ///< whole numbers within 12..84 (alliance) and 0..27 (symptoms), as
                        ///< questionnaires give
};

/// The study as a table: therapist, patient, session, wai_client, wai_therapist, phq9, treatment
/// ("CBT" and "TAU"), dropped (1 in the last row of a patient who left). Patients do not depend on
/// how many others there are.
[[nodiscard]] Table simulate_panel(Seed seed, const SimulatedPanelOptions& options = {});

}  // namespace rapport
