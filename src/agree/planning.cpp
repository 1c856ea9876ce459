#include <rapport/agree/kappa.hpp>
#include <rapport/agree/planning.hpp>
#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include <cmath>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;

void require(bool holds, const char* function, const char* what) {
  if (!holds) throw InvalidArgument(std::string(function) + ": " + what);
}

/// The 2 × 2 table of probabilities with margins rate1, rate2 and the given κ.
MatrixXd table_of(double rate1, double rate2, double kappa, const char* function) {
  require(rate1 > 0 && rate1 < 1 && rate2 > 0 && rate2 < 1, function,
          "rates must lie strictly between 0 and 1");
  const double expected = rate1 * rate2 + (1 - rate1) * (1 - rate2);
  const double observed = kappa * (1 - expected) + expected;
  MatrixXd p(2, 2);
  p(0, 0) = (observed - 1 + rate1 + rate2) / 2;
  p(0, 1) = rate1 - p(0, 0);
  p(1, 0) = rate2 - p(0, 0);
  p(1, 1) = 1 - rate1 - rate2 + p(0, 0);
  require(p.minCoeff() >= -1e-12, function, "no table has these rates and this kappa");
  return p.cwiseMax(0);
}

/// n times the large-sample variance of κ.
double kappa_variance(double rate1, double rate2, double kappa, const char* function) {
  const MatrixXd p = table_of(rate1, rate2, kappa, function);
  const double error = cohen_kappa_of_table(p, MatrixXd::Identity(2, 2)).standard_error;
  return error * error;
}

Index rounded_up(double n) { return static_cast<Index>(std::ceil(n - 1e-9)); }

}  // namespace

Index subjects_for_kappa_test(double rate1, double rate2, double kappa, double null,
                              const TestPlan& plan) {
  const char* function = "subjects_for_kappa_test";
  require_level(function, "alpha", plan.alpha);
  require_level(function, "power", plan.power);
  require(kappa != null, function,
          "`kappa` equals `null`; no number of subjects can tell them apart");
  const double z_alpha = normal_quantile(1 - (plan.two_sided ? plan.alpha / 2 : plan.alpha));
  const double z_power = normal_quantile(plan.power);
  const double sum = z_alpha * std::sqrt(kappa_variance(rate1, rate2, null, function)) +
                     z_power * std::sqrt(kappa_variance(rate1, rate2, kappa, function));
  return rounded_up(sum * sum / ((kappa - null) * (kappa - null)));
}

double kappa_test_power(double rate1, double rate2, double kappa, double null, double subjects,
                        double alpha, bool two_sided) {
  const char* function = "kappa_test_power";
  require_level(function, "alpha", alpha);
  require(subjects > 0, function, "`subjects` must be positive");
  const double z_alpha = normal_quantile(1 - (two_sided ? alpha / 2 : alpha));
  const double null_error = std::sqrt(kappa_variance(rate1, rate2, null, function));
  const double error = std::sqrt(kappa_variance(rate1, rate2, kappa, function));
  const double distance = std::abs(kappa - null) * std::sqrt(subjects);
  return normal_cdf((distance - z_alpha * null_error) / error);
}

Index subjects_for_kappa_width(double rate1, double rate2, double kappa, double width,
                               double confidence_level) {
  const char* function = "subjects_for_kappa_width";
  require_level(function, "confidence_level", confidence_level);
  require(width > 0, function, "`width` must be positive");
  const double z = normal_quantile(0.5 + confidence_level / 2);
  return rounded_up(4 * z * z * kappa_variance(rate1, rate2, kappa, function) / (width * width));
}

Index subjects_for_icc_width(double icc, double raters, double width, double confidence_level) {
  const char* function = "subjects_for_icc_width";
  require_level(function, "confidence_level", confidence_level);
  require(icc >= 0 && icc < 1, function, "`icc` must lie in [0, 1)");
  require(raters >= 2, function, "`raters` must be 2 or more");
  require(width > 0, function, "`width` must be positive");
  const double z = normal_quantile(0.5 + confidence_level / 2);
  const double spread = (1 - icc) * (1 + (raters - 1) * icc);
  double n = 8 * z * z * spread * spread / (raters * (raters - 1) * width * width) + 1;
  if (raters == 2 && icc >= 0.7) n += 5 * icc;  // Bonett's correction for two raters
  return rounded_up(n);
}

double icc_test_power(double icc, double null, double subjects, double raters, double alpha) {
  const char* function = "icc_test_power";
  require_level(function, "alpha", alpha);
  require(icc >= 0 && icc < 1 && null >= 0 && null < 1, function, "ICCs must lie in [0, 1)");
  require(subjects >= 2 && raters >= 2, function, "`subjects` and `raters` must be 2 or more");
  // F / (1 + k θ) follows F itself, θ the ratio of the variances.
  const auto ratio = [raters](double rho) { return 1 + raters * rho / (1 - rho); };
  const double df1 = subjects - 1;
  const double df2 = subjects * (raters - 1);
  return fisher_f_upper_tail(fisher_f_quantile(1 - alpha, df1, df2) * ratio(null) / ratio(icc), df1,
                             df2);
}

Index subjects_for_icc_test(double icc, double null, double raters, double power, double alpha) {
  require_level("subjects_for_icc_test", "power", power);
  require(icc > null, "subjects_for_icc_test", "`icc` must lie above `null`");
  const auto reaches = [&](Index n) {
    return icc_test_power(icc, null, static_cast<double>(n), raters, alpha) >= power;
  };
  Index high = 2;
  while (!reaches(high)) {
    if (high > 1000000) return -1;
    high *= 2;
  }
  Index low = high / 2;
  if (high == 2) return 2;
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    (reaches(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace rapport
