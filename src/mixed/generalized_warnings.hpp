#pragma once

#include <rapport/mixed/generalized.hpp>

namespace rapport::detail {

/// A dispersion above which variance μ + μ²/k is Poisson's to the data.
inline constexpr double poisson_limit = 1e5;

/// Says in plain words what a user should know of the fit: separation, too few events,
/// overdispersion, parameters at infinity, effects that the data do not determine.
void add_warnings(const Design& design, GeneralizedFit& fit);

}  // namespace rapport::detail
