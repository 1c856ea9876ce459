#pragma once

#include <rapport/base/eigen.hpp>

#include "leaf_kernels.hpp"
#include <algorithm>
#include <vector>

namespace rapport {

/// A coordinate of a symmetric matrix.
struct MatrixPair {
  Index row;
  Index column;
};

/// Coordinates of a q × q symmetric matrix.
constexpr Index n_pairs(Index q) { return q * (q + 1) / 2; }

/// Where (i, j) stands among the pairs i ≥ j by columns.
inline Index pair_index(Index q, Index i, Index j) {
  const Index row = std::max(i, j);
  const Index column = std::min(i, j);
  return column * q - column * (column - 1) / 2 + row - column;
}

/// The arrays of LeafSums in one piece of memory.
class LeafTerms {
 public:
  LeafTerms(Index q, Index width)
      : pairs_(n_pairs(q)),
        square_(width * width),
        values_(static_cast<std::size_t>(pairs_ * (1 + square_ + 3 * pairs_)), 0) {}

  [[nodiscard]] LeafSums sums() {
    double* start = values_.data();
    return {start, start + pairs_, a_a_start(), a_a_start() + pairs_ * pairs_,
            a_a_start() + 2 * pairs_ * pairs_};
  }
  [[nodiscard]] const double* a() const { return values_.data(); }
  [[nodiscard]] const double* b_outer(Index pair) const {
    return values_.data() + pairs_ + pair * square_;
  }
  [[nodiscard]] const double* a_a() const { return a(0); }
  [[nodiscard]] const double* a_trace() const { return a(1); }
  [[nodiscard]] const double* a_data() const { return a(2); }
  LeafTerms& operator+=(const LeafTerms& other) {
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += other.values_[i];
    return *this;
  }
  void clear_outer() { std::fill_n(values_.begin() + pairs_, pairs_ * square_, 0.0); }

 private:
  [[nodiscard]] double* a_a_start() { return values_.data() + pairs_ * (1 + square_); }
  [[nodiscard]] const double* a(Index which) const {
    return values_.data() + pairs_ * (1 + square_ + which * pairs_);
  }

  Index pairs_;
  Index square_;
  std::vector<double> values_;
};

/// tr(E_k A E_l K) from the sums of A_s K_t over pairs s, t: `sums` at (s, t) by rows.
inline double contracted(const double* sums, Index q, MatrixPair k, MatrixPair l) {
  const auto sum = [&](Index a, Index b, Index c, Index d) {
    return sums[pair_index(q, a, b) * n_pairs(q) + pair_index(q, c, d)];
  };
  // E_k = e_r e_c' + e_c e_r' (once if r = c): tr(e_r e_c' A e_s e_d' K) = A_cs K_dr.
  double result = 0;
  for (int swap_k = 0; swap_k < (k.row == k.column ? 1 : 2); ++swap_k)
    for (int swap_l = 0; swap_l < (l.row == l.column ? 1 : 2); ++swap_l) {
      const MatrixPair e = swap_k == 0 ? k : MatrixPair{k.column, k.row};
      const MatrixPair f = swap_l == 0 ? l : MatrixPair{l.column, l.row};
      result += sum(e.column, f.row, f.column, e.row);
    }
  return result;
}

/// Memory for a kernel call on this thread, good until the next call: kernels do not nest.
inline double* kernel_scratch(long doubles) {
  thread_local std::vector<double> memory;
  if (memory.size() < static_cast<std::size_t>(doubles))
    memory.resize(static_cast<std::size_t>(doubles));
  return memory.data();
}

}  // namespace rapport
