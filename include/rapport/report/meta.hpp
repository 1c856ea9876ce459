#pragma once

#include <rapport/alliance/meta.hpp>
#include <rapport/alliance/meta_bias.hpp>
#include <rapport/alliance/meta_models.hpp>
#include <rapport/alliance/meta_power.hpp>
#include <rapport/data/json.hpp>
#include <rapport/report/html.hpp>

#include <optional>
#include <string>
#include <vector>

/// A meta-analysis as JSON, pictures and a page.
namespace rapport::report {

/// What has been computed of one meta-analysis; absent parts are left out of every rendering.
struct MetaReport {
  MetaData data = {};
  std::optional<MetaFit> fit = {};
  bool correlations = false;  ///< the effects are Fisher's z: summaries are given as r too
  std::optional<ConfidenceInterval> tau2_interval = {};
  std::vector<ConfidenceInterval> variance_intervals = {};  ///< of three levels
  std::vector<MetaCoefficient> robust = {};
  std::optional<MetaBias> bias = {};
  std::vector<MetaWithout> leave_one_out = {};
  std::vector<MetaInfluence> influence = {};
  std::vector<MetaPrediction> blups = {};
  std::optional<MetaEquivalence> equivalence = {};
  std::optional<MetaLocationScaleFit> location_scale = {};
  std::optional<MultivariateMetaFit> multivariate = {};
  std::optional<Factor> subgroup = {};  ///< of the effects, when it is the only moderator
  std::string subgroup_name = {};
};

[[nodiscard]] Json to_json(const MetaCoefficient& coefficient);
[[nodiscard]] Json to_json(const MetaFit& fit);
[[nodiscard]] Json to_json(const MetaBias& bias);
[[nodiscard]] Json to_json(const MetaLocationScaleFit& fit);
[[nodiscard]] Json to_json(const MultivariateMetaFit& fit);
[[nodiscard]] Json to_json(const MetaReport& report);

/// Effects with their intervals, the summary's diamond and the prediction interval, by subgroup if
/// there is one. Correlations stand as r.
[[nodiscard]] Figure forest_plot(const MetaReport& report);

/// Effects against standard errors, with the regions of p < .10, .05 and .01 around no effect
/// (Peters et al. 2008) and, if bias was looked into, the effects that trim and fill adds.
[[nodiscard]] Figure funnel_plot(const MetaReport& report);

/// What each effect adds to Q against how far it moves the summary (Baujat et al. 2002). Needs
/// `leave_one_out` of two levels.
[[nodiscard]] Figure baujat_plot(const MetaReport& report);

/// Effects against the moderator in column `moderator`, weights as areas, with the fitted line and
/// its band, the other moderators at their means.
[[nodiscard]] Figure bubble_plot(const MetaReport& report, Index moderator);

/// The whole analysis as a page; `source` names the data.
[[nodiscard]] Page meta_page(const MetaReport& report, const std::string& source);

/// The analysis as text for a terminal: what was asked for, without pictures.
[[nodiscard]] std::string meta_text(const MetaReport& report);

}  // namespace rapport::report
