#pragma once

#include <rapport/correlate/correlation.hpp>

/// Coefficients of dependence, monotone or not.
namespace rapport {

/// Chatterjee's (2021) ξ(x → y): how far y is a function of x; 0 under independence, 1 for y =
/// f(x), both in the limit. O(n log n). `standard_error` and the normal `statistic` hold under
/// independence: √(2/(5n)), with ties in y Chatterjee's estimate. Ties in x are averaged over all
/// the orders they may take, which is what breaking them at random gives on the average; mean and
/// variance under independence are then those of all permutations. `p_value` is one-sided (ξ > 0),
/// whatever dependence it is. NaN for n < 2 or a constant y.
CorrelationResult chatterjee_xi(const VectorView& x, const VectorView& y,
                                Missing missing_policy = Missing::omit);

/// Hoeffding's (1948) D times 30: without ties in [−0.5, 1], with many below; ties count a half
/// (Hollander & Wolfe 1999). O(n log n). `statistic` is n·D/30 + 1/36, `p_value` from its limit
/// (Blum, Kiefer & Rosenblatt 1961), which knows no ties. NaN for n < 5 or a constant variable.
CorrelationResult hoeffding_d(const VectorView& x, const VectorView& y,
                              Missing missing_policy = Missing::omit);

/// Bergsma & Dassios' (2014) τ*, 0 only under independence: the chance that four observations are
/// concordant as two pairs, less that they are not. O(n²) time and memory; n ≤ 20000. NaN for n
/// < 4.
CorrelationResult bergsma_dassios_tau(const VectorView& x, const VectorView& y,
                                      Missing missing_policy = Missing::omit);

/// Blomqvist's (1950) β, the quadrant correlation about the medians: Σ sign·sign over the root of
/// the numbers off either median. z = β√(n − 1). NaN where every value of a variable is at its
/// median.
CorrelationResult blomqvist_beta(const VectorView& x, const VectorView& y,
                                 const CorrelationOptions& options = {});

/// Cramér's V of two sets of codes, with the χ² test of independence.
struct [[nodiscard]] CramerResult {
  double
      estimate;  ///< √(χ²/(n (m − 1))), m the smaller number of categories; in [0, 1]; NaN if m < 2
  double bias_corrected;  ///< Bergsma (2013)
  ConfidenceInterval ci;  ///< from the noncentral χ² (Smithson 2003)
  double statistic;       ///< Pearson's χ²
  double df;
  double p_value;
  double phi;  ///< √(χ²/n)
  Index n_used;
  Index n_omitted;
};
CramerResult cramers_v(const VectorView& x, const VectorView& y,
                       const CorrelationOptions& options = {});

}  // namespace rapport
