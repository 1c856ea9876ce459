#include <rapport/report/dropout.hpp>
#include <rapport/report/imputation.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <cmath>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

Json test_json(double statistic, double df, double p) {
  return Json::object({{"statistic", statistic}, {"df", df}, {"p_value", p}});
}

Json terms_json(const std::vector<JointTerm>& terms) {
  Json rows = Json::array();
  for (const JointTerm& t : terms)
    rows.push_back(Json::object({{"term", t.term},
                                 {"estimate", t.estimate},
                                 {"standard_error", t.standard_error},
                                 {"statistic", t.statistic},
                                 {"p_value", t.p_value},
                                 {"ci_lower", t.ci.lower},
                                 {"ci_upper", t.ci.upper},
                                 {"separate", t.separate},
                                 {"separate_standard_error", t.separate_standard_error}}));
  return rows;
}

std::string with_error(double estimate, double standard_error) {
  return number(estimate, 3) + " (" + number(standard_error, 3) + ")";
}

}  // namespace

Json to_json(const PatternMixture& mixture) {
  Json patterns = Json::array();
  for (const DropoutPattern& p : mixture.patterns)
    patterns.push_back(
        Json::object({{"pattern", p.name}, {"patients", count(p.patients)}, {"share", p.share}}));
  Json terms = Json::array();
  for (const PatternMixtureTerm& t : mixture.terms) {
    Json by_pattern = Json::array();
    for (const ContrastEstimate& estimate : t.by_pattern) by_pattern.push_back(to_json(estimate));
    terms.push_back(Json::object({{"term", t.term},
                                  {"average", to_json(t.average)},
                                  {"ignorable", to_json(t.ignorable)},
                                  {"by_pattern", std::move(by_pattern)}}));
  }
  return Json::object({{"formula", mixture.formula},
                       {"n", count(mixture.n_used)},
                       {"patterns", std::move(patterns)},
                       {"terms", std::move(terms)},
                       {"difference", test_json(mixture.statistic, mixture.df, mixture.p_value)}});
}

Json to_json(const JointModel& model) {
  return Json::object({{"outcome_formula", model.outcome_formula},
                       {"hazard_formula", model.hazard_formula},
                       {"link", std::string(to_string(model.link))},
                       {"shared", model.shared == SharedPart::current ? "current" : "effects"},
                       {"patients", count(model.n_patients)},
                       {"outcomes", count(model.n_outcomes)},
                       {"sessions", count(model.n_sessions)},
                       {"left", count(model.n_left)},
                       {"association", terms_json(model.association)},
                       {"outcome", terms_json(model.outcome)},
                       {"hazard", terms_json(model.hazard)},
                       {"random_sd", Json(model.random_sd)},
                       {"random_covariance", Json(model.random_covariance)},
                       {"residual_sd", model.residual_sd},
                       {"log_likelihood", model.log_likelihood},
                       {"separate_log_likelihood", model.separate_log_likelihood},
                       {"test", test_json(model.statistic, model.df, model.p_value)},
                       {"converged", model.converged}});
}

Json to_json(const TippingPoint& tipping) {
  Json rows = Json::array();
  for (const TippingRow& r : tipping.rows) {
    Json row = Json::object({{"delta", r.delta}});
    const Json values = to_json(r.effect);
    for (const auto& [key, value] : values.members()) row.set(key, value);
    rows.push_back(std::move(row));
  }
  return Json::object({{"formula", tipping.formula},
                       {"outcome", tipping.outcome},
                       {"term", tipping.term},
                       {"shifted", count(tipping.n_shifted)},
                       {"tipping_delta", tipping.tipping_delta},
                       {"rows", std::move(rows)}});
}

std::string pattern_mixture_text(const PatternMixture& mixture) {
  std::vector<std::string> header = {"term"};
  for (const DropoutPattern& p : mixture.patterns)
    header.push_back(p.name + ", n = " + std::to_string(p.patients));
  header.insert(header.end(), {"average", "p", "ignorable", "p"});
  std::vector<std::vector<std::string>> rows;
  for (const PatternMixtureTerm& t : mixture.terms) {
    std::vector<std::string> row = {t.term};
    for (const ContrastEstimate& e : t.by_pattern)
      row.push_back(with_error(e.estimate, e.standard_error));
    row.insert(row.end(), {with_error(t.average.estimate, t.average.standard_error),
                           p_value(t.average.p_value),
                           with_error(t.ignorable.estimate, t.ignorable.standard_error),
                           p_value(t.ignorable.p_value)});
    rows.push_back(row);
  }
  return "Pattern mixture\n" + mixture.formula + "\n\n" + aligned(header, rows) +
         "Patterns differ: χ²(" + number(mixture.df, 0) + ") = " + number(mixture.statistic) +
         ", p = " + p_value(mixture.p_value) + "\n";
}

std::string joint_text(const JointModel& model) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& part, const std::vector<JointTerm>& terms) {
    for (const JointTerm& t : terms)
      rows.push_back({part, t.term, with_error(t.estimate, t.standard_error), number(t.statistic),
                      p_value(t.p_value),
                      std::isnan(t.separate_standard_error)
                          ? "–"
                          : with_error(t.separate, t.separate_standard_error)});
  };
  add("shared", model.association);
  add("outcome", model.outcome);
  add("hazard", model.hazard);
  return "Outcome and dropout together\n" + model.outcome_formula + "\n" + model.hazard_formula +
         " + what is shared\n\n" + aligned({"part", "term", "joint", "z", "p", "separate"}, rows) +
         "Nothing shared: χ²(" + number(model.df, 0) + ") = " + number(model.statistic) +
         ", p = " + p_value(model.p_value) + "\n";
}

std::string tipping_text(const TippingPoint& tipping) {
  std::vector<std::vector<std::string>> rows;
  for (const TippingRow& r : tipping.rows)
    rows.push_back({number(r.delta, 2), with_error(r.effect.estimate, r.effect.standard_error),
                    number(r.effect.df, 1), p_value(r.effect.p_value)});
  return tipping.term + " when " + std::to_string(tipping.n_shifted) + " imputed values of " +
         tipping.outcome + " after dropout are moved\n\n" +
         aligned({"delta", "b (SE)", "df", "p"}, rows) +
         (std::isnan(tipping.tipping_delta)
              ? "p crosses the level at none of these\n"
              : "p crosses the level at a delta of " + number(tipping.tipping_delta) + "\n");
}

}  // namespace rapport::report
