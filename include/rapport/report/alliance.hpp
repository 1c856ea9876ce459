#pragma once

#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/data/json.hpp>

#include <vector>

namespace rapport::report {

[[nodiscard]] Json to_json(const SessionCounts& counts);

/// `waves` are the sessions that the waves of the fit stand for.
[[nodiscard]] Json to_json(const CrossLaggedFit& fit, const std::vector<double>& waves);

/// The result of `rapport alliance`.
[[nodiscard]] Json to_json(const StudyAnalysis& study, const Table& table);

/// What was found, in sentences that can be read aloud.
[[nodiscard]] std::string study_text(const StudyAnalysis& study);

}  // namespace rapport::report
