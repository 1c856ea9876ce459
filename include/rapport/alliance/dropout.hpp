#pragma once

#include <rapport/alliance/person_period.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/mixed/generalized.hpp>

#include <string>
#include <vector>

namespace rapport {

/// What patients who are alike in the model may share, so that some leave sooner than others.
enum class Frailty { none, patient, therapist };

struct HazardOptions {
  Link link = Link::logit;  ///< or cloglog: proportional hazards of a continuous time (Prentice &
                            ///< Gloeckler 1978)
  Frailty frailty = Frailty::none;
  Index quadrature_points = 0;  ///< 0: 15 for patients, of whom each has one event at most; 1
                                ///< (Laplace) for therapists
  std::string baseline = {};  ///< how the hazard changes over sessions, as in a formula: "session"
                              ///< (if empty), "factor(session)", "ns(session, 3)"
  std::string covariates = {};   ///< further terms: "treatment + phq9"
  bool therapist_level = false;  ///< split the alliance between patients into that of the
                                 ///< therapist's patients and that of therapists
  double confidence_level = 0.95;
};

/// A coefficient of the hazard on the scale of the link.
struct HazardTerm {
  std::string term;
  double estimate;
  double standard_error;
  double statistic;  ///< z
  double p_value;
  ConfidenceInterval ci;
  double odds_ratio;  ///< exp(estimate); with cloglog a hazard ratio
  ConfidenceInterval ratio_ci;
};

/// The discrete-time hazard of leaving after a session, by the alliance within and between
/// patients: g(h) = baseline(session) + within + between + frailty, over every session at risk
/// (Singer & Willett 1993).
struct [[nodiscard]] DropoutHazard {
  std::string formula;  ///< over PersonPeriod::table
  Link link;
  std::string method;  ///< "Laplace", "AGQ", or "ML" without frailty
  std::vector<HazardTerm> terms;
  Frailty frailty;
  double frailty_sd;         ///< on the scale of the link; NaN without frailty
  double frailty_statistic;  ///< likelihood ratio against no frailty; NaN without
  double frailty_p_value;    ///< half of χ²(1)'s: a variance is not negative (Self & Liang 1987)
  double log_likelihood;
  Index n_sessions;  ///< rows used
  Index n_patients;
  Index n_left;     ///< events among the rows used
  Index n_omitted;  ///< rows at risk that miss a variable
  std::vector<std::string> warnings;
};

/// Fits the hazard. Throws DataError if nobody or everybody left among the rows that can be used,
/// or if the fit did not converge; InvalidArgument for a therapist frailty or level without
/// therapists, or another link than logit and cloglog.
DropoutHazard dropout_hazard(const PersonPeriod& period, const HazardOptions& options = {});

}  // namespace rapport
