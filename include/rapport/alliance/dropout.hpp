#pragma once

#include <rapport/alliance/outcome.hpp>
#include <rapport/data/panel.hpp>

#include <string>
#include <vector>

namespace rapport {

/// A log odds ratio of the discrete-time hazard.
struct HazardTerm {
  std::string term;
  double estimate;
  double standard_error;
  double statistic;  ///< z
  double p_value;
  ConfidenceInterval ci;
  double odds_ratio;
};

/// The hazard of leaving after a session, by the alliance in it: logit h = α + session + within +
/// between, fitted to every session of every patient (Singer & Willett 1993), with a random
/// intercept of the therapist where there are therapists.
struct [[nodiscard]] DropoutHazard {
  std::string formula;
  std::string method;  ///< "Laplace", or "ML" without therapists
  std::vector<HazardTerm> terms;
  double therapist_sd;  ///< NaN without therapists
  Index n_sessions;
  Index n_patients;
  Index n_left;
};

/// 1 in the last session of a patient who left, 0 in all other sessions; missing in rows without
/// patient or session.
[[nodiscard]] Eigen::VectorXd leaving_sessions(const Panel& panel, const VectorView& dropout);

/// `table` needs the column `leaves` as leaving_sessions gives it. Throws DataError if nobody or
/// everybody left.
DropoutHazard dropout_hazard(const Table& table, const StudyColumns& columns, double level = 0.95);

}  // namespace rapport
