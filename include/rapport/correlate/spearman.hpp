#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/math/dense_ranks.hpp>

namespace rapport {

/// The standard error of atanh ρ_s behind the interval.
enum class SpearmanInterval {
  bonett_wright,  ///< √((1 + ρ²/2)/(n − 3)) (Bonett & Wright 2000)
  fieller         ///< √(1.06/(n − 3)) (Fieller, Hartley & Pearson 1957)
};

struct SpearmanOptions {
  Alternative alternative = Alternative::two_sided;
  ExactOptions exact = {};
  SpearmanInterval interval = SpearmanInterval::bonett_wright;
  double confidence_level = 0.95;
  Missing missing = Missing::omit;
};

/// Spearman's ρ: Pearson's correlation of the mid-ranks; O(n log n). Missing pairs are omitted and
/// counted. Asymptotic p-values by t on n − 2; exact ones as `exact` says, where `statistic` and
/// `df` are NaN. Standard error √((1 − ρ²)/(n − 2)). NaN for n < 2 or a constant variable; no
/// interval for n < 4. Throws InvalidArgument if the lengths differ or a value is infinite.
CorrelationResult spearman_correlation(const VectorView& x, const VectorView& y,
                                       const SpearmanOptions& options = {});

/// The same from ranks already made, of complete columns.
CorrelationResult spearman_correlation(const DenseRanks& x, const DenseRanks& y,
                                       const SpearmanOptions& options = {});

/// The same of data in which row i stands weights[i] times: ranks are the mid-ranks of the expanded
/// data; asymptotic.
CorrelationResult weighted_spearman_correlation(const VectorView& x, const VectorView& y,
                                                const VectorView& weights,
                                                const SpearmanOptions& options = {});

/// Test (t) and interval from a published ρ and n.
CorrelationResult spearman_from_summary(double rho, double n, const SpearmanOptions& options = {});

}  // namespace rapport
