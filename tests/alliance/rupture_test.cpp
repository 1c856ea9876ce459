#include <rapport/alliance/rupture.hpp>
#include <rapport/alliance/rupture_aftermath.hpp>
#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::ElementsAre;

/// One patient's ratings in successive sessions; "NA" is a session without rating.
RuptureAnalysis found(const std::vector<std::string>& ratings, RuptureOptions options) {
  std::string text = "p,s,a\n";
  for (std::size_t k = 0; k < ratings.size(); ++k)
    text += "P," + std::to_string(k + 1) + "," + ratings[k] + "\n";
  const Table table = parse_csv(text);
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  return find_ruptures(panel, table.numbers("a"), options);
}

std::vector<double> sessions(const std::vector<std::string>& ratings, RuptureRule rule) {
  std::vector<double> at;
  for (const Rupture& rupture : found(ratings, {.rules = {rule}}).ruptures)
    at.push_back(rupture.session);
  return at;
}

// Ten ratings of 60 with one of 40: mean 58, SD √40 = 6.32, mean moving range 40/9 = 4.44.
const std::vector<std::string> one_dip = {"60", "60", "60", "60", "40",
                                          "60", "60", "60", "60", "60"};

TEST(Rupture, EveryRuleFindsAPlantedVShape) {
  for (const RuptureRule rule : {RuptureRule::stiles, RuptureRule::strauss, RuptureRule::gumz,
                                 RuptureRule::control_chart, RuptureRule::reliable_change})
    EXPECT_THAT(sessions(one_dip, rule), ElementsAre(5)) << name_of(rule);
}

TEST(Rupture, ALevelSeriesHasNone) {
  const std::vector<std::string> level = {"60", "61", "60", "61", "60", "61", "60", "61"};
  for (const RuptureRule rule :
       {RuptureRule::stiles, RuptureRule::control_chart, RuptureRule::cusum})
    EXPECT_THAT(sessions(level, rule), ElementsAre()) << name_of(rule);
}

TEST(Rupture, KnowsDepthRepairAndLength) {
  const RuptureAnalysis analysis =
      found({"60", "40", "45", "52", "60"}, {.rules = {RuptureRule::gumz}});
  ASSERT_EQ(analysis.ruptures.size(), 1U);
  const Rupture& rupture = analysis.ruptures[0];
  EXPECT_EQ(rupture.before, 60);
  EXPECT_EQ(rupture.depth, 20);
  EXPECT_TRUE(rupture.repaired);
  EXPECT_EQ(rupture.repair_session, 4) << "52 is the first at or above 60 − 20/2";
  EXPECT_EQ(rupture.length, 2);
}

TEST(Rupture, WithoutRepairItLastsToTheEnd) {
  const RuptureAnalysis analysis =
      found({"60", "60", "40", "40", "40", "40", "40"}, {.rules = {RuptureRule::gumz}});
  ASSERT_EQ(analysis.ruptures.size(), 1U);
  EXPECT_FALSE(analysis.ruptures[0].repaired);
  EXPECT_TRUE(std::isnan(analysis.ruptures[0].repair_session));
  EXPECT_EQ(analysis.ruptures[0].length, 5);
}

TEST(Rupture, TheNextSessionIsTheNextRatedOne) {
  const std::vector<std::string> gap = {"60", "60", "NA", "40", "60", "60", "60", "60"};
  EXPECT_THAT(sessions(gap, RuptureRule::stiles), ElementsAre(4));
}

TEST(Rupture, AFirstSessionIsNone) {
  EXPECT_THAT(sessions({"30", "60", "60", "60", "60", "60"}, RuptureRule::control_chart),
              ElementsAre());
  EXPECT_THAT(sessions({"30", "39", "38"}, RuptureRule::srs_alert), ElementsAre());
}

TEST(Rupture, TheChartsLimitIsTheMeanLess266MovingRanges) {
  // Mean 58, moving ranges 0 … 20, 20 … 0: limit 58 − 2.66 · 40/9 = 46.2.
  std::vector<std::string> shallow = one_dip;
  shallow[4] = "47";  // mean 58.7, mean moving range 26/9, limit 51.0
  EXPECT_THAT(sessions(shallow, RuptureRule::control_chart), ElementsAre(5));
  const std::vector<std::string> restless = {"60", "50", "60", "50", "60", "50", "60", "46"};
  EXPECT_THAT(sessions(restless, RuptureRule::control_chart), ElementsAre())
      << "wide ranges, wide limits";
}

TEST(Rupture, ConcordanceCountsSessions) {
  const RuptureAnalysis analysis =
      found(one_dip, {.rules = {RuptureRule::stiles, RuptureRule::gumz}});
  ASSERT_EQ(analysis.concordance.size(), 1U);
  EXPECT_EQ(analysis.concordance[0].both, 1);
  EXPECT_EQ(analysis.concordance[0].neither, 8);
  EXPECT_EQ(analysis.concordance[0].kappa, 1);
  EXPECT_EQ(analysis.n_sessions, 9);
}

TEST(Rupture, ShiftingAndScalingTheRatingsChangesNothing) {
  std::vector<std::string> moved;
  for (const std::string& rating : one_dip)
    moved.push_back(std::to_string(std::stoi(rating) * 3 - 100));
  for (const RuptureRule rule :
       {RuptureRule::stiles, RuptureRule::strauss, RuptureRule::gumz, RuptureRule::control_chart,
        RuptureRule::cusum, RuptureRule::reliable_change})
    EXPECT_EQ(sessions(moved, rule), sessions(one_dip, rule)) << name_of(rule);
}

TEST(Rupture, AftermathIsTheOutcomeAfterLessTheOutcomeBefore) {
  // Two patients with a repaired and two with an unrepaired fall in session 3; outcomes by hand.
  const std::string repaired[] = {"60", "60", "40", "60", "60"};
  const std::string unrepaired[] = {"60", "60", "40", "40", "40"};
  const std::vector<std::vector<std::string>> outcomes = {{"9", "10", "12", "8", "6"},
                                                          {"9", "10", "12", "7", "5"},
                                                          {"9", "10", "12", "12", "14"},
                                                          {"9", "10", "12", "13", "NA"}};
  std::string text = "p,s,a,y\n";
  for (std::size_t p = 0; p < 4; ++p)
    for (std::size_t s = 0; s < 5; ++s)
      text += "P" + std::to_string(p) + "," + std::to_string(s + 1) + "," +
              (p < 2 ? repaired : unrepaired)[s] + "," + outcomes[p][s] + "\n";
  const Table table = parse_csv(text);
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  const RuptureAnalysis analysis =
      find_ruptures(panel, table.numbers("a"), {.rules = {RuptureRule::gumz}});
  const auto aftermath = rupture_aftermath(rupture_table(panel, analysis, table.numbers("y")));
  ASSERT_EQ(aftermath.size(), 1U);
  EXPECT_EQ(aftermath[0].n_repaired, 2);
  EXPECT_DOUBLE_EQ(aftermath[0].change_repaired, (-3.0 - 4.0) / 2);
  EXPECT_DOUBLE_EQ(aftermath[0].change_unrepaired, 3);
  EXPECT_DOUBLE_EQ(aftermath[0].difference, 6.5);
  // Welch on (3, 3) and (−3, −4): the variance of the first is 0, so df = 1 and the error √(0.5/2).
  EXPECT_DOUBLE_EQ(aftermath[0].standard_error, 0.5);
  EXPECT_NEAR(aftermath[0].p_value, 2 * (0.5 - std::atan(13.0) / std::acos(-1.0)), 1e-12)
      << "t on 1 df is Cauchy";
}

TEST(Rupture, GumzFollowsADeclineOverSeveralSessions) {
  // No step falls by an SD (about 6), but three of them together do.
  const std::vector<std::string> slow = {"60", "61", "56", "51", "46", "60", "61", "60"};
  const RuptureAnalysis analysis =
      found(slow, {.rules = {RuptureRule::gumz, RuptureRule::gumz_strict}});
  ASSERT_EQ(analysis.ruptures.size(), 2U);
  EXPECT_EQ(analysis.ruptures[1].rule, RuptureRule::gumz_strict) << "15 points are more than 2 SD";
  const Rupture& rupture = analysis.ruptures[0];
  EXPECT_EQ(rupture.session, 5) << "the lowest session names it";
  EXPECT_EQ(rupture.before, 61);
  EXPECT_EQ(rupture.depth, 15);
  EXPECT_EQ(rupture.fall, 3);
  EXPECT_EQ(rupture.pattern, RupturePattern::gradual_fall);
  EXPECT_THAT(sessions(slow, RuptureRule::stiles), ElementsAre()) << "no step falls by 2 SD";
}

TEST(Rupture, PatternsSayHowItCameAndWent) {
  const auto pattern = [](const std::vector<std::string>& ratings) {
    const RuptureAnalysis analysis = found(ratings, {.rules = {RuptureRule::gumz}});
    EXPECT_EQ(analysis.ruptures.size(), 1U);
    return analysis.ruptures.at(0).pattern;
  };
  EXPECT_EQ(pattern({"60", "60", "40", "60", "60"}), RupturePattern::v_shape);
  EXPECT_EQ(pattern({"60", "60", "40", "45", "60"}), RupturePattern::gradual_repair);
  EXPECT_EQ(pattern({"60", "60", "50", "40", "60"}), RupturePattern::gradual_fall);
  EXPECT_EQ(pattern({"60", "60", "50", "40", "45", "60"}), RupturePattern::gradual);
  EXPECT_EQ(pattern({"60", "60", "40", "40", "41"}), RupturePattern::no_repair);
}

TEST(Rupture, SrsAlertsByTotalLineAndDrop) {
  const std::vector<std::string> totals = {"39", "37", "36", "35", "39"};
  EXPECT_THAT(sessions(totals, RuptureRule::srs_alert), ElementsAre(4)) << "below 36, not at it";
  RuptureOptions options{.rules = {RuptureRule::srs_alert}};
  options.srs_drop = 2;
  std::vector<double> at;
  for (const Rupture& rupture : found(totals, options).ruptures) at.push_back(rupture.session);
  EXPECT_THAT(at, ElementsAre(2, 4));
  options.srs_drop = 0;
  options.srs_lines = Eigen::MatrixXd::Constant(5, 4, 9.5);
  options.srs_lines(2, 1) = 8.9;
  at.clear();
  for (const Rupture& rupture : found(totals, options).ruptures) at.push_back(rupture.session);
  EXPECT_THAT(at, ElementsAre(3, 4)) << "a line below 9 in session 3";
}

TEST(Rupture, CoursesAreThoseOfPatients) {
  std::string text = "p,s,a\n";
  const std::vector<std::vector<std::string>> patients = {
      {"60", "60", "60", "61"},       // none
      {"60", "40", "60", "60"},       // repaired
      {"60", "60", "40", "40"},       // unrepaired
      {"60", "40", "60", "40", "41"}  // one of each
  };
  for (std::size_t p = 0; p < patients.size(); ++p)
    for (std::size_t s = 0; s < patients[p].size(); ++s)
      text += "P" + std::to_string(p) + "," + std::to_string(s + 1) + "," + patients[p][s] + "\n";
  text += "P9,1,60\n";  // one rating says nothing
  const Table table = parse_csv(text);
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  const RuptureAnalysis analysis =
      find_ruptures(panel, table.numbers("a"), {.rules = {RuptureRule::gumz}});
  const Factor courses = rupture_courses(panel, table.numbers("a"), analysis, RuptureRule::gumz);
  EXPECT_THAT(courses.codes, ElementsAre(0, 1, 2, 2, -1));
  EXPECT_THAT(courses.levels, ElementsAre("none", "repaired", "unrepaired"));
}

TEST(Rupture, NamesAreReadBack) {
  for (const RuptureRule rule :
       {RuptureRule::stiles, RuptureRule::srs_alert, RuptureRule::control_chart})
    EXPECT_EQ(parse_rupture_rule(name_of(rule)), rule);
  EXPECT_EQ(parse_rupture_rule("stile"), std::nullopt);
  EXPECT_THROW((void)found(one_dip, {.reliability = 2}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
