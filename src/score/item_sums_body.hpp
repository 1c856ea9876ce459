// Included inside an anonymous namespace, once for every instruction set.

#ifdef __AVX2__
constexpr long lanes = 4;
#else
constexpr long lanes = 2;
#endif

using Lanes [[gnu::vector_size(lanes * sizeof(double))]] = double;
using Mask [[gnu::vector_size(lanes * sizeof(double))]] = long;

inline Lanes load(const double* address) {
  Lanes x;
  __builtin_memcpy(&x, address, sizeof x);
  return x;
}

inline void add_to(double* address, Lanes value) {
  const Lanes sum = load(address) + value;
  __builtin_memcpy(address, &sum, sizeof sum);
}

inline Lanes kept(Lanes x, Mask mask) {
  return reinterpret_cast<Lanes>(reinterpret_cast<Mask>(x) & mask);
}

/// Some rows of every column: sums and counts stay in registers.
struct RowSums {
  Lanes sum = {};
  Mask forward = {};  ///< minus the number of answers
  Mask reversed = {};
  Mask outside = {};

  void add(Lanes x, Lanes lower, Lanes upper) {
    const Mask present = x == x;
    sum += kept(x, present);
    forward += present;
    outside |= (x < lower) | (x > upper);
  }
  void subtract(Lanes x, Lanes lower, Lanes upper) {
    const Mask present = x == x;
    sum -= kept(x, present);
    reversed += present;
    outside |= (x < lower) | (x > upper);
  }
};

/// Asks for the line that comes up in each column a page's half ahead: the hardware does not look
/// beyond a page, and every column is a page apart or more.
inline void prefetch(const ItemColumns& columns, long i) {
  constexpr long ahead = 256;
  constexpr long line = 8;
  if (i % line != 0 || i + ahead >= columns.rows_left) return;
  for (int k = 0; k < columns.n_forward; ++k) __builtin_prefetch(columns.forward[k] + i + ahead);
  for (int k = 0; k < columns.n_reversed; ++k) __builtin_prefetch(columns.reversed[k] + i + ahead);
}

bool sum_rows(const ItemColumns& columns, long n, double* sum, double* answered) {
  const Lanes lower = columns.lower - Lanes{};
  const Lanes upper = columns.upper - Lanes{};
  Mask outside = {};
  long i = 0;
  for (; i + lanes <= n; i += lanes) {
    prefetch(columns, i);
    RowSums rows;
    for (int k = 0; k < columns.n_forward; ++k)
      rows.add(load(columns.forward[k] + i), lower, upper);
    for (int k = 0; k < columns.n_reversed; ++k)
      rows.subtract(load(columns.reversed[k] + i), lower, upper);
    const Lanes turned = -__builtin_convertvector(rows.reversed, Lanes);
    add_to(sum + i, columns.n_reversed > 0 ? rows.sum + columns.mirror * turned : rows.sum);
    add_to(answered + i, turned - __builtin_convertvector(rows.forward, Lanes));
    outside |= rows.outside;
  }
  bool any_outside = false;
  for (long k = 0; k < lanes; ++k) any_outside = any_outside || outside[k] != 0;
  for (; i < n; ++i) {
    for (int k = 0; k < columns.n_forward + columns.n_reversed; ++k) {
      const bool forward = k < columns.n_forward;
      const double x = forward ? columns.forward[k][i] : columns.reversed[k - columns.n_forward][i];
      if (x != x) continue;
      sum[i] += forward ? x : columns.mirror - x;
      answered[i] += 1;
      any_outside = any_outside || x < columns.lower || x > columns.upper;
    }
  }
  return any_outside;
}
