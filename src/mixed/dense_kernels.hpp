#pragma once

// A matrix product on raw memory for processors with AVX2 and FMA; under the rules of
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
constexpr std::ptrdiff_t product_scratch_size(std::ptrdiff_t columns) {
  return product_inner_block * (columns + 3 + product_row_block) + 48;
}

#if defined(RAPPORT_X86_64_V3_KERNELS)
/// c (column stride `c_column`) += alpha · a · b.
void product_x86_64_v3(const ProductSize& size, double alpha, const StridedMatrix& a,
                       const StridedMatrix& b, double* c, std::ptrdiff_t c_column, double* scratch);
#endif

/// True if this processor has them.
bool has_x86_64_v3();

}  // namespace rapport
