#include <rapport/report/alliance.hpp>
#include <rapport/report/text.hpp>

#include <cmath>
#include <string>

namespace rapport::report {
namespace {

std::string plural(Index n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

/// "−0.15 points (95 % CI −0.20 to −0.10, p < .001)".
std::string estimate_text(const ContrastEstimate& e) {
  const std::string p = p_value(e.p_value);
  return number(e.estimate, 3) + " points (" + number(100 * e.ci.level, 0) + " % CI " +
         number(e.ci.lower, 3) + " to " + number(e.ci.upper, 3) + ", p " +
         (p.front() == '<' ? p : "= " + p) + ")";
}

std::string direction(const ContrastEstimate& e, const std::string& outcome) {
  if (!(e.p_value < 0.05)) return "no reliable difference in " + outcome + ": ";
  return (e.estimate < 0 ? "lower " : "higher ") + outcome + ": ";
}

}  // namespace

std::string study_text(const StudyAnalysis& study) {
  const std::string& outcome = study.columns.outcome;
  std::string out = "Alliance (" + study.columns.alliance + ") and outcome (" + outcome + ")\n\n";
  out += plural(study.sessions.sessions, "session") + " of " +
         plural(study.sessions.patients, "patient");
  if (study.sessions.therapists > 0)
    out += " with " + plural(study.sessions.therapists, "therapist");
  out += "; a patient has " + number(study.sessions.median, 0) + " sessions (median; " +
         number(study.sessions.minimum, 0) + " to " + number(study.sessions.maximum, 0) + ").\n\n";
  if (study.disaggregation) {
    const Disaggregation& d = *study.disaggregation;
    out +=
        "Within patients: in sessions in which a patient's alliance is a point above the patient's "
        "own average,\n  " +
        direction(d.within, outcome) + estimate_text(d.within) + ".\n";
    out += "Between patients: for patients whose average alliance is a point higher,\n  " +
           direction(d.between_patient, outcome) + estimate_text(d.between_patient) +
           ";\n  corrected for the unreliability of averages (" + number(d.reliability) + "), " +
           estimate_text(d.between_patient_corrected) + ".\n";
    if (d.n_therapists > 0)
      out +=
          "Between therapists: for therapists whose patients' alliance is a point higher on "
          "average,\n  " +
          direction(d.between_therapist, outcome) + estimate_text(d.between_therapist) + ".\n";
    out += "\n";
  }
  if (study.session_moderation) {
    const ContrastEstimate& change = study.session_moderation->interaction;
    out += change.p_value < 0.05
               ? "The within-patient effect changes with sessions by " + estimate_text(change) +
                     " a session.\n"
               : "The within-patient effect does not reliably change with sessions: " +
                     estimate_text(change) + " a session.\n";
  }
  if (study.cross_lagged && study.cross_lagged->fit.proper) {
    const auto say = [&](bool from_x) {
      for (const LaggedEffect& e : study.cross_lagged->fit.effects)
        if (e.from_x == from_x && e.to_x != from_x) {
          const std::string p = p_value(e.p_value);
          return number(e.estimate) + " (" + number(e.ci.lower) + " to " + number(e.ci.upper) +
                 ", p " + (p.front() == '<' ? p : "= " + p) + ")";
        }
      return std::string();
    };
    out +=
        "From one session to the next, within patients (random-intercept cross-lagged panel "
        "model):\n  alliance on later " +
        outcome + " " + say(true) + "; " + outcome + " on later alliance " + say(false) + ".\n";
  }
  if (study.agreement) {
    const RaterAgreement& a = *study.agreement;
    out += "Client and therapist: the client's rating is " + number(std::abs(a.bland_altman.bias)) +
           " points " + (a.bland_altman.bias < 0 ? "lower" : "higher") +
           " on average; agreement ICC(2,1) = " + number(icc_form(a.icc, "ICC(2,1)").estimate) +
           ", r = " + number(a.concordance.pearson) + " over " +
           plural(a.bland_altman.n_used, "session") + ".\n";
  }
  return out;
}

}  // namespace rapport::report
