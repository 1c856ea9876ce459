#pragma once

#include "arrow.hpp"
#include <vector>

namespace rapport::detail {

/// tr(H⁻¹H_kH⁻¹H_l) for a factorised and inverted ArrowMatrix H and matrices H_k of its pattern,
/// one for each direction of the parameters. The H_k are gathered block by block; only their upper
/// parts are kept.
class ArrowDirections {
 public:
  ArrowDirections(const ArrowMatrix& matrix, Index directions);

  /// Doubles that a sum over `directions` keeps.
  [[nodiscard]] static double memory(const ArrowMatrix& matrix, Index directions);

  void start_block(Index block);
  /// Of the block: the entries of all directions at (row ≥ column) among its q own columns; at an
  /// own column and one it touches; at two of the touched.
  double* own(Index row, Index column) { return own_.col(row + q() * column).data(); }
  double* cross(Index own, Index touched) { return cross_.col(own + q() * touched).data(); }
  double* upper(Index touched, Index other);
  void finish_block();

  /// Once all blocks are finished.
  [[nodiscard]] Eigen::MatrixXd traces();

 private:
  [[nodiscard]] Index q() const { return matrix_.q_; }
  void add_own_traces();
  void add_to_batch();
  void finish_batch();
  void add_cross_traces(const std::vector<Index>& columns);
  void eliminate(const std::vector<Index>& columns);

  static constexpr Index batch_lines = 64;
  const ArrowMatrix& matrix_;
  Index directions_;
  Index block_ = 0;
  Eigen::MatrixXd own_;    ///< directions × q²
  Eigen::MatrixXd cross_;  ///< directions × q·touched
  Eigen::MatrixXd upper_;  ///< directions × all entries of C
  Eigen::MatrixXd sum_;
  // Own columns of blocks that touch the same upper columns: for each its directions one below the
  // other, a column for each that is touched.
  Index batch_block_ = -1;        ///< the first of them
  Index lines_ = 0;               ///< how many own columns
  Eigen::MatrixXd batch_half_;    ///< B_k − A_kS/2
  Eigen::MatrixXd batch_white_;   ///< L⁻¹(B_k − A_kS)
  Eigen::MatrixXd batch_solved_;  ///< S = A⁻¹B of H: a row for each own column
};

}  // namespace rapport::detail
