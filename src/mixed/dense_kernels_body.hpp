// The matrix product, once for each instruction set: the including file defines
// RAPPORT_LANES (doubles in a vector) and RAPPORT_TILE_COLUMNS. Blocks as in Goto & van de Geijn
// (2008), "Anatomy of high-performance matrix multiplication": a tile of c, three vectors high,
// stays in registers.
#include "dense_kernels.hpp"

namespace rapport {
namespace {

typedef double Lanes __attribute__((vector_size(8 * RAPPORT_LANES), aligned(8), may_alias));

constexpr std::ptrdiff_t lanes = RAPPORT_LANES;
constexpr std::ptrdiff_t tile_vectors = 3;
constexpr std::ptrdiff_t tile_rows = tile_vectors * lanes;
constexpr std::ptrdiff_t tile_columns = RAPPORT_TILE_COLUMNS;

inline Lanes load(const double* p) { return *reinterpret_cast<const Lanes*>(p); }
inline void store(double* p, Lanes x) { *reinterpret_cast<Lanes*>(p) = x; }

/// Slivers of `height` rows, each sliver column by column, padded with 0.
template <std::ptrdiff_t height>
void pack(const StridedMatrix& a, std::ptrdiff_t rows, std::ptrdiff_t inner, double* out) {
  std::ptrdiff_t first = 0;
  for (; first + height <= rows; first += height, out += height * inner) {
    const double* from = a.data + first * a.row;
    if (a.row == 1) {
      for (std::ptrdiff_t k = 0; k < inner; ++k)
        for (std::ptrdiff_t i = 0; i < height; ++i) out[k * height + i] = from[k * a.column + i];
    } else {
      for (std::ptrdiff_t i = 0; i < height; ++i)
        for (std::ptrdiff_t k = 0; k < inner; ++k)
          out[k * height + i] = from[i * a.row + k * a.column];
    }
  }
  if (first == rows) return;
  for (std::ptrdiff_t k = 0; k < inner; ++k)
    for (std::ptrdiff_t i = 0; i < height; ++i)
      *out++ = first + i < rows ? a.data[(first + i) * a.row + k * a.column] : 0;
}

/// c += alpha · (sliver of a) · (sliver of b), on the first `rows` and `columns` of the tile.
inline void multiply_tile(std::ptrdiff_t inner, double alpha, const double* a, const double* b,
                          std::ptrdiff_t rows, std::ptrdiff_t columns, double* c,
                          std::ptrdiff_t c_column) {
  Lanes sum[tile_columns][tile_vectors] = {};
  for (std::ptrdiff_t k = 0; k < inner; ++k, a += tile_rows, b += tile_columns) {
    const Lanes a0 = load(a);
    const Lanes a1 = load(a + lanes);
    const Lanes a2 = load(a + 2 * lanes);
#pragma GCC unroll 8
    for (std::ptrdiff_t j = 0; j < tile_columns; ++j) {
      sum[j][0] += a0 * b[j];
      sum[j][1] += a1 * b[j];
      sum[j][2] += a2 * b[j];
    }
  }
  if (rows == tile_rows && columns == tile_columns) {
#pragma GCC unroll 8
    for (std::ptrdiff_t j = 0; j < tile_columns; ++j) {
      double* out = c + j * c_column;
      store(out, load(out) + alpha * sum[j][0]);
      store(out + lanes, load(out + lanes) + alpha * sum[j][1]);
      store(out + 2 * lanes, load(out + 2 * lanes) + alpha * sum[j][2]);
    }
    return;
  }
  double tile[tile_columns * tile_rows];
#pragma GCC unroll 8
  for (std::ptrdiff_t j = 0; j < tile_columns; ++j) {
    store(tile + j * tile_rows, sum[j][0]);
    store(tile + j * tile_rows + lanes, sum[j][1]);
    store(tile + j * tile_rows + 2 * lanes, sum[j][2]);
  }
  for (std::ptrdiff_t j = 0; j < columns; ++j)
    for (std::ptrdiff_t i = 0; i < rows; ++i)
      c[j * c_column + i] += alpha * tile[j * tile_rows + i];
}

inline std::ptrdiff_t least(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }

void multiply(const ProductSize& size, double alpha, const StridedMatrix& a, const StridedMatrix& b,
              double* c, std::ptrdiff_t c_column, double* scratch) {
  for (std::ptrdiff_t k = 0; k < size.inner; k += product_inner_block) {
    const std::ptrdiff_t inner = least(product_inner_block, size.inner - k);
    double* packed_a = scratch;
    double* packed_b = packed_a + inner * product_row_block;
    pack<tile_columns>({b.data + k * b.row, b.column, b.row}, size.columns, inner, packed_b);
    for (std::ptrdiff_t i = 0; i < size.rows; i += product_row_block) {
      const std::ptrdiff_t rows = least(product_row_block, size.rows - i);
      pack<tile_rows>({a.data + i * a.row + k * a.column, a.row, a.column}, rows, inner, packed_a);
      for (std::ptrdiff_t j = 0; j < size.columns; j += tile_columns)
        for (std::ptrdiff_t r = 0; r < rows; r += tile_rows)
          multiply_tile(inner, alpha, packed_a + r * inner, packed_b + j * inner,
                        least(tile_rows, rows - r), least(tile_columns, size.columns - j),
                        c + j * c_column + i + r, c_column);
    }
  }
}

}  // namespace
}  // namespace rapport
