// The matrix product for processors with AVX2 and FMA; compiled with -march=x86-64-v3.
#define RAPPORT_LANES 4
#define RAPPORT_TILE_COLUMNS 4
#include "dense_kernels_body.hpp"

void rapport::product_x86_64_v3(const ProductSize& size, double alpha, const StridedMatrix& a,
                                const StridedMatrix& b, double* c, std::ptrdiff_t c_column,
                                double* scratch) {
  multiply(size, alpha, a, b, c, c_column, scratch);
}
