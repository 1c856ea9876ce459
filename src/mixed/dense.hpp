#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Dense linear algebra for large symmetric matrices, on the widest instructions of the processor.

/// c += alpha · a · b.
void add_product(Eigen::Ref<Eigen::MatrixXd> c, double alpha, const MatrixView& a,
                 const MatrixView& b);
/// c += alpha · a · b'.
void add_product_transposed(Eigen::Ref<Eigen::MatrixXd> c, double alpha, const MatrixView& a,
                            const MatrixView& b);
/// c += alpha · a' · b.
void add_transposed_product(Eigen::Ref<Eigen::MatrixXd> c, double alpha, const MatrixView& a,
                            const MatrixView& b);

/// Replaces a positive definite matrix by its lower Cholesky factor (the upper triangle is 0);
/// false if it is not positive definite.
[[nodiscard]] bool factor_in_place(Eigen::MatrixXd& matrix);
/// (LL')⁻¹ for a lower triangular L.
[[nodiscard]] Eigen::MatrixXd inverse_of_factored(const Eigen::MatrixXd& lower);

}  // namespace rapport
