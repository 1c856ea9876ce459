#include "profile_limit.hpp"

#include <rapport/base/missing.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport::detail {

double profile_limit(std::function<double(double)> deviance, const ProfileSearch& search) {
  const auto& [least, estimate, step, boundary, target, tolerance] = search;
  const auto root_at = [least = least](std::function<double(double)>& held, double value) {
    const double deviance_there = held(value);
    return std::isfinite(deviance_there) ? std::sqrt(std::max(0.0, deviance_there - least))
                                         : std::numeric_limits<double>::infinity();
  };
  if (estimate == boundary) return boundary;
  if (std::isfinite(boundary)) {
    std::function<double(double)> apart =
        deviance;  // so that the next search starts near the estimate
    if (root_at(apart, boundary) <= target) return boundary;
  }
  double inside = estimate;
  double inside_root = 0;
  double outside = boundary;
  double candidate = estimate + step;
  if ((boundary - candidate) * step <= 0) candidate = 0.5 * (estimate + boundary);
  for (int iteration = 0; iteration < 100; ++iteration) {
    const double root = root_at(deviance, candidate);
    if (std::abs(root - target) < tolerance * target) return candidate;
    // The root is nearly linear in the parameter.
    const double slope = (root - inside_root) / (candidate - inside);
    double next = candidate + (target - root) / slope;
    if (root < target) {
      inside = candidate;
      inside_root = root;
      const bool far = std::abs(candidate - estimate) > 1e4 * std::abs(step);
      if (far && !std::isfinite(outside))
        return std::copysign(std::numeric_limits<double>::infinity(), step);
    } else {
      outside = candidate;
    }
    const double farthest = std::isfinite(outside)
                                ? outside
                                : inside + 4 * std::abs(inside - estimate) * (step > 0 ? 1 : -1);
    if (!std::isfinite(next) || (next - inside) * step <= 0) next = 0.5 * (inside + farthest);
    if ((farthest - next) * step <= 0)
      next = std::isfinite(outside) ? 0.5 * (inside + outside) : farthest;
    if (std::abs(next - candidate) <= 1e-13 * std::abs(candidate)) return next;
    candidate = next;
  }
  return missing;
}

}  // namespace rapport::detail
