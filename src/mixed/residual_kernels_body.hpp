// The bodies of the residual kernels; included by one translation unit an instruction set, inside
// an anonymous namespace. No include guard on purpose, and nothing but arithmetic on raw memory.
// `fixed_q` and `fixed_lanes` are the sizes where they are known when compiling, else 0.

typedef double Lanes __attribute__((vector_size(32), aligned(8), may_alias));

inline const Lanes* lanes_at(const double* memory) {
  return reinterpret_cast<const Lanes*>(memory);
}
inline Lanes* lanes_at(double* memory) { return reinterpret_cast<Lanes*>(memory); }

template <int fixed_lanes>
inline void add_multiple(long lanes_size, double value, const double* row, double* out) {
  const long lanes = fixed_lanes > 0 ? fixed_lanes : lanes_size;
  for (long l = 0; l < lanes; ++l) lanes_at(out)[l] += value * lanes_at(row)[l];
}

template <int fixed_lanes>
void square_sized(const ResidualShape& shape, const double* w, double* own, double* shared) {
  const long q = shape.q;
  const long stride = fixed_lanes > 0 ? 4 * fixed_lanes : shape.stride();
  for (long j = 0; j < q; ++j) {
    for (long i = j; i < q; ++i) *own++ += w[i] * w[j];
  }
  own += shape.zz() - q * (q + 1) / 2;
  for (long i = 0; i < q; ++i)
    add_multiple<fixed_lanes>(shape.lanes, w[i], w + q, own + i * stride);
  for (long i = 0; i < shape.s; ++i)
    add_multiple<fixed_lanes>(shape.lanes, w[q + i], w + q, shared + i * stride);
}

template <int fixed_lanes>
void cross_sized(const ResidualShape& shape, const double* w, const double* v, double* own,
                 double* shared) {
  const long q = shape.q;
  const long stride = fixed_lanes > 0 ? 4 * fixed_lanes : shape.stride();
  for (long j = 0; j < q; ++j) {
    for (long i = j; i < q; ++i) *own++ += w[i] * v[j] + v[i] * w[j];
  }
  own += shape.zz() - q * (q + 1) / 2;
  for (long i = 0; i < q; ++i) {
    add_multiple<fixed_lanes>(shape.lanes, w[i], v + q, own + i * stride);
    add_multiple<fixed_lanes>(shape.lanes, v[i], w + q, own + i * stride);
  }
  for (long i = 0; i < shape.s; ++i) {
    add_multiple<fixed_lanes>(shape.lanes, w[q + i], v + q, shared + i * stride);
    add_multiple<fixed_lanes>(shape.lanes, v[q + i], w + q, shared + i * stride);
  }
}

void square(const ResidualShape& shape, const double* w, double* own, double* shared) {
  if (shape.lanes == 1) return square_sized<1>(shape, w, own, shared);
  if (shape.lanes == 2) return square_sized<2>(shape, w, own, shared);
  if (shape.lanes == 3) return square_sized<3>(shape, w, own, shared);
  square_sized<0>(shape, w, own, shared);
}

void cross(const ResidualShape& shape, const double* w, const double* v, double* own,
           double* shared) {
  if (shape.lanes == 1) return cross_sized<1>(shape, w, v, own, shared);
  if (shape.lanes == 2) return cross_sized<2>(shape, w, v, own, shared);
  if (shape.lanes == 3) return cross_sized<3>(shape, w, v, own, shared);
  cross_sized<0>(shape, w, v, own, shared);
}

void combine(const double* value, const int* feature, long n, long size, const double* data,
             double* out) {
  for (long i = 0; i < size; i += 4) {
    Lanes even = {};
    Lanes odd = {};
    const double* from = data + i;
    long k = 0;
    for (; k + 2 <= n; k += 2, from += 2 * size) {
      even += value[feature[k]] * *lanes_at(from);
      odd += value[feature[k + 1]] * *lanes_at(from + size);
    }
    if (k < n) even += value[feature[k]] * *lanes_at(from);
    *lanes_at(out + i) = even + odd;
  }
}

void contract(const double* by, const int* feature, long n, long size, const double* data,
              double* sum) {
  for (long k = 0; k < n; ++k) {
    Lanes even = {};
    Lanes odd = {};
    long i = 0;
    for (; i + 8 <= size; i += 8) {
      even += *lanes_at(by + i) * *lanes_at(data + i);
      odd += *lanes_at(by + i + 4) * *lanes_at(data + i + 4);
    }
    if (i < size) even += *lanes_at(by + i) * *lanes_at(data + i);
    even += odd;
    sum[feature[k]] += (even[0] + even[1]) + (even[2] + even[3]);
    data += size;
  }
}

/// The lower triangle packed by columns, in full.
inline void unpack_symmetric(const double* packed, long q, double* full) {
  for (long j = 0; j < q; ++j) {
    for (long i = j; i < q; ++i) {
      full[i + j * q] = *packed;
      full[j + i * q] = *packed++;
    }
  }
}

/// m := (Cholesky factor of I + Λ'GΛ)⁻¹ Λ'; returns the determinant, or 0.
template <int fixed_q>
inline double half_factor(long size, const double* factor, const double* g, double* a, double* m) {
  const long q = fixed_q > 0 ? fixed_q : size;
  for (long j = 0; j < q; ++j) {
    for (long i = 0; i < q; ++i) {
      double sum = 0;
      for (long k = j; k < q; ++k) sum += g[i + k * q] * factor[k + j * q];
      m[i + j * q] = sum;
    }
  }
  for (long j = 0; j < q; ++j) {
    for (long i = j; i < q; ++i) {
      double sum = i == j ? 1 : 0;
      for (long k = i; k < q; ++k) sum += factor[k + i * q] * m[k + j * q];
      a[i + j * q] = sum;
    }
  }
  double determinant = 1;
  for (long j = 0; j < q; ++j) {
    double pivot = a[j + j * q];
    for (long k = 0; k < j; ++k) pivot -= a[j + k * q] * a[j + k * q];
    if (!(pivot > 0)) return 0;
    determinant *= pivot;
    const double inverse = 1 / __builtin_sqrt(pivot);
    a[j + j * q] = inverse;
    for (long i = j + 1; i < q; ++i) {
      double sum = a[i + j * q];
      for (long k = 0; k < j; ++k) sum -= a[i + k * q] * a[j + k * q];
      a[i + j * q] = sum * inverse;
    }
  }
  for (long c = 0; c < q; ++c) {
    for (long i = 0; i < q; ++i) {
      double sum = i <= c ? factor[c + i * q] : 0;
      for (long k = 0; k < i; ++k) sum -= a[i + k * q] * m[k + c * q];
      m[i + c * q] = sum * a[i + i * q];
    }
  }
  return determinant;
}

template <int fixed_q, int fixed_lanes>
double eliminate_sized(const ResidualShape& shape, const double* factor, const double* own,
                       double* scratch, double* half, double* shared) {
  const long q = fixed_q > 0 ? fixed_q : shape.q;
  const long lanes = fixed_lanes > 0 ? fixed_lanes : shape.lanes;
  const long stride = 4 * lanes;
  unpack_symmetric(own, q, scratch);
  const double determinant = half_factor<fixed_q>(q, factor, scratch, scratch + q * q, half);
  const double* zs = own + (q * (q + 1) / 2 + 3) / 4 * 4;
  double* b = half + q * q;
  for (long i = 0; i < q; ++i) {
    for (long l = 0; l < lanes; ++l) {
      Lanes sum = half[i] * lanes_at(zs)[l];
      for (long k = 1; k < q; ++k) sum += half[i + k * q] * lanes_at(zs + k * stride)[l];
      lanes_at(b + i * stride)[l] = sum;
    }
  }
  for (long c = 0; c < shape.s; ++c) {
    for (long l = 0; l < lanes; ++l) {
      Lanes sum = lanes_at(shared + c * stride)[l];
      for (long i = 0; i < q; ++i) sum -= b[i * stride + c] * lanes_at(b + i * stride)[l];
      lanes_at(shared + c * stride)[l] = sum;
    }
  }
  return determinant;
}

/// out := rows J, J with s rows; rows of `stride` doubles.
template <int fixed_q, int fixed_lanes>
inline void times_adjoint(long q_size, long s, long lanes_size, const double* rows,
                          const double* adjoint, double* out) {
  const long q = fixed_q > 0 ? fixed_q : q_size;
  const long lanes = fixed_lanes > 0 ? fixed_lanes : lanes_size;
  const long stride = 4 * lanes;
  for (long i = 0; i < q; ++i) {
    for (long l = 0; l < lanes; ++l) {
      Lanes even = {};
      Lanes odd = {};
      long k = 0;
      for (; k + 2 <= s; k += 2) {
        even += rows[i * stride + k] * lanes_at(adjoint + k * stride)[l];
        odd += rows[i * stride + k + 1] * lanes_at(adjoint + (k + 1) * stride)[l];
      }
      if (k < s) even += rows[i * stride + k] * lanes_at(adjoint + k * stride)[l];
      lanes_at(out + i * stride)[l] = even + odd;
    }
  }
}

template <int fixed_lanes>
inline double row_product(long lanes_size, const double* a, const double* b) {
  const long lanes = fixed_lanes > 0 ? fixed_lanes : lanes_size;
  Lanes sum = {};
  for (long l = 0; l < lanes; ++l) sum += lanes_at(a)[l] * lanes_at(b)[l];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <int fixed_q, int fixed_lanes>
void adjoint_sized(const ResidualShape& shape, double weight, const double* own, const double* half,
                   const double* adjoint, double* scratch, double* out, double* slope) {
  const long q = fixed_q > 0 ? fixed_q : shape.q;
  const long lanes = fixed_lanes > 0 ? fixed_lanes : shape.lanes;
  const long stride = 4 * lanes;
  double* g = scratch;
  double* n = g + q * q;
  double* gn = n + q * q;
  double* e = gn + q * q;
  double* left = e + q * stride;
  unpack_symmetric(own, q, g);
  const double* zs = own + (q * (q + 1) / 2 + 3) / 4 * 4;
  const double* b = half + q * q;
  for (long i = 0; i < q; ++i) {
    for (long j = 0; j < q; ++j) {
      double sum = 0;
      for (long k = 0; k < q; ++k) sum += half[k + i * q] * half[k + j * q];
      n[i + j * q] = sum;
    }
    for (long l = 0; l < lanes; ++l) {
      Lanes sum = half[i * q] * lanes_at(b)[l];
      for (long k = 1; k < q; ++k) sum += half[k + i * q] * lanes_at(b + k * stride)[l];
      lanes_at(e + i * stride)[l] = sum;
    }
  }
  for (long i = 0; i < q; ++i) {
    for (long l = 0; l < lanes; ++l) {
      Lanes sum = lanes_at(zs + i * stride)[l];
      for (long k = 0; k < q; ++k) sum -= g[i + k * q] * lanes_at(e + k * stride)[l];
      lanes_at(left + i * stride)[l] = sum;
    }
    for (long j = 0; j < q; ++j) {
      double sum = 0;
      for (long k = 0; k < q; ++k) sum += g[i + k * q] * n[k + j * q];
      gn[i + j * q] = sum;
    }
  }
  double* cross = out + (q * (q + 1) / 2 + 3) / 4 * 4;
  times_adjoint<fixed_q, fixed_lanes>(q, shape.s, lanes, left, adjoint, cross);
  for (long i = 0; i < q; ++i) {
    for (long j = 0; j < q; ++j) {
      double sum = g[i + j * q];
      for (long k = 0; k < q; ++k) sum -= gn[i + k * q] * g[k + j * q];
      slope[i + j * q] +=
          weight * sum - row_product<fixed_lanes>(lanes, cross + i * stride, left + j * stride);
    }
  }
  times_adjoint<fixed_q, fixed_lanes>(q, shape.s, lanes, e, adjoint, cross);
  for (long j = 0; j < q; ++j) {
    for (long i = j; i < q; ++i) {
      const double sum = weight * n[i + j * q] +
                         row_product<fixed_lanes>(lanes, cross + i * stride, e + j * stride);
      *out++ = i == j ? sum : 2 * sum;
    }
  }
  while (out != cross) *out++ = 0;
  for (long k = 0; k < q * lanes; ++k) lanes_at(cross)[k] *= -2.0;
}

template <int fixed_q>
double eliminate_q(const ResidualShape& shape, const double* factor, const double* own,
                   double* scratch, double* half, double* shared) {
  if (shape.lanes == 1)
    return eliminate_sized<fixed_q, 1>(shape, factor, own, scratch, half, shared);
  if (shape.lanes == 2)
    return eliminate_sized<fixed_q, 2>(shape, factor, own, scratch, half, shared);
  if (shape.lanes == 3)
    return eliminate_sized<fixed_q, 3>(shape, factor, own, scratch, half, shared);
  return eliminate_sized<fixed_q, 0>(shape, factor, own, scratch, half, shared);
}

double eliminate(const ResidualShape& shape, const double* factor, const double* own,
                 double* scratch, double* half, double* shared) {
  if (shape.q == 1) return eliminate_q<1>(shape, factor, own, scratch, half, shared);
  if (shape.q == 2) return eliminate_q<2>(shape, factor, own, scratch, half, shared);
  return eliminate_q<0>(shape, factor, own, scratch, half, shared);
}

template <int fixed_q>
void adjoint_q(const ResidualShape& shape, double weight, const double* own, const double* half,
               const double* adjoint, double* scratch, double* out, double* slope) {
  if (shape.lanes == 1)
    return adjoint_sized<fixed_q, 1>(shape, weight, own, half, adjoint, scratch, out, slope);
  if (shape.lanes == 2)
    return adjoint_sized<fixed_q, 2>(shape, weight, own, half, adjoint, scratch, out, slope);
  if (shape.lanes == 3)
    return adjoint_sized<fixed_q, 3>(shape, weight, own, half, adjoint, scratch, out, slope);
  adjoint_sized<fixed_q, 0>(shape, weight, own, half, adjoint, scratch, out, slope);
}

void block_adjoint(const ResidualShape& shape, double weight, const double* own, const double* half,
                   const double* adjoint, double* scratch, double* out, double* slope) {
  if (shape.q == 1) return adjoint_q<1>(shape, weight, own, half, adjoint, scratch, out, slope);
  if (shape.q == 2) return adjoint_q<2>(shape, weight, own, half, adjoint, scratch, out, slope);
  adjoint_q<0>(shape, weight, own, half, adjoint, scratch, out, slope);
}
