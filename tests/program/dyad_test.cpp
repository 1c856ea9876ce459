#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

const std::string folder = RAPPORT_TEST_DATA "/agree/";
const std::string dyads = folder + "dyads.csv";
const std::string pairs = folder + "pairs.csv";

ProgramRun dyad(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "dyad");
  arguments.insert(arguments.end(), {"--format", "json"});
  return run_program(arguments);
}

/// Row `i` of a table of the result.
const Json& row(const Json& result, const char* table, std::size_t i) {
  return result.at(table).items().at(i);
}

// lavaan 0.6-14, as in tests/reference/agree/agree.json.
TEST(DyadCommand, ActorPartnerModel) {
  const std::vector<std::string> model = {"apim",  pairs,          "--outcomes",
                                          "y1,y2", "--predictors", "x1,x2"};
  const ProgramRun run = dyad(model);
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const std::vector<std::pair<double, double>> expected = {
      {0.413315486052857, 0.0538810027876071}, {0.305426500661303, 0.0618016582843823},
      {0.738966990030088, 0.222374643030467},  {0.603705771065481, 0.0914296980965831},
      {0.235915155186557, 0.0797118387235411}, {0.390778366703685, 0.174926715140601}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Json& effect = row(result, "effects", i);
    EXPECT_NEAR(effect.at("estimate").number(), expected[i].first, 1e-6) << i;
    EXPECT_NEAR(effect.at("standard_error").number(), expected[i].second, 1e-6) << i;
  }
  EXPECT_EQ(row(result, "effects", 4).at("outcome").string(), "y2");
  EXPECT_EQ(row(result, "effects", 4).at("effect").string(), "partner");
  EXPECT_NEAR(result.at("equality").at("statistic").number(), 3.60021445297914, 1e-5);
  std::vector<std::string> replicated = model;
  replicated.insert(replicated.end(), {"--bootstrap", "200", "--threads", "2"});
  const Json k = row(dyad(replicated).result(), "effects", 2);
  EXPECT_LT(k.at("ci_lower").number(), 0.739);
  EXPECT_NE(k.at("ci_lower").number(), row(result, "effects", 2).at("ci_lower").number());
}

// Mean squares of R 4.2's manova(cbind(x, y) ~ factor(patient)), five ratings each: (B − W) / 5.
TEST(DyadCommand, OneWithMany) {
  const ProgramRun run = dyad({"one-with-many", dyads, "--partner-rating", "x", "--focal-rating",
                               "y", "--focal", "patient"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_NEAR(result.at("consensus").number(), 0.489608161538463, 1e-12);
  EXPECT_NEAR(result.at("assimilation").number(), 0.220414523076924, 1e-12);
  EXPECT_NEAR(result.at("generalized_reciprocity").number(), 0.239776456410258, 1e-12);
  EXPECT_NEAR(result.at("partner_uniqueness").number(), 1.013116, 1e-12);
  EXPECT_NEAR(result.at("focal_uniqueness").number(), 0.953832, 1e-12);
  EXPECT_NEAR(result.at("dyadic_reciprocity").number(), 0.580079, 1e-12);
  EXPECT_EQ(result.at("focal_persons").number(), 40);
}

// lmerTest 3.1-3: lmer(abs(x - y) ~ z + (1 | patient)), and of x - y.
TEST(DyadCommand, Convergence) {
  const ProgramRun run =
      dyad({"convergence", dyads, "--x", "x", "--y", "y", "--session", "z", "--dyad", "patient"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const Json& slope = row(result, "coefficients", 1);
  EXPECT_EQ(slope.at("response").string(), "discrepancy");
  EXPECT_NEAR(slope.at("estimate").number(), -0.0301896585314, 1e-7);
  EXPECT_NEAR(slope.at("standard_error").number(), 0.0404535542728, 1e-7);
  EXPECT_NEAR(slope.at("df").number(), 130.797069739, 1e-2);
  EXPECT_NEAR(slope.at("p_value").number(), 0.45683781269, 1e-5);
  EXPECT_NEAR(row(result, "coefficients", 3).at("estimate").number(), 0.115035470957, 1e-6);
  EXPECT_NEAR(row(result, "coefficients", 3).at("p_value").number(), 0.114064332063, 1e-5);
  EXPECT_NEAR(result.at("discrepancy_dyad_sd").number(), 0.1151617844, 1e-5);
}

// By hand; a row a family and a row a rating say the same.
TEST(DyadCommand, SplitAlliance) {
  const TemporaryFile wide("families.csv", "family,mother,father,child\nA,1,5,\nB,4,4,4\nC,,2,\n");
  const TemporaryFile rows(
      "families_long.csv",
      "f,m,r\nA,mother,1\nA,father,5\nB,mother,4\nB,father,4\nB,child,4\nC,father,2\n");
  const Json named = dyad({"split-alliance", wide.path(), "--members", "mother,father,child",
                           "--group", "family", "--threshold", "4"})
                         .result();
  EXPECT_EQ(named.at("split").number(), 0);  // the range of A is 4, not above it
  const Json result =
      dyad({"split-alliance", wide.path(), "--members", "mother,father,child", "--group", "family"})
          .result();
  // Σ = 20, Σ² = 78: variance (78 − 400/6) / 5
  EXPECT_NEAR(result.at("threshold").number(), std::sqrt((78 - 400.0 / 6) / 5), 1e-14);
  EXPECT_EQ(result.at("compared").number(), 2);
  EXPECT_EQ(result.at("split").number(), 1);
  const Json& first = row(result, "groups", 0);
  EXPECT_EQ(first.at("group").string(), "A");
  EXPECT_TRUE(first.at("split").boolean());
  EXPECT_NEAR(first.at("sd").number(), std::sqrt(8.0), 1e-14);
  EXPECT_TRUE(row(result, "groups", 2).at("sd").is_null());
  const Json stacked =
      dyad({"split-alliance", rows.path(), "--group", "f", "--member", "m", "--rating", "r"})
          .result();
  EXPECT_EQ(stacked.dump(), result.dump());
}

TEST(DyadCommand, RefusesWhatItCannotDo) {
  struct Refusal {
    std::vector<std::string> arguments;
    int status;
    const char* named;
  };
  for (const Refusal& r :
       {Refusal{{"apmi", pairs}, 2, "apim"},
        Refusal{{"apim", pairs, "--outcomes", "y1,y2"}, 2, "--predictors"},
        Refusal{{"apim", pairs, "--outcomes", "y1", "--predictors", "x1,x2"}, 2, "--outcomes"},
        Refusal{{"apim", pairs, "--outcomes", "y1,y2", "--predictors", "x1,x1"}, 1, "determine"},
        Refusal{{"one-with-many", dyads, "--focal", "patient"}, 2, "--partner-rating"},
        Refusal{{"convergence", dyads, "--x", "x", "--y", "y"}, 2, "--session"},
        Refusal{{"split-alliance", dyads}, 2, "--members"},
        Refusal{{"split-alliance", dyads, "--members", "x,y", "--threshold", "few"}, 2, "few"}}) {
    const ProgramRun run = dyad(r.arguments);
    EXPECT_EQ(run.status, r.status) << r.named << ": " << run.err;
    EXPECT_THAT(run.err, HasSubstr(r.named));
    EXPECT_THAT(run.out, IsEmpty());
  }
}

}  // namespace
}  // namespace rapport
