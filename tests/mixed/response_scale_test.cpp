#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/response_scale.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace rapport {
namespace {

const Json& expected(const std::string& key) {
  static const Json json = testing_support::read_reference("mixed/response_scale.json");
  return json.at(key);
}

/// What R's ordinal and emmeans say of the wine data.
const Json& ordinal(const std::string& key) {
  static const Json json = testing_support::read_reference("mixed/ordinal.json");
  return json.at(key);
}

double number(const Json& json, const std::string& member, std::size_t i) {
  const Json& values = json.at(member);
  return values.is_number() ? values.number() : values.items()[i].number();
}

Table table_of(const std::string& file) { return read_csv(RAPPORT_TEST_DATA "/mixed/" + file); }

struct Fitted {
  Design design;
  GeneralizedFit fit;
};

Fitted fit(const std::string& formula, const Table& table, const GeneralizedOptions& options) {
  Fitted result{
      make_design(parse_formula(formula), table, {.response = response_kind(options.family)}), {}};
  result.fit = fit_generalized_model(result.design, options);
  return result;
}

Fitted cbpp() {
  return fit("cbind(incidence, healthy) ~ factor(period) + (1 | herd)", table_of("cbpp.csv"),
             {.family = Family::binomial});
}

Fitted wine() {
  return fit("factor(rating) ~ temp + contact", table_of("wine.csv"),
             {.family = Family::cumulative});
}

/// generalized_slope.csv with an arm: odd groups b.
Table counts() {
  Table table = table_of("generalized_slope.csv");
  Factor arm{.codes = {}, .levels = {"a", "b"}};
  for (const double g : table.numbers("g")) arm.codes.push_back(static_cast<std::int32_t>(g) % 2);
  table.add("arm", arm);
  return table;
}

TEST(ResponseScale, MeansAgreeWithEmmeans) {
  const Fitted model = cbpp();
  const ResponseMeans means = response_means(model.design, model.fit, "period");
  ASSERT_EQ(means.means.size(), 4u);
  for (std::size_t k = 0; k < 4; ++k) {
    const ResponseValue& value = means.means[k].values.front();
    EXPECT_NEAR(value.estimate, number(expected("means"), "estimate", k), 1e-6);
    EXPECT_NEAR(value.standard_error, number(expected("means"), "se", k), 1e-6);
  }
  ASSERT_EQ(means.differences.size(), 6u);
  for (std::size_t k = 0; k < 6; ++k) {
    const ResponseContrast& difference = means.differences[k];
    EXPECT_NEAR(difference.estimates[0].estimate, number(expected("differences"), "estimate", k),
                1e-6);
    EXPECT_NEAR(difference.estimates[0].standard_error, number(expected("differences"), "se", k),
                1e-6);
    EXPECT_EQ(
        difference.p_tukey[0],
        studentized_range_upper_tail(std::sqrt(2.0) * std::abs(difference.estimates[0].statistic),
                                     4, std::numeric_limits<double>::infinity()));
  }
  // The interval is that of the linear predictor, taken back.
  const double eta =
      std::log(means.means[0].values[0].estimate) - std::log1p(-means.means[0].values[0].estimate);
  EXPECT_NEAR(
      means.means[0].values[0].ci.lower,
      1 / (1 + std::exp(-(eta - normal_quantile(0.975) * model.fit.fixed.standard_error[0]))),
      1e-10);
}

TEST(ResponseScale, AveragesAreIntegralsOverTheRandomEffects) {
  const Fitted model = cbpp();
  const ResponseMeans means =
      response_means(model.design, model.fit, "period", {}, {.averaging = Averaging::groups});
  for (std::size_t k = 0; k < 4; ++k) {
    const ResponseValue& value = means.means[k].values.front();
    EXPECT_NEAR(value.estimate, number(expected("averaged"), "estimate", k), 1e-6);
    EXPECT_NEAR(value.standard_error, number(expected("averaged"), "se", k), 2e-6);
  }
  EXPECT_NEAR(means.differences[1].estimates[0].standard_error,
              number(expected("averaged_difference"), "se", 0), 2e-6);

  // Probit: Φ(η / √(1 + σ²)).
  const Fitted probit = fit("probit ~ x + (1 | g)", table_of("generalized.csv"),
                            {.family = Family::binomial, .link = Link::probit});
  Table rows;
  rows.add("x", Eigen::Vector2d(-1, 0.7));
  const ResponsePredictions averaged =
      predict_response(probit.design, probit.fit, rows, {.averaging = Averaging::groups});
  const double sd = probit.fit.random[0].sd[0];
  for (Index i = 0; i < 2; ++i) {
    const double eta =
        probit.fit.fixed.estimate[0] + probit.fit.fixed.estimate[1] * rows.numbers("x")[i];
    EXPECT_NEAR(averaged.estimate(i, 0), normal_cdf(eta / std::sqrt(1 + sd * sd)), 1e-12);
  }
}

TEST(ResponseScale, SlopesAndCountsWithRandomSlopes) {
  const Fitted model = fit("count ~ x * arm + (x | g)", counts(), {.family = Family::poisson});
  const std::vector<ResponseContrast> slopes = response_slopes(model.design, model.fit, "x", "arm");
  ASSERT_EQ(slopes.size(), 2u);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_NEAR(slopes[k].estimates[0].estimate, number(expected("slopes"), "estimate", k), 2e-5);
    EXPECT_NEAR(slopes[k].estimates[0].standard_error, number(expected("slopes"), "se", k), 2e-4);
  }
  Table rows;
  rows.add("x", Eigen::Vector2d(-1, 0.5));
  rows.add("arm", Factor{.codes = {0, 1}, .levels = {"a", "b"}});
  for (const bool averaged : {false, true}) {
    const ResponsePredictions predictions =
        predict_response(model.design, model.fit, rows,
                         {.averaging = averaged ? Averaging::groups : Averaging::none});
    const Json& reference = expected(averaged ? "poisson_averaged" : "poisson_population");
    for (Index i = 0; i < 2; ++i) {
      const auto k = static_cast<std::size_t>(i);
      EXPECT_NEAR(predictions.estimate(i, 0), number(reference, "estimate", k), 1e-5);
      EXPECT_NEAR(predictions.standard_error(i, 0), number(reference, "se", k), 1e-5);
    }
  }
}

TEST(ResponseScale, CategoriesAgreeWithEmmeansAndPredictClm) {
  const Fitted model = wine();
  const ResponseMeans means = response_means(model.design, model.fit, "temp");
  for (std::size_t k = 0; k < 2; ++k) {
    ASSERT_EQ(means.means[k].values.size(), 6u);
    for (std::size_t j = 0; j < 5; ++j) {
      const ResponseValue& value = means.means[k].values[j];
      EXPECT_NEAR(value.estimate, number(ordinal("prob"), "estimate", 5 * k + j), 1e-6);
      EXPECT_NEAR(value.standard_error, number(ordinal("prob"), "se", 5 * k + j), 1e-6);
    }
    EXPECT_EQ(means.means[k].values[5].name, "mean category");
    EXPECT_NEAR(means.means[k].values[5].estimate, number(ordinal("mean_class"), "estimate", k),
                1e-6);
    EXPECT_NEAR(means.means[k].values[5].standard_error, number(ordinal("mean_class"), "se", k),
                1e-6);
  }
  EXPECT_NEAR(means.differences[0].estimates[5].standard_error,
              number(ordinal("mean_class_difference"), "se", 0), 1e-6);

  Table rows;
  rows.add("temp", Factor{.codes = {0, 1, 0, 1}, .levels = {"cold", "warm"}});
  rows.add("contact", Factor{.codes = {0, 0, 1, 1}, .levels = {"no", "yes"}});
  const ResponsePredictions predictions = predict_response(model.design, model.fit, rows);
  const Json& intervals = ordinal("predict_interval");
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 5; ++j) {
      const auto k = static_cast<std::size_t>(5 * i + j);
      EXPECT_NEAR(predictions.estimate(i, j), number(intervals, "fit", k), 1e-7);
      EXPECT_NEAR(predictions.standard_error(i, j), number(intervals, "se", k), 1e-6);
      EXPECT_NEAR(predictions.ci_lower(i, j), number(intervals, "lower", k), 1e-6);
      EXPECT_NEAR(predictions.ci_upper(i, j), number(intervals, "upper", k), 1e-6);
    }
}

TEST(ResponseScale, NominalAndScaleEffectsEnterThePredictions) {
  const Table table = table_of("wine.csv");
  Design design = make_design(parse_formula("factor(rating) ~ temp"), table,
                              {.response = ResponseKind::ordered});
  const auto effects = [&](const std::string& terms) {
    return effect_columns(make_design(parse_formula("factor(rating) ~ " + terms), table,
                                      {.response = ResponseKind::ordered}),
                          design);
  };
  GeneralizedOptions options{.family = Family::cumulative};
  options.ordinal = {.nominal = effects("contact"), .scale = effects("temp")};
  const GeneralizedFit both = fit_generalized_model(design, options);
  Table rows;
  rows.add("temp", Factor{.codes = {0, 1, 0, 1}, .levels = {"cold", "warm"}});
  rows.add("contact", Factor{.codes = {0, 0, 1, 1}, .levels = {"no", "yes"}});
  const ResponsePredictions predictions = predict_response(design, both, rows);
  const Json& reference = ordinal("predict");
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 5; ++j) {
      const auto k = static_cast<std::size_t>(5 * i + j);
      EXPECT_NEAR(predictions.estimate(i, j), number(reference, "fit", k), 1e-6);
      EXPECT_NEAR(predictions.standard_error(i, j), number(reference, "se", k), 1e-5);
    }
  // A factor that only the nominal effects know can be compared, too.
  EXPECT_EQ(response_means(design, both, "contact").means.size(), 2u);
}

TEST(ResponseScale, ConditionalPredictionsAreTheMeanAtTheMode) {
  const Fitted model = cbpp();
  const Table rows = table_of("cbpp.csv");
  const Predictions linear = predict(model.design, model.fit, rows);
  const ResponsePredictions responses = predict_conditional_response(model.design, model.fit, rows);
  for (const Index i : {0, 20}) {
    const double mean = 1 / (1 + std::exp(-linear.estimate[i]));
    EXPECT_NEAR(responses.estimate(i, 0), mean, 1e-12);
    EXPECT_NEAR(responses.estimate(i, 0), model.fit.fitted[i], 1e-10);
    EXPECT_NEAR(responses.standard_error(i, 0), mean * (1 - mean) * linear.standard_error[i],
                1e-10);
    EXPECT_NEAR(responses.ci_upper(i, 0), 1 / (1 + std::exp(-linear.ci_upper[i])), 1e-10);
  }
}

// glmmTMB 1.1.5: predict(type = "response", re.form = NA) of poisson ~ x + (1 | g) with extra zeros
// by w, and its standard errors.
TEST(ResponseScale, ExtraZerosLowerTheMean) {
  const Table table = table_of("zero_inflated.csv");
  const Design design = make_design(parse_formula("poisson ~ x + (1 | g)"), table);
  GeneralizedOptions options{.family = Family::poisson};
  options.zero_inflation =
      zero_inflation_columns(make_design(parse_formula("poisson ~ w"), table), design);
  const GeneralizedFit zeros = fit_generalized_model(design, options);
  Table rows;
  rows.add("x", Eigen::Vector2d(-1, 0.5));
  rows.add("w", Eigen::Vector2d(0.2, 0.9));
  const ResponsePredictions predictions = predict_response(design, zeros, rows);
  EXPECT_NEAR(predictions.estimate(0, 0), 0.93235196, 1e-5);
  EXPECT_NEAR(predictions.estimate(1, 0), 1.26572392, 1e-5);
  EXPECT_NEAR(predictions.standard_error(0, 0), 0.10176529, 1e-5);
  EXPECT_NEAR(predictions.standard_error(1, 0), 0.14535967, 1e-5);
  // A covariate that only the zeros know has a slope all the same.
  EXPECT_LT(response_slopes(design, zeros, "w")[0].estimates[0].estimate, 0);
}

TEST(ResponseScale, RefusesWhatMeansNothing) {
  const Fitted model = cbpp();
  EXPECT_THROW((void)response_slopes(model.design, model.fit, "period"), InvalidArgument);
  EXPECT_THROW((void)response_means(model.design, model.fit, "herd"), InvalidArgument);
}

}  // namespace
}  // namespace rapport
