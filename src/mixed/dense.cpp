#include "dense.hpp"

#include <Eigen/Cholesky>

#include "dense_kernels.hpp"
#include <algorithm>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Block = Eigen::Ref<MatrixXd>;

constexpr Index block_size = 96;

#if defined(RAPPORT_X86_64_V3_KERNELS)
/// Runs the kernel if the processor has it and the work is worth packing.
bool run_kernel(Block c, double alpha, const StridedMatrix& a, const StridedMatrix& b,
                Index inner) {
  constexpr Index small = 16;
  if (!has_x86_64_v3() || c.rows() < small || inner < small) return false;
  std::vector<double> scratch(static_cast<std::size_t>(product_scratch_size(c.cols())));
  product_x86_64_v3({c.rows(), c.cols(), inner}, alpha, a, b, c.data(), c.outerStride(),
                    scratch.data());
  return true;
}
#else
bool run_kernel(Block, double, const StridedMatrix&, const StridedMatrix&, Index) { return false; }
#endif

StridedMatrix plain(const MatrixView& m) { return {m.data(), 1, m.outerStride()}; }
StridedMatrix transposed(const MatrixView& m) { return {m.data(), m.outerStride(), 1}; }

}  // namespace

bool has_x86_64_v3() {
#if defined(RAPPORT_X86_64_V3_KERNELS)
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi2");
  return has;
#else
  return false;
#endif
}

void add_product(Block c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!run_kernel(c, alpha, plain(a), plain(b), a.cols())) c.noalias() += alpha * a * b;
}

void add_product_transposed(Block c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!run_kernel(c, alpha, plain(a), transposed(b), a.cols()))
    c.noalias() += alpha * a * b.transpose();
}

void add_transposed_product(Block c, double alpha, const MatrixView& a, const MatrixView& b) {
  if (!run_kernel(c, alpha, transposed(a), plain(b), a.rows()))
    c.noalias() += alpha * a.transpose() * b;
}

bool factor_in_place(MatrixXd& matrix) {
  const Index n = matrix.rows();
  for (Index k = 0; k < n; k += block_size) {
    const Index size = std::min(block_size, n - k);
    const Index below = n - k - size;
    const Eigen::LLT<MatrixXd> diagonal(matrix.block(k, k, size, size));
    if (diagonal.info() != Eigen::Success) return false;
    const MatrixXd lower = diagonal.matrixL();
    matrix.block(k, k, size, size) = lower;
    matrix.block(k, k + size, size, below).setZero();
    if (below == 0) break;
    const MatrixXd inverse =
        lower.triangularView<Eigen::Lower>().solve(MatrixXd::Identity(size, size));
    MatrixXd panel = MatrixXd::Zero(below, size);
    add_product_transposed(panel, 1, matrix.block(k + size, k, below, size), inverse);
    matrix.block(k + size, k, below, size) = panel;
    for (Index j = 0; j < below; j += block_size) {
      const Index width = std::min(block_size, below - j);
      add_product_transposed(matrix.block(k + size + j, k + size + j, below - j, width), -1,
                             panel.bottomRows(below - j), panel.middleRows(j, width));
    }
  }
  return true;
}

MatrixXd inverse_of_factored(const MatrixXd& lower) {
  const Index n = lower.rows();
  // L⁻¹ by rows of blocks: its row i is −L_ii⁻¹ Σ_k L_ik (L⁻¹)_k.
  MatrixXd root = MatrixXd::Zero(n, n);
  constexpr Index stripe = 2 * block_size;
  for (Index i = 0; i < n; i += block_size) {
    const Index size = std::min(block_size, n - i);
    const MatrixXd diagonal = lower.block(i, i, size, size)
                                  .triangularView<Eigen::Lower>()
                                  .solve(MatrixXd::Identity(size, size));
    root.block(i, i, size, size) = diagonal;
    for (Index j = 0; j < i; j += stripe) {
      const Index width = std::min(stripe, i - j);
      MatrixXd sum = MatrixXd::Zero(size, width);
      add_product(sum, 1, lower.block(i, j, size, i - j), root.block(j, j, i - j, width));
      add_product(root.block(i, j, size, width), -1, diagonal, sum);
    }
  }
  MatrixXd inverse = MatrixXd::Zero(n, n);
  for (Index i = 0; i < n; i += block_size) {
    const Index size = std::min(block_size, n - i);
    add_transposed_product(inverse.block(i, 0, size, i + size), 1, root.block(i, i, n - i, size),
                           root.block(i, 0, n - i, i + size));
  }
  inverse.triangularView<Eigen::StrictlyUpper>() = inverse.transpose();
  return inverse;
}

}  // namespace rapport
