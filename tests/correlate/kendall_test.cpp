#include <rapport/base/error.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/correlate/weighted_tau.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"

namespace rapport {
namespace {

using oracle::simulated_column;

const std::map<std::string, double>& peers() {
  static const std::map<std::string, double> values = oracle::peer_values("peers_r.csv");
  return values;
}

const std::vector<std::pair<std::string, Alternative>> sides = {
    {"two.sided", Alternative::two_sided},
    {"less", Alternative::less},
    {"greater", Alternative::greater}};

TEST(Kendall, AgreesWithR) {
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  for (const auto& [name, side] : sides) {
    const auto z = kendall_tau(x, y, {.alternative = side});
    EXPECT_NEAR(z.estimate, peers().at("kendall.z." + name + ".estimate"), 1e-14);
    EXPECT_NEAR(z.statistic, peers().at("kendall.z." + name + ".statistic"), 1e-12);
    EXPECT_NEAR(z.p_value, peers().at("kendall.z." + name + ".p"), 1e-14);
    EXPECT_EQ(z.p_value_method, PValueMethod::asymptotic);
    const auto corrected = kendall_tau(x, y, {.alternative = side, .continuity = true});
    EXPECT_NEAR(corrected.statistic, peers().at("kendall.z.continuity." + name + ".statistic"),
                1e-12);
    EXPECT_NEAR(corrected.p_value, peers().at("kendall.z.continuity." + name + ".p"), 1e-14);
    const auto exact = kendall_tau(simulated_column("x").head(40), simulated_column("y").head(40),
                                   {.alternative = side});
    EXPECT_EQ(exact.p_value_method, PValueMethod::exact);
    EXPECT_NEAR(exact.estimate, peers().at("kendall.exact40." + name + ".estimate"), 1e-14);
    EXPECT_NEAR(exact.p_value, peers().at("kendall.exact40." + name + ".p"), 1e-12);
  }
}

TEST(Kendall, WeightsAreCounts) {
  const auto weighted = weighted_kendall_tau(simulated_column("xt"), simulated_column("yt"),
                                             simulated_column("weight"));
  EXPECT_NEAR(weighted.estimate, peers().at("expanded.kendall.estimate"), 1e-14);
  EXPECT_NEAR(weighted.statistic, peers().at("expanded.kendall.statistic"), 1e-12);
  EXPECT_NEAR(weighted.p_value, peers().at("expanded.kendall.p"), 1e-14);
}

// Brown & Benedetti's standard error by the table and by single observations must agree, and do
// with one another's ways.
TEST(Kendall, StandardErrorIsTheSameFromTableAndObservations) {
  RandomStream stream(Seed{21}, 0);
  const DenseRanks x = dense_ranks(oracle::random_values(stream, 90, 6));
  const DenseRanks y = dense_ranks(oracle::random_values(stream, 90, 4));
  for (const auto measure : {OrdinalMeasure::tau_a, OrdinalMeasure::tau_b, OrdinalMeasure::tau_c,
                             OrdinalMeasure::gamma, OrdinalMeasure::somers_d}) {
    const OrdinalEstimate by_table = ordinal_estimate(cross_table(x, y), measure);
    const OrdinalEstimate by_row = ordinal_estimate(quadrant_counts(x, y), measure, 4);
    EXPECT_NEAR(by_table.estimate, by_row.estimate, 1e-13);
    EXPECT_NEAR(by_table.standard_error, by_row.standard_error, 1e-13);
    EXPECT_NEAR(by_table.null_standard_error, by_row.null_standard_error, 1e-13);
  }
}

// The infinitesimal jackknife: the standard error of τ-b as a function of cell proportions, by
// numerical derivatives.
TEST(Kendall, StandardErrorIsTheDeltaMethods) {
  Eigen::MatrixXd table(3, 4);
  table << 12, 7, 3, 1, 5, 9, 8, 4, 2, 6, 11, 15;
  const double n = table.sum();
  const auto measures = {OrdinalMeasure::tau_b, OrdinalMeasure::gamma, OrdinalMeasure::somers_d,
                         OrdinalMeasure::tau_c};
  for (const auto measure : measures) {
    const auto of_proportions =
        [&](const Eigen::MatrixXd& p) {  // populations: pairs with and without replacement alike
          double concordant = 0;
          double discordant = 0;
          for (Index i = 0; i < 3; ++i)
            for (Index j = 0; j < 4; ++j) {
              concordant += 2 * p(i, j) * p.bottomRightCorner(2 - i, 3 - j).sum();
              discordant += 2 * p(i, j) * p.bottomLeftCorner(2 - i, j).sum();
            }
          const double all = p.sum() * p.sum();
          const double untied_x = all - p.rowwise().sum().squaredNorm();
          const double untied_y = all - p.colwise().sum().squaredNorm();
          const double s = concordant - discordant;
          if (measure == OrdinalMeasure::gamma) return s / (concordant + discordant);
          if (measure == OrdinalMeasure::somers_d) return s / untied_x;
          if (measure == OrdinalMeasure::tau_c) return s * 3 / 2 / all;
          return s / std::sqrt(untied_x * untied_y);
        };
    const Eigen::MatrixXd p = table / n;
    double mean = 0;
    double square = 0;
    for (Index i = 0; i < 3; ++i)
      for (Index j = 0; j < 4; ++j) {
        Eigen::MatrixXd up = p;
        Eigen::MatrixXd down = p;
        up(i, j) += 1e-6;
        down(i, j) -= 1e-6;
        const double derivative = (of_proportions(up) - of_proportions(down)) / 2e-6;
        mean += p(i, j) * derivative;
        square += p(i, j) * derivative * derivative;
      }
    const OrdinalEstimate found = ordinal_estimate(table, measure);
    EXPECT_NEAR(found.estimate, of_proportions(p), 1e-13);
    EXPECT_NEAR(found.standard_error, std::sqrt((square - mean * mean) / n), 1e-8);
  }
}

TEST(Kendall, ExactWithTiesSaysSo) {
  const Eigen::VectorXd x{{1, 2, 2, 3, 4, 4, 5}};
  const Eigen::VectorXd y{{2, 1, 3, 3, 5, 4, 6}};
  const auto automatic = kendall_tau(x, y);
  EXPECT_EQ(automatic.p_value_method, PValueMethod::asymptotic);
  const auto exact = kendall_tau(x, y, {.exact = {.test = ExactTest::yes}});
  EXPECT_EQ(exact.p_value_method, PValueMethod::exact);
  EXPECT_TRUE(std::isnan(exact.statistic));
  EXPECT_EQ(exact.estimate, automatic.estimate);
}

TEST(Kendall, IsUndefinedForConstants) {
  const Eigen::VectorXd x{{1, 2, 3}};
  const Eigen::VectorXd constant{{2, 2, 2}};
  EXPECT_TRUE(std::isnan(kendall_tau(x, constant).estimate));
  EXPECT_TRUE(std::isnan(kendall_tau(x, constant).p_value));
  EXPECT_TRUE(std::isnan(kendall_tau(x.head(1), x.head(1)).estimate));
  EXPECT_EQ(kendall_tau(x.head(2), x.head(2)).estimate, 1);
  EXPECT_TRUE(std::isnan(goodman_kruskal_gamma(constant, constant).estimate));
  EXPECT_TRUE(std::isnan(somers_d(constant, x).estimate));
  EXPECT_EQ(somers_d(x, constant).estimate, 0);
}

TEST(Spearman, AgreesWithR) {
  for (const auto& [name, side] : sides) {
    const auto t =
        spearman_correlation(simulated_column("xt"), simulated_column("yt"), {.alternative = side});
    EXPECT_NEAR(t.estimate, peers().at("spearman.t." + name + ".estimate"), 1e-14);
    EXPECT_NEAR(t.p_value, peers().at("spearman.t." + name + ".p"), 1e-14);
    const auto exact = spearman_correlation(simulated_column("x").head(9),
                                            simulated_column("y").head(9), {.alternative = side});
    EXPECT_EQ(exact.p_value_method, PValueMethod::exact);
    EXPECT_NEAR(exact.p_value, peers().at("spearman.exact9." + name + ".p"), 1e-13);
  }
}

TEST(Spearman, IsPearsonOfMidranks) {
  RandomStream stream(Seed{22}, 0);
  for (const Index levels : {0, 4}) {
    const Eigen::VectorXd x = oracle::random_values(stream, 80, levels);
    const Eigen::VectorXd y = oracle::random_values(stream, 80, 7) + x;
    const Eigen::VectorXd a = oracle::midranks_by_definition(x).array() - 40.5;
    const Eigen::VectorXd b = oracle::midranks_by_definition(y).array() - 40.5;
    EXPECT_NEAR(spearman_correlation(x, y).estimate, a.dot(b) / a.norm() / b.norm(), 1e-14);
  }
}

TEST(Spearman, WeightsAreCounts) {
  const auto weighted = weighted_spearman_correlation(
      simulated_column("xt"), simulated_column("yt"), simulated_column("weight"));
  EXPECT_NEAR(weighted.estimate, peers().at("expanded.spearman.estimate"), 1e-14);
  EXPECT_NEAR(weighted.p_value, peers().at("expanded.spearman.p"), 1e-14);
}

TEST(Spearman, SeriesBeyondEnumeration) {
  const Eigen::VectorXd x = simulated_column("x").head(20);
  const Eigen::VectorXd y = simulated_column("y").head(20);
  const auto series = spearman_correlation(x, y, {.exact = {.test = ExactTest::yes}});
  EXPECT_EQ(series.p_value_method, PValueMethod::series);
  const double p =
      rank_product_permutation(dense_ranks(x), dense_ranks(y), {.permutations = 20'000}).two_sided;
  EXPECT_NEAR(series.p_value, p, 4 * std::sqrt(p * (1 - p) / 20'000) + 3.5e-5);
}

TEST(Ordinal, AgreesWithScipy) {
  const auto python = oracle::peer_values("peers_python.csv");
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  const auto d = somers_d(x, y);
  EXPECT_NEAR(d.estimate, python.at("somers_d"), 1e-14);
  EXPECT_NEAR(d.p_value, python.at("somers_d.p"), 1e-16);
  EXPECT_NEAR(somers_d(y, x).estimate, python.at("somers_d.other"), 1e-14);
  EXPECT_NEAR(stuart_tau_c(x, y).estimate, python.at("tau_c"), 1e-14);
}

TEST(Ordinal, TauBIsTheGeometricMeanOfBothSomersD) {
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  EXPECT_NEAR(kendall_tau(x, y).estimate,
              std::sqrt(somers_d(x, y).estimate * somers_d(y, x).estimate), 1e-14);
}

TEST(WeightedTau, AgreesWithScipy) {
  const auto python = oracle::peer_values("peers_python.csv");
  const std::vector<std::pair<std::string, WeightedTauRank>> ranks = {
      {"both", WeightedTauRank::both},
      {"x", WeightedTauRank::x},
      {"order", WeightedTauRank::order}};
  for (const std::string data : {"untied", "tied"}) {
    const Eigen::VectorXd x = simulated_column(data == "tied" ? "xt" : "x");
    const Eigen::VectorXd y = simulated_column(data == "tied" ? "yt" : "y");
    for (const auto& [name, rank] : ranks) {
      const std::string prefix = "weighted_tau." + data + "." + name;
      EXPECT_NEAR(weighted_tau(x, y, {.rank = rank}).estimate, python.at(prefix + ".add"), 1e-13)
          << prefix;
      EXPECT_NEAR(
          weighted_tau(x, y, {.rank = rank, .combine = WeightedTauCombine::multiply}).estimate,
          python.at(prefix + ".multiply"), 1e-13)
          << prefix;
    }
  }
}

}  // namespace
}  // namespace rapport
