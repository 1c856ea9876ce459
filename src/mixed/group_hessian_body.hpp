// Second derivatives of the integral; included by group_kernels_body.hpp, under the rules of
// lanes_body.hpp.

template <int Q>
void Block<Q>::add_hessian(const Curvature<Q>& l, bool averaged) {
  Lanes spread[pairs];
  collect_explicit(spread, averaged);
  for (int k = 0; k < p_.n_directions(); ++k) finish_direction(k, l, spread);
  add_pairs(averaged);
  if (at_.motion == nullptr) return;
  for (int k = 0; k < p_.n_directions(); ++k) {
    for (int j = 0; j < Q; ++j)
      lanes_at(at_.motion, (block_ * p_.n_directions() + k) * Q + j) = directions_[k].effects[j];
  }
}

/// The weights of products of two directions' changes, less those of −ℓ itself where they are
/// averages over nodes; and the moments of the explicit directions.
template <int Q>
void Block<Q>::collect_explicit(Lanes* spread, bool averaged) {
  const int kinds = n_kinds();
  for (int k = 0; k < pairs; ++k) spread[k] = Lanes{};
  for (long j = 0; j < rows_; ++j) {
    const Lanes s = 0.5 * leverage(j);
    const Lanes k = kappa(j);
    for (int m = 0; m < kinds; ++m) {
      double* const* d = m == 0 ? out_.eta + 1 : out_.family[m - 1] + 1;
      const Lanes through_mode = lanes_at(d[1], j) * k - lanes_at(d[2], j) * s;
      lanes_at(weight_[m], j) = averaged ? through_mode : through_mode - lanes_at(d[0], j);
      if (averaged)
        lanes_at(expected_second_[m], j) = through_mode - lanes_at(expected_second_[m], j);
    }
    for (int pair = 0; pair < (kinds - 1) * kinds / 2; ++pair) {
      double* const* d = out_.pair[pair];
      lanes_at(d[0], j) = lanes_at(d[1], j) * k - lanes_at(d[2], j) * s -
                          lanes_at(averaged ? expected_pair_[pair] : d[0], j);
    }
    const Lanes c = lanes_at(weight_[0], j);
    for (int a = 0; a < Q; ++a) {
      for (int b = 0; b <= a; ++b) spread[packed(a, b)] += c * z(a, j) * z(b, j);
    }
  }
  for (int k = 0; k < p_.n_explicit; ++k) {
    Direction<Q>& d = directions_[k];
    for (int a = 0; a < Q; ++a) d.mean[a] = d.cross[a] = Lanes{};
    for (Lanes& x : d.spread) x = Lanes{};
  }
  for (int e = 0; e < p_.n_entries; ++e) {
    collect_entry(e);
    collect_entry_pairs(e, averaged ? expected_second_ : weight_);
  }
}

template <int Q>
void Block<Q>::collect_entry(int e) {
  const int kind = p_.kind[e];
  const double* column = p_.column[e] + first_;
  const double* mean = kind == 0 ? out_.eta[1] : out_.family[kind - 1][1];
  const double* spread = kind == 0 ? out_.eta[2] : out_.family[kind - 1][2];
  Direction<Q> d = directions_[p_.direction[e]];
  for (long j = 0; j < rows_; ++j) {
    const Lanes x = lanes_at(column, j);
    const Lanes first = lanes_at(mean, j) * x;
    const Lanes second = lanes_at(spread, j) * x;
    const Lanes c = lanes_at(weight_[kind], j) * x;
    for (int a = 0; a < Q; ++a) {
      const Lanes za = z(a, j);
      d.mean[a] += first * za;
      d.cross[a] += c * za;
      const Lanes second_a = second * za;
      for (int b = 0; b <= a; ++b) d.spread[packed(a, b)] += second_a * z(b, j);
    }
  }
  directions_[p_.direction[e]] = d;
}

/// `weight`: of (η, η), (ψ₁, η), (ψ₂, η).
template <int Q>
void Block<Q>::collect_entry_pairs(int e, double* const* weight) {
  const int kind = p_.kind[e];
  const double* column = p_.column[e] + first_;
  double* weighted = weight_[3];
  int weighted_kind = -1;
  const int n = p_.n_directions();
  for (int other = 0; other <= e; ++other) {
    const int kind2 = p_.kind[other];
    const double* column2 = p_.column[other] + first_;
    if (kind2 != weighted_kind) {
      weighted_kind = kind2;
      const double* w = kind2 == 0  ? weight[kind]
                        : kind == 0 ? weight[kind2]
                                    : out_.pair[packed(kind - 1, kind2 - 1)][0];
      for (long j = 0; j < rows_; ++j) lanes_at(weighted, j) = lanes_at(w, j) * lanes_at(column, j);
    }
    Lanes sum = {};
    for (long j = 0; j < rows_; ++j) sum += lanes_at(weighted, j) * lanes_at(column2, j);
    const int k = p_.direction[e];
    const int l = p_.direction[other];
    // Both orders of two entries of one direction count.
    if (k == l && other < e) sum = sum + sum;
    lanes_at(hessian_, k >= l ? k * n + l : l * n + k) += sum;
  }
}

template <int Q>
void Block<Q>::finish_direction(int k, const Curvature<Q>& l, const Lanes* spread) {
  Direction<Q>& d = directions_[k];
  const bool is_factor = k >= p_.n_explicit;
  const int row = is_factor ? p_.free_row[k - p_.n_explicit] : 0;
  const int column = is_factor ? p_.free_column[k - p_.n_explicit] : 0;
  Lanes own[Q] = {};  // ∂Λ û
  if (is_factor) {
    for (int a = 0; a < Q; ++a) {
      d.mean[a] = d.cross[a] = Lanes{};
      own[a] = Lanes{};
    }
    for (Lanes& x : d.spread) x = Lanes{};
    own[row] = u_[column];
  }
  Lanes mean[Q];  // Σ z ∂ℓ' at fixed û
  for (int a = 0; a < Q; ++a) {
    mean[a] = d.mean[a];
    for (int b = 0; b < Q; ++b) mean[a] += m_.second[packed(a, b)] * own[b];
  }
  scale_back(mean, d.effects);
  if (is_factor) d.effects[column] += m_.first[row];
  l.solve(d.effects);
  scale(d.effects, d.shift);
  for (int a = 0; a < Q; ++a) d.shift[a] += own[a];
  Lanes total[Q];  // Σ z ∂ℓ'
  for (int a = 0; a < Q; ++a) {
    total[a] = d.mean[a];
    d.mixed[a] = d.cross[a];
    for (int b = 0; b < Q; ++b) {
      total[a] += m_.second[packed(a, b)] * d.shift[b];
      d.mixed[a] += spread[packed(a, b)] * d.shift[b];
    }
  }
  Lanes second[pairs];  // Σ zz' ∂ℓ''
  for (int a = 0; a < Q; ++a) {
    for (int b = 0; b <= a; ++b) {
      Lanes sum = d.spread[packed(a, b)];
      for (int c = 0; c < Q; ++c) sum += m_.third[packed(a, b, c)] * d.shift[c];
      second[packed(a, b)] = sum;
    }
  }
  change_of_curvature(d, second, is_factor, row, column, l);
  for (int b = 0; b < Q; ++b) {
    for (int a = 0; a < Q; ++a) {
      Lanes sum = lambda_[b] * total[a] + residual_[a] * d.effects[b];
      for (int c = 0; c < Q; ++c) sum -= second[packed(a, c)] * scaled_adjoint_[b * Q + c];
      d.factor[b * Q + a] = sum;
    }
  }
}

/// L⁻¹ ∂H L⁻ᵀ with −∂H = Λ'(Σ zz' ∂ℓ'')Λ + ∂Λ'(Σ ℓ'' zz')Λ + Λ'(Σ ℓ'' zz')∂Λ.
template <int Q>
void Block<Q>::change_of_curvature(Direction<Q>& d, const Lanes* second, bool is_factor, int row,
                                   int column, const Curvature<Q>& l) {
  scale_both(second, d.curvature);
  if (is_factor) {
    Lanes edge[Q];
    scale_back(second_ + row * Q, edge);
    for (int i = 0; i < Q; ++i) {
      for (int j = 0; j <= i; ++j) {
        if (j == column) d.curvature[packed(i, j)] += edge[i];
        if (i == column) d.curvature[packed(i, j)] += edge[j];
      }
    }
  }
  Lanes full[Q * Q];
  for (int j = 0; j < Q; ++j) {
    for (int i = 0; i < Q; ++i) full[j * Q + i] = -d.curvature[packed(i, j)];
    l.half_solve(full + j * Q);
  }
  for (int i = 0; i < Q; ++i) {
    Lanes line[Q];
    for (int j = 0; j < Q; ++j) line[j] = full[j * Q + i];
    l.half_solve(line);
    for (int j = 0; j <= i; ++j) d.curvature[packed(i, j)] = line[j];
  }
}

template <int Q>
void Block<Q>::add_pairs(bool averaged) {
  const int n = p_.n_directions();
  for (int k = 0; k < n; ++k) {
    const Direction<Q>& x = directions_[k];
    const int free_x = k - p_.n_explicit;
    for (int l = 0; l <= k; ++l) {
      const Direction<Q>& y = directions_[l];
      Lanes sum = {};
      for (int a = 0; a < Q; ++a) {
        if (!averaged) sum += x.effects[a] * y.effects[a];
        sum += x.cross[a] * y.shift[a] + x.shift[a] * y.mixed[a];
        for (int b = 0; b < a; ++b) sum -= x.curvature[packed(a, b)] * y.curvature[packed(a, b)];
        sum -= 0.5 * x.curvature[packed(a, a)] * y.curvature[packed(a, a)];
      }
      if (free_x >= 0) {
        const int row = p_.free_row[free_x];
        const int column = p_.free_column[free_x];
        sum += y.factor[column * Q + row];
        const int free_y = l - p_.n_explicit;
        if (free_y >= 0) {
          const int row2 = p_.free_row[free_y];
          const int column2 = p_.free_column[free_y];
          sum += x.factor[column2 * Q + row2] -
                 second_[row * Q + row2] * adjoint_[column * Q + column2];
        }
      }
      lanes_at(hessian_, k * n + l) += sum;
    }
  }
}
