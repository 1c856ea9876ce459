#include <rapport/base/error.hpp>
#include <rapport/correlate/compare.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/correlate/spearman.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"

namespace rapport {
namespace {

using oracle::simulated_column;

const std::map<std::string, double>& peers() {
  static const std::map<std::string, double> values = oracle::peer_values("peers_r.csv");
  return values;
}

ClusterCodes persons() {
  ClusterCodes codes;
  for (const double id : simulated_column("id")) codes.push_back(static_cast<std::int32_t>(id) - 1);
  return codes;
}

TEST(RepeatedMeasures, AgreesWithTheAnalysisOfCovarianceInR) {
  const auto r =
      repeated_measures_correlation(simulated_column("x"), simulated_column("y"), persons());
  EXPECT_NEAR(r.estimate, peers().at("rm.r"), 1e-13);
  EXPECT_NEAR(r.slope, peers().at("rm.slope"), 1e-13);
  EXPECT_NEAR(r.p_value, peers().at("rm.p"), 1e-15);
  EXPECT_EQ(r.df, 60 - 12 - 1);
  EXPECT_EQ(r.clusters, 12);
}

TEST(RepeatedMeasures, LeavesOutPersonsWithOneSession) {
  Eigen::VectorXd x = simulated_column("x");
  Eigen::VectorXd y = simulated_column("y");
  const auto before = repeated_measures_correlation(x, y, persons());
  x.conservativeResize(62);
  y.conservativeResize(62);
  x.tail(2) << 5, missing;
  y.tail(2) << 9, 1;
  ClusterCodes codes = persons();
  codes.push_back(12);
  codes.push_back(0);
  const auto after = repeated_measures_correlation(x, y, codes);
  EXPECT_EQ(after.estimate, before.estimate);
  EXPECT_EQ(after.n_omitted, 2);
}

TEST(RepeatedMeasures, IsUndefinedWithoutVariationWithinPersons) {
  const Eigen::VectorXd id = simulated_column("id");
  EXPECT_TRUE(
      std::isnan(repeated_measures_correlation(id / 7, simulated_column("y"), persons()).estimate));
  EXPECT_THROW((void)repeated_measures_correlation(id, id, ClusterCodes(3, 0)), InvalidArgument);
}

TEST(WithinBetween, AgreesWithPsych) {
  const auto r =
      within_between_correlation(simulated_column("x"), simulated_column("y"), persons());
  EXPECT_NEAR(r.within.estimate, peers().at("within"), 1e-13);
  EXPECT_NEAR(r.between.estimate, peers().at("between"), 1e-13);
  EXPECT_NEAR(r.icc_x, peers().at("icc.x"), 1e-13);
  EXPECT_EQ(r.within.df, 47);
  EXPECT_EQ(r.between.df, 10);
}

TEST(WithinBetween, RankedIsUnchangedByMonotoneTransformation) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  const auto plain =
      within_between_correlation(x, y, persons(), {.method = ClusteredMethod::spearman});
  const auto bent = within_between_correlation(x.array().cube(), -y.array().cube(), persons(),
                                               {.method = ClusteredMethod::spearman});
  EXPECT_NEAR(bent.within.estimate, -plain.within.estimate, 1e-13);
  EXPECT_NEAR(bent.between.estimate, -plain.between.estimate, 1e-13);
}

TEST(MultilevelMatrix, HoldsThePairs) {
  Eigen::MatrixXd data(60, 3);
  data << simulated_column("x"), simulated_column("y"), simulated_column("z");
  const auto matrices = multilevel_correlation_matrix(data, persons());
  const auto pair = within_between_correlation(data.col(0), data.col(2), persons());
  EXPECT_EQ(matrices.within(0, 2), pair.within.estimate);
  EXPECT_EQ(matrices.between(2, 0), pair.between.estimate);
  EXPECT_EQ(matrices.icc[2], pair.icc_y);
  EXPECT_NEAR(matrices.within(1, 1), 1, 1e-15);
}

TEST(ClusteredSpearman, WithOneRowEachIsTheInfinitesimalJackknife) {
  // Leave-one-out pseudo-values give the same standard error to first order.
  RandomStream stream(Seed{41}, 0);
  const Index n = 300;
  const Eigen::VectorXd x = oracle::random_values(stream, n, 0);
  const Eigen::VectorXd y = oracle::random_values(stream, n, 0) + 0.6 * x;
  ClusterCodes alone;
  for (Index i = 0; i < n; ++i) alone.push_back(static_cast<std::int32_t>(i));
  const auto r = clustered_spearman(x, y, alone);
  EXPECT_NEAR(r.estimate, spearman_correlation(x, y).estimate, 1e-14);
  Eigen::VectorXd left_out(n);
  for (Index i = 0; i < n; ++i) {
    Eigen::VectorXd a(n - 1);
    Eigen::VectorXd b(n - 1);
    a << x.head(i), x.tail(n - 1 - i);
    b << y.head(i), y.tail(n - 1 - i);
    left_out[i] = spearman_correlation(a, b).estimate;
  }
  const double jackknife = std::sqrt((left_out.array() - left_out.mean()).square().sum() *
                                     static_cast<double>(n - 1) / static_cast<double>(n));
  EXPECT_NEAR(r.standard_error, jackknife, 0.02 * jackknife);
}

TEST(ClusteredSpearman, DuplicatedRowsInAClusterAddNothing) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  Eigen::VectorXd x2(120);
  Eigen::VectorXd y2(120);
  x2 << x, x;
  y2 << y, y;
  ClusterCodes alone;
  ClusterCodes twice;
  for (int copy = 0; copy < 2; ++copy)
    for (std::int32_t i = 0; i < 60; ++i) {
      if (copy == 0) alone.push_back(i);
      twice.push_back(i);
    }
  const auto once = clustered_spearman(x, y, alone);
  const auto both = clustered_spearman(x2, y2, twice);
  EXPECT_NEAR(both.estimate, once.estimate, 1e-13);
  EXPECT_NEAR(both.standard_error, once.standard_error, 1e-13);
  EXPECT_NEAR(both.p_value, once.p_value, 1e-12);
}

TEST(BootstrapCorrelation, DoesNotDependOnThreadsAndKnowsClusters) {
  const Eigen::VectorXd x = simulated_column("xm");
  const Eigen::VectorXd y = simulated_column("ym");
  const auto pearson = [](const VectorView& a, const VectorView& b) {
    return detail::product_moment(a, b);
  };
  const auto one =
      bootstrap_correlation(x, y, pearson, Seed{3}, {.replicates = 300, .threads = 1}, persons());
  const auto four =
      bootstrap_correlation(x, y, pearson, Seed{3}, {.replicates = 300, .threads = 4}, persons());
  EXPECT_EQ(one.ci.lower, four.ci.lower);
  EXPECT_EQ(one.estimate, pearson_correlation(x, y).estimate);
  EXPECT_NEAR(one.standard_error, 0.09, 0.05);
}

TEST(Compare, WilliamsAgreesWithPsych) {
  const auto c =
      compare_overlapping(simulated_column("y"), simulated_column("x"), simulated_column("z"));
  for (const auto& test : c.tests) {
    if (test.test != ComparisonTest::williams) continue;
    EXPECT_NEAR(std::abs(test.statistic), std::abs(peers().at("williams.t")), 1e-12);
    EXPECT_NEAR(test.p_value, peers().at("williams.p"), 1e-13);
  }
}

TEST(Compare, ExchangingTheRivalsTurnsEverySign) {
  const auto forth = compare_overlapping(0.5, 0.3, 0.2, 60);
  const auto back = compare_overlapping(0.3, 0.5, 0.2, 60);
  ASSERT_EQ(forth.tests.size(), back.tests.size());
  for (std::size_t k = 0; k < forth.tests.size(); ++k) {
    if (!std::isnan(forth.tests[k].statistic)) {
      EXPECT_NEAR(forth.tests[k].statistic, -back.tests[k].statistic, 1e-13)
          << to_string(forth.tests[k].test);
      EXPECT_NEAR(forth.tests[k].p_value, back.tests[k].p_value, 1e-13);
    }
    if (!std::isnan(forth.tests[k].ci.lower)) {
      EXPECT_NEAR(forth.tests[k].ci.lower, -back.tests[k].ci.upper, 1e-13);
    }
  }
}

// Zou's interval and Fisher's test of independent groups with hardly correlated r must agree with
// the dependent ones.
TEST(Compare, UncorrelatedFourVariablesAreNearlyIndependent) {
  const auto four =
      compare_nonoverlapping({.r12 = 0.5, .r34 = 0.2, .r13 = 0, .r14 = 0, .r23 = 0, .r24 = 0}, 80);
  const auto two = compare_independent(0.5, 80, 0.2, 80);
  for (const auto& a : four.tests)
    for (const auto& b : two.tests) {
      if (a.test == ComparisonTest::zou && b.test == ComparisonTest::zou) {
        EXPECT_NEAR(a.ci.lower, b.ci.lower, 1e-13);
        EXPECT_NEAR(a.ci.upper, b.ci.upper, 1e-13);
      }
      if (a.test == ComparisonTest::dunn_clark && b.test == ComparisonTest::fisher) {
        EXPECT_NEAR(a.statistic, b.statistic, 1e-13);
      }
    }
}

TEST(Compare, RefusesContradictions) {
  EXPECT_THROW((void)compare_overlapping(0.9, -0.9, 0.9, 50), InvalidArgument);
  EXPECT_THROW((void)compare_overlapping(0.9, 1.9, 0.9, 50), InvalidArgument);
  EXPECT_THROW((void)compare_independent(0.9, 3, 0.9, 50), InvalidArgument);
}

}  // namespace
}  // namespace rapport
