#include <rapport/base/error.hpp>
#include <rapport/math/quadrature.hpp>

#include <Eigen/Eigenvalues>
#include <boost/math/quadrature/gauss_kronrod.hpp>

#include <cmath>
#include <numbers>
#include <string>

namespace rapport {
namespace {

void require_points(const char* function, Index points) {
  if (points < 1 || points > 200) {
    throw InvalidArgument(std::string(function) + ": `points` is " + std::to_string(points) +
                          "; must lie between 1 and 200");
  }
}

/// Orthonormal Hermite polynomials of the standard normal density at x: p_n(x), p_{n−1}(x) and
/// Σ_{k<n} p_k(x)².
struct HermiteValues {
  double value = 0;
  double previous = 0;
  double sum_of_squares = 0;
};
HermiteValues hermite_values(Index n, double x) {
  HermiteValues h{.value = 1, .previous = 0, .sum_of_squares = 0};
  for (Index k = 0; k < n; ++k) {
    h.sum_of_squares += h.value * h.value;
    const double next = (x * h.value - std::sqrt(static_cast<double>(k)) * h.previous) /
                        std::sqrt(static_cast<double>(k + 1));
    h.previous = h.value;
    h.value = next;
  }
  return h;
}

}  // namespace

QuadratureRule gauss_hermite(Index points) {
  require_points("gauss_hermite", points);
  Eigen::VectorXd off_diagonal(points - 1);
  for (Index k = 1; k < points; ++k) off_diagonal[k - 1] = std::sqrt(static_cast<double>(k));
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Eigen::VectorXd::Zero(points), off_diagonal,
                                Eigen::EigenvaluesOnly);
  QuadratureRule rule{.nodes = solver.eigenvalues(), .weights = Eigen::VectorXd(points)};
  for (Index i = 0; i < points; ++i) {
    double& x = rule.nodes[i];
    // One Newton step, p_n' = √n p_{n−1}, takes the eigenvalue to rounding; the rule is symmetric
    // about 0 exactly.
    const HermiteValues h = hermite_values(points, x);
    x -= h.value / (std::sqrt(static_cast<double>(points)) * h.previous);
    if (2 * i + 1 == points) x = 0;
    if (2 * i + 1 > points) x = -rule.nodes[points - 1 - i];
    rule.weights[i] = 1 / hermite_values(points, x).sum_of_squares;
  }
  return rule;
}

QuadratureRule gauss_legendre(Index points) {
  require_points("gauss_legendre", points);
  QuadratureRule rule{.nodes = Eigen::VectorXd(points), .weights = Eigen::VectorXd(points)};
  const auto n = static_cast<double>(points);
  for (Index i = 0; i < points; ++i) {
    double x = -std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (n + 0.5));
    double slope = 0;
    for (int iteration = 0; iteration < 10; ++iteration) {
      double value = 1;
      double previous = 0;
      for (Index k = 1; k <= points; ++k) {
        const auto degree = static_cast<double>(k);
        const double next = ((2 * degree - 1) * x * value - (degree - 1) * previous) / degree;
        previous = value;
        value = next;
      }
      slope = n * (x * value - previous) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) < 1e-16) break;
    }
    rule.nodes[i] = 2 * i + 1 == points ? 0 : x;
    rule.weights[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return rule;
}

double integrate(const std::function<double(double)>& f, double lower, double upper,
                 double tolerance) {
  if (std::isnan(lower) || std::isnan(upper)) return std::numeric_limits<double>::quiet_NaN();
  if (lower == upper) return 0;
  if (lower > upper) return -integrate(f, upper, lower, tolerance);
  namespace bmp = boost::math::policies;
  using Quiet = bmp::policy<bmp::promote_double<false>, bmp::domain_error<bmp::ignore_error>,
                            bmp::evaluation_error<bmp::ignore_error>>;
  constexpr unsigned depth = 20;
  return boost::math::quadrature::gauss_kronrod<double, 31, Quiet>::integrate(f, lower, upper,
                                                                              depth, tolerance);
}

}  // namespace rapport
