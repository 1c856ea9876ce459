#pragma once

#include <rapport/correlate/correlation.hpp>

namespace rapport {

/// Rank-biserial correlation with the Mann–Whitney statistic behind it.
struct [[nodiscard]] RankBiserialResult {
  double estimate = missing;  ///< in [−1, 1]; positive where the first group, or x, is the larger
  double standard_error =
      missing;  ///< from the placements (DeLong, DeLong & Clarke-Pearson 1988); NaN for pairs
  ConfidenceInterval ci = {};  ///< on Fisher's scale
  double statistic = missing;  ///< z; NaN where the p-value is exact
  double p_value = missing;
  PValueMethod p_value_method = PValueMethod::asymptotic;
  double u =
      missing;  ///< Mann–Whitney U of the first group; of pairs Wilcoxon's sum of positive ranks
  double common_language = missing;  ///< P(first > second) + ½P(equal): probability of superiority;
                                     ///< of pairs P(x > y) + ½P(x = y)
  double n = 0;
  Index n_used = 0;
  Index n_omitted = 0;
};

struct RankBiserialOptions {
  Alternative alternative = Alternative::two_sided;
  ExactOptions exact = {};
  bool continuity =
      false;  ///< asymptotic test: half a step against the alternative (two-sided: towards 0)
  double confidence_level = 0.95;
};

/// 2U/(n₁n₂) − 1 of two independent samples (Wendt 1972): how often a value of `first` exceeds one
/// of `second`, less how often it falls below. Missing values are left out and counted. Exact
/// p-values given the ties, asymptotic ones with the tie-corrected variance. NaN if a sample is
/// empty. Throws InvalidArgument for an infinite value.
RankBiserialResult rank_biserial_correlation(const VectorView& first, const VectorView& second,
                                             const RankBiserialOptions& options = {});

/// Matched pairs (Kerby 2014): (sum of the ranks of positive differences − of negative)/their
/// total, for x − y; differences of 0 are dropped as Wilcoxon's test does, which is the test. `n`
/// counts pairs, `common_language` all of them.
RankBiserialResult paired_rank_biserial_correlation(const VectorView& x, const VectorView& y,
                                                    const RankBiserialOptions& options = {});

}  // namespace rapport
