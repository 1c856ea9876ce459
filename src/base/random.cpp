#include <rapport/base/random.hpp>

#include <cmath>

namespace rapport {
namespace {

/// Φ⁻¹ to full double precision: algorithm AS 241, PPND16 (Wichura 1988, Applied Statistics 37,
/// 477–484).
double normal_quantile_as241(double p) {
  const auto polynomial = [](double x, const std::array<double, 8>& c) {
    double value = c[7];
    for (int k = 6; k >= 0; --k) value = value * x + c[static_cast<std::size_t>(k)];
    return value;
  };
  constexpr std::array<double, 8> a{3.3871328727963666080e0,  1.3314166789178437745e+2,
                                    1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                    4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                    3.3430575583588128105e+4, 2.5090809287301226727e+3};
  constexpr std::array<double, 8> b{1.0,
                                    4.2313330701600911252e+1,
                                    6.8718700749205790830e+2,
                                    5.3941960214247511077e+3,
                                    2.1213794301586595867e+4,
                                    3.9307895800092710610e+4,
                                    2.8729085735721942674e+4,
                                    5.2264952788528545610e+3};
  constexpr std::array<double, 8> c{1.42343711074968357734e0,  4.63033784615654529590e0,
                                    5.76949722146069140550e0,  3.64784832476320460504e0,
                                    1.27045825245236838258e0,  2.41780725177450611770e-1,
                                    2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr std::array<double, 8> d{1.0,
                                    2.05319162663775882187e0,
                                    1.67638483018380384940e0,
                                    6.89767334985100004550e-1,
                                    1.48103976427480074590e-1,
                                    1.51986665636164571966e-2,
                                    5.47593808499534494600e-4,
                                    1.05075007164441684324e-9};
  constexpr std::array<double, 8> e{6.65790464350110377720e0,  5.46378491116411436990e0,
                                    1.78482653991729133580e0,  2.96560571828504891230e-1,
                                    2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                    2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array<double, 8> f{1.0,
                                    5.99832206555887937690e-1,
                                    1.36929880922735805310e-1,
                                    1.48753612908506148525e-2,
                                    7.86869131145613259100e-4,
                                    1.84631831751005468180e-5,
                                    1.42151175831644588870e-7,
                                    2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(r, a) / polynomial(r, b);
  }
  double r = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  double value = 0;
  if (r <= 5) {
    r -= 1.6;
    value = polynomial(r, c) / polynomial(r, d);
  } else {
    r -= 5;
    value = polynomial(r, e) / polynomial(r, f);
  }
  return q < 0 ? -value : value;
}

}  // namespace

std::uint64_t RandomStream::bits() {
  if (left_ == 0) {
    const std::array<std::uint32_t, 4> counter{
        static_cast<std::uint32_t>(block_), static_cast<std::uint32_t>(block_ >> 32U),
        static_cast<std::uint32_t>(replicate_), static_cast<std::uint32_t>(replicate_ >> 32U)};
    buffer_ = philox4x32(
        counter, {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32U)});
    ++block_;
    left_ = 2;
  }
  --left_;
  const auto k = static_cast<std::size_t>(2 * left_);
  return (std::uint64_t{buffer_[k]} << 32U) | buffer_[k + 1];
}

double RandomStream::uniform() { return (static_cast<double>(bits() >> 11U) + 0.5) * 0x1p-53; }

double RandomStream::normal() { return normal_quantile_as241(uniform()); }

Index RandomStream::below(Index bound) {
  const auto n = static_cast<std::uint64_t>(bound);
  __extension__ using Wide = unsigned __int128;
  for (;;) {
    const Wide product = static_cast<Wide>(bits()) * n;
    if (static_cast<std::uint64_t>(product) >= (0 - n) % n)
      return static_cast<Index>(product >> 64U);
  }
}

double RandomStream::exponential() { return -std::log(uniform()); }

double RandomStream::gamma(double shape) {
  if (shape < 1) return gamma(shape + 1) * std::pow(uniform(), 1 / shape);
  const double d = shape - 1.0 / 3.0;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace rapport
