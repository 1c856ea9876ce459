#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/r_squared.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <cmath>

namespace rapport {
namespace {

using testing_support::read_reference;

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

const char* const formula =
    "phq9 ~ session + treatment + (1 + session | patient) + (1 | therapist)";

Table new_rows() {
  return parse_csv(
      "session,treatment,patient,therapist\n0,ALLI,P001,T01\n3.5,TAU,P050,T05\n20,TAU,P120,T15\n5,"
      "ALLI,P001,T02\n"
      "5,ALLI,new,T03\n5,TAU,new,other\n");
}

// lme4 1.1-31 with Henderson's equations inverted densely; see tests/reference/README.md.
TEST(Predict, EstimatesAndErrorsAreHendersons) {
  const Design design = make_design(parse_formula(formula), panel());
  const MixedFit fit = fit_mixed_model(design);
  const Predictions conditional = predict(design, fit, new_rows());
  const Predictions population = predict(design, fit, new_rows(), {.population = true});
  const Json reference = read_reference("mixed/marginal.json");
  const Json::Array& rows = reference.at("predictions").items();
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const auto i = static_cast<Index>(k);
    EXPECT_NEAR(conditional.estimate[i], rows[k].at("estimate").number(), 1e-4);
    EXPECT_NEAR(conditional.standard_error[i] / rows[k].at("standard_error").number(), 1, 1e-4);
    EXPECT_NEAR(population.estimate[i], rows[k].at("population").number(), 1e-5);
    EXPECT_NEAR(population.standard_error[i] / rows[k].at("population_error").number(), 1, 1e-4);
  }
}

TEST(Predict, RowsOfTheFitHaveTheirFittedValues) {
  const Design design = make_design(parse_formula(formula), panel());
  const MixedFit fit = fit_mixed_model(design);
  const Predictions predictions = predict(design, fit, panel().select(design.rows));
  EXPECT_NEAR((predictions.estimate - fitted_values(design, fit)).norm(), 0, 1e-9);
}

TEST(Predict, IntervalsStandAroundTheEstimate) {
  const Design design = make_design(parse_formula(formula), panel());
  const MixedFit fit = fit_mixed_model(design);
  const Predictions p = predict(design, fit, new_rows(), {.confidence_level = 0.9});
  for (Index i = 0; i < p.estimate.size(); ++i) {
    EXPECT_NEAR((p.ci_upper[i] - p.ci_lower[i]) / (2 * p.standard_error[i]), 1.6448536269514722,
                1e-9);
    const double total = std::hypot(p.standard_error[i], fit.residual.sd);
    EXPECT_NEAR((p.prediction_upper[i] - p.prediction_lower[i]) / (2 * total), 1.6448536269514722,
                1e-9);
  }
}

TEST(Predict, OfASingularFitHasNoErrorFromTheVanishedEffect) {
  Table table;  // the same values in every group: a variance of 0
  Eigen::VectorXd y(12);
  std::vector<std::string> group;
  for (Index i = 0; i < 12; ++i) {
    y[i] = static_cast<double>(i % 4);
    group.push_back(std::string(1, static_cast<char>('a' + i / 4)));
  }
  table.add("y", y);
  table.add("g", make_factor(group));
  const Design design = make_design(parse_formula("y ~ 1 + (1 | g)"), table);
  const MixedFit fit = fit_mixed_model(design);
  ASSERT_EQ(fit.random[0].sd[0], 0);
  const Predictions p = predict(design, fit, parse_csv("g\na\nunseen\n"));
  EXPECT_NEAR(p.estimate[0], 1.5, 1e-12);
  EXPECT_NEAR(p.standard_error[0], fit.residual.sd / std::sqrt(12.0), 1e-9);
  EXPECT_NEAR(p.standard_error[1], fit.residual.sd / std::sqrt(12.0), 1e-9);
}

TEST(Predict, WeightsAndOffsetsEnter) {
  Table table = panel();
  table.add("w", Eigen::VectorXd(panel().numbers("session").array().sqrt()));
  const Design design =
      make_design(parse_formula("phq9 ~ session + offset(0.1 * session) + (1 | patient)"), table,
                  {.weights = "w"});
  const MixedFit fit = fit_mixed_model(design);
  const Table rows = parse_csv("session,patient\n4,P001\n4,unseen\n");
  const Predictions p = predict(design, fit, rows);
  // One grouping factor: the error by its closed form, with c = Σ w over the patient's rows.
  const double variance = fit.random[0].covariance(0, 0);
  const double residual = fit.residual.sd * fit.residual.sd;
  double c = 0;
  Eigen::Vector2d wx = Eigen::Vector2d::Zero();
  for (Index i = 0; i < design.fixed.rows(); ++i)
    if (design.random[0].group[static_cast<std::size_t>(i)] == 0) {
      c += design.weights[i];
      wx += design.weights[i] * design.fixed.row(i).transpose();
    }
  const double shrunk = variance * residual / (residual + variance * c);
  const Eigen::Vector2d rest = Eigen::Vector2d(1, 4) - shrunk / residual * wx;
  EXPECT_NEAR(p.standard_error[0], std::sqrt(shrunk + rest.dot(fit.fixed.covariance * rest)), 1e-9);
  EXPECT_NEAR(p.estimate[1], 0.4 + fit.fixed.estimate[0] + 4 * fit.fixed.estimate[1], 1e-10);
}

// glmmTMB 1.1.5, predict(type = "link", se.fit = TRUE) on cbpp, rows 1, 5 and 20. It adds the
// uncertainty of the variance, which makes its errors larger by a few per cent.
TEST(Predict, OfAGeneralizedFitWeighsRowsByTheirInformation) {
  const Table herds = read_csv(RAPPORT_TEST_DATA "/mixed/cbpp.csv");
  const Design design =
      make_design(parse_formula("cbind(incidence, size - incidence) ~ factor(period) + (1 | herd)"),
                  herds, {.response = ResponseKind::binary});
  const GeneralizedFit fit = fit_generalized_model(design);
  const Table rows = herds.select({0, 4, 19});
  const Predictions conditional = predict(design, fit, rows);
  const Predictions population = predict(design, fit, rows, {.population = true});
  const Eigen::Vector3d estimates(-0.80851227, -1.69742971, -1.79880110);
  const Eigen::Vector3d errors(0.37833013, 0.39348291, 0.41756835);
  for (Index i = 0; i < 3; ++i) {
    EXPECT_NEAR(conditional.estimate[i], estimates[i], 1e-4);
    EXPECT_LT(conditional.standard_error[i] / errors[i], 1);
    EXPECT_GT(conditional.standard_error[i] / errors[i], 0.95);
    EXPECT_NEAR(population.estimate[i], -1.3985325, 1e-4);
    EXPECT_NEAR(population.standard_error[i], 0.23247205, 1e-4);
    EXPECT_TRUE(std::isnan(conditional.prediction_lower[i]));
  }
}

// P(y = 1) = F(η − threshold) of two ordered categories is a binomial model.
TEST(Predict, TwoOrderedCategoriesAreABinomialResponse) {
  const Table data = read_csv(RAPPORT_TEST_DATA "/mixed/generalized.csv");
  const Design binary =
      make_design(parse_formula("probit ~ x + (1 | g)"), data, {.response = ResponseKind::binary});
  const Design ordered =
      make_design(parse_formula("probit ~ x + (1 | g)"), data, {.response = ResponseKind::ordered});
  const GeneralizedFit a =
      fit_generalized_model(binary, {.family = Family::binomial, .link = Link::probit});
  const GeneralizedFit b =
      fit_generalized_model(ordered, {.family = Family::cumulative, .link = Link::probit});
  const Table rows = data.select({0, 3, 9});
  const Predictions p = predict(binary, a, rows, {.population = true});
  const Predictions q = predict(ordered, b, rows, {.population = true});
  for (Index i = 0; i < 3; ++i) {
    const double threshold = b.thresholds[0].estimate;
    EXPECT_NEAR(p.estimate[i], q.estimate[i] - threshold, 1e-5);
  }
}

TEST(VarianceExplained, IsNakagawasWithTheMeanRandomVariance) {
  const Design design = make_design(parse_formula(formula), panel());
  const VarianceExplained explained = variance_explained(design, fit_mixed_model(design));
  const Json reference = read_reference("mixed/marginal.json").at("r_squared");
  EXPECT_NEAR(explained.marginal, reference.at("marginal").number(), 1e-6);
  EXPECT_NEAR(explained.conditional, reference.at("conditional").number(), 1e-6);
  double shares = 0;
  for (const FactorShare& share : explained.icc) shares += share.value;
  EXPECT_NEAR(shares, explained.random / (explained.random + explained.residual), 1e-12);
}

}  // namespace
}  // namespace rapport
