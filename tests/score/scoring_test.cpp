#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/scoring.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <rapidcheck.h>

namespace rapport {
namespace {

Eigen::MatrixXd random_answers(const Instrument& key, Index n, double share_missing,
                               std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 0);
  Eigen::MatrixXd answers(n, key.items);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < key.items; ++j) {
      const double value =
          key.lower +
          static_cast<double>(stream.below(static_cast<Index>(key.upper - key.lower) + 1));
      answers(i, j) = stream.uniform() < share_missing ? missing : value;
    }
  return answers;
}

/// The rule as a sentence: reverse what is answered, add, and treat the missing as told.
double by_definition(const Instrument& key, const Score& score, const Eigen::RowVectorXd& answers,
                     MissingItems rule, int limit) {
  double sum = 0;
  double answered = 0;
  for (const int item : score.items) {
    const double x = answers[item - 1];
    if (is_missing(x)) continue;
    const bool reversed = std::count(key.reversed.begin(), key.reversed.end(), item) > 0;
    sum += reversed ? key.lower + key.upper - x : x;
    answered += 1;
  }
  const auto k = static_cast<double>(score.items.size());
  if (answered == 0 || k - answered > limit) return missing;
  if (score.rule == ScoreRule::mean) return score.multiplier * sum / answered;
  return score.multiplier * (rule == MissingItems::prorate ? sum * k / answered : sum);
}

void expect_same(double found, double wanted) {
  if (is_missing(wanted)) {
    EXPECT_TRUE(is_missing(found));
  } else {
    EXPECT_NEAR(found, wanted, 1e-9);
  }
}

/// Sizes on both sides of the block that the loop runs over, and every missing rule.
TEST(ScoreScale, MatchesItsDefinition) {
  for (const char* name : {"wai-36", "wai-s", "core-om", "perma", "shs"}) {
    const Instrument key = find_instrument(name);
    for (const Index n : {1, 511, 512, 513, 1025}) {
      const Eigen::MatrixXd answers = random_answers(key, n, 0.05, 7);
      for (const MissingItems rule :
           {MissingItems::strict, MissingItems::prorate, MissingItems::available}) {
        const ScoringOptions options{.missing = rule, .max_missing = 0.25};
        const ScaleScores scores = score_scale(key, answers, options);
        for (Index i = 0; i < n; ++i) {
          expect_same(scores.total[i], by_definition(key, key.total, answers.row(i), rule,
                                                     missing_limit(key, key.total, options)));
          for (std::size_t s = 0; s < key.subscales.size(); ++s)
            expect_same(scores.subscales(i, static_cast<Index>(s)),
                        by_definition(key, key.subscales[s], answers.row(i), rule,
                                      missing_limit(key, key.subscales[s], options)));
          EXPECT_EQ(scores.missing[i], answers.row(i).array().isNaN().count());
        }
      }
    }
  }
}

TEST(ScoreScale, TurningTheItemsAndTheKeyChangesNothing) {
  rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
    const Instrument key = find_instrument("wai-36");
    Instrument forward = key;
    forward.reversed.clear();
    const Eigen::MatrixXd answers = random_answers(key, 20, 0.03, seed);
    const Eigen::VectorXd turned = score_scale(forward, keyed_responses(key, answers)).total;
    const Eigen::VectorXd total = score_scale(key, answers).total;
    for (Index i = 0; i < total.size(); ++i)
      RC_ASSERT((is_missing(total[i]) && is_missing(turned[i])) ||
                std::abs(total[i] - turned[i]) < 1e-9);
  });
}

TEST(ScoreScale, SwappingTheRangesEndsMirrorsTheScore) {
  rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
    const Instrument key = find_instrument("haq-ii");
    const Eigen::MatrixXd answers = random_answers(key, 10, 0, seed);
    const Eigen::MatrixXd mirrored = (key.lower + key.upper - answers.array()).matrix();
    const Eigen::VectorXd sum = score_scale(key, answers).total + score_scale(key, mirrored).total;
    for (const double value : sum) RC_ASSERT(std::abs(value - 19 * 7) < 1e-9);
  });
}

/// The spreadsheet's fault: a blank is no 0, forward or reversed.
TEST(ScoreScale, ABlankIsNeverReversed) {
  const Instrument key = make_scale(3, {.reversed = {2},
                                        .lower = 1,
                                        .upper = 7,
                                        .rule = ScoreRule::sum,
                                        .missing = MissingItems::available});
  Eigen::MatrixXd answers(3, 3);
  answers << 5, missing, 3, missing, 2, 3, missing, missing, missing;
  const ScaleScores scores = score_scale(key, answers);
  EXPECT_DOUBLE_EQ(scores.total[0], 8);
  EXPECT_DOUBLE_EQ(scores.total[1], 9);
  EXPECT_TRUE(is_missing(scores.total[2]));
  EXPECT_EQ(scores.n_used, 2);
  EXPECT_EQ(scores.n_omitted, 1);
  EXPECT_EQ(scores.total_answered[0], 2);
}

TEST(ScoreScale, MissingLimitsAsStated) {
  const Instrument key = make_scale(5, {.lower = 1, .upper = 6});
  EXPECT_EQ(missing_limit(key, key.total), 0);
  EXPECT_EQ(missing_limit(key, key.total, {.missing = MissingItems::prorate}), 4);
  EXPECT_EQ(missing_limit(key, key.total, {.missing = MissingItems::prorate, .max_missing = 0.5}),
            2);
  EXPECT_EQ(missing_limit(key, key.total, {.missing = MissingItems::prorate, .max_missing = 0.4}),
            2);
  EXPECT_EQ(missing_limit(key, key.total, {.missing = MissingItems::strict, .max_missing = 0.5}),
            0);
  const Instrument wai = find_instrument("wai-36");
  EXPECT_EQ(missing_limit(wai, wai.total), 7);
}

TEST(ScoreScale, RefusesWhatTheKeyDoesNotAllow) {
  const Instrument audit = find_instrument("audit");
  Eigen::MatrixXd answers = Eigen::MatrixXd::Zero(2, 10);
  answers(1, 8) = 1;  // items 9 and 10 take 0, 2, 4
  EXPECT_THROW((void)score_scale(audit, answers), DataError);
  answers(1, 8) = 2;
  EXPECT_DOUBLE_EQ(score_scale(audit, answers).total[1], 2);
  answers(0, 0) = 5;
  EXPECT_THROW((void)score_scale(audit, answers), DataError);
  answers(0, 0) = missing;
  EXPECT_THROW((void)score_scale(audit, answers, {.missing = MissingItems::fail}), DataError);
  EXPECT_THROW((void)score_scale(audit, answers.leftCols(9)), InvalidArgument);
  EXPECT_THROW((void)score_scale(audit, answers, {.max_missing = 1.5}), InvalidArgument);
}

TEST(Norms, TScoresAndPercentiles) {
  const Eigen::Vector3d values(60, 50, missing);
  const Eigen::VectorXd t = t_scores(values, {.mean = 50, .sd = 5});
  EXPECT_DOUBLE_EQ(t[0], 70);
  EXPECT_TRUE(is_missing(t[2]));
  EXPECT_NEAR(normal_percentiles(values, {.mean = 50, .sd = 10})[0], 84.1344746068543,
              1e-9);  // 100 Φ(1), tabulated
  const Eigen::VectorXd ranks = percentile_ranks(values, Eigen::Vector4d(40, 50, 50, 70));
  EXPECT_DOUBLE_EQ(ranks[0], 75);
  EXPECT_DOUBLE_EQ(ranks[1], 50);
  EXPECT_THROW((void)t_scores(values, {.mean = 0, .sd = 0}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
