#pragma once

#include <rapport/mixed/fit.hpp>

#include <string>
#include <vector>

namespace rapport {

/// The share of the variance of a response that a grouping factor accounts for.
struct [[nodiscard]] FactorShare {
  std::string factor;
  double value;
};

/// Where the variance of the response lies (Nakagawa & Schielzeth 2013; with random slopes, the
/// mean over the rows of their variance: Johnson 2014).
struct [[nodiscard]] VarianceExplained {
  double fixed;        ///< variance of Xβ, divisor n − 1
  double random;       ///< mean over the rows of Var(Zb)
  double residual;     ///< σ²
  double marginal;     ///< R² of the fixed effects
  double conditional;  ///< R² of fixed and random effects
  std::vector<FactorShare>
      icc;  ///< each factor's mean variance over random + residual, in the order of the terms
};

[[nodiscard]] VarianceExplained variance_explained(const Design& design, const MixedFit& fit);

/// The same from the variance of Xβ and, for each random term of the fit, the mean over the rows of
/// Var(Zb).
[[nodiscard]] VarianceExplained variance_explained(const MixedFit& fit, double fixed,
                                                   const std::vector<double>& shares);

}  // namespace rapport
