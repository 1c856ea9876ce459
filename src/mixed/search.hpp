#pragma once

#include <rapport/math/minimize.hpp>

#include <functional>

namespace rapport::detail {

/// The end of a search with the Hessian there.
struct Minimum {
  Eigen::VectorXd x;
  double value = 0;
  Eigen::VectorXd gradient;
  Eigen::MatrixXd hessian;
  Index iterations = 0;
  Index evaluations = 0;
  double decrement = 0;  ///< −g'p of one more Newton step p: twice its predicted decrease
  double smallest_curvature = 0;  ///< least eigenvalue of the Hessian
  bool converged = false;
};

/// A local minimum of a smooth function with exact gradient and few, well scaled arguments: BFGS
/// from the Hessian at the start, then Newton with the Hessian at the end, both by differences of
/// gradients. Saddles are left. A value that is not finite refuses a step. The last call of `f` is
/// at the minimum.
/// `hessian`, if given, is taken for that at the start.
Minimum find_minimum(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                     const Eigen::VectorXd& start, Index iterations,
                     const Eigen::MatrixXd& hessian = {});

/// The same where `f` fills the Hessian too: Newton steps in a trust region, until a step would
/// change the value by less than `tolerance`. With `plain`, the same function without its Hessian,
/// a step that is short on the scale of standard errors is the last: `plain` is called there, and
/// the Hessian before it stands for the end.
Minimum find_minimum_by_newton(
    const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
    const Eigen::VectorXd& start, Index iterations, double tolerance = 1e-12,
    const std::function<void(const Eigen::VectorXd&, Derivatives&)>& plain = {});

/// The first part of find_minimum: BFGS until the gradient is below `gradient_tolerance`. Its
/// argument and Hessian are a start for the minimum of a function nearby.
Optimum approach_minimum(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                         const Eigen::VectorXd& start, const Eigen::MatrixXd& hessian,
                         double gradient_tolerance, Index iterations);

/// (H + H')/2 of the exact gradient by central differences; steps are a small part of
/// 1/√`scale`_kk.
Eigen::MatrixXd difference_hessian(
    const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f, const Eigen::VectorXd& at,
    const Eigen::VectorXd& curvature);

}  // namespace rapport::detail
