#pragma once

#include <rapport/math/distributions.hpp>

#include <array>
#include <cmath>

/// Distribution functions F of cumulative models: the tails, the quantile, F(a) − F(b) for a > b
/// without cancellation, and the density with its first two derivatives.
namespace rapport::detail {

struct Logistic {
  static double cdf(double x) {
    return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
  }
  static double upper_tail(double x) { return cdf(-x); }
  static double quantile(double p) { return std::log(p / (1 - p)); }
  static double between(double a, double b) { return cdf(a) * cdf(-b) * -std::expm1(b - a); }
  static std::array<double, 3> density(double x) {
    const double p = cdf(x);
    const double q = cdf(-x);
    const double f = p * q;
    return {f, f * (q - p), f * (1 - 6 * f)};
  }
};
struct Normal {
  static double cdf(double x) { return normal_cdf(x); }
  static double upper_tail(double x) { return normal_upper_tail(x); }
  static double quantile(double p) { return normal_quantile(p); }
  static double between(double a, double b) {
    return b > 0 ? normal_upper_tail(b) - normal_upper_tail(a) : normal_cdf(a) - normal_cdf(b);
  }
  static std::array<double, 3> density(double x) {
    const double f = normal_density(x);
    return {f, -x * f, (x * x - 1) * f};
  }
};
struct GumbelMinimum {
  static double cdf(double x) { return -std::expm1(-std::exp(x)); }
  static double upper_tail(double x) { return std::exp(-std::exp(x)); }
  static double quantile(double p) { return std::log(-std::log1p(-p)); }
  static double between(double a, double b) {
    const double survival = std::exp(-std::exp(b));
    return survival * -std::expm1(std::exp(b) - std::exp(a));
  }
  static std::array<double, 3> density(double x) {
    const double t = std::exp(x);
    const double f = t * std::exp(-t);
    if (!(t < 700)) return {0, 0, 0};
    return {f, f * (1 - t), f * ((1 - t) * (1 - t) - t)};
  }
};

struct GumbelMaximum {
  static double cdf(double x) { return std::exp(-std::exp(-x)); }
  static double upper_tail(double x) { return -std::expm1(-std::exp(-x)); }
  static double quantile(double p) { return -std::log(-std::log(p)); }
  static double between(double a, double b) { return GumbelMinimum::between(-b, -a); }
  static std::array<double, 3> density(double x) {
    const std::array<double, 3> mirrored = GumbelMinimum::density(-x);
    return {mirrored[0], -mirrored[1], mirrored[2]};
  }
};
struct Cauchy {
  static constexpr double inverse_pi = 0.31830988618379067154;
  static double cdf(double x) { return std::atan2(1, -x) * inverse_pi; }
  static double upper_tail(double x) { return cdf(-x); }
  static double quantile(double p) { return -1 / std::tan(p / inverse_pi); }
  static double between(double a, double b) { return std::atan2(a - b, 1 + a * b) * inverse_pi; }
  static std::array<double, 3> density(double x) {
    const double s = 1 / (1 + x * x);
    return {inverse_pi * s, -2 * inverse_pi * x * s * s, inverse_pi * (6 * x * x - 2) * s * s * s};
  }
};

}  // namespace rapport::detail
