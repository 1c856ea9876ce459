#pragma once

#include <rapport/mixed/design.hpp>

#include "fit.hpp"
#include <string>
#include <vector>

namespace rapport::program {

/// What the further effects of an option may hold.
enum class EffectTerms { fixed, fixed_and_random };

/// The design of 'TERMS' or '~ TERMS', an option's further effects, with the response of the model.
/// Throws UsageError for an offset, and for random terms where they are not allowed.
[[nodiscard]] Design effect_design(const Formula& formula, const std::string& terms,
                                   const std::string& option, const Table& table,
                                   const FitArguments& arguments,
                                   EffectTerms allowed = EffectTerms::fixed);

/// Keeps the rows that every design uses.
void keep_common_rows(const std::vector<Design*>& designs);

/// Does --scale hold a random intercept?
[[nodiscard]] bool has_random_scale(const FitArguments& arguments);

}  // namespace rapport::program
