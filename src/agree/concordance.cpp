#include <rapport/agree/concordance.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/ranks.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd complete_subjects(const char* function, const MatrixView& ratings, Index least) {
  require_at_least(function, "raters", ratings.cols(), 2);
  const std::vector<Index> rows = complete_rows(ratings);
  if (static_cast<Index>(rows.size()) < least)
    throw DataError(std::string(function) + ": " + std::to_string(rows.size()) +
                    " subjects are rated by all raters; at least " + std::to_string(least) +
                    " are required");
  return pick_rows(ratings, rows);
}

ConfidenceInterval fisher_z_interval(double estimate, double standard_error, double level) {
  if (!(std::abs(estimate) < 1)) return {estimate, estimate, level};
  const ConfidenceInterval z =
      normal_interval(std::atanh(estimate), standard_error / (1 - estimate * estimate), level);
  return {std::tanh(z.lower), std::tanh(z.upper), level};
}

/// Lin's variance of the coefficient (not of its z), divisor n − 2.
double lin_variance(double ccc, double r, double location_shift, double n) {
  if (r == 0) return missing;
  const double u2 = location_shift * location_shift;
  const double c2 = ccc * ccc;
  const double value = (1 - r * r) * c2 * (1 - c2) / (r * r) + 2 * ccc * c2 * (1 - ccc) * u2 / r -
                       c2 * c2 * u2 * u2 / (2 * r * r);
  return std::max(0.0, value) / (n - 2);
}

/// Sums of squares of subjects × raters about the grand mean.
struct SumsOfSquares {
  double subjects;
  double raters;
  double residual;
};

SumsOfSquares sums_of_squares(const MatrixXd& y) {
  const auto n = static_cast<double>(y.rows());
  const auto k = static_cast<double>(y.cols());
  const VectorXd subject = y.rowwise().mean();
  const double grand = subject.mean();
  SumsOfSquares ss{k * (subject.array() - grand).square().sum(), 0, 0};
  for (Index j = 0; j < y.cols(); ++j) {
    const double shift = y.col(j).mean() - grand;
    ss.raters += n * shift * shift;
    ss.residual += (y.col(j).array() - subject.array() - shift).square().sum();
  }
  return ss;
}

/// Σ over pairs of raters of n times the mean squared difference that independence would give, and
/// of the part of it that they share.
struct SquaredDifferences {
  double shared = 0;
  double total = 0;
};

SquaredDifferences squared_differences(const MatrixXd& y) {
  const MatrixXd deviation = y.rowwise() - y.colwise().mean();
  const MatrixXd products = deviation.transpose() * deviation;
  const VectorXd mean = y.colwise().mean();
  SquaredDifferences sums;
  for (Index h = 1; h < y.cols(); ++h)
    for (Index g = 0; g < h; ++g) {
      const double shift = mean[g] - mean[h];
      sums.shared += 2 * products(h, g);
      sums.total += products(g, g) + products(h, h) + static_cast<double>(y.rows()) * shift * shift;
    }
  return sums;
}

/// Rows of ratings with the subject and the occasion of each.
struct RepeatedRatings {
  MatrixXd values;
  std::vector<int> subject;
  std::vector<int> occasion;
};

/// From the rows of all subjects but `left_out`.
double ccc_without(const RepeatedRatings& y, int left_out) {
  std::map<int, std::vector<Index>> rows_of;
  for (std::size_t i = 0; i < y.subject.size(); ++i)
    if (y.subject[i] != left_out) rows_of[y.occasion[i]].push_back(static_cast<Index>(i));
  SquaredDifferences sums;
  for (const auto& [occasion, rows] : rows_of) {
    const SquaredDifferences one = squared_differences(pick_rows(y.values, rows));
    sums.shared += one.shared;
    sums.total += one.total;
  }
  return sums.total > 0 ? sums.shared / sums.total : missing;
}

ConcordanceResult jackknifed_concordance(const char* function, const RepeatedRatings& y,
                                         double level) {
  std::vector<int> subjects = y.subject;
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
  if (subjects.size() < 3)
    throw DataError(std::string(function) + ": " + std::to_string(subjects.size()) +
                    " subjects are rated by all raters; at least 3 are required");
  constexpr int nobody = -1;
  ConcordanceResult r{};
  r.estimate = ccc_without(y, nobody);
  const auto m = static_cast<double>(subjects.size());
  VectorXd without(static_cast<Index>(subjects.size()));
  for (std::size_t s = 0; s < subjects.size(); ++s)
    without[static_cast<Index>(s)] = std::atanh(ccc_without(y, subjects[s]));
  const double z_variance = (m - 1) / m * (without.array() - without.mean()).square().sum();
  r.standard_error = r.estimate == 1 ? 0 : std::sqrt(z_variance) * (1 - r.estimate * r.estimate);
  r.ci = fisher_z_interval(r.estimate, r.standard_error, level);
  r.pearson = r.bias_correction = r.location_shift = r.scale_shift = missing;
  r.n_used = y.values.rows();
  return r;
}

}  // namespace

ConcordanceResult concordance_correlation(const VectorView& first, const VectorView& second,
                                          const ConcordanceOptions& options) {
  require_level("concordance_correlation", "confidence_level", options.confidence_level);
  require_same_size("concordance_correlation", "first", first.size(), "second", second.size());
  MatrixXd both(first.size(), 2);
  both << first, second;
  const MatrixXd y = complete_subjects("concordance_correlation", both, 3);
  const auto n = static_cast<double>(y.rows());
  const VectorXd a = y.col(0).array() - y.col(0).mean();
  const VectorXd b = y.col(1).array() - y.col(1).mean();
  const double variance_a = a.squaredNorm() / n;
  const double variance_b = b.squaredNorm() / n;
  const double shift = y.col(0).mean() - y.col(1).mean();
  const double total = variance_a + variance_b + shift * shift;
  const double geometric = std::sqrt(variance_a * variance_b);
  ConcordanceResult r{};
  r.estimate = total > 0 ? 2 * a.dot(b) / n / total : missing;
  r.pearson = geometric > 0 ? a.dot(b) / n / geometric : missing;
  r.bias_correction = total > 0 ? 2 * geometric / total : missing;
  r.location_shift = geometric > 0 ? shift / std::sqrt(geometric) : missing;
  r.scale_shift = std::sqrt(variance_a / variance_b);
  r.standard_error = std::sqrt(lin_variance(r.estimate, r.pearson, r.location_shift, n));
  r.ci = fisher_z_interval(r.estimate, r.standard_error, options.confidence_level);
  r.n_used = y.rows();
  r.n_omitted = first.size() - r.n_used;
  return r;
}

ConcordanceResult overall_concordance(const MatrixView& ratings, const std::vector<int>& cluster,
                                      const ConcordanceOptions& options) {
  const auto n = static_cast<std::size_t>(ratings.rows());
  std::vector<int> own(n);
  std::iota(own.begin(), own.end(), 0);
  return repeated_concordance(ratings, cluster.empty() ? own : cluster, std::vector<int>(n, 0),
                              options);
}

ConcordanceResult repeated_concordance(const MatrixView& ratings, const std::vector<int>& subject,
                                       const std::vector<int>& occasion,
                                       const ConcordanceOptions& options) {
  const char* function = "repeated_concordance";
  require_level(function, "confidence_level", options.confidence_level);
  require_at_least(function, "raters", ratings.cols(), 2);
  require_same_size(function, "ratings", ratings.rows(), "subject",
                    static_cast<Index>(subject.size()));
  require_same_size(function, "ratings", ratings.rows(), "occasion",
                    static_cast<Index>(occasion.size()));
  RepeatedRatings y;
  std::vector<Index> rows;
  for (const Index i : complete_rows(ratings)) {
    const auto at = static_cast<std::size_t>(i);
    if (subject[at] < 0 || occasion[at] < 0) continue;
    rows.push_back(i);
    y.subject.push_back(subject[at]);
    y.occasion.push_back(occasion[at]);
  }
  y.values = pick_rows(ratings, rows);
  ConcordanceResult r = jackknifed_concordance(function, y, options.confidence_level);
  r.n_omitted = ratings.rows() - r.n_used;
  return r;
}

KendallWResult kendall_w(const MatrixView& ratings) {
  const MatrixXd y = complete_subjects("kendall_w", ratings, 2);
  const auto n = static_cast<double>(y.rows());
  const auto m = static_cast<double>(y.cols());
  VectorXd rank_sums = VectorXd::Zero(y.rows());
  double ties = 0;
  for (Index j = 0; j < y.cols(); ++j) {
    rank_sums += midranks(y.col(j));
    for (const Index t : tie_sizes(y.col(j))) {
      const auto size = static_cast<double>(t);
      ties += size * size * size - size;
    }
  }
  const double s = (rank_sums.array() - rank_sums.mean()).square().sum();
  const double most = m * m * (n * n * n - n);
  KendallWResult r{};
  r.estimate = 12 * s / most;
  r.estimate_tied = most - m * ties > 0 ? 12 * s / (most - m * ties) : missing;
  r.df = n - 1;
  r.statistic = m * (n - 1) * r.estimate_tied;
  r.p_value = chi_squared_upper_tail(r.statistic, r.df);
  r.mean_spearman = (m * r.estimate_tied - 1) / (m - 1);
  r.raters = y.cols();
  r.n_used = y.rows();
  r.n_omitted = ratings.rows() - r.n_used;
  return r;
}

FinnResult finn_r(const MatrixView& ratings, Index scale_points, FinnModel model) {
  require_at_least("finn_r", "scale_points", scale_points, 2);
  const MatrixXd y = complete_subjects("finn_r", ratings, 2);
  const auto n = static_cast<double>(y.rows());
  const auto k = static_cast<double>(y.cols());
  const auto points = static_cast<double>(scale_points);
  const SumsOfSquares ss = sums_of_squares(y);
  FinnResult r{};
  r.df = model == FinnModel::one_way ? n * (k - 1) : (n - 1) * (k - 1);
  const double error = (ss.residual + (model == FinnModel::one_way ? ss.raters : 0)) / r.df;
  const double uniform = (points * points - 1) / 12;
  r.estimate = 1 - error / uniform;
  r.statistic = uniform / error;
  r.p_value = chi_squared_cdf(r.df / r.statistic, r.df);  // F on ∞ and df
  r.raters = y.cols();
  r.n_used = y.rows();
  r.n_omitted = ratings.rows() - r.n_used;
  return r;
}

RobinsonResult robinson_a(const MatrixView& ratings) {
  const MatrixXd y = complete_subjects("robinson_a", ratings, 2);
  const SumsOfSquares ss = sums_of_squares(y);
  const double total = ss.subjects + ss.residual;
  return {.estimate = total > 0 ? ss.subjects / total : missing,
          .raters = y.cols(),
          .n_used = y.rows(),
          .n_omitted = ratings.rows() - y.rows()};
}

}  // namespace rapport
