#include <rapport/report/imputation.hpp>
#include <rapport/report/text.hpp>

#include <cmath>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

std::string kind_name(ImputedKind kind) {
  switch (kind) {
    case ImputedKind::continuous:
      return "continuous";
    case ImputedKind::binary:
      return "binary";
    case ImputedKind::ordinal:
      return "ordinal";
  }
  return "";
}

std::string test_text(const std::string& name, const PooledTest& test) {
  return name + ": F(" + number(test.numerator_df, 0) + ", " + number(test.denominator_df, 1) +
         ") = " + number(test.statistic) + ", p = " + p_value(test.p_value) + "\n";
}

}  // namespace

Json to_json(const Imputation& imputation) {
  Json variables = Json::array();
  for (const ImputedVariable& v : imputation.variables)
    variables.push_back(Json::object({{"name", v.name},
                                      {"kind", kind_name(v.kind)},
                                      {"level", v.of_group ? "group" : "row"},
                                      {"missing", count(v.n_missing)}}));
  Json parameters = Json::array();
  for (const ImputationParameter& p : imputation.parameters)
    parameters.push_back(Json::object({{"parameter", p.name},
                                       {"r_hat", p.diagnostic.r_hat},
                                       {"autocorrelation", p.diagnostic.autocorrelation},
                                       {"effective_size", p.diagnostic.effective_size}}));
  return Json::object({{"imputations", count(static_cast<Index>(imputation.tables.size()))},
                       {"rows", count(imputation.n_used)},
                       {"omitted", count(imputation.n_omitted)},
                       {"variables", std::move(variables)},
                       {"largest_r_hat", imputation.largest_r_hat},
                       {"largest_autocorrelation", imputation.largest_autocorrelation},
                       {"parameters", std::move(parameters)}});
}

Json to_json(const PooledEstimate& p) {
  return Json::object({{"estimate", p.estimate},
                       {"standard_error", p.standard_error},
                       {"statistic", p.statistic},
                       {"df", p.df},
                       {"p_value", p.p_value},
                       {"ci_lower", p.ci.lower},
                       {"ci_upper", p.ci.upper},
                       {"relative_increase", p.relative_increase},
                       {"lambda", p.lambda},
                       {"missing_information", p.missing_information}});
}

Json to_json(const PooledTest& test) {
  return Json::object({{"statistic", test.statistic},
                       {"numerator_df", test.numerator_df},
                       {"denominator_df", test.denominator_df},
                       {"p_value", test.p_value},
                       {"relative_increase", test.relative_increase}});
}

Json to_json(const PooledFit& fit) {
  Json fixed = Json::array();
  for (std::size_t k = 0; k < fit.terms.size(); ++k) {
    Json row = Json::object({{"term", fit.terms[k]}});
    const Json values = to_json(fit.fixed.parameters[k]);
    for (const auto& [key, value] : values.members()) row.set(key, value);
    fixed.push_back(std::move(row));
  }
  Json tests = Json::array();
  for (const PooledTermTest& t : fit.tests) {
    Json row = Json::object({{"term", t.term}});
    const Json values = to_json(t.test);
    for (const auto& [key, value] : values.members()) row.set(key, value);
    tests.push_back(std::move(row));
  }
  Json random = Json::array();
  for (const PooledSpread& r : fit.random)
    random.push_back(Json::object({{"factor", r.factor},
                                   {"term", r.term},
                                   {"sd", r.sd},
                                   {"smallest", r.smallest},
                                   {"largest", r.largest}}));
  return Json::object({{"formula", fit.formula},
                       {"n", count(fit.n_used)},
                       {"imputations", count(fit.fixed.imputations)},
                       {"fixed_effects", std::move(fixed)},
                       {"tests", std::move(tests)},
                       {"random_effects", std::move(random)},
                       {"residual_sd", fit.residual_sd},
                       {"singular", count(fit.n_singular)}});
}

Json to_json(const PooledComparison& comparison) {
  Json json = Json::object({{"df", comparison.df}, {"d2", to_json(comparison.d2)}});
  if (comparison.d3) json.set("d3", to_json(*comparison.d3));
  json.set("statistics", Json(comparison.statistics));
  return json;
}

std::string imputation_text(const Imputation& imputation) {
  std::vector<std::vector<std::string>> rows;
  for (const ImputedVariable& v : imputation.variables)
    rows.push_back(
        {v.name, kind_name(v.kind), v.of_group ? "group" : "row", std::to_string(v.n_missing)});
  return std::to_string(imputation.tables.size()) + " imputations of " +
         std::to_string(imputation.n_used) + " rows; largest R-hat " +
         number(imputation.largest_r_hat, 3) + ", largest autocorrelation of successive draws " +
         number(imputation.largest_autocorrelation) + "\n\n" +
         aligned({"variable", "kind", "level", "missing"}, rows);
}

std::string pooled_text(const PooledFit& fit) {
  std::vector<std::vector<std::string>> rows;
  double level = 0.95;
  for (std::size_t k = 0; k < fit.terms.size(); ++k) {
    const PooledEstimate& p = fit.fixed.parameters[k];
    level = p.ci.level;
    rows.push_back({fit.terms[k], number(p.estimate, 3), number(p.standard_error, 3),
                    "[" + number(p.ci.lower, 3) + ", " + number(p.ci.upper, 3) + "]",
                    number(p.statistic), number(p.df, 1), p_value(p.p_value),
                    number(p.missing_information)});
  }
  const std::string ci = shortest_decimal(std::round(level * 1e4) / 1e2) + " % CI";
  std::string text = fit.formula + "\npooled over " + std::to_string(fit.fixed.imputations) +
                     " imputations of " + std::to_string(fit.n_used) + " rows\n\n" +
                     aligned({"term", "b", "SE", ci, "t", "df", "p", "missing information"}, rows);
  for (const PooledTermTest& t : fit.tests)
    if (t.test.numerator_df > 1) text += test_text(t.term, t.test);
  for (const PooledSpread& r : fit.random)
    text += "SD of " + r.term + " by " + r.factor + ": " + number(r.sd, 3) + " (" +
            number(r.smallest, 3) + " to " + number(r.largest, 3) + ")\n";
  if (!std::isnan(fit.residual_sd)) text += "Residual SD: " + number(fit.residual_sd, 3) + "\n";
  return text;
}

std::string pooled_comparison_text(const PooledComparison& comparison, const std::string& against) {
  std::string text = "Against " + against + "\n";
  if (comparison.d3) text += test_text("Likelihood ratio (D3)", *comparison.d3);
  return text + test_text("Combined χ² (D2)", comparison.d2);
}

}  // namespace rapport::report
