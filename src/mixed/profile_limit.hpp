#pragma once

#include <functional>

namespace rapport::detail {

/// A search for one limit of a profile interval.
struct ProfileSearch {
  double least;      ///< the deviance at the estimate
  double estimate;   ///< of the parameter
  double step;       ///< a first guess of the way from the estimate to the limit, with its sign
  double boundary;   ///< of the parameter on that side; may be infinite
  double target;     ///< of √(deviance − least)
  double tolerance;  ///< on that root, relative
};

/// Where √(deviance − least) reaches the target on one side of the estimate, or the boundary.
/// ±infinity where it stays below the target far beyond any sensible step; NaN if the search does
/// not end. `deviance` may keep state between calls, such as where its last search ended.
double profile_limit(std::function<double(double)> deviance, const ProfileSearch& search);

}  // namespace rapport::detail
