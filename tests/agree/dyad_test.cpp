#include <rapport/agree/dyad.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"

namespace rapport {
namespace {

using agree_data::number;
using agree_data::reference;

// lavaan 0.6-14: free and equal effects, k by the delta method.
TEST(ActorPartner, MatchesLavaan) {
  const Table t = agree_data::table("pairs.csv");
  const ActorPartnerResult r =
      actor_partner_model(t.numbers("y1"), t.numbers("y2"), t.numbers("x1"), t.numbers("x2"));
  const Json& sem = reference("actor_partner");
  const auto matches = [&](const Parameter& p, const char* key) {
    EXPECT_NEAR(p.estimate, number(sem.at(key), 0), 1e-6) << key;
    EXPECT_NEAR(p.standard_error, number(sem.at(key), 1), 1e-6) << key;
  };
  matches(r.first.actor, "a1");
  matches(r.first.partner, "p1");
  matches(r.second.actor, "a2");
  matches(r.second.partner, "p2");
  matches(r.first.k, "k1");
  matches(r.second.k, "k2");
  EXPECT_NEAR(r.residual_covariance, sem.at("covariance").number(), 1e-6);
  EXPECT_NEAR(r.equality_statistic, sem.at("chisq").number(), 1e-5);
  EXPECT_DOUBLE_EQ(r.equality_df, sem.at("df").number());
}

TEST(ActorPartner, BootstrapDoesNotDependOnThreads) {
  const Table t = agree_data::table("pairs.csv");
  const auto run = [&](int threads) {
    return actor_partner_model(t.numbers("y1"), t.numbers("y2"), t.numbers("x1"), t.numbers("x2"),
                               Seed{3}, {.bootstrap = 200, .threads = threads});
  };
  const ActorPartnerResult one = run(1);
  const ActorPartnerResult four = run(4);
  EXPECT_EQ(one.first.k.ci.lower, four.first.k.ci.lower);
  EXPECT_LT(one.first.k.ci.lower, one.first.k.estimate);
  EXPECT_GT(one.first.k.ci.upper, one.first.k.estimate);
}

TEST(ActorPartner, Refusals) {
  const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(6, 0, 5);
  EXPECT_THROW((void)actor_partner_model(x, x, x, 2 * x), DataError);
  EXPECT_THROW((void)actor_partner_model(x, x, x.head(3), x), InvalidArgument);
}

TEST(OneWithMany, BalancedByHand) {
  // Two therapists with two clients: clients' ratings (1, 3), (7, 9); therapists' (2, 4), (6, 8).
  const OneWithManyResult r =
      one_with_many(Eigen::VectorXd{{1, 3, 7, 9}}, Eigen::VectorXd{{2, 4, 6, 8}}, {0, 0, 1, 1});
  // within mean squares 2 and 2, cross 2; between 36, 16 and 24; k = 2
  EXPECT_NEAR(r.partner_uniqueness, 2, 1e-14);
  EXPECT_NEAR(r.consensus, 17, 1e-13);
  EXPECT_NEAR(r.assimilation, 7, 1e-13);
  EXPECT_NEAR(r.generalized_reciprocity, 11, 1e-13);
  EXPECT_NEAR(r.dyadic_reciprocity, 2, 1e-14);
  EXPECT_NEAR(r.dyadic_correlation, 1, 1e-14);
  EXPECT_DOUBLE_EQ(r.k, 2);
  EXPECT_EQ(r.focal_persons, 2);
  EXPECT_THROW((void)one_with_many(Eigen::VectorXd{{1, 3}}, Eigen::VectorXd{{1, 3}}, {0, 1}),
               DataError);
}

TEST(Convergence, FindsAShrinkingDiscrepancy) {
  RandomStream stream(Seed{12}, 0);
  const Index n = 40 * 8;
  Eigen::VectorXd x(n);
  Eigen::VectorXd y(n);
  Eigen::VectorXd session(n);
  std::vector<std::int32_t> dyad;
  for (Index i = 0; i < n; ++i) {
    session[i] = static_cast<double>(i % 8);
    dyad.push_back(static_cast<std::int32_t>(i / 8));
    x[i] = 5 + stream.normal();
    y[i] = x[i] + (i % 2 == 0 ? 1 : -1) * (2 - 0.2 * session[i]) + 0.05 * stream.normal();
  }
  const ConvergenceResult r = dyadic_convergence(x, y, session, dyad);
  EXPECT_NEAR(r.discrepancy_at_start.estimate, 2, 0.05);
  EXPECT_NEAR(r.discrepancy_slope.estimate, -0.2, 0.01);
  EXPECT_LT(r.discrepancy_slope.p_value, 1e-6);
  EXPECT_EQ(r.dyads, 40);
  EXPECT_THROW((void)dyadic_convergence(x.head(2), y.head(2), session.head(2), {0, 1}), DataError);
}

TEST(SplitAlliance, PerFamily) {
  const std::vector<SplitAlliance> r =
      split_alliance(Eigen::MatrixXd{{1, 5, missing}, {4, 4, 4}, {missing, 2, missing}}, 3);
  EXPECT_TRUE(r[0].split);
  EXPECT_NEAR(r[0].sd, std::sqrt(8.0), 1e-14);
  EXPECT_FALSE(r[1].split);
  EXPECT_EQ(r[2].members, 1);
  EXPECT_FALSE(r[2].split);
}

}  // namespace
}  // namespace rapport
