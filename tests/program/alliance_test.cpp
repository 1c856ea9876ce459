#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <algorithm>
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
using testing_support::TemporaryFile;

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

/// The part of a result that a path such as "models.by_session" or "pairs.0" names.
Json part_of(const Json& result, const std::string& path) {
  const Json* part = &result;
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '.');)
    part = part->is_array() ? &part->items().at(std::stoul(step)) : &part->at(step);
  return *part;
}

bool has(const Json& object, const std::string& key) {
  for (const auto& member : object.members())
    if (member.first == key) return true;
  return false;
}

/// Compares the numbers of two results wherever both have them, and counts them. Numbers are equal
/// but for the last digits. How a search went, and how many rows were left out, may differ.
int compared(const Json& a, const Json& b, const std::string& where) {
  if (a.is_object() && b.is_object()) {
    int numbers = 0;
    for (const auto& [key, value] : a.members())
      if (key != "convergence" && key != "omitted" && has(b, key))
        numbers += compared(value, b.at(key), where + "." + key);
    return numbers;
  }
  if (a.is_array() && b.is_array()) {
    EXPECT_EQ(a.items().size(), b.items().size()) << where;
    int numbers = 0;
    for (std::size_t i = 0; i < std::min(a.items().size(), b.items().size()); ++i)
      numbers += compared(a.items()[i], b.items()[i], where + "." + std::to_string(i));
    return numbers;
  }
  if (!a.is_number() || !b.is_number()) return 0;
  const double scale = std::max({std::abs(a.number()), std::abs(b.number()), 1e-6});
  EXPECT_LE(std::abs(a.number() - b.number()), 1e-7 * scale)
      << where << ": " << a.number() << " and " << b.number();
  return 1;
}

/// Runs every command that a study names, on the tables that it writes.
int run_every_command(const Json& result, const std::filesystem::path& folder) {
  int commands = 0;
  for (const Json& command : result.at("commands").items()) {
    std::vector<std::string> arguments;
    for (const Json& argument : command.at("arguments").items()) {
      const std::string& text = argument.string();
      arguments.push_back(text.ends_with(".csv") ? (folder / text).string() : text);
    }
    arguments.insert(arguments.end(), {"--format", "json"});
    const std::string of = command.at("of").string();
    const ProgramRun run = run_program(arguments);
    EXPECT_EQ(run.status, 0) << of << ": " << run.err;
    if (run.status != 0) continue;
    EXPECT_GT(compared(part_of(result, of), part_of(run.result(), command.at("at").string()), of),
              1)
        << of << " shares no numbers with its command";
    ++commands;
  }
  return commands;
}

TEST(AllianceCommand, EveryCommandOfAStudyGivesItsNumbers) {
  const TemporaryFile folder("tables");
  const ProgramRun run = run_program(alliance({"--format", "json", "--tables", folder.path()}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_GE(run_every_command(run.result(), folder.path()), 30);
  EXPECT_GE(run.result().at("models").members().size(), 15U);
}

TEST(AllianceCommand, SoDoTheCommandsOfAStudyWithTimesLogSessionsAndAnObserver) {
  const TemporaryFile folder("tables_time");
  const ProgramRun timed =
      run_program(alliance({"--let", "day = 7 * session + 3 * (session > 4)", "--let",
                            "observed = (wai_client + 2 * wai_therapist) / 3 + phq9 / 9", "--time",
                            "day", "--rater", "observer=observed", "--session-scale", "log",
                            "--level", "0.9", "--format", "json", "--tables", folder.path()}));
  ASSERT_EQ(timed.status, 0) << timed.err;
  EXPECT_GE(run_every_command(timed.result(), folder.path()), 40);
  const Json lagged = timed.result().at("lagged").at("alliance_to_outcome_in_time");
  EXPECT_EQ(lagged.at("median_gap").number(), 7);
}

TEST(AllianceCommand, ResultsDoNotDependOnTheThreads) {
  const ProgramRun one = run_program(alliance({"--format", "json", "--threads", "1"}));
  const ProgramRun three = run_program(alliance({"--format", "json", "--threads", "3"}));
  EXPECT_EQ(one.out, three.out);
}

TEST(AllianceCommand, WritesAPage) {
  const TemporaryFile page("page.html");
  const ProgramRun run = run_program(alliance({"--report", page.path()}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Within patients"));
  std::ifstream file(page.path());
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("</html>"), std::string::npos);
  EXPECT_NE(text.str().find("--therapist-alliance"), std::string::npos)
      << "the command stands in the footer";
}

TEST(AllianceCommand, TakesTimesForSessionsAndOneOfRepeatedRows) {
  const std::string data = RAPPORT_TEST_DATA "/alliance/enrichd_bdi.csv";
  const std::vector<std::string> course = {"alliance",  data,        "--patient",
                                           "ID",        "--session", "time",
                                           "--outcome", "BDI",       "--number-sessions"};
  EXPECT_EQ(run_program(course).status, 1) << "a session stands twice";
  std::vector<std::string> first = course;
  first.insert(first.end(), {"--repeated-sessions", "first", "--format", "json"});
  const ProgramRun run = run_program(first);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("153 rows repeat a session"));
  EXPECT_EQ(run.result().at("growth").at("n_sessions").number(), 6964);
  EXPECT_FALSE(has(run.result(), "disaggregation")) << "there is no alliance";
}

TEST(AllianceCommand, RefusesOptionsThatSayNothing) {
  EXPECT_EQ(run_program(alliance({"--rater", "observer"})).status, 2);
  EXPECT_EQ(run_program(alliance({"--rater", "therapist=phq9"})).status, 1) << "named twice";
  EXPECT_EQ(run_program(alliance({"--rupture-rules", "stile"})).status, 2);
  EXPECT_EQ(run_program(alliance({"--session-scale", "cubic"})).status, 2);
  EXPECT_EQ(run_program(alliance({"--lags", "0"})).status, 2);
  EXPECT_EQ(run_program(alliance({"--repeated-sessions", "middle"})).status, 2);
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
