#pragma once

#include <rapport/math/dense_ranks.hpp>

namespace rapport {

/// The n(n − 1)/2 pairs of observations, by how the two variables order them. Counts are whole
/// numbers, exact to 2⁵³; with weights a pair counts w_i·w_j times (and tied_both holds the pairs
/// among the copies of one observation).
struct [[nodiscard]] PairCounts {
  double concordant = 0;
  double discordant = 0;
  double tied_x = 0;     ///< tied on x only
  double tied_y = 0;     ///< tied on y only
  double tied_both = 0;  ///< tied on both
};

/// Counts the pairs of two columns of equal length: from the contingency table where it is small,
/// O(n + k_x k_y), else by counting inversions, O(n log n) (after Knight 1966).
PairCounts count_pairs(const DenseRanks& x, const DenseRanks& y);

/// The same from a contingency table of counts, O(cells).
PairCounts count_pairs(const Eigen::MatrixXd& table);

/// For each observation i, the weight of the observations j (i itself included) by quadrant; a
/// weight of 1 each unless weights are given. Everything that ordinal measures of association,
/// their standard errors and Hoeffding's D need.
struct [[nodiscard]] QuadrantCounts {
  Eigen::VectorXd less_less;    ///< x_j < x_i and y_j < y_i
  Eigen::VectorXd less_equal;   ///< x_j < x_i and y_j = y_i
  Eigen::VectorXd equal_less;   ///< x_j = x_i and y_j < y_i
  Eigen::VectorXd equal_equal;  ///< both equal, i included
  Eigen::VectorXd below_x;      ///< x_j < x_i
  Eigen::VectorXd below_y;      ///< y_j < y_i
  Eigen::VectorXd equal_x;      ///< x_j = x_i, i included
  Eigen::VectorXd equal_y;      ///< y_j = y_i, i included
  double total = 0;             ///< of all weights
};

/// O(n log n). `weights` is empty or as long as the columns, its values finite and ≥ 0.
QuadrantCounts quadrant_counts(const DenseRanks& x, const DenseRanks& y,
                               const VectorView& weights = Eigen::VectorXd());

/// The weight of the observations concordant with each observation.
[[nodiscard]] Eigen::VectorXd concordant_with_each(const QuadrantCounts& quadrants);
/// The weight of the observations discordant with each observation.
[[nodiscard]] Eigen::VectorXd discordant_with_each(const QuadrantCounts& quadrants);

/// The pairs that the quadrants imply; `weights` as they were given.
PairCounts count_pairs(const QuadrantCounts& quadrants,
                       const VectorView& weights = Eigen::VectorXd());

/// Counts of the joint values: a row for each distinct x, a column for each distinct y.
[[nodiscard]] Eigen::MatrixXd cross_table(const DenseRanks& x, const DenseRanks& y);

/// The observations in ascending order of x, by y among equal x, by number among equal both.
[[nodiscard]] std::vector<std::int32_t> lexicographic_order(const DenseRanks& x,
                                                            const DenseRanks& y);

/// True where the table is no larger than a few times the data, so that working on its cells is the
/// shorter way.
[[nodiscard]] bool table_is_small(const DenseRanks& x, const DenseRanks& y);

/// Inversions of a permutation of 0 … n − 1: pairs of positions in descending order. O(n log n);
/// destroys its argument.
[[nodiscard]] double count_inversions(std::vector<std::uint32_t>& sequence);

}  // namespace rapport
