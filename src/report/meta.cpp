#include <rapport/base/missing.hpp>
#include <rapport/report/meta.hpp>

#include <cmath>

namespace rapport::report {
namespace {

Json to_json(const ConfidenceInterval& interval) {
  return Json::object({{"lower", interval.lower}, {"upper", interval.upper}});
}

void set_df(Json& json, const char* name, double df) {
  if (!std::isinf(df)) json.set(name, df);
}

Json to_json(const MetaWaldTest& test) {
  Json json = Json::object({{"statistic", test.statistic}, {"numerator_df", test.numerator_df}});
  set_df(json, "denominator_df", test.denominator_df);
  json.set("p_value", test.p_value);
  return json;
}

/// `intervals` may be empty.
Json variances_json(const std::vector<MetaVariance>& variances,
                    const std::vector<ConfidenceInterval>& intervals) {
  Json json = Json::array();
  for (std::size_t j = 0; j < variances.size(); ++j) {
    Json row = Json::object({{"factor", variances[j].level}, {"variance", variances[j].variance}});
    if (!intervals.empty()) {
      row.set("ci_lower", intervals[j].lower);
      row.set("ci_upper", intervals[j].upper);
    }
    row.set("i2", variances[j].i2);
    json.push_back(std::move(row));
  }
  return json;
}

Json coefficients_json(const std::vector<MetaCoefficient>& coefficients) {
  Json json = Json::array();
  for (const MetaCoefficient& coefficient : coefficients)
    json.push_back(report::to_json(coefficient));
  return json;
}

/// The summary and its intervals as correlations.
Json correlation_json(const MetaFit& fit) {
  const MetaCoefficient& mean = fit.coefficients[0];
  Json json = Json::object({{"estimate", std::tanh(mean.estimate)},
                            {"ci_lower", std::tanh(mean.ci.lower)},
                            {"ci_upper", std::tanh(mean.ci.upper)}});
  if (fit.prediction_interval) {
    json.set("prediction_lower", std::tanh(fit.prediction_interval->lower));
    json.set("prediction_upper", std::tanh(fit.prediction_interval->upper));
  }
  return json;
}

Json to_json(const MetaWithout& without) {
  return Json::object({{"estimate", without.estimate},
                       {"standard_error", without.standard_error},
                       {"p_value", without.p_value},
                       {"ci_lower", without.ci.lower},
                       {"ci_upper", without.ci.upper},
                       {"tau2", without.tau2},
                       {"i2", without.i2},
                       {"q", without.q},
                       {"cooks_distance", without.cooks_distance}});
}

Json to_json(const MetaInfluence& influence) {
  return Json::object({{"studentized_residual", influence.studentized_residual},
                       {"dffits", influence.dffits},
                       {"cooks_distance", influence.cooks_distance},
                       {"hat", influence.hat},
                       {"weight", influence.weight}});
}

Json to_json(const MetaPrediction& blup) {
  return Json::object({{"estimate", blup.estimate}, {"standard_error", blup.standard_error}});
}

Json to_json(const SelectionModel& model) {
  return Json::object({{"estimate", model.mean.estimate},
                       {"standard_error", model.mean.standard_error},
                       {"ci_lower", model.mean.ci.lower},
                       {"ci_upper", model.mean.ci.upper},
                       {"p_value", model.mean.p_value},
                       {"tau2", model.tau2},
                       {"weight", model.weight},
                       {"weight_lower", model.weight_ci.lower},
                       {"weight_upper", model.weight_ci.upper},
                       {"likelihood_ratio",
                        Json::object({{"statistic", model.statistic}, {"p_value", model.p_value}})},
                       {"significant", model.n_significant}});
}

/// Rows with the name of the effect each is of, or of the study that was left out.
template <class Rows>
Json rows_json(const std::vector<std::string>& names, const Rows& rows) {
  Json json = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Json row = to_json(rows[i]);
    if (rows.size() == names.size()) row.set("label", names[i]);
    json.push_back(std::move(row));
  }
  return json;
}

}  // namespace

Json to_json(const MetaCoefficient& coefficient) {
  Json json = Json::object({{"term", coefficient.term},
                            {"estimate", coefficient.estimate},
                            {"standard_error", coefficient.standard_error},
                            {"statistic", coefficient.statistic}});
  set_df(json, "df", coefficient.df);
  json.set("p_value", coefficient.p_value);
  json.set("ci_lower", coefficient.ci.lower);
  json.set("ci_upper", coefficient.ci.upper);
  return json;
}

Json to_json(const MetaFit& fit) {
  Json json = Json::object({{"k", fit.n_used},
                            {"studies", fit.n_studies},
                            {"method", to_string(fit.options.estimator)},
                            {"test", to_string(fit.options.test)},
                            {"coefficients", coefficients_json(fit.coefficients)}});
  if (!is_missing(fit.tau2)) json.set("tau2", fit.tau2);
  if (!is_missing(fit.tau2_standard_error))
    json.set("tau2_standard_error", fit.tau2_standard_error);
  if (fit.variances.size() > 1) json.set("variance_components", variances_json(fit.variances, {}));
  json.set("i2", fit.i2);
  if (!is_missing(fit.h2)) json.set("h2", fit.h2);
  json.set(
      "q",
      Json::object({{"statistic", fit.q.statistic}, {"df", fit.q.df}, {"p_value", fit.q.p_value}}));
  if (fit.moderators) json.set("moderators", to_json(*fit.moderators));
  if (fit.by_moderator.size() > 1) {
    Json tests = Json::array();
    for (const MetaWaldTest& test : fit.by_moderator) {
      Json row = Json::object({{"moderator", test.name}});
      const Json values = to_json(test);
      for (const auto& [key, value] : values.members()) row.set(key, value);
      tests.push_back(std::move(row));
    }
    json.set("moderator_tests", std::move(tests));
  }
  json.set("log_likelihood", fit.log_likelihood);
  json.set("aic", fit.aic);
  json.set("bic", fit.bic);
  if (fit.prediction_interval) json.set("prediction_interval", to_json(*fit.prediction_interval));
  return json;
}

Json to_json(const MetaBias& bias) {
  const TrimAndFill& trim = bias.trim_fill;
  const MetaCoefficient& filled = trim.fit.coefficients[0];
  return Json::object(
      {{"egger", Json::object({{"statistic", bias.egger.statistic},
                               {"df", bias.egger.df},
                               {"p_value", bias.egger.p_value},
                               {"intercept", bias.egger.intercept},
                               {"slope", bias.egger.slope}})},
       {"regression", Json::object({{"statistic", bias.regression.slope.statistic},
                                    {"p_value", bias.regression.slope.p_value},
                                    {"limit_estimate", bias.regression.limit.estimate}})},
       {"rank", Json::object({{"tau", bias.rank.tau}, {"p_value", bias.rank.p_value}})},
       {"trim_fill", Json::object({{"k0", trim.k0},
                                   {"side", trim.right ? "right" : "left"},
                                   {"estimate", filled.estimate},
                                   {"standard_error", filled.standard_error},
                                   {"tau2", trim.fit.tau2}})},
       {"pet_peese", Json::object({{"pet", to_json(bias.pet_peese.pet)},
                                   {"peese", to_json(bias.pet_peese.peese)},
                                   {"chosen", bias.pet_peese.use_peese ? "peese" : "pet"},
                                   {"estimate", bias.pet_peese.estimate}})},
       {"selection", to_json(bias.selection)},
       {"fail_safe_n", bias.fail_safe_n}});
}

Json to_json(const MetaLocationScaleFit& fit) {
  Json scale = to_json(fit.scale_moderators);
  scale.set("coefficients", coefficients_json(fit.scale));
  return Json::object({{"location", coefficients_json(fit.location)},
                       {"scale", std::move(scale)},
                       {"tau2", fit.tau2},
                       {"log_likelihood", fit.log_likelihood},
                       {"likelihood_ratio", Json::object({{"statistic", fit.likelihood_ratio},
                                                          {"p_value", fit.likelihood_ratio_p}})}});
}

Json to_json(const MultivariateMetaFit& fit) {
  return Json::object(
      {{"outcomes", fit.outcomes},
       {"coefficients", coefficients_json(fit.coefficients)},
       {"between_covariance", fit.between},
       {"between_correlation", fit.correlation},
       {"q", Json::object(
                 {{"statistic", fit.q.statistic}, {"df", fit.q.df}, {"p_value", fit.q.p_value}})},
       {"equal_means", to_json(fit.equal_means)},
       {"log_likelihood", fit.log_likelihood}});
}

Json to_json(const MetaReport& report) {
  Json json = to_json(*report.fit);
  if (!report.variance_intervals.empty())
    json.set("variance_components",
             variances_json(report.fit->variances, report.variance_intervals));
  if (report.tau2_interval) json.set("tau2_interval", to_json(*report.tau2_interval));
  if (report.correlations && report.fit->coefficients.size() == 1)
    json.set("correlation", correlation_json(*report.fit));
  if (!report.robust.empty()) json.set("robust", coefficients_json(report.robust));
  if (report.bias) json.set("bias", to_json(*report.bias));
  if (!report.leave_one_out.empty())
    json.set("leave_one_out",
             rows_json(report.data.study.empty() ? report.data.labels : report.data.studies,
                       report.leave_one_out));
  if (!report.influence.empty())
    json.set("influence", rows_json(report.data.labels, report.influence));
  if (!report.blups.empty()) json.set("blups", rows_json(report.data.labels, report.blups));
  if (report.equivalence)
    json.set("equivalence", Json::object({{"lower_statistic", report.equivalence->lower_statistic},
                                          {"upper_statistic", report.equivalence->upper_statistic},
                                          {"p_value", report.equivalence->p_value},
                                          {"ci_lower", report.equivalence->ci.lower},
                                          {"ci_upper", report.equivalence->ci.upper}}));
  if (report.location_scale) json.set("location_scale", to_json(*report.location_scale));
  if (report.multivariate) json.set("multivariate", to_json(*report.multivariate));
  return json;
}

}  // namespace rapport::report
