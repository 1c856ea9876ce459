#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <deque>
#include <gmock/gmock.h>

/// What a hurried or unlucky user types or feeds: it is refused in words, or warned of.
namespace rapport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

class Refusal : public testing::Test {
 protected:
  const std::string& file(const std::string& name, const std::string& content) {
    return files_.emplace_back(name, content).path();
  }

  void expect(const std::vector<std::string>& arguments, int status, const std::string& names) {
    const ProgramRun run = run_program(arguments);
    EXPECT_EQ(run.status, status) << run.err;
    EXPECT_THAT(run.out, IsEmpty());
    EXPECT_THAT(run.err, HasSubstr(names));
  }

  std::deque<TemporaryFile> files_;
  const std::string data = file("data.csv",
                                "p,s,a,b,y\n1,1,1,2,3\n1,2,2,2,4\n2,1,4,3,1\n2,2,5,4,2\n3,1,3,1,5\n"
                                "3,2,2,5,4\n4,1,4,4,2\n4,2,1,1,3\n");
  const std::string one_text =
      file("text.csv",
           "p,a,b,y\n1,1,2,3\n1,2,2,4\n2,abc,3,1\n2,1,4,2\n3,2,1,5\n3,2,5,4\n4,1,4,2\n4,1,1,3\n"
           "5,2,1,6\n5,1,5,2\n6,2,4,3\n6,1,1,1\n");
};

TEST_F(Refusal, OfAColumnNamedTwice) {
  expect({"score", data, "--items", "a,a", "--range", "1:5"}, 2, "\"a\" stands twice");
  expect({"agree", "icc", data, "--raters", "a,b,a"}, 2, "\"a\" stands twice");
  expect({"correlate", "pearson", data, "--columns", "a,b,b"}, 2, "\"b\" stands twice");
  expect({"lagged", data, "--patient", "p", "--session", "s", "--x", "a", "--y", "a"}, 2,
         "both name");
  expect(
      {"alliance", data, "--patient", "p", "--session", "s", "--alliance", "a", "--outcome", "a"},
      2, "both name");
}

TEST_F(Refusal, OfOptionsOutOfRange) {
  expect({"reliability", data, "--items", "a,b,y", "--bootstrap", "1"}, 2, "--bootstrap");
  expect({"agree", "krippendorff", data, "--raters", "a,b", "--bootstrap", "-1"}, 2, "--bootstrap");
  expect({"agree", "gtheory", data, "--raters", "a,b", "--d-study", "3xy"}, 2, "\"3xy\"");
  expect({"score", data, "--items", "a,b", "--decimal", "x"}, 2, "--decimal");
  expect({"agree", "awg", data, "--items", "a,b", "--group", "p", "--range", "1:2"}, 1, "outside");
  expect({"fit", "y ~ a + (1 | p)", data, "--agq", "9"}, 2, "--agq");
  expect({"fit", "y ~ a + (1 | p)", data, "--proportional-odds"}, 2, "--proportional-odds");
  expect({"agree", "icc", data, "--raters", "a,b", "--seed", "-1"}, 2, "--seed");
  expect({"nosuch"}, 2, "\"nosuch\"; ");
}

TEST_F(Refusal, OfDataWithoutAnyValue) {
  const std::string nothing = file("nothing.csv", "y,a,b\n,,\nNA,.,\n");
  expect({"compare", nothing, "--y", "y", "--x1", "a", "--x2", "b"}, 1, "0 rows");
  expect({"agree", "icc", nothing, "--raters", "a,b"}, 1, "0 subjects");
  expect({"reliability", nothing, "--items", "a,b,y"}, 1, "0 of 2 rows");
}

/// A slip of the keyboard makes a column of numbers one of categories.
TEST_F(Refusal, OfTextAmongNumbers) {
  expect({"agree", "krippendorff", one_text, "--raters", "a,b", "--metric", "interval"}, 1,
         "\"abc\"");
  expect({"agree", "icc", one_text, "--raters", "a,b"}, 1, "\"abc\"");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"agree", "cohen", one_text, "--raters", "a,b"},
        std::vector<std::string>{"fit", "y ~ a + (1 | p)", one_text, "--df", "none"}}) {
    const ProgramRun run = run_program(arguments);
    EXPECT_THAT(run.err, HasSubstr("line 4 holds \"abc\""));
  }
  const ProgramRun confirmed =
      run_program({"agree", "cohen", one_text, "--raters", "a,b", "--factor", "a"});
  EXPECT_THAT(confirmed.err, testing::Not(HasSubstr("abc")));
}

TEST_F(Refusal, OfMoreThreadsThanTheSystemHas) {
  const std::vector<std::string> arguments{"reliability", data,  "--items",   "a,b,y",
                                           "--bootstrap", "500", "--threads", "100000",
                                           "--format",    "json"};
  EXPECT_EQ(run_program(arguments).status, 0);
}

// Tables that leave a model next to nothing.
TEST_F(Refusal, OfTooLittleIsNoCrash) {
  const std::string constant = file("constant.csv", "p,a,y\n0,3,3\n1,3,1\n");
  EXPECT_EQ(run_program({"fit", "y ~ a + (1 | p)", constant, "--family", "cumulative"}).status, 0);
  const std::string separated = file("separated.csv", "a,y\n4,1\n4,5\n1,5\n3,3\n1,2\n5,2\n");
  EXPECT_LE(
      run_program({"fit", "y ~ a", separated, "--family", "cumulative", "--nominal", "a"}).status,
      1);
  const std::string pairs = file("pairs.csv", "p,s,y\n0,1,4\n0,2,3\n1,1,1\n2,1,3\n2,2,5\n");
  EXPECT_LE(run_program({"fit", "y ~ s", pairs, "--residual", "unstructured(s|p)"}).status, 1);
  const std::string unrated = file(
      "unrated.csv", "p,s,a,b,y\n1,1,2,,3\n1,2,1,,4\n2,1,1,,5\n2,2,2,,4\n3,1,3,,2\n3,2,4,,1\n");
  EXPECT_LE(run_program({"alliance", unrated, "--patient", "p", "--session", "s", "--alliance", "a",
                         "--outcome", "y", "--therapist-alliance", "b"})
                .status,
            1);
  const std::string three = file("three.csv", "p,s,a,y\n0,1,2,4\n0,2,3,2\n1,1,3,5\n");
  EXPECT_LE(run_program({"alliance", three, "--patient", "p", "--session", "s", "--alliance", "a",
                         "--outcome", "y"})
                .status,
            1);
}

}  // namespace
}  // namespace rapport
