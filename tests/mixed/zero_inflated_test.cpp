#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/mixed/generalized.hpp>

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

}  // namespace
}  // namespace rapport
