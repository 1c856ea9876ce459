#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Dense linear algebra for large matrices, on the widest instructions of the processor. Recursive
/// throughout, so that nearly all work is matrix products (Elmroth, Gustavson, Jonsson & Kågström
/// 2004).

using DenseBlock = Eigen::Ref<Eigen::MatrixXd>;

/// c += alpha · a · b.
void add_product(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b);
/// c += alpha · a · b'.
void add_product_transposed(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b);
/// c += alpha · a' · b.
void add_transposed_product(DenseBlock c, double alpha, const MatrixView& a, const MatrixView& b);
/// The lower triangle of c += alpha · a · a'; what stands above is undefined afterwards.
void add_lower_square(DenseBlock c, double alpha, const MatrixView& a);
/// The lower triangle of c += alpha · a' · a; what stands above is undefined afterwards.
void add_lower_gram(DenseBlock c, double alpha, const MatrixView& a);

/// Replaces the lower triangle of the square on top by its Cholesky factor L and the rows B below
/// by BL⁻ᵀ; what stands above the diagonal is undefined. False if it is not positive definite.
[[nodiscard]] bool factor_panel(DenseBlock panel);
/// Replaces a lower triangular L, with zeros above, by L⁻¹.
void invert_lower(DenseBlock lower);
/// Replaces a lower triangular R, with zeros above, by the lower triangle of R'R; what stands above
/// is undefined.
void square_lower(DenseBlock lower);
/// x := L⁻¹x for the lower triangle of a square.
void solve_lower_triangle(const MatrixView& lower, DenseBlock x);
/// x := L⁻ᵀx.
void solve_transposed_triangle(const MatrixView& lower, DenseBlock x);

}  // namespace rapport
