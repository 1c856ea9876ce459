#include <rapport/base/error.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/pair_counts.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

constexpr double limit = 1 - 1e-7;  // a correlation beyond it is taken for ±1

/// Φ⁻¹ of the cumulated proportions, the last (1) left out.
Eigen::VectorXd margin_thresholds(const Eigen::VectorXd& counts) {
  Eigen::VectorXd thresholds(counts.size() - 1);
  double below = 0;
  for (Index j = 0; j < thresholds.size(); ++j) {
    below += counts[j];
    thresholds[j] = normal_quantile(below / counts.sum());
  }
  return thresholds;
}

/// A function of the corners (a_i, b_j) of the cells, differenced to one of the cells: 0 at −∞,
/// `last_row` and `last_column` where a or b is +∞.
Eigen::MatrixXd cell_differences(const Eigen::MatrixXd& corners) {
  const Index rows = corners.rows() - 1;
  const Index columns = corners.cols() - 1;
  return corners.bottomRightCorner(rows, columns) - corners.topRightCorner(rows, columns) -
         corners.bottomLeftCorner(rows, columns) + corners.topLeftCorner(rows, columns);
}

/// Φ₂ at every corner, margins included.
Eigen::MatrixXd corner_probabilities(const Eigen::VectorXd& a, const Eigen::VectorXd& b,
                                     double rho) {
  Eigen::MatrixXd corners = Eigen::MatrixXd::Zero(a.size() + 2, b.size() + 2);
  for (Index i = 0; i < a.size(); ++i)
    for (Index j = 0; j < b.size(); ++j)
      corners(i + 1, j + 1) = bivariate_normal_cdf(a[i], b[j], rho);
  for (Index i = 0; i < a.size(); ++i) corners(i + 1, b.size() + 1) = normal_cdf(a[i]);
  for (Index j = 0; j < b.size(); ++j) corners(a.size() + 1, j + 1) = normal_cdf(b[j]);
  corners(a.size() + 1, b.size() + 1) = 1;
  return corners;
}

/// ∂Φ₂/∂ρ = φ₂ at every corner; 0 on the margins.
Eigen::MatrixXd corner_densities(const Eigen::VectorXd& a, const Eigen::VectorXd& b, double rho) {
  Eigen::MatrixXd corners = Eigen::MatrixXd::Zero(a.size() + 2, b.size() + 2);
  for (Index i = 0; i < a.size(); ++i)
    for (Index j = 0; j < b.size(); ++j)
      corners(i + 1, j + 1) = bivariate_normal_density(a[i], b[j], rho);
  return corners;
}

/// ∂φ₂/∂ρ over φ₂.
double density_slope(double x, double y, double rho) {
  const double left = (1 - rho) * (1 + rho);
  return rho / left + (x * y * (1 + rho * rho) - rho * (x * x + y * y)) / (left * left);
}

/// n Σ count · log p, with −∞ where a cell that was seen is impossible.
double log_likelihood_of(const MatrixView& table, const Eigen::MatrixXd& p) {
  double sum = 0;
  for (Index j = 0; j < table.cols(); ++j)
    for (Index i = 0; i < table.rows(); ++i)
      if (table(i, j) > 0) sum += p(i, j) > 0 ? table(i, j) * std::log(p(i, j)) : -HUGE_VAL;
  return sum;
}

/// The likelihood of ρ with the thresholds held, with its slope and curvature.
struct RhoLikelihood {
  double slope = 0;
  double curvature = 0;    ///< observed, negative at a maximum
  double information = 0;  ///< expected
};

RhoLikelihood likelihood_of_rho(const MatrixView& table, const Eigen::VectorXd& a,
                                const Eigen::VectorXd& b, double rho) {
  const Eigen::MatrixXd p = cell_differences(corner_probabilities(a, b, rho));
  Eigen::MatrixXd corners = corner_densities(a, b, rho);
  const Eigen::MatrixXd first = cell_differences(corners);
  for (Index i = 0; i < a.size(); ++i)
    for (Index j = 0; j < b.size(); ++j) corners(i + 1, j + 1) *= density_slope(a[i], b[j], rho);
  const Eigen::MatrixXd second = cell_differences(corners);
  constexpr double least = 1e-300;
  RhoLikelihood result;
  const double n = table.sum();
  for (Index j = 0; j < table.cols(); ++j)
    for (Index i = 0; i < table.rows(); ++i) {
      const double cell = std::max(p(i, j), least);
      const double relative = first(i, j) / cell;
      result.information += n * first(i, j) * relative;
      if (table(i, j) == 0) continue;
      result.slope += table(i, j) * relative;
      result.curvature += table(i, j) * (second(i, j) / cell - relative * relative);
    }
  return result;
}

/// The maximum over ρ by Newton's steps within a bracket that the sign of the slope closes; ±1
/// where the likelihood rises to it. `likelihood(ρ)` gives a RhoLikelihood.
template <class Likelihood>
double maximize_rho(const Likelihood& likelihood) {
  double low = -limit;
  double high = limit;
  double rho = 0;
  for (int iteration = 0; iteration < 100; ++iteration) {
    const RhoLikelihood at_rho = likelihood(rho);
    (at_rho.slope > 0 ? low : high) = rho;
    // Scoring where the likelihood is not concave, bisection where a step leaves the bracket.
    double step = at_rho.slope / (at_rho.curvature < 0 ? -at_rho.curvature : at_rho.information);
    if (!(rho + step > low && rho + step < high)) step = (low + high) / 2 - rho;
    rho += step;
    if (std::abs(step) < 1e-11) break;
  }
  return std::abs(rho) > 1 - 2e-7 ? std::copysign(1.0, rho) : rho;
}

/// Thresholds and atanh ρ as one vector, for the joint maximum.
struct Parameters {
  double rho;
  Eigen::VectorXd a;
  Eigen::VectorXd b;
};

Parameters unpack(const Eigen::VectorXd& theta, Index size_a) {
  return {.rho = std::tanh(theta[0]),
          .a = theta.segment(1, size_a),
          .b = theta.tail(theta.size() - 1 - size_a)};
}

/// −Σ log-likelihood/n and its gradient in (atanh ρ, a, b); a value that is not finite marks an
/// impossible point.
double negative_log_likelihood(const MatrixView& table, const Eigen::VectorXd& theta,
                               Eigen::VectorXd& gradient) {
  const Parameters at = unpack(theta, table.rows() - 1);
  const Eigen::MatrixXd p = cell_differences(corner_probabilities(at.a, at.b, at.rho));
  const double n = table.sum();
  gradient = Eigen::VectorXd::Constant(theta.size(), missing);
  const double value = -log_likelihood_of(table, p) / n;
  if (!std::isfinite(value)) return value;

  const Eigen::MatrixXd weight =
      (table.array() > 0).select(table.array() / p.array().max(1e-300), 0.0) / n;
  const Eigen::MatrixXd by_rho = cell_differences(corner_densities(at.a, at.b, at.rho));
  const double left = (1 - at.rho) * (1 + at.rho);
  const double root = std::sqrt(left);
  gradient[0] = -weight.cwiseProduct(by_rho).sum() * left;
  // Moving a_i moves probability φ(a_i)[Φ(·) − Φ(·)] from row i + 1 to row i, and likewise for b_j.
  const auto moved = [&](double own, const Eigen::VectorXd& other, Index cell) {
    const double upper =
        cell < other.size() ? normal_cdf((other[cell] - at.rho * own) / root) : 1.0;
    const double lower = cell > 0 ? normal_cdf((other[cell - 1] - at.rho * own) / root) : 0.0;
    return normal_density(own) * (upper - lower);
  };
  for (Index i = 0; i < at.a.size(); ++i) {
    double sum = 0;
    for (Index j = 0; j < table.cols(); ++j)
      sum += (weight(i, j) - weight(i + 1, j)) * moved(at.a[i], at.b, j);
    gradient[1 + i] = -sum;
  }
  for (Index j = 0; j < at.b.size(); ++j) {
    double sum = 0;
    for (Index i = 0; i < table.rows(); ++i)
      sum += (weight(i, j) - weight(i, j + 1)) * moved(at.b[j], at.a, i);
    gradient[1 + at.a.size() + j] = -sum;
  }
  return value;
}

void maximize_jointly(const MatrixView& table, PolychoricResult& result) {
  const auto objective = [&](const Eigen::VectorXd& theta, Derivatives& out) {
    out.value = negative_log_likelihood(table, theta, out.gradient);
    if (!std::isfinite(out.value)) return;
    out.hessian = numerical_jacobian(
        [&](const Eigen::VectorXd& nearby) {
          Eigen::VectorXd gradient;
          (void)negative_log_likelihood(table, nearby, gradient);
          return gradient;
        },
        theta);
    out.hessian = (out.hessian + out.hessian.transpose()).eval() / 2;
  };
  Eigen::VectorXd start(1 + result.thresholds_x.size() + result.thresholds_y.size());
  start << std::atanh(result.estimate), result.thresholds_x, result.thresholds_y;
  const Optimum optimum =
      minimize_newton(objective, start, {.gradient_tolerance = 1e-9, .initial_radius = 0.5});
  const Parameters at = unpack(optimum.argument, result.thresholds_x.size());
  result.converged = optimum.termination != Termination::iteration_limit;
  result.estimate = at.rho;
  result.thresholds_x = at.a;
  result.thresholds_y = at.b;
  result.log_likelihood = -optimum.value * table.sum();
  const Eigen::LDLT<Eigen::MatrixXd> information(optimum.hessian * table.sum());
  if (information.info() != Eigen::Success || !information.isPositive()) return;
  Eigen::VectorXd first = Eigen::VectorXd::Unit(start.size(), 0);
  const double variance = information.solve(first)[0];
  result.standard_error = std::sqrt(variance) * (1 - at.rho) * (1 + at.rho);
}

void test_and_interval(PolychoricResult& result, const PolychoricOptions& options) {
  result.ci.level = options.confidence_level;
  if (std::isnan(result.standard_error)) return;
  result.statistic = result.estimate / result.standard_error;
  result.p_value = normal_p_value(result.statistic, options.alternative);
  const double slope = (1 - result.estimate) * (1 + result.estimate);
  result.ci =
      fisher_interval(result.estimate, result.standard_error / slope, options.confidence_level);
}

Eigen::MatrixXd without_empty_lines(const MatrixView& table) {
  std::vector<Index> rows;
  std::vector<Index> columns;
  for (Index i = 0; i < table.rows(); ++i)
    if (table.row(i).sum() > 0) rows.push_back(i);
  for (Index j = 0; j < table.cols(); ++j)
    if (table.col(j).sum() > 0) columns.push_back(j);
  return table(rows, columns);
}

/// Log-likelihood of y's categories given z under an ordered probit with P(y ≤ j) = Φ(α_j − βz),
/// per observation, with its first two derivatives in (β, α); concave, so that Newton's method
/// finds its one maximum.
void ordered_probit(const Eigen::VectorXd& z, const DenseRanks& y, const Eigen::VectorXd& theta,
                    Derivatives& out) {
  const Index thresholds = theta.size() - 1;
  const auto n = static_cast<double>(z.size());
  out.value = 0;
  out.gradient = Eigen::VectorXd::Zero(theta.size());
  out.hessian = Eigen::MatrixXd::Zero(theta.size(), theta.size());
  for (Index i = 0; i < z.size(); ++i) {
    const Index category = y.rank[static_cast<std::size_t>(i)];
    const bool has_upper = category < thresholds;
    const bool has_lower = category > 0;
    const double upper = has_upper ? theta[1 + category] - theta[0] * z[i] : HUGE_VAL;
    const double lower = has_lower ? theta[category] - theta[0] * z[i] : -HUGE_VAL;
    // The smaller tail of the two keeps the difference accurate.
    const double p = lower > 0 ? normal_upper_tail(lower) - normal_upper_tail(upper)
                               : normal_cdf(upper) - normal_cdf(lower);
    if (!(p > 0)) {
      out.value = HUGE_VAL;
      return;
    }
    out.value -= std::log(p) / n;
    const double density_upper = has_upper ? normal_density(upper) : 0;
    const double density_lower = has_lower ? normal_density(lower) : 0;
    // Derivatives of p in its two limits: φ(u), −φ(l); second −uφ(u), lφ(l).
    const double du = density_upper / p;
    const double dl = -density_lower / p;
    const double duu = (has_upper ? -upper * density_upper : 0) / p - du * du;
    const double dll = (has_lower ? lower * density_lower : 0) / p - dl * dl;
    const double dul = -du * dl;
    const auto add = [&](Index row, double first) { out.gradient[row] -= first / n; };
    const auto add2 = [&](Index row, Index column, double value) {
      out.hessian(row, column) -= value / n;
      if (row != column) out.hessian(column, row) -= value / n;
    };
    add(0, -z[i] * (du + dl));
    add2(0, 0, z[i] * z[i] * (duu + dll + 2 * dul));
    if (has_upper) {
      add(1 + category, du);
      add2(1 + category, 1 + category, duu);
      add2(0, 1 + category, -z[i] * (duu + dul));
    }
    if (has_lower) {
      add(category, dl);
      add2(category, category, dll);
      add2(0, category, -z[i] * (dll + dul));
    }
    if (has_upper && has_lower) add2(category, 1 + category, dul);
  }
}

Eigen::VectorXd counts_of(const DenseRanks& ranks) {
  Eigen::VectorXd counts(ranks.distinct());
  for (Index r = 0; r < counts.size(); ++r) counts[r] = ranks.count[static_cast<std::size_t>(r)];
  return counts;
}

void polyserial_by_likelihood(const Eigen::VectorXd& z, const DenseRanks& y,
                              PolychoricResult& result) {
  Eigen::VectorXd start(1 + result.thresholds_y.size());
  start << 0, result.thresholds_y;
  const Optimum optimum = minimize_newton(
      [&](const Eigen::VectorXd& theta, Derivatives& out) { ordered_probit(z, y, theta, out); },
      start, {.gradient_tolerance = 1e-10, .initial_radius = 1});
  const double beta = optimum.argument[0];
  const double scale = std::sqrt(1 + beta * beta);
  result.converged = optimum.termination != Termination::iteration_limit && std::abs(beta) < 1e4;
  result.estimate = result.converged ? beta / scale : std::copysign(1.0, beta);
  result.thresholds_y = optimum.argument.tail(result.thresholds_y.size()) / scale;
  const auto n = static_cast<double>(z.size());
  result.log_likelihood = -optimum.value * n;
  const Eigen::LDLT<Eigen::MatrixXd> information(optimum.hessian * n);
  if (!result.converged || information.info() != Eigen::Success || !information.isPositive())
    return;
  const Eigen::VectorXd first = Eigen::VectorXd::Unit(start.size(), 0);
  result.standard_error =
      std::sqrt(information.solve(first)[0]) / (scale * scale * scale);  // dρ/dβ
}

/// The likelihood of ρ given z with the thresholds held.
RhoLikelihood polyserial_likelihood(const Eigen::VectorXd& z, const DenseRanks& y,
                                    const Eigen::VectorXd& thresholds, double rho) {
  const double left = (1 - rho) * (1 + rho);
  const double root = std::sqrt(left);
  /// Φ at a threshold as seen from z, with its first two derivatives in ρ.
  struct Tail {
    double probability = 0;
    double first = 0;
    double second = 0;
  };
  const auto tail_at = [&](Index threshold, double value) -> Tail {
    if (threshold < 0) return {};
    if (threshold == thresholds.size()) return {.probability = 1};
    const double t = thresholds[threshold];
    const double limit_value = (t - rho * value) / root;
    const double first = (rho * t - value) / (left * root);
    const double second = t / (left * root) + 3 * rho * first / left;
    const double density = normal_density(limit_value);
    return {.probability = normal_cdf(limit_value),
            .first = density * first,
            .second = density * (second - limit_value * first * first)};
  };
  RhoLikelihood result;
  for (Index i = 0; i < z.size(); ++i) {
    const Index category = y.rank[static_cast<std::size_t>(i)];
    const Tail upper = tail_at(category, z[i]);
    const Tail lower = tail_at(category - 1, z[i]);
    const double p = std::max(upper.probability - lower.probability, 1e-300);
    const double relative = (upper.first - lower.first) / p;
    result.slope += relative;
    result.curvature += (upper.second - lower.second) / p - relative * relative;
    result.information += relative * relative;
  }
  return result;
}

void polyserial_in_two_steps(const Eigen::VectorXd& z, const DenseRanks& y,
                             PolychoricResult& result) {
  const auto likelihood = [&](double rho) {
    return polyserial_likelihood(z, y, result.thresholds_y, rho);
  };
  result.estimate = maximize_rho(likelihood);
  result.converged = true;
  if (std::abs(result.estimate) == 1) return;
  const double curvature = likelihood(result.estimate).curvature;
  if (curvature < 0) result.standard_error = std::sqrt(-1 / curvature);
}

}  // namespace

PolychoricResult polychoric_correlation(const MatrixView& counts,
                                        const PolychoricOptions& options) {
  require_level("polychoric_correlation", "confidence_level", options.confidence_level);
  if (counts.size() > 0 && !(counts.minCoeff() >= 0 && std::isfinite(counts.sum())))
    throw InvalidArgument(
        "polychoric_correlation: `table` holds a count that is negative or not finite; counts of "
        "at least 0 are required");
  const Eigen::MatrixXd table = without_empty_lines(counts);
  PolychoricResult result{.n_used = static_cast<Index>(counts.sum())};
  if (table.rows() < 2 || table.cols() < 2) return result;
  result.thresholds_x = margin_thresholds(table.rowwise().sum());
  result.thresholds_y = margin_thresholds(table.colwise().sum().transpose());
  const auto likelihood = [&](double rho) {
    return likelihood_of_rho(table, result.thresholds_x, result.thresholds_y, rho);
  };
  result.estimate = maximize_rho(likelihood);
  result.converged = true;
  const bool at_limit = std::abs(result.estimate) == 1;
  const double inside = at_limit ? std::copysign(limit, result.estimate) : result.estimate;
  result.log_likelihood = log_likelihood_of(
      table,
      cell_differences(corner_probabilities(result.thresholds_x, result.thresholds_y, inside)));
  if (!at_limit && options.estimator == LatentEstimator::two_step) {
    const double curvature = likelihood(result.estimate).curvature;
    if (curvature < 0) result.standard_error = std::sqrt(-1 / curvature);
  }
  if (!at_limit && options.estimator == LatentEstimator::maximum_likelihood)
    maximize_jointly(table, result);
  test_and_interval(result, options);
  return result;
}

PolychoricResult polychoric_correlation(const VectorView& x, const VectorView& y,
                                        const PolychoricOptions& options) {
  return detail::on_complete_pairs(
      "polychoric_correlation", x, y, Missing::omit,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        const DenseRanks ranks_x = dense_ranks(a);
        const DenseRanks ranks_y = dense_ranks(b);
        constexpr Index most = 100;
        if (ranks_x.distinct() > most || ranks_y.distinct() > most)
          throw DataError("polychoric_correlation: a variable has " +
                          std::to_string(std::max(ranks_x.distinct(), ranks_y.distinct())) +
                          " distinct values; at most " + std::to_string(most) +
                          " categories are possible");
        PolychoricResult result = polychoric_correlation(cross_table(ranks_x, ranks_y), options);
        result.n_omitted = omitted;
        return result;
      });
}

PolychoricResult polyserial_correlation(const VectorView& x, const VectorView& y,
                                        const PolychoricOptions& options) {
  require_level("polyserial_correlation", "confidence_level", options.confidence_level);
  return detail::on_complete_pairs(
      "polyserial_correlation", x, y, Missing::omit,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        PolychoricResult result{.n_used = a.size(), .n_omitted = omitted};
        const DenseRanks ranks = dense_ranks(b);
        constexpr Index most = 100;
        if (ranks.distinct() > most)
          throw DataError("polyserial_correlation: `y` has " + std::to_string(ranks.distinct()) +
                          " distinct values; at most " + std::to_string(most) +
                          " categories are possible");
        if (a.size() < 3 || ranks.distinct() < 2 || a.minCoeff() == a.maxCoeff()) return result;
        const Eigen::VectorXd z = (a.array() - a.mean()) / std::sqrt(variance(a));
        result.thresholds_y = margin_thresholds(counts_of(ranks));
        if (options.estimator == LatentEstimator::two_step) {
          polyserial_in_two_steps(z, ranks, result);
        } else {
          polyserial_by_likelihood(z, ranks, result);
        }
        test_and_interval(result, options);
        return result;
      });
}

Eigen::MatrixXd polychoric_matrix(const MatrixView& data, int threads) {
  const Index k = data.cols();
  Eigen::MatrixXd rho = Eigen::MatrixXd::Ones(k, k);
  std::vector<std::pair<Index, Index>> pairs;
  for (Index i = 0; i < k; ++i)
    for (Index j = i + 1; j < k; ++j) pairs.emplace_back(i, j);
  parallel_for(static_cast<Index>(pairs.size()), threads, [&](Index number) {
    const Index i = pairs[static_cast<std::size_t>(number)].first;
    const Index j = pairs[static_cast<std::size_t>(number)].second;
    const PolychoricResult pair =
        polychoric_correlation(data.col(i), data.col(j), {.estimator = LatentEstimator::two_step});
    rho(i, j) = rho(j, i) = pair.estimate;
  });
  return rho;
}

}  // namespace rapport
