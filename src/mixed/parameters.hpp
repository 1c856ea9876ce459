#pragma once

#include <rapport/mixed/fit.hpp>

#include <string>
#include <vector>

namespace rapport {

/// A parameter of a fit, in the order that results use: for each random term the lower triangle of
/// its covariance by columns (SDs on the diagonal, correlations below), then sigma, then the fixed
/// effects.
struct FitParameter {
  enum class Kind { sd, correlation, sigma, fixed };

  std::string name;
  Kind kind;
  std::size_t term = 0;  ///< of MixedFit::random
  Index row = 0;         ///< within the term; the fixed effect's number
  Index column = 0;
};

[[nodiscard]] std::vector<FitParameter> fit_parameters(const MixedFit& fit);
[[nodiscard]] double parameter_estimate(const MixedFit& fit, const FitParameter& parameter);

}  // namespace rapport
