#include <rapport/report/generalized.hpp>
#include <rapport/report/location_scale.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <cmath>

namespace rapport::report {
namespace {

/// The name and column of each effect of the mean, in the order of the correlations.
std::vector<std::string> location_terms(const LocationScaleFit& fit) {
  if (fit.correlation.size() == 0) return {};
  return fit.fit.random.front().terms;
}

Json random_scale_json(const LocationScaleFit& fit) {
  Json correlations = Json::array();
  const std::vector<std::string> terms = location_terms(fit);
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const auto i = static_cast<Index>(k);
    correlations.push_back(Json::object({{"term", terms[k]},
                                         {"estimate", fit.correlation[i]},
                                         {"standard_error", fit.correlation_standard_error[i]}}));
  }
  return Json::object({{"factor", fit.factor},
                       {"sd", fit.scale_sd},
                       {"standard_error", fit.scale_sd_standard_error},
                       {"correlations", correlations},
                       {"likelihood_ratio", to_json(fit.homogeneity)}});
}

}  // namespace

Json to_json(const MixedSummary& summary, const LocationScaleFit& fit) {
  Json json = to_json(summary);
  json.set("scale_effects", effects_json(fit.scale));
  json.set("random_scale", random_scale_json(fit));
  json.set("quadrature", Json::object({{"points", static_cast<double>(fit.quadrature_points)},
                                       {"error", fit.quadrature_error}}));
  return json;
}

Json scale_blups_json(const LocationScaleFit& fit) {
  Json rows = Json::array();
  for (std::size_t k = 0; k < fit.levels.size(); ++k) {
    const auto i = static_cast<Index>(k);
    rows.push_back(Json::object({{"level", fit.levels[k]},
                                 {"estimate", fit.scale_effects[i]},
                                 {"standard_error", fit.scale_effects_sd[i]},
                                 {"sd_ratio", std::exp(0.5 * fit.scale_effects[i])}}));
  }
  return rows;
}

std::string log_variance_text(const std::vector<OtherParameter>& effects) {
  return effects_text("Effects on the log residual variance", effects);
}

std::string location_scale_text(const MixedSummary& summary, const LocationScaleFit& fit) {
  std::string text = mixed_text(summary) + log_variance_text(fit.scale) + "\n  Random scale over " +
                     fit.factor + ": SD " + number(fit.scale_sd);
  if (!std::isnan(fit.scale_sd_standard_error))
    text += " (SE " + number(fit.scale_sd_standard_error) + ")";
  const std::vector<std::string> terms = location_terms(fit);
  for (std::size_t k = 0; k < terms.size(); ++k)
    text += ", correlation with " + terms[k] + " " + number(fit.correlation[static_cast<Index>(k)]);
  const LikelihoodRatioTest& test = fit.homogeneity;
  text += "\n  Do levels of " + fit.factor + " differ in scale? χ² " + number(test.statistic) +
          ", df " + number(test.df - 1, 0) + " and " + number(test.df, 0) + " (mixture), p " +
          p_value(test.p_value_boundary) + "\n";
  return text;
}

}  // namespace rapport::report
