// The bodies of the kernels of outer groups; included like leaf_kernels_body.hpp. All matrices by
// columns; q is small, so that loops run over the columns of S.

inline double dot(const double* x, const double* y, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

/// R'R = the leading q × q part of a d × d matrix; rows of pivots that are 0 up to rounding are 0.
inline void semidefinite_root(const double* gram, int q, int d, double* r) {
  constexpr double tolerance = 1e-13;
  for (int i = 0; i < q * q; ++i) r[i] = 0;
  for (int k = 0; k < q; ++k) {
    const double pivot = gram[k * d + k] - dot(r + k * q, r + k * q, k);
    if (pivot <= tolerance * gram[k * d + k]) continue;
    r[k * q + k] = __builtin_sqrt(pivot);
    for (int j = k + 1; j < q; ++j)
      r[j * q + k] = (gram[j * d + k] - dot(r + k * q, r + j * q, k)) / r[k * q + k];
  }
}

/// The lower triangular Cholesky factor of I + XX' (X is q × q), in place of `l`.
inline void identity_root(const double* x, int q, double* l) {
  for (int j = 0; j < q; ++j)
    for (int i = j; i < q; ++i) {
      double sum = i == j ? 1 : 0;
      for (int k = 0; k < q; ++k) sum += x[k * q + i] * x[k * q + j];
      for (int k = 0; k < j; ++k) sum -= l[k * q + i] * l[k * q + j];
      l[j * q + i] = i == j ? __builtin_sqrt(sum) : sum / l[j * q + j];
    }
}

/// x := L⁻¹x.
inline void forward(const double* l, int q, double* x) {
  for (int i = 0; i < q; ++i) {
    for (int k = 0; k < i; ++k) x[i] -= l[k * q + i] * x[k];
    x[i] /= l[i * q + i];
  }
}

/// R⁻ᵀ applied to a column, 0 where R has no pivot.
inline void solve_root(const double* r, int q, double* x) {
  for (int k = 0; k < q; ++k) {
    if (r[k * q + k] == 0) {
      x[k] = 0;
      continue;
    }
    x[k] = (x[k] - dot(r + k * q, x, k)) / r[k * q + k];
  }
}

double solve_outer(const OuterGroup& group, const double* received, const double* factor,
                   double* handed_up) {
  const int q = group.q;
  const int w = group.width;
  const int d = q + w;
  double* const r = group.scratch;
  double* const scaled = r + q * q;
  double* const l = scaled + q * q;
  double* const half_r = l + q * q;
  double* const c = half_r + q * q;  // q × w
  double* const half = c + q * w;
  const OuterNode node = outer_node(group.node, q, w);
  semidefinite_root(received, q, d, r);
  // M = I + (RΛ)(RΛ)' = LL'
  for (int j = 0; j < q; ++j)
    for (int i = 0; i < q; ++i) {
      double sum = 0;
      for (int k = 0; k < q; ++k) sum += r[k * q + i] * factor[j * q + k];
      scaled[j * q + i] = sum;
    }
  identity_root(scaled, q, l);
  double determinant = 1;
  for (int i = 0; i < q; ++i) determinant *= l[i * q + i];
  for (int i = 0; i < q * q; ++i) half_r[i] = r[i];
  for (int j = 0; j < q; ++j) forward(l, q, half_r + j * q);
  for (int j = 0; j < w; ++j) {
    double* const column = c + j * q;
    for (int i = 0; i < q; ++i) column[i] = received[(q + j) * d + i];
    solve_root(r, q, column);
    for (int i = 0; i < q; ++i) half[j * q + i] = column[i];
    forward(l, q, half + j * q);
  }
  for (int j = 0; j < w; ++j)
    for (int i = 0; i < w; ++i)
      handed_up[j * w + i] += received[(q + j) * d + q + i] - dot(c + i * q, c + j * q, q) +
                              dot(half + i * q, half + j * q, q);
  for (int i = 0; i < q; ++i) {
    for (int j = 0; j < q; ++j) node.a[j * q + i] = dot(half_r + i * q, half_r + j * q, q);
    for (int j = 0; j < w; ++j) node.b[i * w + j] = dot(half_r + i * q, half + j * q, q);
  }
  // N = Λ(I + (RΛ)'RΛ)⁻¹Λ'
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < q; ++j) r[j * q + i] = scaled[i * q + j];
  identity_root(r, q, l);
  for (int j = 0; j < q; ++j) {
    double* const column = half_r + j * q;  // L⁻¹ times row j of Λ
    for (int i = 0; i < q; ++i) column[i] = factor[i * q + j];
    forward(l, q, column);
    for (int i = 0; i < q; ++i) node.n_half[i * q + j] = column[i];
  }
  double* const psi = scaled;
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < q; ++j) {
      node.n[j * q + i] = dot(half_r + i * q, half_r + j * q, q);
      double sum = 0;
      for (int k = 0; k < q; ++k) sum += factor[k * q + i] * factor[k * q + j];
      psi[j * q + i] = sum;
    }
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < q; ++j)
      node.k[j * q + i] = (i == j ? 1 : 0) - [&] {
        double sum = 0;
        for (int k = 0; k < q; ++k) sum += node.a[k * q + i] * psi[j * q + k];
        return sum;
      }();
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < w; ++j) {
      double sum = 0;
      for (int k = 0; k < q; ++k) sum += psi[k * q + i] * node.b[k * w + j];
      node.psi_b[i * w + j] = sum;
    }
  return 2 * __builtin_log(determinant);
}

/// out (q × r) = m (q × q) · x (q × r)
inline void multiply(const double* m, const double* x, int q, int r, double* out) {
  for (int j = 0; j < r; ++j)
    for (int i = 0; i < q; ++i) {
      double sum = 0;
      for (int k = 0; k < q; ++k) sum += m[k * q + i] * x[j * q + k];
      out[j * q + i] = sum;
    }
}

inline double trace_of_product(const double* x, const double* y, int q) {
  double sum = 0;
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < q; ++j) sum += x[j * q + i] * y[i * q + j];
  return sum;
}

/// A direction ψ_k of a level below, D being the tangent that the group receives: `cross` = what it
/// does to Z'V⁻¹S once b is predicted; adds what is handed up.
inline void push_below(const OuterGroup& group, const OuterNode& node, const double* tangent,
                       double* cross, double* up) {
  const int q = group.q;
  const int w = group.width;
  const int d = q + w;
  for (int i = 0; i < q; ++i)
    for (int j = 0; j < w; ++j) {
      double sum = tangent[(q + j) * d + i];
      for (int k = 0; k < q; ++k) sum -= tangent[k * d + i] * node.psi_b[k * w + j];
      cross[i * w + j] = sum;
    }
  for (int j = 0; j < w; ++j)
    for (int i = 0; i < w; ++i) up[j * w + i] += tangent[(q + j) * d + q + i];
  for (int k = 0; k < q; ++k)
    for (int j = 0; j < w; ++j) {
      const double left = cross[k * w + j];
      const double right = node.psi_b[k * w + j];
      for (int i = 0; i < w; ++i)
        up[j * w + i] -= node.psi_b[k * w + i] * left + tangent[(q + i) * d + k] * right;
    }
}

void outer_derivatives(const OuterGroup& group, const OuterAdjoint& adjoint, const double* tangents,
                       const OuterSums& sums) {
  const int q = group.q;
  const int w = group.width;
  const int d = q + w;
  const int columns = adjoint.rank + 1;  // of F and v together
  const int n = adjoint.upper;
  const OuterNode node = outer_node(group.node, q, w);
  double* const change = group.scratch;           // n of q × columns
  double* const by_n = change + n * q * columns;  // the same times N (below) or A (own)
  double* const by_k = by_n + n * q * columns;    // below: times K
  double* const zz = by_k + n * q * columns;      // below: N D₁₁; own: A E
  double* const kdk = zz + n * q * q;             // below: K D₁₁ K'
  double* const work = kdk + n * q * q;           // q × w, or two of q × q
  const auto f = [&](int column) {
    return column < adjoint.rank ? adjoint.trace_factor + column * w : adjoint.data_vector;
  };
  for (int k = 0; k < adjoint.lower; ++k) {
    const double* const tangent = tangents + k * d * d;
    push_below(group, node, tangent, work, sums.handed_up + k * w * w);
    double* const own = change + k * q * columns;
    for (int column = 0; column < columns; ++column)
      for (int i = 0; i < q; ++i) own[column * q + i] = dot(work + i * w, f(column), w);
    multiply(node.n, own, q, columns, by_n + k * q * columns);
    multiply(node.k, own, q, columns, by_k + k * q * columns);
    double* const d11 = work;
    for (int j = 0; j < q; ++j)
      for (int i = 0; i < q; ++i) d11[j * q + i] = tangent[j * d + i];
    multiply(node.n, d11, q, q, zz + k * q * q);
    for (int i = 0; i < q; ++i) sums.log_determinant[k] += zz[k * q * q + i * q + i];
    double* const kd = d11 + q * q;
    multiply(node.k, d11, q, q, kd);
    for (int i = 0; i < q; ++i)
      for (int j = 0; j < q; ++j) {
        double sum = 0;
        for (int l = 0; l < q; ++l) sum += kd[l * q + i] * node.k[l * q + j];
        kdk[k * q * q + j * q + i] = sum;
      }
  }
  for (int k = adjoint.lower; k < n; ++k) {
    const int row = adjoint.rows[k - adjoint.lower];
    const int col = adjoint.columns[k - adjoint.lower];
    double* const own = change + k * q * columns;
    for (int i = 0; i < q * columns; ++i) own[i] = 0;
    double* const ae = zz + k * q * q;
    for (int i = 0; i < q * q; ++i) ae[i] = 0;
    double* const up = sums.handed_up + k * w * w;
    for (int swap = 0; swap < (row == col ? 1 : 2); ++swap) {
      const int i = swap == 0 ? row : col;
      const int j = swap == 0 ? col : row;
      for (int column = 0; column < columns; ++column)
        own[column * q + i] += dot(node.b + j * w, f(column), w);
      for (int r = 0; r < q; ++r) ae[j * q + r] += node.a[i * q + r];
      for (int s = 0; s < w; ++s)
        for (int r = 0; r < w; ++r) up[s * w + r] -= node.b[i * w + r] * node.b[j * w + s];
      sums.log_determinant[k] += node.a[j * q + i];
    }
    multiply(node.a, own, q, columns, by_n + k * q * columns);
  }
  const int traced = q * adjoint.rank;
  for (int k = 0; k < n; ++k)
    for (int m = 0; m <= k; ++m) {
      const double* const left = change + k * q * columns;
      const double* right = by_n + m * q * columns;
      double trace_term = 0;
      double sign = 2;
      if (k < adjoint.lower) {  // both below: −tr(N D_k N D_m) − 2⟨FF', c_k'N c_m⟩
        trace_term = -trace_of_product(zz + k * q * q, zz + m * q * q, q);
        sign = -2;
      } else if (m < adjoint.lower) {  // own and below: tr(E_k K D_m K') − 2⟨FF', c_m'K'E_kB⟩
        const int row = adjoint.rows[k - adjoint.lower];
        const int col = adjoint.columns[k - adjoint.lower];
        const double* const kd = kdk + m * q * q;
        trace_term = row == col ? kd[col * q + row] : kd[col * q + row] + kd[row * q + col];
        right = by_k + m * q * columns;
        sign = -2;
      } else {  // both own: −tr(A E_k A E_m) + 2⟨FF', B'E_kAE_mB⟩
        trace_term = -trace_of_product(zz + k * q * q, zz + m * q * q, q);
      }
      sums.trace_part[k * n + m] += trace_term + sign * dot(left, right, traced);
      sums.data_part[k * n + m] += sign * dot(left + traced, right + traced, q);
    }
}
