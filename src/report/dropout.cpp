#include <rapport/report/dropout.hpp>
#include <rapport/report/text.hpp>

#include <cmath>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

std::string frailty_name(Frailty frailty) {
  switch (frailty) {
    case Frailty::none:
      return "none";
    case Frailty::patient:
      return "patient";
    case Frailty::therapist:
      return "therapist";
  }
  return "";
}

std::string interval_text(const ConfidenceInterval& ci, int decimals) {
  return "[" + number(ci.lower, decimals) + ", " + number(ci.upper, decimals) + "]";
}

std::string percent(double level) { return shortest_decimal(std::round(level * 1e4) / 1e2) + " %"; }

Json group_json(const RetentionGroup& group) {
  return Json::object({{"group", group.label},
                       {"alliance_minimum", group.alliance_minimum},
                       {"alliance_maximum", group.alliance_maximum},
                       {"retention", to_json(group.retention)},
                       {"incidence", to_json(group.incidence, {"dropout", "completed"})}});
}

Json log_rank_json(const LogRankTest& test) {
  return Json::object({{"statistic", test.statistic},
                       {"df", test.df},
                       {"p_value", test.p_value},
                       {"trend_statistic", test.trend_statistic},
                       {"trend_p_value", test.trend_p_value},
                       {"observed", test.observed},
                       {"expected", test.expected}});
}

}  // namespace

Json to_json(const DropoutHazard& hazard) {
  const bool logit = hazard.link == Link::logit;
  Json terms = Json::array();
  for (const HazardTerm& t : hazard.terms)
    terms.push_back(Json::object({{"term", t.term},
                                  {"estimate", t.estimate},
                                  {"standard_error", t.standard_error},
                                  {"ci_lower", t.ci.lower},
                                  {"ci_upper", t.ci.upper},
                                  {"statistic", t.statistic},
                                  {"p_value", t.p_value},
                                  {logit ? "odds_ratio" : "hazard_ratio", t.odds_ratio},
                                  {"ratio_ci_lower", t.ratio_ci.lower},
                                  {"ratio_ci_upper", t.ratio_ci.upper}}));
  return Json::object({{"formula", hazard.formula},
                       {"family", "binomial"},
                       {"link", std::string(to_string(hazard.link))},
                       {"method", hazard.method},
                       {"patients", count(hazard.n_patients)},
                       {"sessions", count(hazard.n_sessions)},
                       {"left", count(hazard.n_left)},
                       {"omitted", count(hazard.n_omitted)},
                       {"log_likelihood", hazard.log_likelihood},
                       {"frailty", Json::object({{"of", frailty_name(hazard.frailty)},
                                                 {"sd", hazard.frailty_sd},
                                                 {"statistic", hazard.frailty_statistic},
                                                 {"p_value", hazard.frailty_p_value}})},
                       {"terms", std::move(terms)}});
}

Json to_json(const SurvivalCurve& curve) {
  Json points = Json::array();
  for (Index k = 0; k < curve.time.size(); ++k)
    points.push_back(Json::object({{"time", curve.time[k]},
                                   {"at_risk", curve.at_risk[k]},
                                   {"events", curve.events[k]},
                                   {"censored", curve.censored[k]},
                                   {"survival", curve.survival[k]},
                                   {"standard_error", curve.standard_error[k]},
                                   {"ci_lower", curve.ci_lower[k]},
                                   {"ci_upper", curve.ci_upper[k]}}));
  return Json::object({{"n", count(curve.n)},
                       {"events", count(curve.n_events)},
                       {"median", curve.median},
                       {"median_ci_lower", curve.median_ci.lower},
                       {"median_ci_upper", curve.median_ci.upper},
                       {"restricted_mean", curve.restricted_mean},
                       {"restricted_mean_standard_error", curve.restricted_mean_standard_error},
                       {"restriction", curve.restriction},
                       {"curve", std::move(points)}});
}

Json to_json(const CumulativeIncidence& incidence, const std::vector<std::string>& causes) {
  Json rows = Json::array();
  for (std::size_t c = 0; c < causes.size(); ++c) {
    const auto k = static_cast<Index>(c);
    for (Index t = 0; t < incidence.time.size(); ++t)
      rows.push_back(Json::object({{"cause", causes[c]},
                                   {"time", incidence.time[t]},
                                   {"at_risk", incidence.at_risk[t]},
                                   {"events", incidence.events(t, k)},
                                   {"incidence", incidence.incidence(t, k)},
                                   {"standard_error", incidence.standard_error(t, k)},
                                   {"ci_lower", incidence.ci_lower(t, k)},
                                   {"ci_upper", incidence.ci_upper(t, k)}}));
  }
  return rows;
}

Json to_json(const Retention& retention) {
  Json groups = Json::array();
  for (const RetentionGroup& group : retention.groups) groups.push_back(group_json(group));
  return Json::object({{"early_sessions", count(retention.early_sessions)},
                       {"patients", count(retention.n_used)},
                       {"left_before_landmark", count(retention.n_before_landmark)},
                       {"unrated", count(retention.n_unrated)},
                       {"log_rank", log_rank_json(retention.log_rank)},
                       {"groups", std::move(groups)}});
}

std::string hazard_text(const DropoutHazard& hazard) {
  const double level = hazard.terms.empty() ? 0.95 : hazard.terms.front().ci.level;
  std::vector<std::vector<std::string>> rows;
  for (const HazardTerm& t : hazard.terms)
    rows.push_back({t.term, number(t.estimate, 3), number(t.standard_error, 3), number(t.statistic),
                    p_value(t.p_value), number(t.odds_ratio), interval_text(t.ratio_ci, 2)});
  const bool logit = hazard.link == Link::logit;
  std::string text = "The hazard of leaving after a session\n" + hazard.formula + "\n" +
                     std::string(to_string(hazard.link)) + ", " + hazard.method + "; " +
                     std::to_string(hazard.n_left) + " of " + std::to_string(hazard.n_patients) +
                     " patients left, in " + std::to_string(hazard.n_sessions) + " sessions\n\n";
  text += aligned(
      {"term", "b", "SE", "z", "p", logit ? "odds ratio" : "hazard ratio", percent(level) + " CI"},
      rows);
  if (hazard.frailty != Frailty::none)
    text += "Frailty of the " + frailty_name(hazard.frailty) + ": SD " +
            number(hazard.frailty_sd, 3) + ", χ² = " + number(hazard.frailty_statistic) +
            ", p = " + p_value(hazard.frailty_p_value) + " (boundary)\n";
  return text;
}

std::string retention_text(const Retention& retention) {
  std::vector<std::vector<std::string>> rows;
  for (const RetentionGroup& group : retention.groups) {
    const SurvivalCurve& curve = group.retention;
    const Index last = group.incidence.time.size() - 1;
    rows.push_back(
        {group.label,
         number(group.alliance_minimum, 1) + " to " + number(group.alliance_maximum, 1),
         std::to_string(curve.n), std::to_string(curve.n_events), number(curve.median, 1),
         interval_text(curve.median_ci, 1), number(curve.restricted_mean),
         number(curve.restricted_mean_standard_error), number(group.incidence.incidence(last, 0)),
         interval_text({group.incidence.ci_lower(last, 0), group.incidence.ci_upper(last, 0)}, 2)});
  }
  const double level = retention.groups.front().retention.median_ci.level;
  const std::string ci = percent(level) + " CI";
  std::string text =
      "Retention by the alliance of " +
      (retention.early_sessions == 1
           ? std::string("session 1")
           : "sessions 1 to " + std::to_string(retention.early_sessions)) +
      "\n\n" +
      aligned({"alliance", "range", "patients", "left", "median", ci,
               "mean to " + number(retention.groups.front().retention.restriction, 0), "SE",
               "incidence", ci},
              rows);
  const LogRankTest& test = retention.log_rank;
  text += "Log-rank test χ²(" + number(test.df, 0) + ") = " + number(test.statistic) +
          ", p = " + p_value(test.p_value) + "; trend χ²(1) = " + number(test.trend_statistic) +
          ", p = " + p_value(test.trend_p_value) + "\n";
  return text;
}

}  // namespace rapport::report
