#include <gtest/gtest.h>

#include "alliance/meta_reference.hpp"
#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

namespace rapport {
namespace {

using test::metafor;
using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

const std::string molloy = test::meta_path("molloy2014.csv");
const std::string assink = test::meta_path("assink2016.csv");

std::vector<std::string> three_levels(const std::vector<std::string>& options) {
  std::vector<std::string> all = {"meta",    assink,  "--effect",    "yi",   "--variance", "vi",
                                  "--study", "study", "--effect-id", "esid", "--format",   "json"};
  all.insert(all.end(), options.begin(), options.end());
  return all;
}

TEST(MetaCommand, PoolsCorrelationsAsMetaforDoes) {
  const ProgramRun run =
      run_program({"meta", molloy, "--r", "ri", "--n", "ni", "--test", "knha", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json mean = run.result().at("coefficients").items()[0];
  EXPECT_NEAR(mean.at("estimate").number(), metafor("molloy.REML.knha.b"), 1e-7);
  EXPECT_NEAR(mean.at("ci_upper").number(), metafor("molloy.REML.knha.upper"), 1e-7);
  EXPECT_EQ(mean.at("df").number(), 15);
}

TEST(MetaCommand, TakesCorrelatedSamplingErrors) {
  const ProgramRun run = run_program(three_levels({"--rho", "0.6"}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NEAR(run.result().at("coefficients").items()[0].at("estimate").number(),
              metafor("assink.correlated.b"), 1e-5);
}

TEST(MetaCommand, FitsSeveralOutcomes) {
  const ProgramRun run = run_program({"meta", test::meta_path("two_outcomes.csv"), "--effect", "yi",
                                      "--variance", "vi", "--study", "study", "--outcome",
                                      "outcome", "--rho", "0.5", "--format", "json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json fit = run.result().at("multivariate");
  EXPECT_NEAR(fit.at("coefficients").items()[1].at("estimate").number(), metafor("two.REML.UN", 1),
              1e-6);
  EXPECT_NEAR(fit.at("log_likelihood").number(), metafor("two.REML.UN", 7), 1e-6);
}

TEST(MetaCommand, WritesAPageWithThePictures) {
  const TemporaryFile page("meta.html");
  const ProgramRun run = run_program(
      {"meta", molloy, "--r", "ri", "--n", "ni", "--label", "authors", "--report", page.path()});
  ASSERT_EQ(run.status, 0) << run.err;
  std::stringstream html;
  html << std::ifstream(page.path()).rdbuf();
  EXPECT_THAT(html.str(), HasSubstr("Pooled r = 0.15"));
  EXPECT_THAT(html.str(), HasSubstr("trim and fill adds 2 effects on the left"));
  EXPECT_THAT(html.str(), HasSubstr("stands out most in heterogeneity"));
}

TEST(MetaCommand, RefusesWithTheRightStatus) {
  const auto refused = [](const std::vector<std::string>& arguments, int status,
                          const std::string& words) {
    const ProgramRun run = run_program(arguments);
    EXPECT_EQ(run.status, status) << words;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, HasSubstr(words));
  };
  refused({"meta", molloy, "--r", "ri"}, 2, "--r and --n go together");
  refused({"meta", molloy, "--r", "ri", "--n", "ni", "--method", "rem"}, 2, "did you mean reml");
  refused({"meta", molloy, "--r", "ri", "--n", "ni", "--let", "ri = ri * 10"}, 1,
          "between -1 and 1");
  refused({"meta", molloy, "--r", "ri", "--n", "ni", "--moderators", "design", "--where",
           "design == \"prospective\""},
          1, "one value");
  refused({"meta", molloy, "--r", "ri", "--n", "ni", "--where", "ni > 700 & ni < 760"}, 1, "");
  refused(three_levels({"--test", "knha"}), 2, "--test");
  refused(three_levels({"--where", "study == 1"}), 1, "one study");
}

}  // namespace
}  // namespace rapport
