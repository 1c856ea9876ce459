#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/pooling.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

/// Degrees of freedom given λ, for a complete-data test on `complete_df` (Barnard & Rubin 1999).
double barnard_rubin(double lambda, double m, double complete_df) {
  const double imputed =
      lambda > 0 ? (m - 1) / (lambda * lambda) : std::numeric_limits<double>::infinity();
  if (std::isinf(complete_df)) return imputed;
  const double observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - lambda);
  return std::isinf(imputed) ? observed : imputed * observed / (imputed + observed);
}

PooledEstimate pool_one(double estimate, double within, double between, double m,
                        double complete_df, double level) {
  PooledEstimate pooled{};
  const double added = (1 + 1 / m) * between;
  pooled.estimate = estimate;
  pooled.standard_error = std::sqrt(within + added);
  pooled.statistic = estimate / pooled.standard_error;
  pooled.within = within;
  pooled.between = between;
  pooled.relative_increase = added / within;
  pooled.lambda = added / (within + added);
  pooled.df = barnard_rubin(pooled.lambda, m, complete_df);
  pooled.missing_information =
      (pooled.relative_increase + 2 / (pooled.df + 3)) / (pooled.relative_increase + 1);
  pooled.p_value = students_t_p_value(pooled.statistic, pooled.df);
  pooled.ci = std::isinf(pooled.df)
                  ? normal_interval(estimate, pooled.standard_error, level)
                  : students_t_interval(estimate, pooled.standard_error, pooled.df, level);
  return pooled;
}

/// The denominator's degrees of freedom for an infinite complete sample (Li, Raghunathan & Rubin
/// 1991).
double li_df(double k, double m, double r) {
  const double t = k * (m - 1);
  if (t > 4) return 4 + (t - 4) * std::pow(1 + (1 - 2 / t) / r, 2);
  return t * (1 + 1 / k) * std::pow(1 + 1 / r, 2) / 2;
}

/// The same for a complete sample on `complete_df` (Reiter 2007, equation 2).
double reiter_df(double k, double m, double r, double complete_df) {
  const double t = k * (m - 1);
  const double star = (complete_df + 1) / (complete_df + 3) * complete_df;
  const double a = r * t / (t - 2);
  const double u = star - 2 * (1 + a);
  const double v = star - 4 * (1 + a);
  const double a2 = a * a;
  const double sum = 1 / v + (a2 * u / ((1 + a) * (1 + a) * v) + 8 * a2 * u / ((1 + a) * v * v) +
                              4 * a2 / ((1 + a) * v) + 4 * a2 / (v * u) +
                              16 * a2 * u / (v * v * v) + 8 * a2 / (v * v)) /
                                 (t - 4);
  return 4 + 1 / sum;
}

PooledTest f_test(double statistic, double k, double df, double r) {
  return {.statistic = statistic,
          .numerator_df = k,
          .denominator_df = df,
          .p_value = std::isinf(df) ? chi_squared_upper_tail(statistic * k, k)
                                    : fisher_f_upper_tail(statistic, k, df),
          .relative_increase = r};
}

}  // namespace

PooledEstimates pool_estimates(const MatrixView& estimates,
                               const std::vector<Eigen::MatrixXd>& covariances,
                               const Eigen::VectorXd& complete_df, double level) {
  require_at_least("pool_estimates", "estimates", estimates.rows(), 2);
  require_same_size("pool_estimates", "estimates", estimates.rows(), "covariances",
                    static_cast<Index>(covariances.size()));
  require_level("pool_estimates", "level", level);
  const Index p = estimates.cols();
  const auto m = static_cast<double>(estimates.rows());
  if (complete_df.size() > 0)
    require_same_size("pool_estimates", "complete_df", complete_df.size(), "parameters", p);
  PooledEstimates pooled{};
  pooled.imputations = estimates.rows();
  pooled.within.setZero(p, p);
  for (const Eigen::MatrixXd& covariance : covariances) {
    if (covariance.rows() != p || covariance.cols() != p)
      throw InvalidArgument("pool_estimates: a covariance matrix is " +
                            std::to_string(covariance.rows()) + " × " +
                            std::to_string(covariance.cols()) + "; must be " + std::to_string(p) +
                            " × " + std::to_string(p));
    pooled.within += covariance / m;
  }
  const Eigen::RowVectorXd mean = estimates.colwise().mean();
  const Eigen::MatrixXd deviation = estimates.rowwise() - mean;
  pooled.between = deviation.transpose() * deviation / (m - 1);
  pooled.covariance = pooled.within + (1 + 1 / m) * pooled.between;
  for (Index k = 0; k < p; ++k)
    pooled.parameters.push_back(pool_one(
        mean[k], pooled.within(k, k), pooled.between(k, k), m,
        complete_df.size() > 0 ? complete_df[k] : std::numeric_limits<double>::infinity(), level));
  return pooled;
}

PooledTest pooled_wald_test(const PooledEstimates& pooled, const MatrixView& contrasts,
                            double complete_df) {
  const auto p = static_cast<Index>(pooled.parameters.size());
  require_same_size("pooled_wald_test", "contrasts", contrasts.cols(), "parameters", p);
  require_at_least("pooled_wald_test", "contrasts", contrasts.rows(), 1);
  Eigen::VectorXd estimate(p);
  for (Index k = 0; k < p; ++k)
    estimate[k] = pooled.parameters[static_cast<std::size_t>(k)].estimate;
  const auto k = static_cast<double>(contrasts.rows());
  const auto m = static_cast<double>(pooled.imputations);
  const Eigen::VectorXd q = contrasts * estimate;
  const Eigen::LLT<Eigen::MatrixXd> within(contrasts * pooled.within * contrasts.transpose());
  const Eigen::MatrixXd between = contrasts * pooled.between * contrasts.transpose();
  const double r = (1 + 1 / m) * within.solve(between).trace() / k;
  const double statistic = q.dot(within.solve(q)) / (k * (1 + r));
  if (contrasts.rows() == 1) {
    const double lambda = r / (1 + r);
    return f_test(statistic, 1, barnard_rubin(lambda, m, complete_df), r);
  }
  const bool large = std::isinf(complete_df) || k * (m - 1) <= 4;
  return f_test(statistic, k, large ? li_df(k, m, r) : reiter_df(k, m, r, complete_df), r);
}

PooledTest pooled_chi_squared_test(const VectorView& statistics, double df) {
  require_at_least("pooled_chi_squared_test", "statistics", statistics.size(), 2);
  if (!(df > 0)) throw InvalidArgument("pooled_chi_squared_test: `df` must be positive");
  const auto m = static_cast<double>(statistics.size());
  const Eigen::VectorXd roots = statistics.cwiseMax(0).cwiseSqrt();
  const double r = (1 + 1 / m) * variance(roots);
  const double statistic = (statistics.mean() / df - (m + 1) / (m - 1) * r) / (1 + r);
  const double denominator = std::pow(df, -3 / m) * (m - 1) * std::pow(1 + 1 / r, 2);
  return f_test(std::max(0.0, statistic), df, denominator, r);
}

PooledTest pooled_likelihood_ratio_test(const VectorView& own, const VectorView& pooled,
                                        double df) {
  require_at_least("pooled_likelihood_ratio_test", "own", own.size(), 2);
  require_same_size("pooled_likelihood_ratio_test", "own", own.size(), "pooled", pooled.size());
  if (!(df > 0)) throw InvalidArgument("pooled_likelihood_ratio_test: `df` must be positive");
  const auto m = static_cast<double>(own.size());
  const double r = std::max(0.0, (m + 1) / (df * (m - 1)) * (own.mean() - pooled.mean()));
  return f_test(pooled.mean() / (df * (1 + r)), df, li_df(df, m, r), r);
}

}  // namespace rapport
