#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/imputation.hpp>
#include <rapport/mixed/pooled_fit.hpp>

#include <string>

/// Multiple imputation and what is pooled over it, as JSON and as text.
namespace rapport::report {

/// Variables and diagnostics, without the tables.
[[nodiscard]] Json to_json(const Imputation& imputation);
[[nodiscard]] Json to_json(const PooledEstimate& estimate);
[[nodiscard]] Json to_json(const PooledTest& test);
[[nodiscard]] Json to_json(const PooledFit& fit);
[[nodiscard]] Json to_json(const PooledComparison& comparison);

[[nodiscard]] std::string imputation_text(const Imputation& imputation);
[[nodiscard]] std::string pooled_text(const PooledFit& fit);
[[nodiscard]] std::string pooled_comparison_text(const PooledComparison& comparison,
                                                 const std::string& against);

}  // namespace rapport::report
