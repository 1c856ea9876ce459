#include <rapport/data/csv.hpp>
#include <rapport/report/mixed.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::Not;

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

MixedSummary summary_of(const std::string& formula,
                        DegreesOfFreedom df = DegreesOfFreedom::satterthwaite) {
  return analyse_mixed_model(parse_formula(formula), panel(), {}, {.df = df});
}

TEST(MixedReport, JsonCarriesEveryNumber) {
  const MixedSummary summary = summary_of("phq9 ~ session * treatment + (1 + session | patient)");
  const Json json = report::to_json(summary);
  for (const char* key : {"formula",
                          "family",
                          "link",
                          "method",
                          "observations",
                          "groups",
                          "dropped_columns",
                          "criterion",
                          "log_likelihood",
                          "parameters",
                          "aic",
                          "bic",
                          "fixed_effects",
                          "fixed_covariance",
                          "random_effects",
                          "residual",
                          "tests",
                          "intervals",
                          "r_squared",
                          "icc",
                          "convergence"})
    EXPECT_NE(json.find(key), nullptr) << key;
  const Json& effect = json.at("fixed_effects").items()[1];
  EXPECT_EQ(effect.at("term").string(), "session");
  EXPECT_EQ(effect.at("estimate").number(), summary.fixed[1].estimate);
  EXPECT_EQ(effect.at("df").number(), summary.fixed[1].df);
  EXPECT_EQ(json.at("random_effects").items()[0].at("covariance").items()[0].items()[1].number(),
            summary.fit.random[0].covariance(0, 1));
  EXPECT_EQ(json.at("method").string(), "REML");
}

TEST(MixedReport, InfiniteDegreesOfFreedomAreAbsent) {
  const Json json =
      report::to_json(summary_of("phq9 ~ session + (1 | patient)", DegreesOfFreedom::none));
  EXPECT_EQ(json.at("fixed_effects").items()[0].find("df"), nullptr);
  EXPECT_EQ(json.at("tests").items()[0].find("denominator_df"), nullptr);
}

TEST(MixedReport, BlupsHaveARowForEveryBlockAndLevel) {
  const MixedSummary summary =
      summary_of("phq9 ~ session + (session || patient) + (1 | therapist)");
  const Json blups = report::blups_json(summary.fit);
  ASSERT_EQ(blups.items().size(), 120U + 120U + 15U);
  EXPECT_EQ(blups.items()[120].at("block").number(), 1);
  EXPECT_EQ(blups.items()[240].at("factor").string(), "therapist");
  EXPECT_EQ(blups.items()[240].at("level").string(), "T01");
}

TEST(MixedReport, TextIsAnApaTable) {
  const std::string text =
      report::mixed_text(summary_of("phq9 ~ session + treatment + (1 + session | patient)"));
  EXPECT_THAT(text, HasSubstr("1155 observations, 120 levels of patient"));
  EXPECT_THAT(text, HasSubstr("< .001"));
  EXPECT_THAT(text, HasSubstr("95 % CI"));
  EXPECT_THAT(text, Not(HasSubstr("type III")));  // each term has one coefficient
  EXPECT_THAT(report::mixed_text(summary_of("phq9 ~ session", DegreesOfFreedom::none)),
              HasSubstr(" z "));
}

TEST(MixedReport, TextOfMeansAndSlopes) {
  const Design design = make_design(
      parse_formula("phq9 ~ session * wai_client + treatment + (1 | patient)"), panel());
  const MixedModel model(design);
  const MixedFit fit = model.fit();
  const FixedInference inference(model, fit);
  EXPECT_THAT(report::means_text(marginal_means(design, fit.fixed, inference, "treatment")),
              HasSubstr("ALLI - TAU"));
  const SimpleSlopes slopes = simple_slopes(design, fit.fixed, inference, "wai_client", "session");
  EXPECT_THAT(report::slopes_text(slopes, "wai_client", "session", 0.95),
              HasSubstr("Johnson–Neyman; observed: 1.00 to 12.00"));
}

}  // namespace
}  // namespace rapport
