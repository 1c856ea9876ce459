// Blocks of groups at a point of the parameters, under the rules of lanes_body.hpp. The formulas
// stand in docs/derivations.md, "Generalized models".

template <int Q>
struct NodeSums;

/// One block of four groups at a point of the parameters.
template <int Q>
class Block {
 public:
  static constexpr int pairs = Q * (Q + 1) / 2;

  Block(const GroupProblem& problem, const GroupPoint& point, long longest, long points)
      : p_(problem), at_(point) {
    Arena arena(problem.scratch);
    for (int k = 0; k < Q * Q; ++k) factor_[k] = point.factor[k];
    eta_ = arena.take(longest);
    node_eta_ = arena.take(longest);
    out_.value = node_.value = arena.take(1);
    for (double*& array : out_.eta) array = arena.take(longest);
    for (auto& parameter : out_.family) {
      for (double*& array : parameter) array = arena.take(longest);
    }
    for (auto& pair : out_.pair) {
      for (double*& array : pair) array = arena.take(longest);
    }
    for (int k = 0; k < 2; ++k) {
      node_.eta[k] = arena.take(longest);
      for (auto& parameter : node_.family) parameter[k] = arena.take(longest);
    }
    for (auto& pair : node_.pair) pair[0] = arena.take(longest);
    for (int k = 0; k < 3; ++k) {
      expected_[k] = arena.take(longest);
      expected_second_[k] = arena.take(longest);
      expected_pair_[k] = arena.take(longest);
    }
    for (double*& array : weight_) array = arena.take(longest);
    nodes_ = arena.take(points * record_size());
    const long n = problem.n_directions();
    directions_ = reinterpret_cast<Direction<Q>*>(
        arena.take(n * static_cast<long>(sizeof(Direction<Q>) / sizeof(Lanes))));
    gradient_ = arena.take(n);
    hessian_ = arena.take(n * n);
    for (long k = 0; k < n; ++k) lanes_at(gradient_, k) = Lanes{};
    for (long k = 0; k < n * n; ++k) lanes_at(hessian_, k) = Lanes{};
  }

  /// Goes to a block and finds its modes; false if there are none.
  bool go_to(long block) {
    block_ = block;
    first_ = p_.rows.first[block];
    rows_ = p_.rows.rows[block];
    for (int j = 0; j < Q; ++j) u_[j] = lanes_at(at_.modes, block * Q + j);
    if (!find_modes()) return false;
    for (int j = 0; j < Q; ++j) lanes_at(at_.modes, block * Q + j) = u_[j];
    for (int k = 0; k < pairs; ++k) lanes_at(at_.curvature, block * pairs + k) = h_[k];
    return true;
  }

  Lanes laplace() {
    const Curvature<Q> l(h_);
    if (!l.definite) return same(__builtin_nan(""));
    if (at_.gradient != nullptr) {
      Lanes none[Q] = {};
      prepare_adjoint(l, nullptr, none);
      add_gradient(false);
    }
    if (at_.hessian != nullptr) add_hessian(l, false);
    return f_ + 0.5 * l.log_determinant;
  }

  Lanes quadrature(const GroupRule& rule);

  /// Sums over lanes, once all blocks are done.
  void finish() {
    const int n = p_.n_directions();
    if (at_.gradient != nullptr) {
      for (int k = 0; k < n; ++k) at_.gradient[k] = sum_of(lanes_at(gradient_, k));
    }
    if (at_.hessian == nullptr) return;
    for (int k = 0; k < n; ++k) {
      for (int l = 0; l <= k; ++l) {
        at_.hessian[k * n + l] = at_.hessian[l * n + k] = sum_of(lanes_at(hessian_, k * n + l));
      }
    }
  }

 private:
  [[nodiscard]] const Lanes& z(int j, long row) const { return lanes_at(p_.z[j] + first_, row); }
  [[nodiscard]] RowOrder full_order() const {
    return at_.hessian != nullptr    ? RowOrder::hessian
           : at_.gradient != nullptr ? RowOrder::gradient
                                     : RowOrder::curvature;
  }

  /// b = Λu
  void scale(const Lanes* u, Lanes* b) const {
    for (int i = 0; i < Q; ++i) {
      b[i] = Lanes{};
      for (int j = 0; j <= i; ++j) b[i] += factor_[j * Q + i] * u[j];
    }
  }
  /// Λ'x
  void scale_back(const Lanes* x, Lanes* result) const {
    for (int j = 0; j < Q; ++j) {
      result[j] = Lanes{};
      for (int i = j; i < Q; ++i) result[j] += factor_[j * Q + i] * x[i];
    }
  }
  /// Λ'MΛ, packed.
  void scale_both(const Lanes* m, Lanes* result) const {
    for (int j = 0; j < Q; ++j) {
      Lanes column[Q];
      for (int i = 0; i < Q; ++i) {
        column[i] = Lanes{};
        for (int k = j; k < Q; ++k) column[i] += m[packed(i, k)] * factor_[j * Q + k];
      }
      for (int i = j; i < Q; ++i) {
        Lanes sum = {};
        for (int k = i; k < Q; ++k) sum += factor_[i * Q + k] * column[k];
        result[packed(i, j)] = sum;
      }
    }
  }

  void set_eta(const Lanes* u, double* eta) const {
    Lanes b[Q];
    scale(u, b);
    const double* base = at_.base + first_;
    for (long j = 0; j < rows_; ++j) {
      Lanes sum = lanes_at(base, j);
      for (int k = 0; k < Q; ++k) sum += z(k, j) * b[k];
      lanes_at(eta, j) = sum;
    }
  }

  /// The rows at effects u: f = u'u/2 − Σℓ.
  Lanes rows_at(const Lanes* u, RowOrder order, double* eta, const RowOutput& out) {
    set_eta(u, eta);
    p_.rows.evaluate(p_.rows, block_, eta, order, out);
    Lanes f = -lanes_at(out.value);
    for (int k = 0; k < Q; ++k) f += 0.5 * u[k] * u[k];
    return f;
  }
  Lanes rows_at(const Lanes* u, RowOrder order) { return rows_at(u, order, eta_, out_); }

  template <bool third>
  void collect_moments() {
    Moments<Q> sum = {};
    for (long j = 0; j < rows_; ++j) {
      const Lanes d1 = lanes_at(out_.eta[0], j);
      const Lanes d2 = lanes_at(out_.eta[1], j);
      const Lanes d3 = third ? lanes_at(out_.eta[2], j) : d2;
      for (int a = 0; a < Q; ++a) {
        const Lanes za = z(a, j);
        sum.first[a] += d1 * za;
        const Lanes second = d2 * za;
        const Lanes third_a = d3 * za;
        for (int b = 0; b <= a; ++b) {
          const Lanes zb = z(b, j);
          sum.second[packed(a, b)] += second * zb;
          if constexpr (third) {
            const Lanes third_ab = third_a * zb;
            for (int c = 0; c <= b; ++c) sum.third[packed(a, b, c)] += third_ab * z(c, j);
          }
        }
      }
    }
    m_ = sum;
  }

  /// f_u and H from the moments.
  void slope_and_curvature(const Lanes* u, Lanes* slope) {
    scale_back(m_.first, slope);
    for (int j = 0; j < Q; ++j) slope[j] = u[j] - slope[j];
    scale_both(m_.second, h_);
    for (int k = 0; k < pairs; ++k) h_[k] = -h_[k];
    for (int j = 0; j < Q; ++j) h_[packed(j, j)] += 1.0;
  }

  /// Newton's iteration with halving, of third order (Chebyshev) for one effect; ends with the
  /// rows, their moments and H at the modes.
  bool find_modes() {
    constexpr RowOrder inner = Q == 1 ? RowOrder::third : RowOrder::curvature;
    constexpr double close = Q == 1 ? 1e-4 : 1e-6;
    f_ = rows_at(u_, inner);
    if (!all_finite(f_)) {
      for (Lanes& u : u_) u = Lanes{};
      f_ = rows_at(u_, inner);
      if (!all_finite(f_)) return false;
    }
    for (int iteration = 0; iteration < 100; ++iteration) {
      Lanes step[Q];
      const double size = newton_step(step);
      const bool last = size < close;
      if (!move(step, last ? full_order() : inner)) return false;
      if (last) break;
    }
    if (full_order() >= RowOrder::third) {
      collect_moments<true>();
    } else {
      collect_moments<false>();
    }
    Lanes slope[Q];
    slope_and_curvature(u_, slope);
    return true;
  }

  /// The size of the largest lane's step.
  double newton_step(Lanes* step) {
    collect_moments<Q == 1>();
    slope_and_curvature(u_, step);
    for (int j = 0; j < Q; ++j) step[j] = -step[j];
    const Curvature<Q> l(h_);
    l.solve(step);
    Lanes size = absolute(step[0]);
    if constexpr (Q == 1) {
      // f''' = −Λ³ Σ ℓ''' z³
      const Lanes third = -(factor_[0] * factor_[0] * factor_[0]) * m_.third[0];
      const Lanes correction =
          1.0 - 0.5 * step[0] * third * l.inverse_pivot[0] * l.inverse_pivot[0];
      const Bits trusted = (correction > same(0.5)) & (correction < same(2));
      step[0] *= trusted ? correction : same(1);
    }
    for (int j = 1; j < Q; ++j) size = larger(size, absolute(step[j]));
    return largest_of(size);
  }

  /// Takes the step, halved in the lanes where f would grow; leaves the rows there.
  bool move(Lanes* step, RowOrder order) {
    const Lanes bound = f_ + 1e-12 * absolute(f_) + 1e-14;
    Lanes there[Q];
    for (int halvings = 0; halvings < 60; ++halvings) {
      for (int j = 0; j < Q; ++j) there[j] = u_[j] + step[j];
      const Lanes f = rows_at(there, order);
      const Bits worse = !(f <= bound);
      if (!any_of(worse)) {
        for (int j = 0; j < Q; ++j) u_[j] = there[j];
        f_ = f;
        return true;
      }
      for (int j = 0; j < Q; ++j) step[j] = worse ? 0.5 * step[j] : step[j];
    }
    return false;
  }

  /// From Γ = the derivative of the integral in H (null: H⁻¹/2, Laplace's) and `slope`, that in û:
  /// K = 2ΛΓΛ', μ = Λλ with Hλ = slope + (its part through H).
  void prepare_adjoint(const Curvature<Q>& l, const Lanes* gamma, const Lanes* slope) {
    for (int j = 0; j < Q; ++j) {
      Lanes unit[Q] = {};
      unit[j] = same(1);
      l.solve(unit);
      for (int i = 0; i < Q; ++i)
        adjoint_[j * Q + i] = gamma == nullptr ? unit[i] : 2.0 * gamma[packed(i, j)];
    }
    for (int j = 0; j < Q; ++j) scale(adjoint_ + j * Q, scaled_adjoint_ + j * Q);  // 2ΛΓ
    for (int i = 0; i < Q; ++i) {
      Lanes row[Q];
      for (int j = 0; j < Q; ++j) row[j] = scaled_adjoint_[j * Q + i];
      Lanes scaled[Q];
      scale(row, scaled);
      for (int j = 0; j < Q; ++j) k_[j * Q + i] = scaled[j];
    }
    for (int a = 0; a < Q; ++a) {
      Lanes sum = {};
      for (int b = 0; b < Q; ++b) {
        for (int c = 0; c < Q; ++c) sum += k_[c * Q + b] * m_.third[packed(a, b, c)];
      }
      through_curvature_[a] = -0.5 * sum;  // Σ z of −ℓ''' z'Kz / 2
    }
    scale_back(through_curvature_, lambda_);
    for (int j = 0; j < Q; ++j) lambda_[j] += slope[j];
    l.solve(lambda_);
    scale(lambda_, mu_);
  }

  [[nodiscard]] Lanes leverage(long row) const {
    Lanes sum = {};
    for (int a = 0; a < Q; ++a) {
      Lanes inner = k_[a * Q + a] * z(a, row);
      for (int b = 0; b < a; ++b) inner += 2.0 * k_[a * Q + b] * z(b, row);
      sum += inner * z(a, row);
    }
    return sum;
  }
  [[nodiscard]] Lanes kappa(long row) const {
    Lanes sum = mu_[0] * z(0, row);
    for (int a = 1; a < Q; ++a) sum += mu_[a] * z(a, row);
    return sum;
  }

  /// A weighted sum of rows for every explicit direction; `kind` chooses the weight.
  void add_explicit(const double* const* weight) {
    for (int e = 0; e < p_.n_entries; ++e) {
      const double* column = p_.column[e] + first_;
      const double* w = weight[p_.kind[e]];
      Lanes sum = {};
      for (long j = 0; j < rows_; ++j) sum += lanes_at(w, j) * lanes_at(column, j);
      lanes_at(gradient_, p_.direction[e]) += sum;
    }
  }

  /// `averaged`: ℓ' and ∂ψℓ as averages over nodes, else at the mode. What −ℓ itself adds in Λ, and
  /// in parameters left to the context, is left out of averages.
  void add_gradient(bool averaged) {
    const int kinds = n_kinds();
    for (long j = 0; j < rows_; ++j) {
      const Lanes s = 0.5 * leverage(j);
      const Lanes k = kappa(j);
      lanes_at(weight_[0], j) = lanes_at(out_.eta[1], j) * k - lanes_at(out_.eta[2], j) * s -
                                lanes_at(averaged ? expected_[0] : out_.eta[0], j);
      for (int m = 1; m < kinds; ++m) {
        double* const* d = out_.family[m - 1];
        lanes_at(weight_[m], j) = lanes_at(d[1], j) * k - lanes_at(d[2], j) * s -
                                  lanes_at(averaged ? expected_[m] : d[0], j);
      }
    }
    const double* weights[3] = {weight_[0], weight_[1], weight_[2]};
    add_explicit(weights);
    add_parameter_gradient(!averaged);
    add_factor_gradient(!averaged);
  }

  [[nodiscard]] int n_kinds() const {
    int kinds = 1;
    for (int e = 0; e < p_.n_entries; ++e) kinds = p_.kind[e] >= kinds ? p_.kind[e] + 1 : kinds;
    return kinds;
  }

  void add_parameter_gradient(bool with_value) {
    if (p_.rows.add_parameter_gradient == nullptr) return;
    for (long j = 0; j < rows_; ++j) {
      lanes_at(weight_[0], j) = same(with_value ? -1 : 0);
      lanes_at(weight_[1], j) = kappa(j);
      lanes_at(weight_[2], j) = -0.5 * leverage(j);
    }
    const double* weights[3] = {weight_[0], weight_[1], weight_[2]};
    p_.rows.add_parameter_gradient(p_.rows, block_, eta_, weights);
  }

  void add_factor_gradient(bool with_value) {
    for (int a = 0; a < Q; ++a) {
      for (int b = 0; b < Q; ++b) second_[a * Q + b] = m_.second[packed(a, b)];
      Lanes sum = through_curvature_[a];
      if (with_value) sum -= m_.first[a];
      for (int b = 0; b < Q; ++b) sum += m_.second[packed(a, b)] * mu_[b];
      residual_[a] = sum;  // Σ z times add_explicit's weight
    }
    for (int k = 0; k < p_.n_free; ++k) {
      const int a = p_.free_row[k];
      const int b = p_.free_column[k];
      Lanes sum = residual_[a] * u_[b] + m_.first[a] * lambda_[b];
      for (int c = 0; c < Q; ++c) sum -= second_[a * Q + c] * scaled_adjoint_[b * Q + c];
      lanes_at(gradient_, p_.n_explicit + k) += sum;
    }
  }

  // group_hessian_body.hpp
  void add_hessian(const Curvature<Q>& l, bool averaged);
  void collect_explicit(Lanes* spread, bool averaged);
  void collect_entry(int e);
  void collect_entry_pairs(int e, double* const* weight);
  void finish_direction(int k, const Curvature<Q>& l, const Lanes* spread);
  void change_of_curvature(Direction<Q>& d, const Lanes* second, bool is_factor, int row,
                           int column, const Curvature<Q>& l);
  void add_pairs(bool averaged);

  // group_quadrature_body.hpp
  [[nodiscard]] long record_size() const { return 1 + 2 * Q + pairs + p_.n_explicit * (1 + Q); }
  Lanes* record_of(long node) { return reinterpret_cast<Lanes*>(nodes_) + node * record_size(); }
  void clear_averages();
  void add_node(const GroupRule& rule, long node, const Curvature<Q>& l, NodeSums<Q>& sums);
  void add_node_moments(const Lanes& weight, Lanes* record);
  void scale_averages(const Lanes& inverse_total, NodeSums<Q>& sums);
  void node_at(const GroupRule& rule, long node, const Curvature<Q>& l, Lanes* u) const;
  void adjoint_of_curvature(const Curvature<Q>& l, const Lanes* tilt, Lanes* gamma) const;
  void add_node_parameters(const GroupRule& rule, const Curvature<Q>& l,
                           const Lanes& inverse_total);
  void add_node_hessian(const GroupRule& rule, long node, const Curvature<Q>& l,
                        const Lanes& inverse_total);
  void move_node(Direction<Q>& d, int k, const double* z, const Lanes* record,
                 const Curvature<Q>& l);
  void add_curvature_of_nodes(const Lanes* tilt);

  const GroupProblem& p_;
  const GroupPoint& at_;
  double factor_[Q * Q];
  double* eta_;
  RowOutput out_ = {};  ///< at the mode
  double* node_eta_;
  RowOutput node_ = {};         ///< at a node
  double* nodes_;               ///< record_size() lanes a node
  double* expected_[3];         ///< averages over nodes of ℓ' and ∂ψ_m of ℓ
  double* expected_second_[3];  ///< of ℓ'' and ∂ψ_m of ℓ'
  double* expected_pair_[3];    ///< of ∂²ψ of ℓ
  double* weight_[4];
  Direction<Q>* directions_;
  double* gradient_;
  double* hessian_;

  long block_ = 0;
  long first_ = 0;
  long rows_ = 0;
  Lanes u_[Q];
  Lanes f_;
  Moments<Q> m_;
  Lanes h_[pairs];
  Lanes adjoint_[Q * Q];         ///< 2Γ
  Lanes scaled_adjoint_[Q * Q];  ///< 2ΛΓ
  Lanes k_[Q * Q];               ///< 2ΛΓΛ'
  Lanes lambda_[Q];
  Lanes mu_[Q];
  Lanes through_curvature_[Q];
  Lanes residual_[Q];
  Lanes second_[Q * Q];  ///< Σ ℓ'' zz'
};
