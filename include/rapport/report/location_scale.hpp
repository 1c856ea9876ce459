#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/location_scale.hpp>
#include <rapport/mixed/summary.hpp>

#include <string>
#include <vector>

/// Location-scale models as JSON and as text: what `mixed.hpp` writes of a linear mixed model, and
/// what the log residual variance rests on.
namespace rapport::report {

/// `scale_effects`, `random_scale` and `quadrature` beside the members of a fit. `summary` is that
/// of fit.fit.
[[nodiscard]] Json to_json(const MixedSummary& summary, const LocationScaleFit& fit);
/// A row for every level: ω̂, its posterior SD, and exp(ω̂ / 2), the ratio of its residual SD to
/// that of the average level.
[[nodiscard]] Json scale_blups_json(const LocationScaleFit& fit);

[[nodiscard]] std::string location_scale_text(const MixedSummary& summary,
                                              const LocationScaleFit& fit);
/// Effects on the log residual variance as a table.
[[nodiscard]] std::string log_variance_text(const std::vector<OtherParameter>& effects);

}  // namespace rapport::report
