#pragma once

#include <rapport/mixed/design.hpp>

#include <string>

/// Not installed.
namespace rapport::detail {

/// Throws DataError, in the name of `caller`, if two random terms have the same effect of the same
/// groups, whether by the formula, `(1 | g) + (x | g)`, or by the data, therapists who are each
/// alone in a clinic: the likelihood knows the sum of their variances only.
void require_distinct_terms(const Design& design, const std::string& caller);

}  // namespace rapport::detail
