#include <gtest/gtest.h>

#include "support/program.hpp"
#include <cmath>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;

const std::string panel = RAPPORT_TEST_DATA "/alliance/simulated_panel.csv";

std::vector<std::string> alliance(const std::vector<std::string>& options) {
  std::vector<std::string> all = {
      "alliance",      panel,        "--patient",   "patient",   "--session",
      "session",       "--alliance", "wai_client",  "--outcome", "phq9",
      "--therapist",   "therapist",  "--treatment", "treatment", "--therapist-alliance",
      "wai_therapist", "--dropout",  "dropped"};
  all.insert(all.end(), options.begin(), options.end());
  return all;
}

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::temp_directory_path() / ("rapport_study_" + name);
}

TEST(AllianceCommand, EveryModelIsWhatFitGivesForItsFormula) {
  const std::filesystem::path folder = scratch("tables");
  const ProgramRun run = run_program(alliance({"--format", "json", "--tables", folder.string()}));
  ASSERT_EQ(run.status, 0) << run.err;
  const Json models = run.result().at("models");
  EXPECT_GE(models.members().size(), 8U);
  for (const auto& [name, model] : models.members()) {
    const std::string data = (folder / (model.at("data").string() + ".csv")).string();
    const ProgramRun again =
        run_program({"fit", model.at("formula").string(), data, "--format", "json"});
    ASSERT_EQ(again.status, 0) << name << ": " << again.err;
    EXPECT_EQ(again.result().at("fixed_effects").dump(), model.at("fixed_effects").dump()) << name;
    EXPECT_EQ(again.result().at("criterion").number(), model.at("criterion").number()) << name;
  }
  std::filesystem::remove_all(folder);
}

TEST(AllianceCommand, ResultsDoNotDependOnTheThreads) {
  const ProgramRun one = run_program(alliance({"--format", "json", "--threads", "1"}));
  const ProgramRun three = run_program(alliance({"--format", "json", "--threads", "3"}));
  EXPECT_EQ(one.out, three.out);
}

TEST(AllianceCommand, WritesAPage) {
  const std::filesystem::path page = scratch("page.html");
  const ProgramRun run = run_program(alliance({"--report", page.string()}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Within patients"));
  std::ifstream file(page);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("</html>"), std::string::npos);
  EXPECT_NE(text.str().find("--therapist-alliance"), std::string::npos)
      << "the command stands in the footer";
  std::filesystem::remove(page);
}

TEST(AllianceCommand, RefusesAPageThatCannotBeWritten) {
  const ProgramRun run = run_program(alliance({"--report", "/no/such/folder/page.html"}));
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("/no/such/folder/page.html"));
}

TEST(LaggedCommand, BothModels) {
  const std::vector<std::string> columns = {"lagged",    panel,     "--patient", "patient",
                                            "--session", "session", "--x",       "wai_client",
                                            "--y",       "phq9",    "--format",  "json"};
  std::vector<std::string> mixed = columns;
  mixed.insert(mixed.end(), {"--model", "mixed"});
  EXPECT_EQ(run_program(columns).result().at("effects").items().size(), 16U);
  const ProgramRun run = run_program(mixed);
  EXPECT_EQ(run.result().at("effects").items().size(), 4U);
  EXPECT_THAT(run.err, HasSubstr("Nickell"));
  EXPECT_EQ(run_program({"lagged", panel, "--patient", "patient", "--session", "session", "--x",
                         "wai_client", "--y", "phq9", "--waves", "1:2"})
                .status,
            2);
}

}  // namespace
}  // namespace rapport
