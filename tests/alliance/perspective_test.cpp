#include <rapport/alliance/agreement.hpp>
#include <rapport/alliance/perspective.hpp>
#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/moments.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

/// R² of the first column by others, by Gram–Schmidt on the centred data: the definition, with no
/// correlation matrix and no factorisation.
double r_squared_of(const Eigen::MatrixXd& data, const std::vector<Index>& predictors) {
  const Eigen::MatrixXd centred = data.rowwise() - data.colwise().mean();
  Eigen::VectorXd rest = centred.col(0);
  std::vector<Eigen::VectorXd> basis;
  for (const Index j : predictors) {
    Eigen::VectorXd x = centred.col(j);
    for (int pass = 0; pass < 2; ++pass)
      for (const Eigen::VectorXd& b : basis) x -= b * b.dot(x);
    basis.emplace_back(x / x.norm());
    rest -= basis.back() * basis.back().dot(rest);
  }
  return 1 - rest.squaredNorm() / centred.col(0).squaredNorm();
}

/// Shares by going through every order of entry.
Eigen::VectorXd shares_by_orders(const Eigen::MatrixXd& data) {
  const Index k = data.cols() - 1;
  std::vector<Index> order(static_cast<std::size_t>(k));
  std::iota(order.begin(), order.end(), Index{1});
  Eigen::VectorXd shares = Eigen::VectorXd::Zero(k);
  double orders = 0;
  do {
    std::vector<Index> entered;
    double before = 0;
    for (const Index j : order) {
      entered.push_back(j);
      const double now = r_squared_of(data, entered);
      shares[j - 1] += now - before;
      before = now;
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  return shares / orders;
}

Eigen::MatrixXd random_data(Seed seed, Index rows, Index predictors) {
  RandomStream random(seed, 0);
  Eigen::MatrixXd data(rows, predictors + 1);
  for (Index i = 0; i < rows; ++i) {
    const double shared = random.normal();
    data(i, 0) = random.normal();
    for (Index j = 1; j <= predictors; ++j) {
      data(i, j) = shared + random.normal();
      data(i, 0) += 0.2 * static_cast<double>(j) * data(i, j);
    }
  }
  return data;
}

TEST(RelativeImportance, IsTheAverageOverEveryOrderOfEntry) {
  for (const Index k : {1, 2, 3, 4, 5}) {
    const Eigen::MatrixXd data = random_data(Seed{static_cast<std::uint64_t>(k)}, 40, k);
    const RelativeImportance found =
        relative_importance(correlation_from_covariance(covariance_matrix(data)));
    EXPECT_TRUE(found.shares.isApprox(shares_by_orders(data), 1e-10)) << k;
    EXPECT_NEAR(found.shares.sum(), found.r_squared, 1e-12) << k;
  }
}

TEST(RelativeImportance, UncorrelatedPredictorsKeepTheirSquaredCorrelations) {
  Eigen::MatrixXd r = Eigen::MatrixXd::Identity(4, 4);
  r(0, 1) = r(1, 0) = 0.5;
  r(0, 2) = r(2, 0) = -0.3;
  r(0, 3) = r(3, 0) = 0.1;
  EXPECT_TRUE(relative_importance(r).shares.isApprox(Eigen::Vector3d(0.25, 0.09, 0.01), 1e-12));
}

TEST(RelativeImportance, RefusesWhatItCannotShareOut) {
  EXPECT_THROW((void)relative_importance(Eigen::MatrixXd::Identity(1, 1)), InvalidArgument);
  EXPECT_THROW((void)relative_importance(Eigen::MatrixXd::Identity(14, 14)), InvalidArgument);
  EXPECT_TRUE(std::isnan(relative_importance(Eigen::MatrixXd::Ones(3, 3)).r_squared));
}

Table ratings_table() {
  const Eigen::MatrixXd data = random_data(Seed{9}, 60, 3);
  Table table;
  table.add("y", Eigen::VectorXd(data.col(0)));
  table.add("a", Eigen::VectorXd(data.col(1)));
  table.add("b", Eigen::VectorXd(data.col(2)));
  Eigen::VectorXd c = data.col(3);
  c[0] = std::nan("");
  table.add("c", c);
  return table;
}

TEST(RatingComparison, HasEveryRaterAndEveryPairOnTheSamePatients) {
  const std::vector<StudyRater> raters = {{"client", "a"}, {"therapist", "b"}, {"partner", "c"}};
  const RatingComparison found =
      compare_ratings(ratings_table(), "y", raters, {"a", "b", "c"}, Seed{1}, {.replicates = 200});
  EXPECT_EQ(found.n_used, 59);
  ASSERT_EQ(found.ratings.size(), 3U);
  ASSERT_EQ(found.differences.size(), 3U);
  double total = 0;
  for (const RatingShare& rating : found.ratings) {
    total += rating.share.estimate;
    EXPECT_LT(rating.share.ci.lower, rating.share.estimate);
    EXPECT_GT(rating.share.ci.upper, rating.share.estimate);
  }
  EXPECT_NEAR(total, found.r_squared, 1e-12);
  for (const RatingDifference& d : found.differences) EXPECT_EQ(d.correlations.n_used, 59);
  EXPECT_NEAR(found.differences[0].correlations.difference,
              found.ratings[0].correlation - found.ratings[1].correlation, 1e-12);
}

TEST(RatingComparison, RefusesTooFewPatients) {
  EXPECT_THROW((void)compare_ratings(ratings_table().select({1, 2, 3, 4, 5}), "y",
                                     {{"client", "a"}, {"therapist", "b"}, {"partner", "c"}},
                                     {"a", "b", "c"}, Seed{1}),
               DataError);
}

TEST(PairAgreement, BiasAndAccuracyBySessionAreTheirDefinitions) {
  const Table table = parse_csv(
      "p,s,a,b\n1,1,5,4\n2,1,7,4\n3,1,6,6\n4,1,9,NA\n1,2,5,5\n2,2,6,8\n3,2,8,8\n4,2,3,3\n");
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  const PairAgreement found = pair_agreement(table, panel, {.name = "client", .column = "a"},
                                             {.name = "therapist", .column = "b"});
  ASSERT_EQ(found.by_session.size(), 2U);
  EXPECT_EQ(found.by_session[0].n, 3);
  EXPECT_NEAR(found.by_session[0].difference, 4.0 / 3, 1e-12);
  EXPECT_NEAR(found.by_session[0].sd_difference, std::sqrt(7.0 / 3), 1e-12);
  EXPECT_EQ(found.by_session[1].n, 4);
  ASSERT_TRUE(found.means && found.convergence);
  EXPECT_EQ(found.means->bland_altman.n_used, 4);
  EXPECT_EQ(found.convergence->n_used, 7);
}

TEST(PairAgreement, OneSessionAPatientHasNoMeansAndNoConvergence) {
  const Table table = parse_csv("p,s,a,b\n1,1,5,4\n2,1,7,4\n3,1,6,6\n4,1,9,7\n");
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  const PairAgreement found = pair_agreement(table, panel, {.name = "client", .column = "a"},
                                             {.name = "partner", .column = "b"});
  EXPECT_FALSE(found.means || found.convergence);
  EXPECT_EQ(found.sessions.bland_altman.n_used, 4);
}

TEST(RaterGroup, CountsSplitSessions) {
  const Table table = parse_csv("a,b,c\n1,1,1\n2,2,9\n3,3,3\n4,5,4\n6,NA,6\n7,7,7\n5,NA,NA\n");
  const RaterGroupAgreement found =
      group_agreement(table, {{"client", "a"}, {"therapist", "b"}, {"interpreter", "c"}});
  EXPECT_EQ(found.n_compared, 6);
  EXPECT_EQ(found.n_split, 1) << "2, 2, 9 lie more than an SD of all ratings apart";
  EXPECT_EQ(found.icc.raters, 3);
}

}  // namespace
}  // namespace rapport
