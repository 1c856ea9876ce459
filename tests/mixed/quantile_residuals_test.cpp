#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/quantile_residuals.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// Groups of `size` rows, an intercept and a slope of a covariate.
Design grouped_design(Index groups, Index size) {
  Design design;
  const Index n = groups * size;
  RandomStream stream(Seed{11}, 0);
  design.response.setZero(n);
  design.fixed.setOnes(n, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  RandomTerm term{
      .factor = "g", .terms = {"(Intercept)"}, .columns = {}, .group = {}, .levels = {}};
  term.columns.setOnes(n, 1);
  for (Index i = 0; i < n; ++i) {
    design.fixed(i, 1) = stream.normal();
    term.group.push_back(static_cast<std::int32_t>(i / size));
    design.rows.push_back(i);
  }
  for (Index g = 0; g < groups; ++g) term.levels.push_back(std::to_string(g));
  design.random = {term};
  return design;
}

/// A fit whose estimates are made up, with which responses are drawn.
GeneralizedFit truth(const Design& design, Family family, double sd, double dispersion) {
  GeneralizedFit fit{};
  fit.family = family;
  fit.link = default_link(family);
  fit.options = {.family = family};
  fit.fixed.estimate = Eigen::Vector2d(0.4, 0.5);
  fit.fixed.columns = {0, 1};
  fit.dispersion = dispersion;
  fit.random = {{.factor = "g",
                 .terms = {"(Intercept)"},
                 .levels = design.random[0].levels,
                 .sd = Eigen::VectorXd::Constant(1, sd),
                 .correlation = Eigen::MatrixXd::Ones(1, 1),
                 .covariance = Eigen::MatrixXd::Constant(1, 1, sd * sd),
                 .blups = {},
                 .conditional_covariance = {}}};
  return fit;
}

// Drawn from the model and fitted by it, the residuals of every family are uniform; the test's
// level is a false alarm in ten thousand.
TEST(QuantileResiduals, AreUniformWhereTheModelHolds) {
  for (const auto& [family, dispersion] :
       {std::pair{Family::binomial, 1.0}, std::pair{Family::poisson, 1.0},
        std::pair{Family::nbinom1, 0.8}, std::pair{Family::nbinom2, 1.5},
        std::pair{Family::gamma, 0.4}, std::pair{Family::beta, 8.0}}) {
    Design design = grouped_design(60, 10);
    design.response =
        simulate_responses(design, truth(design, family, 0.8, dispersion), Seed{4}).col(0);
    const GeneralizedFit fit = fit_generalized_model(design, {.family = family});
    const QuantileResiduals residuals = quantile_residuals(design, fit, Seed{1});
    EXPECT_GT(residuals.p_value, 1e-4) << to_string(family);
    EXPECT_GT(residuals.uniform.minCoeff(), 0);
    EXPECT_LT(residuals.uniform.maxCoeff(), 1);
    EXPECT_NEAR(residuals.normal[7], normal_quantile(residuals.uniform[7]), 1e-14);
    EXPECT_EQ(residuals.uniform, quantile_residuals(design, fit, Seed{1}).uniform);
  }
}

// With few rows a group the modes lie too close to 0, and residuals around them show it; effects
// drawn given the data do not. Measured on the variance of the normal residuals' group means, which
// is 1/size under the model.
TEST(QuantileResiduals, DrawnEffectsUndoShrinkage) {
  const Index groups = 400;
  const Index size = 4;
  Design design = grouped_design(groups, size);
  design.response =
      simulate_responses(design, truth(design, Family::gamma, 0.8, 0.4), Seed{9}).col(0);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::gamma});
  const auto spread = [&](bool drawn) {
    const Eigen::VectorXd z =
        quantile_residuals(design, fit, Seed{2}, {.draw_effects = drawn}).normal;
    double sum = 0;
    for (Index g = 0; g < groups; ++g) sum += std::pow(z.segment(g * size, size).mean(), 2);
    return sum / static_cast<double>(groups) * static_cast<double>(size);
  };
  const double monte_carlo = std::sqrt(2.0 / static_cast<double>(groups));
  EXPECT_NEAR(spread(true), 1, 4 * monte_carlo);
  EXPECT_LT(spread(false), 1 - 4 * monte_carlo);
}

// Poisson's model of overdispersed counts, and a continuous response by its definition.
TEST(QuantileResiduals, ShowWhatIsWrong) {
  Design design = grouped_design(60, 10);
  design.response =
      simulate_responses(design, truth(design, Family::nbinom2, 0.5, 0.7), Seed{4}).col(0);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::poisson});
  EXPECT_LT(quantile_residuals(design, fit, Seed{1}).p_value, 1e-6);

  design.random.clear();
  design.response = design.response.array() + 0.5;
  const GeneralizedFit gamma = fit_generalized_model(design, {.family = Family::gamma});
  const QuantileResiduals residuals = quantile_residuals(design, gamma, Seed{1});
  const double shape = 1 / gamma.dispersion;
  for (const Index i : {0, 17}) {
    EXPECT_NEAR(residuals.uniform[i],
                chi_squared_cdf(2 * shape * design.response[i] / gamma.fitted[i], 2 * shape),
                1e-12);
  }
}

TEST(QuantileResiduals, CategoriesFillTheirOwnInterval) {
  const Design design = make_design(parse_formula("factor(rating) ~ temp + contact"),
                                    read_csv(RAPPORT_TEST_DATA "/mixed/wine.csv"),
                                    {.response = ResponseKind::ordered});
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::cumulative});
  const QuantileResiduals residuals = quantile_residuals(design, fit, Seed{1});
  for (Index i = 0; i < design.response.size(); ++i) {
    const auto category = static_cast<Index>(design.response[i]);
    const auto bound = [&](Index j) {
      if (j < 0) return 0.0;
      if (j >= fit.family_parameters.size()) return 1.0;
      return 1 / (1 + std::exp(fit.linear_predictor[i] - fit.family_parameters[j]));
    };
    EXPECT_GE(residuals.uniform[i], bound(category - 1));
    EXPECT_LE(residuals.uniform[i], bound(category));
  }
}

TEST(QuantileResiduals, NeedModes) {
  Design design = grouped_design(20, 5);
  design.response =
      simulate_responses(design, truth(design, Family::poisson, 0.8, 1), Seed{4}).col(0);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::poisson, .random_effects = false});
  EXPECT_THROW((void)quantile_residuals(design, fit, Seed{1}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
