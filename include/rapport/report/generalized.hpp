#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/quantile_residuals.hpp>
#include <rapport/mixed/residual.hpp>
#include <rapport/mixed/summary.hpp>

#include <string>

/// Generalized models and residual structures as JSON and as text: what `mixed.hpp` writes of a
/// linear mixed model, with what is theirs in its place.
namespace rapport::report {

/// `summary` is that of linear_part(design, fit).
[[nodiscard]] Json to_json(const MixedSummary& summary, const GeneralizedFit& fit);
/// `summary` is that of fit.fit.
[[nodiscard]] Json to_json(const MixedSummary& summary, const ResidualFit& fit);

[[nodiscard]] Json to_json(const QuantileResiduals& residuals);

[[nodiscard]] std::string generalized_text(const MixedSummary& summary, const GeneralizedFit& fit);
/// The test of uniformity in one line.
[[nodiscard]] std::string quantile_residuals_text(const QuantileResiduals& residuals);
[[nodiscard]] std::string residual_text(const MixedSummary& summary, const ResidualFit& fit);

}  // namespace rapport::report
