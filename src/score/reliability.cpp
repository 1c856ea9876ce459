#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/score/reliability.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// Means and covariances of items, and what they rest on.
struct ItemMoments {
  Eigen::MatrixXd covariance;
  Eigen::VectorXd mean;
  Eigen::Matrix<Index, Eigen::Dynamic, 1> n;  ///< of each item
  Index n_used;
  Index n_omitted;
};

/// Covariances of the complete rows in one pass: blocks of rows, shifted by the first complete row
/// so that no large mean cancels, feed a rank-k update.
class CrossProducts {
 public:
  explicit CrossProducts(const MatrixView& x)
      : x_(x), k_(x.cols()), block_(k_, block_rows), product_(k_, k_), sum_(k_) {
    product_.setZero();
    sum_.setZero();
  }

  ItemMoments run() {
    for (Index first = 0; first < x_.rows(); first += block_rows)
      add_rows(first, std::min(block_rows, x_.rows() - first));
    if (n_ < 2)
      throw DataError(
          "reliability: " + std::to_string(n_) + " of " + std::to_string(x_.rows()) +
          " rows answered every item; at least 2 are required (pairwise covariances use more)");
    const auto n = static_cast<double>(n_);
    const Eigen::VectorXd mean = sum_ / n;
    Eigen::MatrixXd covariance = product_.selfadjointView<Eigen::Lower>();
    covariance = (covariance - n * mean * mean.transpose()) / (n - 1);
    return {.covariance = covariance,
            .mean = mean + shift_,
            .n = Eigen::Matrix<Index, Eigen::Dynamic, 1>::Constant(k_, n_),
            .n_used = n_,
            .n_omitted = x_.rows() - n_};
  }

 private:
  static constexpr Index block_rows = 256;

  void add_rows(Index first, Index rows) {
    Eigen::Array<double, Eigen::Dynamic, 1> row_sum = x_.col(0).segment(first, rows).array();
    for (Index j = 1; j < k_; ++j) row_sum += x_.col(j).segment(first, rows).array();
    if (row_sum.isNaN().any()) {
      add_complete(first, rows, row_sum);
      return;
    }
    if (shift_.size() == 0) shift_ = x_.row(first).transpose();
    block_.leftCols(rows) = x_.middleRows(first, rows).transpose();
    update(rows);
  }

  void add_complete(Index first, Index rows,
                    const Eigen::Array<double, Eigen::Dynamic, 1>& row_sum) {
    Index kept = 0;
    for (Index i = 0; i < rows; ++i) {
      if (is_missing(row_sum[i])) continue;
      if (shift_.size() == 0) shift_ = x_.row(first + i).transpose();
      block_.col(kept++) = x_.row(first + i).transpose();
    }
    if (kept > 0) update(kept);
  }

  void update(Index rows) {
    auto used = block_.leftCols(rows);
    used.colwise() -= shift_;
    sum_ += used.rowwise().sum();
    product_.selfadjointView<Eigen::Lower>().rankUpdate(used);
    n_ += rows;
  }

  const MatrixView& x_;
  Index k_;
  Eigen::MatrixXd block_;  ///< k × rows, so that a row of the data lies together
  Eigen::MatrixXd product_;
  Eigen::VectorXd sum_;
  Eigen::VectorXd shift_;
  Index n_ = 0;
};

ItemMoments pairwise_moments(const MatrixView& x) {
  ItemMoments out{.covariance = pairwise_covariance_matrix(x),
                  .mean = Eigen::VectorXd(x.cols()),
                  .n = Eigen::Matrix<Index, Eigen::Dynamic, 1>(x.cols()),
                  .n_used = x.rows(),
                  .n_omitted = 0};
  for (Index j = 0; j < x.cols(); ++j) {
    out.mean[j] = mean(x.col(j));
    out.n[j] = x.rows() - x.col(j).array().isNaN().count();
  }
  if (out.covariance.hasNaN())
    throw DataError(
        "reliability: a pair of items has fewer than 2 rows in common; leave one of them out");
  return out;
}

ItemMoments moments_of(const MatrixView& x, const ReliabilityOptions& options) {
  if (x.cols() < 2)
    throw InvalidArgument("reliability: `items` has " + std::to_string(x.cols()) +
                          " column; at least 2 items are required");
  require_level("reliability", "confidence_level", options.confidence_level);
  return options.missing == ItemMissing::pairwise ? pairwise_moments(x) : CrossProducts(x).run();
}

/// Duhachek & Iacobucci (2004), equation 2.
double normal_standard_error(const Eigen::MatrixXd& c, double n) {
  const auto k = static_cast<double>(c.rows());
  const double total = c.sum();
  const double trace = c.trace();
  const double trace2 = c.squaredNorm();
  const double sum2 = c.colwise().sum().squaredNorm();  // 1'C²1
  const double q = 2 * k * k / ((k - 1) * (k - 1) * total * total * total) *
                   (total * (trace2 + trace * trace) - 2 * trace * sum2);
  return std::sqrt(q / n);
}

/// Maydeu-Olivares, Coffman & Hartmann (2007): the delta method on the fourth moments, as the SD of
/// each person's influence on α; complete rows.
double distribution_free_error(const MatrixView& x, const ItemMoments& m) {
  const auto k = static_cast<double>(x.cols());
  const double total = m.covariance.sum();
  const double trace = m.covariance.trace();
  double sum = 0;
  double squares = 0;
  for (Index i = 0; i < x.rows(); ++i) {
    const Eigen::VectorXd z = x.row(i).transpose() - m.mean;
    if (z.hasNaN()) continue;
    const double s = z.sum();
    const double influence =
        k / (k - 1) * (trace / (total * total) * s * s - z.squaredNorm() / total);
    sum += influence;
    squares += influence * influence;
  }
  const auto n = static_cast<double>(m.n_used);
  return std::sqrt((squares - sum * sum / n) / ((n - 1) * n));
}

double mean_off_diagonal(const Eigen::MatrixXd& r) {
  const auto k = static_cast<double>(r.rows());
  return (r.sum() - r.trace()) / (k * (k - 1));
}

AlphaResult alpha_from(const MatrixView& x, const ItemMoments& m,
                       const ReliabilityOptions& options) {
  if (options.interval == AlphaInterval::distribution_free &&
      options.missing == ItemMissing::pairwise)
    throw InvalidArgument(
        "reliability: the distribution-free interval needs complete rows; use "
        "ItemMissing::listwise");
  const auto k = static_cast<double>(x.cols());
  AlphaResult out{};
  out.estimate = alpha_of_covariance(m.covariance);
  out.method = options.interval;
  out.mean_inter_item_correlation = mean_off_diagonal(correlation_from_covariance(m.covariance));
  out.standardized =
      k * out.mean_inter_item_correlation / (1 + (k - 1) * out.mean_inter_item_correlation);
  out.n_used = m.n_used;
  out.n_omitted = m.n_omitted;
  out.standard_error = options.interval == AlphaInterval::distribution_free
                           ? distribution_free_error(x, m)
                           : normal_standard_error(m.covariance, static_cast<double>(m.n_used));
  out.ci = options.interval == AlphaInterval::feldt
               ? feldt_interval(out.estimate, m.n_used, x.cols(), options.confidence_level)
               : normal_interval(out.estimate, out.standard_error, options.confidence_level);
  return out;
}

/// Squared multiple correlation of each item with the others; NaN if they are linearly dependent.
Eigen::VectorXd squared_multiple_correlations(const Eigen::MatrixXd& r) {
  const Eigen::LLT<Eigen::MatrixXd> factor(r);
  const bool regular =
      factor.info() == Eigen::Success && factor.matrixLLT().diagonal().minCoeff() > 1e-7;
  if (!regular) return Eigen::VectorXd::Constant(r.rows(), missing);
  const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(r.rows(), r.rows()));
  return (1 - inverse.diagonal().array().inverse()).matrix();
}

/// Correlations of each item with the mean of the answered items, over the rows that answered it.
Eigen::VectorXd correlations_with_answered_mean(const MatrixView& x) {
  Eigen::VectorXd person(x.rows());
  for (Index i = 0; i < x.rows(); ++i) person[i] = mean(x.row(i).transpose());
  Eigen::VectorXd out(x.cols());
  for (Index j = 0; j < x.cols(); ++j) {
    Eigen::MatrixXd pair(x.rows(), 2);
    pair << x.col(j), person;
    const Eigen::MatrixXd c = pairwise_covariance_matrix(pair);
    // the person's mean over the rows that answered the item
    double variance_of_mean = 0;
    double centre = 0;
    double n = 0;
    for (Index i = 0; i < x.rows(); ++i)
      if (!is_missing(x(i, j))) {
        n += 1;
        const double step = person[i] - centre;
        centre += step / n;
        variance_of_mean += step * (person[i] - centre);
      }
    out[j] = c(0, 1) / std::sqrt(c(0, 0) * variance_of_mean / (n - 1));
  }
  return out;
}

double alpha_without(const Eigen::MatrixXd& c, Index item) {
  const auto k = static_cast<double>(c.rows() - 1);
  if (k < 2) return missing;
  const double total = c.sum() - 2 * c.col(item).sum() + c(item, item);
  return k / (k - 1) * (1 - (c.trace() - c(item, item)) / total);
}

std::vector<ItemStatistic> item_statistics(const MatrixView& x, const ItemMoments& m,
                                           const ReliabilityOptions& options) {
  const Eigen::MatrixXd& c = m.covariance;
  const Eigen::MatrixXd r = correlation_from_covariance(c);
  Eigen::MatrixXd overlap = r;
  overlap.diagonal() = squared_multiple_correlations(r);
  const Eigen::VectorXd corrected = overlap.rowwise().sum() / std::sqrt(overlap.sum());
  const bool pairwise = options.missing == ItemMissing::pairwise;
  const Eigen::VectorXd with_mean =
      pairwise ? correlations_with_answered_mean(x) : Eigen::VectorXd();
  const double total = c.sum();
  std::vector<ItemStatistic> out;
  for (Index j = 0; j < c.cols(); ++j) {
    const double covariance = c.col(j).sum();
    const double rest = total - 2 * covariance + c(j, j);
    out.push_back({.n = m.n[j],
                   .mean = m.mean[j],
                   .sd = std::sqrt(c(j, j)),
                   .r_total = pairwise ? with_mean[j] : covariance / std::sqrt(c(j, j) * total),
                   .r_corrected = corrected[j],
                   .r_drop = (covariance - c(j, j)) / std::sqrt(c(j, j) * rest),
                   .alpha_if_dropped = alpha_without(c, j)});
  }
  return out;
}

}  // namespace

double alpha_of_covariance(const MatrixView& c) {
  const auto k = static_cast<double>(c.rows());
  const double total = c.sum();
  return total > 0 ? k / (k - 1) * (1 - c.trace() / total) : missing;
}

GuttmanLambdas guttman_lambdas(const MatrixView& c) {
  const auto k = static_cast<double>(c.rows());
  const double total = c.sum();
  Eigen::MatrixXd off = c;
  off.diagonal().setZero();
  const Eigen::VectorXd columns = off.colwise().squaredNorm();
  const Eigen::VectorXd smc = squared_multiple_correlations(correlation_from_covariance(c));
  GuttmanLambdas out{};
  out.lambda1 = 1 - c.trace() / total;
  out.lambda2 = out.lambda1 + std::sqrt(k / (k - 1) * columns.sum()) / total;
  out.lambda3 = alpha_of_covariance(c);
  out.lambda4 = split_halves(c).maximum;
  out.lambda5 = out.lambda1 + 2 * std::sqrt(columns.maxCoeff()) / total;
  out.lambda6 = 1 - c.diagonal().dot((1 - smc.array()).matrix()) / total;
  return out;
}

ConfidenceInterval feldt_interval(double alpha, Index n, Index items, double level) {
  require_level("feldt_interval", "level", level);
  const auto df1 = static_cast<double>(n - 1);
  const double df2 = df1 * static_cast<double>(items - 1);
  const double tail = (1 - level) / 2;
  return {.lower = 1 - (1 - alpha) * fisher_f_quantile(1 - tail, df1, df2),
          .upper = 1 - (1 - alpha) * fisher_f_quantile(tail, df1, df2),
          .level = level};
}

AlphaResult cronbach_alpha(const MatrixView& items, const ReliabilityOptions& options) {
  return alpha_from(items, moments_of(items, options), options);
}

AlphaResult bootstrap_alpha(const MatrixView& items, Seed seed, Index replicates,
                            double confidence_level, int threads) {
  const ReliabilityOptions options{.interval = AlphaInterval::asymptotic,
                                   .confidence_level = confidence_level};
  AlphaResult out = cronbach_alpha(items, options);
  std::vector<Index> complete;
  for (Index i = 0; i < items.rows(); ++i)
    if (!items.row(i).hasNaN()) complete.push_back(i);
  const Eigen::MatrixXd x = items(complete, Eigen::all);
  const Eigen::VectorXd sums = x.rowwise().sum();
  const auto k = static_cast<double>(x.cols());
  const auto statistic = [&](const std::vector<Index>& rows) {
    double parts = 0;
    for (Index j = 0; j < x.cols(); ++j) parts += variance(Eigen::VectorXd(x.col(j)(rows)));
    return k / (k - 1) * (1 - parts / variance(Eigen::VectorXd(sums(rows))));
  };
  const BootstrapResult boot = bootstrap(x.rows(), statistic, seed,
                                         {.replicates = replicates,
                                          .confidence_level = confidence_level,
                                          .interval = BootstrapInterval::percentile,
                                          .threads = threads});
  out.standard_error = boot.standard_error;
  out.ci = boot.ci;
  return out;
}

ReliabilityResult reliability(const MatrixView& items, const ReliabilityOptions& options) {
  const ItemMoments m = moments_of(items, options);
  ReliabilityResult out{};
  out.alpha = alpha_from(items, m, options);
  out.guttman = guttman_lambdas(m.covariance);
  out.split_half = split_halves(m.covariance);
  out.standard_error_of_measurement = std::sqrt(m.covariance.sum() * (1 - out.alpha.estimate));
  out.items = item_statistics(items, m, options);
  return out;
}

}  // namespace rapport
