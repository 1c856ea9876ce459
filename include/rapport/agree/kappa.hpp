#pragma once

#include <rapport/agree/weights.hpp>
#include <rapport/base/interval.hpp>

namespace rapport {

struct KappaOptions {
  double confidence_level = 0.95;
};

/// Cohen's κ for two raters. `estimate` is NaN when expected agreement is 1 (both used one
/// category).
struct [[nodiscard]] KappaResult {
  double estimate;             ///< κ = (observed − expected) / (1 − expected), at most 1
  double standard_error;       ///< large sample, κ ≠ 0: Fleiss, Cohen & Everitt 1969, eq. 13
  ConfidenceInterval ci;       ///< Wald, with standard_error
  double standard_error_null;  ///< large sample, κ = 0: the same paper, eq. 9
  double statistic;            ///< estimate / standard_error_null
  double p_value;              ///< two-sided, normal
  double observed;             ///< weighted agreement
  double expected;             ///< weighted agreement that the margins would give by chance
  double maximum;           ///< unweighted: the largest κ that the margins allow; NaN with weights
  double prevalence_index;  ///< 2 × 2: (a − d) / n; NaN for more categories (Byrt et al. 1993)
  double bias_index;        ///< 2 × 2: (b − c) / n; NaN for more categories
  double adjusted;  ///< (observed − 1/q) / (1 − 1/q), unweighted: prevalence- and bias-adjusted
  Eigen::MatrixXd table;  ///< q × q counts, rows the first rater
  Index n_used;           ///< subjects rated by both
  Index n_omitted;        ///< subjects with a missing rating
};

/// κ from the codes of two raters (equal length, −1 missing), weighted by the q × q agreement
/// `weights` (Cohen 1960, 1968). O(n + q²).
/// Throws InvalidArgument if lengths differ, a code lies outside the weights, no subject is rated
/// by both, or the weights are not agreement weights.
KappaResult cohen_kappa(const Eigen::Ref<const Eigen::VectorXi>& first,
                        const Eigen::Ref<const Eigen::VectorXi>& second, const MatrixView& weights,
                        const KappaOptions& options = {});

/// The same from the q × q table of counts (rows the first rater); counts may be any weights ≥ 0
/// that sum to the number of subjects.
KappaResult cohen_kappa_of_table(const MatrixView& table, const MatrixView& weights,
                                 const KappaOptions& options = {});

/// Light's κ: the mean of Cohen's κ over the pairs of raters (Light 1971).
struct [[nodiscard]] LightKappaResult {
  double estimate;        ///< mean over the pairs on which κ is defined; NaN if there is none
  double standard_error;  ///< by linearisation: the pairs' influence values summed within subjects
  ConfidenceInterval ci;  ///< Wald
  double observed;        ///< mean of the pairs
  double expected;        ///< mean of the pairs
  Eigen::MatrixXd pairs;  ///< raters × raters, κ of each pair (1 on the diagonal)
  Index n_used;           ///< subjects rated by at least two raters
  Index n_omitted;
};

/// Each pair uses the subjects that both rated. `codes` is subjects × raters (at least two).
LightKappaResult light_kappa(const CodeView& codes, const MatrixView& weights,
                             const KappaOptions& options = {});

}  // namespace rapport
