#pragma once

#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/data/json.hpp>

#include <vector>

namespace rapport::report {

[[nodiscard]] Json to_json(const SessionCounts& counts);

/// `waves` are the sessions that the waves of the fit stand for.
[[nodiscard]] Json to_json(const CrossLaggedFit& fit, const std::vector<double>& waves);

}  // namespace rapport::report
