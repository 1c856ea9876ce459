#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

const std::string folder = RAPPORT_TEST_DATA "/score/";
const std::string panel = RAPPORT_TEST_DATA "/../../examples/data/simulated_wai_s.csv";

ProgramRun json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  return run_program(arguments);
}

void expect_refusal(const std::vector<std::string>& arguments, int status,
                    const std::string& names) {
  const ProgramRun run = run_program(arguments);
  EXPECT_EQ(run.status, status) << run.err;
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr(names));
}

TEST(ScoreCommands, AnswerOnAPanelOfSessions) {
  const ProgramRun score =
      json({"score", "--instrument", "wai-s", "--id", "patient,session", panel});
  ASSERT_EQ(score.status, 0) << score.err;
  EXPECT_EQ(score.result().at("rows").items().size(), 160U);
  EXPECT_EQ(score.result().at("rows").items()[5].at("id").at("session").number(), 2);
  const ProgramRun reliability = json({"reliability", panel, "--instrument", "wai-s", "--person",
                                       "patient", "--occasion", "session", "--by", "session"});
  ASSERT_EQ(reliability.status, 0) << reliability.err;
  for (const char* name :
       {"RkF", "R1F", "R1R", "RkR", "Rc", "RkRn", "Rcn", "omega_within", "omega_between"})
    EXPECT_GT(reliability.result().at("multilevel").at(name).number(), 0) << name;
  EXPECT_EQ(reliability.result().at("by").at("groups").items().size(), 4U);
  const ProgramRun retest = json({"reliability", panel, "--instrument", "wai-s", "--person",
                                  "patient", "--occasion", "session", "--retest", "1,2"});
  ASSERT_EQ(retest.status, 0) << retest.err;
  // 27 persons answered every item on both occasions; r of their sums by hand (Python's statistics)
  EXPECT_EQ(retest.result().at("test_retest").at("n").number(), 27);
  EXPECT_NEAR(retest.result().at("test_retest").at("r").number(), 0.6562496109005116, 1e-13);
  const ProgramRun change =
      json({"change", panel, "--person", "patient", "--occasion", "session", "--score", "bdi",
            "--reliability", "0.9", "--instrument", "bdi-ii"});
  ASSERT_EQ(change.status, 0) << change.err;
  EXPECT_EQ(change.result().at("persons").items().size(), 40U);
  EXPECT_EQ(json({"sudden-gains", panel, "--id", "patient", "--occasion", "session", "--score",
                  "bdi", "--cutoff", "7"})
                .status,
            0);
  EXPECT_EQ(json({"screen", panel, "--instrument", "wai-s"}).status, 0);
}

TEST(ScoreCommands, TakeAKeyOfOnesOwn) {
  const TemporaryFile key(
      "own_key.json",
      R"({"name": "own", "citation": "us", "items": 3, "range": [1, 5], "reversed": [2], "score": "mean"})");
  const TemporaryFile data("own_key.csv", "own_1,own_2,own_3\n1,5,1\n5,1,5\n");
  const ProgramRun run = json({"score", data.path(), "--key", key.path()});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.result().at("rows").items()[0].at("total").number(), 1);
  EXPECT_EQ(run.result().at("rows").items()[1].at("total").number(), 5);
  const ProgramRun shown = json({"instruments", "--key", key.path()});
  EXPECT_EQ(shown.result().at("instruments").items()[0].at("reversed").items()[0].number(), 2);
  const TemporaryFile bad(
      "bad_key.json",
      R"({"name": "own", "citation": "us", "items": 3, "range": [1, 5], "reversed": [4]})");
  expect_refusal({"instruments", "--key", bad.path()}, 1, "bad_key.json: reversed[0] is 4");
}

TEST(ScoreCommands, RefusalsSayWhatAndWhere) {
  const TemporaryFile data("scores.csv", "a,b,c\n1,2,3\n4,9,5\n1,,2\n");
  expect_refusal({"score", data.path(), "--items", "a,b,c", "--range", "1:5"}, 1,
                 "scores.csv:3: column \"b\": 9 is outside 1..5");
  expect_refusal({"score", data.path(), "--items", "a,b,c", "--missing", "fail"}, 1,
                 "scores.csv:4: column \"b\"");
  expect_refusal({"score", data.path(), "--items", "a,d"}, 1, "\"d\"");
  expect_refusal({"score", data.path(), "--instrument", "wai-z"}, 2, "did you mean wai-s");
  expect_refusal({"score", data.path(), "--instrument", "arm-5"}, 2, "--accept-unverified");
  expect_refusal({"score", data.path(), "--items", "a,b", "--reverse", "c", "--range", "1:5"}, 2,
                 "--reverse");
  expect_refusal({"score", data.path(), "--items", "a,b", "--reverse", "a"}, 2, "--range");
  expect_refusal({"score", data.path(), "--items", "a,b", "--max-missing", "2"}, 2,
                 "--max-missing");
  expect_refusal({"score", data.path()}, 2, "--items");
  expect_refusal({"score", data.path(), "--instrument", "shs", "--items", "a,b,c"}, 2, "--items");
  expect_refusal({"reliability", data.path(), "--items", "a"}, 1, "2 items");
  expect_refusal({"change", data.path(), "--pre", "a", "--post", "b", "--reliability", "0.8"}, 2,
                 "--higher-is");
  expect_refusal({"change", data.path(), "--pre", "a", "--post", "b", "--reliability", "1.8",
                  "--higher-is", "worse"},
                 2, "--reliability");
  expect_refusal({"change", data.path(), "--pre", "a", "--post", "b", "--reliability", ".8",
                  "--higher-is", "worse", "--method", "jd"},
                 2, "did you mean jt");
  expect_refusal({"sudden-gains", data.path(), "--id", "a", "--sessions", "a,b,c", "--cutoff", "7"},
                 1, "at least 4");
  expect_refusal({"instruments", "phq"}, 2, "phq-9");
}

TEST(ScoreCommands, ABlankItemIsAlwaysMissing) {
  const TemporaryFile data("blanks.csv", "a,b\n1,\nNA,2\n , .\n");
  const ProgramRun run =
      json({"score", data.path(), "--items", "a,b", "--range", "1:5", "--missing", "available"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const auto& rows = result.at("rows").items();
  EXPECT_EQ(rows[0].at("total").number(), 1);
  EXPECT_EQ(rows[1].at("total").number(), 2);
  EXPECT_TRUE(rows[2].at("total").is_null());
}

/// The two examples of the manual of cocron 1.0-1, computed there.
TEST(ReliabilityCommand, ComparesPublishedAlphas) {
  const ProgramRun independent =
      json({"reliability", "--alphas", "0.78,41,10,0.82,151,10,0.74,60,10"});
  ASSERT_EQ(independent.status, 0) << independent.err;
  EXPECT_NEAR(independent.result().at("test").at("statistic").number(), 1.7592905299937964, 1e-12);
  const ProgramRun dependent = json({"reliability", "--alphas", "0.857,100,5,0.875,100,5,0.8,100,5",
                                     "--correlations", "0.8,0.7,0.6"});
  ASSERT_EQ(dependent.status, 0) << dependent.err;
  EXPECT_NEAR(dependent.result().at("test").at("p_value").number(), 0.024707859304046953, 1e-12);
  expect_refusal({"reliability", "--alphas", "0.8,100"}, 2, "--alphas");
  expect_refusal({"reliability", "--alphas", "0.8,100,5,1.2,100,5"}, 2, "--alphas");
  expect_refusal({"reliability", "--alphas", "0.8,100,5,0.7,100.5,5"}, 2, "--alphas");
  expect_refusal({"reliability", "--alphas", "0.8,100,5,0.7,100,5", "--correlations", "0.1,0.2"}, 2,
                 "--correlations");
  expect_refusal({"reliability", "--items", "a,b"}, 2, "DATA");
}

TEST(ReliabilityCommand, SetsRatersOfTheSamePersonsBesideEachOther) {
  const TemporaryFile path("rated.csv",
                           "p,r,a,b,c\n1,x,1,2,2\n1,y,2,2,1\n2,x,3,3,4\n2,y,2,4,1\n3,x,5,4,5\n"
                           "3,y,3,5,5\n4,x,2,2,1\n4,y,1,3,1\n5,x,4,5,5\n5,y,4,,4\n");
  const ProgramRun run = json({"reliability", path.path(), "--items", "a,b,c", "--range", "1:5",
                               "--person", "p", "--rater", "r"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json by_rater = run.result().at("by_rater");
  EXPECT_EQ(by_rater.at("n").number(), 4);
  EXPECT_EQ(by_rater.at("raters").items().size(), 2U);
  EXPECT_EQ(by_rater.at("items").items()[1].at("r_drop").members().size(), 2U);
  expect_refusal({"reliability", path.path(), "--items", "a,b,c", "--range", "1:5", "--rater", "r"},
                 2, "--person");
  expect_refusal({"reliability", path.path(), "--items", "a,b,c", "--range", "1:5", "--person", "p",
                  "--rater", "r", "--retest", "1,2"},
                 2, "--retest");
}

}  // namespace
}  // namespace rapport
