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

ProgramRun dropout(std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "dropout",    RAPPORT_TEST_DATA "/alliance/simulated_panel.csv",
      "--patient",  "patient",
      "--session",  "session",
      "--alliance", "wai_client"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program(arguments);
}

TEST(DropoutCommand, GivesHazardAndRetention) {
  const ProgramRun run =
      dropout({"--dropout", "dropped", "--therapist", "therapist", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("hazard").at("formula").string(),
            "leaves ~ session + alliance_within + alliance_between + (1 | therapist)");
  EXPECT_EQ(result.at("hazard").at("left").number(), 39);
  EXPECT_EQ(result.at("retention").at("groups").items().size(), 4U);
  EXPECT_EQ(result.at("person_period").at("patients").number(), 120);
}

TEST(DropoutCommand, TheRowsAtRiskGiveTheSameHazardByFit) {
  const TemporaryFile file("person_period.csv");
  const ProgramRun run = dropout({"--planned", "12", "--link", "cloglog", "--frailty", "patient",
                                  "--person-period", file.path(), "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json hazard = run.result().at("hazard");
  const ProgramRun fit =
      run_program({"fit", hazard.at("formula").string(), file.path(), "--family", "binomial",
                   "--link", "cloglog", "--agq", "15", "--format", "json"});
  ASSERT_EQ(fit.status, 0) << fit.err;
  const Json effects = fit.result().at("fixed_effects");
  for (std::size_t k = 0; k < effects.items().size(); ++k)
    EXPECT_NEAR(effects.items()[k].at("estimate").number(),
                hazard.at("terms").items()[k].at("estimate").number(), 1e-9);
}

TEST(DropoutCommand, FitsTheOutcomeWithDropout) {
  const ProgramRun run =
      dropout({"--dropout", "dropped", "--outcome", "phq9 ~ session + (1 + session | patient)",
               "--patterns", "6", "--points", "7", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("joint").at("hazard_formula").string(),
            "leaves ~ 1 + session + alliance_within + alliance_between");
  EXPECT_EQ(result.at("joint").at("association").items().size(), 2U);
  EXPECT_EQ(result.at("pattern_mixture").at("patterns").items().size(), 3U);
  EXPECT_EQ(dropout({"--dropout", "dropped", "--shared", "all"}).status, 2);
}

TEST(DropoutCommand, SaysWhatIsWrong) {
  EXPECT_EQ(dropout({}).status, 2);
  EXPECT_EQ(dropout({"--dropout", "dropped", "--frailty", "therapist"}).status, 2);
  EXPECT_EQ(dropout({"--dropout", "dropped", "--lag", "0"}).status, 2);
  const ProgramRun wrong = dropout({"--dropout", "phq9"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("neither 0 nor 1"));
}

}  // namespace
}  // namespace rapport
