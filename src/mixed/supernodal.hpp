#pragma once

#include <rapport/base/eigen.hpp>

#include "supernodes.hpp"
#include <memory>
#include <vector>

namespace rapport {

/// A sparse symmetric matrix, its lower Cholesky factor or the part of its inverse that lies in the
/// factor's pattern: the panels of a SupernodalPattern, which must outlive it.
class SupernodalMatrix {
 public:
  using Panel = Eigen::Map<Eigen::MatrixXd>;
  using ConstPanel = Eigen::Map<const Eigen::MatrixXd>;

  explicit SupernodalMatrix(const SupernodalPattern& pattern)
      : pattern_(&pattern), values_(static_cast<std::size_t>(pattern.n_values()), 0.0) {}

  [[nodiscard]] const SupernodalPattern& pattern() const { return *pattern_; }
  [[nodiscard]] std::vector<double>& values() { return values_; }
  [[nodiscard]] const std::vector<double>& values() const { return values_; }
  [[nodiscard]] Panel panel(const SupernodalPattern::Supernode& s) {
    return {values_.data() + s.values, s.n_rows, s.width};
  }
  [[nodiscard]] ConstPanel panel(const SupernodalPattern::Supernode& s) const {
    return {values_.data() + s.values, s.n_rows, s.width};
  }
  /// The value at (j, j).
  [[nodiscard]] double diagonal(Index j) const {
    return values_[static_cast<std::size_t>(pattern_->place(j, j))];
  }

  /// Replaces a positive definite matrix by its factor L (multifrontal: Duff & Reid 1983); false if
  /// it is not positive definite.
  [[nodiscard]] bool factorize();
  /// The log-determinant of LL'.
  [[nodiscard]] double log_determinant() const;
  /// x := L⁻¹x, one or several columns.
  void solve_lower(Eigen::Ref<Eigen::MatrixXd> x) const;
  /// x := L⁻ᵀx.
  void solve_transposed(Eigen::Ref<Eigen::MatrixXd> x) const;
  /// The part of (LL')⁻¹ in the pattern (Takahashi, Fagan & Chin 1973), by supernodes from the last
  /// to the first.
  [[nodiscard]] SupernodalMatrix selected_inverse() const;

 private:
  [[nodiscard]] const SupernodalPattern::Supernode& front() const {
    return pattern_->supernodes().front();
  }

  const SupernodalPattern* pattern_;
  std::vector<double> values_;
};

}  // namespace rapport
