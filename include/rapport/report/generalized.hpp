#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/brant.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/quantile_residuals.hpp>
#include <rapport/mixed/residual.hpp>
#include <rapport/mixed/response_scale.hpp>
#include <rapport/mixed/summary.hpp>

#include <string>

/// Generalized models and residual structures as JSON and as text: what `mixed.hpp` writes of a
/// linear mixed model, with what is theirs in its place.
namespace rapport::report {

/// `summary` is that of linear_part(design, fit).
[[nodiscard]] Json to_json(const MixedSummary& summary, const GeneralizedFit& fit);
/// `summary` is that of fit.fit.
[[nodiscard]] Json to_json(const MixedSummary& summary, const ResidualFit& fit);

/// Effects with a test against 0 by the normal, a row each; as a table (nothing without effects).
[[nodiscard]] Json effects_json(const std::vector<OtherParameter>& effects);
[[nodiscard]] std::string effects_text(const std::string& title,
                                       const std::vector<OtherParameter>& effects);

[[nodiscard]] Json to_json(const QuantileResiduals& residuals);
[[nodiscard]] Json to_json(const std::vector<OrdinalTermTest>& tests);
[[nodiscard]] std::string ordinal_tests_text(const std::vector<OrdinalTermTest>& tests);
[[nodiscard]] Json to_json(const std::vector<BrantTest>& tests);
[[nodiscard]] std::string brant_text(const std::vector<BrantTest>& tests);
/// Adds to rows made from the same call on the scale of the linear predictor a member `name`: of
/// one mean an object, of categories an array.
[[nodiscard]] Json with_means(const Json& rows, const std::string& name,
                              const std::vector<ResponseMean>& means);
[[nodiscard]] Json with_contrasts(const Json& rows, const std::string& name,
                                  const std::vector<ResponseContrast>& contrasts);
[[nodiscard]] Json with_predictions(const Json& rows, const std::string& name,
                                    const ResponsePredictions& predictions);
/// Means and differences, or slopes, as a table.
[[nodiscard]] std::string response_means_text(const ResponseMeans& means, const std::string& title);
[[nodiscard]] std::string response_slopes_text(const std::vector<ResponseContrast>& slopes,
                                               const std::string& title);

[[nodiscard]] std::string generalized_text(const MixedSummary& summary, const GeneralizedFit& fit);
/// The test of uniformity in one line.
[[nodiscard]] std::string quantile_residuals_text(const QuantileResiduals& residuals);
[[nodiscard]] std::string residual_text(const MixedSummary& summary, const ResidualFit& fit);

}  // namespace rapport::report
