#include <rapport/base/error.hpp>
#include <rapport/math/quadrature.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rapport {
namespace {

// Abramowitz & Stegun (1964), table 25.10, n = 5, in the normalisation of the normal density: x √2
// and w / √π.
TEST(GaussHermite, AgreesWithThePublishedTable) {
  const QuadratureRule rule = gauss_hermite(5);
  EXPECT_NEAR(rule.nodes[4], 2.020182870456086 * std::sqrt(2.0), 1e-14);
  EXPECT_NEAR(rule.nodes[3], 0.958572464613819 * std::sqrt(2.0), 1e-14);
  EXPECT_EQ(rule.nodes[2], 0);
  const double root_pi = std::sqrt(std::acos(-1.0));
  EXPECT_NEAR(rule.weights[4], 1.995324205905e-2 / root_pi, 1e-14);
  EXPECT_NEAR(rule.weights[3], 3.936193231522e-1 / root_pi, 1e-13);
  EXPECT_NEAR(rule.weights[2], 9.453087204829e-1 / root_pi, 1e-13);
}

// Exact for polynomials up to degree 2n − 1: E z^{2k} = (2k − 1)!!.
TEST(GaussHermite, IntegratesPolynomialsExactly) {
  for (const Index points : {1, 2, 3, 9, 25, 60, 200}) {
    const QuadratureRule rule = gauss_hermite(points);
    double moment = 1;
    for (Index degree = 0; degree <= std::min<Index>(2 * points - 2, 40); degree += 2) {
      EXPECT_NEAR(
          (rule.weights.array() * rule.nodes.array().pow(static_cast<double>(degree))).sum() /
              moment,
          1, 1e-12)
          << points << " points, degree " << degree;
      moment *= static_cast<double>(degree + 1);
    }
    EXPECT_TRUE(std::is_sorted(rule.nodes.begin(), rule.nodes.end()));
    EXPECT_GT(rule.weights.minCoeff(), 0);
  }
}

// ∫ φ(x) cos(t x) dx = exp(−t² / 2).
TEST(GaussHermite, ConvergesForTheCharacteristicFunction) {
  for (const Index points : {30, 120}) {
    const QuadratureRule rule = gauss_hermite(points);
    EXPECT_NEAR((rule.weights.array() * (2 * rule.nodes.array()).cos()).sum(), std::exp(-2.0),
                1e-14);
  }
}

TEST(GaussLegendre, IntegratesPolynomialsExactly) {
  for (const Index points : {1, 2, 5, 20, 64, 200}) {
    const QuadratureRule rule = gauss_legendre(points);
    for (Index degree = 0; degree < 2 * points; degree += 2) {
      const double power = static_cast<double>(degree);
      EXPECT_NEAR(
          (rule.weights.array() * rule.nodes.array().abs().pow(power)).sum() * (power + 1) / 2, 1,
          2e-13);
    }
    EXPECT_NEAR((rule.weights.array() * rule.nodes.array().cube()).sum(), 0, 1e-15);
    EXPECT_TRUE(std::is_sorted(rule.nodes.begin(), rule.nodes.end()));
  }
  // Abramowitz & Stegun (1964), table 25.4, n = 3.
  EXPECT_NEAR(gauss_legendre(3).nodes[2], std::sqrt(0.6), 1e-16);
  EXPECT_NEAR(gauss_legendre(3).weights[2], 5.0 / 9, 1e-15);
}

TEST(GaussRules, RefuseImpossibleSizes) {
  EXPECT_THROW(static_cast<void>(gauss_hermite(0)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(gauss_legendre(201)), InvalidArgument);
}

TEST(Integrate, KnownIntegrals) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double pi = std::acos(-1.0);
  const auto bell = [](double x) { return std::exp(-0.5 * x * x); };
  EXPECT_NEAR(integrate(bell, -infinity, infinity), std::sqrt(2 * pi), 1e-10);
  EXPECT_NEAR(integrate(bell, 0, infinity), std::sqrt(pi / 2), 1e-10);
  EXPECT_NEAR(integrate([](double x) { return std::sin(x); }, 0, pi), 2, 1e-13);
  EXPECT_NEAR(integrate([](double x) { return std::sin(x); }, pi, 0), -2, 1e-13);
  EXPECT_NEAR(integrate([](double x) { return 1 / (1e-4 + x * x); }, -1, 1), 200 * std::atan(100.0),
              1e-7);
  EXPECT_EQ(integrate(bell, 2, 2), 0);
}

}  // namespace
}  // namespace rapport
