#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/quantile_residuals.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <cmath>
#include <string>

namespace rapport {
namespace {

const Table& table() {
  static const Table data = read_csv(RAPPORT_TEST_DATA "/mixed/zero_inflated.csv");
  return data;
}

/// Of glmmTMB 1.1.5 (reference/mixed/zero_inflated.R), which stops within 1e-5 of the optimum.
Json reference(const std::string& name) {
  return testing_support::read_reference("mixed/zero_inflated.json").at(name);
}

GeneralizedFit fitted(const std::string& formula, Family family, const std::string& zeros) {
  const Design design = make_design(parse_formula(formula), table());
  GeneralizedOptions options{.family = family};
  if (!zeros.empty()) {
    const Design effects = make_design(parse_formula("poisson ~ " + zeros), table());
    options.zero_inflation = zero_inflation_columns(effects, design);
  }
  return fit_generalized_model(design, options);
}

void expect_glmmtmb(const GeneralizedFit& fit, const std::string& name, double dispersion) {
  const Json expected = reference(name);
  EXPECT_TRUE(fit.optimizer.converged) << fit.optimizer.message;
  EXPECT_NEAR(fit.criterion.log_likelihood, expected.at("log_likelihood").number(), 1e-6);
  for (Index k = 0; k < 2; ++k) {
    const auto at = static_cast<std::size_t>(k);
    EXPECT_NEAR(fit.fixed.estimate[k], expected.at("estimate").items()[at].number(), 2e-5);
    EXPECT_NEAR(fit.fixed.standard_error[k], expected.at("standard_error").items()[at].number(),
                2e-5);
  }
  EXPECT_NEAR(fit.random[0].sd[0], expected.at("sd").number(), 2e-5);
  if (!std::isnan(dispersion)) {
    EXPECT_NEAR(dispersion, expected.at("dispersion").number(), 1e-4);
  }
  ASSERT_EQ(fit.zero_inflation.size(), expected.at("zero_inflation").items().size());
  for (std::size_t k = 0; k < fit.zero_inflation.size(); ++k) {
    EXPECT_NEAR(fit.zero_inflation[k].estimate, expected.at("zero_inflation").items()[k].number(),
                1e-4);
    EXPECT_NEAR(fit.zero_inflation[k].standard_error,
                expected.at("zero_inflation_error").items()[k].number(), 1e-4);
  }
}

TEST(ZeroInflation, PoissonAgreesWithGlmmTMB) {
  const GeneralizedFit fit = fitted("poisson ~ x + (1 | g)", Family::poisson, "w");
  expect_glmmtmb(fit, "zip", fit.dispersion);
  EXPECT_EQ(fit.zero_inflation[1].term, "w");
}

TEST(ZeroInflation, NegativeBinomial2AgreesWithGlmmTMB) {
  const GeneralizedFit fit = fitted("nbinom2 ~ x + (1 | g)", Family::nbinom2, "1");
  expect_glmmtmb(fit, "zinb2", fit.dispersion);
}

TEST(ZeroInflation, NegativeBinomial1AgreesWithGlmmTMB) {
  const GeneralizedFit fit = fitted("nbinom1 ~ x + (1 | g)", Family::nbinom1, "w");
  expect_glmmtmb(fit, "zinb1", fit.dispersion);
}

TEST(GeneralizedFamilies, AgreeWithGlmmTMB) {
  const GeneralizedFit counts = fitted("nbinom1 ~ x + (1 | g)", Family::nbinom1, "");
  expect_glmmtmb(counts, "nbinom1", counts.dispersion);
  const GeneralizedFit gamma = fitted("gamma ~ x + (1 | g)", Family::gamma, "");
  expect_glmmtmb(gamma, "gamma", std::sqrt(gamma.dispersion));  // glmmTMB gives its root
  const GeneralizedFit beta = fitted("beta ~ x + (1 | g)", Family::beta, "");
  expect_glmmtmb(beta, "beta", beta.dispersion);
}

/// Counts of 0 shrink the means; a share of extra zeros lies between.
TEST(ZeroInflation, FittedMeansCountTheZeros) {
  const GeneralizedFit fit = fitted("poisson ~ x + (1 | g)", Family::poisson, "w");
  const Eigen::VectorXd ratio = fit.fitted.array() / fit.linear_predictor.array().exp();
  EXPECT_TRUE((ratio.array() > 0).all() && (ratio.array() < 1).all());
}

TEST(ZeroInflation, RefusesWhatHasNoZeros) {
  Design design = make_design(parse_formula("poisson ~ x + (1 | g)"), table());
  GeneralizedOptions options{.family = Family::poisson};
  options.zero_inflation = zero_inflation_columns(design, design);
  design.response.array() += 1;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, options)), DataError);
  options.family = Family::gamma;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, options)), InvalidArgument);
}

/// confint(method = "uniroot") of the zip fit, which stops within 2e-4 of a limit.
TEST(ZeroInflation, ProfilesAgreeWithGlmmTMB) {
  const Design design = make_design(parse_formula("poisson ~ x + (1 | g)"), table());
  const GeneralizedFit fit = fitted("poisson ~ x + (1 | g)", Family::poisson, "w");
  const std::vector<ParameterInterval> intervals = profile_intervals(design, fit);
  const auto expect = [&](const std::string& parameter, double lower, double upper) {
    for (const ParameterInterval& interval : intervals) {
      if (interval.parameter != parameter) continue;
      EXPECT_NEAR(interval.ci.lower, lower, 1e-3) << parameter;
      EXPECT_NEAR(interval.ci.upper, upper, 1e-3) << parameter;
      return;
    }
    ADD_FAILURE() << parameter;
  };
  expect("sd((Intercept)|g)", std::exp(-0.9612294999), std::exp(-0.3766130816));
  expect("zero_inflation((Intercept))", -2.198419437, -0.9451599175);
  expect("zero_inflation(w)", 0.5020671925, 2.377243633);
  expect("(Intercept)", 0.4143035364, 0.7680134672);
  expect("x", 0.324338766, 0.507310134);
}

/// P(y ≤ count) by the definition.
double distribution(double count, double mean, double extra) {
  if (count < 0) return 0;
  double term = std::exp(-mean);
  double sum = 0;
  for (double y = 0; y <= count; ++y, term *= mean / y) sum += term;
  return extra + (1 - extra) * sum;
}

/// The share of extra zeros of each row of a fit without random effects.
Eigen::VectorXd extra_zeros(const GeneralizedFit& fit) {
  return 1 - fit.fitted.array() / fit.linear_predictor.array().exp();
}

TEST(ZeroInflation, DrawsHaveTheMeansAndZerosOfTheModel) {
  const Design design = make_design(parse_formula("poisson ~ x"), table());
  const GeneralizedFit fit = fitted("poisson ~ x", Family::poisson, "w");
  constexpr Index replicates = 500;
  const Eigen::MatrixXd drawn = simulate_responses(design, fit, Seed{5}, replicates);
  const Eigen::ArrayXd mean = fit.linear_predictor.array().exp();
  const Eigen::ArrayXd extra = extra_zeros(fit).array();
  const Eigen::ArrayXd none = extra + (1 - extra) * (-mean).exp();
  const Eigen::ArrayXd variance = (1 - extra) * mean * (1 + extra * mean);
  const double n = static_cast<double>(replicates);
  EXPECT_NEAR(drawn.mean(), fit.fitted.mean(),
              4 * std::sqrt(variance.sum() / n) / static_cast<double>(mean.size()));
  EXPECT_NEAR((drawn.array() == 0).cast<double>().mean(), none.mean(),
              4 * std::sqrt((none * (1 - none)).sum() / n) / static_cast<double>(mean.size()));
}

TEST(ZeroInflation, QuantileResidualsLieInTheJumpsOfTheDistribution) {
  const Design design = make_design(parse_formula("poisson ~ x"), table());
  const GeneralizedFit fit = fitted("poisson ~ x", Family::poisson, "w");
  const Eigen::VectorXd uniform = quantile_residuals(design, fit, Seed{6}).uniform;
  const Eigen::VectorXd extra = extra_zeros(fit);
  for (Index i = 0; i < uniform.size(); ++i) {
    const double mean = std::exp(fit.linear_predictor[i]);
    const double y = design.response[i];
    EXPECT_GE(uniform[i], distribution(y - 1, mean, extra[i]) - 1e-12);
    EXPECT_LE(uniform[i], distribution(y, mean, extra[i]) + 1e-12);
  }
}

TEST(ZeroInflation, InfluenceIsTheRefitWithoutTheLevel) {
  const Design design = make_design(parse_formula("poisson ~ x + (1 | g)"), table());
  const GeneralizedFit fit = fitted("poisson ~ x + (1 | g)", Family::poisson, "w");
  const RandomTerm& groups = design.random.front();
  // Thirds of the levels, to fit three times.
  std::vector<std::int32_t> thirds;
  std::vector<std::string> names;
  for (const std::int32_t g : groups.group) thirds.push_back(g / 20);
  for (int k = 0; k < 3; ++k) names.push_back(std::to_string(k));
  const std::vector<LevelInfluence> influence = deletion_influence(design, fit, thirds, names);
  std::vector<Index> rows;
  for (Index i = 0; i < table().rows(); ++i) {
    if (thirds[static_cast<std::size_t>(i)] != 1) rows.push_back(i);
  }
  const Table without = table().select(rows);
  const Design rest = make_design(parse_formula("poisson ~ x + (1 | g)"), without);
  GeneralizedOptions options{.family = Family::poisson};
  options.zero_inflation =
      zero_inflation_columns(make_design(parse_formula("poisson ~ w"), without), rest);
  const GeneralizedFit refit = fit_generalized_model(rest, options);
  EXPECT_LT((influence[1].estimate - refit.fixed.estimate).norm(), 1e-6);
  EXPECT_NEAR(influence[1].random_sd[0], refit.random[0].sd[0], 1e-6);
}

}  // namespace
}  // namespace rapport
