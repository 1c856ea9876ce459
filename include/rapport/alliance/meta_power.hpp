#pragma once

#include <rapport/alliance/meta.hpp>

namespace rapport {

/// Two one-sided tests that the pooled effect lies within bounds (Schuirmann 1987).
struct [[nodiscard]] MetaEquivalence {
  double lower_statistic;  ///< (estimate − lower) / standard error
  double upper_statistic;  ///< (estimate − upper) / standard error
  double p_value;  ///< of the two, the larger: small means that the effect lies within the bounds
  ConfidenceInterval
      ci;  ///< of level 1 − 2α, α one minus the fit's level: within the bounds exactly where p < α
};
/// The first coefficient of `fit` against lower < upper. Throws InvalidArgument unless the bounds
/// rise.
MetaEquivalence meta_equivalence(const MetaFit& fit, double lower, double upper);

/// Power of the two-sided test that the pooled effect is 0 (Hedges & Pigott 2001): `variance` holds
/// the sampling variances of the effects to come, `tau2` their heterogeneity; `test` z is normal,
/// the others t on k − 1.
struct MetaPowerOptions {
  double tau2 = 0;
  double alpha = 0.05;
  MetaTest test = MetaTest::z;
};
[[nodiscard]] double meta_power(double effect, const VectorView& variance,
                                const MetaPowerOptions& options = {});

/// The least number of effects of the same variance whose pooled test has the wanted power; at most
/// 10⁶.
[[nodiscard]] Index meta_effects_needed(double effect, double variance, double power,
                                        const MetaPowerOptions& options = {});

}  // namespace rapport
