#include <rapport/base/error.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/math/dense_ranks.hpp>

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Each column centred and scaled to length 1 (a constant one to NaN), of values or of mid-ranks.
Eigen::MatrixXd unit_columns(const MatrixView& data, CorrelationMethod method, int threads) {
  Eigen::MatrixXd columns(data.rows(), data.cols());
  parallel_for(data.cols(), threads, [&](Index j) {
    auto column = columns.col(j);
    if (method == CorrelationMethod::spearman) {
      const DenseRanks ranks = dense_ranks(data.col(j));
      const Eigen::VectorXd midranks = midrank_of_distinct(ranks);
      for (Index i = 0; i < data.rows(); ++i) column[i] = midranks[ranks.rank[at(i)]];
    } else {
      column = data.col(j);
    }
    const bool constant = column.size() < 2 || column.minCoeff() == column.maxCoeff();
    column.array() -= column.mean();
    column /= constant ? missing : column.norm();
  });
  return columns;
}

/// A'A in panels of columns, each on one thread.
Eigen::MatrixXd cross_product(const Eigen::MatrixXd& a, int threads) {
  constexpr Index width = 64;
  const Index k = a.cols();
  const Index panels = (k + width - 1) / width;
  Eigen::MatrixXd product(k, k);
  parallel_for(panels, threads, [&](Index panel) {
    const Index first = panel * width;
    const Index columns = std::min(width, k - first);
    product.block(first, first, k - first, columns).noalias() =
        a.rightCols(k - first).transpose() * a.middleCols(first, columns);
  });
  product.triangularView<Eigen::StrictlyUpper>() = product.transpose();
  return product;
}

/// The pairs (i, j), i < j, by number.
struct Pair {
  Index i;
  Index j;
};

std::vector<Pair> pairs_of(Index k) {
  std::vector<Pair> pairs;
  pairs.reserve(at(k * (k - 1) / 2));
  for (Index i = 0; i < k; ++i)
    for (Index j = i + 1; j < k; ++j) pairs.push_back({.i = i, .j = j});
  return pairs;
}

std::vector<DenseRanks> ranks_of_columns(const MatrixView& data, int threads) {
  std::vector<DenseRanks> ranks(at(data.cols()));
  parallel_for(data.cols(), threads, [&](Index j) { ranks[at(j)] = dense_ranks(data.col(j)); });
  return ranks;
}

CorrelationResult as_correlation(const KendallResult& tau) {
  return {.estimate = tau.estimate, .statistic = tau.statistic, .p_value = tau.p_value, .n = tau.n};
}

/// The test and interval of one entry from two columns with missing values.
CorrelationResult correlate_pair(const VectorView& x, const VectorView& y,
                                 const CorrelationMatrixOptions& options) {
  const ExactOptions asymptotic{.test = ExactTest::no};
  switch (options.method) {
    case CorrelationMethod::pearson:
      return pearson_correlation(
          x, y, {.alternative = options.alternative, .confidence_level = options.confidence_level});
    case CorrelationMethod::spearman:
      return spearman_correlation(x, y,
                                  {.alternative = options.alternative,
                                   .exact = asymptotic,
                                   .confidence_level = options.confidence_level});
    case CorrelationMethod::kendall:
      return as_correlation(kendall_tau(
          x, y, {.alternative = options.alternative, .exact = asymptotic, .interval = false}));
  }
  return {};
}

/// The same from an estimate made in the whole matrix at once.
CorrelationResult test_estimate(double estimate, double n,
                                const CorrelationMatrixOptions& options) {
  if (std::isnan(estimate) || n < 2) return {.estimate = estimate, .n = n};
  if (options.method == CorrelationMethod::pearson)
    return pearson_from_summary(
        estimate, n,
        {.alternative = options.alternative, .confidence_level = options.confidence_level});
  return spearman_from_summary(
      estimate, n,
      {.alternative = options.alternative, .confidence_level = options.confidence_level});
}

void set_pair(CorrelationMatrixResult& result, const Pair& pair, const CorrelationResult& entry) {
  const auto set = [&](Eigen::MatrixXd& matrix, double value) {
    matrix(pair.i, pair.j) = value;
    matrix(pair.j, pair.i) = value;
  };
  set(result.estimate, entry.estimate);
  set(result.ci_lower, entry.ci.lower);
  set(result.ci_upper, entry.ci.upper);
  set(result.statistic, entry.statistic);
  set(result.p_value, entry.p_value);
  set(result.n, entry.n);
}

void adjust(CorrelationMatrixResult& result, const std::vector<Pair>& pairs,
            Adjustment adjustment) {
  Eigen::VectorXd p(static_cast<Index>(pairs.size()));
  for (Index k = 0; k < p.size(); ++k) p[k] = result.p_value(pairs[at(k)].i, pairs[at(k)].j);
  const Eigen::VectorXd adjusted = adjust_p_values(p, adjustment);
  for (Index k = 0; k < p.size(); ++k) {
    result.p_adjusted(pairs[at(k)].i, pairs[at(k)].j) = adjusted[k];
    result.p_adjusted(pairs[at(k)].j, pairs[at(k)].i) = adjusted[k];
  }
}

Eigen::MatrixXd complete_rows(const MatrixView& data) {
  Eigen::MatrixXd rows(data.rows(), data.cols());
  Index kept = 0;
  for (Index i = 0; i < data.rows(); ++i)
    if (!data.row(i).hasNaN()) rows.row(kept++) = data.row(i);
  rows.conservativeResize(kept, Eigen::NoChange);
  return rows;
}

/// Eigenvalues below `least` of the largest raised to it.
Eigen::MatrixXd with_raised_eigenvalues(const Eigen::MatrixXd& matrix, double least) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(matrix);
  const double floor = least * eigen.eigenvalues().maxCoeff();
  const Eigen::VectorXd raised = eigen.eigenvalues().cwiseMax(floor);
  return eigen.eigenvectors() * raised.asDiagonal() * eigen.eigenvectors().transpose();
}

Eigen::MatrixXd with_unit_diagonal(const Eigen::MatrixXd& matrix) {
  const Eigen::VectorXd scale = matrix.diagonal().cwiseSqrt().cwiseInverse();
  Eigen::MatrixXd scaled = scale.asDiagonal() * matrix * scale.asDiagonal();
  scaled.diagonal().setOnes();
  return scaled;
}

}  // namespace

Eigen::MatrixXd correlation_estimates(const MatrixView& data, CorrelationMethod method,
                                      int threads) {
  const Index k = data.cols();
  if (data.rows() == 0) return Eigen::MatrixXd::Constant(k, k, missing);
  Eigen::MatrixXd estimate = Eigen::MatrixXd::Ones(k, k);
  if (method != CorrelationMethod::kendall) {
    estimate =
        cross_product(unit_columns(data, method, threads), threads).array().max(-1.0).min(1.0);
    for (Index j = 0; j < k; ++j) estimate(j, j) = std::isnan(estimate(j, j)) ? missing : 1.0;
    return estimate;
  }
  const std::vector<DenseRanks> ranks = ranks_of_columns(data, threads);
  const std::vector<Pair> pairs = pairs_of(k);
  parallel_for(static_cast<Index>(pairs.size()), threads, [&](Index number) {
    const Pair& pair = pairs[at(number)];
    const double tau = kendall_tau_b(count_pairs(ranks[at(pair.i)], ranks[at(pair.j)]));
    estimate(pair.i, pair.j) = tau;
    estimate(pair.j, pair.i) = tau;
  });
  return estimate;
}

CorrelationMatrixResult correlation_matrix(const MatrixView& data,
                                           const CorrelationMatrixOptions& options) {
  require_level("correlation_matrix", "confidence_level", options.confidence_level);
  std::vector<char> is_complete(at(data.cols()));
  bool all_complete = true;
  for (Index j = 0; j < data.cols(); ++j) {
    is_complete[at(j)] = detail::is_complete("correlation_matrix", "data", data.col(j)) ? 1 : 0;
    all_complete = all_complete && is_complete[at(j)] != 0;
  }
  if (!all_complete && options.missing == MatrixMissing::listwise) {
    const Eigen::MatrixXd rows = complete_rows(data);
    return correlation_matrix(rows, options);
  }

  const Index k = data.cols();
  const Eigen::MatrixXd unknown = Eigen::MatrixXd::Constant(k, k, missing);
  CorrelationMatrixResult result{.estimate = Eigen::MatrixXd::Ones(k, k),
                                 .ci_lower = unknown,
                                 .ci_upper = unknown,
                                 .statistic = unknown,
                                 .p_value = unknown,
                                 .p_adjusted = unknown,
                                 .n = unknown,
                                 .confidence_level = options.confidence_level};
  const bool kendall = options.method == CorrelationMethod::kendall;
  const Eigen::MatrixXd estimate =
      kendall ? Eigen::MatrixXd() : correlation_estimates(data, options.method, options.threads);
  const std::vector<DenseRanks> ranks =
      kendall && all_complete ? ranks_of_columns(data, options.threads) : std::vector<DenseRanks>{};
  const std::vector<Pair> pairs = pairs_of(k);
  parallel_for(static_cast<Index>(pairs.size()), options.threads, [&](Index number) {
    const Pair& pair = pairs[at(number)];
    if (is_complete[at(pair.i)] == 0 || is_complete[at(pair.j)] == 0 ||
        (kendall && ranks.empty())) {
      set_pair(result, pair, correlate_pair(data.col(pair.i), data.col(pair.j), options));
    } else if (kendall) {
      set_pair(result, pair,
               as_correlation(kendall_tau(ranks[at(pair.i)], ranks[at(pair.j)],
                                          {.alternative = options.alternative,
                                           .exact = {.test = ExactTest::no},
                                           .interval = false})));
    } else {
      set_pair(result, pair,
               test_estimate(estimate(pair.i, pair.j), static_cast<double>(data.rows()), options));
    }
  });
  adjust(result, pairs, options.adjustment);
  return result;
}

NearestCorrelation nearest_correlation(const MatrixView& correlation, double least_eigenvalue) {
  constexpr Index most_iterations = 200;
  constexpr double tolerance = 1e-8;
  if (correlation.rows() != correlation.cols() || correlation.rows() == 0 || correlation.hasNaN())
    throw InvalidArgument("nearest_correlation: `correlation` is " +
                          std::to_string(correlation.rows()) + " x " +
                          std::to_string(correlation.cols()) +
                          "; a square matrix without missing values is required");
  const Eigen::MatrixXd given = (correlation + correlation.transpose()) / 2;
  const Eigen::VectorXd eigenvalues =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(given, Eigen::EigenvaluesOnly).eigenvalues();
  NearestCorrelation result{.matrix = given,
                            .repaired = false,
                            .smallest_eigenvalue = eigenvalues.minCoeff(),
                            .largest_change = 0,
                            .iterations = 0,
                            .converged = true};
  if (result.smallest_eigenvalue >= least_eigenvalue * eigenvalues.maxCoeff()) return result;

  Eigen::MatrixXd y = given;
  Eigen::MatrixXd correction = Eigen::MatrixXd::Zero(given.rows(), given.cols());  // Dykstra's
  result.converged = false;
  while (!result.converged && result.iterations < most_iterations) {
    const Eigen::MatrixXd shifted = y - correction;
    const Eigen::MatrixXd projected = with_raised_eigenvalues(shifted, least_eigenvalue);
    correction = projected - shifted;
    Eigen::MatrixXd next = projected;
    next.diagonal().setOnes();
    result.converged = (next - y).norm() <= tolerance * y.norm();
    y = next;
    ++result.iterations;
  }
  // The last step may leave an eigenvalue a rounding below the floor: raise once more and rescale.
  result.matrix = with_unit_diagonal(with_raised_eigenvalues(y, least_eigenvalue));
  result.repaired = true;
  result.largest_change = (result.matrix - given).cwiseAbs().maxCoeff();
  return result;
}

ShrunkCorrelation shrunk_correlation(const MatrixView& data, CorrelationMethod method,
                                     std::optional<double> intensity) {
  if (data.hasNaN())
    throw InvalidArgument(
        "shrunk_correlation: `data` has a missing value; complete data are required");
  if (intensity && !(*intensity >= 0 && *intensity <= 1))
    throw InvalidArgument("shrunk_correlation: `intensity` is " + std::to_string(*intensity) +
                          "; must lie in [0, 1]");
  const Eigen::MatrixXd r = correlation_estimates(data, method);
  if (!intensity) {
    // Var(r_ij) from the products of standardised values, of which r is the mean.
    const auto n = static_cast<double>(data.rows());
    const CorrelationMethod scores =
        method == CorrelationMethod::pearson ? method : CorrelationMethod::spearman;
    const Eigen::MatrixXd z = unit_columns(data, scores, 1) * std::sqrt(n - 1);
    double variances = 0;
    double squares = 0;
    for (const Pair& pair : pairs_of(data.cols())) {
      const Eigen::ArrayXd products = z.col(pair.i).array() * z.col(pair.j).array();
      variances += n / std::pow(n - 1, 3) * (products - products.mean()).square().sum();
      squares += r(pair.i, pair.j) * r(pair.i, pair.j);
    }
    intensity = squares > 0 ? std::clamp(variances / squares, 0.0, 1.0) : 1.0;
  }
  ShrunkCorrelation result{.matrix = (1 - *intensity) * r, .intensity = *intensity};
  result.matrix.diagonal() = r.diagonal();
  return result;
}

}  // namespace rapport
