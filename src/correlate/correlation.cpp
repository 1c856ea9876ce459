#include <rapport/base/error.hpp>
#include <rapport/correlate/correlation.hpp>
#include <rapport/math/distributions.hpp>

#include <cmath>
#include <string>

namespace rapport {

std::string_view to_string(PValueMethod method) {
  switch (method) {
    case PValueMethod::asymptotic:
      return "asymptotic";
    case PValueMethod::exact:
      return "exact";
    case PValueMethod::series:
      return "series";
    case PValueMethod::permutation:
      return "permutation";
  }
  return "";
}

ConfidenceInterval fisher_interval(double estimate, double standard_error, double level) {
  if (!std::isfinite(standard_error) || std::isnan(estimate)) return {.level = level};
  if (std::abs(estimate) >= 1) return {.lower = estimate, .upper = estimate, .level = level};
  const double half_width = normal_quantile((1 + level) / 2) * standard_error;
  const double z = std::atanh(estimate);
  return {.lower = std::tanh(z - half_width), .upper = std::tanh(z + half_width), .level = level};
}

namespace detail {

bool is_complete(std::string_view function, std::string_view name, const VectorView& values) {
  // 0 · x is 0 for a finite x and NaN otherwise; Eigen sums in vectors.
  if ((0 * values.array()).sum() == 0) return true;
  require_no_infinity(function, name, values);
  return false;
}

void require_paired(std::string_view function, const VectorView& x, const VectorView& y) {
  require_same_size(function, "x", x.size(), "y", y.size());
}

CompletePairs select_complete(std::string_view function, const VectorView& x, const VectorView& y,
                              Missing policy) {
  if (policy == Missing::reject)
    throw InvalidArgument(std::string(function) +
                          ": `x` or `y` has a missing value; complete data are required");
  CompletePairs pairs;
  pairs.x.resize(x.size());
  pairs.y.resize(x.size());
  Index kept = 0;
  if (policy == Missing::omit)
    for (Index i = 0; i < x.size(); ++i) {
      if (is_missing(x[i]) || is_missing(y[i])) continue;
      pairs.x[kept] = x[i];
      pairs.y[kept++] = y[i];
    }
  pairs.x.conservativeResize(kept);
  pairs.y.conservativeResize(kept);
  pairs.n_omitted = x.size() - kept;
  return pairs;
}

WeightedPairs select_weighted(std::string_view function, const VectorView& x, const VectorView& y,
                              const VectorView& weights, Missing policy) {
  require_paired(function, x, y);
  require_same_size(function, "x", x.size(), "weights", weights.size());
  const bool complete = is_complete(function, "x", x) && is_complete(function, "y", y) &&
                        is_complete(function, "weights", weights);
  if (!complete && policy == Missing::reject)
    throw InvalidArgument(std::string(function) +
                          ": a value or weight is missing; complete data are required");
  WeightedPairs pairs{.x = x, .y = y, .weights = weights};
  Index kept = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (weights[i] < 0)
      throw InvalidArgument(std::string(function) + ": `weights` holds " +
                            std::to_string(weights[i]) + "; every weight must be at least 0");
    if (is_missing(x[i]) || is_missing(y[i]) || is_missing(weights[i])) {
      ++pairs.n_omitted;
    } else if (weights[i] > 0) {
      pairs.x[kept] = x[i];
      pairs.y[kept] = y[i];
      pairs.weights[kept++] = weights[i];
    }
  }
  if (!complete && policy == Missing::propagate) kept = 0;
  pairs.x.conservativeResize(kept);
  pairs.y.conservativeResize(kept);
  pairs.weights.conservativeResize(kept);
  return pairs;
}

void require_summary(std::string_view function, double r, double n) {
  if (!(r >= -1 && r <= 1))
    throw InvalidArgument(std::string(function) + ": `r` is " + std::to_string(r) +
                          "; must lie in [-1, 1]");
  if (!(n >= 2 && std::isfinite(n)))
    throw InvalidArgument(std::string(function) + ": `n` is " + std::to_string(n) +
                          "; at least 2 is required");
}

}  // namespace detail
}  // namespace rapport
