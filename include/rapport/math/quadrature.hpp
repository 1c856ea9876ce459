#pragma once

#include <functional>

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Nodes and weights of a quadrature rule.
struct [[nodiscard]] QuadratureRule {
  Eigen::VectorXd nodes;    ///< ascending
  Eigen::VectorXd weights;  ///< positive
};

/// Gauss–Hermite for the standard normal density: Σ w f(x) ≈ ∫ φ(x) f(x) dx; 1 ≤ points ≤ 200 (Golub & Welsch 1969).
QuadratureRule gauss_hermite(Index points);

/// Gauss–Legendre on [−1, 1]; 1 ≤ points ≤ 200.
QuadratureRule gauss_legendre(Index points);

/// ∫ f over [lower, upper] (either may be infinite) to about `tolerance` relative.
[[nodiscard]] double integrate(const std::function<double(double)>& f, double lower, double upper, double tolerance = 1e-10);

}  // namespace rapport
