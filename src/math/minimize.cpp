#include <rapport/base/error.hpp>
#include <rapport/math/minimize.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace rapport {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

}  // namespace

ScalarOptimum find_root(const std::function<double(double)>& f, double lower, double upper,
                        double tolerance) {
  // Brent (1973), chapter 4. b is the best point so far, a the one before it, [b, c] holds the
  // root.
  double a = lower;
  double b = upper;
  double f_a = f(a);
  double f_b = f(b);
  ScalarOptimum root{
      .argument = b, .value = f_b, .evaluations = 2, .termination = Termination::converged};
  if (f_a == 0)
    return {.argument = a, .value = f_a, .evaluations = 2, .termination = Termination::converged};
  if (f_b == 0) return root;
  if (!((f_a < 0 && f_b > 0) || (f_a > 0 && f_b < 0))) {
    const double undefined = std::numeric_limits<double>::quiet_NaN();
    return {.argument = undefined,
            .value = undefined,
            .evaluations = 2,
            .termination = Termination::no_progress};
  }
  double c = a;
  double f_c = f_a;
  double step = b - a;
  double step_before = step;
  for (; root.evaluations < 500; ++root.evaluations) {
    if (std::abs(f_c) < std::abs(f_b)) {
      a = std::exchange(b, c);
      c = a;
      f_a = std::exchange(f_b, f_c);
      f_c = f_a;
    }
    const double least_step = 2 * epsilon * std::abs(b) + 0.5 * tolerance;
    const double half = 0.5 * (c - b);
    if (std::abs(half) <= least_step || f_b == 0) {
      root.argument = b;
      root.value = f_b;
      return root;
    }
    if (std::abs(step_before) >= least_step && std::abs(f_a) > std::abs(f_b)) {
      // Secant, or inverse quadratic interpolation when three points differ: the step is p / q.
      const double s = f_b / f_a;
      double p = 2 * half * s;
      double q = 1 - s;
      if (a != c) {
        const double r = f_b / f_c;
        const double t = f_a / f_c;
        p = s * (2 * half * t * (t - r) - (b - a) * (r - 1));
        q = (t - 1) * (r - 1) * (s - 1);
      }
      if (p > 0) q = -q;
      p = std::abs(p);
      if (2 * p < std::min(3 * half * q - std::abs(least_step * q), std::abs(step_before * q))) {
        step_before = std::exchange(step, p / q);
      } else {
        step_before = step = half;
      }
    } else {
      step_before = step = half;
    }
    a = b;
    f_a = f_b;
    b += std::abs(step) > least_step ? step : std::copysign(least_step, half);
    f_b = f(b);
    if ((f_b > 0) == (f_c > 0)) {
      c = a;
      f_c = f_a;
      step_before = step = b - a;
    }
  }
  root.argument = b;
  root.value = f_b;
  root.termination = Termination::iteration_limit;
  return root;
}

ScalarOptimum minimize_scalar(const std::function<double(double)>& f, double lower, double upper,
                              double tolerance) {
  // Brent (1973), chapter 5. x is the least so far, w the second least, v the w before it.
  constexpr double golden = 0.38196601125010515180;
  double x = lower + golden * (upper - lower);
  double w = x;
  double v = x;
  double f_x = f(x);
  double f_w = f_x;
  double f_v = f_x;
  double step = 0;
  double step_before = 0;
  ScalarOptimum optimum{
      .argument = x, .value = f_x, .evaluations = 1, .termination = Termination::iteration_limit};
  for (; optimum.evaluations < 500; ++optimum.evaluations) {
    const double middle = 0.5 * (lower + upper);
    const double least_step = std::sqrt(epsilon) * std::abs(x) * 1e-2 + tolerance / 3;
    if (std::abs(x - middle) <= 2 * least_step - 0.5 * (upper - lower)) {
      optimum.termination = Termination::converged;
      break;
    }
    double p = 0;
    double q = 0;
    if (std::abs(step_before) > least_step) {
      const double r = (x - w) * (f_x - f_v);
      q = (x - v) * (f_x - f_w);
      p = (x - v) * q - (x - w) * r;
      q = 2 * (q - r);
      if (q > 0) p = -p;
      q = std::abs(q);
    }
    if (q > 0 && std::abs(p) < std::abs(0.5 * q * step_before) && p > q * (lower - x) &&
        p < q * (upper - x)) {
      step_before = std::exchange(step, p / q);
      const double u = x + step;
      if (u - lower < 2 * least_step || upper - u < 2 * least_step)
        step = std::copysign(least_step, middle - x);
    } else {
      step_before = x < middle ? upper - x : lower - x;
      step = golden * step_before;
    }
    const double u = x + (std::abs(step) >= least_step ? step : std::copysign(least_step, step));
    const double f_u = f(u);
    if (f_u <= f_x) {
      (u < x ? upper : lower) = x;
      v = std::exchange(w, std::exchange(x, u));
      f_v = std::exchange(f_w, std::exchange(f_x, f_u));
    } else {
      (u < x ? lower : upper) = u;
      if (f_u <= f_w || w == x) {
        v = std::exchange(w, u);
        f_v = std::exchange(f_w, f_u);
      } else if (f_u <= f_v || v == x || v == w) {
        v = u;
        f_v = f_u;
      }
    }
  }
  optimum.argument = x;
  optimum.value = f_x;
  return optimum;
}

Eigen::VectorXd trust_region_step(const Eigen::VectorXd& gradient, const Eigen::MatrixXd& hessian,
                                  double radius) {
  if (gradient.size() == 0) return gradient;
  // Most often the Hessian is safely positive definite and the Newton step short enough.
  const Eigen::LLT<Eigen::MatrixXd> llt(hessian);
  const auto pivots = llt.matrixLLT().diagonal();
  if (llt.info() == Eigen::Success && pivots.minCoeff() > 1e-4 * pivots.maxCoeff()) {
    const Eigen::VectorXd newton = -llt.solve(gradient);
    if (newton.norm() <= radius) return newton;
  }
  // In the basis of eigenvectors the step for a multiplier μ is −ĝ_i / (λ_i + μ).
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(hessian);
  const Eigen::VectorXd& lambda = solver.eigenvalues();
  const Eigen::VectorXd g = solver.eigenvectors().transpose() * gradient;
  const Index n = g.size();
  const double scale = std::max({std::abs(lambda[0]), std::abs(lambda[n - 1]), g.norm() / radius,
                                 std::numeric_limits<double>::min()});
  if (lambda[0] > epsilon * scale) {
    const Eigen::VectorXd newton = -(g.array() / lambda.array()).matrix();
    if (newton.norm() <= radius) return solver.eigenvectors() * newton;
  }
  const double least_multiplier = std::max(0.0, -lambda[0]);
  const auto step_at = [&](double multiplier) {
    Eigen::VectorXd step(n);
    for (Index i = 0; i < n; ++i) {
      const double curvature = lambda[i] + multiplier;
      // Directions of no curvature and no slope are left for the hard case.
      step[i] = std::abs(g[i]) <= epsilon * scale * radius && curvature <= 10 * epsilon * scale
                    ? 0
                    : -g[i] / curvature;
    }
    return step;
  };
  Eigen::VectorXd step = step_at(least_multiplier);
  if (step.allFinite() && step.norm() < radius) {
    // Hard case: the eigenvector of the least eigenvalue takes the step to the boundary, on the
    // side that descends.
    if (lambda[0] < 0)
      step[0] =
          std::copysign(std::sqrt(radius * radius - step.squaredNorm() + step[0] * step[0]), -g[0]);
    return solver.eigenvectors() * step;
  }
  // Newton on 1/‖p(μ)‖ − 1/radius, which is nearly linear, within a bracket.
  double low = least_multiplier;
  double high = least_multiplier + g.norm() / radius + 2 * epsilon * scale;
  double multiplier = 0.5 * (low + high);
  for (int iteration = 0; iteration < 100; ++iteration) {
    step = step_at(multiplier);
    const double length = step.norm();
    if (std::abs(length - radius) <= 1e-10 * radius) break;
    (length > radius ? low : high) = multiplier;
    const double slope = (step.array().square() / (lambda.array() + multiplier)).sum();
    const double next = multiplier + (length - radius) / radius * length * length / slope;
    multiplier = next > low && next < high ? next : 0.5 * (low + high);
  }
  return solver.eigenvectors() * step;
}

namespace {

double gradient_measure(const Derivatives& d) {
  return d.gradient.size() == 0
             ? 0
             : d.gradient.lpNorm<Eigen::Infinity>() / std::max(1.0, std::abs(d.value));
}

bool usable(const Derivatives& d) { return std::isfinite(d.value) && d.gradient.allFinite(); }

Optimum optimum_at(const Eigen::VectorXd& x, const Derivatives& d) {
  return {.argument = x,
          .value = d.value,
          .gradient_norm = d.gradient.size() == 0 ? 0 : d.gradient.lpNorm<Eigen::Infinity>(),
          .hessian = d.hessian,
          .iterations = 0,
          .evaluations = 1,
          .termination = Termination::iteration_limit};
}

void require_finite_start(const char* function, const Derivatives& d) {
  if (!usable(d))
    throw InvalidArgument(std::string(function) + ": `start` has no finite value and gradient");
}

}  // namespace

Optimum minimize_newton(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                        Eigen::VectorXd start, const MinimizeOptions& options) {
  Derivatives here;
  f(start, here);
  require_finite_start("minimize_newton", here);
  Optimum best = optimum_at(start, here);
  double radius = options.initial_radius;
  for (; best.iterations < options.iterations; ++best.iterations) {
    // The Newton step after the tolerance is met costs one evaluation and squares the error; it is
    // left to the caller.
    if (gradient_measure(here) <= options.gradient_tolerance) {
      best.termination = Termination::converged;
      break;
    }
    const Eigen::VectorXd step = trust_region_step(here.gradient, here.hessian, radius);
    const double predicted = -(here.gradient.dot(step) + 0.5 * step.dot(here.hessian * step));
    Derivatives there;
    f(best.argument + step, there);
    ++best.evaluations;
    const double rounding = 10 * epsilon * std::max(1.0, std::abs(here.value));
    const double decrease = here.value - there.value;
    const bool no_worse = usable(there) && (decrease > 0.1 * predicted ||
                                            (predicted < rounding && decrease > -rounding &&
                                             there.gradient.norm() < here.gradient.norm()));
    if (!no_worse) {
      radius = 0.25 * step.norm();
      if (radius <= options.step_tolerance * std::max(1.0, best.argument.norm()) ||
          predicted <= epsilon * rounding) {
        best.termination = predicted < rounding ? Termination::converged : Termination::no_progress;
        break;
      }
      continue;
    }
    if (decrease > 0.75 * predicted && step.norm() > 0.9 * radius) radius *= 2.5;
    if (decrease < 0.25 * predicted && predicted >= rounding) radius = 0.5 * step.norm();
    best.argument += step;
    here = std::move(there);
    best.value = here.value;
    best.gradient_norm = here.gradient.lpNorm<Eigen::Infinity>();
    best.hessian = here.hessian;
  }
  return best;
}

namespace {

/// f along a ray, with the whole derivatives kept for the accepted point.
struct RayPoint {
  double step = 0;
  double value = 0;
  double slope = 0;
  Derivatives derivatives;
};

/// Strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5 and 3.6), c₁ = 10⁻⁴, c₂ = 0.9; a
/// decrease is not asked for below rounding of the value, where the slope decides (Hager & Zhang
/// 2005).
class LineSearch {
 public:
  LineSearch(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
             const Eigen::VectorXd& from, const Eigen::VectorXd& direction,
             const Derivatives& start, Index& evaluations)
      : f_(f), from_(from), direction_(direction), evaluations_(evaluations) {
    origin_.value = start.value;
    origin_.slope = start.gradient.dot(direction);
    origin_.derivatives = start;
  }

  /// The accepted point; its step is 0 when none was found.
  RayPoint run(double first_step) {
    RayPoint previous = origin_;
    double step = first_step;
    for (int iteration = 0; iteration < 40; ++iteration) {
      RayPoint point = at(step);
      if (!std::isfinite(point.value)) {
        step = 0.5 * (previous.step + step);
        if (step - previous.step <= 1e-14 * first_step) break;
        continue;
      }
      if (!decreases(point) || (iteration > 0 && point.value >= previous.value + slack()))
        return zoom(previous, point);
      if (flat(point)) return point;
      if (point.slope >= 0) return zoom(point, previous);
      previous = std::move(point);
      step *= 2;
    }
    return previous;
  }

 private:
  RayPoint at(double step) {
    RayPoint point;
    point.step = step;
    f_(from_ + step * direction_, point.derivatives);
    ++evaluations_;
    point.value = usable(point.derivatives) ? point.derivatives.value
                                            : std::numeric_limits<double>::infinity();
    point.slope = std::isfinite(point.value) ? point.derivatives.gradient.dot(direction_) : 0;
    return point;
  }
  [[nodiscard]] double slack() const { return 1e-12 * std::max(1.0, std::abs(origin_.value)); }
  [[nodiscard]] bool decreases(const RayPoint& point) const {
    return point.value <= origin_.value + 1e-4 * point.step * origin_.slope + slack();
  }
  [[nodiscard]] bool flat(const RayPoint& point) const {
    return std::abs(point.slope) <= -0.9 * origin_.slope;
  }

  /// The minimum of the cubic through both ends, kept off them.
  static double interpolate(const RayPoint& low, const RayPoint& high) {
    const double width = high.step - low.step;
    double step = low.step + 0.5 * width;
    if (std::isfinite(high.value)) {
      const double d1 =
          low.slope + high.slope - 3 * (low.value - high.value) / (low.step - high.step);
      const double square = d1 * d1 - low.slope * high.slope;
      if (square >= 0) {
        const double d2 = std::copysign(std::sqrt(square), width);
        const double cubic =
            high.step - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
        if (std::isfinite(cubic)) step = cubic;
      }
    }
    const double nearest = std::min(low.step + 0.1 * width, high.step - 0.1 * width);
    const double farthest = std::max(low.step + 0.1 * width, high.step - 0.1 * width);
    return std::clamp(step, nearest, farthest);
  }

  RayPoint zoom(RayPoint low, RayPoint high) {
    for (int iteration = 0; iteration < 40; ++iteration) {
      RayPoint point = at(interpolate(low, high));
      if (!decreases(point) || point.value >= low.value + slack()) {
        high = std::move(point);
      } else {
        if (flat(point)) return point;
        if (point.slope * (high.step - low.step) >= 0) high = std::move(low);
        low = std::move(point);
      }
      if (std::abs(high.step - low.step) <=
          1e-15 * std::max(std::abs(low.step), std::abs(high.step)))
        break;
    }
    return low;
  }

  const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f_;
  const Eigen::VectorXd& from_;
  const Eigen::VectorXd& direction_;
  Index& evaluations_;
  RayPoint origin_;
};

}  // namespace

Optimum minimize_bfgs(const std::function<void(const Eigen::VectorXd&, Derivatives&)>& f,
                      Eigen::VectorXd start, const MinimizeOptions& options) {
  Derivatives here;
  f(start, here);
  require_finite_start("minimize_bfgs", here);
  Optimum best = optimum_at(start, here);
  const Index n = start.size();
  Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(n, n);
  bool fresh = true;  // the inverse Hessian is still a multiple of the identity
  if (options.initial_hessian.size() > 0) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(options.initial_hessian);
    inverse = eigen.eigenvectors() * eigen.eigenvalues().cwiseInverse().asDiagonal() *
              eigen.eigenvectors().transpose();
    fresh = false;
  }
  for (; best.iterations < options.iterations; ++best.iterations) {
    if (gradient_measure(here) <= options.gradient_tolerance) {
      best.termination = Termination::converged;
      break;
    }
    const Eigen::VectorXd direction = -(inverse * here.gradient);
    if (!fresh &&
        -here.gradient.dot(direction) <= 10 * epsilon * std::max(1.0, std::abs(here.value))) {
      best.termination = Termination::converged;  // what is left to gain is rounding of the value
      break;
    }
    const double first_step =
        fresh ? std::min(1.0, options.initial_radius / direction.norm()) : 1.0;
    RayPoint point =
        LineSearch(f, best.argument, direction, here, best.evaluations).run(first_step);
    const Eigen::VectorXd s = point.step * direction;
    if (s.norm() <= options.step_tolerance * std::max(1.0, best.argument.norm())) {
      if (!fresh) {
        inverse.setIdentity();
        fresh = true;
        continue;
      }
      best.termination = Termination::no_progress;
      break;
    }
    const Eigen::VectorXd y = point.derivatives.gradient - here.gradient;
    const double curvature = s.dot(y);
    if (curvature > 1e-12 * s.norm() * y.norm()) {
      if (fresh) inverse = Eigen::MatrixXd::Identity(n, n) * (curvature / y.squaredNorm());
      fresh = false;
      const Eigen::VectorXd hy = inverse * y;
      inverse += (1 + y.dot(hy) / curvature) / curvature * (s * s.transpose()) -
                 (hy * s.transpose() + s * hy.transpose()) / curvature;
    }
    best.argument += s;
    here = std::move(point.derivatives);
    best.value = here.value;
    best.gradient_norm = here.gradient.lpNorm<Eigen::Infinity>();
  }
  best.hessian = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(inverse).operatorInverseSqrt();
  best.hessian *= Eigen::MatrixXd(best.hessian);
  return best;
}

Eigen::MatrixXd numerical_jacobian(const std::function<Eigen::VectorXd(const Eigen::VectorXd&)>& f,
                                   const Eigen::VectorXd& at) {
  // Ridders (1982): central differences at halved steps, extrapolated; for each output the entry
  // whose neighbours agree best.
  constexpr std::size_t levels = 8;
  Eigen::MatrixXd jacobian;
  for (Index j = 0; j < at.size(); ++j) {
    Eigen::MatrixXd least_error;
    std::array<Eigen::VectorXd, levels> previous;
    double step = 0.1 * std::max(1.0, std::abs(at[j]));
    for (std::size_t level = 0; level < levels; ++level, step *= 0.5) {
      Eigen::VectorXd right = at;
      Eigen::VectorXd left = at;
      right[j] += step;
      left[j] -= step;
      std::array<Eigen::VectorXd, levels> row;
      row[0] = (f(right) - f(left)) / (right[j] - left[j]);
      if (jacobian.size() == 0) jacobian = Eigen::MatrixXd::Zero(row[0].size(), at.size());
      if (level == 0) {
        jacobian.col(j) = row[0];
        least_error =
            Eigen::VectorXd::Constant(row[0].size(), std::numeric_limits<double>::infinity());
      }
      double power = 4;
      for (std::size_t k = 1; k <= level; ++k, power *= 4) {
        row[k] = row[k - 1] + (row[k - 1] - previous[k - 1]) / (power - 1);
        for (Index i = 0; i < row[k].size(); ++i) {
          const double error = std::max(std::abs(row[k][i] - row[k - 1][i]),
                                        std::abs(row[k][i] - previous[k - 1][i]));
          if (!(error < least_error(i, 0))) continue;
          least_error(i, 0) = error;
          jacobian(i, j) = row[k][i];
        }
      }
      previous = std::move(row);
    }
  }
  return jacobian;
}

Eigen::VectorXd numerical_gradient(const std::function<double(const Eigen::VectorXd&)>& f,
                                   const Eigen::VectorXd& at) {
  const auto as_vector = [&](const Eigen::VectorXd& x) {
    return Eigen::VectorXd::Constant(1, f(x)).eval();
  };
  return numerical_jacobian(as_vector, at).transpose();
}

}  // namespace rapport
