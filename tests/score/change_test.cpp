#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/change.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// Before: mean 30, SD 10 (n − 1); after as given. Reliability .84, so SEM = 4, S_diff = 4√2.
const Eigen::VectorXd before = (Eigen::VectorXd(5) << 20, 20, 30, 40, 40).finished();
const Eigen::VectorXd after = (Eigen::VectorXd(5) << 30, 19, 10, 22, 52).finished();

TEST(ReliableChange, JacobsonTruaxByHand) {
  const ChangeResult result =
      reliable_change(before, after, 0.84, Direction::worse, {.normal_mean = 12, .normal_sd = 5});
  EXPECT_NEAR(result.standard_error_of_measurement, 4, 1e-12);
  EXPECT_NEAR(result.standard_error_difference, 4 * std::sqrt(2), 1e-12);
  EXPECT_NEAR(result.reliable_change_threshold, 1.96 * 4 * std::sqrt(2), 1e-12);
  EXPECT_NEAR(result.cutoff.a, 10, 1e-12);
  EXPECT_NEAR(result.cutoff.b, 22, 1e-12);
  EXPECT_NEAR(result.cutoff.c, (10.0 * 12 + 5.0 * 30) / 15, 1e-12);  // 18
  EXPECT_NEAR(result.persons[2].index, -20 / (4 * std::sqrt(2)), 1e-12);
  EXPECT_EQ(result.persons[0].classified, ChangeClass::unchanged);  // 10 up is within 11.09
  EXPECT_EQ(result.persons[1].classified, ChangeClass::unchanged);
  EXPECT_EQ(result.persons[2].classified, ChangeClass::recovered);
  EXPECT_EQ(result.persons[3].classified, ChangeClass::improved);  // 22 is not below 18
  EXPECT_EQ(result.persons[4].classified, ChangeClass::deteriorated);
  EXPECT_EQ(result.counts.recovered + result.counts.improved + result.counts.unchanged +
                result.counts.deteriorated,
            5);
}

TEST(ReliableChange, TheOtherIndicesByTheirFormulas) {
  const double r = 0.84;
  const double mean_pre = 30;
  const double mean_post = after.mean();
  const double s = 10;
  const auto index = [&](ChangeMethod method) {
    return reliable_change(before, after, r, Direction::worse,
                           {.method = method, .reliability_post = 0.9})
        .persons[3]
        .index;
  };
  const double gain = 22 - mean_pre - r * (40 - mean_pre);
  EXPECT_NEAR(index(ChangeMethod::gulliksen_lord_novick), gain / (s * std::sqrt(1 - r * r)), 1e-12);
  EXPECT_NEAR(index(ChangeMethod::hsu_linn_lord),
              (gain + mean_pre - mean_post) / (s * std::sqrt(1 - r * r)), 1e-12);
  EXPECT_NEAR(index(ChangeMethod::edwards_nunnally), gain / (s * std::sqrt(1 - r)), 1e-12);
  EXPECT_NEAR(index(ChangeMethod::nunnally_kotsch),
              gain / std::sqrt(r * r * 100 * (1 - r) + 100 * 0.1), 1e-12);
}

/// Hageman & Arrindell: with perfectly reliable differences it would be Jacobson & Truax; less
/// reliable ones are pulled to the group's change.
TEST(ReliableChange, HagemanArrindellByItsFormula) {
  const Eigen::VectorXd post = (Eigen::VectorXd(5) << 2, 31, 5, 14, 38).finished();
  const double covariance = ((before.array() - 30) * (post.array() - post.mean())).sum() / 4;
  const double v_post = (post.array() - post.mean()).square().sum() / 4;
  const double r_dd = (100 * 0.9 + v_post * 0.9 - 2 * covariance) / (100 + v_post - 2 * covariance);
  ASSERT_GT(r_dd, 0);
  const ChangeResult result = reliable_change(before, post, 0.9, Direction::worse,
                                              {.method = ChangeMethod::hageman_arrindell});
  const double expected = ((post[2] - 30) * r_dd + (post.mean() - 30) * (1 - r_dd)) /
                          (std::sqrt(r_dd) * 10 * std::sqrt(2 * 0.1));
  EXPECT_NEAR(result.persons[2].index, expected, 1e-10);
  EXPECT_DOUBLE_EQ(result.critical, 1.65);
  EXPECT_TRUE(is_missing(result.reliable_change_threshold));
}

TEST(ReliableChange, MirrorsWithTheDirection) {
  const ChangeOptions normal{.normal_mean = 12, .normal_sd = 5};
  const ChangeResult worse = reliable_change(before, after, 0.84, Direction::worse, normal);
  const ChangeResult better = reliable_change(-before, -after, 0.84, Direction::better,
                                              {.normal_mean = -12, .normal_sd = 5});
  EXPECT_NEAR(better.cutoff.a, -worse.cutoff.a, 1e-12);
  EXPECT_NEAR(better.cutoff.b, -worse.cutoff.b, 1e-12);
  EXPECT_NEAR(better.cutoff.c, -worse.cutoff.c, 1e-12);
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_EQ(better.persons[i].classified, worse.persons[i].classified);
}

TEST(ReliableChange, WithoutANormalGroupNobodyRecovers) {
  const ChangeResult result = reliable_change(before, after, 0.84, Direction::worse);
  EXPECT_TRUE(is_missing(result.cutoff.used));
  EXPECT_EQ(result.counts.recovered, 0);
  EXPECT_EQ(result.counts.improved, 2);
}

TEST(ReliableChange, OmitsAndRefuses) {
  Eigen::VectorXd gap = after;
  gap[1] = missing;
  const ChangeResult result = reliable_change(before, gap, 0.84, Direction::worse);
  EXPECT_EQ(result.n_used, 4);
  EXPECT_EQ(result.n_omitted, 1);
  EXPECT_EQ(result.rows[1], 2);
  EXPECT_THROW((void)reliable_change(before, after, 1, Direction::worse), InvalidArgument);
  EXPECT_THROW((void)reliable_change(before, after, 0.8, Direction::worse,
                                     {.method = ChangeMethod::nunnally_kotsch}),
               InvalidArgument);
  EXPECT_THROW(
      (void)reliable_change(before, after, 0.8, Direction::worse, {.cutoff = CutoffKind::b}),
      InvalidArgument);
  EXPECT_THROW((void)reliable_change(Eigen::VectorXd::Ones(5), after, 0.8, Direction::worse),
               DataError);
  EXPECT_THROW((void)reliable_change(before.head(1), after.head(1), 0.8, Direction::worse),
               DataError);
}

/// R 4.2.2: predict(lm(after ~ before), interval = "prediction", level = 0.9).
TEST(ExpectedChange, EqualsThePredictionIntervalOfR) {
  const ExpectedChange band = expected_change(before, after, 0.9);
  EXPECT_NEAR(band.intercept, 7.85, 1e-12);
  EXPECT_NEAR(band.slope, 0.625, 1e-12);
  EXPECT_NEAR(band.residual_sd, 16.8814493848524, 1e-12);
  EXPECT_NEAR(band.lower[0], -27.4890705655971, 1e-9);
  EXPECT_NEAR(band.upper[0], 68.1890705655971, 1e-9);
  EXPECT_NEAR(band.lower[2], -16.9200469628947, 1e-9);
  EXPECT_NEAR(band.upper[4], 80.6890705655971, 1e-9);
  // half of a 90 % band is 2.353 standard errors on 3 df (tables of t)
  EXPECT_NEAR(band.discrepancy[2], (10 - 26.6) / ((70.1200469628947 - 26.6) / 2.353363), 1e-6);
  EXPECT_THROW((void)expected_change(before.head(2), after.head(2)), DataError);
}

TEST(PairScores, FirstAndLastOrNamedOccasions) {
  const Factor person = make_factor((Eigen::VectorXd(6) << 10, 9, 10, 9, 10, 8).finished());
  const Factor occasion = make_factor((Eigen::VectorXd(6) << 2, 1, 1, 3, 10, 1).finished());
  const Eigen::VectorXd score = (Eigen::VectorXd(6) << 5, 4, 7, missing, 1, 3).finished();
  const ScorePairs ends = pair_scores(person, occasion, score);
  EXPECT_EQ(ends.persons, (std::vector<std::string>{"8", "9", "10"}));
  EXPECT_TRUE(is_missing(ends.pre[0]));  // a single score is no pair
  EXPECT_TRUE(is_missing(ends.pre[1]));
  EXPECT_DOUBLE_EQ(ends.pre[2], 7);
  EXPECT_DOUBLE_EQ(ends.post[2], 1);  // occasion 10 comes after 2
  const ScorePairs named = pair_scores(person, occasion, score, "1", "2");
  EXPECT_DOUBLE_EQ(named.post[2], 5);
  EXPECT_DOUBLE_EQ(named.pre[0], 3);
  EXPECT_THROW((void)pair_scores(person, occasion, score, "1", "7"), DataError);
  EXPECT_THROW((void)pair_scores(person, person, score), DataError);
}

}  // namespace
}  // namespace rapport
