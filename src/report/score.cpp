#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/report/score.hpp>

#include <algorithm>
#include <string_view>

namespace rapport::report {
namespace {

Json summary_of(const Eigen::VectorXd& values) {
  const Moments m = moments(values);
  return Json::object(
      {{"n", m.n_used}, {"mean", m.mean}, {"sd", m.sd}, {"min", m.minimum}, {"max", m.maximum}});
}

Json label_of(const std::vector<Band>& bands, double value) {
  const int at = band_of(bands, value);
  return at < 0 ? Json() : Json(bands[static_cast<std::size_t>(at)].label);
}

Json interval_members(Json object, const ConfidenceInterval& ci) {
  object.set("ci_lower", ci.lower);
  object.set("ci_upper", ci.upper);
  return object;
}

Json half_json(const SplitHalf& half) {
  return Json::object(
      {{"r", half.r}, {"spearman_brown", half.spearman_brown}, {"rulon", half.rulon}});
}

std::string_view to_text(AlphaInterval interval) {
  switch (interval) {
    case AlphaInterval::feldt:
      return "feldt";
    case AlphaInterval::asymptotic:
      return "asymptotic";
    case AlphaInterval::distribution_free:
      return "distribution-free";
  }
  return "";
}

bool has_bands(const Instrument& instrument) {
  return std::any_of(instrument.subscales.begin(), instrument.subscales.end(),
                     [](const Score& score) { return !score.bands.empty(); });
}

Json row_json(const Instrument& instrument, const ScaleScores& scores, const ScoreSheet& sheet,
              Index i) {
  const auto at = static_cast<std::size_t>(i);
  Json row = Json::object();
  if (!sheet.id_names.empty()) {
    Json id = Json::object();
    for (std::size_t c = 0; c < sheet.id_names.size(); ++c)
      id.set(sheet.id_names[c], sheet.ids[at][c]);
    row.set("id", id);
  }
  row.set("total", scores.total[i]);
  Json subscales = Json::object();
  Json bands = Json::object();
  for (std::size_t s = 0; s < instrument.subscales.size(); ++s) {
    const double value = scores.subscales(i, static_cast<Index>(s));
    subscales.set(instrument.subscales[s].name, value);
    if (!instrument.subscales[s].bands.empty())
      bands.set(instrument.subscales[s].name, label_of(instrument.subscales[s].bands, value));
  }
  row.set("subscales", subscales);
  row.set("missing", scores.missing[i]);
  row.set("band", label_of(instrument.total.bands, scores.total[i]));
  if (has_bands(instrument)) row.set("subscale_bands", bands);
  if (!sheet.criteria.empty())
    row.set("criterion",
            sheet.criteria[at] < 0
                ? Json()
                : Json(instrument.criteria[static_cast<std::size_t>(sheet.criteria[at])].label));
  return row;
}

}  // namespace

Json to_json(const Instrument& instrument, const ScaleScores& scores, const ScoreSheet& sheet) {
  Json rows = Json::array();
  const Eigen::VectorXd t = sheet.norms ? t_scores(scores.total, *sheet.norms) : Eigen::VectorXd();
  const Eigen::VectorXd percentiles =
      sheet.norms ? normal_percentiles(scores.total, *sheet.norms) : Eigen::VectorXd();
  for (Index i = 0; i < scores.total.size(); ++i) {
    Json row = row_json(instrument, scores, sheet, i);
    if (sheet.norms) {
      row.set("t_score", t[i]);
      row.set("percentile", percentiles[i]);
    }
    rows.push_back(std::move(row));
  }
  Json subscales = Json::object();
  for (std::size_t s = 0; s < instrument.subscales.size(); ++s)
    subscales.set(instrument.subscales[s].name,
                  summary_of(scores.subscales.col(static_cast<Index>(s))));
  return Json::object(
      {{"instrument", instrument.name},
       {"key", Json::object({{"version", instrument.version},
                             {"confidence", rapport::to_text(instrument.confidence)},
                             {"fingerprint", fingerprint(instrument)}})},
       {"rows", rows},
       {"summary", Json::object({{"total", summary_of(scores.total)}, {"subscales", subscales}})}});
}

Json to_json(const std::vector<Finding>& findings, const std::vector<std::string>& item_names,
             const std::vector<std::string>& ids, Index rows) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    std::vector<std::string> items;
    for (const Index item : finding.items)
      items.push_back(item_names[static_cast<std::size_t>(item)]);
    std::vector<std::string> row_ids;
    Json numbers = Json::array();
    for (const Index row : finding.rows) {
      numbers.push_back(row + 1);
      if (!ids.empty()) row_ids.push_back(ids[static_cast<std::size_t>(row)]);
    }
    list.push_back(Json::object({{"kind", rapport::to_text(finding.kind)},
                                 {"severity", rapport::to_text(finding.severity)},
                                 {"items", Json(items)},
                                 {"rows", numbers},
                                 {"ids", Json(row_ids)},
                                 {"columns", Json(finding.columns)},
                                 {"message", finding.message}}));
  }
  return Json::object({{"findings", list}, {"rows", rows}, {"clean", findings.empty()}});
}

std::string one_line(const Finding& finding) {
  constexpr std::size_t most = 10;
  std::string text = std::string(rapport::to_text(finding.kind)) + ": " + finding.message;
  if (finding.rows.empty()) return text;
  text += finding.rows.size() == 1 ? " (row " : " (rows ";
  for (std::size_t i = 0; i < std::min(most, finding.rows.size()); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(finding.rows[i] + 1);
  return text + (finding.rows.size() > most ? ", …)" : ")");
}

Json to_json(const AlphaResult& alpha) {
  Json out = interval_members(
      Json::object({{"estimate", alpha.estimate}, {"standard_error", alpha.standard_error}}),
      alpha.ci);
  out.set("method", to_text(alpha.method));
  return out;
}

Json to_json(const ReliabilityResult& result, const std::vector<std::string>& item_names,
             const std::vector<bool>& reversed) {
  Json items = Json::array();
  for (std::size_t j = 0; j < result.items.size(); ++j) {
    const ItemStatistic& item = result.items[j];
    items.push_back(Json::object({{"item", item_names[j]},
                                  {"n", item.n},
                                  {"mean", item.mean},
                                  {"sd", item.sd},
                                  {"r_total", item.r_total},
                                  {"r_corrected", item.r_corrected},
                                  {"r_drop", item.r_drop},
                                  {"alpha_if_dropped", item.alpha_if_dropped},
                                  {"reversed", static_cast<bool>(reversed[j])}}));
  }
  const GuttmanLambdas& g = result.guttman;
  const SplitHalves& s = result.split_half;
  return Json::object({{"items", static_cast<std::int64_t>(result.items.size())},
                       {"n", result.alpha.n_used},
                       {"n_omitted", result.alpha.n_omitted},
                       {"alpha", to_json(result.alpha)},
                       {"alpha_standardized", result.alpha.standardized},
                       {"guttman", Json::object({{"lambda1", g.lambda1},
                                                 {"lambda2", g.lambda2},
                                                 {"lambda3", g.lambda3},
                                                 {"lambda4", g.lambda4},
                                                 {"lambda5", g.lambda5},
                                                 {"lambda6", g.lambda6}})},
                       {"split_half", Json::object({{"minimum", s.minimum},
                                                    {"maximum", s.maximum},
                                                    {"mean", s.mean},
                                                    {"exact", s.exact},
                                                    {"odd_even", half_json(s.odd_even)},
                                                    {"first_second", half_json(s.first_second)}})},
                       {"mean_inter_item_r", result.alpha.mean_inter_item_correlation},
                       {"sem", result.standard_error_of_measurement},
                       {"item_statistics", items}});
}

Json to_json(const OmegaResult& omega) {
  Json out = interval_members(
      Json::object({{"total", omega.total}, {"standard_error", omega.standard_error}}), omega.ci);
  out.set("n", omega.n_used);
  out.set("loadings", Json(omega.loadings));
  out.set("uniquenesses", Json(omega.uniquenesses));
  out.set("chi_square", omega.chi_square);
  out.set("df", omega.df);
  out.set("heywood", omega.heywood);
  return out;
}

Json to_json(const HierarchicalOmega& omega, const std::vector<std::string>& item_names) {
  Json loadings = Json::array();
  for (std::size_t j = 0; j < item_names.size(); ++j) {
    const auto at = static_cast<Index>(j);
    Json row = Json::object({{"item", item_names[j]}, {"general", omega.general[at]}});
    for (Index f = 0; f < omega.group.cols(); ++f)
      row.set("factor_" + std::to_string(f + 1), omega.group(at, f));
    row.set("uniqueness", omega.uniquenesses[at]);
    loadings.push_back(std::move(row));
  }
  return Json::object({{"hierarchical", omega.hierarchical},
                       {"total", omega.total},
                       {"asymptotic", omega.asymptotic},
                       {"factor_correlation", Json(omega.factor_correlation)},
                       {"schmid_leiman", loadings}});
}

Json to_json(const MultilevelReliability& result) {
  const AnswerVariances& v = result.variances;
  const NestedVariances& n = result.nested;
  return Json::object({{"RkF", result.rkf},
                       {"R1F", result.r1f},
                       {"R1R", result.r1r},
                       {"RkR", result.rkr},
                       {"Rc", result.rc},
                       {"RkRn", result.rkrn},
                       {"Rcn", result.rcn},
                       {"omega_within", result.omega_within},
                       {"omega_between", result.omega_between},
                       {"variance_components", Json::object({{"person", v.person},
                                                             {"occasion", v.occasion},
                                                             {"item", v.item},
                                                             {"person_occasion", v.person_occasion},
                                                             {"person_item", v.person_item},
                                                             {"occasion_item", v.occasion_item},
                                                             {"residual", v.residual}})},
                       {"nested_components", Json::object({{"person", n.person},
                                                           {"occasion_in_person", n.occasion},
                                                           {"residual", n.residual}})},
                       {"method", result.method == VarianceMethod::mean_squares ? "anova" : "reml"},
                       {"persons", result.persons},
                       {"occasions", result.occasions},
                       {"items", result.items},
                       {"answers", result.n_used},
                       {"missing", result.n_omitted}});
}

Json to_json(const AlphaComparison& comparison) {
  return Json::object({{"statistic", comparison.statistic},
                       {"df", comparison.df},
                       {"p_value", comparison.p_value}});
}

Json to_json(const RaterReliability& result, const std::vector<std::string>& item_names) {
  Json raters = Json::array();
  for (std::size_t r = 0; r < result.raters.size(); ++r)
    raters.push_back(
        Json::object({{"rater", result.raters[r]}, {"alpha", to_json(result.alphas[r])}}));
  Json items = Json::array();
  for (std::size_t j = 0; j < item_names.size(); ++j) {
    Json r_drop = Json::object({});
    for (std::size_t r = 0; r < result.raters.size(); ++r)
      r_drop.set(result.raters[r], result.r_drop(static_cast<Index>(j), static_cast<Index>(r)));
    items.push_back(Json::object({{"item", item_names[j]}, {"r_drop", std::move(r_drop)}}));
  }
  Json differences = Json::array();
  for (const AlphaDifference& d : result.differences)
    differences.push_back(
        Json::object({{"first", result.raters[static_cast<std::size_t>(d.first)]},
                      {"second", result.raters[static_cast<std::size_t>(d.second)]},
                      {"difference", d.difference},
                      {"test", to_json(d.test)}}));
  return Json::object({{"n", result.n_used},
                       {"n_omitted", result.n_omitted},
                       {"raters", raters},
                       {"test", to_json(result.test)},
                       {"differences", differences},
                       {"correlation", Json(result.correlation)},
                       {"items", items}});
}

Json to_json(const RetestResult& result) {
  return interval_members(Json::object({{"r", result.estimate},
                                        {"mean_change", result.mean_change},
                                        {"sd_change", result.sd_change},
                                        {"sem", result.standard_error_of_measurement},
                                        {"n", result.n_used},
                                        {"n_omitted", result.n_omitted}}),
                          result.ci);
}

Json to_json(const ChangeResult& result, const std::vector<std::string>& persons) {
  Json list = Json::array();
  for (std::size_t i = 0; i < result.persons.size(); ++i) {
    const PersonChange& p = result.persons[i];
    list.push_back(Json::object({{"person", persons[static_cast<std::size_t>(result.rows[i])]},
                                 {"pre", p.pre},
                                 {"post", p.post},
                                 {"change", p.change},
                                 {"rci", p.index},
                                 {"class", rapport::to_text(p.classified)}}));
  }
  Json out = Json::object({{"sem", result.standard_error_of_measurement},
                           {"standard_error_difference", result.standard_error_difference}});
  if (result.reliable_change_threshold == result.reliable_change_threshold)
    out.set("reliable_change_threshold", result.reliable_change_threshold);
  out.set("critical", result.critical);
  out.set("cutoff", Json::object({{"a", result.cutoff.a},
                                  {"b", result.cutoff.b},
                                  {"c", result.cutoff.c},
                                  {"used", result.cutoff.used}}));
  out.set("persons", list);
  out.set("counts", Json::object({{"recovered", result.counts.recovered},
                                  {"improved", result.counts.improved},
                                  {"unchanged", result.counts.unchanged},
                                  {"deteriorated", result.counts.deteriorated}}));
  return out;
}

Json to_json(const ExpectedChange& result, const std::vector<std::string>& persons) {
  Json list = Json::array();
  for (std::size_t i = 0; i < persons.size(); ++i) {
    const auto at = static_cast<Index>(i);
    if (is_missing(result.expected[at])) continue;
    list.push_back(Json::object({{"person", persons[i]},
                                 {"expected", result.expected[at]},
                                 {"lower", result.lower[at]},
                                 {"upper", result.upper[at]},
                                 {"discrepancy", result.discrepancy[at]}}));
  }
  return Json::object({{"n", result.n_used},
                       {"intercept", result.intercept},
                       {"slope", result.slope},
                       {"residual_sd", result.residual_sd},
                       {"level", result.level},
                       {"persons", list}});
}

Json to_json(const SuddenGainResult& result, const std::vector<std::string>& persons,
             const std::vector<std::string>& sessions) {
  Json events = Json::array();
  for (const SuddenGain& gain : result.events)
    events.push_back(Json::object({{"id", persons[static_cast<std::size_t>(gain.person)]},
                                   {"from", sessions[static_cast<std::size_t>(gain.from)]},
                                   {"to", sessions[static_cast<std::size_t>(gain.from + 1)]},
                                   {"pre", gain.pre},
                                   {"post", gain.post},
                                   {"magnitude", gain.magnitude},
                                   {"change_proportion", gain.change_proportion},
                                   {"reversal_value", gain.reversal_value},
                                   {"reversal", gain.reversal}}));
  Json intervals = Json::array();
  for (std::size_t i = 0; i < result.gains.size(); ++i)
    intervals.push_back(
        Json::object({{"interval", std::to_string(i + 2) + "to" + std::to_string(i + 3)},
                      {"gains", result.gains[i]}}));
  return Json::object({{"total", static_cast<std::int64_t>(result.events.size())},
                       {"persons", result.persons},
                       {"testable", result.testable},
                       {"untestable", result.untestable},
                       {"events", events},
                       {"intervals", intervals}});
}

}  // namespace rapport::report
