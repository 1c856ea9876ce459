#pragma once

#include <rapport/mixed/generalized.hpp>

#include <string>
#include <vector>

namespace rapport {

/// A Wald test that effects are the same at all thresholds.
struct [[nodiscard]] BrantTest {
  std::string term;  ///< a column of the fixed effects; "(all)" for all of them together
  double statistic;  ///< χ²; NaN where a threshold's own fit has no finite estimates
  double df;
  double p_value;
};

/// Brant's (1990) test of proportional odds: the logit models of y > j for every threshold j,
/// fitted apart, have the same slopes. All columns together, then each. Throws InvalidArgument for
/// a fit that is not a cumulative logit model without random effects, or that has nominal or scale
/// effects or fewer than three categories.
[[nodiscard]] std::vector<BrantTest> brant_test(const Design& design, const GeneralizedFit& fit);

}  // namespace rapport
