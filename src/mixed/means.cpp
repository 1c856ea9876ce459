#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/means.hpp>
#include <rapport/mixed/term_tests.hpp>

#include "reference_grid.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using detail::moderator_places;
using detail::ReferenceGrid;
using detail::tukey_p_value;
using detail::with;

/// Estimates of combinations of fixed effects; undefined where a dropped column enters.
class Estimator {
 public:
  Estimator(const Design& design, const FixedEffects& fixed, const FixedInference& inference)
      : design_(design), fixed_(fixed), inference_(inference) {}

  ContrastEstimate operator()(const Eigen::VectorXd& weights, double shift = 0) const {
    const Eigen::VectorXd kept = estimable_weights(design_, fixed_, weights);
    if (kept.hasNaN())
      return {.estimate = missing,
              .standard_error = missing,
              .statistic = missing,
              .df = missing,
              .p_value = missing,
              .ci = {}};
    ContrastEstimate estimate = inference_.contrast(kept, -shift);
    estimate.estimate += shift;
    estimate.ci.lower += shift;
    estimate.ci.upper += shift;
    return estimate;
  }

 private:
  const Design& design_;
  const FixedEffects& fixed_;
  const FixedInference& inference_;
};

/// The derivative of the grid's weights in a covariate, by a central difference; exact for a
/// quadratic.
Eigen::VectorXd slope_weights(const ReferenceGrid& grid, const ModelInput& covariate,
                              const Place& place) {
  const double width = 1e-3 * (covariate.sd > 0 ? covariate.sd : 1);
  const double upper = covariate.mean + width;
  const double lower = covariate.mean - width;
  return (grid.weights(with(place, covariate.name, upper)) -
          grid.weights(with(place, covariate.name, lower))) /
         (upper - lower);
}

/// The slope as a function of the moderator, and where it is significant.
class RegionFinder {
 public:
  RegionFinder(const ReferenceGrid& grid, const ModelInput& covariate, const ModelInput& moderator,
               const Estimator& estimator, double level)
      : moderator_(moderator), estimator_(estimator), level_(level) {
    const auto at = [&](double z) {
      return slope_weights(grid, covariate, with({}, moderator.name, z));
    };
    origin_ = at(moderator.mean);
    const double step = moderator.sd > 0 ? moderator.sd : 1;
    direction_ = (at(moderator.mean + step) - origin_) / step;
    const Eigen::VectorXd predicted = origin_ - 2 * step * direction_;
    linear_ = (at(moderator.mean - 2 * step) - predicted).norm() <= 1e-7 * (1 + predicted.norm());
  }

  [[nodiscard]] bool linear() const {
    return linear_ && direction_.norm() > 1e-10 * origin_.norm();
  }

  JohnsonNeyman find() const {
    const std::vector<double> roots = crossings();
    JohnsonNeyman region{.lower = missing,
                         .upper = missing,
                         .significant = JohnsonNeyman::Region::nowhere,
                         .minimum = moderator_.minimum,
                         .maximum = moderator_.maximum};
    using Region = JohnsonNeyman::Region;
    if (roots.empty()) {
      region.significant = excess(moderator_.mean) > 0 ? Region::everywhere : Region::nowhere;
    } else if (roots.size() == 1) {
      const bool above = excess(roots[0] + moderator_.sd) > 0;
      (above ? region.lower : region.upper) = roots[0];
      region.significant = above ? Region::above : Region::below;
    } else {
      region.lower = roots.front();
      region.upper = roots.back();
      region.significant =
          excess((roots.front() + roots.back()) / 2) > 0 ? Region::inside : Region::outside;
    }
    return region;
  }

 private:
  ContrastEstimate slope(double z) const {
    return estimator_(origin_ + (z - moderator_.mean) * direction_);
  }

  static double critical(double df, double level) {
    return students_t_quantile(0.5 + level / 2, df);
  }

  /// slope² − (critical value × standard error)²: positive where the slope is significant.
  double excess(double z) const {
    const ContrastEstimate at = slope(z);
    const double bound = critical(at.df, level_) * at.standard_error;
    return at.estimate * at.estimate - bound * bound;
  }

  /// Roots of the quadratic that the excess is for a given critical value; the critical value then
  /// follows the degrees of freedom at the root until both agree.
  std::vector<double> crossings() const {
    std::vector<double> roots;
    for (const int which : {0, 1}) {
      double df = slope(moderator_.mean).df;
      double root = missing;
      for (int iteration = 0; iteration < 100; ++iteration) {
        const double next = quadratic_root(critical(df, level_), which);
        if (std::isnan(next)) {
          root = missing;
          break;
        }
        const bool settled = std::abs(next - root) <= 1e-12 * (1 + std::abs(next));
        root = next;
        if (settled) break;
        df = slope(root).df;
      }
      if (!std::isnan(root)) roots.push_back(root);
    }
    std::sort(roots.begin(), roots.end());
    return roots;
  }

  double quadratic_root(double critical_value, int which) const {
    const double step = moderator_.sd > 0 ? moderator_.sd : 1;
    const auto value = [&](double steps) {
      const ContrastEstimate at = slope(moderator_.mean + steps * step);
      const double bound = critical_value * at.standard_error;
      return at.estimate * at.estimate - bound * bound;
    };
    const double c = value(0);
    const double a = (value(1) + value(-1)) / 2 - c;
    const double b = (value(1) - value(-1)) / 2;
    const double discriminant = b * b - 4 * a * c;
    if (!(discriminant > 0)) return missing;
    if (a == 0) return which == 0 ? moderator_.mean - c / b * step : missing;
    const double q = -0.5 * (b + std::copysign(std::sqrt(discriminant), b));
    return moderator_.mean + (which == 0 ? q / a : c / q) * step;
  }

  const ModelInput& moderator_;
  const Estimator& estimator_;
  double level_;
  Eigen::VectorXd origin_;
  Eigen::VectorXd direction_;
  bool linear_ = false;
};

}  // namespace

MarginalMeans marginal_means(const Design& design, const FixedEffects& fixed,
                             const FixedInference& inference, std::string_view factor,
                             std::string_view by) {
  const ReferenceGrid grid(design);
  const Estimator estimator(design, fixed, inference);
  const ModelInput& compared = grid.factor(factor);
  const double shift = design.offset.size() > 0 ? design.offset.mean() : 0;
  MarginalMeans result;
  for (const Place& place : detail::separating_places(grid, compared, by)) {
    std::vector<Eigen::VectorXd> weights;
    for (const std::string& level : compared.levels) {
      Place cell{{compared.name, level}};
      cell.insert(cell.end(), place.begin(), place.end());
      weights.push_back(grid.weights(cell));
      result.means.push_back({.levels = std::move(cell), .mean = estimator(weights.back(), shift)});
    }
    for (std::size_t a = 0; a < weights.size(); ++a)
      for (std::size_t b = a + 1; b < weights.size(); ++b) {
        const ContrastEstimate difference = estimator(weights[a] - weights[b]);
        result.differences.push_back({.contrast = compared.levels[a] + " - " + compared.levels[b],
                                      .at = place,
                                      .difference = difference,
                                      .p_tukey = tukey_p_value(difference, weights.size())});
      }
  }
  return result;
}

SimpleSlopes simple_slopes(const Design& design, const FixedEffects& fixed,
                           const FixedInference& inference, std::string_view covariate,
                           std::string_view moderator, const std::vector<std::string>& values,
                           double level) {
  require_level("simple_slopes", "level", level);
  const ReferenceGrid grid(design);
  const Estimator estimator(design, fixed, inference);
  const ModelInput& varied = grid.input(covariate);
  if (!varied.levels.empty())
    throw InvalidArgument("\"" + varied.name +
                          "\" is categorical; a slope needs a numeric column (use marginal means)");
  SimpleSlopes result;
  if (moderator.empty()) {
    result.slopes.push_back({.at = {}, .slope = estimator(slope_weights(grid, varied, {}))});
    return result;
  }
  const ModelInput& moderating = grid.input(moderator);
  if (&moderating == &varied)
    throw InvalidArgument("\"" + varied.name + "\" cannot moderate its own slope");
  for (Place& place : moderator_places(moderating, values)) {
    const ContrastEstimate slope = estimator(slope_weights(grid, varied, place));
    result.slopes.push_back({.at = std::move(place), .slope = slope});
  }
  if (!moderating.levels.empty()) return result;
  const RegionFinder finder(grid, varied, moderating, estimator, level);
  if (finder.linear()) result.region = finder.find();
  return result;
}

std::string_view to_string(JohnsonNeyman::Region region) {
  switch (region) {
    case JohnsonNeyman::Region::inside:
      return "inside";
    case JohnsonNeyman::Region::outside:
      return "outside";
    case JohnsonNeyman::Region::above:
      return "above";
    case JohnsonNeyman::Region::below:
      return "below";
    case JohnsonNeyman::Region::everywhere:
      return "everywhere";
    case JohnsonNeyman::Region::nowhere:
      return "nowhere";
  }
  throw InvalidArgument("to_string: not a Region");
}

}  // namespace rapport
