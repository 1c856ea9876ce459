#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace rapport {
namespace {

std::vector<double> present_values(const VectorView& x) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(x.size()));
  for (Index i = 0; i < x.size(); ++i) {
    if (!is_missing(x[i])) values.push_back(x[i]);
  }
  return values;
}

/// Sums over pairs complete in both, with the means of those pairs taken off first.
struct PairSums {
  Index n = 0;
  double cross = 0;
};
PairSums pair_sums(const VectorView& x, const VectorView& y) {
  PairSums sums;
  double mean_x = 0;
  double mean_y = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (is_missing(x[i]) || is_missing(y[i])) continue;
    ++sums.n;
    mean_x += x[i];
    mean_y += y[i];
  }
  mean_x /= static_cast<double>(sums.n);
  mean_y /= static_cast<double>(sums.n);
  for (Index i = 0; i < x.size(); ++i) {
    if (!is_missing(x[i]) && !is_missing(y[i])) sums.cross += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return sums;
}

}  // namespace

Moments moments(const VectorView& x) {
  Moments m{.mean = missing,
            .variance = missing,
            .sd = missing,
            .skewness = missing,
            .kurtosis = missing,
            .minimum = missing,
            .maximum = missing,
            .n_used = 0,
            .n_omitted = 0};
  const std::vector<double> values = present_values(x);
  m.n_used = static_cast<Index>(values.size());
  m.n_omitted = x.size() - m.n_used;
  if (m.n_used == 0) return m;
  const Eigen::Map<const Eigen::ArrayXd> used(values.data(), m.n_used);
  const auto n = static_cast<double>(m.n_used);
  m.minimum = used.minCoeff();
  m.maximum = used.maxCoeff();
  m.mean = used.mean();
  const Eigen::ArrayXd deviation = used - m.mean;
  // The second term is the rounding of the mean, squared (Chan, Golub & LeVeque 1983).
  const double sum = deviation.sum();
  const double squares = m.minimum == m.maximum ? 0 : deviation.square().sum() - sum * sum / n;
  if (m.n_used > 1) {
    m.variance = squares / (n - 1);
    m.sd = std::sqrt(m.variance);
  }
  if (squares > 0) {
    const double second = squares / n;
    m.skewness = deviation.cube().sum() / n / (second * std::sqrt(second));
    m.kurtosis = deviation.square().square().sum() / n / (second * second) - 3;
  }
  return m;
}

double mean(const VectorView& x) {
  double sum = 0;
  Index n = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (is_missing(x[i])) continue;
    sum += x[i];
    ++n;
  }
  return n == 0 ? missing : sum / static_cast<double>(n);
}

double variance(const VectorView& x) { return covariance(x, x); }

double covariance(const VectorView& x, const VectorView& y) {
  require_same_size("covariance", "x", x.size(), "y", y.size());
  const PairSums sums = pair_sums(x, y);
  return sums.n < 2 ? missing : sums.cross / static_cast<double>(sums.n - 1);
}

double quantile(const VectorView& x, double p) {
  if (!(p >= 0 && p <= 1))
    throw InvalidArgument("quantile: `p` is " + std::to_string(p) + "; must lie in [0, 1]");
  std::vector<double> values = present_values(x);
  if (values.empty()) return missing;
  const double position = p * static_cast<double>(values.size() - 1);
  const auto k = static_cast<std::ptrdiff_t>(position);
  std::ranges::nth_element(values, values.begin() + k);
  const double lower = values[static_cast<std::size_t>(k)];
  const double fraction = position - static_cast<double>(k);
  if (fraction == 0) return lower;
  const double upper = *std::min_element(values.begin() + k + 1, values.end());
  return lower == upper ? lower : lower + fraction * (upper - lower);
}

double median(const VectorView& x) { return quantile(x, 0.5); }

Eigen::MatrixXd covariance_matrix(const MatrixView& x) {
  std::vector<Index> complete;
  for (Index i = 0; i < x.rows(); ++i) {
    if (!x.row(i).hasNaN()) complete.push_back(i);
  }
  const auto n = static_cast<Index>(complete.size());
  if (n < 2) return Eigen::MatrixXd::Constant(x.cols(), x.cols(), missing);
  Eigen::MatrixXd centred = x(complete, Eigen::all);
  centred.rowwise() -= centred.colwise().mean().eval();
  const Eigen::MatrixXd cross = centred.transpose() * centred / static_cast<double>(n - 1);
  return 0.5 * (cross + cross.transpose());
}

// With columns centred and 0 for what is missing, Σ z_a z_b needs no thought of missing cells; how
// many rows hold both, and the sum of a over them, are those of a less the rows in which b is
// missing.
Eigen::MatrixXd pairwise_covariance_matrix(const MatrixView& x) {
  const Index k = x.cols();
  Eigen::MatrixXd z(x.rows(), k);
  Eigen::MatrixXd count(k, k);  // (a, b): rows that hold both
  Eigen::MatrixXd sum(k, k);    // (a, b): Σ z_a over them
  for (Index a = 0; a < k; ++a) {
    const auto present = (x.col(a).array() == x.col(a).array());
    const auto n = static_cast<double>(present.count());
    const double centre = present.select(x.col(a).array(), 0).sum() / n;
    z.col(a) = present.select(x.col(a).array() - centre, 0).matrix();
    count.row(a).setConstant(n);
    sum.row(a).setConstant(z.col(a).sum());
  }
  for (Index b = 0; b < k; ++b) {
    for (Index i = 0; i < x.rows(); ++i) {
      if (!is_missing(x(i, b))) continue;
      for (Index a = 0; a < k; ++a) count(a, b) -= is_missing(x(i, a)) ? 0 : 1;
      sum.col(b) -= z.row(i).transpose();
    }
  }
  Eigen::MatrixXd product = Eigen::MatrixXd::Zero(k, k);
  product.selfadjointView<Eigen::Lower>().rankUpdate(z.transpose());
  Eigen::MatrixXd result(k, k);
  for (Index b = 0; b < k; ++b) {
    for (Index a = b; a < k; ++a) {
      const double n = count(a, b);
      const double value = (product(a, b) - sum(a, b) * sum(b, a) / n) / (n - 1);
      result(a, b) = result(b, a) = n < 2 ? missing : value;
    }
  }
  return result;
}

Eigen::MatrixXd correlation_from_covariance(const MatrixView& covariance) {
  require_same_size("correlation_from_covariance", "rows", covariance.rows(), "columns",
                    covariance.cols());
  const Eigen::VectorXd sd = covariance.diagonal().array().sqrt();
  Eigen::MatrixXd correlation = covariance;
  for (Index j = 0; j < correlation.cols(); ++j) {
    for (Index i = 0; i < correlation.rows(); ++i) {
      correlation(i, j) = i == j && sd[i] > 0 ? 1 : covariance(i, j) / (sd[i] * sd[j]);
    }
  }
  return correlation;
}

double compensated_sum(const VectorView& x) {
  double sum = 0;
  double lost = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const double next = sum + x[i];
    lost += std::abs(sum) >= std::abs(x[i]) ? (sum - next) + x[i] : (x[i] - next) + sum;
    sum = next;
  }
  return sum + lost;
}

}  // namespace rapport
