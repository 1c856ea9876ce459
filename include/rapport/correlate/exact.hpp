#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/math/dense_ranks.hpp>

#include <optional>

namespace rapport {

/// Null probabilities of an observed statistic T whose null mean is 0.
struct [[nodiscard]] TailProbabilities {
  double less;       ///< P(T ≤ observed)
  double greater;    ///< P(T ≥ observed)
  double two_sided;  ///< P(|T| ≥ |observed|)
  PValueMethod method;
};

[[nodiscard]] double p_value(const TailProbabilities& tails, Alternative alternative);

/// Kendall's S = concordant − discordant under independence without ties, by the recurrence over n
/// (Kendall & Gibbons 1990, 5.2), O(n³); 2 ≤ n ≤ 1000.
TailProbabilities kendall_null(double s, Index n);

/// Edgeworth series of the same to the eighth cumulant, with S's step allowed for; absolute error
/// below 1e-9 from n = 100.
TailProbabilities kendall_null_series(double s, Index n);

/// Spearman's rank products without ties by the Edgeworth series of Best & Roberts (1975, AS 89);
/// `rho` the observed coefficient. Largest absolute error of a one-sided p over all values of ρ,
/// found against the exact distribution: 5.7e-4 at n = 10, 2.0e-4 at n = 12, 7.3e-5 at n =
/// 14, 3.5e-5 at n = 16, and falling.
TailProbabilities spearman_null_series(double rho, Index n);

/// The permutation distribution of Σ a·b given the ties, where a and b are the mid-ranks less their
/// mean: Spearman's, and with two groups for x the Wilcoxon–Mann–Whitney's. Enumerated group by
/// group over the contingency tables with the margins observed; empty where that would take too
/// long (without ties, from n = 17).
std::optional<TailProbabilities> rank_product_null(const DenseRanks& x, const DenseRanks& y);

/// The permutation distribution of Kendall's S given the ties, the same way.
std::optional<TailProbabilities> kendall_null_given_ties(const DenseRanks& x, const DenseRanks& y);

/// Random permutations of y against x of the same two statistics; p-values count the data as one
/// permutation.
TailProbabilities rank_product_permutation(const DenseRanks& x, const DenseRanks& y,
                                           const ExactOptions& options);
TailProbabilities kendall_permutation(const DenseRanks& x, const DenseRanks& y,
                                      const ExactOptions& options);

/// Wilcoxon's signed ranks: the sum of the ranks of positive differences, given the absolute
/// values' ties (2ⁿ signs). `statistic` is Σ sign·rank; `ranks` the mid-ranks of the absolute
/// differences.
TailProbabilities signed_rank_null(double statistic, const VectorView& ranks);

}  // namespace rapport
