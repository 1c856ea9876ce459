#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// A test that two raters use the categories alike, from their q × q table of counts.
struct [[nodiscard]] MarginalTest {
  double statistic;
  double df;
  double p_value;  ///< χ²
  Index n_used;    ///< subjects in the table
};

/// Marginal homogeneity by d'V⁻¹d, V estimated under the null hypothesis (Stuart 1955, Maxwell
/// 1970). Categories that neither rater used, or that add nothing to the others, take no degree of
/// freedom; 0 on 0 df (p = 1) if the raters never differ.
MarginalTest stuart_maxwell_test(const MatrixView& table);

/// The same with V estimated freely (Bhapkar 1966): W / (1 − W / n), W of Stuart and Maxwell.
MarginalTest bhapkar_test(const MatrixView& table);

/// McNemar's test of symmetry; for more than two categories Bowker's (1948), whose df count the
/// pairs of categories between which raters differ at all.
struct [[nodiscard]] McNemarResult {
  double statistic;
  double df;
  double p_value;        ///< χ²
  double exact_p_value;  ///< 2 × 2: two-sided binomial; else NaN
  double
      mid_p_value;  ///< 2 × 2: exact less half the probability of the tables observed (both tails)
  double odds_ratio;  ///< 2 × 2: b / c; else NaN
  Index n_used;
};

/// `continuity` (2 × 2 only): (|b − c| − 1)², where b ≠ c.
/// All throw InvalidArgument if `table` is not square or holds a negative count.
McNemarResult mcnemar_test(const MatrixView& table, bool continuity = false);

/// Maxwell's RE for two raters and two categories: twice the share of agreement less 1.
struct [[nodiscard]] MaxwellResult {
  double estimate;        ///< in [−1, 1]
  double standard_error;  ///< 2 √(p (1 − p) / n)
  Index n_used;
};
/// `table` must be 2 × 2. Throws InvalidArgument otherwise, or if it is empty.
MaxwellResult maxwell_re(const MatrixView& table);

}  // namespace rapport
