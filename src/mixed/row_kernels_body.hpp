// Log-likelihoods of rows for RowSource, under the rules of lanes_body.hpp.

/// Σ log of factors in [1, 4], one logarithm for many of them.
struct LogSum {
  Lanes sum = {};
  Lanes product = {1, 1, 1, 1};
  int factors = 0;

  void multiply(const Lanes& factor) {
    product *= factor;
    if (++factors < 256) return;
    sum += log_of(product);
    product = same(1);
    factors = 0;
  }
  [[nodiscard]] Lanes log() const { return sum + log_of(product); }
};

/// The derivatives of log(1 + e^x); its value is max(x, 0) + log `factor`.
struct Softplus {
  Lanes odds;  ///< e^{−|x|}
  Lanes factor, first, second, third, fourth;

  [[gnu::always_inline]] explicit Softplus(const Lanes& x) {
    odds = exp_of(-absolute(x));
    factor = 1.0 + odds;
    const Lanes share = 1.0 / factor;
    const Lanes rest = odds * share;
    first = x > same(0) ? share : rest;
    second = rest * share;
    third = second * (1.0 - 2.0 * first);
    fourth = second * (1.0 - 6.0 * second);
  }
};

/// The rows of a block one after the other: `row(position, j)`.
template <class Row>
inline void for_rows(const RowSource& source, long block, const Row& row) {
  const long first = source.first[block];
  const long rows = source.rows[block];
  for (long j = 0; j < rows; ++j) row(first + group_lanes * j, j);
}

/// What an order asks for.
struct Wanted {
  bool second, third, fourth;  ///< of η
  bool family[4];              ///< ∂ψ of ℓ and its derivatives
  bool pair, pair_slopes;      ///< ∂²ψ of ℓ; of ℓ' and ℓ''
};
constexpr Wanted wanted(RowOrder order) {
  const bool node = order == RowOrder::node;
  const bool gradient = order >= RowOrder::gradient;
  const bool hessian = order == RowOrder::hessian;
  return {order != RowOrder::slope,
          order >= RowOrder::third,
          hessian,
          {node || gradient || order == RowOrder::slope, node || gradient, gradient, hessian},
          node || hessian,
          hessian};
}

inline void store_if(bool asked, double* array, long j, const Lanes& value) {
  if (asked) lanes_at(array, j) = value;
}

template <RowOrder order>
inline void store_eta(const RowOutput& out, long j, const Lanes& first, const Lanes& second,
                      const Lanes& third, const Lanes& fourth) {
  constexpr Wanted want = wanted(order);
  lanes_at(out.eta[0], j) = first;
  store_if(want.second, out.eta[1], j, second);
  store_if(want.third, out.eta[2], j, third);
  store_if(want.fourth, out.eta[3], j, fourth);
}

/// ℓ = w (yη − log(1 + e^η)).
template <RowOrder order>
inline void binomial_logit_rows(const RowSource& source, long block, const double* eta,
                                const RowOutput& out) {
  Lanes value = {};
  LogSum logs;
  for_rows(source, block, [&](long at, long j) {
    const Lanes w = lanes_at(source.weight + at);
    const Lanes y = lanes_at(source.response + at);
    const Lanes x = lanes_at(eta, j);
    const Softplus g(x);
    value += w * (y * x - larger(x, same(0)));
    if (source.unit_weights) {
      logs.multiply(1.0 + w * (g.factor - 1.0));
    } else {
      value -= w * log_of(g.factor);
    }
    store_eta<order>(out, j, w * (y - g.first), -w * g.second, -w * g.third, -w * g.fourth);
  });
  lanes_at(out.value) = value - logs.log();
}

/// ℓ = w (yη − e^η).
template <RowOrder order>
inline void poisson_log_rows(const RowSource& source, long block, const double* eta,
                             const RowOutput& out) {
  Lanes value = {};
  for_rows(source, block, [&](long at, long j) {
    const Lanes w = lanes_at(source.weight + at);
    const Lanes wy = w * lanes_at(source.response + at);
    const Lanes x = lanes_at(eta, j);
    const Lanes mu = w * exp_of(x);
    value += wy * x - mu;
    store_eta<order>(out, j, wy - mu, -mu, -mu, -mu);
  });
  lanes_at(out.value) = value;
}

/// ℓ = w (yη − (y + k) log(1 + e^{η − ψ})), ψ = log k; the rest is constant in η.
template <RowOrder order>
inline void negative_binomial_rows(const RowSource& source, long block, const double* eta,
                                   const RowOutput& out) {
  Lanes value = {};
  const Lanes k = exp_of(same(source.log_size));
  for_rows(source, block, [&](long at, long j) {
    const Lanes w = lanes_at(source.weight + at);
    const Lanes y = lanes_at(source.response + at);
    const Lanes x = lanes_at(eta, j);
    const Lanes tau = x - source.log_size;
    const Softplus g(tau);
    const Lanes total = w * (y + k);
    // For small odds log(1 + e) loses digits that k multiplies; its series keeps them.
    const Lanes e = g.odds;
    const Lanes series = e * (1.0 - e * (0.5 - e * (1.0 / 3 - 0.25 * e)));
    const Lanes softplus = tau < same(-10) ? series : larger(tau, same(0)) + log_of(g.factor);
    value += w * y * x - total * softplus;
    store_eta<order>(out, j, w * y - total * g.first, -total * g.second, -total * g.third,
                     -total * g.fourth);
    constexpr Wanted want = wanted(order);
    const Lanes wk = w * k;
    double* const* d = out.family[0];
    store_if(want.family[0], d[0], j, total * g.first - wk * softplus);
    store_if(want.family[1], d[1], j, total * g.second - wk * g.first);
    store_if(want.family[2], d[2], j, total * g.third - wk * g.second);
    store_if(want.family[3], d[3], j, total * g.fourth - wk * g.third);
    double* const* dd = out.pair[0];
    store_if(want.pair, dd[0], j, wk * (2.0 * g.first - softplus) - total * g.second);
    store_if(want.pair_slopes, dd[1], j, wk * (2.0 * g.second - g.first) - total * g.third);
    store_if(want.pair_slopes, dd[2], j, wk * (2.0 * g.third - g.second) - total * g.fourth);
  });
  lanes_at(out.value) = value;
}

/// ℓ = w log(F(θ_c − η) − F(θ_{c−1} − η)) = −w (g(η − θ_c) + g(θ_{c−1} − η)) + constant in η, g(x)
/// = log(1 + e^x).
template <RowOrder order>
inline void cumulative_logit_rows(const RowSource& source, long block, const double* eta,
                                  const RowOutput& out) {
  Lanes value = {};
  LogSum logs;
  for_rows(source, block, [&](long at, long j) {
    const Lanes w = lanes_at(source.weight + at);
    const Lanes x = lanes_at(eta, j);
    const Lanes above = x - lanes_at(source.upper + at);
    const Lanes below = lanes_at(source.lower + at) - x;
    const Softplus a(above);
    const Softplus b(below);
    value -= w * (larger(above, same(0)) + larger(below, same(0)));
    if (source.unit_weights) {
      logs.multiply(1.0 + w * (a.factor * b.factor - 1.0));
    } else {
      value -= w * log_of(a.factor * b.factor);
    }
    store_eta<order>(out, j, w * (b.first - a.first), -w * (a.second + b.second),
                     w * (b.third - a.third), -w * (a.fourth + b.fourth));
    constexpr Wanted want = wanted(order);
    const Lanes* const above_derivatives[4] = {&a.first, &a.second, &a.third, &a.fourth};
    const Lanes* const below_derivatives[4] = {&b.first, &b.second, &b.third, &b.fourth};
    for (int k = 0; k < 4; ++k) {
      const double sign = k % 2 == 0 ? -1 : 1;
      store_if(want.family[k], out.family[0][k], j, w * *above_derivatives[k]);
      store_if(want.family[k], out.family[1][k], j, sign * w * *below_derivatives[k]);
      if (k == 3) continue;
      const bool asked = k == 0 ? want.pair : want.pair_slopes;
      store_if(asked, out.pair[0][k], j, -w * *above_derivatives[k + 1]);
      store_if(asked, out.pair[1][k], j, Lanes{});
      store_if(asked, out.pair[2][k], j, sign * w * *below_derivatives[k + 1]);
    }
  });
  lanes_at(out.value) = value - logs.log();
}

/// With ζ = ψ = logit π, g(x) = log(1 + e^x) and s = −e^η − ζ: a count of 0 has ℓ = w (g(s) −
/// g(−ζ)), any other ℓ = w (yη − e^η − g(ζ)).
template <RowOrder order>
inline void zero_inflated_poisson_rows(const RowSource& source, long block, const double* eta,
                                       const RowOutput& out) {
  Lanes value = {};
  for_rows(source, block, [&](long at, long j) {
    const Lanes w = lanes_at(source.weight + at);
    const Lanes y = lanes_at(source.response + at);
    const Lanes zeta = lanes_at(source.logit_zero + at);
    const Lanes x = lanes_at(eta, j);
    const Lanes mu = exp_of(x);
    const Bits none = y == same(0);
    const Lanes s = -mu - zeta;
    const Softplus g(s);
    const Softplus share(zeta);
    // log(1 + e^ζ) = ζ + log(1 + e^{−ζ})
    const Lanes log_rest = larger(zeta, same(0)) + log_of(share.factor);
    const Lanes zero = larger(s, same(0)) + log_of(g.factor) + zeta - log_rest;
    value += w * (none ? zero : y * x - mu - log_rest);
    const Lanes a = mu * g.first;
    const Lanes b = mu * mu * g.second;
    const Lanes c = mu * mu * mu * g.third;
    const Lanes d = mu * mu * mu * mu * g.fourth;
    store_eta<order>(out, j, w * (none ? -a : y - mu), w * (none ? b - a : -mu),
                     w * (none ? 3.0 * b - c - a : -mu),
                     w * (none ? d - 6.0 * c + 7.0 * b - a : -mu));
    constexpr Wanted want = wanted(order);
    const Lanes nothing = {};
    const Lanes m2 = mu * g.second;
    const Lanes m3 = mu * mu * g.third;
    const Lanes m4 = mu * mu * mu * g.fourth;
    double* const* f = out.family[0];
    store_if(want.family[0], f[0], j, w * (none ? 1.0 - share.first - g.first : -share.first));
    store_if(want.family[1], f[1], j, w * (none ? m2 : nothing));
    store_if(want.family[2], f[2], j, w * (none ? m2 - m3 : nothing));
    store_if(want.family[3], f[3], j, w * (none ? m4 - 3.0 * m3 + m2 : nothing));
    double* const* ff = out.pair[0];
    store_if(want.pair, ff[0], j, w * (none ? g.second - share.second : -share.second));
    store_if(want.pair_slopes, ff[1], j, w * (none ? -mu * g.third : nothing));
    store_if(want.pair_slopes, ff[2], j, w * (none ? mu * mu * g.fourth - mu * g.third : nothing));
  });
  lanes_at(out.value) = value;
}

#define RAPPORT_ROW_KERNEL(name)                                                           \
  inline void name(const RowSource& source, long block, const double* eta, RowOrder order, \
                   const RowOutput& out) {                                                 \
    switch (order) {                                                                       \
      case RowOrder::slope:                                                                \
        return name##_rows<RowOrder::slope>(source, block, eta, out);                      \
      case RowOrder::node:                                                                 \
        return name##_rows<RowOrder::node>(source, block, eta, out);                       \
      case RowOrder::curvature:                                                            \
        return name##_rows<RowOrder::curvature>(source, block, eta, out);                  \
      case RowOrder::third:                                                                \
        return name##_rows<RowOrder::third>(source, block, eta, out);                      \
      case RowOrder::gradient:                                                             \
        return name##_rows<RowOrder::gradient>(source, block, eta, out);                   \
      case RowOrder::hessian:                                                              \
        return name##_rows<RowOrder::hessian>(source, block, eta, out);                    \
    }                                                                                      \
  }
RAPPORT_ROW_KERNEL(binomial_logit)
RAPPORT_ROW_KERNEL(poisson_log)
RAPPORT_ROW_KERNEL(negative_binomial)
RAPPORT_ROW_KERNEL(cumulative_logit)
RAPPORT_ROW_KERNEL(zero_inflated_poisson)
#undef RAPPORT_ROW_KERNEL
