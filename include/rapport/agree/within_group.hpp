#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>

#include <string>
#include <vector>

namespace rapport {

/// Agreement within one group.
struct GroupAgreement {
  std::string group;
  Index n;         ///< members with all items
  double value;    ///< NaN with fewer than two members
  bool truncated;  ///< r_wg: the variance exceeded that of no agreement, and the value was set to 0
};

struct [[nodiscard]] WithinGroupResult {
  std::vector<GroupAgreement>
      groups;    ///< in the order of the factor's levels; empty groups left out
  double mean;   ///< over the groups with a value
  Index n_used;  ///< rows with all items and a group
  Index n_omitted;
};

struct RwgOptions {
  double null_variance;  ///< variance of a rating without agreement; (A² − 1) / 12 for A equally
                         ///< likely points
  bool lindell =
      false;  ///< several items: r*_wg(J) of Lindell, Brandt & Whitney 1999, else r_wg(J)
};

/// r_wg = 1 − s² / σ²_E for one item, r_wg(J) for several (James, Demaree & Wolf 1984): with s̄² the
/// mean of the items' variances, J (1 − s̄²/σ²_E) / (J (1 − s̄²/σ²_E) + s̄²/σ²_E); Lindell's r*_wg(J)
/// is 1 − s̄²/σ²_E. s̄² above σ²_E counts as σ²_E. `items` is rows × items, NaN missing.
/// Throws InvalidArgument if sizes differ or the null variance is not positive.
WithinGroupResult within_group_rwg(const MatrixView& items, const Factor& group,
                                   const RwgOptions& options);

enum class Centre { mean, median };

/// AD: the mean absolute deviation from the group's mean or median, averaged over items (Burke,
/// Finkelstein & Dusig 1999).
WithinGroupResult within_group_ad(const MatrixView& items, const Factor& group, Centre around);

/// a_wg = 1 − 2 s² / ([(H + L) M − M² − H L] n / (n − 1)) averaged over items, M the group's mean
/// on a scale from L to H (Brown & Hauenstein 2005). 1 where all chose the same end of the scale.
/// Throws InvalidArgument unless low < high; DataError for a rating outside them.
WithinGroupResult within_group_awg(const MatrixView& items, const Factor& group, double low,
                                   double high);

enum class GroupIccMethod { anova, reml };

/// ICC(1): the share of variance between groups; ICC(2): the reliability of a group's mean (Bliese
/// 2000), of the items' mean. k is the mean group size.
struct [[nodiscard]] GroupIccResult {
  double icc1;  ///< anova: (MSB − MSW) / (MSB + (k − 1) MSW), may be negative; reml: ≥ 0
  double icc2;  ///< anova: (MSB − MSW) / MSB; reml: Spearman–Brown of icc1
  double f;
  double df1;
  double df2;
  double p_value;
  double eta_squared;
  double k;
  Index groups;
  Index n_used;
  Index n_omitted;
};

/// Throws DataError for fewer than two groups, or as many groups as rows.
GroupIccResult group_icc(const MatrixView& items, const Factor& group,
                         GroupIccMethod method = GroupIccMethod::anova);

}  // namespace rapport
