#include "dense.hpp"

#include "dense_kernels.hpp"
#include <cmath>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;

/// Below this many columns, loops.
constexpr Index small = 24;

/// Where to split n columns in two: at whole tiles of the kernels where that matters.
Index half_of(Index n) {
  const Index tile = n > 4 * small ? 24 : 8;
  return (n / 2 + tile - 1) / tile * tile;
}

/// c += alpha · a · b by loops.
void add_by_loops(DenseBlock c, double alpha, const StridedMatrix& a, const StridedMatrix& b,
                  Index inner) {
  for (Index j = 0; j < c.cols(); ++j) {
    double* to = c.data() + j * c.outerStride();
    for (Index k = 0; k < inner; ++k) {
      const double factor = alpha * b.data[k * b.row + j * b.column];
      const double* from = a.data + k * a.column;
      for (Index i = 0; i < c.rows(); ++i) to[i] += factor * from[i * a.row];
    }
  }
}

/// c += alpha · a · b: loops where packing is not worth its while, else the kernel; false if the
/// processor has none.
bool add_by_kernel(DenseBlock c, double alpha, const StridedMatrix& a, const StridedMatrix& b,
                   Index inner) {
  constexpr Index worth_packing = 512;  // products of numbers
  if (c.rows() * c.cols() * inner < worth_packing) {
    add_by_loops(c, alpha, a, b, inner);
    return true;
  }
  const ProductKernel kernel = product_kernel();
  if (kernel == nullptr) return false;
  const ProductSize size = {c.rows(), c.cols(), inner};
  thread_local std::vector<double> scratch;
  const auto needed = static_cast<std::size_t>(product_scratch_size(size));
  if (scratch.size() < needed) scratch.resize(needed);
  kernel(size, alpha, a, b, c.data(), c.outerStride(), scratch.data());
  return true;
}

StridedMatrix plain(const MatrixView& m) { return {m.data(), 1, m.outerStride()}; }
StridedMatrix transposed(const MatrixView& m) { return {m.data(), m.outerStride(), 1}; }

/// c += alpha · b · t for a lower triangular t with zeros above.
void add_times_lower(DenseBlock c, double alpha, const MatrixView& b, const MatrixView& t) {
  const Index n = t.rows();
  if (n <= 4 * small) return add_product(c, alpha, b, t);
  const Index k = half_of(n);
  add_times_lower(c.leftCols(k), alpha, b.leftCols(k), t.topLeftCorner(k, k));
  add_product(c.leftCols(k), alpha, b.rightCols(n - k), t.bottomLeftCorner(n - k, k));
  add_times_lower(c.rightCols(n - k), alpha, b.rightCols(n - k), t.bottomRightCorner(n - k, n - k));
}

/// c += alpha · t · b.
void add_lower_times(DenseBlock c, double alpha, const MatrixView& t, const MatrixView& b) {
  const Index n = t.rows();
  if (n <= 4 * small) return add_product(c, alpha, t, b);
  const Index k = half_of(n);
  add_lower_times(c.topRows(k), alpha, t.topLeftCorner(k, k), b.topRows(k));
  add_product(c.bottomRows(n - k), alpha, t.bottomLeftCorner(n - k, k), b.topRows(k));
  add_lower_times(c.bottomRows(n - k), alpha, t.bottomRightCorner(n - k, n - k),
                  b.bottomRows(n - k));
}

/// c += t' · b.
void add_transposed_lower_times(DenseBlock c, const MatrixView& t, const MatrixView& b) {
  const Index n = t.rows();
  if (n <= 4 * small) return add_transposed_product(c, 1, t, b);
  const Index k = half_of(n);
  add_transposed_lower_times(c.topRows(k), t.topLeftCorner(k, k), b.topRows(k));
  add_transposed_product(c.topRows(k), 1, t.bottomLeftCorner(n - k, k), b.bottomRows(n - k));
  add_transposed_lower_times(c.bottomRows(n - k), t.bottomRightCorner(n - k, n - k),
                             b.bottomRows(n - k));
}

bool factor_small(DenseBlock a) {
  const Index rows = a.rows();
  for (Index j = 0; j < a.cols(); ++j) {
    double* own = a.data() + j * a.outerStride();
    for (Index k = 0; k < j; ++k) {
      const double* left = a.data() + k * a.outerStride();
      const double factor = left[j];
      for (Index i = j; i < rows; ++i) own[i] -= factor * left[i];
    }
    if (!(own[j] > 0) || !std::isfinite(own[j])) return false;
    const double scale = 1 / std::sqrt(own[j]);
    for (Index i = j; i < rows; ++i) own[i] *= scale;
  }
  return true;
}

/// Solves for some columns of x side by side, so that no step waits for the one before.
template <Index columns>
void solve_columns(const MatrixView& lower, double* x, Index stride) {
  const Index n = lower.rows();
  double value[columns];
  for (Index k = 0; k < n; ++k) {
    const double* left = lower.data() + k * lower.outerStride();
    const double inverse = 1 / left[k];
    for (Index j = 0; j < columns; ++j) x[j * stride + k] = value[j] = x[j * stride + k] * inverse;
    for (Index j = 0; j < columns; ++j)
      for (Index i = k + 1; i < n; ++i) x[j * stride + i] -= value[j] * left[i];
  }
}

template <Index columns>
void solve_columns_transposed(const MatrixView& lower, double* x, Index stride) {
  const Index n = lower.rows();
  double value[columns];
  for (Index k = n; k-- > 0;) {
    const double* left = lower.data() + k * lower.outerStride();
    for (Index j = 0; j < columns; ++j) value[j] = x[j * stride + k];
    for (Index i = k + 1; i < n; ++i)
      for (Index j = 0; j < columns; ++j) value[j] -= left[i] * x[j * stride + i];
    const double inverse = 1 / left[k];
    for (Index j = 0; j < columns; ++j) x[j * stride + k] = value[j] * inverse;
  }
}

void solve_small(const MatrixView& lower, DenseBlock x) {
  const Index stride = x.outerStride();
  Index j = 0;
  for (; j + 4 <= x.cols(); j += 4) solve_columns<4>(lower, x.data() + j * stride, stride);
  for (; j < x.cols(); ++j) solve_columns<1>(lower, x.data() + j * stride, stride);
}

void solve_small_transposed(const MatrixView& lower, DenseBlock x) {
  const Index stride = x.outerStride();
  Index j = 0;
  for (; j + 4 <= x.cols(); j += 4)
    solve_columns_transposed<4>(lower, x.data() + j * stride, stride);
  for (; j < x.cols(); ++j) solve_columns_transposed<1>(lower, x.data() + j * stride, stride);
}

MatrixXd inverse_of_small(const MatrixView& lower) {
  MatrixXd inverse = MatrixXd::Identity(lower.rows(), lower.rows());
  solve_small(lower, inverse);
  return inverse;
}

}  // namespace

#if defined(RAPPORT_X86_64_V3_KERNELS)
bool has_x86_64_v3() {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi2");
  return has;
}

ProductKernel product_kernel() {
  static const bool has_v4 =
      has_x86_64_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd");
  if (has_v4) return product_x86_64_v4;
  return has_x86_64_v3() ? product_x86_64_v3 : nullptr;
}
#else
bool has_x86_64_v3() { return false; }

ProductKernel product_kernel() { return nullptr; }
#endif

void add_product(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!add_by_kernel(c, alpha, plain(a), plain(b), a.cols())) c.noalias() += alpha * a * b;
}

void add_product_transposed(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!add_by_kernel(c, alpha, plain(a), transposed(b), a.cols()))
    c.noalias() += alpha * a * b.transpose();
}

void add_transposed_product(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!add_by_kernel(c, alpha, transposed(a), plain(b), a.rows()))
    c.noalias() += alpha * a.transpose() * b;
}

void add_lower_square(DenseBlock c, double alpha, const MatrixView& a) {
  const Index n = c.rows();
  if (n <= 4 * small) return add_product_transposed(c, alpha, a, a);
  const Index k = half_of(n);
  add_lower_square(c.topLeftCorner(k, k), alpha, a.topRows(k));
  add_product_transposed(c.bottomLeftCorner(n - k, k), alpha, a.bottomRows(n - k), a.topRows(k));
  add_lower_square(c.bottomRightCorner(n - k, n - k), alpha, a.bottomRows(n - k));
}

void add_lower_gram(DenseBlock c, double alpha, const MatrixView& a) {
  const Index n = c.rows();
  if (n <= 4 * small) return add_transposed_product(c, alpha, a, a);
  const Index k = half_of(n);
  add_lower_gram(c.topLeftCorner(k, k), alpha, a.leftCols(k));
  add_transposed_product(c.bottomLeftCorner(n - k, k), alpha, a.rightCols(n - k), a.leftCols(k));
  add_lower_gram(c.bottomRightCorner(n - k, n - k), alpha, a.rightCols(n - k));
}

bool factor_panel(DenseBlock panel) {
  const Index n = panel.cols();
  const Index rows = panel.rows();
  if (n <= small) {
    if (rows <= 2 * small) return factor_small(panel);
    if (!factor_small(panel.topRows(n))) return false;
    const MatrixXd inverse = inverse_of_small(panel.topRows(n));
    const MatrixXd below = panel.bottomRows(rows - n);
    panel.bottomRows(rows - n).setZero();
    add_product_transposed(panel.bottomRows(rows - n), 1, below, inverse);
    return true;
  }
  const Index k = half_of(n);
  if (!factor_panel(panel.leftCols(k))) return false;
  const auto top = panel.block(k, 0, n - k, k);
  add_lower_square(panel.block(k, k, n - k, n - k), -1, top);
  if (rows > n)
    add_product_transposed(panel.bottomRightCorner(rows - n, n - k), -1,
                           panel.bottomLeftCorner(rows - n, k), top);
  return factor_panel(panel.bottomRightCorner(rows - k, n - k));
}

void invert_lower(DenseBlock lower) {
  const Index n = lower.rows();
  if (n <= small) {
    lower = inverse_of_small(lower);
    return;
  }
  const Index k = half_of(n);
  invert_lower(lower.topLeftCorner(k, k));
  invert_lower(lower.bottomRightCorner(n - k, n - k));
  auto corner = lower.bottomLeftCorner(n - k, k);
  MatrixXd product = MatrixXd::Zero(n - k, k);
  add_times_lower(product, 1, corner, lower.topLeftCorner(k, k));
  corner.setZero();
  add_lower_times(corner, -1, lower.bottomRightCorner(n - k, n - k), product);
}

void square_lower(DenseBlock lower) {
  const Index n = lower.rows();
  if (n <= 4 * small) {
    const MatrixXd copy = lower;
    lower.setZero();
    add_transposed_product(lower, 1, copy, copy);
    return;
  }
  const Index k = half_of(n);
  auto corner = lower.bottomLeftCorner(n - k, k);
  square_lower(lower.topLeftCorner(k, k));
  add_lower_gram(lower.topLeftCorner(k, k), 1, corner);
  const MatrixXd copy = corner;
  corner.setZero();
  add_transposed_lower_times(corner, lower.bottomRightCorner(n - k, n - k), copy);
  square_lower(lower.bottomRightCorner(n - k, n - k));
}

void solve_lower_triangle(const MatrixView& lower, DenseBlock x) {
  const Index n = lower.rows();
  if (n <= small) return solve_small(lower, x);
  const Index k = half_of(n);
  solve_lower_triangle(lower.topLeftCorner(k, k), x.topRows(k));
  add_product(x.bottomRows(n - k), -1, lower.bottomLeftCorner(n - k, k), x.topRows(k));
  solve_lower_triangle(lower.bottomRightCorner(n - k, n - k), x.bottomRows(n - k));
}

void solve_transposed_triangle(const MatrixView& lower, DenseBlock x) {
  const Index n = lower.rows();
  if (n <= small) return solve_small_transposed(lower, x);
  const Index k = half_of(n);
  solve_transposed_triangle(lower.bottomRightCorner(n - k, n - k), x.bottomRows(n - k));
  add_transposed_product(x.topRows(k), -1, lower.bottomLeftCorner(n - k, k), x.bottomRows(n - k));
  solve_transposed_triangle(lower.topLeftCorner(k, k), x.topRows(k));
}

}  // namespace rapport
