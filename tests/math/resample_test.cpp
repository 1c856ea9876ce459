#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/resample.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace rapport {
namespace {

const Eigen::VectorXd& sample() {
  static const Eigen::VectorXd x{{3.1, 0.2, 5.5, 2.7, 9.4, 1.1, 4.8, 3.3, 0.9, 6.2, 2.2, 12.5}};
  return x;
}

double mean_of(const std::vector<Index>& rows) {
  double sum = 0;
  for (const Index row : rows) sum += sample()[row];
  return sum / static_cast<double>(rows.size());
}

TEST(Permutation, IsUniformOverOrders) {
  std::map<std::vector<Index>, int> counts;
  constexpr int draws = 24000;
  for (int r = 0; r < draws; ++r) {
    RandomStream stream(Seed{8}, static_cast<std::uint64_t>(r));
    ++counts[permutation(4, stream)];
  }
  ASSERT_EQ(counts.size(), 24U);
  double chi = 0;
  for (const auto& entry : counts) chi += std::pow(entry.second - 1000.0, 2) / 1000;
  EXPECT_LT(chi, chi_squared_quantile(1 - 1e-5, 23));
}

TEST(BootstrapSample, DrawsEachRowEquallyOften) {
  std::array<double, 5> counts{};
  for (int r = 0; r < 4000; ++r) {
    RandomStream stream(Seed{1}, static_cast<std::uint64_t>(r));
    for (const Index row : bootstrap_sample(5, stream)) ++counts.at(static_cast<std::size_t>(row));
  }
  double chi = 0;
  for (const double count : counts) chi += (count - 4000) * (count - 4000) / 4000;
  EXPECT_LT(chi, chi_squared_quantile(1 - 1e-5, 4));
}

TEST(ClusterBootstrapSample, KeepsClustersWhole) {
  const std::vector<std::vector<Index>> rows_of{{0, 1}, {2, 3, 4}, {5}};
  RandomStream stream(Seed{2}, 0);
  const std::vector<Index> rows = cluster_bootstrap_sample(rows_of, stream);
  EXPECT_EQ(std::count(rows.begin(), rows.end(), 0), std::count(rows.begin(), rows.end(), 1));
  EXPECT_EQ(std::count(rows.begin(), rows.end(), 2), std::count(rows.begin(), rows.end(), 4));
}

// The bootstrap variance of a mean is known: Σ (x − x̄)² / n². Monte-Carlo error of a standard error
// from B replicates: 1 / √(2B).
TEST(Bootstrap, StandardErrorOfAMean) {
  const BootstrapResult result =
      bootstrap(sample().size(), mean_of, Seed{7}, {.replicates = 20000});
  const double n = static_cast<double>(sample().size());
  const double exact = std::sqrt((sample().array() - sample().mean()).square().sum()) / n;
  EXPECT_NEAR(result.estimate, sample().mean(), 1e-14);
  EXPECT_NEAR(result.standard_error / exact, 1, 5 / std::sqrt(40000.0));
  EXPECT_NEAR(result.bias, 0, 5 * exact / std::sqrt(20000.0));
  EXPECT_EQ(result.n_undefined, 0);
}

// R 4.2, boot 1.3: boot.ci(boot(x, function(d, i) mean(d[i]), 400000), type = ...), seed 1, BCa
// with the jackknife influence values.
TEST(Bootstrap, OfAStatisticThatNeedsTheOnlyRowHasNoInterval) {
  const auto mean = [](const std::vector<Index>& rows) {
    return rows.empty() ? missing : mean_of(rows);
  };
  const BootstrapResult result =
      bootstrap(1, mean, Seed{1}, {.replicates = 20, .interval = BootstrapInterval::bca});
  EXPECT_EQ(result.estimate, 3.1);
  EXPECT_TRUE(std::isnan(result.ci.lower));
  EXPECT_TRUE(std::isnan(result.ci.upper));
}

TEST(Bootstrap, IntervalsAgreeWithBoot) {
  const auto ci = [](BootstrapInterval interval) {
    return bootstrap(sample().size(), mean_of, Seed{3}, {.replicates = 60000, .interval = interval})
        .ci;
  };
  const std::map<BootstrapInterval, std::array<double, 2>> expected{
      {BootstrapInterval::percentile, {2.5167, 6.4333}},
      {BootstrapInterval::bca, {2.7167, 6.8083}},
      {BootstrapInterval::basic, {2.2167, 6.1333}},
      {BootstrapInterval::normal, {2.3488, 6.2988}}};
  for (const auto& entry : expected) {
    const ConfidenceInterval interval = ci(entry.first);
    EXPECT_NEAR(interval.lower, entry.second[0], 0.04);
    EXPECT_NEAR(interval.upper, entry.second[1], 0.06);
  }
}

TEST(Bootstrap, DoesNotDependOnThreads) {
  const BootstrapResult one =
      bootstrap(sample().size(), mean_of, Seed{3}, {.replicates = 300, .threads = 1});
  const BootstrapResult three =
      bootstrap(sample().size(), mean_of, Seed{3}, {.replicates = 300, .threads = 3});
  EXPECT_EQ(one.replicates, three.replicates);
  EXPECT_EQ(one.ci.lower, three.ci.lower);
  const BootstrapResult fewer = bootstrap(sample().size(), mean_of, Seed{3}, {.replicates = 100});
  EXPECT_EQ(fewer.replicates, one.replicates.head(100).eval());
}

TEST(Bootstrap, CountsUndefinedReplicates) {
  const auto statistic = [](const std::vector<Index>& rows) {
    return rows[0] == 0 ? missing : mean_of(rows);
  };
  const BootstrapResult result =
      bootstrap(sample().size(), statistic, Seed{3},
                {.replicates = 1200, .interval = BootstrapInterval::percentile});
  EXPECT_GT(result.n_undefined, 50);
  EXPECT_LT(result.n_undefined, 160);
  EXPECT_TRUE(std::isfinite(result.standard_error));
}

// Clusters of one row are rows.
TEST(ClusterBootstrap, OfSingleRowsIsTheBootstrap) {
  std::vector<std::vector<Index>> rows_of;
  for (Index i = 0; i < sample().size(); ++i) rows_of.push_back({i});
  const BootstrapResult clusters =
      cluster_bootstrap(rows_of, mean_of, Seed{4}, {.replicates = 200});
  const BootstrapResult rows = bootstrap(sample().size(), mean_of, Seed{4}, {.replicates = 200});
  EXPECT_EQ(clusters.replicates, rows.replicates);
  EXPECT_EQ(clusters.ci.upper, rows.ci.upper);
}

TEST(Bootstrap, RefusesWrongCallsAndCanBeInterrupted) {
  EXPECT_THROW(static_cast<void>(bootstrap(0, mean_of, Seed{1})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(bootstrap(3, mean_of, Seed{1}, {.confidence_level = 1})),
               InvalidArgument);
  const BootstrapOptions impatient{.progress = [](Index done, Index) { return done < 10; }};
  EXPECT_THROW(static_cast<void>(bootstrap(3, mean_of, Seed{1}, impatient)), Interrupted);
}

}  // namespace
}  // namespace rapport
