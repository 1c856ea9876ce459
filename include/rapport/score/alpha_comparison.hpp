#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/score/reliability.hpp>

#include <string>
#include <vector>

namespace rapport {

/// One group's α for a comparison.
struct AlphaOfGroup {
  double alpha;
  Index n;
  Index items;
};

/// A χ² test that several α are equal.
struct [[nodiscard]] AlphaComparison {
  double statistic;
  double df;
  double p_value;
};

/// Of independent groups (arms, clinics): Feldt, Woodruff & Salih (1987).
AlphaComparison compare_alphas(const std::vector<AlphaOfGroup>& groups);

/// Of the same persons rated by several raters; `correlation` (square) is that of the totals:
/// Woodruff & Feldt (1986).
AlphaComparison compare_dependent_alphas(const std::vector<AlphaOfGroup>& groups,
                                         const MatrixView& correlation);

/// The α of two raters, by their positions, and the test that they are equal.
struct AlphaDifference {
  Index first;
  Index second;
  double difference;  ///< first − second
  AlphaComparison test;
};

/// Does a scale hold together for one rater as for another (client, therapist, observer)?
struct [[nodiscard]] RaterReliability {
  std::vector<std::string> raters;
  std::vector<AlphaResult> alphas;  ///< of each rater
  Eigen::MatrixXd r_drop;           ///< items × raters: each item with the sum of the others
  Eigen::MatrixXd correlation;      ///< raters × raters, of the sums
  AlphaComparison test;             ///< that all raters have the same α
  std::vector<AlphaDifference> differences;  ///< of every pair of raters; p-values unadjusted
  Index n_used;                              ///< persons
  Index n_omitted;                           ///< persons whom some rater did not rate in full
};

/// Reliability of `items` (n × k, reversed already, NaN for a missing answer) by rater, one row for
/// each person and rater, over the persons whom every rater rated in full; compared as α of the
/// same persons are (compare_dependent_alphas). `options.missing` has no effect: rows are complete.
/// Throws InvalidArgument if sizes differ and for fewer than 2 raters; DataError for a person with
/// two rows by one rater, and for fewer than 3 persons.
RaterReliability reliability_by_rater(const MatrixView& items, const Factor& person,
                                      const Factor& rater, const ReliabilityOptions& options = {});

}  // namespace rapport
