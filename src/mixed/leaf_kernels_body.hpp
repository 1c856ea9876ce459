// The bodies of the leaf kernels; included by one translation unit an instruction set, inside an
// anonymous namespace. No include guard on purpose, and nothing but arithmetic on raw memory.

typedef double Lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef long long Bits __attribute__((vector_size(32), aligned(8), may_alias));

inline const Lanes* lanes_at(const double* memory) {
  return reinterpret_cast<const Lanes*>(memory);
}
inline Lanes* lanes_at(double* memory) { return reinterpret_cast<Lanes*>(memory); }

inline double sum_of(const Lanes& x) { return (x[0] + x[1]) + (x[2] + x[3]); }
inline void clear(Lanes* x, int n) {
  for (int i = 0; i < n; ++i) x[i] = Lanes{};
}

/// A product of many numbers ≥ 1 that cannot overflow: mantissas multiply, exponents add.
struct LogProduct {
  Lanes mantissa = {1, 1, 1, 1};
  Bits exponent = {};

  void multiply(const Lanes& x) {
    constexpr long long bias = 1023;
    constexpr long long fraction = (1LL << 52) - 1;
    const Lanes product = mantissa * x;
    Bits bits;
    __builtin_memcpy(&bits, &product, sizeof bits);
    exponent += (bits >> 52) - bias;
    bits = (bits & fraction) | (bias << 52);
    __builtin_memcpy(&mantissa, &bits, sizeof bits);
  }
  [[nodiscard]] double log() const {
    double sum = 0;
    for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
      sum += __builtin_log(mantissa[lane]) +
             static_cast<double>(exponent[lane]) * 0.69314718055994530942;
    return sum;
  }
};

/// M = I + (RΛ)(RΛ)' = L diag(d) L' of one block. `l` is q × q by columns (strictly lower part
/// used), `inverse_d` holds 1/d.
template <int Fixed>
struct Pivoting {
  int q;
  Lanes* t;
  Lanes* l;
  Lanes* d;
  Lanes* inverse_d;

  void factorize(const Lanes* r, const double* factor) {
    const int n = Fixed > 0 ? Fixed : q;
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) {
        Lanes sum = {};
        for (int k = i > j ? i : j; k < n; ++k) sum += r[k * (k + 1) / 2 + i] * factor[j * n + k];
        t[j * n + i] = sum;
      }
    for (int j = 0; j < n; ++j) {
      for (int i = j; i < n; ++i) {
        Lanes m = {};
        if (i == j) m = m + 1.0;
        for (int k = 0; k < n; ++k) m += t[k * n + i] * t[k * n + j];
        for (int k = 0; k < j; ++k) m -= l[k * n + i] * l[k * n + j] * d[k];
        if (i == j) {
          d[j] = m;
          inverse_d[j] = 1.0 / m;
        } else {
          l[j * n + i] = m * inverse_d[j];
        }
      }
    }
  }
  /// x := L⁻¹x for a column of q.
  void solve(Lanes* x) const {
    const int n = Fixed > 0 ? Fixed : q;
    for (int i = 1; i < n; ++i)
      for (int k = 0; k < i; ++k) x[i] -= l[k * n + i] * x[k];
  }
};

/// Hands out scratch memory.
struct Scratch {
  double* next;
  Lanes* take(int n) {
    Lanes* result = lanes_at(next);
    next += LeafBlocks::lanes * n;
    return result;
  }
};

template <int Fixed>
Pivoting<Fixed> make_pivoting(int q, Scratch& scratch) {
  return {q, scratch.take(q * q), scratch.take(q * q), scratch.take(q), scratch.take(q)};
}

template <int Fixed>
double leaf_value(const LeafBlocks& blocks, const double* factor, double* gram) {
  const int q = Fixed > 0 ? Fixed : blocks.q;
  const int width = blocks.width;
  Scratch scratch{blocks.scratch};
  Pivoting<Fixed> pivoting = make_pivoting<Fixed>(q, scratch);
  Lanes* v = scratch.take(q * width);
  Lanes* sums = scratch.take(width * (width + 1) / 2);
  clear(sums, width * (width + 1) / 2);
  LogProduct product;
  double logarithms = 0;
  for (long block = 0; block < blocks.n_blocks; ++block) {
    const Lanes* r = lanes_at(blocks.values + block * blocks.block_size());
    const Lanes* c = r + q * (q + 1) / 2;
    pivoting.factorize(r, factor);
    if (blocks.multiplicity == nullptr) {
      for (int i = 0; i < q; ++i) product.multiply(pivoting.d[i]);
    } else {
      for (int lane = 0; lane < LeafBlocks::lanes; ++lane) {
        const double times = blocks.multiplicity[block * LeafBlocks::lanes + lane];
        double determinant = 1;
        for (int i = 0; i < q; ++i) determinant *= pivoting.d[i][lane];
        if (times != 0) logarithms += times * __builtin_log(determinant);
      }
    }
    Lanes* sum = sums;
    for (int j = 0; j < width; ++j) {
      for (int i = 0; i < q; ++i) v[j * q + i] = c[j * q + i];
      pivoting.solve(v + j * q);
      Lanes scaled[Fixed > 0 ? Fixed : 1];
      if (Fixed > 0) {
        for (int i = 0; i < q; ++i) scaled[i] = v[j * q + i] * pivoting.inverse_d[i];
        for (int k = 0; k <= j; ++k, ++sum)
          for (int i = 0; i < q; ++i) *sum += scaled[i] * v[k * q + i];
      } else {
        for (int k = 0; k <= j; ++k, ++sum)
          for (int i = 0; i < q; ++i) *sum += v[j * q + i] * pivoting.inverse_d[i] * v[k * q + i];
      }
    }
  }
  for (int j = 0; j < width; ++j)
    for (int k = 0; k <= j; ++k) {
      const double total = sum_of(*sums++);
      gram[j * width + k] += total;
      if (k != j) gram[k * width + j] += total;
    }
  return product.log() + logarithms;
}

template <int Fixed>
void leaf_derivatives(const LeafBlocks& blocks, const LeafAdjoint& adjoint, const LeafSums& sums) {
  const int q = Fixed > 0 ? Fixed : blocks.q;
  const int pairs = q * (q + 1) / 2;
  const int width = blocks.width;
  Scratch scratch{blocks.scratch};
  Pivoting<Fixed> pivoting = make_pivoting<Fixed>(q, scratch);
  Lanes* y = scratch.take(q * q);  // L⁻¹R, then D⁻¹L⁻¹R
  Lanes* z = scratch.take(q * q);
  Lanes* whole = scratch.take(q * q);
  Lanes* b = scratch.take(q * width);
  Lanes* v = scratch.take(q);
  Lanes* x = scratch.take(q);
  Lanes* a = scratch.take(pairs);
  Lanes* k_trace = scratch.take(pairs);
  Lanes* k_data = scratch.take(pairs);
  Lanes* sum_b = scratch.take(pairs * width * width);
  Lanes* sum_aa = scratch.take(pairs * pairs);
  Lanes* sum_trace = scratch.take(pairs * pairs);
  Lanes* sum_data = scratch.take(pairs * pairs);
  Lanes* sum_a = scratch.take(pairs);
  clear(sum_b, pairs * width * width);
  clear(sum_aa, pairs * pairs);
  clear(sum_trace, pairs * pairs);
  clear(sum_data, pairs * pairs);
  clear(sum_a, pairs);
  for (long block = 0; block < blocks.n_blocks; ++block) {
    const Lanes* r = lanes_at(blocks.values + block * blocks.block_size());
    const Lanes* c = r + pairs;
    pivoting.factorize(r, adjoint.factor);
    weighted_products<Fixed>(pivoting, q, width, r, c, y, z, v, whole, b);
    for (int j = 0, t = 0; j < q; ++j)
      for (int i = j; i < q; ++i, ++t) {
        a[t] = whole[j * q + i];
        k_trace[t] = Lanes{};
      }
    for (int f = 0; f < adjoint.rank; ++f) {
      const double* factor = adjoint.trace_factor + f * width;
      for (int i = 0; i < q; ++i) x[i] = Lanes{};
      for (int j = 0; j < width; ++j)
        for (int i = 0; i < q; ++i) x[i] += b[j * q + i] * factor[j];
      for (int j = 0, t = 0; j < q; ++j)
        for (int i = j; i < q; ++i, ++t) k_trace[t] += x[i] * x[j];
    }
    for (int i = 0; i < q; ++i) x[i] = Lanes{};
    for (int j = 0; j < width; ++j)
      for (int i = 0; i < q; ++i) x[i] += b[j * q + i] * adjoint.data_vector[j];
    for (int j = 0, t = 0; j < q; ++j)
      for (int i = j; i < q; ++i, ++t) k_data[t] = x[i] * x[j];

    for (int s = 0; s < pairs; ++s)
      for (int t = 0; t < pairs; ++t) {
        sum_trace[s * pairs + t] += a[s] * k_trace[t];
        sum_data[s * pairs + t] += a[s] * k_data[t];
      }
    if (blocks.multiplicity == nullptr) {
      for (int s = 0; s < pairs; ++s) {
        sum_a[s] += a[s];
        for (int t = 0; t <= s; ++t) sum_aa[s * pairs + t] += a[s] * a[t];
      }
    } else {
      const Lanes times = *lanes_at(blocks.multiplicity + block * LeafBlocks::lanes);
      for (int s = 0; s < pairs; ++s) {
        sum_a[s] += times * a[s];
        for (int t = 0; t <= s; ++t) sum_aa[s * pairs + t] += times * a[s] * a[t];
      }
    }
    for (int j = 0, t = 0; j < q; ++j)
      for (int i = j; i < q; ++i, ++t) {
        Lanes* sum = sum_b + t * width * width;
        for (int col = 0; col < width; ++col)
          for (int row = (i == j ? col : 0); row < width; ++row)
            sum[col * width + row] += b[row * q + i] * b[col * q + j];
      }
  }
  for (int s = 0; s < pairs; ++s) {
    sums.a[s] += sum_of(sum_a[s]);
    for (int t = 0; t < pairs; ++t) {
      sums.a_trace[s * pairs + t] += sum_of(sum_trace[s * pairs + t]);
      sums.a_data[s * pairs + t] += sum_of(sum_data[s * pairs + t]);
      sums.a_a[s * pairs + t] += sum_of(s >= t ? sum_aa[s * pairs + t] : sum_aa[t * pairs + s]);
    }
  }
  for (int j = 0, t = 0; j < q; ++j)
    for (int i = j; i < q; ++i, ++t) {
      const Lanes* sum = sum_b + t * width * width;
      double* out = sums.b_outer + t * width * width;
      for (int col = 0; col < width; ++col)
        for (int row = col; row < width; ++row) {
          const double total =
              i == j ? sum_of(sum[col * width + row])
                     : sum_of(sum[col * width + row]) + sum_of(sum[row * width + col]);
          out[col * width + row] += total;
          if (row != col) out[row * width + col] += total;
        }
    }
}

/// A and B of one block from L⁻¹R and L⁻¹C; `y`, `z` and `v` are scratch.
template <int Fixed>
void weighted_products(const Pivoting<Fixed>& pivoting, int n_q, int width, const Lanes* r,
                       const Lanes* c, Lanes* y, Lanes* z, Lanes* v, Lanes* a, Lanes* b) {
  const int q = Fixed > 0 ? Fixed : n_q;
  for (int j = 0; j < q; ++j) {
    for (int i = 0; i < q; ++i) y[j * q + i] = i <= j ? r[j * (j + 1) / 2 + i] : Lanes{};
    pivoting.solve(y + j * q);
    for (int i = 0; i < q; ++i) z[j * q + i] = y[j * q + i] * pivoting.inverse_d[i];
  }
  for (int j = 0; j < q; ++j)
    for (int i = 0; i < q; ++i) {
      Lanes sum = {};
      for (int k = 0; k < q; ++k) sum += z[i * q + k] * y[j * q + k];
      a[j * q + i] = sum;
    }
  for (int j = 0; j < width; ++j) {
    for (int i = 0; i < q; ++i) v[i] = c[j * q + i];
    pivoting.solve(v);
    for (int i = 0; i < q; ++i) {
      Lanes sum = {};
      for (int k = 0; k < q; ++k) sum += z[i * q + k] * v[k];
      b[j * q + i] = sum;
    }
  }
}

template <int Fixed>
void leaf_second(const LeafBlocks& blocks, const double* factor, double* second) {
  const int q = Fixed > 0 ? Fixed : blocks.q;
  const int pairs = q * (q + 1) / 2;
  const int width = blocks.width;
  const int triangle = width * (width + 1) / 2;
  Scratch scratch{blocks.scratch};
  Pivoting<Fixed> pivoting = make_pivoting<Fixed>(q, scratch);
  Lanes* y = scratch.take(q * q);
  Lanes* z = scratch.take(q * q);
  Lanes* a = scratch.take(q * q);
  Lanes* middle = scratch.take(q * q);
  Lanes* v = scratch.take(q);
  Lanes* b = scratch.take(q * width);
  Lanes* moved = scratch.take(q * width);
  Lanes* sums = scratch.take(pairs * (pairs + 1) / 2 * triangle);
  clear(sums, pairs * (pairs + 1) / 2 * triangle);
  for (long block = 0; block < blocks.n_blocks; ++block) {
    const Lanes* r = lanes_at(blocks.values + block * blocks.block_size());
    pivoting.factorize(r, factor);
    weighted_products<Fixed>(pivoting, q, width, r, r + pairs, y, z, v, a, b);
    Lanes* sum = sums;
    for (int sj = 0, s = 0; sj < q; ++sj)
      for (int si = sj; si < q; ++si, ++s)
        for (int tj = 0, t = 0; tj < q && t <= s; ++tj)
          for (int ti = tj; ti < q && t <= s; ++ti, ++t) {
            // E_s A E_t + its transpose; E of (i, j) is e_i e_j' + e_j e_i', once if i = j.
            clear(middle, q * q);
            const auto add = [&](int i, int j, int k, int l) {
              middle[l * q + i] += a[k * q + j];
              middle[i * q + l] += a[k * q + j];
            };
            add(si, sj, ti, tj);
            if (ti != tj) add(si, sj, tj, ti);
            if (si != sj) add(sj, si, ti, tj);
            if (si != sj && ti != tj) add(sj, si, tj, ti);
            for (int col = 0; col < width; ++col) {
              for (int i = 0; i < q; ++i) {
                Lanes value = {};
                for (int k = 0; k < q; ++k) value += middle[k * q + i] * b[col * q + k];
                moved[i] = value;
              }
              for (int row = 0; row <= col; ++row, ++sum)
                for (int i = 0; i < q; ++i) *sum += b[row * q + i] * moved[i];
            }
          }
  }
  for (int p = 0; p < pairs * (pairs + 1) / 2; ++p, second += width * width)
    for (int col = 0; col < width; ++col)
      for (int row = 0; row <= col; ++row) {
        const double total = sum_of(*sums++);
        second[col * width + row] += total;
        if (row != col) second[row * width + col] += total;
      }
}

double value(const LeafBlocks& blocks, const double* factor, double* gram) {
  switch (blocks.q) {
    case 1:
      return leaf_value<1>(blocks, factor, gram);
    case 2:
      return leaf_value<2>(blocks, factor, gram);
    case 3:
      return leaf_value<3>(blocks, factor, gram);
    case 4:
      return leaf_value<4>(blocks, factor, gram);
    default:
      return leaf_value<0>(blocks, factor, gram);
  }
}

void derivatives(const LeafBlocks& blocks, const LeafAdjoint& adjoint, const LeafSums& sums) {
  switch (blocks.q) {
    case 1:
      return leaf_derivatives<1>(blocks, adjoint, sums);
    case 2:
      return leaf_derivatives<2>(blocks, adjoint, sums);
    case 3:
      return leaf_derivatives<3>(blocks, adjoint, sums);
    case 4:
      return leaf_derivatives<4>(blocks, adjoint, sums);
    default:
      return leaf_derivatives<0>(blocks, adjoint, sums);
  }
}

void second(const LeafBlocks& blocks, const double* factor, double* out) {
  switch (blocks.q) {
    case 1:
      return leaf_second<1>(blocks, factor, out);
    case 2:
      return leaf_second<2>(blocks, factor, out);
    case 3:
      return leaf_second<3>(blocks, factor, out);
    default:
      return leaf_second<0>(blocks, factor, out);
  }
}

/// Second moments of the lanes where `mask` is 1: one triangle by rows.
void moments(const double* values, const double* mask, int n, double* sums) {
  const Lanes* x = lanes_at(values);
  const Lanes kept = *lanes_at(mask);
  Lanes* sum = lanes_at(sums);
  for (int k = 0; k < n; ++k) {
    const Lanes value = x[k] * kept;
    for (int l = 0; l <= k; ++l, ++sum) *sum += value * x[l];
  }
}

/// Square roots lane by lane.
inline void take_roots(Lanes& x) {
  for (int lane = 0; lane < LeafBlocks::lanes; ++lane) x[lane] = __builtin_sqrt(x[lane]);
}

/// Differences from the first row are summed, so that large means cost no digits; rows that a group
/// does not have repeat its first one.
template <int Fixed>
void accumulate_rows(const LeafRows& rows, const std::ptrdiff_t* begin, const std::ptrdiff_t* count,
                     const Lanes* first, Lanes* difference, Lanes* sums, Lanes* products) {
  const int c = Fixed > 0 ? Fixed : rows.n_own + rows.n_shared;
  std::ptrdiff_t longest = 0;
  for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
    longest = count[lane] > longest ? count[lane] : longest;
  Lanes total[Fixed > 0 ? Fixed : 1];
  Lanes product[Fixed > 0 ? Fixed * (Fixed + 1) / 2 : 1];
  Lanes* s = Fixed > 0 ? total : sums;
  Lanes* p = Fixed > 0 ? product : products;
  clear(s, c);
  clear(p, c * (c + 1) / 2);
  for (std::ptrdiff_t j = 1; j < longest; ++j) {
    std::ptrdiff_t at[LeafBlocks::lanes];
    for (int lane = 0; lane < LeafBlocks::lanes; ++lane) {
      const std::ptrdiff_t place = begin[lane] + (j < count[lane] ? j : 0);
      at[lane] = rows.rows == nullptr ? place : rows.rows[place];
    }
    for (int k = 0; k < c; ++k) {
      const double* column = rows.columns[k];
      const Lanes value = {column[at[0]], column[at[1]], column[at[2]], column[at[3]]};
      difference[k] = value - first[k];
    }
    int t = 0;
    for (int k = 0; k < c; ++k) {
      s[k] += difference[k];
      for (int l = 0; l <= k; ++l, ++t) p[t] += difference[k] * difference[l];
    }
  }
  if (Fixed > 0) {
    for (int k = 0; k < c; ++k) sums[k] = total[k];
    for (int t = 0; t < c * (c + 1) / 2; ++t) products[t] = product[t];
  }
}

/// Cholesky of the own columns' centred products, in place: R; then C of the shared ones. Returns
/// lanes whose pivots are doubtful.
inline void eliminate_own(int n_own, int n_shared, const Lanes* centred, Lanes* r, Lanes* c,
                          unsigned char* doubtful) {
  constexpr double safe = 1e-8;
  for (int j = 0; j < n_own; ++j) {
    Lanes* column = r + j * (j + 1) / 2;
    for (int i = 0; i <= j; ++i) {
      Lanes value = centred[j * (j + 1) / 2 + i];
      for (int k = 0; k < i; ++k) value -= r[i * (i + 1) / 2 + k] * column[k];
      if (i < j) {
        const Lanes pivot = r[i * (i + 1) / 2 + i];
        for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
          column[i][lane] = pivot[lane] > 0 ? value[lane] / pivot[lane] : 0;
        continue;
      }
      const Lanes whole = centred[j * (j + 1) / 2 + j];
      for (int lane = 0; lane < LeafBlocks::lanes; ++lane) {
        if (whole[lane] > 0 && !(value[lane] > safe * whole[lane])) doubtful[lane] = 1;
        value[lane] = value[lane] > 0 ? value[lane] : 0;
      }
      take_roots(value);
      column[j] = value;
    }
  }
  for (int s = 0; s < n_shared; ++s) {
    const int row = n_own + s;
    for (int i = 0; i < n_own; ++i) {
      Lanes value = centred[row * (row + 1) / 2 + i];
      for (int k = 0; k < i; ++k) value -= r[i * (i + 1) / 2 + k] * c[s * n_own + k];
      const Lanes pivot = r[i * (i + 1) / 2 + i];
      for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
        c[s * n_own + i][lane] = pivot[lane] > 0 ? value[lane] / pivot[lane] : 0;
    }
  }
}

void compress(const LeafRows& rows, const LeafRowsResult& result) {
  const int n_own = rows.n_own;
  const int n_shared = rows.n_shared;
  const int c = n_own + n_shared;
  Scratch scratch{rows.scratch};
  Lanes* products = scratch.take(c * (c + 1) / 2);
  Lanes* sums = scratch.take(c);
  Lanes* first = scratch.take(c);
  Lanes* difference = scratch.take(c);
  Lanes* remainder = scratch.take(n_shared * (n_shared + 1) / 2);
  clear(remainder, n_shared * (n_shared + 1) / 2);
  for (long block = 0; block < rows.n_blocks; ++block) {
    const std::ptrdiff_t* begin = rows.begin + block * LeafBlocks::lanes;
    const std::ptrdiff_t* count = rows.count + block * LeafBlocks::lanes;
    Lanes* means = lanes_at(result.values + block * leaf_rows_result_size(n_own, n_shared));
    Lanes* r = means + c;
    Lanes* own_shared = r + n_own * (n_own + 1) / 2;
    unsigned char* doubtful = result.doubtful + block * LeafBlocks::lanes;
    Lanes n = {};
    Lanes present = {};
    for (int lane = 0; lane < LeafBlocks::lanes; ++lane) {
      n[lane] = count[lane] > 0 ? static_cast<double>(count[lane]) : 1;
      present[lane] = count[lane] > 0 ? 1 : 0;
      doubtful[lane] = 0;
    }
    std::ptrdiff_t at[LeafBlocks::lanes];
    for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
      at[lane] = rows.rows == nullptr ? begin[lane] : rows.rows[begin[lane]];
    for (int k = 0; k < c; ++k) {
      const double* column = rows.columns[k];
      first[k] = Lanes{column[at[0]], column[at[1]], column[at[2]], column[at[3]]};
    }
    switch (c) {
      case 3:
        accumulate_rows<3>(rows, begin, count, first, difference, sums, products);
        break;
      case 4:
        accumulate_rows<4>(rows, begin, count, first, difference, sums, products);
        break;
      case 5:
        accumulate_rows<5>(rows, begin, count, first, difference, sums, products);
        break;
      case 6:
        accumulate_rows<6>(rows, begin, count, first, difference, sums, products);
        break;
      default:
        accumulate_rows<0>(rows, begin, count, first, difference, sums, products);
    }
    const Lanes inverse_n = 1.0 / n;
    Lanes root_n = n;
    take_roots(root_n);
    int t = 0;
    for (int k = 0; k < c; ++k) {
      for (int l = 0; l <= k; ++l, ++t) {
        products[t] =
            (products[t] - sums[k] * sums[l] * inverse_n) * (rows.scale[k] * rows.scale[l]);
        if (k == l)
          for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
            products[t][lane] = products[t][lane] > 0 ? products[t][lane] : 0;
      }
      means[k] =
          present * root_n * ((first[k] - rows.shift[k]) + sums[k] * inverse_n) * rows.scale[k];
    }
    eliminate_own(n_own, n_shared, products, r, own_shared, doubtful);
    Lanes* sum = remainder;
    for (int k = 0; k < n_shared; ++k)
      for (int l = 0; l <= k; ++l, ++sum) {
        const int row = n_own + k;
        Lanes left = products[row * (row + 1) / 2 + n_own + l];
        for (int i = 0; i < n_own; ++i)
          left -= own_shared[k * n_own + i] * own_shared[l * n_own + i];
        for (int lane = 0; lane < LeafBlocks::lanes; ++lane)
          if (doubtful[lane] != 0) left[lane] = 0;
        *sum += left;
      }
  }
  for (int k = 0; k < n_shared; ++k)
    for (int l = 0; l <= k; ++l) {
      const double total = sum_of(*remainder++);
      result.remainder[k * n_shared + l] += total;
      if (l != k) result.remainder[l * n_shared + k] += total;
    }
}
