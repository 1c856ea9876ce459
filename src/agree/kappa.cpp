#include <rapport/agree/kappa.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

/// Margins and agreement of a table of proportions, with the weighted margins
/// w̄_i. = Σ_j w_ij p_.j and w̄_.j = Σ_i w_ij p_i. of Fleiss, Cohen & Everitt (1969).
struct Agreement {
  Eigen::VectorXd rows;
  Eigen::VectorXd columns;
  Eigen::VectorXd weighted_rows;
  Eigen::VectorXd weighted_columns;
  double observed;
  double expected;
  double kappa;
};

Agreement agreement(const Eigen::MatrixXd& p, const MatrixView& w) {
  Agreement a;
  a.rows = p.rowwise().sum();
  a.columns = p.colwise().sum();
  a.weighted_rows = w * a.columns;
  a.weighted_columns = w.transpose() * a.rows;
  a.observed = w.cwiseProduct(p).sum();
  a.expected = a.rows.dot(a.weighted_rows);
  a.kappa = a.expected < 1 ? (a.observed - a.expected) / (1 - a.expected) : missing;
  return a;
}

/// The influence of one subject in cell (i, j) on κ; Σ p influence² / n is the variance of eq. 13.
Eigen::MatrixXd influence(const Agreement& a, const MatrixView& w) {
  const double po = a.observed;
  const double pe = a.expected;
  const double mean = po * pe - 2 * pe + po;
  Eigen::MatrixXd result(w.rows(), w.cols());
  for (Index j = 0; j < w.cols(); ++j)
    for (Index i = 0; i < w.rows(); ++i)
      result(i, j) =
          (w(i, j) * (1 - pe) - (a.weighted_rows[i] + a.weighted_columns[j]) * (1 - po) - mean) /
          ((1 - pe) * (1 - pe));
  return result;
}

double null_variance(const Agreement& a, const MatrixView& w, double n) {
  double sum = 0;
  for (Index j = 0; j < w.cols(); ++j)
    for (Index i = 0; i < w.rows(); ++i) {
      const double d = w(i, j) - a.weighted_rows[i] - a.weighted_columns[j];
      sum += a.rows[i] * a.columns[j] * d * d;
    }
  return std::max(0.0, sum - a.expected * a.expected) / (n * (1 - a.expected) * (1 - a.expected));
}

bool is_identity(const MatrixView& w) {
  return w.sum() == static_cast<double>(w.rows()) && w.isIdentity(0);
}

[[noreturn]] void refuse_code(int code, Index q) {
  throw InvalidArgument("cohen_kappa: a code is " + std::to_string(code) +
                        "; codes must lie in -1 (missing) to " + std::to_string(q - 1));
}

/// Counts of the pairs of codes; four histograms in turn, so that equal neighbours do not wait for
/// each other's store.
Eigen::MatrixXd cross_table(const Eigen::Ref<const Eigen::VectorXi>& first,
                            const Eigen::Ref<const Eigen::VectorXi>& second, Index q) {
  const auto side = static_cast<std::size_t>(q + 1);  // a row and a column for missing ratings
  std::array<std::vector<Index>, 4> lanes;
  for (auto& lane : lanes) lane.assign(side * side, 0);
  const auto limit = static_cast<unsigned>(q);
  for (Index i = 0; i < first.size(); ++i) {
    const auto a = static_cast<unsigned>(first[i] + 1);
    const auto b = static_cast<unsigned>(second[i] + 1);
    if (a > limit) refuse_code(first[i], q);
    if (b > limit) refuse_code(second[i], q);
    ++lanes[static_cast<std::size_t>(i & 3)][a * side + b];
  }
  Eigen::MatrixXd table(q, q);
  for (Index i = 0; i < q; ++i)
    for (Index j = 0; j < q; ++j) {
      const std::size_t cell =
          static_cast<std::size_t>(i + 1) * side + static_cast<std::size_t>(j + 1);
      table(i, j) =
          static_cast<double>(lanes[0][cell] + lanes[1][cell] + lanes[2][cell] + lanes[3][cell]);
    }
  return table;
}

}  // namespace

KappaResult cohen_kappa_of_table(const MatrixView& table, const MatrixView& weights,
                                 const KappaOptions& options) {
  require_level("cohen_kappa", "confidence_level", options.confidence_level);
  require_agreement_weights("cohen_kappa", weights);
  if (table.rows() != weights.rows() || table.cols() != weights.cols())
    throw InvalidArgument("cohen_kappa: `table` is " + std::to_string(table.rows()) + " x " +
                          std::to_string(table.cols()) + " but `weights` are for " +
                          std::to_string(weights.rows()) + " categories");
  const double n = table.sum();
  if (!(n > 0) || !(table.minCoeff() >= 0))
    throw InvalidArgument(
        "cohen_kappa: no subject was rated by both raters; at least one is required");
  const auto q = static_cast<double>(table.rows());
  const Eigen::MatrixXd p = table / n;
  const Agreement a = agreement(p, weights);
  KappaResult r;
  r.estimate = a.kappa;
  r.observed = a.observed;
  r.expected = a.expected;
  r.standard_error = is_missing(a.kappa)
                         ? missing
                         : std::sqrt(p.cwiseProduct(influence(a, weights).cwiseAbs2()).sum() / n);
  r.ci = normal_interval(r.estimate, r.standard_error, options.confidence_level);
  r.standard_error_null = is_missing(a.kappa) ? missing : std::sqrt(null_variance(a, weights, n));
  r.statistic = r.estimate / r.standard_error_null;
  r.p_value = normal_p_value(r.statistic);
  r.maximum = missing;
  if (is_identity(weights) && a.expected < 1)
    r.maximum = (a.rows.cwiseMin(a.columns).sum() - a.expected) / (1 - a.expected);
  const bool two = table.rows() == 2;
  r.prevalence_index = two ? p(0, 0) - p(1, 1) : missing;
  r.bias_index = two ? p(0, 1) - p(1, 0) : missing;
  r.adjusted = q > 1 ? (p.trace() - 1 / q) / (1 - 1 / q) : missing;
  r.table = table;
  r.n_used = static_cast<Index>(std::llround(n));
  r.n_omitted = 0;
  return r;
}

KappaResult cohen_kappa(const Eigen::Ref<const Eigen::VectorXi>& first,
                        const Eigen::Ref<const Eigen::VectorXi>& second, const MatrixView& weights,
                        const KappaOptions& options) {
  require_same_size("cohen_kappa", "first", first.size(), "second", second.size());
  KappaResult r =
      cohen_kappa_of_table(cross_table(first, second, weights.rows()), weights, options);
  r.n_omitted = first.size() - r.n_used;
  return r;
}

LightKappaResult light_kappa(const CodeView& codes, const MatrixView& weights,
                             const KappaOptions& options) {
  require_level("light_kappa", "confidence_level", options.confidence_level);
  require_agreement_weights("light_kappa", weights);
  require_at_least("light_kappa", "raters", codes.cols(), 2);
  const Index n = codes.rows();
  const Index raters = codes.cols();
  LightKappaResult r;
  r.pairs = Eigen::MatrixXd::Identity(raters, raters);
  Eigen::VectorXd subject_influence = Eigen::VectorXd::Zero(n);
  double kappa = 0;
  double observed = 0;
  double expected = 0;
  Index pairs = 0;
  for (Index h = 1; h < raters; ++h)
    for (Index g = 0; g < h; ++g) {
      const Eigen::MatrixXd table = cross_table(codes.col(g), codes.col(h), weights.rows());
      const double n_pair = table.sum();
      const Agreement a = agreement(table / std::max(n_pair, 1.0), weights);
      r.pairs(g, h) = r.pairs(h, g) = n_pair > 0 ? a.kappa : missing;
      if (is_missing(r.pairs(g, h))) continue;
      ++pairs;
      kappa += a.kappa;
      observed += a.observed;
      expected += a.expected;
      const Eigen::MatrixXd values = influence(a, weights) / n_pair;
      for (Index i = 0; i < n; ++i)
        if (codes(i, g) >= 0 && codes(i, h) >= 0)
          subject_influence[i] += values(codes(i, g), codes(i, h));
    }
  const auto m = static_cast<double>(pairs);
  r.estimate = pairs > 0 ? kappa / m : missing;
  r.observed = pairs > 0 ? observed / m : missing;
  r.expected = pairs > 0 ? expected / m : missing;
  r.standard_error = pairs > 0 ? subject_influence.norm() / m : missing;
  r.ci = normal_interval(r.estimate, r.standard_error, options.confidence_level);
  r.n_used = ((codes.array() >= 0).cast<Index>().rowwise().sum() >= 2).count();
  r.n_omitted = n - r.n_used;
  return r;
}

}  // namespace rapport
