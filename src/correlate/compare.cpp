#include <rapport/base/error.hpp>
#include <rapport/correlate/compare.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

double squared(double value) { return value * value; }

/// Builds the list of tests of one comparison.
class Tests {
 public:
  Tests(double r1, double r2, const CorrelationOptions& options)
      : r1_(r1), r2_(r2), options_(options) {}

  void add_z(ComparisonTest test, double z) {
    add(test, z, missing, normal_p_value(z, options_.alternative));
  }
  void add_t(ComparisonTest test, double t, double df) {
    add(test, t, df, students_t_p_value(t, df, options_.alternative));
  }
  void set_last_interval(double lower, double upper) {
    tests_.back().ci = {.lower = lower, .upper = upper, .level = options_.confidence_level};
  }

  /// Zou's (2007) interval of r1 − r2 from the Fisher intervals of each and the correlation between
  /// the two estimates.
  void add_zou(double n1, double n2, double correlation) {
    add(ComparisonTest::zou, missing, missing, missing);
    const ConfidenceInterval a =
        fisher_interval(r1_, 1 / std::sqrt(n1 - 3), options_.confidence_level);
    const ConfidenceInterval b =
        fisher_interval(r2_, 1 / std::sqrt(n2 - 3), options_.confidence_level);
    const auto distance = [&](double own, double other) {
      return std::sqrt(squared(own) + squared(other) - 2 * correlation * own * other);
    };
    set_last_interval(r1_ - r2_ - distance(r1_ - a.lower, b.upper - r2_),
                      r1_ - r2_ + distance(a.upper - r1_, r2_ - b.lower));
  }

  [[nodiscard]] double fisher_difference() const { return std::atanh(r1_) - std::atanh(r2_); }
  /// z of the difference on Fisher's scale when the two z correlate by `covariance`.
  [[nodiscard]] double dependent_z(double n, double covariance) const {
    return fisher_difference() * std::sqrt((n - 3) / (2 - 2 * covariance));
  }
  [[nodiscard]] double mean_r() const { return (r1_ + r2_) / 2; }
  [[nodiscard]] double back_transformed_mean() const {
    return std::tanh((std::atanh(r1_) + std::atanh(r2_)) / 2);
  }
  [[nodiscard]] std::vector<ComparisonTestResult> take() { return std::move(tests_); }

 private:
  void add(ComparisonTest test, double statistic, double df, double p) {
    tests_.push_back({.test = test,
                      .statistic = statistic,
                      .df = df,
                      .p_value = p,
                      .ci = {.level = options_.confidence_level}});
  }

  double r1_;
  double r2_;
  CorrelationOptions options_;
  std::vector<ComparisonTestResult> tests_;
};

/// Covariance of √n·r12 and √n·r13 (Pearson & Filon 1898).
double overlapping_covariance(double r12, double r13, double r23) {
  return r23 * (1 - r12 * r12 - r13 * r13) -
         r12 * r13 * (1 - r12 * r12 - r13 * r13 - r23 * r23) / 2;
}

/// Twice the covariance of √n·r12 and √n·r34.
double nonoverlapping_covariance(const FourCorrelations& r) {
  return (r.r13 - r.r12 * r.r23) * (r.r24 - r.r23 * r.r34) +
         (r.r14 - r.r13 * r.r34) * (r.r23 - r.r12 * r.r13) +
         (r.r13 - r.r14 * r.r34) * (r.r24 - r.r12 * r.r14) +
         (r.r14 - r.r12 * r.r24) * (r.r23 - r.r24 * r.r34);
}

double residual_variance(double r) { return 1 - r * r; }

void require_correlation(std::string_view function, std::string_view name, double r) {
  if (!(r >= -1 && r <= 1))
    throw InvalidArgument(std::string(function) + ": `" + std::string(name) + "` is " +
                          std::to_string(r) + "; must lie in [-1, 1]");
}

void require_sample(std::string_view function, double n) {
  if (!(n >= 4 && std::isfinite(n)))
    throw InvalidArgument(std::string(function) + ": `n` is " + std::to_string(n) +
                          "; at least 4 is required");
}

/// The complete rows of columns side by side.
struct CompleteRows {
  Eigen::MatrixXd rows;
  Index n_omitted;
};

CompleteRows complete_rows(std::string_view function, const MatrixView& data) {
  for (Index j = 0; j < data.cols(); ++j) require_no_infinity(function, "data", data.col(j));
  Eigen::MatrixXd rows(data.rows(), data.cols());
  Index kept = 0;
  for (Index i = 0; i < data.rows(); ++i)
    if (!data.row(i).hasNaN()) rows.row(kept++) = data.row(i);
  if (kept < 4)
    throw DataError(std::string(function) + ": " + std::to_string(kept) +
                    " rows have every variable; at least 4 are required");
  rows.conservativeResize(kept, Eigen::NoChange);
  return {.rows = std::move(rows), .n_omitted = data.rows() - kept};
}

Eigen::MatrixXd side_by_side(std::string_view function, const VectorView& y, const VectorView& x1,
                             const VectorView& x2) {
  require_same_size(function, "y", y.size(), "x1", x1.size());
  require_same_size(function, "y", y.size(), "x2", x2.size());
  Eigen::MatrixXd data(y.size(), 3);
  data << y, x1, x2;
  return data;
}

}  // namespace

std::string_view to_string(ComparisonTest test) {
  switch (test) {
    case ComparisonTest::pearson_filon:
      return "pearson-filon";
    case ComparisonTest::hotelling:
      return "hotelling";
    case ComparisonTest::williams:
      return "williams";
    case ComparisonTest::dunn_clark:
      return "dunn-clark";
    case ComparisonTest::steiger:
      return "steiger";
    case ComparisonTest::meng:
      return "meng";
    case ComparisonTest::hittner:
      return "hittner";
    case ComparisonTest::silver:
      return "silver";
    case ComparisonTest::fisher:
      return "fisher";
    case ComparisonTest::zou:
      return "zou";
  }
  return "";
}

ComparisonResult compare_overlapping(double r_y_x1, double r_y_x2, double r_x1_x2, double n,
                                     const CorrelationOptions& options) {
  constexpr auto function = "compare_overlapping";
  require_level(function, "confidence_level", options.confidence_level);
  require_correlation(function, "r_y_x1", r_y_x1);
  require_correlation(function, "r_y_x2", r_y_x2);
  require_correlation(function, "r_x1_x2", r_x1_x2);
  require_sample(function, n);
  const double a = r_y_x1;
  const double b = r_y_x2;
  const double c = r_x1_x2;
  const double determinant = 1 + 2 * a * b * c - a * a - b * b - c * c;
  if (determinant < -1e-9)
    throw InvalidArgument("compare_overlapping: the correlations " + std::to_string(a) + ", " +
                          std::to_string(b) + " and " + std::to_string(c) +
                          " contradict one another; no data can have all three");

  Tests tests(a, b, options);
  const double covariance = overlapping_covariance(a, b, c);
  tests.add_z(ComparisonTest::pearson_filon,
              std::sqrt(n) * (a - b) /
                  std::sqrt(squared(residual_variance(a)) + squared(residual_variance(b)) -
                            2 * covariance));
  tests.add_t(ComparisonTest::hotelling, (a - b) * std::sqrt((n - 3) * (1 + c) / (2 * determinant)),
              n - 3);
  const double mean_r = tests.mean_r();
  tests.add_t(ComparisonTest::williams,
              (a - b) * std::sqrt((n - 1) * (1 + c) /
                                  (2 * (n - 1) / (n - 3) * determinant +
                                   mean_r * mean_r * std::pow(1 - c, 3))),
              n - 3);
  tests.add_z(ComparisonTest::dunn_clark,
              tests.dependent_z(n, covariance / (residual_variance(a) * residual_variance(b))));
  const auto pooled = [&](double r) {
    return overlapping_covariance(r, r, c) / squared(residual_variance(r));
  };
  tests.add_z(ComparisonTest::steiger, tests.dependent_z(n, pooled(mean_r)));
  const double mean_square = (a * a + b * b) / 2;
  const double f = std::min((1 - c) / (2 * (1 - mean_square)), 1.0);
  const double h = (1 - f * mean_square) / (1 - mean_square);
  const double meng_error = std::sqrt(2 * (1 - c) * h / (n - 3));
  tests.add_z(ComparisonTest::meng, tests.fisher_difference() / meng_error);
  const ConfidenceInterval meng =
      normal_interval(tests.fisher_difference(), meng_error, options.confidence_level);
  tests.set_last_interval(meng.lower, meng.upper);
  tests.add_z(ComparisonTest::hittner, tests.dependent_z(n, pooled(tests.back_transformed_mean())));
  const double between_estimates = ((c - a * b / 2) * (1 - a * a - b * b - c * c) + c * c * c) /
                                   (residual_variance(a) * residual_variance(b));
  tests.add_zou(n, n, between_estimates);
  return {.difference = a - b,
          .r = {a, b, c},
          .tests = tests.take(),
          .n_used = static_cast<Index>(n),
          .n_omitted = 0};
}

ComparisonResult compare_overlapping(const VectorView& y, const VectorView& x1,
                                     const VectorView& x2, const CorrelationOptions& options) {
  const CompleteRows complete =
      complete_rows("compare_overlapping", side_by_side("compare_overlapping", y, x1, x2));
  const Eigen::MatrixXd r = correlation_estimates(complete.rows, CorrelationMethod::pearson);
  if (r.hasNaN())
    throw DataError("compare_overlapping: a variable is constant; its correlations are undefined");
  ComparisonResult result = compare_overlapping(r(0, 1), r(0, 2), r(1, 2),
                                                static_cast<double>(complete.rows.rows()), options);
  result.n_omitted = complete.n_omitted;
  return result;
}

ComparisonResult compare_nonoverlapping(const FourCorrelations& r, double n,
                                        const CorrelationOptions& options) {
  constexpr auto function = "compare_nonoverlapping";
  require_level(function, "confidence_level", options.confidence_level);
  for (const double value : {r.r12, r.r34, r.r13, r.r14, r.r23, r.r24})
    require_correlation(function, "r", value);
  require_sample(function, n);
  Tests tests(r.r12, r.r34, options);
  const double twice = nonoverlapping_covariance(r);
  const double scale = residual_variance(r.r12) * residual_variance(r.r34);
  tests.add_z(
      ComparisonTest::pearson_filon,
      std::sqrt(n) * (r.r12 - r.r34) /
          std::sqrt(squared(residual_variance(r.r12)) + squared(residual_variance(r.r34)) - twice));
  tests.add_z(ComparisonTest::dunn_clark, tests.dependent_z(n, twice / 2 / scale));
  const auto pooled = [&](double mean) {
    FourCorrelations equal = r;
    equal.r12 = mean;
    equal.r34 = mean;
    return nonoverlapping_covariance(equal) / 2 / squared(residual_variance(mean));
  };
  tests.add_z(ComparisonTest::steiger, tests.dependent_z(n, pooled(tests.mean_r())));
  tests.add_z(ComparisonTest::silver, tests.dependent_z(n, pooled(tests.back_transformed_mean())));
  const double between_estimates =
      (r.r12 * r.r34 * (squared(r.r13) + squared(r.r14) + squared(r.r23) + squared(r.r24)) / 2 +
       r.r13 * r.r24 + r.r14 * r.r23 -
       (r.r12 * r.r13 * r.r14 + r.r12 * r.r23 * r.r24 + r.r34 * r.r13 * r.r23 +
        r.r34 * r.r14 * r.r24)) /
      scale;
  tests.add_zou(n, n, between_estimates);
  return {.difference = r.r12 - r.r34,
          .r = {r.r12, r.r34, r.r13, r.r14, r.r23, r.r24},
          .tests = tests.take(),
          .n_used = static_cast<Index>(n),
          .n_omitted = 0};
}

ComparisonResult compare_nonoverlapping(const MatrixView& data, const CorrelationOptions& options) {
  if (data.cols() != 4)
    throw InvalidArgument("compare_nonoverlapping: `data` has " + std::to_string(data.cols()) +
                          " columns; 4 are required");
  const CompleteRows complete = complete_rows("compare_nonoverlapping", data);
  const Eigen::MatrixXd r = correlation_estimates(complete.rows, CorrelationMethod::pearson);
  if (r.hasNaN())
    throw DataError(
        "compare_nonoverlapping: a variable is constant; its correlations are undefined");
  ComparisonResult result =
      compare_nonoverlapping({.r12 = r(0, 1),
                              .r34 = r(2, 3),
                              .r13 = r(0, 2),
                              .r14 = r(0, 3),
                              .r23 = r(1, 2),
                              .r24 = r(1, 3)},
                             static_cast<double>(complete.rows.rows()), options);
  result.n_omitted = complete.n_omitted;
  return result;
}

ComparisonResult compare_independent(double r1, double n1, double r2, double n2,
                                     const CorrelationOptions& options) {
  constexpr auto function = "compare_independent";
  require_level(function, "confidence_level", options.confidence_level);
  require_correlation(function, "r1", r1);
  require_correlation(function, "r2", r2);
  require_sample(function, n1);
  require_sample(function, n2);
  Tests tests(r1, r2, options);
  tests.add_z(ComparisonTest::fisher,
              tests.fisher_difference() / std::sqrt(1 / (n1 - 3) + 1 / (n2 - 3)));
  tests.add_zou(n1, n2, 0);
  return {.difference = r1 - r2,
          .r = {r1, r2},
          .tests = tests.take(),
          .n_used = static_cast<Index>(n1 + n2),
          .n_omitted = 0};
}

BootstrapResult bootstrap_difference(const VectorView& y, const VectorView& x1,
                                     const VectorView& x2, const CorrelationStatistic& coefficient,
                                     Seed seed, const BootstrapOptions& options,
                                     const ClusterCodes& cluster) {
  const Eigen::MatrixXd data = side_by_side("bootstrap_difference", y, x1, x2);
  std::vector<Index> kept;
  ClusterCodes codes;
  for (Index i = 0; i < data.rows(); ++i) {
    if (data.row(i).hasNaN()) continue;
    kept.push_back(i);
    if (!cluster.empty()) codes.push_back(cluster[static_cast<std::size_t>(i)]);
  }
  const auto statistic = [&](const std::vector<Index>& rows) {
    Eigen::MatrixXd drawn(static_cast<Index>(rows.size()), 3);
    for (Index k = 0; k < drawn.rows(); ++k)
      drawn.row(k) = data.row(kept[static_cast<std::size_t>(rows[static_cast<std::size_t>(k)])]);
    return coefficient(drawn.col(1), drawn.col(0)) - coefficient(drawn.col(2), drawn.col(0));
  };
  return cluster.empty() ? bootstrap(static_cast<Index>(kept.size()), statistic, seed, options)
                         : cluster_bootstrap(rows_of_clusters(codes), statistic, seed, options);
}

}  // namespace rapport
