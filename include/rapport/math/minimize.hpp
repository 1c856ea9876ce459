#pragma once

#include <rapport/base/eigen.hpp>

#include <functional>

namespace rapport {

/// Why an iteration stopped.
enum class Termination { converged, iteration_limit, no_progress };

/// The end of a search in one dimension.
struct [[nodiscard]] ScalarOptimum {
  double argument;
  double value;
  Index evaluations;
  Termination termination;
};

/// The root of a continuous function on [lower, upper], whose values there have opposite signs
/// (Brent 1973). `argument` is NaN if they have not.
ScalarOptimum find_root(const std::function<double(double)>& f, double lower, double upper,
                        double tolerance = 1e-14);

/// A local minimum on [lower, upper] (Brent 1973: golden section and parabolas).
ScalarOptimum minimize_scalar(const std::function<double(double)>& f, double lower, double upper,
                              double tolerance = 1e-10);

/// Value and derivatives of a smooth function. A minimiser that needs no Hessian leaves `hessian`
/// alone.
struct Derivatives {
  double value = 0;
  Eigen::VectorXd gradient;
  Eigen::MatrixXd hessian;
};

/// How hard to look.
struct MinimizeOptions {
  Index iterations = 500;
  double gradient_tolerance = 1e-8;  ///< on ‖gradient‖∞ / max(1, |value|)
  double step_tolerance = 1e-14;     ///< relative
  double initial_radius = 1;         ///< of the trust region, in the units of the argument
  Eigen::MatrixXd initial_hessian =
      {};  ///< BFGS: positive definite, near the Hessian at the start; empty: unknown
};

struct [[nodiscard]] Optimum {
  Eigen::VectorXd argument;
  double value;
  double gradient_norm;     ///< ‖gradient‖∞
  Eigen::MatrixXd hessian;  ///< at the end; BFGS: its approximation
  Index iterations;
  Index evaluations;
  Termination termination;
};

/// Unconstrained minimum by Newton steps in a trust region with exact subproblem (Moré & Sorensen
/// 1983), so that indefinite Hessians are walked out of. `f(x, derivatives)` fills all three
/// fields; a value that is not finite is a refused step.
Optimum minimize_newton(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                        Eigen::VectorXd start, const MinimizeOptions& options = {});

/// Unconstrained minimum by BFGS with a strong Wolfe line search (Nocedal & Wright 2006,
/// algorithms 3.5 and 6.1).
Optimum minimize_bfgs(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                      Eigen::VectorXd start, const MinimizeOptions& options = {});

/// The minimiser of gradient'p + ½p'hessian p within ‖p‖ ≤ radius, hard case included (Moré &
/// Sorensen 1983).
[[nodiscard]] Eigen::VectorXd trust_region_step(const Eigen::VectorXd& gradient,
                                                const Eigen::MatrixXd& hessian, double radius);

/// Gradient by central differences with Richardson extrapolation; for tests and for functions
/// without derivatives.
[[nodiscard]] Eigen::VectorXd numerical_gradient(
    const std::function<double(const Eigen::VectorXd&)>& f, const Eigen::VectorXd& at);
/// Jacobian of a vector-valued function, the same way (rows: outputs).
[[nodiscard]] Eigen::MatrixXd numerical_jacobian(
    const std::function<Eigen::VectorXd(const Eigen::VectorXd&)>& f, const Eigen::VectorXd& at);

}  // namespace rapport
