#pragma once

// A matrix product on raw memory for processors with wide vectors; under the rules of
// leaf_kernels.hpp.

#include <cstddef>

namespace rapport {

/// A matrix by strides: (i, j) stands at data[i · row + j · column].
struct StridedMatrix {
  const double* data;
  std::ptrdiff_t row;
  std::ptrdiff_t column;
};

struct ProductSize {
  std::ptrdiff_t rows;
  std::ptrdiff_t columns;
  std::ptrdiff_t inner;
};

inline constexpr std::ptrdiff_t product_inner_block = 256;
inline constexpr std::ptrdiff_t product_row_block = 96;

/// Doubles of scratch memory that a product needs.
constexpr std::ptrdiff_t product_scratch_size(const ProductSize& size) {
  const std::ptrdiff_t inner = size.inner < product_inner_block ? size.inner : product_inner_block;
  return inner * (size.columns + 8 + product_row_block);
}

/// c (column stride `c_column`) += alpha · a · b.
using ProductKernel = void (*)(const ProductSize& size, double alpha, const StridedMatrix& a,
                               const StridedMatrix& b, double* c, std::ptrdiff_t c_column,
                               double* scratch);

#if defined(RAPPORT_X86_64_V3_KERNELS)
void product_x86_64_v3(const ProductSize& size, double alpha, const StridedMatrix& a,
                       const StridedMatrix& b, double* c, std::ptrdiff_t c_column, double* scratch);
void product_x86_64_v4(const ProductSize& size, double alpha, const StridedMatrix& a,
                       const StridedMatrix& b, double* c, std::ptrdiff_t c_column, double* scratch);
#endif

/// True if this processor has AVX2 and FMA and the library kernels for them.
[[nodiscard]] bool has_x86_64_v3();
/// The widest that this processor runs; none without AVX2.
[[nodiscard]] ProductKernel product_kernel();

}  // namespace rapport
