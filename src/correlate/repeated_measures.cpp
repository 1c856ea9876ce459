#include <rapport/base/error.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/ranks.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index code_count(const ClusterCodes& cluster) {
  return cluster.empty() ? 0 : std::max<Index>(0, Index{*std::ranges::max_element(cluster)} + 1);
}

/// Complete rows, clusters renumbered 0 … clusters − 1 in order of code.
struct ClusteredPairs {
  Eigen::VectorXd x;
  Eigen::VectorXd y;
  ClusterCodes cluster;
  std::vector<double> size;
  Index n_omitted = 0;

  [[nodiscard]] Index clusters() const { return static_cast<Index>(size.size()); }
};

ClusteredPairs complete_pairs(std::string_view function, const VectorView& x, const VectorView& y,
                              const ClusterCodes& cluster, double least_size) {
  detail::require_paired(function, x, y);
  require_same_size(function, "x", x.size(), "cluster", static_cast<Index>(cluster.size()));
  require_no_infinity(function, "x", x);
  require_no_infinity(function, "y", y);
  const Index codes = code_count(cluster);
  std::vector<double> size(at(codes), 0.0);
  const auto complete = [&](Index i) {
    return cluster[at(i)] >= 0 && !std::isnan(x[i]) && !std::isnan(y[i]);
  };
  for (Index i = 0; i < x.size(); ++i)
    if (complete(i)) size[at(cluster[at(i)])] += 1;

  ClusteredPairs pairs;
  std::vector<Index> number(at(codes), -1);
  for (Index c = 0; c < codes; ++c)
    if (size[at(c)] >= least_size) {
      number[at(c)] = pairs.clusters();
      pairs.size.push_back(size[at(c)]);
    }
  pairs.x.resize(x.size());
  pairs.y.resize(x.size());
  pairs.cluster.reserve(cluster.size());
  for (Index i = 0; i < x.size(); ++i) {
    if (!complete(i) || number[at(cluster[at(i)])] < 0) continue;
    const auto row = static_cast<Index>(pairs.cluster.size());
    pairs.x[row] = x[i];
    pairs.y[row] = y[i];
    pairs.cluster.push_back(static_cast<std::int32_t>(number[at(cluster[at(i)])]));
  }
  const auto kept = static_cast<Index>(pairs.cluster.size());
  pairs.x.conservativeResize(kept);
  pairs.y.conservativeResize(kept);
  pairs.n_omitted = x.size() - kept;
  return pairs;
}

void rank_if_asked(ClusteredPairs& pairs, ClusteredMethod method) {
  if (method != ClusteredMethod::spearman || pairs.x.size() == 0) return;
  pairs.x = midranks(pairs.x);
  pairs.y = midranks(pairs.y);
}

Eigen::VectorXd cluster_means(const VectorView& x, const ClusterCodes& cluster,
                              const std::vector<double>& size) {
  Eigen::VectorXd sums = Eigen::VectorXd::Zero(static_cast<Index>(size.size()));
  for (Index i = 0; i < x.size(); ++i) sums[cluster[at(i)]] += x[i];
  return sums.array() / Eigen::Map<const Eigen::ArrayXd>(size.data(), sums.size());
}

Eigen::VectorXd deviations(const VectorView& x, const Eigen::VectorXd& means,
                           const ClusterCodes& cluster) {
  Eigen::VectorXd centred(x.size());
  for (Index i = 0; i < x.size(); ++i) centred[i] = x[i] - means[cluster[at(i)]];
  return centred;
}

/// Σ of the products of values whose mean is 0, exact zeros aside from rounding counted as none.
double correlation_of_centred(const Eigen::VectorXd& x, const Eigen::VectorXd& y, double scale_x,
                              double scale_y) {
  constexpr double rounding = 1e-26;  // of the raw sum of squares
  const double xx = x.squaredNorm();
  const double yy = y.squaredNorm();
  if (!(xx > rounding * scale_x && yy > rounding * scale_y)) return missing;
  return std::clamp(x.dot(y) / std::sqrt(xx) / std::sqrt(yy), -1.0, 1.0);
}

void test_on(CorrelationResult& result, double df, const ClusteredOptions& options) {
  detail::test_as_product_moment(result, df, options.alternative);
  const double standard_error = df > 1 ? 1 / std::sqrt(df - 1) : missing;
  result.ci = fisher_interval(result.estimate, standard_error, options.confidence_level);
}

double icc_of(const Eigen::VectorXd& x, const Eigen::VectorXd& means, const ClusteredPairs& pairs) {
  const auto n = static_cast<double>(x.size());
  const auto clusters = static_cast<double>(pairs.clusters());
  if (clusters < 2 || n <= clusters) return missing;
  const double grand = x.mean();
  double between = 0;
  for (Index c = 0; c < means.size(); ++c)
    between += pairs.size[at(c)] * (means[c] - grand) * (means[c] - grand);
  between /= clusters - 1;
  const double within = deviations(x, means, pairs.cluster).squaredNorm() / (n - clusters);
  return (between - within) / (between + (n / clusters - 1) * within);
}

/// Mid-ranks as places in (0, 1), centred.
Eigen::VectorXd centred_places(const DenseRanks& ranks) {
  const auto n = static_cast<double>(ranks.size());
  const Eigen::VectorXd midranks = midrank_of_distinct(ranks);
  Eigen::VectorXd place(ranks.size());
  for (Index i = 0; i < place.size(); ++i)
    place[i] = (midranks[ranks.rank[at(i)]] - (n + 1) / 2) / n;
  return place;
}

/// What row i adds to the places of the others, as it enters their products with `other`: mean_j
/// 1{value_i ≤ value_j} other_j, ties a half.
Eigen::VectorXd added_to_others(const DenseRanks& ranks, const Eigen::VectorXd& other) {
  const auto n = static_cast<double>(ranks.size());
  Eigen::VectorXd of_value = Eigen::VectorXd::Zero(ranks.distinct());
  for (Index i = 0; i < other.size(); ++i) of_value[ranks.rank[at(i)]] += other[i];
  Eigen::VectorXd added(ranks.distinct());
  double above = 0;
  for (Index r = ranks.distinct(); r-- > 0;) {
    added[r] = (above + of_value[r] / 2) / n;
    above += of_value[r];
  }
  Eigen::VectorXd of_row(other.size());
  for (Index i = 0; i < other.size(); ++i) of_row[i] = added[ranks.rank[at(i)]];
  return of_row;
}

/// Influence of each row on ρ, the mean product of places over the root of both mean squares.
Eigen::VectorXd spearman_influence(const DenseRanks& rank_x, const DenseRanks& rank_y, double rho) {
  const Eigen::VectorXd f = centred_places(rank_x);
  const Eigen::VectorXd g = centred_places(rank_y);
  const auto on_mean_product = [](const Eigen::VectorXd& u, const DenseRanks& ru,
                                  const Eigen::VectorXd& v, const DenseRanks& rv) {
    Eigen::VectorXd influence = u.cwiseProduct(v) + added_to_others(ru, v) + added_to_others(rv, u);
    influence.array() -= influence.mean();
    return influence;
  };
  const auto n = static_cast<double>(rank_x.size());
  const double xx = f.squaredNorm() / n;
  const double yy = g.squaredNorm() / n;
  return on_mean_product(f, rank_x, g, rank_y) / std::sqrt(xx * yy) -
         rho / 2 *
             (on_mean_product(f, rank_x, f, rank_x) / xx +
              on_mean_product(g, rank_y, g, rank_y) / yy);
}

}  // namespace

std::vector<std::vector<Index>> rows_of_clusters(const ClusterCodes& cluster) {
  const Index codes = code_count(cluster);
  std::vector<std::vector<Index>> rows(at(codes));
  for (std::size_t i = 0; i < cluster.size(); ++i)
    if (cluster[i] >= 0) rows[at(cluster[i])].push_back(static_cast<Index>(i));
  std::erase_if(rows, [](const std::vector<Index>& members) { return members.empty(); });
  return rows;
}

RepeatedMeasuresResult repeated_measures_correlation(const VectorView& x, const VectorView& y,
                                                     const ClusterCodes& cluster,
                                                     const ClusteredOptions& options) {
  require_level("repeated_measures_correlation", "confidence_level", options.confidence_level);
  ClusteredPairs pairs = complete_pairs("repeated_measures_correlation", x, y, cluster, 2);
  rank_if_asked(pairs, options.method);
  RepeatedMeasuresResult result{
      .clusters = pairs.clusters(), .n_used = pairs.x.size(), .n_omitted = pairs.n_omitted};
  const Eigen::VectorXd dx =
      deviations(pairs.x, cluster_means(pairs.x, pairs.cluster, pairs.size), pairs.cluster);
  const Eigen::VectorXd dy =
      deviations(pairs.y, cluster_means(pairs.y, pairs.cluster, pairs.size), pairs.cluster);
  CorrelationResult r{
      .estimate = correlation_of_centred(dx, dy, pairs.x.squaredNorm(), pairs.y.squaredNorm())};
  test_on(r, static_cast<double>(pairs.x.size() - pairs.clusters()) - 1, options);
  result.estimate = r.estimate;
  result.standard_error = r.standard_error;
  result.ci = r.ci;
  result.statistic = r.statistic;
  result.df = r.df;
  result.p_value = r.p_value;
  if (!std::isnan(r.estimate)) result.slope = dx.dot(dy) / dx.squaredNorm();
  return result;
}

WithinBetweenResult within_between_correlation(const VectorView& x, const VectorView& y,
                                               const ClusterCodes& cluster,
                                               const ClusteredOptions& options) {
  require_level("within_between_correlation", "confidence_level", options.confidence_level);
  ClusteredPairs pairs = complete_pairs("within_between_correlation", x, y, cluster, 1);
  rank_if_asked(pairs, options.method);
  const Eigen::VectorXd mean_x = cluster_means(pairs.x, pairs.cluster, pairs.size);
  const Eigen::VectorXd mean_y = cluster_means(pairs.y, pairs.cluster, pairs.size);
  const auto n = static_cast<double>(pairs.x.size());
  const auto clusters = static_cast<double>(pairs.clusters());

  WithinBetweenResult result{.icc_x = icc_of(pairs.x, mean_x, pairs),
                             .icc_y = icc_of(pairs.y, mean_y, pairs),
                             .clusters = pairs.clusters(),
                             .n_used = pairs.x.size(),
                             .n_omitted = pairs.n_omitted};
  result.within = {.estimate = correlation_of_centred(deviations(pairs.x, mean_x, pairs.cluster),
                                                      deviations(pairs.y, mean_y, pairs.cluster),
                                                      pairs.x.squaredNorm(), pairs.y.squaredNorm()),
                   .n = n,
                   .n_used = result.n_used,
                   .n_omitted = result.n_omitted};
  test_on(result.within, n - clusters - 1, options);
  const Eigen::Map<const Eigen::VectorXd> size(pairs.size.data(), pairs.clusters());
  result.between = {.estimate = detail::weighted_product_moment(mean_x, mean_y, size),
                    .n = clusters,
                    .n_used = result.n_used,
                    .n_omitted = result.n_omitted};
  test_on(result.between, clusters - 2, options);
  return result;
}

double cluster_icc(const VectorView& x, const ClusterCodes& cluster) {
  const ClusteredPairs pairs = complete_pairs("cluster_icc", x, x, cluster, 1);
  return icc_of(pairs.x, cluster_means(pairs.x, pairs.cluster, pairs.size), pairs);
}

BootstrapResult bootstrap_correlation(const VectorView& x, const VectorView& y,
                                      const CorrelationStatistic& statistic, Seed seed,
                                      const BootstrapOptions& options,
                                      const ClusterCodes& cluster) {
  detail::require_paired("bootstrap_correlation", x, y);
  if (!cluster.empty())
    require_same_size("bootstrap_correlation", "x", x.size(), "cluster",
                      static_cast<Index>(cluster.size()));
  ClusterCodes codes;
  Eigen::VectorXd a(x.size());
  Eigen::VectorXd b(x.size());
  Index kept = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (is_missing(x[i]) || is_missing(y[i]) || (!cluster.empty() && cluster[at(i)] < 0)) continue;
    a[kept] = x[i];
    b[kept++] = y[i];
    if (!cluster.empty()) codes.push_back(cluster[at(i)]);
  }
  a.conservativeResize(kept);
  b.conservativeResize(kept);
  const auto of_rows = [&](const std::vector<Index>& rows) {
    Eigen::VectorXd u(static_cast<Index>(rows.size()));
    Eigen::VectorXd v(u.size());
    for (Index k = 0; k < u.size(); ++k) {
      u[k] = a[rows[at(k)]];
      v[k] = b[rows[at(k)]];
    }
    return statistic(u, v);
  };
  return cluster.empty() ? bootstrap(kept, of_rows, seed, options)
                         : cluster_bootstrap(rows_of_clusters(codes), of_rows, seed, options);
}

CorrelationResult clustered_spearman(const VectorView& x, const VectorView& y,
                                     const ClusterCodes& cluster, const ClusteredOptions& options) {
  require_level("clustered_spearman", "confidence_level", options.confidence_level);
  const ClusteredPairs pairs = complete_pairs("clustered_spearman", x, y, cluster, 1);
  CorrelationResult result{.n = static_cast<double>(pairs.x.size()),
                           .n_used = pairs.x.size(),
                           .n_omitted = pairs.n_omitted};
  if (pairs.x.size() < 3) return result;
  const double n = result.n;
  const DenseRanks rank_x = dense_ranks(pairs.x);
  const DenseRanks rank_y = dense_ranks(pairs.y);
  result.estimate =
      spearman_correlation(rank_x, rank_y, {.exact = {.test = ExactTest::no}}).estimate;
  if (std::isnan(result.estimate)) return result;

  const Eigen::VectorXd influence = spearman_influence(rank_x, rank_y, result.estimate);
  Eigen::VectorXd by_cluster = Eigen::VectorXd::Zero(pairs.clusters());
  for (Index i = 0; i < influence.size(); ++i) by_cluster[pairs.cluster[at(i)]] += influence[i] / n;
  const auto clusters = static_cast<double>(pairs.clusters());
  if (clusters < 2) return result;
  result.standard_error = std::sqrt(by_cluster.squaredNorm() * clusters / (clusters - 1));
  result.df = clusters - 1;
  result.statistic = result.estimate / result.standard_error;
  result.p_value = students_t_p_value(result.statistic, result.df, options.alternative);
  const double slope = (1 - result.estimate) * (1 + result.estimate);
  // Student's quantile in place of the normal's that fisher_interval takes.
  const double stretch = students_t_quantile((1 + options.confidence_level) / 2, result.df) /
                         normal_quantile((1 + options.confidence_level) / 2);
  result.ci = fisher_interval(result.estimate,
                              slope > 0 ? stretch * result.standard_error / slope : missing,
                              options.confidence_level);
  return result;
}

MultilevelMatrixResult multilevel_correlation_matrix(const MatrixView& data,
                                                     const ClusterCodes& cluster,
                                                     ClusteredMethod method) {
  require_same_size("multilevel_correlation_matrix", "data's rows", data.rows(), "cluster",
                    static_cast<Index>(cluster.size()));
  ClusterCodes complete = cluster;
  for (Index i = 0; i < data.rows(); ++i)
    if (data.row(i).hasNaN()) complete[at(i)] = -1;
  const Index k = data.cols();
  MultilevelMatrixResult result{.within = Eigen::MatrixXd::Ones(k, k),
                                .between = Eigen::MatrixXd::Ones(k, k),
                                .icc = Eigen::VectorXd::Constant(k, missing),
                                .clusters = 0,
                                .n_used = 0,
                                .n_omitted = 0};
  for (Index i = 0; i < k; ++i)
    for (Index j = i; j < k; ++j) {
      const WithinBetweenResult pair =
          within_between_correlation(data.col(i), data.col(j), complete, {.method = method});
      result.within(i, j) = result.within(j, i) = pair.within.estimate;
      result.between(i, j) = result.between(j, i) = pair.between.estimate;
      if (i == j) result.icc[i] = pair.icc_x;
      result.clusters = pair.clusters;
      result.n_used = pair.n_used;
      result.n_omitted = pair.n_omitted;
    }
  return result;
}

}  // namespace rapport
