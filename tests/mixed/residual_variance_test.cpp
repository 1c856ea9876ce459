#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/residual.hpp>

#include <gtest/gtest.h>

#include "support/orthodont.hpp"
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

using Eigen::VectorXd;
using testing_support::orthodont;

VarianceTerm by_sex() {
  return {.function = VarianceFunction::by_level,
          .stratum = orthodont().factor("Sex").codes,
          .strata = {"Male", "Female"}};
}

VarianceTerm of_age(VarianceFunction function) {
  return {.function = function, .covariate = orthodont().numbers("age")};
}

ResidualFit fit_of(ResidualCorrelation correlation, const std::vector<VarianceTerm>& variance,
                   const std::string& random = "") {
  const Design design = make_design(parse_formula("distance ~ age * Sex" + random), orthodont());
  return fit_residual_model(design, {.correlation = correlation,
                                     .time = (orthodont().numbers("age").array() - 8) / 2 + 1,
                                     .group = orthodont().factor("Subject").codes,
                                     .variance = variance});
}

void expect_fit(const ResidualFit& fit, double criterion, const VectorXd& estimate,
                const VectorXd& standard_error, double sd) {
  EXPECT_TRUE(fit.fit.optimizer.converged);
  EXPECT_NEAR(fit.fit.criterion.value, criterion, 1e-6);
  EXPECT_LT((fit.fit.fixed.estimate - estimate).norm(), 1e-4);
  EXPECT_LT((fit.fit.fixed.standard_error - standard_error).norm(), 1e-4);
  EXPECT_NEAR(fit.fit.residual.sd, sd, 2e-4 * sd);
}

// Expected values: nlme 3.1-162 (reference/mixed/residual.R).
TEST(ResidualVariance, ProductsAgreeWithNlme) {
  const ResidualFit fit =
      fit_of(ResidualCorrelation::ar1, {by_sex(), of_age(VarianceFunction::power)});
  expect_fit(
      fit, 432.945442268, VectorXd{{16.6114534609, 0.770511023851, 0.704048606787, -0.28636418011}},
      VectorXd{{1.67987664306, 0.138710057982, 2.03364398055, 0.167921183749}}, 3.63332589104);
  EXPECT_NEAR(fit.correlation_parameters.at(0).second, 0.747729949586, 1e-4);
  ASSERT_EQ(fit.variance_parameters.size(), 2U);
  EXPECT_EQ(fit.variance_parameters[0].first, "Female");
  EXPECT_NEAR(fit.variance_parameters[0].second, 0.56573200171, 1e-4);
  EXPECT_EQ(fit.variance_parameters[1].first, "power");
  EXPECT_NEAR(fit.variance_parameters[1].second, -0.0693473874651, 1e-4);
}

TEST(ResidualVariance, StrataWithArmaAndNuggetAgreeWithNlme) {
  const VectorXd estimate{{16.3782246255, 0.782983572141, 0.988926548263, -0.303044582444}};
  const VectorXd se{{1.24288746876, 0.0945125183718, 1.51120566526, 0.114916158374}};
  const ResidualFit arma = fit_of(ResidualCorrelation::arma11, {by_sex()});
  expect_fit(arma, 421.410277063, estimate, se, 3.04143336571);
  EXPECT_NEAR(arma.correlation_parameters.at(0).second, 0.963779837232, 1e-4);
  EXPECT_NEAR(arma.correlation_parameters.at(1).second, -0.598526081599, 1e-3);
  const ResidualFit nugget = fit_of(ResidualCorrelation::car1_nugget, {by_sex()});
  expect_fit(nugget, 421.410277063, estimate, se, 3.04143336571);
  // nlme's range is in years, two to a position.
  EXPECT_NEAR(nugget.correlation_parameters.at(0).second, std::exp(-2 / 54.2117361423), 1e-4);
  EXPECT_NEAR(nugget.correlation_parameters.at(1).second, 0.215959885002, 1e-4);
}

// AR(3) over four times is any Toeplitz matrix.
TEST(ResidualVariance, ToeplitzWithExponentialVarianceAgreesWithNlme) {
  const ResidualFit fit =
      fit_of(ResidualCorrelation::toeplitz, {of_age(VarianceFunction::exponential)});
  expect_fit(
      fit, 429.364840969, VectorXd{{16.2535636567, 0.798895632574, 1.15643013416, -0.323095430023}},
      VectorXd{{1.07810794904, 0.0862499431784, 1.68907054173, 0.135127691413}}, 2.40531572761);
  EXPECT_NEAR(fit.variance_parameters.at(0).second, -0.0040957838272, 1e-5);
}

TEST(ResidualVariance, RandomInterceptWithAProductAgreesWithNlme) {
  const ResidualFit fit =
      fit_of(ResidualCorrelation::ar1, {by_sex(), of_age(VarianceFunction::exponential)},
             " + (1 | Subject)");
  expect_fit(
      fit, 413.879892835, VectorXd{{16.1886962044, 0.798450452348, 1.18616637316, -0.319122586087}},
      VectorXd{{1.22082947731, 0.0961018017678, 1.48187654442, 0.109793312856}}, 2.91548389774);
  EXPECT_NEAR(fit.fit.random[0].sd[0], 2.91548389774 * std::sqrt(0.410439168428), 1e-3);
}

// The same model from two roads: rows one by one, and sums over the few values of the covariate.
TEST(ResidualVariance, RowsAndSumsAgree) {
  VarianceTerm exact = of_age(VarianceFunction::power);
  VarianceTerm jittered = exact;
  for (Index i = 0; i < jittered.covariate.size(); ++i)
    jittered.covariate[i] *= 1 + 1e-10 * static_cast<double>(i);
  for (const std::string random : {"", " + (age | Subject)"}) {
    const ResidualFit sums = fit_of(ResidualCorrelation::car1, {exact}, random);
    const ResidualFit rows = fit_of(ResidualCorrelation::car1, {jittered}, random);
    EXPECT_NEAR(sums.fit.criterion.value, rows.fit.criterion.value, 1e-6);
    EXPECT_LT((sums.fit.fixed.estimate - rows.fit.fixed.estimate).norm(), 1e-4);
  }
}

// Expected values: nlme 3.1-162 (reference/mixed/residual.R), which makes the same values.
TEST(ResidualVariance, ConstantPowerAgreesWithNlme) {
  const Index n = 400;
  Design design;
  design.fixed = Eigen::MatrixXd::Ones(n, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  design.response.resize(n);
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<double>(i + 1);
    const double x = 0.2 + 5 * std::fmod(k * 0.7548776662466927, 1);
    const double z = normal_quantile(std::fmod(k * 0.5698402909980532, 1));
    design.fixed(i, 1) = x;
    design.response[i] = 3 + 0.5 * x + 0.5 * (2 + std::pow(x, 1.5)) * z;
  }
  const VarianceTerm term{.function = VarianceFunction::constant_power,
                          .covariate = design.fixed.col(1)};
  const auto expect = [&](Criterion criterion, double value, const VectorXd& estimate,
                          const VectorXd& standard_error, double sd, double constant,
                          double power) {
    const ResidualFit fit =
        fit_residual_model(design, {.variance = {term}}, {.criterion = criterion});
    // gls() gives errors with σ² by n − p under ML, too.
    const double by_ml = criterion == Criterion::ml ? std::sqrt(398.0 / 400) : 1;
    expect_fit(fit, value, estimate, by_ml * standard_error, sd);
    ASSERT_EQ(fit.variance_parameters.size(), 2U);
    EXPECT_NEAR(fit.variance_parameters[0].second, constant, 1e-3);
    EXPECT_NEAR(fit.variance_parameters[1].second, power, 1e-4);
  };
  expect(Criterion::ml, 2005.13240655, VectorXd{{2.97391489346, 0.530164487177}},
         VectorXd{{0.165548936661, 0.102029139484}}, 0.635211387171, 1.34780208427, 1.34488816695);
  expect(Criterion::reml, 2010.48679188, VectorXd{{2.97391284232, 0.530303181393}},
         VectorXd{{0.166422140549, 0.102196099988}}, 0.624213729641, 1.39713905334, 1.35635583628);
}

// σ (c + x^δ) by its likelihood: independent normal values, least over a grid around the estimate.
TEST(ResidualVariance, ConstantPowerIsTheMaximum) {
  RandomStream stream(Seed{4}, 0);
  const Index n = 400;
  Design design;
  design.fixed = Eigen::MatrixXd::Ones(n, 1);
  design.fixed_terms = {"(Intercept)"};
  design.response.resize(n);
  VarianceTerm term{.function = VarianceFunction::constant_power, .covariate = VectorXd(n)};
  for (Index i = 0; i < n; ++i) {
    const double x = 0.2 + 5 * stream.uniform();
    term.covariate[i] = x;
    design.response[i] = 3 + 0.5 * (2 + std::pow(x, 1.5)) * stream.normal();
  }
  const ResidualFit fit =
      fit_residual_model(design, {.variance = {term}}, {.criterion = Criterion::ml});
  ASSERT_TRUE(fit.fit.optimizer.converged);
  const auto deviance = [&](double mean, double sigma, double constant, double power) {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const double sd = sigma * (constant + std::pow(term.covariate[i], power));
      const double z = (design.response[i] - mean) / sd;
      sum += std::log(2 * std::acos(-1.0)) + 2 * std::log(sd) + z * z;
    }
    return sum;
  };
  ASSERT_EQ(fit.variance_parameters.size(), 2U);
  const VectorXd at{{fit.fit.fixed.estimate[0], fit.fit.residual.sd,
                     fit.variance_parameters[0].second, fit.variance_parameters[1].second}};
  const double least = deviance(at[0], at[1], at[2], at[3]);
  EXPECT_NEAR(fit.fit.criterion.value, least, 1e-8 * least);
  for (Index k = 0; k < 4; ++k) {
    VectorXd up = at;
    VectorXd down = at;
    up[k] *= 1 + 1e-4;
    down[k] *= 1 - 1e-4;
    const double slope =
        (deviance(up[0], up[1], up[2], up[3]) - deviance(down[0], down[1], down[2], down[3])) /
        2e-4;
    EXPECT_NEAR(slope, 0, 2e-3) << k;
  }
  EXPECT_NEAR(at[3], 1.5, 0.6);
}

}  // namespace
}  // namespace rapport
