#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/minimize.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rapport {
namespace {

TEST(FindRoot, KnownRoots) {
  EXPECT_NEAR(find_root([](double x) { return x * x - 2; }, 0, 2).argument, std::sqrt(2.0), 1e-14);
  EXPECT_NEAR(find_root([](double x) { return std::cos(x) - x; }, 0, 1).argument,
              0.7390851332151607, 1e-14);
  EXPECT_NEAR(find_root([](double x) { return std::pow(x - 1, 9); }, 0, 4).argument, 1, 1e-3);
  EXPECT_NEAR(find_root([](double x) { return x < 0.3 ? -1.0 : 1.0; }, 0, 1).argument, 0.3, 1e-13);
  EXPECT_EQ(find_root([](double x) { return x; }, 0, 5).argument, 0);
  EXPECT_TRUE(std::isnan(find_root([](double x) { return x * x + 1; }, -1, 1).argument));
  const ScalarOptimum quick = find_root([](double x) { return std::exp(x) - 5; }, 0, 3);
  EXPECT_LT(quick.evaluations, 15);
  EXPECT_EQ(quick.termination, Termination::converged);
}

TEST(MinimizeScalar, KnownMinima) {
  EXPECT_NEAR(minimize_scalar([](double x) { return (x - 0.7) * (x - 0.7) + 3; }, -4, 9).argument,
              0.7, 2e-8);
  const ScalarOptimum wave = minimize_scalar([](double x) { return std::cos(x); }, 1, 6);
  EXPECT_NEAR(wave.argument, std::acos(-1.0), 2e-8);
  EXPECT_NEAR(wave.value, -1, 1e-15);
  EXPECT_NEAR(minimize_scalar([](double x) { return x; }, 2, 3).argument, 2, 1e-8);
  EXPECT_NEAR(minimize_scalar([](double x) { return std::abs(x - 1); }, -10, 10).argument, 1, 1e-8);
}

/// Rosenbrock's valley in n dimensions.
void rosenbrock(const Eigen::VectorXd& x, Derivatives& d) {
  const Index n = x.size();
  d.value = 0;
  d.gradient = Eigen::VectorXd::Zero(n);
  d.hessian = Eigen::MatrixXd::Zero(n, n);
  for (Index i = 0; i + 1 < n; ++i) {
    const double a = x[i + 1] - x[i] * x[i];
    const double b = 1 - x[i];
    d.value += 100 * a * a + b * b;
    d.gradient[i] += -400 * x[i] * a - 2 * b;
    d.gradient[i + 1] += 200 * a;
    d.hessian(i, i) += 1200 * x[i] * x[i] - 400 * x[i + 1] + 2;
    d.hessian(i + 1, i + 1) += 200;
    d.hessian(i, i + 1) -= 400 * x[i];
    d.hessian(i + 1, i) -= 400 * x[i];
  }
}

TEST(MinimizeNewton, SolvesRosenbrock) {
  const Optimum optimum = minimize_newton(rosenbrock, Eigen::VectorXd{{-1.2, 1}});
  EXPECT_TRUE(optimum.argument.isOnes(1e-8));
  EXPECT_EQ(optimum.termination, Termination::converged);
  EXPECT_LT(optimum.evaluations, 40);
  EXPECT_TRUE(minimize_newton(rosenbrock, Eigen::VectorXd::Constant(8, -0.5)).argument.allFinite());
}

TEST(MinimizeBfgs, SolvesRosenbrock) {
  const Optimum optimum = minimize_bfgs(rosenbrock, Eigen::VectorXd{{-1.2, 1}});
  EXPECT_TRUE(optimum.argument.isOnes(1e-7));
  EXPECT_EQ(optimum.termination, Termination::converged);
  Derivatives exact;
  rosenbrock(optimum.argument, exact);
  EXPECT_LT((optimum.hessian - exact.hessian).norm() / exact.hessian.norm(), 0.1);
  EXPECT_NEAR(minimize_bfgs(rosenbrock, Eigen::VectorXd::Constant(10, 2)).value, 0, 1e-14);
}

// x² − y² + y⁴ has a saddle at the origin and minima at y = ±1/√2: Newton's step alone would stay
// on the saddle.
TEST(MinimizeNewton, WalksOffASaddle) {
  const auto f = [](const Eigen::VectorXd& x, Derivatives& d) {
    d.value = x[0] * x[0] - x[1] * x[1] + std::pow(x[1], 4);
    d.gradient = Eigen::VectorXd{{2 * x[0], -2 * x[1] + 4 * std::pow(x[1], 3)}};
    d.hessian = Eigen::MatrixXd{{2, 0}, {0, -2 + 12 * x[1] * x[1]}};
  };
  EXPECT_NEAR(minimize_newton(f, Eigen::VectorXd{{1, 1e-9}}).value, -0.25, 1e-12);
  EXPECT_NEAR(minimize_newton(f, Eigen::VectorXd{{1, 0}}).value, -0.25, 1e-12);  // the hard case
}

// −log x + x is infinite for x ≤ 0: such steps are refused.
TEST(Minimizers, RefuseStepsWithoutAValue) {
  const auto f = [](const Eigen::VectorXd& x, Derivatives& d) {
    d.value = x[0] > 0 ? x[0] - std::log(x[0]) : std::numeric_limits<double>::quiet_NaN();
    d.gradient = Eigen::VectorXd::Constant(1, 1 - 1 / x[0]);
    d.hessian = Eigen::MatrixXd::Constant(1, 1, 1 / (x[0] * x[0]));
  };
  const Eigen::VectorXd start = Eigen::VectorXd::Constant(1, 20);
  EXPECT_NEAR(minimize_newton(f, start, {.initial_radius = 100}).argument[0], 1, 1e-7);
  EXPECT_NEAR(minimize_bfgs(f, start, {.initial_radius = 100}).argument[0], 1, 1e-7);
  EXPECT_THROW(static_cast<void>(minimize_newton(f, -start)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(minimize_bfgs(f, -start)), InvalidArgument);
}

TEST(Minimizers, SayWhenTheyRanOut) {
  EXPECT_EQ(minimize_newton(rosenbrock, Eigen::VectorXd{{-1.2, 1}}, {.iterations = 3}).termination,
            Termination::iteration_limit);
  EXPECT_EQ(minimize_bfgs(rosenbrock, Eigen::VectorXd{{-1.2, 1}}, {.iterations = 3}).termination,
            Termination::iteration_limit);
}

/// Optimality of a trust-region step (Moré & Sorensen 1983, lemma 2.1): (H + μI) p = −g, H + μI ⪰
/// 0, μ (radius − ‖p‖) = 0.
void expect_optimal_step(const Eigen::VectorXd& g, const Eigen::MatrixXd& h, double radius) {
  const Eigen::VectorXd p = trust_region_step(g, h, radius);
  ASSERT_LE(p.norm(), radius * (1 + 1e-8));
  const double multiplier =
      p.norm() < radius * (1 - 1e-8) ? 0 : -p.dot(g + h * p) / p.squaredNorm();
  EXPECT_GE(multiplier, -1e-9 * h.norm());
  EXPECT_LT((g + h * p + multiplier * p).norm(), 1e-7 * std::max(g.norm(), h.norm() * radius));
  // ‖p‖ = radius and the multiplier make H + μI positive semi-definite: test along many directions.
  RandomStream stream(Seed{9}, 0);
  for (int k = 0; k < 50; ++k) {
    Eigen::VectorXd v(g.size());
    for (double& value : v) value = stream.normal();
    EXPECT_GE(v.dot(h * v) + multiplier * v.squaredNorm(), -1e-7 * h.norm() * v.squaredNorm());
  }
}

TEST(TrustRegionStep, IsOptimal) {
  RandomStream stream(Seed{4}, 0);
  for (int trial = 0; trial < 200; ++trial) {
    const Index n = 1 + stream.below(6);
    Eigen::MatrixXd a(n, n);
    Eigen::VectorXd g(n);
    for (double& value : a.reshaped()) value = stream.normal();
    for (double& value : g) value = stream.normal();
    expect_optimal_step(g, a + a.transpose(), std::exp(2 * stream.normal()));
    expect_optimal_step(g, a * a.transpose(), std::exp(2 * stream.normal()));
  }
}

TEST(TrustRegionStep, HardCaseReachesTheBoundary) {
  const Eigen::MatrixXd h = Eigen::VectorXd{{-2, 1, 3}}.asDiagonal();
  const Eigen::VectorXd g{{0, 1, 1}};
  EXPECT_NEAR(trust_region_step(g, h, 5).norm(), 5, 1e-9);
  expect_optimal_step(g, h, 5);
  expect_optimal_step(Eigen::VectorXd::Zero(3), h, 0.5);
  expect_optimal_step(g, h, 0.1);
}

TEST(NumericalGradient, ReachesTenDigits) {
  const auto f = [](const Eigen::VectorXd& x) {
    return std::exp(x[0]) * std::sin(x[1]) + x[2] * x[2] * x[0];
  };
  const Eigen::VectorXd at{{0.3, 1.1, -20}};
  const Eigen::VectorXd expected{
      {std::exp(0.3) * std::sin(1.1) + 400, std::exp(0.3) * std::cos(1.1), 2 * -20 * 0.3}};
  EXPECT_LT((numerical_gradient(f, at) - expected).lpNorm<Eigen::Infinity>(), 1e-9);
  const auto vector_valued = [&](const Eigen::VectorXd& x) {
    return Eigen::VectorXd{{f(x), x[0] * x[1]}};
  };
  const Eigen::MatrixXd jacobian = numerical_jacobian(vector_valued, at);
  EXPECT_NEAR(jacobian(1, 0), 1.1, 1e-12);
  EXPECT_NEAR(jacobian(1, 1), 0.3, 1e-12);
  EXPECT_EQ(jacobian(1, 2), 0);
}

}  // namespace
}  // namespace rapport
