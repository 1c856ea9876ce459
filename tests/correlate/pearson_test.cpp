#include <rapport/base/error.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/pearson.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"
#include <gmock/gmock.h>
#include <limits>

namespace rapport {
namespace {

using oracle::simulated_column;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::map<std::string, double>& peers() {
  static const std::map<std::string, double> values = oracle::peer_values("peers_r.csv");
  return values;
}

TEST(Pearson, AgreesWithR) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  const auto two = pearson_correlation(x, y, {.confidence_level = 0.9});
  EXPECT_NEAR(two.estimate, peers().at("pearson.two.sided.estimate"), 1e-14);
  EXPECT_NEAR(two.statistic, peers().at("pearson.two.sided.statistic"), 1e-12);
  EXPECT_NEAR(two.p_value, peers().at("pearson.two.sided.p"), 1e-18);
  EXPECT_NEAR(two.ci.lower, peers().at("pearson.two.sided.lower"), 1e-13);
  EXPECT_NEAR(two.ci.upper, peers().at("pearson.two.sided.upper"), 1e-13);
  EXPECT_EQ(two.df, 58);
  EXPECT_NEAR(pearson_correlation(x, y, {.alternative = Alternative::less}).p_value,
              peers().at("pearson.less.p"), 1e-13);
  EXPECT_NEAR(pearson_correlation(x, y, {.alternative = Alternative::greater}).p_value,
              peers().at("pearson.greater.p"), 1e-18);
}

TEST(Pearson, OmitsIncompletePairsAndCountsThem) {
  const auto r = pearson_correlation(simulated_column("xm"), simulated_column("ym"));
  EXPECT_NEAR(r.estimate, peers().at("pearson.missing"), 1e-14);
  EXPECT_EQ(r.n_used, 55);
  EXPECT_EQ(r.n_omitted, 5);
  EXPECT_TRUE(std::isnan(pearson_correlation(simulated_column("xm"), simulated_column("ym"),
                                             {.missing = Missing::propagate})
                             .estimate));
  EXPECT_THROW((void)pearson_correlation(simulated_column("xm"), simulated_column("ym"),
                                         {.missing = Missing::reject}),
               InvalidArgument);
}

TEST(Pearson, WeightsAgreeWithCovWt) {
  const auto r = weighted_pearson_correlation(simulated_column("x"), simulated_column("y"),
                                              simulated_column("weight"));
  EXPECT_NEAR(r.estimate, peers().at("weighted.pearson"), 1e-14);
}

TEST(Pearson, PerfectCorrelationsHaveNoDoubt) {
  const Eigen::VectorXd x{{1.1, 2.7, 3.3, 9.1, -4.2}};
  const Eigen::VectorXd down = -3 * x.array() + 0.1;
  const auto r = pearson_correlation(x, down);
  EXPECT_EQ(r.estimate, -1);
  EXPECT_EQ(r.p_value, 0);
  EXPECT_EQ(r.ci.lower, -1);
  EXPECT_EQ(r.ci.upper, -1);
}

TEST(Pearson, IsUndefinedWhereItMustBe) {
  const Eigen::VectorXd constant = Eigen::VectorXd::Constant(5, 0.1);
  const Eigen::VectorXd x{{1, 2, 3, 4, 5}};
  EXPECT_TRUE(std::isnan(pearson_correlation(x, constant).estimate));
  EXPECT_TRUE(std::isnan(pearson_correlation(x, constant).p_value));
  EXPECT_TRUE(std::isnan(pearson_correlation(Eigen::VectorXd(0), Eigen::VectorXd(0)).estimate));
  EXPECT_TRUE(std::isnan(pearson_correlation(x.head(1), x.head(1)).estimate));
  const auto two = pearson_correlation(x.head(2), x.head(2));
  EXPECT_EQ(two.estimate, 1);
  EXPECT_TRUE(std::isnan(two.p_value));
}

TEST(Pearson, RefusesWrongCalls) {
  const Eigen::VectorXd x{{1, 2, 3}};
  EXPECT_THAT([&] { (void)pearson_correlation(x, x.head(2)); },
              ThrowsMessage<InvalidArgument>(HasSubstr("3")));
  const Eigen::VectorXd infinite{{1, std::numeric_limits<double>::infinity(), 3}};
  EXPECT_THAT([&] { (void)pearson_correlation(x, infinite); },
              ThrowsMessage<InvalidArgument>(HasSubstr("y")));
  EXPECT_THROW((void)pearson_correlation(x, x, {.confidence_level = 1}), InvalidArgument);
  EXPECT_THROW((void)pearson_from_summary(1.2, 30), InvalidArgument);
  EXPECT_THROW((void)weighted_pearson_correlation(x, x, Eigen::VectorXd{{1, -1, 1}}),
               InvalidArgument);
}

// The larger p of two one-sided z tests; the interval of level 1 − 2α lies inside the bounds
// exactly when p < α.
TEST(Pearson, EquivalenceAgreesWithItsInterval) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  for (const double bound : {0.5, 0.6, 0.7, 0.8, 0.9}) {
    const auto e = pearson_equivalence(x, y, -bound, bound);
    EXPECT_EQ(e.p_value<0.05, e.ci.lower> - bound && e.ci.upper < bound) << bound;
    EXPECT_NEAR(e.statistic_upper, (std::atanh(e.estimate) - std::atanh(bound)) * std::sqrt(57.0),
                1e-12);
  }
}

TEST(Robust, WinsorizedAgreesWithScipy) {
  const auto r = winsorized_correlation(simulated_column("x"), simulated_column("y"), 0.2);
  EXPECT_NEAR(r.estimate, oracle::peer_values("peers_python.csv").at("winsorized"), 1e-14);
  EXPECT_EQ(r.df, 60 - 24 - 2);
}

TEST(Robust, ResistsWhatMovesPearson) {
  Eigen::VectorXd x = simulated_column("x");
  Eigen::VectorXd y = simulated_column("y");
  const double bent = percentage_bend_correlation(x, y).estimate;
  const double winsorized = winsorized_correlation(x, y).estimate;
  x[0] = 1000;
  y[0] = -1000;
  EXPECT_LT(pearson_correlation(x, y).estimate, -0.9);
  EXPECT_NEAR(percentage_bend_correlation(x, y).estimate, bent, 0.1);
  EXPECT_NEAR(winsorized_correlation(x, y).estimate, winsorized, 0.15);
}

TEST(Robust, PercentageBendAgreesWithTheDefinition) {
  const auto python = oracle::peer_values("peers_python.csv");
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  EXPECT_NEAR(percentage_bend_correlation(x, y, 0.2).estimate, python.at("percentage_bend.0.2"),
              1e-13);
  EXPECT_NEAR(percentage_bend_correlation(x, y, 0.1).estimate, python.at("percentage_bend.0.1"),
              1e-13);
}

TEST(Partial, AgreesWithResidualsOfR) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  const Eigen::MatrixXd z = simulated_column("z");
  const auto both = partial_correlation(x, y, z);
  EXPECT_NEAR(both.estimate, peers().at("partial.both"), 1e-14);
  EXPECT_NEAR(both.p_value, peers().at("partial.p"), 1e-16);
  EXPECT_EQ(both.df, 57);
  EXPECT_NEAR(partial_correlation(x, y, z, {.remove_from = RemoveFrom::y}).estimate,
              peers().at("partial.y"), 1e-14);
  EXPECT_NEAR(partial_correlation(x, y, z, {.remove_from = RemoveFrom::x}).estimate,
              peers().at("partial.x"), 1e-14);
}

TEST(Partial, OfRanksAndOfTauAgreesWithR) {
  const Eigen::VectorXd x = simulated_column("xt");
  const Eigen::VectorXd y = simulated_column("yt");
  const Eigen::MatrixXd z = simulated_column("z");
  EXPECT_NEAR(partial_correlation(x, y, z, {.method = PartialMethod::spearman}).estimate,
              peers().at("partial.spearman"), 1e-13);
  EXPECT_NEAR(partial_correlation(x, y, z, {.method = PartialMethod::kendall}).estimate,
              peers().at("partial.kendall"), 1e-13);
}

TEST(Partial, WithoutCovariatesIsTheCorrelation) {
  const Eigen::VectorXd x = simulated_column("x");
  const Eigen::VectorXd y = simulated_column("y");
  const auto partial = partial_correlation(x, y, Eigen::MatrixXd(60, 0));
  const auto plain = pearson_correlation(x, y);
  EXPECT_NEAR(partial.estimate, plain.estimate, 1e-14);
  EXPECT_NEAR(partial.p_value, plain.p_value, 1e-18);
  EXPECT_NEAR(partial.ci.upper, plain.ci.upper, 1e-14);
}

TEST(Partial, IsUndefinedForCollinearCovariates) {
  const Eigen::VectorXd x = simulated_column("x");
  Eigen::MatrixXd z(60, 2);
  z << simulated_column("z"), 2 * simulated_column("z");
  EXPECT_TRUE(std::isnan(partial_correlation(x, simulated_column("y"), z).estimate));
  EXPECT_TRUE(
      std::isnan(partial_correlation(x, simulated_column("y"), Eigen::MatrixXd(x)).estimate));
}

}  // namespace
}  // namespace rapport
