#pragma once

#include <rapport/mixed/generalized.hpp>

#include <string>
#include <vector>

namespace rapport::detail {

/// A parameter of a generalized fit, in the order that results use: for each random term the lower
/// triangle of its covariance by columns (SDs on the diagonal, correlations below), those of the
/// family, then the fixed effects.
struct GeneralizedParameter {
  enum class Kind { sd, correlation, family, fixed };

  std::string name;
  Kind kind;
  std::size_t term = 0;  ///< of Design::random
  Index row = 0;         ///< within the term; the number of a family's parameter or fixed effect
  Index column = 0;
};

[[nodiscard]] std::vector<GeneralizedParameter> generalized_parameters(const GeneralizedFit& fit);
/// NaN for a correlation with an effect of variance 0.
[[nodiscard]] double parameter_estimate(const GeneralizedFit& fit,
                                        const GeneralizedParameter& parameter);
/// A family's parameter as users see it, from its place in ψ.
[[nodiscard]] double family_scale(const GeneralizedFit& fit, Index k, double internal);

}  // namespace rapport::detail
