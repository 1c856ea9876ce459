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

const std::string orthodont = RAPPORT_TEST_DATA "/mixed/orthodont.csv";
const std::string panel = RAPPORT_TEST_DATA "/alliance/simulated_panel.csv";

ProgramRun fit(const std::string& formula, const std::string& data,
               std::vector<std::string> options) {
  options.insert(options.begin(), {"fit", formula, data, "--format", "json"});
  return run_program(options);
}

struct Structure {
  std::string residual;
  std::string variance;
  double log_likelihood;
  double slope;
  double standard_error;
  double sd;
  std::string parameter;  ///< of `residual`, or of its variance_parameters
  double value;
};

/// What failures are called by.
void PrintTo(const Structure& structure, std::ostream* out) {
  *out << structure.residual << ", " << structure.variance;
}

class FitResidual : public testing::TestWithParam<Structure> {};

// nlme 3.1-162: gls(distance ~ age), REML (reference/mixed/residual.R, its last part).
TEST_P(FitResidual, AgreesWithNlme) {
  const Structure& expected = GetParam();
  const ProgramRun run =
      fit("distance ~ age", orthodont,
          {"--residual", expected.residual, "--variance", expected.variance, "--df", "residual"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_NEAR(result.at("log_likelihood").number(), expected.log_likelihood, 1e-6);
  const Json age = result.at("fixed_effects").items()[1];
  EXPECT_NEAR(age.at("estimate").number(), expected.slope, 2e-5);
  EXPECT_NEAR(age.at("standard_error").number(), expected.standard_error, 2e-5);
  const Json residual = result.at("residual");
  EXPECT_NEAR(residual.at("sd").number(), expected.sd, 1e-3);
  EXPECT_EQ(residual.at("structure").string(),
            expected.residual.substr(0, expected.residual.find('(')));
  if (expected.parameter.empty()) return;
  const bool of_variance = expected.residual == "independent";
  const Json holder = of_variance ? residual.at("variance_parameters") : residual;
  EXPECT_NEAR(holder.at(expected.parameter).number(), expected.value, 2e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Structures, FitResidual,
    testing::Values(Structure{"ar1((age - 8) / 2 | Subject)", "constant", -228.563411061,
                              0.652398334, 0.094664093, 2.5707907, "rho", 0.69840561},
                    Structure{"car1(age | Subject)", "constant", -228.563411061, 0.6523983239,
                              0.094664084, 2.5707945, "rho", 0.8357075},
                    Structure{"car1-nugget(age | Subject)", "constant", -223.015399336,
                              0.6594532581, 0.067075385, 2.5609084, "nugget", 0.2519233},
                    Structure{"arma((age - 8) / 2 | Subject)", "constant", -223.015399336,
                              0.6594532608, 0.067075352, 2.5609097, "phi", 0.95102143},
                    Structure{"toeplitz((age - 8) / 2 | Subject)", "constant", -221.300811473,
                              0.6658700352, 0.070128575, 2.5869151, "", 0},
                    Structure{"cs(Subject)", "constant", -223.501257798, 0.6601851852, 0.061605916,
                              2.553725, "rho", 0.68573911},
                    Structure{"unstructured(age | Subject)", "constant", -217.624633954,
                              0.674651191, 0.070228992, 2.4358814, "", 0},
                    Structure{"independent", "power(age)", -254.093759022, 0.6544188397, 0.10836565,
                              1.1826814, "power", 0.31919107},
                    Structure{"independent", "exp(age)", -254.054640959, 0.6542889998, 0.10882251,
                              1.7919393, "exp", 0.031155718},
                    Structure{"ar1((age - 8) / 2 | Subject)", "ident(Sex) * exp(age)",
                              -221.728924271, 0.5619690887, 0.078564413, 1.5880709, "rho",
                              0.80283041}));

// The first level in the data's order of levels has the SD that the others are ratios to.
TEST(FitResidualCommand, StrataAgreeWithNlme) {
  const Json result = fit("distance ~ age", orthodont, {"--variance", "ident(Sex)"}).result();
  EXPECT_NEAR(result.at("log_likelihood").number(), -254.551091018, 1e-6);
  const Json ratio = result.at("residual").at("variance_parameters");
  ASSERT_EQ(ratio.members().size(), 1U);
  const double value = ratio.members()[0].second.number();
  EXPECT_NEAR(ratio.members()[0].first == "Female" ? value : 1 / value, 1.0485272, 1e-4);
}

// Two names of one model: the constant joins the power where it is told apart from sigma.
TEST(FitResidualCommand, ConstantPowerNeedsThreeValues) {
  const ProgramRun good = fit("distance ~ age", orthodont, {"--variance", "const-power(age)"});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.result().at("residual").at("variance_parameters").members().size(), 2U);
  const ProgramRun bad = fit("distance ~ age", orthodont, {"--variance", "const-power(age > 10)"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr("const-power has two values only"));
}

class FitResidualRefusal : public testing::Test {
 protected:
  void expect(const std::string& content, const std::vector<std::string>& options,
              const std::string& words, const std::string& formula = "y ~ x") {
    const TemporaryFile file("panel.csv", content);
    const ProgramRun run = fit(formula, file.path(), options);
    EXPECT_EQ(run.status, 1) << run.out;
    EXPECT_THAT(run.err, HasSubstr(words));
  }
  const std::string single = "id,t,x,y\na,1,1,5\nb,1,2,6\nc,1,4,2\nd,1,1,7\n";
  const std::string twice =
      "id,t,x,y\na,1,1,5\na,1,2,6\nb,1,4,2\nb,2,1,7\nc,1,3,3\nc,2,3,1\nd,1,1,2\nd,2,2,5\n";
  const std::string many = "id,t,x,y\na,1,1,5\na,2,2,6\na,3,4,2\nb,1,1,7\nb,2,3,3\nb,3,3,1\n";
};

TEST_F(FitResidualRefusal, OfOneSessionAPatient) {
  for (const std::string structure : {"ar1(t | id)", "car1(t | id)", "toeplitz(t | id)", "cs(id)"})
    expect(single, {"--residual", structure},
           "no group of " + structure.substr(0, structure.find('(')));
}

TEST_F(FitResidualRefusal, OfTimesThatRepeat) {
  expect(twice, {"--residual", "car1(t | id)"}, "time 1 stands twice in group a of car1");
  expect(twice, {"--residual", "ar1(t | id)"}, "time 1 stands twice in group a of ar1");
}

TEST_F(FitResidualRefusal, OfMoreTimesThanPatients) {
  expect(many, {"--residual", "unstructured(t | id)"},
         "unstructured has 3 times but only 2 groups");
}

TEST_F(FitResidualRefusal, OfTimesBetweenSessions) {
  expect("id,t,x,y\na,1,1,5\na,1.5,2,6\nb,1,4,2\nb,2,1,7\n", {"--residual", "ar1(t | id)"},
         "must be whole numbers, and one is 1.5");
}

TEST_F(FitResidualRefusal, OfAConstantResponse) {
  const std::string constant = "id,t,x,y\na,1,1,5\na,2,2,5\nb,1,4,5\nb,2,1,5\n";
  for (const std::string formula : {"y ~ x", "y ~ x + (1 | id)"})
    expect(constant, {"--residual", "ar1(t | id)"}, "the response is constant: every value is 5",
           formula);
  expect("id,t,x,y\na,1,1,2\na,2,2,4\nb,1,4,8\nb,2,1,2\n", {"--residual", "ar1(t | id)"},
         "reproduce the response exactly");
}

// glmmTMB 1.1.5: glmmTMB(phq9 ~ session + wai_client + (1 | patient), dispformula = ~ session +
// wai_client, REML = TRUE), its predictors standardised for the standard errors and moved back.
TEST(FitScaleCommand, FixedEffectsAgreeWithGlmmTmb) {
  const ProgramRun run = fit("phq9 ~ session + wai_client + (1 | patient)", panel,
                             {"--scale", "session + wai_client"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_NEAR(result.at("log_likelihood").number(), -2821.35165297, 1e-6);
  const Json::Array effects = result.at("scale_effects").items();
  ASSERT_EQ(effects.size(), 3U);
  EXPECT_EQ(effects[1].at("term").string(), "session");
  EXPECT_NEAR(effects[1].at("estimate").number(), 0.03369213220429, 1e-6);
  EXPECT_NEAR(effects[2].at("standard_error").number(), 0.00514224544791, 1e-7);
  EXPECT_NEAR(effects[2].at("p_value").number(), 0.0547091464931, 1e-4);
  EXPECT_TRUE(fit("phq9 ~ session + (1 | patient)", panel,
                  {"--scale", "session", "--residual", "ar1(session | patient)"})
                  .result()
                  .at("residual")
                  .find("rho"));
}

TEST(FitScaleCommand, RandomInterceptHasItsMembers) {
  const ProgramRun run = fit("phq9 ~ session + (1 | patient)", panel,
                             {"--scale", "session + (1 | patient)", "--random-effects", "--fitted",
                              "--simulate", "2", "--against", "phq9 ~ 1 + (1 | patient)"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("method").string(), "ML");
  const Json scale = result.at("random_scale");
  EXPECT_EQ(scale.at("factor").string(), "patient");
  EXPECT_GT(scale.at("sd").number(), 0);
  ASSERT_EQ(scale.at("correlations").items().size(), 1U);
  EXPECT_GT(result.at("likelihood_ratio").at("statistic").number(), 0);
  EXPECT_LT(result.at("quadrature").at("error").number(), 1e-8);
  const Json::Array levels = result.at("scale_blups").items();
  EXPECT_EQ(levels.size(), result.at("blups").items().size());
  EXPECT_EQ(result.at("residual_sd").items().size(), result.at("fitted").items().size());
  EXPECT_EQ(result.at("simulations").items().size(), 2U);
  const ProgramRun more = fit("phq9 ~ session + (1 | patient)", panel,
                              {"--scale", "session + (1 | patient)", "--agq", "61"});
  EXPECT_NEAR(more.result().at("log_likelihood").number(), result.at("log_likelihood").number(),
              1e-7);
}

TEST(FitScaleCommand, RefusesWhatItCannotFit) {
  const auto refused = [](const std::vector<std::string>& options, int status,
                          const std::string& words,
                          const std::string& formula = "phq9 ~ session + (1 | patient)") {
    const ProgramRun run = fit(formula, panel, options);
    EXPECT_EQ(run.status, status) << run.out;
    EXPECT_THAT(run.err, HasSubstr(words));
  };
  const std::string random = "session + (1 | patient)";
  refused({"--scale", random, "--reml"}, 2, "fitted by maximum likelihood");
  refused({"--scale", random, "--residual", "ar1(session | patient)"}, 2, "--residual");
  refused({"--scale", random, "--ci", "profile"}, 2, "--ci profile");
  refused({"--scale", "(session | patient)"}, 2, "must hold one random intercept");
  refused({"--scale", "session + (1 | therapist)"}, 1, "vary over patient");
  refused({"--scale", "session", "--family", "poisson"}, 2, "--scale needs --family");
  const TemporaryFile single("single.csv", "id,x,y\na,1,5\nb,2,6\nc,4,2\nd,1,7\ne,2,3\n");
  const ProgramRun run = fit("y ~ x", single.path(), {"--scale", "(1 | id)"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("every level of id has one row"));
}

}  // namespace
}  // namespace rapport
