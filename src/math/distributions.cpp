#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/quadrature.hpp>

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <boost/math/distributions/non_central_f.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/polygamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

namespace bmp = boost::math::policies;
using Quiet =
    bmp::policy<bmp::promote_double<false>, bmp::domain_error<bmp::ignore_error>,
                bmp::pole_error<bmp::ignore_error>, bmp::overflow_error<bmp::ignore_error>,
                bmp::underflow_error<bmp::ignore_error>, bmp::denorm_error<bmp::ignore_error>,
                bmp::rounding_error<bmp::ignore_error>, bmp::evaluation_error<bmp::ignore_error>,
                bmp::indeterminate_result_error<bmp::ignore_error>,
                bmp::discrete_quantile<bmp::real>>;
using StudentsT = boost::math::students_t_distribution<double, Quiet>;
using ChiSquared = boost::math::chi_squared_distribution<double, Quiet>;
using FisherF = boost::math::fisher_f_distribution<double, Quiet>;
using Beta = boost::math::beta_distribution<double, Quiet>;
using Binomial = boost::math::binomial_distribution<double, Quiet>;
using NoncentralT = boost::math::non_central_t_distribution<double, Quiet>;
using NoncentralChiSquared = boost::math::non_central_chi_squared_distribution<double, Quiet>;
using NoncentralF = boost::math::non_central_f_distribution<double, Quiet>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double sqrt_half = 0.70710678118654752440;

template <class... Values>
bool any_nan(Values... values) {
  return (std::isnan(values) || ...);
}

/// The distribution function, or its complement, on the support (0, ∞); constant outside it.
template <class Distribution>
double positive_cdf(const Distribution& distribution, double x) {
  if (x <= 0) return 0;
  return x == infinity ? 1 : boost::math::cdf(distribution, x);
}
template <class Distribution>
double positive_upper_tail(const Distribution& distribution, double x) {
  if (x <= 0) return 1;
  return x == infinity ? 0 : boost::math::cdf(boost::math::complement(distribution, x));
}

/// The quantile on a support from `lowest` to `highest`, whose ends are the quantiles of 0 and 1.
template <class Distribution>
double quantile_between(const Distribution& distribution, double p, double lowest, double highest) {
  if (!(p >= 0 && p <= 1)) return nan;
  if (p == 0) return lowest;
  return p == 1 ? highest : boost::math::quantile(distribution, p);
}

bool positive(double parameter) { return parameter > 0; }
bool positive_finite(double parameter) { return parameter > 0 && parameter < infinity; }

}  // namespace

double normal_density(double x) {
  return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi * sqrt_half;
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x * sqrt_half); }

double normal_upper_tail(double x) { return 0.5 * std::erfc(x * sqrt_half); }

double normal_log_cdf(double x) {
  if (x > 0) return std::log1p(-normal_upper_tail(x));
  if (x > -20 || any_nan(x)) return std::log(normal_cdf(x));
  if (x == -infinity) return -infinity;
  // Mills' ratio by its asymptotic series Σ (−1)^k (2k − 1)!! / x^{2k}; below −20 ten terms reach
  // rounding.
  const double inverse_square = 1 / (x * x);
  double series = 0;
  for (int k = 10; k >= 1; --k) series = -(2 * k - 1) * inverse_square * (1 + series);
  constexpr double log_sqrt_two_pi = 0.91893853320467274178;
  return -0.5 * x * x - log_sqrt_two_pi - std::log(-x) + std::log1p(series);
}

double normal_quantile(double p) {
  if (!(p >= 0 && p <= 1)) return nan;
  if (p == 0) return -infinity;
  if (p == 1) return infinity;
  return -std::numbers::sqrt2 * boost::math::erfc_inv(2 * p, Quiet());
}

double students_t_cdf(double x, double df) { return students_t_upper_tail(-x, df); }

double students_t_upper_tail(double x, double df) {
  if (any_nan(x) || !positive(df)) return nan;
  if (df == infinity) return normal_upper_tail(x);
  if (std::isinf(x)) return x > 0 ? 0 : 1;
  return boost::math::cdf(boost::math::complement(StudentsT(df), x));
}

double students_t_quantile(double p, double df) {
  if (!positive(df)) return nan;
  if (df == infinity) return normal_quantile(p);
  return quantile_between(StudentsT(df), p, -infinity, infinity);
}

double chi_squared_cdf(double x, double df) {
  if (any_nan(x) || !positive_finite(df)) return nan;
  return positive_cdf(ChiSquared(df), x);
}

double chi_squared_upper_tail(double x, double df) {
  if (any_nan(x) || !positive_finite(df)) return nan;
  return positive_upper_tail(ChiSquared(df), x);
}

double chi_squared_quantile(double p, double df) {
  if (!positive_finite(df)) return nan;
  return quantile_between(ChiSquared(df), p, 0, infinity);
}

// F with df2 = ∞ is χ²(df1) / df1.
double fisher_f_cdf(double x, double df1, double df2) {
  if (any_nan(x) || !positive_finite(df1) || !positive(df2)) return nan;
  if (df2 == infinity) return chi_squared_cdf(x * df1, df1);
  return positive_cdf(FisherF(df1, df2), x);
}

double fisher_f_upper_tail(double x, double df1, double df2) {
  if (any_nan(x) || !positive_finite(df1) || !positive(df2)) return nan;
  if (df2 == infinity) return chi_squared_upper_tail(x * df1, df1);
  return positive_upper_tail(FisherF(df1, df2), x);
}

double fisher_f_quantile(double p, double df1, double df2) {
  if (!positive_finite(df1) || !positive(df2)) return nan;
  if (df2 == infinity) return chi_squared_quantile(p, df1) / df1;
  return quantile_between(FisherF(df1, df2), p, 0, infinity);
}

double beta_cdf(double x, double a, double b) {
  if (any_nan(x) || !positive_finite(a) || !positive_finite(b)) return nan;
  if (x >= 1) return 1;
  return positive_cdf(Beta(a, b), x);
}

double beta_quantile(double p, double a, double b) {
  if (!positive_finite(a) || !positive_finite(b)) return nan;
  return quantile_between(Beta(a, b), p, 0, 1);
}

namespace {

bool binomial_parameters(double trials, double probability) {
  return trials >= 0 && trials < infinity && probability >= 0 && probability <= 1;
}

}  // namespace

double binomial_cdf(double successes, double trials, double probability) {
  if (any_nan(successes) || !binomial_parameters(trials, probability)) return nan;
  const double k = std::floor(successes);
  if (k < 0) return 0;
  if (k >= trials) return 1;
  return boost::math::cdf(Binomial(trials, probability), k);
}

double binomial_upper_tail(double successes, double trials, double probability) {
  if (any_nan(successes) || !binomial_parameters(trials, probability)) return nan;
  const double k = std::ceil(successes);
  if (k <= 0) return 1;
  if (k > trials) return 0;
  return boost::math::cdf(boost::math::complement(Binomial(trials, probability), k - 1));
}

double binomial_density(double successes, double trials, double probability) {
  if (any_nan(successes) || !binomial_parameters(trials, probability)) return nan;
  if (successes < 0 || successes > trials || successes != std::floor(successes)) return 0;
  return boost::math::pdf(Binomial(trials, probability), successes);
}

double noncentral_t_cdf(double x, double df, double noncentrality) {
  if (any_nan(x) || !positive(df) || !std::isfinite(noncentrality)) return nan;
  if (df == infinity) return normal_cdf(x - noncentrality);
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  return boost::math::cdf(NoncentralT(df, noncentrality), x);
}

double noncentral_t_quantile(double p, double df, double noncentrality) {
  if (!positive(df) || !std::isfinite(noncentrality)) return nan;
  if (df == infinity) return normal_quantile(p) + noncentrality;
  return quantile_between(NoncentralT(df, noncentrality), p, -infinity, infinity);
}

double noncentral_chi_squared_cdf(double x, double df, double noncentrality) {
  if (any_nan(x) || !positive_finite(df) || !(noncentrality >= 0)) return nan;
  if (noncentrality == 0) return chi_squared_cdf(x, df);
  return positive_cdf(NoncentralChiSquared(df, noncentrality), x);
}

double noncentral_f_cdf(double x, double df1, double df2, double noncentrality) {
  if (any_nan(x) || !positive_finite(df1) || !positive(df2) || !(noncentrality >= 0)) return nan;
  if (noncentrality == 0) return fisher_f_cdf(x, df1, df2);
  if (df2 == infinity) return noncentral_chi_squared_cdf(x * df1, df1, noncentrality);
  return positive_cdf(NoncentralF(df1, df2, noncentrality), x);
}

namespace {

/// The normal range distribution on a fixed trapezoid grid in z. The trapezoid rule converges
/// geometrically for these analytic integrands, and the parts that do not depend on the range are
/// computed once.
class NormalRange {
 public:
  NormalRange(double groups, double largest_range) : groups_(groups) {
    const double end = 9 + 0.5 * std::min(largest_range, 80.0);
    const auto n = static_cast<Index>(std::ceil((end - start) / step)) + 1;
    z_.resize(n);
    density_.resize(n);
    for (Index i = 0; i < n; ++i) {
      z_[i] = start + step * static_cast<double>(i);
      density_[i] = normal_density(z_[i]);
    }
  }

  /// P(range ≤ w) = k ∫ φ(z) (Φ(z) − Φ(z − w))^{k−1} dz.
  [[nodiscard]] double cdf(double w) const {
    double sum = 0;
    for (Index i = 0; i < z_.size(); ++i) {
      if (density_[i] < 1e-20) continue;
      const double between = z_[i] > w ? normal_upper_tail(z_[i] - w) - normal_upper_tail(z_[i])
                                       : normal_cdf(z_[i]) - normal_cdf(z_[i] - w);
      sum += density_[i] * std::pow(between, groups_ - 1);
    }
    return groups_ * step * sum;
  }

  /// P(range > w), to full relative accuracy: k ∫ φ(z) (Φ(z)^{k−1} − (Φ(z) − Φ(z − w))^{k−1}) dz.
  [[nodiscard]] double upper_tail(double w) const {
    double sum = 0;
    for (Index i = 0; i < z_.size(); ++i) {
      const double below = normal_cdf(z_[i]);
      const double share = std::min(1.0, normal_cdf(z_[i] - w) / below);
      sum += density_[i] * std::pow(below, groups_ - 1) *
             -std::expm1((groups_ - 1) * std::log1p(-share));
    }
    return groups_ * step * sum;
  }

 private:
  static constexpr double start = -9;
  static constexpr double step = 0.125;
  double groups_;
  Eigen::VectorXd z_;
  Eigen::VectorXd density_;
};

/// E f(qS), S = √(χ²_ν / ν), by the trapezoid rule in t = log S, where the density is analytic and
/// falls off at least exponentially on both sides: as S^ν towards 0, or faster where f falls too.
template <class Function>
double average_over_scale(double q, double df, double log_fall, const Function& f) {
  const double step = std::min(0.1, 0.3 / std::sqrt(df));
  const double lowest =
      std::min(0.0, -std::log(q)) - std::min(std::sqrt(40 / df) + 40 / df, log_fall);
  const double highest = std::log1p(std::sqrt(100 / df));
  const double log_constant = std::log(2.0) + 0.5 * df * std::log(0.5 * df) - log_gamma(0.5 * df);
  double sum = 0;
  for (auto i = static_cast<Index>(std::floor(lowest / step));
       static_cast<double>(i) * step < highest; ++i) {
    const double t = step * static_cast<double>(i);
    const double log_weight = log_constant + df * t - 0.5 * df * std::exp(2 * t);
    if (log_weight > -700) sum += std::exp(log_weight) * f(q * std::exp(t));
  }
  return step * sum;
}

bool range_parameters(double groups, double df) {
  return groups >= 2 && groups < infinity && df > 0;
}

}  // namespace

double studentized_range_cdf(double q, double groups, double df) {
  if (any_nan(q) || !range_parameters(groups, df)) return nan;
  if (q <= 0) return 0;
  if (q == infinity) return 1;
  const NormalRange range(groups, 0);
  if (df > 1e8) return std::min(1.0, range.cdf(q));
  constexpr double log_fall = 45;  // P(range ≤ w) is below w / 2
  return std::min(1.0, average_over_scale(q, df, log_fall, [&](double w) { return range.cdf(w); }));
}

double studentized_range_upper_tail(double q, double groups, double df) {
  if (any_nan(q) || !range_parameters(groups, df)) return nan;
  if (q <= 0) return 1;
  if (q == infinity) return 0;
  if (df < 0.1) return 1 - studentized_range_cdf(q, groups, df);  // it is not small
  const NormalRange range(groups, q);
  if (df > 1e8) return std::min(1.0, range.upper_tail(q));
  return std::min(
      1.0, average_over_scale(q, df, infinity, [&](double w) { return range.upper_tail(w); }));
}

double studentized_range_quantile(double p, double groups, double df) {
  if (!(p >= 0 && p <= 1) || !range_parameters(groups, df)) return nan;
  if (p == 0) return 0;
  if (p == 1) return infinity;
  const auto excess = [&](double q) {
    return p < 0.5 ? studentized_range_cdf(q, groups, df) - p
                   : 1 - p - studentized_range_upper_tail(q, groups, df);
  };
  double upper = 4;
  while (excess(upper) < 0 && upper < 1e12) upper *= 2;
  return find_root(excess, upper > 4 ? upper / 2 : 0, upper, 1e-12).argument;
}

double bivariate_normal_density(double x, double y, double correlation) {
  if (any_nan(x, y) || !(std::abs(correlation) <= 1)) return nan;
  const double variance = (1 - correlation) * (1 + correlation);
  if (std::isinf(x) || std::isinf(y)) return 0;
  const double square = x * x - 2 * correlation * x * y + y * y;
  return std::exp(-0.5 * square / variance) / (2 * std::numbers::pi * std::sqrt(variance));
}

namespace {

/// Rules of 6, 12 and 20 points: more as |ρ| grows (Genz 2004).
const QuadratureRule& genz_rule(double correlation) {
  static const QuadratureRule six = gauss_legendre(6);
  static const QuadratureRule twelve = gauss_legendre(12);
  static const QuadratureRule twenty = gauss_legendre(20);
  const double size = std::abs(correlation);
  if (size < 0.3) return six;
  return size < 0.75 ? twelve : twenty;
}

/// P(X > h, Y > k) for |ρ| < 0.925: Φ(−h)Φ(−k) plus Plackett's integral of the density over the
/// correlation, with ρ = sin θ (Genz 2004, equation 3).
double moderate_quadrant(double h, double k, double correlation) {
  const QuadratureRule& rule = genz_rule(correlation);
  const double half_squares = 0.5 * (h * h + k * k);
  const double angle = std::asin(correlation);
  double sum = 0;
  for (Index i = 0; i < rule.nodes.size(); ++i) {
    const double sine = std::sin(0.5 * angle * (rule.nodes[i] + 1));
    sum += rule.weights[i] * std::exp((sine * h * k - half_squares) / (1 - sine * sine));
  }
  return sum * angle / (4 * std::numbers::pi) + normal_cdf(-h) * normal_cdf(-k);
}

/// ∫ of the density from |ρ| to 1 for |ρ| ≥ 0.925, after Drezner & Wesolowsky's expansion near 1
/// has been taken off in closed form (Genz 2004, equations 5 and 6). `k` has the sign of ρ on it.
double near_degenerate_part(double h, double k, double size) {
  const double hk = h * k;
  const double variance = (1 - size) * (1 + size);
  const double squared_gap = (h - k) * (h - k);
  const double c = (4 - hk) / 8;
  const double d = (12 - hk) / 16;
  const double a = std::sqrt(variance);
  double part = 0;
  const double exponent = -0.5 * (squared_gap / variance + hk);
  if (exponent > -700) {
    part = a * std::exp(exponent) *
           (1 - c * (squared_gap - variance) * (1 - d * squared_gap / 5) / 3 +
            c * d * variance * variance / 5);
  }
  if (-hk < 1400) {
    const double gap = std::sqrt(squared_gap);
    part -= std::exp(-0.5 * hk) * std::sqrt(2 * std::numbers::pi) * normal_cdf(-gap / a) * gap *
            (1 - c * squared_gap * (1 - d * squared_gap / 5) / 3);
  }
  const QuadratureRule& rule = genz_rule(1);
  for (Index i = 0; i < rule.nodes.size(); ++i) {
    const double x = 0.5 * a * (rule.nodes[i] + 1);
    const double square = x * x;
    const double root = std::sqrt(1 - square);
    const double node_exponent = -0.5 * (squared_gap / square + hk);
    if (node_exponent > -700) {
      const double series = 1 + c * square * (1 + d * square);
      const double exact = std::exp(-hk * square / (2 * (1 + root) * (1 + root))) / root;
      part += 0.5 * a * rule.weights[i] * std::exp(node_exponent) * (exact - series);
    }
  }
  return -part / (2 * std::numbers::pi);
}

double upper_quadrant(double h, double k, double correlation) {
  if (std::abs(correlation) < 0.925) return moderate_quadrant(h, k, correlation);
  if (correlation < 0) k = -k;
  const double size = std::abs(correlation);
  const double part = size < 1 ? near_degenerate_part(h, k, size) : 0;
  if (correlation > 0) return part + normal_cdf(-std::max(h, k));
  if (h >= k) return -part;
  return (h < 0 ? normal_cdf(k) - normal_cdf(h) : normal_cdf(-h) - normal_cdf(-k)) - part;
}

}  // namespace

double bivariate_normal_cdf(double x, double y, double correlation) {
  if (any_nan(x, y) || !(std::abs(correlation) <= 1)) return nan;
  if (x == -infinity || y == -infinity) return 0;
  if (x == infinity) return normal_cdf(y);
  if (y == infinity) return normal_cdf(x);
  return std::clamp(upper_quadrant(-x, -y, correlation), 0.0, 1.0);
}

double log_gamma(double x) { return boost::math::lgamma(x, Quiet()); }
double digamma(double x) { return boost::math::digamma(x, Quiet()); }
double trigamma(double x) { return boost::math::trigamma(x, Quiet()); }
double tetragamma(double x) { return boost::math::polygamma(2, x, Quiet()); }

double normal_p_value(double z, Alternative alternative) {
  return students_t_p_value(z, infinity, alternative);
}

double students_t_p_value(double t, double df, Alternative alternative) {
  switch (alternative) {
    case Alternative::less:
      return students_t_cdf(t, df);
    case Alternative::greater:
      return students_t_upper_tail(t, df);
    case Alternative::two_sided:
      break;
  }
  return std::min(1.0, 2 * students_t_upper_tail(std::abs(t), df));
}

ConfidenceInterval normal_interval(double estimate, double standard_error, double level) {
  return students_t_interval(estimate, standard_error, infinity, level);
}

ConfidenceInterval students_t_interval(double estimate, double standard_error, double df,
                                       double level) {
  const double half_width = -students_t_quantile(0.5 * (1 - level), df) * standard_error;
  return {.lower = estimate - half_width, .upper = estimate + half_width, .level = level};
}

}  // namespace rapport
