#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/mixed/means.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing_support::read_reference;

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

/// A fitted model with its inference.
struct Fitted {
  Design design;
  MixedModel model;
  MixedFit fit;
  FixedInference inference;

  Fitted(const std::string& formula, const Table& table,
         DegreesOfFreedom df = DegreesOfFreedom::satterthwaite)
      : design(make_design(parse_formula(formula), table)),
        model(design),
        fit(model.fit()),
        inference(model, fit, df) {}
};

void expect_estimate(const ContrastEstimate& estimate, const Json& reference) {
  // lmerTest and emmeans differentiate numerically: degrees of freedom agree to about four digits.
  const double error = reference.at("standard_error").number();
  EXPECT_NEAR(estimate.estimate, reference.at("estimate").number(), 1e-5 * error);
  EXPECT_NEAR(estimate.standard_error / error, 1, 2e-5);
  EXPECT_NEAR(estimate.df / reference.at("df").number(), 1, 1e-3);
  EXPECT_NEAR(estimate.p_value / reference.at("p_value").number(), 1, 0.1);
  if (reference.find("ci_lower") != nullptr) {
    EXPECT_NEAR(estimate.ci.lower, reference.at("ci_lower").number(), 1e-4 * error);
    EXPECT_NEAR(estimate.ci.upper, reference.at("ci_upper").number(), 1e-4 * error);
  }
}

std::string joined(const Place& place) {
  std::string text;
  for (const auto& level : place) text += (text.empty() ? "" : "|") + level.second;
  return text;
}

void expect_means(const MarginalMeans& means, const Json& reference) {
  const Json::Array& rows = reference.at("means").items();
  ASSERT_EQ(means.means.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Json& label = rows[i].at("label");
    EXPECT_EQ(joined(means.means[i].levels),
              label.is_string() ? label.string() : shortest_decimal(label.number()));
    expect_estimate(means.means[i].mean, rows[i]);
  }
  const Json::Array& pairs = reference.at("differences").items();
  ASSERT_EQ(means.differences.size(), pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    expect_estimate(means.differences[i].difference, pairs[i]);
    EXPECT_NEAR(means.differences[i].p_tukey, pairs[i].at("p_tukey").number(), 1e-4);
  }
}

// emmeans 1.8.4 on lmerTest 3.1.3 and pbkrtest 0.5.2; see tests/reference/README.md.
TEST(MarginalMeans, EqualThoseOfEmmeans) {
  const Json reference = read_reference("mixed/marginal.json");
  const Fitted fitted(reference.at("treatment").at("formula").string(), panel());
  expect_means(marginal_means(fitted.design, fitted.fit.fixed, fitted.inference, "treatment"),
               reference.at("treatment"));
}

TEST(MarginalMeans, AreSeparatedByAnotherFactor) {
  const Json reference = read_reference("mixed/marginal.json");
  const Table early = where(panel(), "session <= 4");
  const Json& separated = reference.at("session_by_treatment");
  const Fitted satterthwaite(separated.at("formula").string(), early);
  expect_means(marginal_means(satterthwaite.design, satterthwaite.fit.fixed,
                              satterthwaite.inference, "session", "treatment"),
               separated);
  const Fitted kenward_roger(separated.at("formula").string(), early,
                             DegreesOfFreedom::kenward_roger);
  expect_means(marginal_means(kenward_roger.design, kenward_roger.fit.fixed,
                              kenward_roger.inference, "factor(session)"),
               reference.at("session_kenward_roger"));
}

TEST(MarginalMeans, PutACovariateThroughItsPolynomialAtItsMean) {
  const Json reference = read_reference("mixed/marginal.json");
  const Fitted fitted(reference.at("polynomial").at("formula").string(), panel());
  const MarginalMeans means =
      marginal_means(fitted.design, fitted.fit.fixed, fitted.inference, "treatment");
  const Json::Array& rows = reference.at("polynomial").at("means").items();
  for (std::size_t i = 0; i < rows.size(); ++i) expect_estimate(means.means[i].mean, rows[i]);
}

TEST(MarginalMeans, DoNotDependOnTheContrasts) {
  const Formula formula = parse_formula("phq9 ~ treatment * session + (1 | patient)");
  std::vector<double> means;
  for (const Contrast contrast : {Contrast::treatment, Contrast::sum, Contrast::helmert}) {
    const Design design = make_design(formula, panel(), {.contrast = contrast});
    const MixedModel model(design);
    const MixedFit fit = model.fit();
    means.push_back(marginal_means(design, fit.fixed, FixedInference(model, fit), "treatment")
                        .means[1]
                        .mean.estimate);
  }
  EXPECT_NEAR(means[0], means[1], 1e-9);
  EXPECT_NEAR(means[0], means[2], 1e-9);
}

TEST(SimpleSlopes, EqualTrendsOfEmmeans) {
  const Json reference = read_reference("mixed/marginal.json");
  const Fitted fitted(reference.at("treatment").at("formula").string(), panel());
  const SimpleSlopes slopes = simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference,
                                            "wai_client", "session", {"1", "6", "12"});
  const Json::Array& rows = reference.at("slopes").items();
  ASSERT_EQ(slopes.slopes.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) expect_estimate(slopes.slopes[i].slope, rows[i]);
}

TEST(SimpleSlopes, OfAPolynomialAtEachLevelOfAFactor) {
  const Json reference = read_reference("mixed/marginal.json");
  const Fitted fitted(reference.at("polynomial").at("formula").string(), panel());
  const SimpleSlopes slopes =
      simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference, "session", "treatment");
  const Json::Array& rows = reference.at("slopes_of_factor").items();
  ASSERT_EQ(slopes.slopes.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(joined(slopes.slopes[i].at), rows[i].at("label").string());
    // emtrends takes a difference quotient to one side
    EXPECT_NEAR(slopes.slopes[i].slope.estimate, rows[i].at("estimate").number(),
                1e-3 * rows[i].at("standard_error").number());
    EXPECT_NEAR(slopes.slopes[i].slope.standard_error / rows[i].at("standard_error").number(), 1,
                1e-3);
  }
  EXPECT_FALSE(slopes.region.has_value());
}

// At the bounds of the region the p-value is 1 − level by definition.
TEST(SimpleSlopes, RegionEndsWhereTheSlopeIsJustSignificant) {
  const Fitted fitted("phq9 ~ session * wai_client + (1 + session | patient)", panel());
  for (const double level : {0.8, 0.95, 0.999}) {
    const SimpleSlopes slopes = simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference,
                                              "wai_client", "session", {}, level);
    ASSERT_TRUE(slopes.region.has_value());
    for (const double bound : {slopes.region->lower, slopes.region->upper}) {
      if (std::isnan(bound)) continue;
      const SimpleSlopes there = simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference,
                                               "wai_client", "session", {shortest_decimal(bound)});
      EXPECT_NEAR(there.slopes[0].slope.p_value, 1 - level, 1e-8);
    }
  }
}

TEST(SimpleSlopes, StandAtTheMeanAndOneSdToEachSideUnlessTold) {
  const Fitted fitted("phq9 ~ session * wai_client + (1 | patient)", panel());
  const SimpleSlopes slopes =
      simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference, "wai_client", "session");
  ASSERT_EQ(slopes.slopes.size(), 3U);
  const double b = fitted.fit.fixed.estimate[2];
  const double interaction = fitted.fit.fixed.estimate[3];
  const double mean = panel().numbers("session").mean();
  EXPECT_NEAR(slopes.slopes[1].slope.estimate, b + interaction * mean, 1e-9);
}

TEST(MarginalMeans, RefuseWhatIsNotInTheModel) {
  const Fitted fitted("phq9 ~ session * treatment + (1 | patient)", panel());
  const auto message = [&](const auto& call) {
    try {
      call();
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(message([&] {
                (void)marginal_means(fitted.design, fitted.fit.fixed, fitted.inference, "tratment");
              }),
              HasSubstr("did you mean \"treatment\""));
  EXPECT_THAT(message([&] {
                (void)marginal_means(fitted.design, fitted.fit.fixed, fitted.inference, "session");
              }),
              HasSubstr("numeric"));
  EXPECT_THAT(message([&] {
                (void)simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference, "treatment");
              }),
              HasSubstr("categorical"));
  EXPECT_THAT(message([&] {
                (void)simple_slopes(fitted.design, fitted.fit.fixed, fitted.inference, "session",
                                    "treatment", {"CBT"});
              }),
              HasSubstr("CBT"));
}

}  // namespace
}  // namespace rapport
