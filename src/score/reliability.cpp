#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/score/reliability.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <numeric>

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

// --- Split halves ------------------------------------------------------------------------------

/// With s_i = ±1 for the half of item i, Rulon's coefficient is 1 − s'Cs / V.
class EqualSplits {
 public:
  explicit EqualSplits(const MatrixView& c) : c_(c), k_(c.rows()), half_(k_ / 2), side_(k_) {}

  /// Least and greatest s'Cs over all equal splits.
  std::pair<double, double> enumerate() {
    least_ = std::numeric_limits<double>::infinity();
    greatest_ = -least_;
    place(0, 0, 0);
    return {least_, greatest_};
  }

  /// The same by exchanging items between halves until no exchange helps, from many starts.
  std::pair<double, double> exchange() {
    least_ = search(1);
    greatest_ = -search(-1);
    return {least_, greatest_};
  }

 private:
  void place(Index item, Index minus, double sum) {
    if (item == k_) {
      least_ = std::min(least_, sum);
      greatest_ = std::max(greatest_, sum);
      return;
    }
    double across = 0;
    for (Index j = 0; j < item; ++j) across += side_[j] * c_(item, j);
    const Index plus = item - minus;
    if (plus < k_ - half_) {
      side_[item] = 1;
      place(item + 1, minus, sum + c_(item, item) + 2 * across);
    }
    if (minus < half_ && !(item == 0 && k_ % 2 == 0)) {  // with even k the two halves have no names
      side_[item] = -1;
      place(item + 1, minus + 1, sum + c_(item, item) - 2 * across);
    }
  }

  double search(double sign) {
    constexpr Index starts = 200;
    double best = std::numeric_limits<double>::infinity();
    for (Index start = 0; start < starts; ++start) {
      RandomStream stream(Seed{0x5eed}, static_cast<std::uint64_t>(start));
      const std::vector<Index> order = permutation(k_, stream);
      for (Index i = 0; i < k_; ++i) side_[order[static_cast<std::size_t>(i)]] = i < half_ ? -1 : 1;
      best = std::min(best, descend(sign));
    }
    return best;
  }

  double descend(double sign) {
    Eigen::VectorXd slope = sign * (c_ * side_);
    for (;;) {
      double gain = -1e-12 * c_.diagonal().sum();
      Index from = -1;
      Index to = -1;
      for (Index i = 0; i < k_; ++i) {
        if (side_[i] < 0) continue;
        for (Index j = 0; j < k_; ++j) {
          if (side_[j] > 0) continue;
          const double change =
              4 * (slope[j] - slope[i]) + 4 * sign * (c_(i, i) + c_(j, j) - 2 * c_(i, j));
          if (change >= gain) continue;
          gain = change;
          from = i;
          to = j;
        }
      }
      if (from < 0) return sign * side_.dot(c_ * side_);
      side_[from] = -1;
      side_[to] = 1;
      slope = sign * (c_ * side_);
    }
  }

  const MatrixView& c_;
  Index k_;
  Index half_;
  Eigen::VectorXd side_;
  double least_ = 0;
  double greatest_ = 0;
};

// --- Comparing α --------------------------------------------------------------------------------

void require_groups(const std::vector<AlphaOfGroup>& groups) {
  require_at_least("compare_alphas", "groups", static_cast<Index>(groups.size()), 2);
  for (const AlphaOfGroup& group : groups)
    if (!(group.alpha < 1) || group.items < 2 || group.n < 2)
      throw InvalidArgument(
          "compare_alphas: `groups` holds an α of 1, fewer than 2 items or fewer than 2 persons");
}

/// (1 − α)^(−1/3) is nearly normal (Hakstian & Whalen 1976).
double transformed(const AlphaOfGroup& group) { return 1 / std::cbrt(1 - group.alpha); }

/// The large-sample covariance of two transformed α (Woodruff & Feldt 1986).
double transformed_covariance(const AlphaOfGroup& a, const AlphaOfGroup& b, double r) {
  const auto effective = [](const AlphaOfGroup& g) {
    return static_cast<double>(g.n) * static_cast<double>(g.items - 1) /
           static_cast<double>(g.items + 1);
  };
  return 2 * r * r * transformed(a) * transformed(b) /
         (9 * (std::sqrt(effective(a) * effective(b)) - 1));
}

AlphaComparison comparison(const std::vector<AlphaOfGroup>& groups, double variance) {
  const auto m = static_cast<double>(groups.size());
  double centre = 0;
  for (const AlphaOfGroup& group : groups) centre += transformed(group) / m;
  double squares = 0;
  for (const AlphaOfGroup& group : groups)
    squares += (transformed(group) - centre) * (transformed(group) - centre);
  const double statistic = squares / variance;
  return {.statistic = statistic, .df = m - 1, .p_value = chi_squared_upper_tail(statistic, m - 1)};
}

SplitHalf split_by(const MatrixView& c, const Eigen::VectorXd& first) {
  const Eigen::VectorXd second = 1 - first.array();
  const double a = first.dot(c * first);
  const double b = second.dot(c * second);
  const double across = first.dot(c * second);
  const double r = across / std::sqrt(a * b);
  return {.r = r, .spearman_brown = 2 * r / (1 + r), .rulon = 4 * across / c.sum()};
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

SplitHalves split_halves(const MatrixView& c) {
  constexpr Index most_enumerated = 24;
  const Index k = c.rows();
  const double total = c.sum();
  EqualSplits splits(c);
  SplitHalves out{};
  out.exact = k <= most_enumerated;
  const auto [least, greatest] = out.exact ? splits.enumerate() : splits.exchange();
  out.maximum = 1 - least / total;
  out.minimum = 1 - greatest / total;
  // A pair of items falls into different halves in ⌊k/2⌋⌈k/2⌉ of the k(k − 1)/2 pairs of a split.
  const Index pairs_apart = (k / 2) * (k - k / 2);
  const auto halves = static_cast<double>(pairs_apart);
  out.mean = 4 * halves * (c.sum() - c.trace()) / (static_cast<double>(k * (k - 1)) * total);
  Eigen::VectorXd odd = Eigen::VectorXd::Zero(k);
  Eigen::VectorXd first = Eigen::VectorXd::Zero(k);
  for (Index i = 0; i < k; i += 2) odd[i] = 1;
  first.head((k + 1) / 2).setOnes();
  out.odd_even = split_by(c, odd);
  out.first_second = split_by(c, first);
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

AlphaComparison compare_alphas(const std::vector<AlphaOfGroup>& groups) {
  require_groups(groups);
  double variance = 0;
  for (const AlphaOfGroup& group : groups)
    variance += transformed_covariance(group, group, 1) / static_cast<double>(groups.size());
  return comparison(groups, variance);
}

AlphaComparison compare_dependent_alphas(const std::vector<AlphaOfGroup>& groups,
                                         const MatrixView& correlation) {
  require_groups(groups);
  const auto m = static_cast<double>(groups.size());
  require_same_size("compare_dependent_alphas", "correlation", correlation.rows(), "groups",
                    static_cast<Index>(groups.size()));
  require_same_size("compare_dependent_alphas", "correlation", correlation.cols(), "groups",
                    static_cast<Index>(groups.size()));
  double variance = 0;
  double covariance = 0;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (std::size_t j = 0; j < groups.size(); ++j) {
      const double s = transformed_covariance(
          groups[i], groups[j], correlation(static_cast<Index>(i), static_cast<Index>(j)));
      (i == j ? variance : covariance) += s;
    }
  return comparison(groups, variance / m - covariance / (m * (m - 1)));
}

RetestResult test_retest(const VectorView& first, const VectorView& second,
                         double confidence_level) {
  require_same_size("test_retest", "first", first.size(), "second", second.size());
  require_level("test_retest", "confidence_level", confidence_level);
  Eigen::MatrixXd pair(first.size(), 2);
  pair << first, second;
  const Eigen::VectorXd change = second - first;
  const Moments moments_of_change = moments(change);
  const Index n = moments_of_change.n_used;
  if (n < 2)
    throw DataError("test_retest: " + std::to_string(n) +
                    " persons have both scores; at least 2 are required");
  const Eigen::MatrixXd c = covariance_matrix(pair);
  RetestResult out{};
  out.estimate = c(0, 0) > 0 && c(1, 1) > 0 ? c(0, 1) / std::sqrt(c(0, 0) * c(1, 1)) : missing;
  const ConfidenceInterval z = normal_interval(
      std::atanh(out.estimate), 1 / std::sqrt(static_cast<double>(n - 3)), confidence_level);
  if (n > 3)
    out.ci = {.lower = std::tanh(z.lower), .upper = std::tanh(z.upper), .level = confidence_level};
  out.mean_change = moments_of_change.mean;
  out.sd_change = moments_of_change.sd;
  out.standard_error_of_measurement = moments_of_change.sd / std::sqrt(2.0);
  out.n_used = n;
  out.n_omitted = moments_of_change.n_omitted;
  return out;
}

}  // namespace rapport
