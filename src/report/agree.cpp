#include <rapport/base/missing.hpp>
#include <rapport/report/agree.hpp>

#include <cmath>

namespace rapport::report {
namespace {

void set_interval(Json& json, const ConfidenceInterval& ci) {
  json.set("ci_lower", ci.lower);
  json.set("ci_upper", ci.upper);
}

/// A member that some results do not define: left out where it is missing.
void set_known(Json& json, const char* key, double value) {
  if (!is_missing(value)) json.set(key, value);
}

/// What the ratings were.
Json ratings_head(Index subjects, Index raters, Index omitted) {
  return Json::object({{"subjects", subjects}, {"raters", raters}, {"omitted", omitted}});
}

void set_estimate(Json& json, double estimate, double standard_error,
                  const ConfidenceInterval& ci) {
  json.set("estimate", estimate);
  json.set("standard_error", standard_error);
  set_interval(json, ci);
}

void set_test(Json& json, double statistic, double df, double p_value) {
  json.set("statistic", statistic);
  json.set("df", df);
  json.set("p_value", p_value);
}

Json estimate_object(double estimate, double standard_error, const ConfidenceInterval& ci) {
  Json json = Json::object({});
  set_estimate(json, estimate, standard_error, ci);
  return json;
}

const char* name_of(IccModel model) {
  switch (model) {
    case IccModel::one_way_random:
      return "one-way random";
    case IccModel::two_way_random:
      return "two-way random";
    case IccModel::two_way_mixed:
      return "two-way mixed";
  }
  return "";
}

Json form_object(const IccForm& form) {
  Json json = Json::object({{"form", form.form},
                            {"name", form.name},
                            {"model", name_of(form.model)},
                            {"type", form.type == IccType::agreement ? "agreement" : "consistency"},
                            {"unit", form.unit == IccUnit::single ? "single" : "average"},
                            {"estimate", form.estimate},
                            {"f", form.f},
                            {"df1", form.df1},
                            {"df2", form.df2},
                            {"p_value", form.p_value}});
  set_interval(json, form.ci);
  return json;
}

Json limit_object(const LimitOfAgreement& limit) {
  return estimate_object(limit.estimate, limit.standard_error, limit.ci);
}

Json numbers(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(value);
  return json;
}

Json decision_object(const Decision& d, StudyDesign design) {
  Json json = Json::object({{"raters", d.raters}});
  if (design != StudyDesign::raters) json.set("occasions", d.occasions);
  if (design == StudyDesign::raters_occasions_items) json.set("items", d.items);
  json.set("relative_error", d.relative_error);
  json.set("absolute_error", d.absolute_error);
  json.set("generalizability", d.generalizability);
  json.set("dependability", d.dependability);
  return json;
}

Json axis_object(const Axis& axis) {
  return Json::object({{"intercept", axis.intercept},
                       {"slope", axis.slope},
                       {"intercept_standard_error", axis.intercept_standard_error},
                       {"slope_standard_error", axis.slope_standard_error}});
}

Json parameter_row(const char* key, const Parameter& p) {
  Json row = Json::object({{key, p.name}});
  const Json values = to_json(p);
  for (const auto& [name, value] : values.members()) row.set(name, value);
  return row;
}

}  // namespace

Json to_json(const KappaResult& r) {
  Json json = ratings_head(r.n_used, 2, r.n_omitted);
  json.set("observed", r.observed);
  json.set("expected", r.expected);
  set_estimate(json, r.estimate, r.standard_error, r.ci);
  json.set("statistic", r.statistic);
  json.set("p_value", r.p_value);
  json.set("standard_error_null", r.standard_error_null);
  set_known(json, "maximum", r.maximum);
  set_known(json, "prevalence_index", r.prevalence_index);
  set_known(json, "bias_index", r.bias_index);
  set_known(json, "adjusted", r.adjusted);
  json.set("table", r.table);
  return json;
}

Json to_json(const LightKappaResult& r) {
  Json json = ratings_head(r.n_used, r.pairs.rows(), r.n_omitted);
  json.set("observed", r.observed);
  json.set("expected", r.expected);
  set_estimate(json, r.estimate, r.standard_error, r.ci);
  json.set("pairs", r.pairs);
  return json;
}

Json to_json(const ChanceCorrectedResult& r, const std::vector<std::string>& categories) {
  Json json = ratings_head(r.n_used, r.raters, r.n_omitted);
  json.set("observed", r.observed);
  json.set("expected", r.expected);
  set_estimate(json, r.estimate, r.standard_error, r.ci);
  set_test(json, r.statistic, r.df, r.p_value);
  if (r.by_category.empty()) return json;
  json.set("standard_error_null", r.standard_error_null);
  Json rows = Json::array();
  for (std::size_t k = 0; k < r.by_category.size(); ++k) {
    const CategoryAgreement& c = r.by_category[k];
    rows.push_back(Json::object({{"category", categories[k]},
                                 {"proportion", c.proportion},
                                 {"estimate", c.estimate},
                                 {"standard_error_null", c.standard_error_null},
                                 {"statistic", c.statistic},
                                 {"p_value", c.p_value}}));
  }
  json.set("by_category", std::move(rows));
  return json;
}

Json to_json(const PercentAgreementResult& r) {
  Json json = ratings_head(r.n_used, r.raters, r.n_omitted);
  set_estimate(json, r.estimate, r.standard_error, r.ci);
  return json;
}

Json to_json(const KrippendorffResult& r) {
  Json json = Json::object({{"subjects", r.units},
                            {"raters", r.raters},
                            {"units", r.units},
                            {"values", r.n_values},
                            {"omitted", r.n_omitted},
                            {"observed_disagreement", r.observed_disagreement},
                            {"expected_disagreement", r.expected_disagreement},
                            {"estimate", r.estimate},
                            {"standard_error", r.standard_error}});
  set_interval(json, r.ci);
  set_test(json, r.statistic, r.df, r.p_value);
  if (r.coincidences.size() > 0) json.set("coincidences", r.coincidences);
  return json;
}

Json to_json(const BootstrapResult& r) {
  Json json = estimate_object(r.estimate, r.standard_error, r.ci);
  json.set("bias", r.bias);
  json.set("replicates", static_cast<std::int64_t>(r.replicates.size()));
  json.set("undefined", r.n_undefined);
  return json;
}

Json to_json(const IccResult& r) {
  Json forms = Json::array();
  for (const IccForm& form : r.forms) forms.push_back(form_object(form));
  return Json::object({{"method", r.method == IccMethod::anova ? "anova" : "mixed"},
                       {"subjects", r.n_used},
                       {"raters", r.raters},
                       {"ratings", r.n_ratings},
                       {"omitted", r.n_omitted},
                       {"forms", std::move(forms)},
                       {"variance_components", Json::object({{"subject", r.components.subject},
                                                             {"rater", r.components.rater},
                                                             {"residual", r.components.residual}})},
                       {"standard_error_of_measurement", r.standard_error_of_measurement},
                       {"smallest_detectable_change", r.smallest_detectable_change}});
}

Json to_json(const BlandAltmanResult& r) {
  Json bias = estimate_object(r.bias, r.standard_error, r.ci);
  set_test(bias, r.statistic, r.df, r.p_value);
  Json json = Json::object(
      {{"subjects", r.n_used},
       {"omitted", r.n_omitted},
       {"bias", std::move(bias)},
       {"sd", r.sd},
       {"lower_limit", limit_object(r.lower)},
       {"upper_limit", limit_object(r.upper)},
       {"proportional_bias", Json::object({{"slope", r.proportional.slope},
                                           {"intercept", r.proportional.intercept},
                                           {"standard_error", r.proportional.standard_error},
                                           {"p_value", r.proportional.p_value}})}});
  if (!r.within_variance.empty()) {
    json.set("within_variance", numbers(r.within_variance));
    json.set("repeatability", numbers(r.repeatability));
  }
  return json;
}

Json to_json(const ConcordanceResult& r) {
  Json json = Json::object({{"subjects", r.n_used},
                            {"omitted", r.n_omitted},
                            {"estimate", r.estimate},
                            {"standard_error", r.standard_error}});
  set_interval(json, r.ci);
  set_known(json, "pearson", r.pearson);
  set_known(json, "bias_correction", r.bias_correction);
  set_known(json, "location_shift", r.location_shift);
  set_known(json, "scale_shift", r.scale_shift);
  return json;
}

Json to_json(const KendallWResult& r) {
  Json json = ratings_head(r.n_used, r.raters, r.n_omitted);
  json.set("estimate", r.estimate);
  json.set("estimate_tied", r.estimate_tied);
  set_test(json, r.statistic, r.df, r.p_value);
  json.set("mean_spearman", r.mean_spearman);
  return json;
}

Json to_json(const FinnResult& r) {
  Json json = ratings_head(r.n_used, r.raters, r.n_omitted);
  json.set("estimate", r.estimate);
  set_test(json, r.statistic, r.df, r.p_value);
  return json;
}

Json to_json(const RobinsonResult& r) {
  Json json = ratings_head(r.n_used, r.raters, r.n_omitted);
  json.set("estimate", r.estimate);
  return json;
}

Json to_json(const MaxwellResult& r) {
  return Json::object(
      {{"subjects", r.n_used}, {"estimate", r.estimate}, {"standard_error", r.standard_error}});
}

Json to_json(const MarginalTest& r) {
  return Json::object(
      {{"subjects", r.n_used}, {"statistic", r.statistic}, {"df", r.df}, {"p_value", r.p_value}});
}

Json to_json(const McNemarResult& r) {
  Json json = Json::object(
      {{"subjects", r.n_used}, {"statistic", r.statistic}, {"df", r.df}, {"p_value", r.p_value}});
  set_known(json, "exact_p_value", r.exact_p_value);
  set_known(json, "mid_p_value", r.mid_p_value);
  set_known(json, "odds_ratio", r.odds_ratio);
  return json;
}

Json to_json(const WithinGroupResult& r, std::string_view name) {
  Json groups = Json::array();
  for (const GroupAgreement& one : r.groups)
    groups.push_back(Json::object({{"group", one.group},
                                   {"n", one.n},
                                   {std::string(name), one.value},
                                   {"truncated", one.truncated}}));
  return Json::object({{"groups", std::move(groups)},
                       {"mean", r.mean},
                       {"used", r.n_used},
                       {"omitted", r.n_omitted}});
}

Json to_json(const GroupIccResult& r) {
  return Json::object({{"icc1", r.icc1},
                       {"icc2", r.icc2},
                       {"f", r.f},
                       {"df1", r.df1},
                       {"df2", r.df2},
                       {"p_value", r.p_value},
                       {"eta_squared", r.eta_squared},
                       {"k", r.k},
                       {"groups", r.groups},
                       {"used", r.n_used},
                       {"omitted", r.n_omitted}});
}

Json to_json(const GeneralizabilityResult& r, const std::vector<Decision>& decisions) {
  Json components = Json::array();
  for (const VarianceSource& one : r.components)
    components.push_back(Json::object({{"source", one.source},
                                       {"df", one.df},
                                       {"mean_square", one.mean_square},
                                       {"variance", one.variance}}));
  Json json = Json::object(
      {{"subjects", r.subjects}, {"omitted", r.n_omitted}, {"components", std::move(components)}});
  const Json observed = decision_object(r.observed, r.design);
  for (const auto& [key, value] : observed.members()) json.set(key, value);
  Json d_study = Json::array();
  for (const Decision& d : decisions) d_study.push_back(decision_object(d, r.design));
  json.set("d_study", std::move(d_study));
  return json;
}

Json to_json(const std::vector<ProfileSimilarity>& profiles,
             const std::vector<std::string>& subjects) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    const ProfileSimilarity& p = profiles[i];
    rows.push_back(Json::object({{"subject", subjects[i]},
                                 {"r", p.r},
                                 {"icc", p.icc},
                                 {"distinctive_r", p.distinctive_r},
                                 {"mean_absolute_difference", p.mean_absolute_difference},
                                 {"d2", p.d2},
                                 {"items", p.items}}));
  }
  return Json::object({{"profiles", std::move(rows)}});
}

Json to_json(const Parameter& p) {
  Json json = estimate_object(p.estimate, p.standard_error, p.ci);
  json.set("statistic", p.statistic);
  json.set("df", p.df);
  json.set("p_value", p.p_value);
  return json;
}

Json to_json(const ResponseSurfaceResult& r) {
  Json coefficients = Json::array();
  for (const Parameter& p : r.coefficients) coefficients.push_back(parameter_row("term", p));
  Json surface = Json::array();
  for (const Parameter& p : r.surface) surface.push_back(parameter_row("parameter", p));
  Json json = Json::object({{"n", r.n_used}, {"omitted", r.n_omitted}, {"centre", r.centre}});
  if (is_missing(r.patient_sd)) {
    json.set("r_squared", r.r_squared);
    json.set("adjusted_r_squared", r.adjusted_r_squared);
    json.set("f", r.f);
    json.set("df1", r.df1);
    json.set("df2", r.df2);
  } else {
    json.set("patient_sd", r.patient_sd);
  }
  json.set("residual_sd", r.residual_sd);
  json.set("coefficients", std::move(coefficients));
  json.set("covariance", r.covariance);
  json.set("surface", std::move(surface));
  json.set("stationary_point", Json::object({{"x", r.stationary_x},
                                             {"y", r.stationary_y},
                                             {"x_standard_error", r.stationary_x_standard_error},
                                             {"y_standard_error", r.stationary_y_standard_error}}));
  json.set("principal_axes",
           Json::object({{"first", axis_object(r.first)}, {"second", axis_object(r.second)}}));
  json.set("eigenvalues", Eigen::VectorXd(r.eigenvalues));
  return json;
}

Json to_json(const SurfaceBootstrap& r) {
  Json rows = Json::array();
  for (std::size_t j = 0; j < r.names.size(); ++j) {
    const auto at = static_cast<Index>(j);
    Json row = Json::object({{"parameter", r.names[j]}});
    const Json values = estimate_object(r.estimate[at], r.standard_error[at], r.ci[j]);
    for (const auto& [key, value] : values.members()) row.set(key, value);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json to_json(const TruthAndBiasResult& r) {
  return Json::object({{"n", r.n_used},
                       {"omitted", r.n_omitted},
                       {"patients", r.patients},
                       {"direction_bias", to_json(r.direction_bias)},
                       {"truth_force", to_json(r.truth_force)},
                       {"bias_force", to_json(r.bias_force)},
                       {"truth_mean", r.truth_mean},
                       {"bias_mean", r.bias_mean},
                       {"sigma", r.sigma},
                       {"correlation", r.correlation},
                       {"log_likelihood", r.log_likelihood}});
}

}  // namespace rapport::report
