#include <rapport/report/correlate.hpp>

#include <cmath>

namespace rapport::report {
namespace {

void set_known(Json& object, const char* key, double value) {
  if (!std::isnan(value)) object.set(key, value);
}

/// A count that weights may have made a fraction.
Json count(double n) {
  return n == std::floor(n) && std::abs(n) < 9e15 ? Json(static_cast<std::int64_t>(n)) : Json(n);
}

void set_interval(Json& object, const ConfidenceInterval& ci) {
  set_known(object, "ci_lower", ci.lower);
  set_known(object, "ci_upper", ci.upper);
}

/// A p-value that could not be computed, because the estimate could not, is null; one that the
/// method does not define is left out.
void set_test(Json& object, double statistic, double df, double p_value) {
  set_known(object, "statistic", statistic);
  if (df > 0) object.set("df", df);
  const Json* estimate = object.find("estimate");
  const bool undefined = estimate != nullptr && std::isnan(estimate->number());
  if (undefined || !std::isnan(p_value)) object.set("p_value", p_value);
}

void set_method(Json& object, PValueMethod method, double p_value) {
  if (!std::isnan(p_value)) object.set("exact", to_string(method));
}

Json estimate_object(double n, double estimate, double standard_error,
                     const ConfidenceInterval& ci) {
  Json object = Json::object({{"n", count(n)}, {"estimate", estimate}});
  set_known(object, "standard_error", standard_error);
  set_interval(object, ci);
  return object;
}

}  // namespace

Json to_json(const CorrelationResult& result) {
  Json object = estimate_object(result.n, result.estimate, result.standard_error, result.ci);
  set_test(object, result.statistic, result.df, result.p_value);
  set_method(object, result.p_value_method, result.p_value);
  return object;
}

Json to_json(const KendallResult& result) {
  Json object = estimate_object(result.n, result.estimate, result.standard_error, result.ci);
  set_test(object, result.statistic, missing, result.p_value);
  set_method(object, result.p_value_method, result.p_value);
  set_known(object, "s", result.s);
  set_known(object, "s_variance", result.s_variance);
  object.set("concordant", count(result.pairs.concordant));
  object.set("discordant", count(result.pairs.discordant));
  object.set("tied_x", count(result.pairs.tied_x));
  object.set("tied_y", count(result.pairs.tied_y));
  object.set("tied_both", count(result.pairs.tied_both));
  return object;
}

Json to_json(const RankBiserialResult& result) {
  Json object = estimate_object(result.n, result.estimate, result.standard_error, result.ci);
  set_test(object, result.statistic, missing, result.p_value);
  set_method(object, result.p_value_method, result.p_value);
  set_known(object, "u", result.u);
  set_known(object, "common_language", result.common_language);
  return object;
}

Json to_json(const RepeatedMeasuresResult& result) {
  Json object = estimate_object(static_cast<double>(result.n_used), result.estimate,
                                result.standard_error, result.ci);
  set_test(object, result.statistic, result.df, result.p_value);
  set_known(object, "slope", result.slope);
  object.set("clusters", result.clusters);
  return object;
}

Json to_json(const PolychoricResult& result) {
  Json object = estimate_object(static_cast<double>(result.n_used), result.estimate,
                                result.standard_error, result.ci);
  set_test(object, result.statistic, missing, result.p_value);
  set_known(object, "log_likelihood", result.log_likelihood);
  Json thresholds = Json::object();
  if (result.thresholds_x.size() > 0) thresholds.set("x", result.thresholds_x);
  if (result.thresholds_y.size() > 0) thresholds.set("y", result.thresholds_y);
  object.set("thresholds", thresholds);
  object.set("converged", result.converged);
  return object;
}

Json to_json(const CramerResult& result) {
  Json object =
      estimate_object(static_cast<double>(result.n_used), result.estimate, missing, result.ci);
  set_test(object, result.statistic, result.df, result.p_value);
  set_known(object, "bias_corrected", result.bias_corrected);
  set_known(object, "phi", result.phi);
  return object;
}

Json to_json(const EquivalenceResult& result) {
  Json object =
      estimate_object(static_cast<double>(result.n_used), result.estimate, missing, result.ci);
  set_known(object, "statistic_lower", result.statistic_lower);
  set_known(object, "statistic_upper", result.statistic_upper);
  set_known(object, "p_value", result.p_value);
  return object;
}

Json to_json(const WithinBetweenResult& result, const std::string& x, const std::string& y) {
  Json object = Json::object({{"n", result.n_used}, {"clusters", result.clusters}});
  object.set("within", to_json(result.within));
  object.set("between", to_json(result.between));
  Json icc = Json::object();
  icc.set(x, result.icc_x);
  icc.set(y, result.icc_y);
  object.set("icc", icc);
  return object;
}

Json to_json(const ComparisonResult& result) {
  Json correlations = Json::array();
  for (const double r : result.r) correlations.push_back(r);
  Json object = Json::object({{"difference", result.difference}, {"n", result.n_used}});
  object.set("correlations", correlations);
  Json tests = Json::array();
  for (const ComparisonTestResult& test : result.tests) {
    Json row = Json::object({{"test", to_string(test.test)}});
    set_test(row, test.statistic, test.df, test.p_value);
    set_interval(row, test.ci);
    tests.push_back(row);
  }
  object.set("tests", tests);
  return object;
}

Json to_json(const CorrelationMatrixResult& result, const std::vector<std::string>& names) {
  Json pairs = Json::array();
  for (Index i = 0; i < result.estimate.rows(); ++i)
    for (Index j = i + 1; j < result.estimate.cols(); ++j) {
      Json pair = Json::object(
          {{"x", names[static_cast<std::size_t>(i)]}, {"y", names[static_cast<std::size_t>(j)]}});
      pair.set("n", count(result.n(i, j)));
      pair.set("estimate", result.estimate(i, j));
      set_interval(pair, {.lower = result.ci_lower(i, j), .upper = result.ci_upper(i, j)});
      set_test(pair, result.statistic(i, j), missing, result.p_value(i, j));
      set_known(pair, "p_adjusted", result.p_adjusted(i, j));
      pairs.push_back(pair);
    }
  return Json::object({{"pairs", pairs}});
}

void set_bootstrap(Json& coefficient, const BootstrapResult& bootstrap) {
  coefficient.set("standard_error", bootstrap.standard_error);
  coefficient.set("ci_lower", bootstrap.ci.lower);
  coefficient.set("ci_upper", bootstrap.ci.upper);
  coefficient.set("bias", bootstrap.bias);
  coefficient.set("bootstrap_replicates", bootstrap.replicates.size());
}

}  // namespace rapport::report
