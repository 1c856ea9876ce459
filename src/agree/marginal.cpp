#include <rapport/agree/marginal.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

void check(const char* function, const MatrixView& table) {
  if (table.rows() != table.cols() || table.rows() < 2)
    throw InvalidArgument(std::string(function) + ": `table` is " + std::to_string(table.rows()) +
                          " x " + std::to_string(table.cols()) +
                          "; two raters with the same two or more categories are required");
  if (!(table.minCoeff() >= 0) || !table.allFinite())
    throw InvalidArgument(std::string(function) + ": `table` must hold counts of 0 or more");
}

}  // namespace

MarginalTest stuart_maxwell_test(const MatrixView& table) {
  check("stuart_maxwell_test", table);
  const VectorXd difference = table.rowwise().sum() - table.colwise().sum().transpose();
  MatrixXd v = -(table + table.transpose());
  v.diagonal().setZero();
  v.diagonal() = -v.rowwise().sum();
  // v is positive semi-definite and its rows sum to 0: each group of categories that raters mix up
  // loses a degree of freedom. The difference lies in the range of v.
  MarginalTest r{.statistic = 0,
                 .df = 0,
                 .p_value = 1,
                 .n_used = static_cast<Index>(std::llround(table.sum()))};
  MatrixXd m = v;
  VectorXd d = difference;
  const double tolerance = 1e-10 * std::max(1.0, v.diagonal().maxCoeff());
  for (Index j = 0; j < m.rows(); ++j) {
    const double pivot = m(j, j);
    if (pivot <= tolerance) continue;
    r.df += 1;
    r.statistic += d[j] * d[j] / pivot;
    const VectorXd column = m.col(j) / pivot;
    const double value = d[j];
    m -= pivot * column * column.transpose();
    d -= value * column;
  }
  if (r.df > 0) r.p_value = chi_squared_upper_tail(r.statistic, r.df);
  return r;
}

MarginalTest bhapkar_test(const MatrixView& table) {
  check("bhapkar_test", table);
  MarginalTest r = stuart_maxwell_test(table);
  r.statistic /= 1 - r.statistic / table.sum();
  if (r.df > 0) r.p_value = chi_squared_upper_tail(r.statistic, r.df);
  return r;
}

McNemarResult mcnemar_test(const MatrixView& table, bool continuity) {
  check("mcnemar_test", table);
  const bool two = table.rows() == 2;
  McNemarResult r{.statistic = 0,
                  .df = 0,
                  .p_value = 1,
                  .exact_p_value = missing,
                  .mid_p_value = missing,
                  .odds_ratio = missing,
                  .n_used = static_cast<Index>(std::llround(table.sum()))};
  for (Index j = 1; j < table.cols(); ++j)
    for (Index i = 0; i < j; ++i) {
      const double discordant = table(i, j) + table(j, i);
      if (discordant == 0) continue;
      double difference = std::abs(table(i, j) - table(j, i));
      if (continuity && two && difference > 0) difference -= 1;
      r.statistic += difference * difference / discordant;
      r.df += 1;
    }
  if (r.df > 0) r.p_value = chi_squared_upper_tail(r.statistic, r.df);
  if (!two) return r;
  const double b = table(0, 1);
  const double c = table(1, 0);
  const double n = b + c;
  const double least = std::min(b, c);
  r.exact_p_value = std::min(1.0, 2 * binomial_cdf(least, n, 0.5));
  // Half the observed outcome's probability leaves each tail; where both tails are one outcome
  // (b = c) it is counted once.
  r.mid_p_value = r.exact_p_value - binomial_density(least, n, 0.5);
  r.odds_ratio = b / c;
  return r;
}

MaxwellResult maxwell_re(const MatrixView& table) {
  if (table.rows() != 2 || table.cols() != 2)
    throw InvalidArgument("maxwell_re: `table` is " + std::to_string(table.rows()) + " x " +
                          std::to_string(table.cols()) +
                          "; two raters and two categories are required");
  check("maxwell_re", table);
  const double n = table.sum();
  if (!(n > 0))
    throw InvalidArgument(
        "maxwell_re: no subject was rated by both raters; at least one is required");
  const double p = table.trace() / n;
  return {.estimate = 2 * p - 1,
          .standard_error = 2 * std::sqrt(p * (1 - p) / n),
          .n_used = static_cast<Index>(std::llround(n))};
}

}  // namespace rapport
