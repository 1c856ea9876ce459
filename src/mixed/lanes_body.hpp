// Arithmetic on four lanes; included by one translation unit an instruction set, inside an
// anonymous namespace. No include guard on purpose.

typedef double Lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef long long Bits __attribute__((vector_size(32), aligned(8), may_alias));

inline const Lanes& lanes_at(const double* memory, long row = 0) {
  return reinterpret_cast<const Lanes*>(memory)[row];
}
inline Lanes& lanes_at(double* memory, long row = 0) {
  return reinterpret_cast<Lanes*>(memory)[row];
}

inline Lanes same(double x) { return Lanes{x, x, x, x}; }
inline double sum_of(const Lanes& x) { return (x[0] + x[1]) + (x[2] + x[3]); }
inline Lanes smaller(const Lanes& a, const Lanes& b) { return a < b ? a : b; }
inline Lanes larger(const Lanes& a, const Lanes& b) { return a > b ? a : b; }
inline Lanes absolute(const Lanes& a) { return larger(a, -a); }
inline double largest_of(const Lanes& x) {
  const double a = x[0] > x[1] ? x[0] : x[1];
  const double b = x[2] > x[3] ? x[2] : x[3];
  return a > b ? a : b;
}
inline bool any_of(const Bits& mask) { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }
inline bool all_finite(const Lanes& x) {
  const Lanes zero = x - x;  // NaN where x is not finite
  return !any_of(zero != zero);
}

/// e^x within 1 ulp or so; arguments are cut at ±708.
[[gnu::always_inline]] inline Lanes exp_of(const Lanes& argument) {
  const Lanes x = larger(smaller(argument, same(708)), same(-708));
  const Lanes shifter =
      same(6755399441055744.0);  // 1.5 · 2^52: the sum's last bits are the integer
  const Lanes shifted = x * 1.44269504088896340736 + shifter;
  const Lanes n = shifted - shifter;
  const Lanes r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  const Lanes r2 = r * r;
  // Taylor's polynomial of degree 13 on |r| ≤ (log 2)/2, even and odd parts side by side.
  Lanes even = same(1.0 / 479001600);
  even = even * r2 + 1.0 / 3628800;
  even = even * r2 + 1.0 / 40320;
  even = even * r2 + 1.0 / 720;
  even = even * r2 + 1.0 / 24;
  even = even * r2 + 0.5;
  Lanes odd = same(1.0 / 6227020800);
  odd = odd * r2 + 1.0 / 39916800;
  odd = odd * r2 + 1.0 / 362880;
  odd = odd * r2 + 1.0 / 5040;
  odd = odd * r2 + 1.0 / 120;
  odd = odd * r2 + 1.0 / 6;
  const Lanes tail = (odd * r + even) * r2;
  const Lanes polynomial = 1.0 + (r + tail);
  const Bits bits = (__builtin_bit_cast(Bits, shifted) + 1023) << 52;
  return polynomial * __builtin_bit_cast(Lanes, bits);
}

/// log x of normal positive numbers, within 1 ulp or so.
[[gnu::always_inline]] inline Lanes log_of(const Lanes& x) {
  const Bits bits = __builtin_bit_cast(Bits, x);
  // The exponent is taken so that the mantissa lies in [√½, √2).
  const Bits shifted = bits - 0x3fe6a09e667f3bcdLL;
  const Bits exponent = shifted >> 52;
  const Lanes m = __builtin_bit_cast(Lanes, bits - (exponent << 52));
  const Lanes e = {static_cast<double>(exponent[0]), static_cast<double>(exponent[1]),
                   static_cast<double>(exponent[2]), static_cast<double>(exponent[3])};
  const Lanes f = (m - 1.0) / (m + 1.0);
  const Lanes s = f * f;
  Lanes sum = same(2.0 / 21);
  sum = sum * s + 2.0 / 19;
  sum = sum * s + 2.0 / 17;
  sum = sum * s + 2.0 / 15;
  sum = sum * s + 2.0 / 13;
  sum = sum * s + 2.0 / 11;
  sum = sum * s + 2.0 / 9;
  sum = sum * s + 2.0 / 7;
  sum = sum * s + 2.0 / 5;
  sum = sum * s + 2.0 / 3;
  return e * 6.93147180369123816490e-01 +
         (2.0 * f + (f * s * sum + e * 1.90821492927058770002e-10));
}
