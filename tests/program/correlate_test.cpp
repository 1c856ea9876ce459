#include <rapport/data/factor.hpp>

#include <gtest/gtest.h>

#include "support/program.hpp"
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;

const std::string data = std::string(RAPPORT_TEST_DATA) + "/correlate/simulated.csv";

ProgramRun correlate(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "correlate");
  arguments.insert(arguments.end(), {"--format", "json"});
  return run_program(arguments);
}

Json pair(const ProgramRun& run, std::size_t which = 0) {
  return run.result().at("pairs").items().at(which);
}

TEST(CorrelateCommand, CrossesTwoListsAndAdjusts) {
  const ProgramRun run =
      correlate({"pearson", data, "--x", "x,z", "--y", "y,yt", "--adjust", "bonferroni"});
  ASSERT_EQ(run.status, 0) << run.err;
  ASSERT_EQ(run.result().at("pairs").items().size(), 4U);
  EXPECT_EQ(pair(run, 1).at("x").string(), "x");
  EXPECT_EQ(pair(run, 1).at("y").string(), "yt");
  for (std::size_t k = 0; k < 4; ++k)
    EXPECT_DOUBLE_EQ(pair(run, k).at("p_adjusted").number(),
                     std::min(1.0, 4 * pair(run, k).at("p_value").number()));
}

TEST(CorrelateCommand, SaysHowThePValueWasFound) {
  const std::vector<std::string> columns = {"--x", "x", "--y", "y"};
  const auto method = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, data);
    arguments.insert(arguments.end(), columns.begin(), columns.end());
    return pair(correlate(arguments)).at("exact").string();
  };
  EXPECT_EQ(method({"kendall"}), "asymptotic");
  EXPECT_EQ(method({"kendall", "--exact", "yes"}), "exact");
  EXPECT_EQ(method({"spearman", "--exact", "yes"}), "series");
  EXPECT_EQ(pair(correlate({"spearman", data, "--x", "xt", "--y", "yt", "--exact", "yes",
                            "--permutations", "99"}))
                .at("exact")
                .string(),
            "permutation");
}

TEST(CorrelateCommand, DoesNotDependOnThreads) {
  const auto run = [](const std::string& threads) {
    return correlate({"kendall", data, "--columns", "x,y,z", "--bootstrap", "60", "--cluster", "id",
                      "--threads", threads})
        .out;
  };
  EXPECT_EQ(run("1"), run("4"));
}

TEST(CorrelateCommand, WarnsOfAnUndefinedCoefficient) {
  const ProgramRun run = correlate({"spearman", data, "--let", "c = 0 * x", "--columns", "x,c"});
  EXPECT_EQ(run.status, 0);
  EXPECT_TRUE(pair(run).at("estimate").is_null());
  EXPECT_TRUE(pair(run).at("p_value").is_null());
  EXPECT_THAT(run.err, HasSubstr("x and c"));
}

TEST(CorrelateCommand, FactorsTakeAGivenOrder) {
  const ProgramRun forth =
      correlate({"kendall", data, "--x", "group", "--y", "yt", "--factor", "group=a,b"});
  const ProgramRun back =
      correlate({"kendall", data, "--x", "group", "--y", "yt", "--factor", "group=b,a"});
  EXPECT_DOUBLE_EQ(pair(forth).at("estimate").number(), -pair(back).at("estimate").number());
  EXPECT_EQ(correlate({"kendall", data, "--x", "group", "--y", "yt"}).status, 1);
}

TEST(CorrelateCommand, RefusesWhatDoesNotGoTogether) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"spearmen", data, "--columns", "x,y"}, "did you mean spearman"},
      {{"pearson", data, "--columns", "x,y", "--exact", "yes"}, "--exact yes"},
      {{"gamma", data, "--columns", "x,y", "--partial", "z"}, "--partial"},
      {{"pearson", data, "--columns", "x,y", "--remove-from", "y"}, "--remove-from"},
      {{"pearson", data, "--columns", "x,y", "--cluster", "id"}, "--cluster"},
      {{"pearson", data, "--columns", "x"}, "at least two"},
      {{"pearson", data, "--columns", "x,y", "--x", "z"}, "--columns"},
      {{"pearson", data}, "--columns"},
      {{"pearson", "--columns", "x,y"}, "DATA"},
      {{"pearson", "--r", "0.5"}, "--n"}};
  for (const auto& [arguments, named] : wrong) {
    const ProgramRun run = correlate(arguments);
    EXPECT_EQ(run.status, 2) << named;
    EXPECT_THAT(run.err, HasSubstr(named));
    EXPECT_EQ(run.out, "");
  }
  EXPECT_EQ(correlate({"rank-biserial", data, "--x", "id", "--y", "y"}).status, 1);
}

TEST(CompareCommand, TakesDataOrASummary) {
  const ProgramRun from_data =
      run_program({"compare", data, "--y", "y", "--x1", "x", "--x2", "z", "--format", "json"});
  ASSERT_EQ(from_data.status, 0) << from_data.err;
  const Json::Array r = from_data.result().at("correlations").items();
  const std::string summary = shortest_decimal(r[0].number()) + "," +
                              shortest_decimal(r[1].number()) + "," +
                              shortest_decimal(r[2].number());
  const ProgramRun from_summary =
      run_program({"compare", "--r", summary, "--n", "60", "--format", "json"});
  EXPECT_EQ(from_summary.result().at("tests").dump(), from_data.result().at("tests").dump());
  EXPECT_EQ(run_program({"compare", "--r", "0.1,0.2", "--n", "60"}).status, 2);
  EXPECT_EQ(run_program({"compare", data, "--y", "y", "--x1", "x"}).status, 2);
  EXPECT_EQ(run_program({"compare", "--independent", "0.1,2,0.2,30"}).status, 1);
}

}  // namespace
}  // namespace rapport
