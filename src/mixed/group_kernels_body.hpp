// The integral over the random effects of groups, four at a time, under the rules of
// lanes_body.hpp. The formulas stand in docs/derivations.md, "Generalized
// models".

#include "row_kernels_body.hpp"

/// Position of (i, j), i ≥ j, in a packed lower triangle; of (i, j, k), i ≥ j ≥ k, in a packed
/// symmetric tensor.
constexpr int packed(int i, int j) { return i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i; }
constexpr int packed(int i, int j, int k) {
  const int low = i < j ? (i < k ? i : k) : (j < k ? j : k);
  const int high = i > j ? (i > k ? i : k) : (j > k ? j : k);
  return high * (high + 1) * (high + 2) / 6 + packed(i + j + k - low - high, low);
}

/// Memory handed out piece by piece.
class Arena {
 public:
  explicit Arena(double* memory) : memory_(memory) {}
  double* take(long lanes) {
    double* result = memory_;
    memory_ += group_lanes * lanes;
    return result;
  }

 private:
  double* memory_;
};

/// The symmetric positive definite H = LL' of four groups.
template <int Q>
struct Curvature {
  static constexpr int size = Q * (Q + 1) / 2;
  Lanes l[size];
  Lanes inverse_pivot[Q];
  Lanes log_determinant;
  bool definite = true;  ///< no pivot had to be raised

  explicit Curvature(const Lanes* h) {
    Lanes product = same(1);
    for (int j = 0; j < Q; ++j) {
      for (int i = j; i < Q; ++i) {
        Lanes m = h[packed(i, j)];
        for (int k = 0; k < j; ++k) m -= l[packed(i, k)] * l[packed(j, k)];
        if (i > j) {
          l[packed(i, j)] = m * inverse_pivot[j];
          continue;
        }
        // Without log-concavity H may be indefinite far from the mode; the step still descends.
        definite = definite && !any_of(!(m > same(0)));
        m = larger(m, same(0.1 * static_cast<double>(!definite)));
        product *= m;
        inverse_pivot[j] = root(1.0 / m);
        l[packed(j, j)] = m * inverse_pivot[j];
      }
    }
    log_determinant = log_of(product);
  }
  static Lanes root(const Lanes& x) {
    return Lanes{__builtin_sqrt(x[0]), __builtin_sqrt(x[1]), __builtin_sqrt(x[2]),
                 __builtin_sqrt(x[3])};
  }
  /// x := L⁻¹x
  void half_solve(Lanes* x) const {
    for (int i = 0; i < Q; ++i) {
      for (int k = 0; k < i; ++k) x[i] -= l[packed(i, k)] * x[k];
      x[i] *= inverse_pivot[i];
    }
  }
  /// x := L⁻ᵀx
  void other_half(Lanes* x) const {
    for (int i = Q; i-- > 0;) {
      for (int k = i + 1; k < Q; ++k) x[i] -= l[packed(k, i)] * x[k];
      x[i] *= inverse_pivot[i];
    }
  }
  void solve(Lanes* x) const {
    half_solve(x);
    other_half(x);
  }
};

/// Σ over a group's rows of ℓ' z, ℓ'' zz', ℓ''' zzz.
template <int Q>
struct Moments {
  static constexpr int pairs = Q * (Q + 1) / 2;
  static constexpr int triples = Q * (Q + 1) * (Q + 2) / 6;
  Lanes first[Q];
  Lanes second[pairs];
  Lanes third[triples];
};

/// What a direction in the parameters moves in one group. Arrays over directions stand side by
/// side.
template <int Q>
struct Direction {
  static constexpr int pairs = Q * (Q + 1) / 2;
  Lanes mean[Q];           ///< Σ z times the explicit change of ℓ'
  Lanes spread[pairs];     ///< Σ zz' times the explicit change of ℓ''
  Lanes cross[Q];          ///< Σ z times the explicit part of the weight c
  Lanes effects[Q];        ///< ∂û
  Lanes shift[Q];          ///< the change of b = Λû
  Lanes mixed[Q];          ///< cross + (Σ c zz') shift
  Lanes curvature[pairs];  ///< L⁻¹ ∂H L⁻ᵀ
  Lanes factor[Q * Q];     ///< its second derivative with Λ_ab at a + Q b, but for the c e e part
};

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
    node_.eta[0] = arena.take(longest);
    for (auto& parameter : node_.family) parameter[0] = arena.take(longest);
    for (double*& array : expected_) array = arena.take(longest);
    for (double*& array : weight_) array = arena.take(longest);
    node_weight_ = arena.take(points);
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
    if (at_.hessian != nullptr) add_hessian(l);
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
      for (int i = 0; i < Q; ++i) inverse_[j * Q + i] = unit[i];
    }
    for (int j = 0; j < Q; ++j) {
      for (int i = 0; i < Q; ++i) {
        const Lanes g = gamma == nullptr ? inverse_[j * Q + i] : 2.0 * gamma[packed(i, j)];
        adjoint_[j * Q + i] = g;
      }
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

  void add_hessian(const Curvature<Q>& l) {
    Lanes spread[pairs];
    collect_explicit(spread);
    for (int k = 0; k < p_.n_directions(); ++k) finish_direction(k, l, spread);
    add_pairs();
    if (at_.motion == nullptr) return;
    for (int k = 0; k < p_.n_directions(); ++k) {
      for (int j = 0; j < Q; ++j)
        lanes_at(at_.motion, (block_ * p_.n_directions() + k) * Q + j) = directions_[k].effects[j];
    }
  }

  /// c and its like for pairs of kinds; 0: (η, η), m: (ψ_m, η), then (ψ₁, ψ₁), (ψ₂, ψ₁), (ψ₂, ψ₂).
  void collect_explicit(Lanes* spread) {
    const int kinds = n_kinds();
    for (int k = 0; k < pairs; ++k) spread[k] = Lanes{};
    for (long j = 0; j < rows_; ++j) {
      const Lanes s = 0.5 * leverage(j);
      const Lanes k = kappa(j);
      const Lanes c =
          lanes_at(out_.eta[2], j) * k - lanes_at(out_.eta[1], j) - lanes_at(out_.eta[3], j) * s;
      lanes_at(weight_[0], j) = c;
      for (int m = 1; m < kinds; ++m) {
        double* const* d = out_.family[m - 1];
        lanes_at(weight_[m], j) = lanes_at(d[2], j) * k - lanes_at(d[1], j) - lanes_at(d[3], j) * s;
      }
      for (int pair = 0; pair < (kinds - 1) * kinds / 2; ++pair) {
        double* const* d = out_.pair[pair];
        lanes_at(d[0], j) = lanes_at(d[1], j) * k - lanes_at(d[0], j) - lanes_at(d[2], j) * s;
      }
      for (int a = 0; a < Q; ++a) {
        for (int b = 0; b <= a; ++b) spread[packed(a, b)] += c * z(a, j) * z(b, j);
      }
    }
    for (int k = 0; k < p_.n_explicit; ++k) {
      Direction<Q>& d = directions_[k];
      for (int a = 0; a < Q; ++a) d.mean[a] = d.cross[a] = Lanes{};
      for (Lanes& x : d.spread) x = Lanes{};
    }
    for (int e = 0; e < p_.n_entries; ++e) collect_entry(e);
  }

  void collect_entry(int e) {
    const int kind = p_.kind[e];
    const double* column = p_.column[e] + first_;
    const double* mean = kind == 0 ? out_.eta[1] : out_.family[kind - 1][1];
    const double* spread = kind == 0 ? out_.eta[2] : out_.family[kind - 1][2];
    Direction<Q>& d = directions_[p_.direction[e]];
    double* weighted = weight_[2 + 1];
    for (long j = 0; j < rows_; ++j) {
      const Lanes x = lanes_at(column, j);
      const Lanes first = lanes_at(mean, j) * x;
      const Lanes second = lanes_at(spread, j) * x;
      const Lanes c = lanes_at(weight_[kind], j) * x;
      lanes_at(weighted, j) = c;
      for (int a = 0; a < Q; ++a) {
        const Lanes za = z(a, j);
        d.mean[a] += first * za;
        d.cross[a] += c * za;
        const Lanes second_a = second * za;
        for (int b = 0; b <= a; ++b) d.spread[packed(a, b)] += second_a * z(b, j);
      }
    }
    const int n = p_.n_directions();
    for (int other = 0; other <= e; ++other) {
      const int kind2 = p_.kind[other];
      const double* column2 = p_.column[other] + first_;
      Lanes sum = {};
      if (kind == kind2 && kind == 0) {
        for (long j = 0; j < rows_; ++j) sum += lanes_at(weighted, j) * lanes_at(column2, j);
      } else {
        const double* w = kind2 == 0  ? weight_[kind]
                          : kind == 0 ? weight_[kind2]
                                      : out_.pair[packed(kind - 1, kind2 - 1)][0];
        for (long j = 0; j < rows_; ++j)
          sum += lanes_at(w, j) * lanes_at(column, j) * lanes_at(column2, j);
      }
      const int k = p_.direction[e];
      const int l = p_.direction[other];
      // Both orders of two entries of one direction count.
      if (k == l && other < e) sum = sum + sum;
      lanes_at(hessian_, k >= l ? k * n + l : l * n + k) += sum;
    }
  }

  void finish_direction(int k, const Curvature<Q>& l, const Lanes* spread) {
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
  void change_of_curvature(Direction<Q>& d, const Lanes* second, bool is_factor, int row,
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

  void add_pairs() {
    const int n = p_.n_directions();
    for (int k = 0; k < n; ++k) {
      const Direction<Q>& x = directions_[k];
      const int free_x = k - p_.n_explicit;
      for (int l = 0; l <= k; ++l) {
        const Direction<Q>& y = directions_[l];
        Lanes sum = {};
        for (int a = 0; a < Q; ++a) {
          sum += x.effects[a] * y.effects[a] + x.cross[a] * y.shift[a] + x.shift[a] * y.mixed[a];
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
                   second_[row * Q + row2] * inverse_[column * Q + column2];
          }
        }
        lanes_at(hessian_, k * n + l) += sum;
      }
    }
  }

  void add_node(const GroupRule& rule, long k, const Curvature<Q>& l, NodeSums<Q>& sums);
  void node_at(const GroupRule& rule, long k, const Curvature<Q>& l, Lanes* u) const;
  void adjoint_of_curvature(const Curvature<Q>& l, const Lanes* tilt, Lanes* gamma) const;
  void add_node_parameters(const GroupRule& rule, const Curvature<Q>& l,
                           const Lanes& inverse_total);

  const GroupProblem& p_;
  const GroupPoint& at_;
  double factor_[Q * Q];
  double* eta_;
  RowOutput out_ = {};  ///< at the mode
  double* node_eta_;
  RowOutput node_ = {};  ///< at a node: value, ℓ' and ∂ψ of ℓ
  double* node_weight_;
  double* expected_[3];  ///< averages over nodes of ℓ' and ∂ψ_m of ℓ
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
  Lanes inverse_[Q * Q];         ///< H⁻¹
  Lanes adjoint_[Q * Q];         ///< 2Γ
  Lanes scaled_adjoint_[Q * Q];  ///< 2ΛΓ
  Lanes k_[Q * Q];               ///< 2ΛΓΛ'
  Lanes lambda_[Q];
  Lanes mu_[Q];
  Lanes through_curvature_[Q];
  Lanes residual_[Q];
  Lanes second_[Q * Q];  ///< Σ ℓ'' zz'
};

/// Averages over the nodes of a rule, first unnormalised.
template <int Q>
struct NodeSums {
  Lanes total = {};
  Lanes slope[Q] = {};       ///< f_u
  Lanes tilt[Q * Q] = {};    ///< z_i (L⁻¹f_u)_j at j Q + i
  Lanes factor[Q * Q] = {};  ///< Σ ℓ' z_a u_b at b Q + a
};

/// −log ∫ ≈ ½ log|H| − log Σ w_k exp(z_k'z_k/2 − f(û + L⁻ᵀz_k)) (Liu & Pierce 1994; Pinheiro & Chao
/// 2006). The gradient follows the nodes as they move with the parameters.
template <int Q>
Lanes Block<Q>::quadrature(const GroupRule& rule) {
  const Curvature<Q> l(h_);
  if (!l.definite) return same(__builtin_nan(""));
  NodeSums<Q> sums;
  const int kinds = n_kinds();
  if (at_.gradient != nullptr) {
    for (int m = 0; m < kinds; ++m) {
      for (long j = 0; j < rows_; ++j) lanes_at(expected_[m], j) = Lanes{};
    }
  }
  for (long k = 0; k < rule.points; ++k) add_node(rule, k, l, sums);
  const Lanes inverse_total = 1.0 / sums.total;
  if (at_.gradient != nullptr) {
    for (int m = 0; m < kinds; ++m) {
      for (long j = 0; j < rows_; ++j) lanes_at(expected_[m], j) *= inverse_total;
    }
    for (int j = 0; j < Q; ++j) sums.slope[j] *= inverse_total;
    for (int k = 0; k < Q * Q; ++k) sums.tilt[k] *= inverse_total;
    Lanes gamma[pairs];
    adjoint_of_curvature(l, sums.tilt, gamma);
    prepare_adjoint(l, gamma, sums.slope);
    add_gradient(true);
    for (int k = 0; k < p_.n_free; ++k) {
      lanes_at(gradient_, p_.n_explicit + k) -=
          inverse_total * sums.factor[p_.free_column[k] * Q + p_.free_row[k]];
    }
    if (p_.rows.add_parameter_gradient != nullptr) add_node_parameters(rule, l, inverse_total);
  }
  return f_ + 0.5 * l.log_determinant - log_of(sums.total);
}

/// u of a node: û + L⁻ᵀz.
template <int Q>
void Block<Q>::node_at(const GroupRule& rule, long k, const Curvature<Q>& l, Lanes* u) const {
  for (int j = 0; j < Q; ++j) u[j] = same(rule.nodes[k * Q + j]);
  l.other_half(u);
  for (int j = 0; j < Q; ++j) u[j] += u_[j];
}

template <int Q>
void Block<Q>::add_node(const GroupRule& rule, long k, const Curvature<Q>& l, NodeSums<Q>& sums) {
  Lanes u[Q];
  node_at(rule, k, l, u);
  const Lanes f = rows_at(u, RowOrder::slope, node_eta_, node_);
  double exponent = rule.log_weights[k];
  for (int j = 0; j < Q; ++j) exponent += 0.5 * rule.nodes[k * Q + j] * rule.nodes[k * Q + j];
  const Lanes weight = exp_of(exponent + f_ - f);
  sums.total += weight;
  if (at_.gradient == nullptr) return;
  lanes_at(node_weight_, k) = weight;
  Lanes first[Q] = {};
  for (long j = 0; j < rows_; ++j) {
    const Lanes d1 = lanes_at(node_.eta[0], j);
    lanes_at(expected_[0], j) += weight * d1;
    for (int a = 0; a < Q; ++a) first[a] += d1 * z(a, j);
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
    for (int i = 0; i < Q; ++i) sums.tilt[j * Q + i] += weight * slope[j] * rule.nodes[k * Q + i];
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
    const Lanes share = -lanes_at(node_weight_, k) * inverse_total;
    for (long j = 0; j < rows_; ++j) lanes_at(weight_[0], j) = share;
    const double* weights[3] = {weight_[0], weight_[1], weight_[1]};
    p_.rows.add_parameter_gradient(p_.rows, block_, node_eta_, weights);
  }
}

template <int Q>
double integrate(const GroupProblem& problem, const GroupPoint& point, const GroupRule* rule) {
  long longest = 0;
  for (long b = 0; b < problem.n_blocks; ++b)
    longest = problem.rows.rows[b] > longest ? problem.rows.rows[b] : longest;
  Block<Q> block(problem, point, longest, rule == nullptr ? 0 : rule->points);
  Lanes total = {};
  for (long b = 0; b < problem.n_blocks; ++b) {
    if (!block.go_to(b)) return __builtin_nan("");
    total += rule == nullptr ? block.laplace() : block.quadrature(*rule);
    if (!all_finite(total)) return __builtin_nan("");
  }
  block.finish();
  return sum_of(total);
}

inline double laplace(const GroupProblem& problem, const GroupPoint& point) {
  if (problem.n_effects == 1) return integrate<1>(problem, point, nullptr);
  if (problem.n_effects == 2) return integrate<2>(problem, point, nullptr);
  return integrate<3>(problem, point, nullptr);
}

inline double quadrature(const GroupProblem& problem, const GroupPoint& point,
                         const GroupRule& rule) {
  if (problem.n_effects == 1) return integrate<1>(problem, point, &rule);
  if (problem.n_effects == 2) return integrate<2>(problem, point, &rule);
  return integrate<3>(problem, point, &rule);
}
