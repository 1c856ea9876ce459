#pragma once

#include <rapport/mixed/inference.hpp>

#include <string>
#include <vector>

namespace rapport {

/// The type III hypothesis of a term: rows × p, over the columns that the fit kept. Coefficients of
/// the term as they would be if every factor were coded to average equally over its levels, with
/// covariates at 0, whatever the contrasts (Goodnight 1980). Where columns were dropped: the
/// estimable functions of the term orthogonal to those of the terms that contain it.
struct TermHypothesis {
  std::string term;
  Eigen::MatrixXd contrasts;
};

/// One hypothesis for each term but the intercept, in the order of the columns.
[[nodiscard]] std::vector<TermHypothesis> type3_hypotheses(const Design& design,
                                                           const FixedEffects& fixed);

struct [[nodiscard]] TermTest {
  std::string term;
  ContrastTest test;  ///< NaN where nothing of the term can be estimated
};

/// The type III test of each term.
[[nodiscard]] std::vector<TermTest> type3_tests(const Design& design, const FixedEffects& fixed,
                                                const FixedInference& inference);

/// `weights` over all columns of the design, as weights over those the fit kept; all NaN if the
/// combination cannot be estimated because of a dropped column.
[[nodiscard]] Eigen::VectorXd estimable_weights(const Design& design, const FixedEffects& fixed,
                                                const VectorView& weights);

}  // namespace rapport
