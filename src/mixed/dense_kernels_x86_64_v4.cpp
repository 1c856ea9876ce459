// The matrix product for processors with AVX-512; compiled with -march=x86-64-v4.
#define RAPPORT_LANES 8
#define RAPPORT_TILE_COLUMNS 8
#include "dense_kernels_body.hpp"

void rapport::product_x86_64_v4(const ProductSize& size, double alpha, const StridedMatrix& a,
                                const StridedMatrix& b, double* c, std::ptrdiff_t c_column,
                                double* scratch) {
  multiply(size, alpha, a, b, c, c_column, scratch);
}
