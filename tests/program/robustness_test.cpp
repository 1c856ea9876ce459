#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <string>
#include <vector>

/// Every command on small random tables, most of which allow no analysis: it answers in JSON, or
/// refuses in words and prints nothing; it does not crash.
namespace rapport {
namespace {

using testing_support::run_program;
using testing_support::TemporaryFile;

enum class Kind { constant, missing, binary, rating, real, wide, mixed, text };

std::string cell(Kind kind, RandomStream& stream) {
  if (stream.uniform() < 0.05) return "";
  switch (kind) {
    case Kind::constant:
      return "3";
    case Kind::missing:
      return "NA";
    case Kind::binary:
      return std::to_string(stream.below(2));
    case Kind::rating:
      return std::to_string(1 + stream.below(5));
    case Kind::real:
      return std::to_string(10 * stream.normal());
    case Kind::wide:
      return std::to_string(stream.normal()) + (stream.uniform() < 0.5 ? "e12" : "e-12");
    case Kind::mixed:
      return stream.uniform() < 0.3 ? "NA" : std::to_string(stream.below(4)) + ".5";
    case Kind::text:
      break;
  }
  return std::string(1, static_cast<char>('x' + stream.below(3)));
}

/// Patients p, sessions s, a group g and variables a, b, y of random kinds.
std::string table(RandomStream& stream) {
  const std::vector<Index> sizes = {1, 2, 3, 4, 6, 10, 25, 60};
  const std::vector<Index> lengths = {1, 2, 3, 5, 20};
  const Index n = sizes[static_cast<std::size_t>(stream.below(8))];
  const Index sessions = lengths[static_cast<std::size_t>(stream.below(5))];
  const auto kind = [&] {
    return stream.uniform() < 0.4 ? Kind::rating : static_cast<Kind>(stream.below(8));
  };
  const std::vector<Kind> kinds = {kind(), kind(), kind(),
                                   stream.uniform() < 0.5 ? Kind::text : Kind::rating};
  std::string text = "p,s,a,b,y,g\n";
  for (Index i = 0; i < n; ++i) {
    text += std::to_string(i / sessions) + "," + std::to_string(1 + i % sessions);
    for (const Kind k : kinds) text += "," + cell(k, stream);
    text += "\n";
  }
  return text;
}

using Arguments = std::vector<std::string>;

const std::vector<Arguments> commands = {
    {"fit", "y ~ a + (1 | p)", "DATA"},
    {"fit", "y ~ a + s + (1 + s | p)", "DATA", "--df", "kenward-roger"},
    {"fit", "y ~ a * b + (1 | p) + (1 | g)", "DATA", "--slopes", "a by b"},
    {"fit", "y ~ g + (1 | g/p)", "DATA", "--means", "g", "--ci", "profile"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--stream"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--ml", "--influence", "p", "--fitted", "--simulate", "2"},
    {"fit", "y ~ within(a, p) + between(a, p) + (1 | p)", "DATA"},
    {"fit", "y ~ s + (1 | p)", "DATA", "--residual", "ar1(s | p)"},
    {"fit", "y ~ s", "DATA", "--residual", "unstructured(s | p)"},
    {"fit", "y ~ s", "DATA", "--variance", "power(a)"},
    {"fit", "y ~ s + (1 | p)", "DATA", "--scale", "s + (1 | p)"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--family", "binomial", "--agq", "9"},
    {"fit", "y ~ a + (1 | p) + (1 | g)", "DATA", "--family", "binomial"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--family", "poisson", "--zero-inflation", "~ 1"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--family", "nbinom2"},
    {"fit", "y ~ a + (1 | p)", "DATA", "--family", "cumulative"},
    {"fit", "y ~ a", "DATA", "--family", "cumulative", "--nominal", "a"},
    {"fit", "y ~ a", "DATA", "--family", "cumulative", "--proportional-odds"},
    {"score", "DATA", "--items", "a,b,y", "--missing", "prorate"},
    {"reliability", "DATA", "--items", "a,b,y", "--bootstrap", "10"},
    {"change", "DATA", "--pre", "a", "--post", "y", "--reliability", "0.8", "--higher-is", "worse"},
    {"agree", "icc", "DATA", "--raters", "a,b,y"},
    {"agree", "cohen", "DATA", "--raters", "a,y"},
    {"agree", "gwet", "DATA", "--raters", "a,b", "--weights", "quadratic"},
    {"agree", "krippendorff", "DATA", "--raters", "a,b,y", "--bootstrap", "10"},
    {"agree", "bland-altman", "DATA", "--raters", "a,b"},
    {"agree", "gtheory", "DATA", "--raters", "a,b,y"},
    {"agree", "awg", "DATA", "--items", "a,b", "--group", "g", "--range", "1:5"},
    {"congruence", "DATA", "--outcome", "y", "--x", "a", "--y", "b"},
    {"correlate", "kendall", "DATA", "--columns", "a,b,y"},
    {"correlate", "spearman", "DATA", "--columns", "a,b,y", "--exact", "yes"},
    {"correlate", "polychoric", "DATA", "--columns", "a,b"},
    {"correlate", "hoeffding", "DATA", "--columns", "a,b"},
    {"compare", "DATA", "--y", "y", "--x1", "a", "--x2", "b"},
    {"lagged", "DATA", "--patient", "p", "--session", "s", "--x", "a", "--y", "y"},
    {"meta", "DATA", "--effect", "a", "--variance", "b", "--test", "knha"},
    {"dropout", "DATA", "--patient", "p", "--session", "s", "--alliance", "a", "--planned", "3"},
    {"dyad", "apim", "DATA", "--outcomes", "a,b", "--predictors", "y,s"},
    {"alliance", "DATA", "--patient", "p", "--session", "s", "--alliance", "a", "--outcome", "y"},
    {"alliance", "DATA", "--patient", "p", "--session", "s", "--alliance", "a", "--outcome", "y",
     "--therapist", "g", "--therapist-alliance", "b", "--dropout", "g"},
};

TEST(Robustness, EveryCommandAnswersOrRefuses) {
  for (std::size_t c = 0; c < commands.size(); ++c) {
    RandomStream stream(Seed{2026}, c);
    for (int repeat = 0; repeat < 8; ++repeat) {
      const std::string text = table(stream);
      const TemporaryFile data("random.csv", text);
      Arguments arguments = commands[c];
      for (std::string& argument : arguments)
        if (argument == "DATA") argument = data.path();
      arguments.insert(arguments.end(), {"--format", "json", "--threads", "1"});
      const testing_support::ProgramRun run = run_program(arguments);
      EXPECT_TRUE(run.status >= 0 && run.status <= 2) << run.status;
      if (run.status == 0)
        EXPECT_NO_THROW((void)parse_json(run.out));
      else
        EXPECT_TRUE(run.out.empty() && run.err.find("error: ") != std::string::npos) << run.err;
      if (testing::Test::HasFailure()) {
        FAIL() << commands[c].front() << " " << commands[c][1] << " on\n" << text;
      }
    }
  }
}

}  // namespace
}  // namespace rapport
