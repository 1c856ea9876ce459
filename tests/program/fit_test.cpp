#include <gtest/gtest.h>

#include "support/program.hpp"
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ProgramRun;
using testing_support::run_program;

const std::string panel = RAPPORT_TEST_DATA "/alliance/simulated_panel.csv";
const std::string slopes = "phq9 ~ session + treatment + (1 + session | patient)";

ProgramRun fit(const std::string& formula, std::vector<std::string> options = {}) {
  options.insert(options.begin(), {"fit", formula, panel, "--format", "json"});
  return run_program(options);
}

const Json& term(const Json& result, const std::string& name) {
  for (const Json& row : result.at("fixed_effects").items())
    if (row.at("term").string() == name) return row;
  throw std::runtime_error("no term " + name);
}

// lme4 1.1-31, lmerTest 3.1-3: lmer(phq9 ~ session + treatment + (1 + session | patient)) on the
// panel.
TEST(PredictCommand, PredictsAsTheFitDoes) {
  const std::string kept =
      (std::filesystem::temp_directory_path() / ("rapport_fit_" + std::to_string(getpid())))
          .string();
  for (const std::string& formula :
       {slopes, std::string("phq9 ~ session * within(wai_client, patient) + (1 | patient)")}) {
    const ProgramRun live = fit(formula, {"--predict", panel, "--save", kept});
    ASSERT_EQ(live.status, 0) << live.err;
    const ProgramRun later = run_program({"predict", "--fit", kept, panel, "--format", "json"});
    ASSERT_EQ(later.status, 0) << later.err;
    EXPECT_EQ(later.result().at("predictions").dump(), live.result().at("predictions").dump());
  }
  const ProgramRun streamed = fit(slopes, {"--stream", "--save", kept});
  EXPECT_EQ(streamed.status, 0) << streamed.err;
  const ProgramRun population =
      run_program({"predict", "--fit", kept, panel, "--population", "--format", "json"});
  EXPECT_TRUE(population.result().at("predictions").items()[0].at("standard_error").is_number());
  std::filesystem::remove(kept);
  EXPECT_EQ(run_program({"predict", "--fit", kept, panel}).status, 1);
  EXPECT_EQ(fit(slopes, {"--residual", "ar1(session|patient)", "--save", kept}).status, 2);
}

TEST(FitCommand, RefitsToOtherResponses) {
  const std::string rest = " ~ session + (1 + session | patient)";
  const ProgramRun run =
      fit("phq9" + rest, {"--refit", "wai_client,wai_therapist", "--random-effects"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const Json::Array& refits = result.at("refits").items();
  ASSERT_EQ(refits.size(), 2U);
  EXPECT_EQ(refits[1].dump(), fit("wai_therapist" + rest, {"--random-effects"}).result().dump());
  EXPECT_EQ(fit("phq9" + rest, {"--refit", "nothing"}).status, 1);
  EXPECT_EQ(fit("phq9" + rest, {"--refit", "wai_client", "--stream"}).status, 2);
}

TEST(FitCommand, FitsAndInfers) {
  const ProgramRun run = fit(slopes);
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("method").string(), "REML");
  EXPECT_EQ(result.at("observations").number(), 1155);
  EXPECT_NEAR(term(result, "session").at("estimate").number(), -0.554344712025, 1e-6);
  EXPECT_NEAR(term(result, "session").at("standard_error").number(), 0.0385932530375, 1e-6);
  EXPECT_NEAR(term(result, "session").at("df").number(), 101.342674, 1e-2);
  EXPECT_NEAR(result.at("criterion").number(), 5594.05345837, 1e-5);
}

// The single term of the first and the last formula takes its hypothesis from X'X.
TEST(FitCommand, AStreamGivesWhatTheTableGives) {
  for (const char* formula :
       {"phq9 ~ session + (1 + session | patient)", "phq9 ~ session * treatment + (1 | patient)",
        "phq9 ~ factor(session) + (1 | therapist/patient)"}) {
    const Json table = fit(formula).result();
    const Json stream = fit(formula, {"--stream"}).result();
    for (const Json& want : table.at("fixed_effects").items()) {
      const Json& got = term(stream, want.at("term").string());
      for (const char* value : {"estimate", "standard_error", "df", "p_value"})
        EXPECT_NEAR(got.at(value).number(), want.at(value).number(),
                    1e-5 * std::abs(want.at(value).number()))
            << formula << " " << value;
    }
    for (std::size_t k = 0; k < table.at("tests").items().size(); ++k) {
      for (const auto& [name, value] : table.at("tests").items()[k].members()) {
        if (!value.is_number() || name == "p_value") continue;  // it follows from the rest
        EXPECT_NEAR(stream.at("tests").items()[k].at(name).number(), value.number(),
                    1e-5 * std::abs(value.number()))
            << formula << " " << name;
      }
    }
  }
}

TEST(FitCommand, OptionsStandAnywhere) {
  const ProgramRun first =
      run_program({"fit", "--ml", "--df", "none", slopes, "--format", "json", panel});
  const ProgramRun last =
      run_program({"fit", slopes, panel, "--format", "json", "--ml", "--df", "none"});
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.out, last.out);
}

TEST(FitCommand, PanelFunctionsLookBehindWhere) {
  const Json whole =
      fit("phq9 ~ wai_within + (1 | patient)",
          {"--let", "wai_within = within(wai_client, patient)", "--where", "session <= 4"})
          .result();
  const Json inside =
      fit("phq9 ~ within(wai_client, patient) + (1 | patient)", {"--where", "session <= 4"})
          .result();
  EXPECT_EQ(term(whole, "wai_within").at("estimate").number(),
            term(inside, "within(wai_client, patient)").at("estimate").number());
}

TEST(FitCommand, FittedValuesAndResidualsAddUpToTheResponse) {
  const Json result = fit("phq9 ~ session + (1 | patient)",
                          {"--fitted", "--where",
                           "patient == \"P001\" | patient == \"P002\" | patient == \"P003\""})
                          .result();
  const Json::Array& fitted = result.at("fitted").items();
  const Json::Array& residuals = result.at("residuals").items();
  ASSERT_EQ(fitted.size(), residuals.size());
  EXPECT_NEAR(fitted[0].number() + residuals[0].number(), 10, 1e-12);  // phq9 of P001 in session 1
}

TEST(FitCommand, PredictsRowsOfAnotherFile) {
  const Json result = fit(slopes, {"--predict", panel, "--population"}).result();
  const Json::Array& predictions = result.at("predictions").items();
  ASSERT_EQ(predictions.size(), 1155U);
  const double expected = term(result, "(Intercept)").at("estimate").number() +
                          term(result, "session").at("estimate").number() +
                          term(result, "treatmentTAU").at("estimate").number();
  EXPECT_NEAR(predictions[0].at("estimate").number(), expected, 1e-12);
}

TEST(FitCommand, TreatsTheRowsToPredictAsTheData) {
  const Json result = fit("severity ~ late + (1 | patient)",
                          {"--rename", "phq9=severity", "--let", "late = session > 6", "--factor",
                           "treatment=TAU,ALLI", "--predict", panel, "--population"})
                          .result();
  const double first = result.at("predictions").items()[0].at("estimate").number();
  EXPECT_NEAR(first, term(result, "(Intercept)").at("estimate").number(),
              1e-12);  // session 1 is not late
}

TEST(FitCommand, RefusesAndNamesWhatIsAtFault) {
  struct Refusal {
    std::string formula;
    std::vector<std::string> options;
    std::string names;
    int status;
  };
  const std::vector<Refusal> refusals = {
      {"phq9 ~ sesion + (1 | patient)", {}, "did you mean \"session\"", 1},
      {"phq9 ~ session + (1 | patient", {}, "formula", 1},
      {"treatment ~ session + (1 | patient)", {}, "treatment", 1},
      {"phq9 ~ session + (1 | patient)", {"--where", "patient == \"P001\""}, "patient", 1},
      {"phq9 ~ session + (1 | patient)", {"--family", "gaussish"}, "gaussish", 2},
      {"phq9 ~ session + (1 | patient)", {"--df", "welch"}, "welch", 2},
      {"phq9 ~ session + (1 | patient)", {"--ci", "fiducial"}, "fiducial", 2},
      {"phq9 ~ session + (1 | patient)", {"--ml", "--reml"}, "--ml", 2},
      {"phq9 ~ session + (1 | patient)", {"--level", "1.5"}, "level", 2},
      {"phq9 ~ session + (1 | patient)", {"--means", "session"}, "numeric", 1},
      {"phq9 ~ session + (1 | patient)", {"--slopes", "session by "}, "--slopes", 2},
      {"phq9 ~ session + (1 | patient)", {"--predict", "nowhere.csv"}, "nowhere.csv", 1},
      {"phq9 ~ session + (1 | patient)", {"--population"}, "--predict", 2},
      {"phq9 ~ session + (1 | patient)", {"--weights", "dropped"}, "dropped", 1},
  };
  for (const Refusal& refusal : refusals) {
    const ProgramRun run = fit(refusal.formula, refusal.options);
    EXPECT_EQ(run.status, refusal.status) << refusal.formula << " " << refusal.names;
    EXPECT_THAT(run.err, HasSubstr(refusal.names));
    EXPECT_THAT(run.out, IsEmpty());
  }
}

}  // namespace
}  // namespace rapport
