#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

ProgramRun impute(std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "impute",       RAPPORT_TEST_DATA "/alliance/simulated_panel.csv",
      "--group",      "patient",
      "--variables",  "wai_client,wai_therapist,phq9",
      "--predictors", "session + treatment",
      "--burn-in",    "50",
      "--thin",       "10",
      "--m",          "4"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program(arguments);
}

TEST(ImputeCommand, FitsAndPools) {
  const ProgramRun run =
      impute({"--fit", "phq9 ~ session * treatment + wai_therapist + (1 | patient)", "--against",
              "phq9 ~ session + wai_therapist + (1 | patient)", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("imputations").number(), 4);
  EXPECT_GT(result.at("variables").items()[1].at("missing").number(), 10);
  const Json fit = result.at("fit");
  EXPECT_EQ(fit.at("n").number(), 1155);
  EXPECT_EQ(fit.at("fixed_effects").items().size(), 5U);
  EXPECT_GT(fit.at("fixed_effects").items()[3].at("missing_information").number(), 0.005);
  EXPECT_EQ(fit.at("comparison").at("d3").at("numerator_df").number(), 2);
}

TEST(ImputeCommand, IsTheSameForAnyNumberOfThreads) {
  const auto run = [](const char* threads) {
    return impute({"--all-sessions", "1:12", "--session", "session", "--threads", threads, "--fit",
                   "phq9 ~ session + (1 | patient)", "--format", "csv"});
  };
  const ProgramRun one = run("1");
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.out, run("3").out);
}

TEST(ImputeCommand, SavesCompletedTables) {
  const TemporaryFile folder("imputed");
  const ProgramRun run = impute({"--save", folder.path()});
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun fit = run_program({"fit", "wai_therapist ~ 1 + (1 | patient)",
                                      folder.path() + "/imputed_4.csv", "--format", "json"});
  ASSERT_EQ(fit.status, 0) << fit.err;
  EXPECT_THAT(fit.out, HasSubstr("\"observations\": 1155"));
}

TEST(ImputeCommand, MovesOutcomesAfterDropout) {
  const ProgramRun run =
      impute({"--all-sessions", "1:12", "--session", "session", "--slopes", "session", "--fit",
              "phq9 ~ session * treatment + (1 | patient)", "--delta", "0,2,4", "--delta-variable",
              "phq9", "--delta-term", "session", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json tipping = run.result().at("tipping_point");
  const auto effect = [&](std::size_t k) {
    return tipping.at("rows").items().at(k).at("estimate").number();
  };
  EXPECT_LT(effect(0), effect(1));
  EXPECT_LT(effect(1), effect(2));
  EXPECT_EQ(effect(0),
            run.result().at("fit").at("fixed_effects").items()[1].at("estimate").number());
  EXPECT_EQ(impute({"--delta", "1"}).status, 2);
}

TEST(ImputeCommand, SaysWhatIsWrong) {
  EXPECT_EQ(impute({"--fit", "phq9 ~ 1", "--m", "1"}).status, 2);
  EXPECT_EQ(impute({"--all-sessions", "1:12"}).status, 2);
  EXPECT_EQ(impute({"--fit", "phq9 ~ session", "--family", "normal"}).status, 2);
  EXPECT_EQ(impute({"--group-variables", "wai_client"}).status, 1);
}

}  // namespace
}  // namespace rapport
