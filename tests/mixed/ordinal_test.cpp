#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/brant.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/ordinal.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

const Table& wine() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/mixed/wine.csv");
  return table;
}

const Json& expected(const std::string& key) {
  static const Json json = testing_support::read_reference("mixed/ordinal.json");
  return json.at(key);
}

Design design_of(const std::string& formula) {
  return make_design(parse_formula(formula), wine(), {.response = ResponseKind::ordered});
}

/// A model of the wine data; the effects are given as `terms`, or empty.
struct Model {
  std::string formula;
  Link link = Link::logit;
  Thresholds thresholds = Thresholds::flexible;
  std::string nominal = {};
  std::string scale = {};
  Index points = 1;
};

struct Fitted {
  Design design;
  GeneralizedFit fit;
};

Fitted fit(const Model& model) {
  Fitted result{.design = design_of(model.formula), .fit = {}};
  GeneralizedOptions options{
      .family = Family::cumulative, .link = model.link, .quadrature_points = model.points};
  options.ordinal.thresholds = model.thresholds;
  if (!model.nominal.empty())
    options.ordinal.nominal =
        effect_columns(design_of("factor(rating) ~ " + model.nominal), result.design);
  if (!model.scale.empty())
    options.ordinal.scale =
        effect_columns(design_of("factor(rating) ~ " + model.scale), result.design);
  result.fit = fit_generalized_model(result.design, options);
  EXPECT_TRUE(result.fit.optimizer.converged) << result.fit.optimizer.message;
  return result;
}

std::vector<double> numbers(const Json& json) {
  std::vector<double> values;
  if (json.is_number()) values.push_back(json.number());
  if (json.is_array())
    for (const Json& item : json.items()) values.push_back(item.number());
  return values;
}

void expect_values(const std::vector<double>& values, const std::vector<double>& reference,
                   double tolerance) {
  ASSERT_EQ(values.size(), reference.size());
  for (std::size_t k = 0; k < values.size(); ++k)
    EXPECT_NEAR(values[k], reference[k], tolerance * (1 + std::abs(reference[k]))) << k;
}

/// Threshold parameters with nominal effects, fixed effects, scale effects: estimates, then errors.
struct Flat {
  std::vector<double> estimates;
  std::vector<double> errors;
};
Flat flat(const GeneralizedFit& fit) {
  Flat all;
  const auto add = [&](const std::vector<OtherParameter>& parameters) {
    for (const OtherParameter& parameter : parameters) {
      all.estimates.push_back(parameter.estimate);
      all.errors.push_back(parameter.standard_error);
    }
  };
  add(fit.threshold_parameters.empty() ? fit.thresholds : fit.threshold_parameters);
  add(fit.nominal_effects);
  for (Index j = 0; j < fit.fixed.estimate.size(); ++j) {
    all.estimates.push_back(fit.fixed.estimate[j]);
    all.errors.push_back(fit.fixed.standard_error[j]);
  }
  add(fit.scale_effects);
  return all;
}

/// clm takes ±1e5 for the outermost thresholds, which the heavy tails of `cauchit` notice: 1/(10⁵π)
/// a row.
void expect_clm(const GeneralizedFit& fit, const std::string& key) {
  SCOPED_TRACE(key);
  const Json& reference = expected(key);
  const bool coarse = fit.link == Link::cauchit;
  EXPECT_NEAR(fit.criterion.log_likelihood, reference.at("logLik").number(), coarse ? 5e-4 : 1e-9);
  std::vector<double> estimates = numbers(reference.at("alpha"));
  for (const char* part : {"beta", "zeta"})
    for (const double value : numbers(reference.at(part))) estimates.push_back(value);
  const Flat all = flat(fit);
  expect_values(all.estimates, estimates, coarse ? 1e-4 : 1e-6);
  expect_values(all.errors, numbers(reference.at("se")), coarse ? 1e-4 : 1e-5);
}

TEST(Ordinal, LinksAndThresholdsAgreeWithClm) {
  for (const Link link : {Link::logit, Link::probit, Link::cloglog, Link::loglog, Link::cauchit})
    for (const Thresholds thresholds : {Thresholds::flexible, Thresholds::symmetric,
                                        Thresholds::symmetric2, Thresholds::equidistant})
      expect_clm(fit({.formula = "factor(rating) ~ temp + contact",
                      .link = link,
                      .thresholds = thresholds})
                     .fit,
                 std::string(to_string(link)) + " " + std::string(to_string(thresholds)));
}

TEST(Ordinal, NominalAndScaleEffectsAgreeWithClm) {
  expect_clm(fit({.formula = "factor(rating) ~ temp", .nominal = "contact"}).fit, "nominal");
  expect_clm(
      fit({.formula = "factor(rating) ~ temp + contact", .link = Link::probit, .scale = "temp"})
          .fit,
      "scale");
  const GeneralizedFit both =
      fit({.formula = "factor(rating) ~ temp", .nominal = "contact", .scale = "temp"}).fit;
  expect_clm(both, "both");
  EXPECT_EQ(both.nominal_effects[1].term, "2|3.contactyes");
  const GeneralizedFit structured = fit({.formula = "factor(rating) ~ temp",
                                         .link = Link::cloglog,
                                         .thresholds = Thresholds::equidistant,
                                         .nominal = "contact",
                                         .scale = "temp"})
                                        .fit;
  expect_clm(structured, "structured");
  EXPECT_EQ(structured.nominal_effects[1].term, "spacing.contactyes");
  EXPECT_NEAR(
      structured.thresholds[3].estimate,
      structured.threshold_parameters[0].estimate + 3 * structured.threshold_parameters[1].estimate,
      1e-12);
}

TEST(Ordinal, RandomInterceptsAgreeWithClmm2) {
  for (const Thresholds thresholds :
       {Thresholds::flexible, Thresholds::symmetric, Thresholds::equidistant})
    for (const Index points : {1, 10}) {
      const std::string key =
          "clmm2 " + std::string(to_string(thresholds)) + " " + std::to_string(points);
      SCOPED_TRACE(key);
      const GeneralizedFit ours = fit({.formula = "factor(rating) ~ temp + contact + (1 | judge)",
                                       .thresholds = thresholds,
                                       .points = points})
                                      .fit;
      const Json& reference = expected(key);
      EXPECT_NEAR(ours.criterion.log_likelihood, reference.at("logLik").number(), 2e-8);
      std::vector<double> estimates = numbers(reference.at("Theta"));
      for (const double value : numbers(reference.at("beta"))) estimates.push_back(value);
      expect_values(flat(ours).estimates, estimates, 2e-5);
      EXPECT_NEAR(ours.random[0].sd[0], reference.at("sd").number(), 3e-5);
      if (points == 1) continue;  // its Hessian by differences is too coarse
      std::vector<double> errors = numbers(reference.at("se"));
      errors.pop_back();
      expect_values(flat(ours).errors, errors, 1e-3);
    }
}

TEST(Ordinal, ScaleEffectsWithARandomIntercept) {
  Model model{.formula = "factor(rating) ~ temp + contact + (1 | judge)", .scale = "temp"};
  // By the definition of Laplace's approximation.
  const GeneralizedFit laplace = fit(model).fit;
  const Json& definition = expected("laplace scale");
  EXPECT_NEAR(laplace.criterion.log_likelihood, definition.at("logLik").number(), 1e-7);
  std::vector<double> estimates = flat(laplace).estimates;
  estimates.push_back(laplace.random[0].sd[0]);
  expect_values(estimates, numbers(definition.at("estimate")), 1e-3);

  model.points = 10;
  const GeneralizedFit quadrature = fit(model).fit;
  const Json& reference = expected("clmm2 scale 10");
  EXPECT_NEAR(quadrature.criterion.log_likelihood, reference.at("logLik").number(), 1e-8);
  EXPECT_NEAR(quadrature.scale_effects[0].estimate, reference.at("zeta").number(), 1e-6);
  EXPECT_NEAR(quadrature.scale_effects[0].standard_error, numbers(reference.at("se"))[6], 1e-3);
  EXPECT_NEAR(quadrature.random[0].sd[0], reference.at("sd").number(), 1e-5);
}

// With a column a category the nominal effects of a binary response are its slope, and a scale of a
// two-level covariate is the ratio of two probit models' coefficients.
TEST(Ordinal, TwoGroupsWithNominalEffectsAreTwoModels) {
  const GeneralizedFit joint = fit({.formula = "factor(rating) ~ 1", .nominal = "temp"}).fit;
  const Table& table = wine();
  double apart = 0;
  for (const std::string level : {"cold", "warm"}) {
    const Factor temp = table.factor("temp");
    std::vector<Index> rows;
    for (Index i = 0; i < table.rows(); ++i)
      if (temp.levels[static_cast<std::size_t>(temp.codes[static_cast<std::size_t>(i)])] == level)
        rows.push_back(i);
    const Eigen::VectorXd rating = table.numbers("rating");
    // The multinomial's likelihood.
    for (Index category = 1; category <= 5; ++category) {
      double count = 0;
      for (const Index i : rows) count += rating[i] == static_cast<double>(category) ? 1 : 0;
      if (count > 0) apart += count * std::log(count / static_cast<double>(rows.size()));
    }
  }
  EXPECT_NEAR(joint.criterion.log_likelihood, apart, 1e-6);
}

// Likelihood-ratio tests of proportional odds and of a common scale, as clm's nominal_test() and
// scale_test().
TEST(Ordinal, TestsOfProportionalOddsAgreeWithClm) {
  const Fitted plain = fit({.formula = "factor(rating) ~ temp + contact"});
  const std::vector<OrdinalTermTest> tests = ordinal_term_tests(plain.design, plain.fit, 2);
  ASSERT_EQ(tests.size(), 2u);
  EXPECT_EQ(tests[1].term, "contact");
  for (std::size_t k = 0; k < tests.size(); ++k) {
    EXPECT_EQ(tests[k].nominal.df, 3);
    EXPECT_NEAR(tests[k].nominal.statistic, numbers(expected("nominal_test").at("statistic"))[k],
                1e-5);
    EXPECT_NEAR(tests[k].nominal.p_value, numbers(expected("nominal_test").at("p"))[k], 1e-5);
    EXPECT_EQ(tests[k].scale.df, 1);
    EXPECT_NEAR(tests[k].scale.statistic, numbers(expected("scale_test").at("statistic"))[k], 1e-5);
  }
}

// By R's glm of y > j for every threshold, and Brant's equation 4 written out: orthodont's
// distances cut at 22, 24 and 26.
TEST(Ordinal, BrantsTestIsThatOfTheBinaryModels) {
  Design design = make_design(parse_formula("distance ~ age + Sex"),
                              read_csv(RAPPORT_TEST_DATA "/mixed/orthodont.csv"));
  for (double& y : design.response) y = y < 22 ? 0 : y < 24 ? 1 : y < 26 ? 2 : 3;
  const GeneralizedFit model = fit_generalized_model(design, {.family = Family::cumulative});
  const std::vector<BrantTest> tests = brant_test(design, model);
  ASSERT_EQ(tests.size(), 3u);
  EXPECT_EQ(tests[0].df, 4);
  EXPECT_NEAR(tests[0].statistic, 2.07915585016, 1e-8);
  EXPECT_NEAR(tests[0].p_value, 0.721202704182, 1e-9);
  EXPECT_EQ(tests[1].term, "age");
  EXPECT_EQ(tests[1].df, 2);
  EXPECT_NEAR(tests[1].statistic, 1.12577027160, 1e-8);
  EXPECT_NEAR(tests[2].statistic, 1.24870761467, 1e-8);
  EXPECT_NEAR(tests[2].p_value, 0.535607422304, 1e-9);
  const GeneralizedFit probit =
      fit_generalized_model(design, {.family = Family::cumulative, .link = Link::probit});
  EXPECT_THROW(static_cast<void>(brant_test(design, probit)), InvalidArgument);
}

TEST(Ordinal, ProfilesAndInfluenceKnowTheEffects) {
  const Fitted model =
      fit({.formula = "factor(rating) ~ temp", .nominal = "contact", .scale = "temp"});
  const std::vector<ParameterInterval> intervals = profile_intervals(model.design, model.fit);
  ASSERT_EQ(intervals.size(), 10u);
  EXPECT_EQ(intervals[8].parameter, "scale(tempwarm)");
  EXPECT_LT(intervals[8].ci.lower, model.fit.scale_effects[0].estimate);
  EXPECT_GT(intervals[8].ci.upper, model.fit.scale_effects[0].estimate);
  const std::vector<std::int32_t> judge = wine().factor("judge").codes;
  const std::vector<LevelInfluence> influence =
      deletion_influence(model.design, model.fit, judge, wine().factor("judge").levels);
  EXPECT_TRUE(std::isfinite(influence[0].cooks_distance));
}

TEST(Ordinal, RefusesWhatHasNoMeaning) {
  Design design = design_of("factor(rating) ~ temp");
  EffectColumns wrong{.terms = {"x"}, .columns = Eigen::MatrixXd::Ones(3, 1)};
  EXPECT_THROW((void)fit_generalized_model(
                   design, {.family = Family::cumulative, .ordinal = {.nominal = wrong}}),
               InvalidArgument);
  EXPECT_EQ(parse_thresholds("symmetric"), Thresholds::symmetric);
  EXPECT_EQ(parse_thresholds("even"), std::nullopt);
}

}  // namespace
}  // namespace rapport
