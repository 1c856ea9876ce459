#include <rapport/base/missing.hpp>
#include <rapport/report/score.hpp>
#include <rapport/score/catalogue.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace rapport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> members(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.members()) names.push_back(name);
  return names;
}

Eigen::MatrixXd answers() {
  Eigen::MatrixXd x(6, 4);
  x << 1, 2, 1, 7, 3, 3, 4, 5, 5, 4, 5, 3, 6, 7, 6, 2, 7, 6, 7, 1, 4, 4, missing, 4;
  return x;
}

TEST(ScoreJson, RowsAndSummaryAreThoseOfTheContract) {
  const Instrument shs = find_instrument("shs");
  const ScaleScores scores = score_scale(shs, answers());
  const Json json = report::to_json(
      shs, scores, {.id_names = {"who"}, .ids = {6, {Json("x")}}, .norms = Norms{4, 1}});
  EXPECT_THAT(members(json), ElementsAre("instrument", "key", "rows", "summary"));
  const Json& row = json.at("rows").items()[0];
  EXPECT_THAT(members(row),
              ElementsAre("id", "total", "subscales", "missing", "band", "t_score", "percentile"));
  EXPECT_EQ(row.at("id").at("who").string(), "x");
  EXPECT_DOUBLE_EQ(row.at("total").number(), 1.25);  // 1, 2, 1 and 8 − 7
  EXPECT_DOUBLE_EQ(row.at("t_score").number(), 22.5);
  EXPECT_THAT(members(json.at("summary").at("total")),
              ElementsAre("n", "mean", "sd", "min", "max"));
  EXPECT_EQ(json.at("summary").at("total").at("n").number(), 5);
}

TEST(ScoreJson, FindingsNameItemsRowsFromOneAndIds) {
  Eigen::MatrixXd x = answers();
  x(2, 1) = 9;
  const std::vector<Finding> findings =
      screen_responses(find_instrument("shs"), x, {.item_names = {"a", "b", "c", "d"}});
  const Json json =
      report::to_json(findings, {"a", "b", "c", "d"}, {"p1", "p2", "p3", "p4", "p5", "p6"}, 6);
  EXPECT_FALSE(json.at("clean").boolean());
  const Json& first = json.at("findings").items()[0];
  EXPECT_THAT(members(first),
              ElementsAre("kind", "severity", "items", "rows", "ids", "columns", "message"));
  EXPECT_EQ(first.at("kind").string(), "out_of_range");
  EXPECT_EQ(first.at("severity").string(), "error");
  EXPECT_EQ(first.at("items").items()[0].string(), "b");
  EXPECT_EQ(first.at("rows").items()[0].number(), 3);
  EXPECT_EQ(first.at("ids").items()[0].string(), "p3");
  EXPECT_THAT(report::one_line(findings[0]), HasSubstr("b holds 9 in row 3, outside 1..7"));
  EXPECT_TRUE(report::to_json(std::vector<Finding>{}, {}, {}, 6).at("clean").boolean());
}

TEST(ScoreJson, ReliabilityMembersAreThoseOfTheContract) {
  const Eigen::MatrixXd keyed = keyed_responses(find_instrument("shs"), answers());
  const Json json =
      report::to_json(reliability(keyed), {"a", "b", "c", "d"}, {false, false, false, true});
  for (const char* name : {"items", "n", "alpha", "alpha_standardized", "guttman", "split_half",
                           "mean_inter_item_r", "sem", "item_statistics"})
    EXPECT_NE(json.find(name), nullptr) << name;
  EXPECT_THAT(members(json.at("alpha")),
              ElementsAre("estimate", "standard_error", "ci_lower", "ci_upper", "method"));
  EXPECT_THAT(members(json.at("guttman")),
              ElementsAre("lambda1", "lambda2", "lambda3", "lambda4", "lambda5", "lambda6"));
  EXPECT_THAT(members(json.at("item_statistics").items()[3]),
              ElementsAre("item", "n", "mean", "sd", "r_total", "r_corrected", "r_drop",
                          "alpha_if_dropped", "reversed"));
  EXPECT_TRUE(json.at("item_statistics").items()[3].at("reversed").boolean());
}

TEST(ScoreJson, ChangeLeavesOutWhatTheMethodDoesNotDefine) {
  const Eigen::Vector3d pre(20, 30, 40);
  const Eigen::Vector3d post(10, 29, 45);
  const std::vector<std::string> persons{"a", "b", "c"};
  const Json json = report::to_json(reliable_change(pre, post, 0.8, Direction::worse), persons);
  EXPECT_NE(json.find("reliable_change_threshold"), nullptr);
  EXPECT_THAT(members(json.at("persons").items()[0]),
              ElementsAre("person", "pre", "post", "change", "rci", "class"));
  EXPECT_THAT(members(json.at("counts")),
              ElementsAre("recovered", "improved", "unchanged", "deteriorated"));
  const Json other = report::to_json(
      reliable_change(pre, post, 0.8, Direction::worse, {.method = ChangeMethod::hsu_linn_lord}),
      persons);
  EXPECT_EQ(other.find("reliable_change_threshold"), nullptr);
}

TEST(ScoreJson, SuddenGainsNameSessionsAndIntervals) {
  Eigen::MatrixXd scores(1, 6);
  scores << 30, 31, 29, 18, 17, 19;
  const Json json =
      report::to_json(sudden_gains(scores, 7), {"p"}, {"s1", "s2", "s3", "s4", "s5", "s6"});
  const Json& event = json.at("events").items()[0];
  EXPECT_THAT(members(event), ElementsAre("id", "from", "to", "pre", "post", "magnitude",
                                          "change_proportion", "reversal_value", "reversal"));
  EXPECT_EQ(event.at("from").string(), "s3");
  EXPECT_EQ(event.at("to").string(), "s4");
  EXPECT_EQ(json.at("intervals").items()[1].at("interval").string(), "3to4");
  EXPECT_EQ(json.at("intervals").items()[1].at("gains").number(), 1);
}

}  // namespace
}  // namespace rapport
