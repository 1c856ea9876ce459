#include "search.hpp"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

namespace rapport::detail {
namespace {

using Function = std::function<void(const Eigen::VectorXd&, Derivatives&)>;
using Eigen::MatrixXd;
using Eigen::VectorXd;

double step_for(double curvature) {
  return 3e-4 / std::sqrt(std::clamp(std::abs(curvature), 1e-4, 1e8));
}

/// The Hessian at the start by one-sided differences, made positive definite.
MatrixXd rough_hessian(const Function& f, const VectorXd& at, const Derivatives& here) {
  const Index n = at.size();
  MatrixXd h = MatrixXd::Zero(n, n);
  Derivatives there;
  for (Index k = 0; k < n; ++k) {
    VectorXd shifted = at;
    shifted[k] += 1e-3;
    f(shifted, there);
    if (!std::isfinite(there.value)) return MatrixXd();
    h.col(k) = (there.gradient - here.gradient) / 1e-3;
  }
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(0.5 * (h + h.transpose()));
  const double floor = 1e-3 * std::max(eigen.eigenvalues().cwiseAbs().maxCoeff(), 1e-10);
  const VectorXd positive = eigen.eigenvalues().cwiseAbs().cwiseMax(floor);
  return eigen.eigenvectors() * positive.asDiagonal() * eigen.eigenvectors().transpose();
}

/// Newton steps with the Hessian at the end; true while the Hessian has no direction of negative
/// curvature.
bool polish(const Function& f, Minimum& best) {
  Derivatives here;
  f(best.x, here);
  for (int repeat = 0; repeat < 4; ++repeat) {
    best.hessian = difference_hessian(f, best.x, best.hessian.diagonal());
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(best.hessian);
    best.smallest_curvature = eigen.eigenvalues().size() == 0 ? 1 : eigen.eigenvalues()[0];
    if (best.smallest_curvature < -1e-6) break;
    const VectorXd curvature = eigen.eigenvalues().cwiseMax(1e-10);
    const auto newton = [&](const VectorXd& gradient) -> VectorXd {
      return -eigen.eigenvectors() *
             (eigen.eigenvectors().transpose() * gradient).cwiseQuotient(curvature);
    };
    double moved = 0;
    for (int step = 0; step < 3; ++step) {
      const VectorXd direction = newton(here.gradient);
      best.decrement = -here.gradient.dot(direction);
      if (best.decrement <= 1e-17 * std::max(1.0, std::abs(here.value)) || best.decrement > 10)
        break;
      Derivatives there;
      f(best.x + direction, there);
      const bool better = std::isfinite(there.value) &&
                          there.value <= here.value + 1e-13 * std::max(1.0, std::abs(here.value)) &&
                          there.gradient.norm() < here.gradient.norm();
      if (!better) break;
      best.x += direction;
      here = there;
      moved = std::max(moved, best.decrement);
    }
    if (moved < 1e-9)
      break;  // the Hessian stands for the end: it moved less than 3e-5 standard errors
  }
  best.value = here.value;
  best.gradient = here.gradient;
  return best.smallest_curvature >= -1e-6;
}

}  // namespace

MatrixXd difference_hessian(const Function& f, const VectorXd& at, const VectorXd& curvature) {
  MatrixXd h(at.size(), at.size());
  Derivatives right;
  Derivatives left;
  for (Index k = 0; k < at.size(); ++k) {
    const double step = step_for(curvature[k]);
    VectorXd shifted = at;
    shifted[k] = at[k] + step;
    f(shifted, right);
    shifted[k] = at[k] - step;
    f(shifted, left);
    h.col(k) = (right.gradient - left.gradient) / (2 * step);
  }
  return 0.5 * (h + h.transpose());
}

Optimum approach_minimum(const Function& f, const VectorXd& start, const MatrixXd& hessian,
                         double gradient_tolerance, Index iterations) {
  Derivatives here;
  f(start, here);
  MatrixXd initial = hessian;
  if (initial.size() == 0 && std::isfinite(here.value)) initial = rough_hessian(f, start, here);
  return minimize_bfgs(
      f, start,
      {.iterations = iterations,
       .gradient_tolerance = gradient_tolerance / std::max(1.0, std::abs(here.value)),
       .initial_radius = 0.5,
       .initial_hessian = initial});
}

Minimum find_minimum(const Function& objective, const VectorXd& start, Index iterations,
                     const MatrixXd& hessian) {
  Minimum best;
  const Function f = [&](const VectorXd& x, Derivatives& out) {
    ++best.evaluations;
    objective(x, out);
  };
  best.x = start;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Optimum optimum =
        approach_minimum(f, best.x, attempt == 0 ? hessian : MatrixXd(), 1e-5, iterations);
    best.iterations += optimum.iterations;
    best.x = optimum.argument;
    best.hessian = optimum.hessian;
    const bool minimum = polish(f, best);
    best.converged = optimum.termination != Termination::iteration_limit && best.decrement < 1e-6;
    if (minimum) break;
    // A saddle, such as a variance of 0 that wants to grow: leave it along the direction of
    // negative curvature.
    best.x += 0.3 * Eigen::SelfAdjointEigenSolver<MatrixXd>(best.hessian).eigenvectors().col(0);
  }
  Derivatives last;
  f(best.x, last);
  return best;
}

namespace {

/// A Newton step in coordinates scaled by the curvature at the start.
class ScaledStep {
 public:
  explicit ScaledStep(const MatrixXd& hessian)
      : scale_(hessian.diagonal().cwiseAbs().cwiseMax(1e-4).cwiseSqrt()),
        radius_(scale_.size() == 0 ? 1 : scale_.maxCoeff()) {}

  VectorXd from(const Derivatives& here) {
    const MatrixXd h =
        scale_.cwiseInverse().asDiagonal() * here.hessian * scale_.cwiseInverse().asDiagonal();
    const VectorXd scaled = trust_region_step(here.gradient.cwiseQuotient(scale_), h, radius_);
    length_ = scaled.norm();
    const VectorXd step = scaled.cwiseQuotient(scale_);
    predicted_ = -here.gradient.dot(step) - 0.5 * step.dot(here.hessian * step);
    return step;
  }
  [[nodiscard]] bool inside() const { return length_ < 0.99 * radius_; }
  [[nodiscard]] double predicted() const { return predicted_; }
  [[nodiscard]] double radius() const { return radius_; }
  void adapt(double gain) {
    if (gain < 0.25) radius_ = 0.25 * length_;
    if (gain > 0.75 && !inside()) radius_ *= 2;
  }

 private:
  VectorXd scale_;
  double radius_;
  double length_ = 0;
  double predicted_ = 0;
};

}  // namespace

Minimum find_minimum_by_newton(const Function& f, const VectorXd& start, Index iterations,
                               double tolerance, const Function& plain) {
  constexpr double short_step = 1e-9;  // 5e-5 standard errors
  Minimum best;
  best.x = start;
  Derivatives here;
  f(start, here);
  best.evaluations = 1;
  best.value = here.value;
  if (!std::isfinite(here.value) || !here.hessian.allFinite()) return best;
  ScaledStep step(here.hessian);
  bool at_best = true;
  bool refined = false;
  for (; best.iterations < iterations && step.radius() > 1e-10; ++best.iterations) {
    const VectorXd direction = step.from(here);
    best.decrement = 2 * step.predicted();
    best.converged =
        step.inside() && step.predicted() < (plain && !refined ? 1e-4 * tolerance : tolerance);
    if (best.converged) break;
    const bool last = plain && step.inside() && step.predicted() < short_step;
    Derivatives there;
    (last ? plain : f)(best.x + direction, there);
    ++best.evaluations;
    const double rounding = 1e-13 * std::max(1.0, std::abs(here.value));
    const double gain = (here.value - there.value + rounding) / (step.predicted() + rounding);
    if (last) there.hessian = here.hessian;
    refined = refined || last;
    const bool finite = std::isfinite(there.value) && there.hessian.allFinite();
    at_best = finite && gain > 1e-4;
    step.adapt(finite ? gain : 0);
    if (!at_best) continue;
    best.x += direction;
    here = there;
  }
  Derivatives last;
  if (!at_best) {
    f(best.x, last);
    ++best.evaluations;
  }
  best.value = here.value;
  best.gradient = here.gradient;
  best.hessian = here.hessian;
  best.smallest_curvature = here.hessian.size() == 0 ? 1
                                                     : Eigen::SelfAdjointEigenSolver<MatrixXd>(
                                                           here.hessian, Eigen::EigenvaluesOnly)
                                                           .eigenvalues()[0];
  return best;
}

}  // namespace rapport::detail
