// Adaptive Gauss–Hermite quadrature; included by group_kernels_body.hpp, under the rules of
// lanes_body.hpp.

/// Averages over the nodes of a rule, first unnormalised.
template <int Q>
struct NodeSums {
  Lanes total = {};
  Lanes slope[Q] = {};       ///< f_u
  Lanes tilt[Q * Q] = {};    ///< z_i (L⁻¹f_u)_j at j Q + i
  Lanes factor[Q * Q] = {};  ///< Σ ℓ' z_a u_b at b Q + a
};

/// −log ∫ ≈ ½ log|H| − log Σ w_k exp(z_k'z_k/2 − f(û + L⁻ᵀz_k)) (Liu & Pierce 1994; Pinheiro & Chao
/// 2006). Derivatives follow the nodes as they move with the parameters.
template <int Q>
Lanes Block<Q>::quadrature(const GroupRule& rule) {
  const Curvature<Q> l(h_);
  if (!l.definite) return same(__builtin_nan(""));
  NodeSums<Q> sums;
  if (at_.gradient != nullptr) clear_averages();
  for (long k = 0; k < rule.points; ++k) add_node(rule, k, l, sums);
  const Lanes inverse_total = 1.0 / sums.total;
  if (at_.gradient != nullptr) {
    scale_averages(inverse_total, sums);
    Lanes gamma[pairs];
    adjoint_of_curvature(l, sums.tilt, gamma);
    prepare_adjoint(l, gamma, sums.slope);
    add_gradient(true);
    for (int k = 0; k < p_.n_free; ++k) {
      lanes_at(gradient_, p_.n_explicit + k) -= sums.factor[p_.free_column[k] * Q + p_.free_row[k]];
    }
    if (p_.rows.add_parameter_gradient != nullptr) add_node_parameters(rule, l, inverse_total);
  }
  if (at_.hessian != nullptr) {
    add_hessian(l, true);
    for (int k = 0; k < p_.n_directions(); ++k) directions_[k].slope = Lanes{};
    for (long k = 0; k < rule.points; ++k) add_node_hessian(rule, k, l, inverse_total);
    add_curvature_of_nodes(sums.tilt);
  }
  return f_ + 0.5 * l.log_determinant - log_of(sums.total);
}

template <int Q>
void Block<Q>::clear_averages() {
  const int kinds = n_kinds();
  for (long j = 0; j < rows_; ++j) {
    for (int m = 0; m < kinds; ++m)
      lanes_at(expected_[m], j) = lanes_at(expected_second_[m], j) = Lanes{};
    for (int pair = 0; pair < (kinds - 1) * kinds / 2; ++pair)
      lanes_at(expected_pair_[pair], j) = Lanes{};
  }
}

template <int Q>
void Block<Q>::scale_averages(const Lanes& inverse_total, NodeSums<Q>& sums) {
  const int kinds = n_kinds();
  for (long j = 0; j < rows_; ++j) {
    for (int m = 0; m < kinds; ++m) {
      lanes_at(expected_[m], j) *= inverse_total;
      lanes_at(expected_second_[m], j) *= inverse_total;
    }
    for (int pair = 0; pair < (kinds - 1) * kinds / 2; ++pair)
      lanes_at(expected_pair_[pair], j) *= inverse_total;
  }
  for (Lanes& x : sums.slope) x *= inverse_total;
  for (Lanes& x : sums.tilt) x *= inverse_total;
  for (Lanes& x : sums.factor) x *= inverse_total;
}

/// u of a node: û + L⁻ᵀz.
template <int Q>
void Block<Q>::node_at(const GroupRule& rule, long node, const Curvature<Q>& l, Lanes* u) const {
  for (int j = 0; j < Q; ++j) u[j] = same(rule.nodes[node * Q + j]);
  l.other_half(u);
  for (int j = 0; j < Q; ++j) u[j] += u_[j];
}

template <int Q>
void Block<Q>::add_node(const GroupRule& rule, long node, const Curvature<Q>& l,
                        NodeSums<Q>& sums) {
  const double* z = rule.nodes + node * Q;
  Lanes u[Q];
  node_at(rule, node, l, u);
  const bool twice = at_.hessian != nullptr;
  const Lanes f = rows_at(u, twice ? RowOrder::node : RowOrder::slope, node_eta_, node_);
  double exponent = rule.log_weights[node];
  for (int j = 0; j < Q; ++j) exponent += 0.5 * z[j] * z[j];
  const Lanes weight = exp_of(exponent + f_ - f);
  sums.total += weight;
  if (at_.gradient == nullptr) return;
  Lanes first[Q] = {};
  for (long j = 0; j < rows_; ++j) {
    const Lanes d1 = lanes_at(node_.eta[0], j);
    lanes_at(expected_[0], j) += weight * d1;
    for (int a = 0; a < Q; ++a) first[a] += d1 * this->z(a, j);
  }
  for (int m = 1; m < n_kinds(); ++m) {
    for (long j = 0; j < rows_; ++j)
      lanes_at(expected_[m], j) += weight * lanes_at(node_.family[m - 1][0], j);
  }
  Lanes slope[Q];
  scale_back(first, slope);
  for (int j = 0; j < Q; ++j) {
    slope[j] = u[j] - slope[j];
    sums.slope[j] += weight * slope[j];
    for (int a = 0; a < Q; ++a) sums.factor[j * Q + a] += weight * first[a] * u[j];
  }
  l.half_solve(slope);
  for (int j = 0; j < Q; ++j) {
    for (int i = 0; i < Q; ++i) sums.tilt[j * Q + i] += weight * slope[j] * z[i];
  }
  Lanes* record = record_of(node);
  record[0] = weight;
  if (!twice) return;
  for (int j = 0; j < Q; ++j) {
    record[1 + j] = u[j];
    record[1 + Q + j] = first[j];
  }
  add_node_moments(weight, record + 1 + 2 * Q);
}

/// To the record: Σ ℓ'' zz', and of every explicit direction ∂f and Σ z ∂ℓ' at fixed u.
template <int Q>
void Block<Q>::add_node_moments(const Lanes& weight, Lanes* record) {
  const int kinds = n_kinds();
  Lanes second[pairs] = {};
  for (long j = 0; j < rows_; ++j) {
    const Lanes d2 = lanes_at(node_.eta[1], j);
    lanes_at(expected_second_[0], j) += weight * d2;
    for (int m = 1; m < kinds; ++m)
      lanes_at(expected_second_[m], j) += weight * lanes_at(node_.family[m - 1][1], j);
    for (int pair = 0; pair < (kinds - 1) * kinds / 2; ++pair)
      lanes_at(expected_pair_[pair], j) += weight * lanes_at(node_.pair[pair][0], j);
    for (int a = 0; a < Q; ++a) {
      const Lanes d2z = d2 * z(a, j);
      for (int b = 0; b <= a; ++b) second[packed(a, b)] += d2z * z(b, j);
    }
  }
  for (int k = 0; k < pairs; ++k) record[k] = second[k];
  record += pairs;
  for (int k = 0; k < p_.n_explicit * (1 + Q); ++k) record[k] = Lanes{};
  for (int e = 0; e < p_.n_entries; ++e) {
    const int kind = p_.kind[e];
    const double* column = p_.column[e] + first_;
    double* const* d = kind == 0 ? node_.eta : node_.family[kind - 1];
    Lanes slope = {};
    Lanes mean[Q] = {};
    for (long j = 0; j < rows_; ++j) {
      const Lanes x = lanes_at(column, j);
      slope -= lanes_at(d[0], j) * x;
      const Lanes change = lanes_at(d[1], j) * x;
      for (int a = 0; a < Q; ++a) mean[a] += change * z(a, j);
    }
    Lanes* to = record + p_.direction[e] * (1 + Q);
    to[0] += slope;
    for (int a = 0; a < Q; ++a) to[1 + a] += mean[a];
  }
}

/// Γ = H⁻¹/2 − L⁻ᵀΨL⁻¹: the nodes move with L⁻ᵀ, d(L⁻ᵀ) = −L⁻ᵀ Φ(L⁻¹ dH L⁻ᵀ)', Φ the lower triangle
/// with half its diagonal; Ψ is the symmetric matrix with half the lower triangle of `tilt`.
template <int Q>
void Block<Q>::adjoint_of_curvature(const Curvature<Q>& l, const Lanes* tilt, Lanes* gamma) const {
  Lanes full[Q * Q];
  for (int j = 0; j < Q; ++j) {
    for (int i = 0; i < Q; ++i) {
      full[j * Q + i] = -0.5 * (i >= j ? tilt[j * Q + i] : tilt[i * Q + j]);
      if (i == j) full[j * Q + i] += 0.5;
    }
    l.other_half(full + j * Q);
  }
  for (int i = 0; i < Q; ++i) {
    Lanes line[Q];
    for (int j = 0; j < Q; ++j) line[j] = full[j * Q + i];
    l.other_half(line);
    for (int j = 0; j <= i; ++j) gamma[packed(i, j)] = line[j];
  }
}

template <int Q>
void Block<Q>::add_node_parameters(const GroupRule& rule, const Curvature<Q>& l,
                                   const Lanes& inverse_total) {
  for (long j = 0; j < rows_; ++j) lanes_at(weight_[1], j) = Lanes{};
  for (long k = 0; k < rule.points; ++k) {
    Lanes u[Q];
    node_at(rule, k, l, u);
    set_eta(u, node_eta_);
    const Lanes share = -record_of(k)[0] * inverse_total;
    for (long j = 0; j < rows_; ++j) lanes_at(weight_[0], j) = share;
    const double* weights[3] = {weight_[0], weight_[1], weight_[1]};
    p_.rows.add_parameter_gradient(p_.rows, block_, node_eta_, weights);
  }
}

/// Φ(L⁻¹ ∂H L⁻ᵀ)_ij of a direction, i ≥ j.
template <int Q>
inline Lanes half_lower(const Direction<Q>& d, int i, int j) {
  return i == j ? 0.5 * d.curvature[packed(i, i)] : d.curvature[packed(i, j)];
}

/// How direction k moves the node and its rows.
template <int Q>
void Block<Q>::move_node(Direction<Q>& d, int k, const double* z, const Lanes* record,
                         const Curvature<Q>& l) {
  Lanes own[Q];
  for (int j = 0; j < Q; ++j) {
    Lanes sum = {};
    for (int i = j; i < Q; ++i) sum -= half_lower<Q>(d, i, j) * z[i];
    own[j] = sum;
  }
  l.other_half(own);
  for (int j = 0; j < Q; ++j) d.node_effects[j] = d.effects[j] + own[j];
  scale(d.node_effects, d.node_shift);
  const Lanes* u = record + 1;
  const Lanes* first = u + Q;
  const Lanes* second = first + Q;
  const Lanes* explicit_part = second + pairs + k * (1 + Q);
  const bool is_factor = k >= p_.n_explicit;
  if (is_factor)
    d.node_shift[p_.free_row[k - p_.n_explicit]] += u[p_.free_column[k - p_.n_explicit]];
  d.node_slope = is_factor ? Lanes{} : explicit_part[0];
  for (int a = 0; a < Q; ++a) {
    d.mean[a] = is_factor ? Lanes{} : explicit_part[1 + a];
    d.node_slope += u[a] * d.node_effects[a] - first[a] * d.node_shift[a];
    d.node_mean[a] = d.mean[a];
    for (int b = 0; b < Q; ++b) d.node_mean[a] += second[packed(a, b)] * d.node_shift[b];
  }
}

/// The average of ∂²f less the products of ∂f.
template <int Q>
void Block<Q>::add_node_hessian(const GroupRule& rule, long node, const Curvature<Q>& l,
                                const Lanes& inverse_total) {
  const Lanes* record = record_of(node);
  const Lanes* first = record + 1 + Q;
  const Lanes share = record[0] * inverse_total;
  const int n = p_.n_directions();
  for (int k = 0; k < n; ++k) {
    Direction<Q>& x = directions_[k];
    move_node(x, k, rule.nodes + node * Q, record, l);
    x.slope += share * x.node_slope;
    for (int m = 0; m <= k; ++m) {
      const Direction<Q>& y = directions_[m];
      Lanes sum = -x.node_slope * y.node_slope;
      for (int a = 0; a < Q; ++a) {
        sum += x.node_effects[a] * y.node_effects[a] - x.mean[a] * y.node_shift[a] -
               x.node_shift[a] * y.node_mean[a];
      }
      if (k >= p_.n_explicit)
        sum -= first[p_.free_row[k - p_.n_explicit]] *
               y.node_effects[p_.free_column[k - p_.n_explicit]];
      if (m >= p_.n_explicit)
        sum -= first[p_.free_row[m - p_.n_explicit]] *
               x.node_effects[p_.free_column[m - p_.n_explicit]];
      lanes_at(hessian_, k * n + m) += share * sum;
    }
  }
}

/// What the second derivatives of L⁻ᵀ add, and the product of the averages of ∂f: with Φ of two
/// directions, ∂²(L⁻ᵀ) = L⁻ᵀ X', X = Φ₁Φ₂ + Φ₂Φ₁ + Φ(Φ₁Φ₂' + Φ₂Φ₁').
template <int Q>
void Block<Q>::add_curvature_of_nodes(const Lanes* tilt) {
  const int n = p_.n_directions();
  for (int k = 0; k < n; ++k) {
    const Direction<Q>& x = directions_[k];
    for (int m = 0; m <= k; ++m) {
      const Direction<Q>& y = directions_[m];
      Lanes sum = x.slope * y.slope;
      for (int j = 0; j < Q; ++j) {
        for (int i = j; i < Q; ++i) {
          Lanes entry = {};
          for (int c = j; c <= i; ++c) {
            entry += half_lower<Q>(x, i, c) * half_lower<Q>(y, c, j) +
                     half_lower<Q>(y, i, c) * half_lower<Q>(x, c, j);
          }
          Lanes outer = {};
          for (int c = 0; c <= j; ++c) {
            outer += half_lower<Q>(x, i, c) * half_lower<Q>(y, j, c) +
                     half_lower<Q>(y, i, c) * half_lower<Q>(x, j, c);
          }
          entry += i == j ? 0.5 * outer : outer;
          sum += entry * tilt[j * Q + i];
        }
      }
      lanes_at(hessian_, k * n + m) += sum;
    }
  }
}
