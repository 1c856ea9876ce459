#pragma once

#include <rapport/alliance/meta.hpp>
#include <rapport/alliance/meta_bias.hpp>
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
  std::vector<MetaCoefficient> robust = {};
  std::optional<MetaBias> bias = {};
  std::vector<MetaWithout> leave_one_out = {};
  std::vector<MetaInfluence> influence = {};
  std::vector<MetaPrediction> blups = {};
};

[[nodiscard]] Json to_json(const MetaCoefficient& coefficient);
[[nodiscard]] Json to_json(const MetaFit& fit);
[[nodiscard]] Json to_json(const MetaBias& bias);
[[nodiscard]] Json to_json(const MetaReport& report);

/// Effects with their intervals, the summary's diamond and the prediction interval; correlations
/// stand as r.
[[nodiscard]] Figure forest_plot(const MetaReport& report);
/// Effects against standard errors, with the regions of p < .10, .05 and .01 around 0 (Peters et
/// al. 2008) and what trim and fill added.
[[nodiscard]] Figure funnel_plot(const MetaReport& report);
/// What each effect adds to Q against how far it moves the summary (Baujat et al. 2002).
[[nodiscard]] Figure baujat_plot(const MetaReport& report);
/// Effects against a continuous moderator, weights as areas, with the fitted line and its band; the
/// other moderators are at their means. `moderator` counts columns from 0.
[[nodiscard]] Figure bubble_plot(const MetaReport& report, Index moderator);

/// The whole analysis as a page.
[[nodiscard]] Page meta_page(const MetaReport& report, const std::string& source);

}  // namespace rapport::report
