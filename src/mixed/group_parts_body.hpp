// What the blocks of groups work with: packed symmetric matrices, their factors, moments of rows, under
// the rules of lanes_body.hpp.

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
  // At one node of quadrature.
  Lanes node_effects[Q];
  Lanes node_shift[Q];
  Lanes node_mean[Q];  ///< Σ z ∂ℓ'
  Lanes node_slope;    ///< ∂f
  Lanes slope;         ///< its average over nodes
};
