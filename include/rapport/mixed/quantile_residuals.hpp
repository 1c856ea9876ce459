#pragma once

#include <rapport/base/random.hpp>
#include <rapport/mixed/generalized.hpp>

namespace rapport {

struct QuantileResidualOptions {
  /// Random effects: drawn from what the data say of them (their joint normal approximation at the
  /// modes), or, if false, the modes themselves, which shrinkage makes too close to 0.
  bool draw_effects = true;
};

/// Randomised quantile residuals (Dunn & Smyth 1996): where each response lies in its distribution
/// by the model, uniform on (0, 1) if the model holds; within the jump of a discrete distribution
/// the place is drawn. With random effects drawn given the data they are uniform and independent
/// (Waagepetersen 2006) but for the normal approximation.
struct [[nodiscard]] QuantileResiduals {
  Eigen::VectorXd uniform;  ///< n, in (0, 1)
  Eigen::VectorXd normal;   ///< n, their normal quantiles
  double statistic;         ///< Kolmogorov's D of `uniform`
  double p_value;  ///< as if no parameter had been estimated, so that it is rather too large
};

/// Throws InvalidArgument if the fit has random effects but no modes of them.
QuantileResiduals quantile_residuals(const Design& design, const GeneralizedFit& fit, Seed seed,
                                     const QuantileResidualOptions& options = {});

}  // namespace rapport
