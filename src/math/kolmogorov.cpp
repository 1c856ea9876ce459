#include <rapport/math/kolmogorov.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace rapport {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

/// A matrix times 10^exponent.
struct Scaled {
  Eigen::MatrixXd matrix;
  int exponent = 0;

  void normalize() {
    constexpr double large = 1e140;
    if (matrix.cwiseAbs().maxCoeff() > large) {
      matrix /= large;
      exponent += 140;
    }
  }
};

Scaled power(const Eigen::MatrixXd& base, Index n) {
  Scaled result{Eigen::MatrixXd::Identity(base.rows(), base.cols())};
  Scaled square{base};
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) {
      result.matrix = (result.matrix * square.matrix).eval();
      result.exponent += square.exponent;
      result.normalize();
    }
    square.matrix = (square.matrix * square.matrix).eval();
    square.exponent *= 2;
    square.normalize();
  }
  return result;
}

/// Marsaglia, Tsang & Wang (2003): P(D < d) = n!/nⁿ times the middle entry of Hⁿ.
double exact_cdf(double d, Index n) {
  const double scaled = static_cast<double>(n) * d;
  const auto k = static_cast<Index>(scaled) + 1;
  const Index m = 2 * k - 1;
  const double h = static_cast<double>(k) - scaled;
  Eigen::MatrixXd matrix(m, m);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < m; ++j) matrix(i, j) = i - j + 1 < 0 ? 0 : 1;
  for (Index i = 0; i < m; ++i) {
    matrix(i, 0) -= std::pow(h, static_cast<double>(i + 1));
    matrix(m - 1, i) -= std::pow(h, static_cast<double>(m - i));
  }
  if (2 * h > 1) matrix(m - 1, 0) += std::pow(2 * h - 1, static_cast<double>(m));
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < m; ++j)
      for (Index g = 1; g <= i - j + 1; ++g) matrix(i, j) /= static_cast<double>(g);
  const Scaled raised = power(matrix, n);
  double log_factor = raised.exponent * std::log(10.0);
  for (Index i = 1; i <= n; ++i)
    log_factor += std::log(static_cast<double>(i) / static_cast<double>(n));
  return raised.matrix(k - 1, k - 1) * std::exp(log_factor);
}

double limiting_upper_tail(double lambda) {
  double sum = 0;
  for (int k = 1; k <= 100; ++k)
    sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * lambda * lambda);
  return lambda < 0.2 ? 1 : sum;
}

}  // namespace

double kolmogorov_distance(const VectorView& uniform) {
  if (uniform.size() == 0 || uniform.array().isNaN().any()) return undefined;
  std::vector<double> sorted(uniform.data(), uniform.data() + uniform.size());
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double distance = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto position = static_cast<double>(i);
    distance = std::max({distance, sorted[i] - position / n, (position + 1) / n - sorted[i]});
  }
  return distance;
}

double kolmogorov_upper_tail(double d, Index n) {
  if (std::isnan(d) || n < 1) return undefined;
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  const auto count = static_cast<double>(n);
  const double root = std::sqrt(count);
  // Far out the exact form loses its digits to 1 − P; the limit has them (error below 1e-6).
  const bool far = count * d * d > 7.24 || (count * d * d > 3.76 && n > 99);
  if (n > 1000 || far) return limiting_upper_tail((root + 0.12 + 0.11 / root) * d);
  return std::clamp(1 - exact_cdf(d, n), 0.0, 1.0);
}

}  // namespace rapport
