// The matrix product for processors with AVX2 and FMA; compiled with -march=x86-64-v3. Blocks as in
// Goto & van de Geijn (2008), "Anatomy of high-performance matrix multiplication": a 12 × 4 tile of
// c stays in registers.
#include "dense_kernels.hpp"

namespace rapport {
namespace {

typedef double Lanes __attribute__((vector_size(32), aligned(8), may_alias));

constexpr std::ptrdiff_t tile_rows = 12;
constexpr std::ptrdiff_t tile_columns = 4;

inline Lanes load(const double* p) { return *reinterpret_cast<const Lanes*>(p); }

/// Slivers of `tile_rows` rows, each sliver column by column, padded with 0.
void pack_rows(const StridedMatrix& a, std::ptrdiff_t rows, std::ptrdiff_t inner, double* out) {
  for (std::ptrdiff_t first = 0; first < rows; first += tile_rows)
    for (std::ptrdiff_t k = 0; k < inner; ++k)
      for (std::ptrdiff_t i = first; i < first + tile_rows; ++i)
        *out++ = i < rows ? a.data[i * a.row + k * a.column] : 0;
}

/// Slivers of `tile_columns` columns, each sliver row by row, padded with 0.
void pack_columns(const StridedMatrix& b, std::ptrdiff_t inner, std::ptrdiff_t columns,
                  double* out) {
  for (std::ptrdiff_t first = 0; first < columns; first += tile_columns)
    for (std::ptrdiff_t k = 0; k < inner; ++k)
      for (std::ptrdiff_t j = first; j < first + tile_columns; ++j)
        *out++ = j < columns ? b.data[k * b.row + j * b.column] : 0;
}

void multiply_tile(std::ptrdiff_t inner, const double* a, const double* b, double* tile) {
  Lanes c00 = {}, c10 = {}, c20 = {}, c01 = {}, c11 = {}, c21 = {};
  Lanes c02 = {}, c12 = {}, c22 = {}, c03 = {}, c13 = {}, c23 = {};
  for (std::ptrdiff_t k = 0; k < inner; ++k, a += tile_rows, b += tile_columns) {
    const Lanes a0 = load(a);
    const Lanes a1 = load(a + 4);
    const Lanes a2 = load(a + 8);
    c00 += a0 * b[0];
    c10 += a1 * b[0];
    c20 += a2 * b[0];
    c01 += a0 * b[1];
    c11 += a1 * b[1];
    c21 += a2 * b[1];
    c02 += a0 * b[2];
    c12 += a1 * b[2];
    c22 += a2 * b[2];
    c03 += a0 * b[3];
    c13 += a1 * b[3];
    c23 += a2 * b[3];
  }
  Lanes* out = reinterpret_cast<Lanes*>(tile);
  out[0] = c00;
  out[1] = c10;
  out[2] = c20;
  out[3] = c01;
  out[4] = c11;
  out[5] = c21;
  out[6] = c02;
  out[7] = c12;
  out[8] = c22;
  out[9] = c03;
  out[10] = c13;
  out[11] = c23;
}

inline std::ptrdiff_t least(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }

}  // namespace

void product_x86_64_v3(const ProductSize& size, double alpha, const StridedMatrix& a,
                       const StridedMatrix& b, double* c, std::ptrdiff_t c_column,
                       double* scratch) {
  double* packed_a = scratch;
  double* packed_b = packed_a + product_inner_block * product_row_block;
  double tile[tile_rows * tile_columns];
  for (std::ptrdiff_t k = 0; k < size.inner; k += product_inner_block) {
    const std::ptrdiff_t inner = least(product_inner_block, size.inner - k);
    pack_columns({b.data + k * b.row, b.row, b.column}, inner, size.columns, packed_b);
    for (std::ptrdiff_t i = 0; i < size.rows; i += product_row_block) {
      const std::ptrdiff_t rows = least(product_row_block, size.rows - i);
      pack_rows({a.data + i * a.row + k * a.column, a.row, a.column}, rows, inner, packed_a);
      for (std::ptrdiff_t j = 0; j < size.columns; j += tile_columns)
        for (std::ptrdiff_t r = 0; r < rows; r += tile_rows) {
          multiply_tile(inner, packed_a + r * inner, packed_b + j * inner, tile);
          const std::ptrdiff_t last_row = least(tile_rows, rows - r);
          const std::ptrdiff_t last_column = least(tile_columns, size.columns - j);
          for (std::ptrdiff_t v = 0; v < last_column; ++v) {
            double* out = c + (j + v) * c_column + i + r;
            for (std::ptrdiff_t u = 0; u < last_row; ++u) out[u] += alpha * tile[v * tile_rows + u];
          }
        }
    }
  }
}

}  // namespace rapport
