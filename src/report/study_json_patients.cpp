#include <rapport/report/agree.hpp>
#include <rapport/report/correlate.hpp>
#include <rapport/report/dropout.hpp>
#include <rapport/report/dyad.hpp>

#include "study_json.hpp"

namespace rapport::report {
namespace {

Json rater_agreement_json(const RaterAgreement& agreement) {
  return Json::object({{"bland_altman", to_json(agreement.bland_altman)},
                       {"icc", to_json(agreement.icc)},
                       {"concordance", to_json(agreement.concordance)}});
}

Json pair_json(const PairAgreement& pair) {
  Json result = rater_agreement_json(pair.sessions);
  result.set("first", pair.first.name);
  result.set("second", pair.second.name);
  if (pair.means) result.set("patient_means", rater_agreement_json(*pair.means));
  Json sessions = Json::array();
  for (const SessionAgreement& at : pair.by_session)
    sessions.push_back(Json::object({{"session", at.session},
                                     {"n", count_json(at.n)},
                                     {"difference", at.difference},
                                     {"sd_difference", at.sd_difference},
                                     {"r", at.correlation}}));
  result.set("by_session", std::move(sessions));
  if (pair.convergence) result.set("convergence", to_json(*pair.convergence));
  return result;
}

Json raters_json(const RaterGroupAgreement& group) {
  Json names = Json::array();
  for (const StudyRater& rater : group.raters) names.push_back(rater.name);
  return Json::object({{"names", std::move(names)},
                       {"icc", to_json(group.icc)},
                       {"concordance", to_json(group.concordance)},
                       {"split", Json::object({{"threshold", group.threshold},
                                               {"sessions", count_json(group.n_split)},
                                               {"compared", count_json(group.n_compared)}})}});
}

Json share_json(const BootstrapResult& share) {
  return Json::object({{"estimate", share.estimate},
                       {"standard_error", share.standard_error},
                       {"ci_lower", share.ci.lower},
                       {"ci_upper", share.ci.upper}});
}

/// Whose rating goes with the outcome over patients.
Json comparison_json(const StudyAnalysis& study) {
  Json result = Json::object();
  if (study.perspectives) {
    Json contrasts = Json::array();
    for (const RaterContrast& c : study.perspectives->contrasts)
      contrasts.push_back(
          with(with(to_json(c.standardized), "first", c.first), "second", c.second));
    result.set("standardized_within_difference",
               to_json(study.perspectives->contrasts.front().standardized));
    result.set("standardized_within_differences", std::move(contrasts));
  }
  if (!study.rating_comparison) return result;
  const RatingComparison& c = *study.rating_comparison;
  Json differences = Json::array();
  for (const RatingDifference& d : c.differences)
    differences.push_back(
        with(with(to_json(d.correlations), "first", d.first), "second", d.second));
  Json ratings = Json::array();
  for (std::size_t k = 0; k < c.ratings.size(); ++k)
    ratings.push_back(Json::object({{"rater", c.ratings[k].rater.name},
                                    {"column", c.columns[k]},
                                    {"r", c.ratings[k].correlation},
                                    {"share", share_json(c.ratings[k].share)}}));
  result.set("early_correlations_with_final", to_json(c.differences.front().correlations));
  result.set("outcome", c.outcome);
  result.set("n", count_json(c.n_used));
  result.set("r_squared", c.r_squared);
  result.set("ratings", std::move(ratings));
  result.set("differences", std::move(differences));
  return result;
}

}  // namespace

Json agreement_json(const StudyAnalysis& study) {
  Json result = pair_json(study.agreement.front());
  if (study.agreement.size() > 1) {
    Json pairs = Json::array();
    for (const PairAgreement& pair : study.agreement) pairs.push_back(pair_json(pair));
    result.set("pairs", std::move(pairs));
  }
  if (study.group_agreement) result.set("raters", raters_json(*study.group_agreement));
  return result;
}

Json perspective_json(const StudyAnalysis& study) {
  Json result = Json::object();
  if (study.perspectives) {
    result.set("model", "perspectives");
    for (const RaterEffects& rater : study.perspectives->raters)
      result.set(rater.rater.name, Json::object({{"within", to_json(rater.within)},
                                                 {"between", to_json(rater.between)}}));
  }
  result.set("comparison", comparison_json(study));
  return result;
}

Json therapists_json(const TherapistEffects& effects) {
  Json list = Json::array();
  for (const TherapistEstimate& t : effects.therapists)
    list.push_back(Json::object({{"therapist", t.therapist},
                                 {"patients", count_json(t.patients)},
                                 {"effect", t.effect},
                                 {"standard_error", t.standard_error},
                                 {"left", count_json(t.left)}}));
  return Json::object({{"model", "therapists"},
                       {"n", count_json(effects.n_patients)},
                       {"share", Json::object({{"estimate", effects.share},
                                               {"ci_lower", effects.share_ci.lower},
                                               {"ci_upper", effects.share_ci.upper},
                                               {"p_value", effects.p_value}})},
                       {"split_model", "therapists_split"},
                       {"within_therapists", to_json(effects.within_therapists)},
                       {"between_therapists", to_json(effects.between_therapists)},
                       {"difference", to_json(effects.difference)},
                       {"therapists", std::move(list)}});
}

Json dropout_json(const StudyAnalysis& study) {
  Json result = to_json(*study.dropout);
  if (study.retention) result.set("retention", to_json(*study.retention));
  return result;
}

Json gains_json(const OutcomeChange& change, const Factor& patients) {
  const std::vector<std::string>& names = patients.levels;
  Json rows = Json::array();
  const auto add = [&](const std::optional<SuddenGainResult>& found, const char* kind) {
    if (!found) return;
    for (const SuddenGain& g : found->events)
      rows.push_back(Json::object({{"kind", kind},
                                   {"patient", names[static_cast<std::size_t>(g.person)]},
                                   {"from", change.sessions[static_cast<std::size_t>(g.from)]},
                                   {"to", change.sessions[static_cast<std::size_t>(g.from) + 1]},
                                   {"pre", g.pre},
                                   {"post", g.post},
                                   {"magnitude", g.magnitude},
                                   {"reversal", g.reversal}}));
  };
  add(change.gains, "gain");
  add(change.losses, "loss");
  return rows;
}

Json ruptures_json(const RuptureAnalysis& analysis, const Factor& patients) {
  const std::vector<std::string>& names = patients.levels;
  Json rows = Json::array();
  for (const Rupture& r : analysis.ruptures)
    rows.push_back(Json::object({{"rule", name_of(r.rule)},
                                 {"patient", names[static_cast<std::size_t>(r.patient)]},
                                 {"session", r.session},
                                 {"before", r.before},
                                 {"low", r.low},
                                 {"depth", r.depth},
                                 {"repaired", r.repaired},
                                 {"repair_session", r.repair_session},
                                 {"length", count_json(r.length)},
                                 {"fall", count_json(r.fall)},
                                 {"pattern", name_of(r.pattern)}}));
  return rows;
}

Json rupture_aftermath_json(const StudyAnalysis& study) {
  Json rows = Json::array();
  for (const RuptureAftermath& a : study.aftermath) {
    Json row = Json::object({{"rule", name_of(a.rule)},
                             {"n_repaired", count_json(a.n_repaired)},
                             {"n_unrepaired", count_json(a.n_unrepaired)},
                             {"change_repaired", a.change_repaired},
                             {"change_unrepaired", a.change_unrepaired},
                             {"difference", Json::object({{"estimate", a.difference},
                                                          {"standard_error", a.standard_error},
                                                          {"ci_lower", a.ci.lower},
                                                          {"ci_upper", a.ci.upper},
                                                          {"p_value", a.p_value}})}});
    if (a.adjusted)
      row.set("repaired_less_unrepaired",
              with(to_json(*a.adjusted), "formula", aftermath_formula()));
    rows.push_back(std::move(row));
  }
  return rows;
}

Json rupture_concordance_json(const RuptureAnalysis& analysis) {
  Json rows = Json::array();
  for (const RuleConcordance& c : analysis.concordance)
    rows.push_back(Json::object({{"first", name_of(c.first)},
                                 {"second", name_of(c.second)},
                                 {"both", count_json(c.both)},
                                 {"only_first", count_json(c.only_first)},
                                 {"only_second", count_json(c.only_second)},
                                 {"neither", count_json(c.neither)},
                                 {"kappa", c.kappa}}));
  return rows;
}

}  // namespace rapport::report
