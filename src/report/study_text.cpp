#include <rapport/report/alliance.hpp>
#include <rapport/report/text.hpp>

#include "study_page.hpp"
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
  const int decimals = decimals_for(e.standard_error);
  return number(e.estimate, decimals) + " points (" + number(100 * e.ci.level, 0) + " % CI " +
         number(e.ci.lower, decimals) + " to " + number(e.ci.upper, decimals) + ", p " +
         (p.front() == '<' ? p : "= " + p) + ")";
}

std::string direction(const ContrastEstimate& e, const std::string& outcome) {
  if (!(e.p_value < 0.05)) return "no reliable difference in " + outcome + ": ";
  return (e.estimate < 0 ? "lower " : "higher ") + outcome + ": ";
}

}  // namespace

std::string study_text(const StudyAnalysis& study) {
  const std::string& outcome = study.columns.outcome;
  std::string out = study.columns.alliance.empty() ? "Outcome (" + outcome + ")\n\n"
                                                   : "Alliance (" + study.columns.alliance +
                                                         ") and outcome (" + outcome + ")\n\n";
  out += plural(study.sessions.sessions, "session") + " of " +
         plural(study.sessions.patients, "patient");
  if (study.sessions.therapists > 0)
    out += " with " + plural(study.sessions.therapists, "therapist");
  out += study.one_session ? ".\n\n"
                           : "; a patient has " + number(study.sessions.median, 0) +
                                 " sessions (median; " + number(study.sessions.minimum, 0) +
                                 " to " + number(study.sessions.maximum, 0) + ").\n\n";
  if (study.growth) {
    const ContrastEstimate& rate = study.growth->rate;
    out += "Over sessions " + outcome +
           (rate.p_value < 0.05 ? (rate.estimate < 0 ? " falls: " : " rises: ")
                                : " does not reliably change: ") +
           estimate_text(rate) + " a session" +
           (study.growth->treatments.empty() ? ".\n\n" : " (mean of the treatments).\n\n");
  }
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
    const bool linear = study.session_moderation->scale == SessionScale::linear;
    const std::string unit = linear ? " a session" : " a unit of log session";
    out += change.p_value < 0.05
               ? "The within-patient effect changes with sessions by " + estimate_text(change) +
                     unit + ".\n"
               : "The within-patient effect does not reliably change with sessions: " +
                     estimate_text(change) + unit + ".\n";
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
  if (study.distributed_lags) {
    const DistributedLags& lags = *study.distributed_lags;
    out += "Over " + std::to_string(lags.effects.size()) +
           " sessions together, a lasting rise of alliance by a point is followed by\n  " +
           direction(lags.cumulative.back(), outcome) + estimate_text(lags.cumulative.back()) +
           ".\n";
  }
  if (study.alliance_to_outcome_in_time)
    out += "With the time between sessions taken into account, alliance on the next " + outcome +
           ":\n  " + estimate_text(study.alliance_to_outcome_in_time->effect) + ".\n";
  for (const PairAgreement& pair : study.agreement) {
    const RaterAgreement& a = pair.sessions;
    out += "The " + pair.first.name + "'s rating is " + number(std::abs(a.bland_altman.bias)) +
           " points " + (a.bland_altman.bias < 0 ? "lower" : "higher") + " than the " +
           pair.second.name +
           "'s on average; agreement ICC(2,1) = " + number(icc_form(a.icc, "ICC(2,1)").estimate) +
           ", r = " + number(a.concordance.pearson) + " over " +
           plural(a.bland_altman.n_used, study.one_session ? "patient" : "session") + ".\n";
  }
  if (study.rating_comparison) {
    const RatingComparison& c = *study.rating_comparison;
    out += "Of the " + number(100 * c.r_squared, 1) + " % of the variance of " +
           (study.one_session ? outcome : "the final " + outcome) + " that " +
           (study.one_session ? "the" : "early") + " ratings tell together,";
    for (std::size_t k = 0; k < c.ratings.size(); ++k)
      out += std::string(k == 0                      ? " "
                         : k + 1 == c.ratings.size() ? " and "
                                                     : ", ") +
             "the " + c.ratings[k].rater.name + "'s carries " +
             number(100 * c.ratings[k].share.estimate, 1);
    out += ".\n";
  }
  return out;
}

}  // namespace rapport::report
