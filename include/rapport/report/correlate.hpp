#pragma once

#include <rapport/correlate/compare.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/rank_biserial.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/data/json.hpp>

/// Results of the correlate floor as JSON objects. `estimate` is always there (null where
/// undefined); of the other quantities those that are NaN are left out.
namespace rapport::report {

[[nodiscard]] Json to_json(const CorrelationResult& result);
[[nodiscard]] Json to_json(const KendallResult& result);
[[nodiscard]] Json to_json(const RankBiserialResult& result);
[[nodiscard]] Json to_json(const RepeatedMeasuresResult& result);
[[nodiscard]] Json to_json(const PolychoricResult& result);
[[nodiscard]] Json to_json(const CramerResult& result);
[[nodiscard]] Json to_json(const EquivalenceResult& result);
/// `within`, `between` and `icc`, whose members are named `x` and `y`.
[[nodiscard]] Json to_json(const WithinBetweenResult& result, const std::string& x,
                           const std::string& y);
[[nodiscard]] Json to_json(const ComparisonResult& result);
/// `pairs` above the diagonal, each with the names of its columns.
[[nodiscard]] Json to_json(const CorrelationMatrixResult& result,
                           const std::vector<std::string>& names);

/// Replaces standard error and interval of a coefficient by those of the bootstrap, and adds
/// `bias`.
void set_bootstrap(Json& coefficient, const BootstrapResult& bootstrap);

}  // namespace rapport::report
