#include <rapport/alliance/meta_power.hpp>
#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {

MetaEquivalence meta_equivalence(const MetaFit& fit, double lower, double upper) {
  if (!(lower < upper))
    throw InvalidArgument("meta_equivalence: `lower` is " + shortest_decimal(lower) +
                          " and `upper` " + shortest_decimal(upper) + "; the bounds must rise");
  const MetaCoefficient& mean = fit.coefficients.at(0);
  const bool normal = std::isinf(mean.df);
  const auto one_sided = [&](double statistic, Alternative alternative) {
    return normal ? normal_p_value(statistic, alternative)
                  : students_t_p_value(statistic, mean.df, alternative);
  };
  const double above = (mean.estimate - lower) / mean.standard_error;
  const double below = (mean.estimate - upper) / mean.standard_error;
  const double level = 2 * fit.options.confidence_level - 1;
  return {.lower_statistic = above,
          .upper_statistic = below,
          .p_value =
              std::max(one_sided(above, Alternative::greater), one_sided(below, Alternative::less)),
          .ci = normal ? normal_interval(mean.estimate, mean.standard_error, level)
                       : students_t_interval(mean.estimate, mean.standard_error, mean.df, level)};
}

double meta_power(double effect, const VectorView& variance, const MetaPowerOptions& options) {
  require_level("meta_power", "alpha", options.alpha);
  require_at_least("meta_power", "variance", variance.size(), options.test == MetaTest::z ? 1 : 2);
  if (!(variance.minCoeff() > 0))
    throw InvalidArgument(
        "meta_power: `variance` has a value that is not positive; sampling variances must be");
  if (!(options.tau2 >= 0))
    throw InvalidArgument("meta_power: `tau2` is " + shortest_decimal(options.tau2) +
                          "; it must not be negative");
  const double shift =
      std::abs(effect) * std::sqrt((variance.array() + options.tau2).inverse().sum());
  if (options.test == MetaTest::z) {
    const double critical = normal_quantile(1 - options.alpha / 2);
    return normal_upper_tail(critical - shift) + normal_cdf(-critical - shift);
  }
  const auto df = static_cast<double>(variance.size() - 1);
  const double critical = students_t_quantile(1 - options.alpha / 2, df);
  return 1 - noncentral_t_cdf(critical, df, shift) + noncentral_t_cdf(-critical, df, shift);
}

Index meta_effects_needed(double effect, double variance, double power,
                          const MetaPowerOptions& options) {
  require_level("meta_effects_needed", "power", power);
  if (effect == 0)
    throw InvalidArgument("meta_effects_needed: `effect` is 0; an effect is needed to be found");
  const Index most = 1'000'000;
  const Index least = options.test == MetaTest::z ? 1 : 2;
  const auto enough = [&](Index k) {
    return meta_power(effect, Eigen::VectorXd::Constant(k, variance), options) >= power;
  };
  Index high = least;
  while (high < most && !enough(high)) high = std::min(2 * high, most);
  Index low = std::max(least, high / 2);
  while (low < high) {
    const Index middle = (low + high) / 2;
    if (enough(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

}  // namespace rapport
