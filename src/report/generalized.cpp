#include <rapport/math/distributions.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <cmath>
#include <utility>

namespace rapport::report {
namespace {

Json other_parameters_json(const std::vector<OtherParameter>& parameters) {
  Json rows = Json::array();
  for (const OtherParameter& parameter : parameters) {
    rows.push_back(Json::object({{"term", parameter.term},
                                 {"estimate", parameter.estimate},
                                 {"standard_error", parameter.standard_error}}));
  }
  return rows;
}

Json named_numbers(const std::vector<std::pair<std::string, double>>& values) {
  Json json = Json::object();
  for (const auto& value : values) json.set(value.first, value.second);
  return json;
}

Json residual_json(const ResidualFit& fit) {
  Json json =
      Json::object({{"sd", fit.fit.residual.sd}, {"structure", to_string(fit.correlation)}});
  for (const auto& parameter : fit.correlation_parameters)
    json.set(parameter.first, parameter.second);
  if (fit.correlation_matrix.size() > 0) {
    json.set("times", Json(Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(
                          fit.times.data(), static_cast<Index>(fit.times.size())))));
    json.set("correlation", Json(fit.correlation_matrix));
  }
  if (!fit.variance_parameters.empty()) {
    json.set("variance_parameters", named_numbers(fit.variance_parameters));
  }
  return json;
}

/// The lines of `text` from its table of fixed effects on, under another heading.
std::string with_heading(const std::string& heading, const std::string& text) {
  const std::size_t second_line = text.find('\n');
  return heading + text.substr(second_line);
}

}  // namespace

Json effects_json(const std::vector<OtherParameter>& parameters) {
  Json rows = Json::array();
  for (const OtherParameter& parameter : parameters) {
    const double z = parameter.estimate / parameter.standard_error;
    rows.push_back(Json::object({{"term", parameter.term},
                                 {"estimate", parameter.estimate},
                                 {"standard_error", parameter.standard_error},
                                 {"statistic", z},
                                 {"p_value", normal_p_value(z)}}));
  }
  return rows;
}

std::string effects_text(const std::string& title, const std::vector<OtherParameter>& parameters) {
  if (parameters.empty()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const OtherParameter& parameter : parameters) {
    const double z = parameter.estimate / parameter.standard_error;
    rows.push_back({parameter.term, number(parameter.estimate), number(parameter.standard_error),
                    number(z), p_value(normal_p_value(z))});
  }
  return "\n" + title + "\n" + aligned({"", "b", "SE", "z", "p"}, rows);
}

Json to_json(const MixedSummary& summary, const GeneralizedFit& fit) {
  const Json base = to_json(summary);
  Json json = Json::object();
  for (const auto& member : base.members()) {
    if (member.first == "residual") continue;  // the family has its own
    json.set(member.first, member.second);
    if (member.first != "random_effects") continue;
    if (!fit.thresholds.empty()) json.set("thresholds", other_parameters_json(fit.thresholds));
    if (!fit.threshold_parameters.empty())
      json.set("threshold_parameters", other_parameters_json(fit.threshold_parameters));
    if (!fit.nominal_effects.empty())
      json.set("nominal_effects", effects_json(fit.nominal_effects));
    if (!fit.scale_effects.empty()) json.set("scale_effects", effects_json(fit.scale_effects));
    if (!fit.zero_inflation.empty()) json.set("zero_inflation", effects_json(fit.zero_inflation));
    if (!std::isnan(fit.dispersion)) {
      json.set("dispersion", fit.dispersion);
      json.set("dispersion_standard_error", fit.dispersion_standard_error);
    }
  }
  json.set("family", to_string(fit.family));
  json.set("link", to_string(fit.link));
  json.set("method", fit.method);
  if (fit.method == "AGQ") {
    json.set("quadrature", Json::object({{"points", static_cast<double>(fit.quadrature_points)},
                                         {"error", fit.quadrature_error}}));
  }
  return json;
}

Json to_json(const MixedSummary& summary, const ResidualFit& fit) {
  Json json = to_json(summary);
  json.set("residual", residual_json(fit));
  return json;
}

Json to_json(const QuantileResiduals& residuals) {
  return Json::object({{"statistic", residuals.statistic},
                       {"p_value", residuals.p_value},
                       {"uniform", Json(residuals.uniform)},
                       {"normal", Json(residuals.normal)}});
}

std::string generalized_text(const MixedSummary& summary, const GeneralizedFit& fit) {
  const std::string kind =
      fit.random.empty() ? "Generalized linear model" : "Generalized linear mixed model";
  std::string text = with_heading("  " + kind + " (" + std::string(to_string(fit.family)) + ", " +
                                      std::string(to_string(fit.link)) + ") by " + fit.method +
                                      ": " + summary.formula,
                                  mixed_text(summary));
  if (!fit.thresholds.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const OtherParameter& threshold : fit.thresholds) {
      rows.push_back(
          {threshold.term, number(threshold.estimate), number(threshold.standard_error)});
    }
    text += "\nThresholds\n" + aligned({"", "b", "SE"}, rows);
  }
  text += effects_text("Effects on the thresholds (nominal)", fit.nominal_effects);
  text += effects_text("Effects on the log of the scale", fit.scale_effects);
  text += effects_text("Extra zeros: effects on the logit of their share", fit.zero_inflation);
  if (!std::isnan(fit.dispersion)) {
    text += "\n  Dispersion " + number(fit.dispersion) + " (SE " +
            number(fit.dispersion_standard_error) + ")\n";
  }
  return text;
}

Json to_json(const std::vector<OrdinalTermTest>& tests) {
  Json rows = Json::array();
  for (const OrdinalTermTest& test : tests)
    rows.push_back(Json::object(
        {{"term", test.term}, {"nominal", to_json(test.nominal)}, {"scale", to_json(test.scale)}}));
  return rows;
}

std::string ordinal_tests_text(const std::vector<OrdinalTermTest>& tests) {
  std::vector<std::vector<std::string>> rows;
  for (const OrdinalTermTest& test : tests)
    rows.push_back({test.term, number(test.nominal.statistic), number(test.nominal.df, 0),
                    p_value(test.nominal.p_value), number(test.scale.statistic),
                    number(test.scale.df, 0), p_value(test.scale.p_value)});
  return "\nEqual effects at all thresholds? Equal scale?\n" +
         aligned({"", "χ²", "df", "p", "scale χ²", "df", "p"}, rows);
}

Json to_json(const std::vector<BrantTest>& tests) {
  Json rows = Json::array();
  for (const BrantTest& test : tests)
    rows.push_back(Json::object({{"term", test.term},
                                 {"statistic", test.statistic},
                                 {"df", test.df},
                                 {"p_value", test.p_value}}));
  return rows;
}

std::string brant_text(const std::vector<BrantTest>& tests) {
  std::vector<std::vector<std::string>> rows;
  for (const BrantTest& test : tests)
    rows.push_back({test.term, number(test.statistic), number(test.df, 0), p_value(test.p_value)});
  return "\nEqual slopes at all thresholds? (Brant)\n" + aligned({"", "χ²", "df", "p"}, rows);
}

std::string quantile_residuals_text(const QuantileResiduals& residuals) {
  return "\n  Quantile residuals: uniform? Kolmogorov D = " + number(residuals.statistic) + ", p " +
         p_value(residuals.p_value) + "\n";
}

std::string residual_text(const MixedSummary& summary, const ResidualFit& fit) {
  std::string text =
      mixed_text(summary) + "\n  Residuals: " + std::string(to_string(fit.correlation));
  for (const auto& parameter : fit.correlation_parameters) {
    text += ", " + parameter.first + " " + number(parameter.second);
  }
  for (const auto& parameter : fit.variance_parameters) {
    text += "; " + parameter.first + " " + number(parameter.second);
  }
  text += "\n";
  if (fit.correlation_matrix.size() > 0) text += plain_text(Json(fit.correlation_matrix));
  return text;
}

}  // namespace rapport::report
