#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

/// Descriptives of a small study, which show what was read.
ProgramRun study(const std::string& path, std::vector<std::string> options = {}) {
  options.insert(options.begin(), {"alliance", path, "--patient", "p", "--session", "s",
                                   "--alliance", "a", "--outcome", "y", "--format", "json"});
  return run_program(options);
}

Json variable(const ProgramRun& run, std::size_t which) {
  return run.result().at("descriptives").at("variables").items()[which];
}

const std::string rows =
    "P1,1,3,7\nP1,2,5,6\nP1,3,4,7\nP2,1,6,4\nP2,2,8,5\nP2,3,9,3\nP3,1,2,9\nP3,2,3,8\n";

TEST(Reading, OptionsMayStandBeforeOrAfterTheFile) {
  const TemporaryFile file("order.csv", "p,s,a,y\n" + rows);
  const ProgramRun before =
      run_program({"alliance", "--patient", "p", "--session", "s", "--alliance", "a", "--outcome",
                   "y", "--format", "json", file.path()});
  EXPECT_EQ(before.status, 0) << before.err;
  EXPECT_EQ(before.out, study(file.path()).out);
}

TEST(Reading, RenameByPositionMendsANameThatStandsTwice) {
  const TemporaryFile file("twice.csv", "p,s,a,a\n" + rows);
  const ProgramRun refused = study(file.path(), {"--rename", "1=p"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("stands twice"));
  const ProgramRun mended = study(file.path(), {"--rename", "4=y"});
  EXPECT_EQ(mended.status, 0) << mended.err;
  EXPECT_EQ(variable(mended, 1).at("mean").number(), 49.0 / 8);
}

TEST(Reading, RenameByOldName) {
  const TemporaryFile file("rename.csv", "id,s,a,y\n" + rows);
  EXPECT_EQ(study(file.path(), {"--rename", "id=p"}).status, 0);
  EXPECT_EQ(study(file.path(), {"--rename", "nobody=p"}).status, 1);
  EXPECT_EQ(study(file.path(), {"--rename", "id"}).status, 2);
}

TEST(Reading, NaReplacesTheDefaultList) {
  const TemporaryFile file("na.csv", "p,s,a,y\n" + rows + "P3,3,-9,8\n");
  EXPECT_EQ(variable(study(file.path()), 0).at("min").number(), -9);
  const ProgramRun run = study(file.path(), {"--na", "-9,NA"});
  EXPECT_EQ(variable(run, 0).at("min").number(), 2);
  EXPECT_EQ(variable(run, 0).at("missing").number(), 1);
}

TEST(Reading, LetWhereAndFactorInThisOrder) {
  const TemporaryFile file("let.csv", "p,s,x,y\n" + rows);
  const ProgramRun run =
      study(file.path(), {"--let", "a = 2 * x", "--where", "a > 4 & p != \"P9\""});
  EXPECT_EQ(variable(run, 0).at("min").number(), 6);
  EXPECT_EQ(study(file.path(), {"--let", "a = 2 * x", "--factor", "p=P1,P2"}).status, 1)
      << "P3 is not listed";
  EXPECT_EQ(study(file.path(), {"--let", "a = x", "--factor", "p=P3,P2,P1"}).status, 0);
}

TEST(Reading, WhereThatKeepsNothingIsRefused) {
  const TemporaryFile file("where.csv", "p,s,a,y\n" + rows);
  const ProgramRun run = study(file.path(), {"--where", "s > 99"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("where"), HasSubstr("s > 99")));
}

TEST(Reading, AFaultInAnExpressionIsShownByACaret) {
  const TemporaryFile file("caret.csv", "p,s,a,y\n" + rows);
  const ProgramRun run = study(file.path(), {"--where", "s > (1 + "});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("^"));
}

TEST(Reading, DialectsOfCsv) {
  std::string semicolons = "p;s;a;y\r\n";
  for (const char c : rows)
    semicolons +=
        c == ',' ? std::string(";") : (c == '\n' ? std::string(",5\r\n") : std::string(1, c));
  const TemporaryFile file("dialect.csv", "\xEF\xBB\xBF" + semicolons);
  EXPECT_EQ(variable(study(file.path()), 1).at("mean").number(), 49.0 / 8 + 0.5);
  const TemporaryFile bars("bars.csv", "p|s|a|y\nP1|1|2|3\nP1|2|3|4\nP2|1|5|3\nP2|2|4|4\n");
  EXPECT_EQ(study(bars.path(), {"--separator", "|"}).status, 0);
  EXPECT_EQ(study(bars.path(), {"--separator", "||"}).status, 2);
}

TEST(Reading, ExitStatusTellsDataFromCommandLine) {
  const TemporaryFile file("status.csv", "p,s,a,y\n" + rows);
  EXPECT_EQ(study("no_such_file.csv").status, 1);
  EXPECT_EQ(study(file.path(), {"--level", "1.5"}).status, 2);
  EXPECT_EQ(study(file.path(), {"--format", "xml"}).status, 2);
  EXPECT_EQ(study(file.path(), {"--nonsense"}).status, 2);
  EXPECT_EQ(run_program({"alliance", file.path()}).status, 2) << "required options";
  EXPECT_EQ(run_program({"allyance", file.path()}).status, 2);
  EXPECT_EQ(run_program({"--version"}).status, 0);
  EXPECT_EQ(run_program({"alliance", "--help"}).status, 0);
}

TEST(Reading, EveryRefusalNamesTheFile) {
  for (const auto& [name, content] : std::vector<std::pair<std::string, std::string>>{
           {"empty.csv", ""},
           {"header.csv", "p,s,a,y\n"},
           {"width.csv", "p,s,a,y\n" + rows + "P9,1,2\n"},
           {"nul.csv", std::string("p,s,a,y\nP1,1,\0,3\n", 18)},
           {"infinite.csv", "p,s,a,y\n" + rows + "P9,1,Inf,2\n"},
           {"text.csv", "p,s,a,y\n" + rows + "P9,1,many,2\n"}}) {
    const TemporaryFile file(name, content);
    const ProgramRun run = study(file.path());
    EXPECT_EQ(run.status, 1) << name;
    EXPECT_THAT(run.err, HasSubstr("rapport: error: " + file.path())) << name;
    EXPECT_EQ(run.out, "") << name;
  }
}

TEST(Reading, NothingIsWrittenOnFailure) {
  const TemporaryFile file("failure.csv", "p,s,a,y\nP1,1,3,4\n");
  const TemporaryFile target("output.json");
  EXPECT_EQ(study(file.path(), {"--output", target.path()}).status, 1);
  EXPECT_FALSE(std::filesystem::exists(target.path()));
  EXPECT_FALSE(std::filesystem::exists(target.path() + ".part"));
}

TEST(Reading, OutputGoesToAFileWhole) {
  const TemporaryFile file("whole.csv", "p,s,a,y\n" + rows);
  const TemporaryFile target("whole.json", "old");
  const ProgramRun run = study(file.path(), {"--output", target.path()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, "");
  std::ifstream in(target.path());
  std::string first;
  std::getline(in, first);
  EXPECT_EQ(first, "{");
}

}  // namespace
}  // namespace rapport
