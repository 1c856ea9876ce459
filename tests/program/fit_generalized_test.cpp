#include <gtest/gtest.h>

#include "support/program.hpp"
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing_support::ProgramRun;
using testing_support::run_program;

const std::string wine = RAPPORT_TEST_DATA "/mixed/wine.csv";
const std::string cbpp = RAPPORT_TEST_DATA "/mixed/cbpp.csv";

ProgramRun fit(const std::string& formula, const std::string& data,
               std::vector<std::string> options = {}) {
  options.insert(options.begin(), {"fit", formula, data, "--format", "json"});
  return run_program(options);
}

ProgramRun fit_wine(std::vector<std::string> options) {
  options.insert(options.begin(), {"--family", "cumulative", "--factor", "rating"});
  return fit("rating ~ temp + contact", wine, std::move(options));
}

// R's ordinal 2022.11-16: clm(rating ~ temp, nominal = ~contact, scale = ~temp), nominal_test().
TEST(FitGeneralizedCommand, FitsNominalAndScaleEffects) {
  const ProgramRun run = fit_wine({"--nominal", "contact", "--scale", "temp"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_NEAR(result.at("log_likelihood").number(), -86.1324802809519, 1e-8);
  EXPECT_EQ(result.at("nominal_effects").items()[1].at("term").string(), "2|3.contactyes");
  EXPECT_NEAR(result.at("nominal_effects").items()[1].at("estimate").number(), -1.53025015, 1e-6);
  EXPECT_NEAR(result.at("scale_effects").items()[0].at("standard_error").number(), 0.3420257879,
              1e-6);
}

TEST(FitGeneralizedCommand, StructuresThresholdsAndTestsProportionalOdds) {
  const Json result = fit_wine({"--thresholds", "equidistant"}).result();
  EXPECT_NEAR(result.at("threshold_parameters").items()[1].at("estimate").number(), 2.122936243,
              1e-6);
  const Json tests = fit_wine({"--proportional-odds"}).result().at("proportional_odds");
  EXPECT_NEAR(tests.items()[0].at("nominal").at("statistic").number(), 3.174977, 1e-4);
  EXPECT_NEAR(tests.items()[1].at("scale").at("p_value").number(), 0.601126, 1e-4);
}

TEST(FitGeneralizedCommand, IntervalsOfEveryParameter) {
  const std::string model = "cbind(incidence, healthy) ~ period + (1 | herd)";
  for (const std::string method : {"profile", "boot"}) {
    const ProgramRun run =
        fit(model, cbpp,
            {"--family", "binomial", "--ci", method, "--replicates", "50", "--threads", "2"});
    ASSERT_EQ(run.status, 0) << run.err;
    const Json::Array intervals = run.result().at("intervals").items();
    ASSERT_EQ(intervals.size(), 3U);
    EXPECT_EQ(intervals[0].at("parameter").string(), "sd((Intercept)|herd)");
    EXPECT_LT(intervals[2].at("lower").number(), intervals[2].at("upper").number());
  }
}

TEST(FitGeneralizedCommand, GivesResponsesAndAverages) {
  const ProgramRun run =
      fit("cbind(incidence, healthy) ~ factor(period) + (1 | herd)", cbpp,
          {"--family", "binomial", "--means", "period", "--predict", cbpp, "--averaged",
           "--quantile-residuals", "--simulate", "2", "--influence", "herd"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const Json& mean = result.at("means").items()[0];
  // emmeans 1.8.4 with regrid = "response"; integrate().
  EXPECT_NEAR(mean.at("response").at("estimate").number(), 0.19804909, 1e-6);
  EXPECT_NEAR(mean.at("averaged").at("estimate").number(), 0.21609288, 1e-6);
  EXPECT_EQ(result.at("predictions").items().size(), 56U);
  EXPECT_TRUE(result.at("predictions").items()[0].find("response") != nullptr);
  EXPECT_EQ(result.at("simulations").items().size(), 2U);
  EXPECT_EQ(result.at("quantile_residuals").at("uniform").items().size(), 56U);
  EXPECT_EQ(result.at("influence").items().size(), 15U);
}

TEST(FitGeneralizedCommand, RefusesWhatDoesNotApply) {
  const ProgramRun nominal = fit("incidence ~ period", cbpp, {"--nominal", "period"});
  EXPECT_EQ(nominal.status, 2);
  EXPECT_THAT(nominal.err, HasSubstr("--family cumulative"));
  EXPECT_EQ(fit("incidence ~ period", cbpp, {"--quantile-residuals"}).status, 2);
  EXPECT_EQ(fit("incidence ~ period", cbpp, {"--averaged", "--family", "poisson"}).status, 2);
  EXPECT_EQ(fit_wine({"--thresholds", "even"}).status, 2);
  EXPECT_EQ(fit_wine({"--nominal", "contact + (1 | judge)"}).status, 2);
}

}  // namespace
}  // namespace rapport
