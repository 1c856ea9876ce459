#pragma once

#include <rapport/mixed/design.hpp>

#include <vector>

namespace rapport::detail {

/// Columns of the terms whose factor is not the finest ("upper" terms), one run of q columns for
/// each level, numbered so that levels which share no data with one another stand in separate
/// components.
struct UpperLayout {
  struct Term {
    std::size_t design_term;
    Index q;
    Index row_offset;             ///< where the term's columns stand among a row's upper columns
    std::vector<Index> position;  ///< first column of each level
  };
  /// A block of the finest factor touches few upper columns.
  struct Touched {
    std::vector<Index> columns;  ///< ascending
    Index component = 0;
  };

  std::vector<Term> terms;
  Index columns = 0;
  Index per_row = 0;                   ///< upper columns of one row, over all terms
  std::vector<Index> component_start;  ///< and the number of columns at the end
  std::vector<Touched> touched;        ///< of each block
  std::vector<Index>
      local;  ///< rows × terms: where the row's run starts within its block's touched columns
  [[nodiscard]] Index local_start(Index row, std::size_t term) const {
    return local[static_cast<std::size_t>(row) * terms.size() + term];
  }
  [[nodiscard]] Index n_components() const {
    return static_cast<Index>(component_start.size()) - 1;
  }
};

/// `starts`: first row of each block and the number of rows. Terms in `inner` are left out.
UpperLayout make_upper_layout(const std::vector<RandomTerm>& random, const std::vector<bool>& inner,
                              const std::vector<Index>& starts);

/// The symmetric positive definite matrix [A B; B' C] with A block-diagonal in blocks of q × q and
/// C dense within components: its Cholesky factor by elimination of the blocks, solutions, and the
/// parts of its inverse that meet data.
class ArrowMatrix {
 public:
  ArrowMatrix(Index n_blocks, Index q, const UpperLayout& layout);

  void set_identity();
  [[nodiscard]] Eigen::Map<Eigen::MatrixXd> a(Index block) {
    return {a_.data() + block * q_ * q_, q_, q_};
  }
  [[nodiscard]] Eigen::Map<Eigen::MatrixXd> b(Index block) {
    return {b_.data() + b_start_[at(block)], q_, k(block)};
  }
  /// Adds to C at two upper columns of one component, at (row ≥ column) only.
  double& c(Index row, Index column) {
    const Index component = component_of_[at(row)];
    const Index start = layout_.component_start[at(component)];
    const Index size = layout_.component_start[at(component) + 1] - start;
    return c_[at(c_start_[at(component)] + (column - start) * size + row - start)];
  }

  /// False if the matrix is not positive definite. Overwrites A, B and C.
  bool factorize();
  [[nodiscard]] double log_determinant() const { return log_determinant_; }
  /// Solves in place; `inner` holds q values a block, `upper` one a column.
  void solve(Eigen::VectorXd& inner, Eigen::VectorXd& upper) const;
  /// The same for one right side a row: q columns a block, then the upper ones.
  void solve(Eigen::MatrixXd& rows) const;

  void invert();
  /// The inverse at a block's own q columns and then the upper ones it touches. Call invert()
  /// first.
  void inverse_part(Index block, Eigen::MatrixXd& part) const;
  /// The inverse at two upper columns of one component.
  [[nodiscard]] double upper_inverse(Index row, Index column) const;

 private:
  friend class ArrowDirections;
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] Index k(Index block) const {
    return static_cast<Index>(layout_.touched[at(block)].columns.size());
  }
  template <Index fixed_count>
  void solve(double* inner, double* upper, Index count) const;
  [[nodiscard]] Eigen::Map<Eigen::MatrixXd> component(std::vector<double>& values, Index c) const;
  [[nodiscard]] Eigen::Map<const Eigen::MatrixXd> component(const std::vector<double>& values,
                                                            Index c) const;

  const UpperLayout& layout_;
  Index n_blocks_;
  Index q_;
  std::vector<double> a_;  ///< A, then its lower Cholesky factors
  std::vector<double> b_;  ///< B, then A⁻¹B
  std::vector<double> c_;  ///< C, then the Cholesky factor of its Schur complement (lower)
  std::vector<double> inverse_;
  std::vector<Index> b_start_;
  std::vector<Index> c_start_;
  std::vector<Index> component_of_;
  double log_determinant_ = 0;
};

}  // namespace rapport::detail
