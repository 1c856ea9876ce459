#pragma once

#include <rapport/data/panel.hpp>

#include <string>
#include <vector>

namespace rapport {

/// The columns that tell when treatments ended and how. Those that may be empty: `therapist`,
/// `dropout`, `completed`.
struct DropoutColumns {
  std::string patient = {};
  std::string session = {};
  std::string alliance = {};
  std::string therapist = {};
  std::string dropout = {};    ///< 1 in any row of a patient who left early, else 0 or missing
  std::string completed = {};  ///< 1 in any row of a patient who ended as planned
};

/// What "within" and "between" mean for the alliance of a patient whose treatment goes on.
enum class AllianceCentring {
  so_far,       ///< against the mean of the ratings up to then: nothing of the future
  patient_mean  ///< against the mean of all the patient's ratings, those still to come included,
                ///< which biases a hazard
};

/// How a session panel becomes a row for each session at risk.
struct DropoutRules {
  Index lag = 1;  ///< 1: the alliance of a session tells leaving after it; 2: that of the session
                  ///< before; …
  Index carry_forward = 0;  ///< sessions for which the last rating stands in for a missing one
  AllianceCentring centring = AllianceCentring::so_far;
  /// From this session on nobody is at risk; without `dropout`, whoever comes less often left. 0:
  /// no plan.
  double planned_sessions = 0;
  double last_session = 0;  ///< later sessions are taken away, and patients who reach them censored
                            ///< there; 0: none
};

enum class TreatmentEnd { unknown, dropout, completed };

/// How one patient's treatment ended.
struct PatientEnd {
  std::string patient;
  double last_session;
  TreatmentEnd end;
};

/// A row for each session after which a patient could have left.
struct [[nodiscard]] PersonPeriod {
  DropoutColumns columns;
  /// The sessions with all their columns, and `leaves` (1 in the last session of a patient who
  /// left, missing where nobody is at risk), `alliance_within` and `alliance_between` (missing
  /// where the rating is). With therapists `alliance_between` is the sum of
  /// `alliance_between_therapist` (the therapist's mean over the rows) and
  /// `alliance_between_patient`.
  Table table;
  std::vector<Index> rows;  ///< where the rows stand in the table that was given
  std::vector<PatientEnd> ends;
  Index n_left = 0;
  Index n_left_unrated = 0;  ///< patients who left after a session without a rating: their leaving
                             ///< is not among the events of a model with the alliance
  Index n_omitted = 0;  ///< rows without patient, session or therapist, or after `last_session`
  std::vector<std::string> rules;  ///< in plain words
};

/// Makes the person-period data of a panel. A patient marked as dropout leaves after the last
/// session that the panel holds, whatever its number; all others are censored there. A missed
/// session is no row: the patient is at risk again at the next. Throws DataError if a patient has a
/// session twice, if marks are other than 0 and 1, or if a patient both left and completed;
/// InvalidArgument for an unknown column, a lag below 1, or if neither `dropout` nor
/// `planned_sessions` is given.
PersonPeriod person_period(const Table& table, const DropoutColumns& columns,
                           const DropoutRules& rules = {});

}  // namespace rapport
