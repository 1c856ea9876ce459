#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/pooled_fit.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// lme4 1.1-31 and mitml 0.4-4; see pooled.R.
double expected(const std::string& quantity) {
  static const Table values = read_csv(RAPPORT_TEST_DATA "/mixed/pooled.csv");
  for (Index i = 0; i < values.rows(); ++i)
    if (cell_text(values.column("quantity"), i) == quantity) return values.numbers("value")[i];
  ADD_FAILURE() << quantity;
  return 0;
}

/// The three versions of the panel that pooled.R makes.
const std::vector<Table>& versions() {
  static const std::vector<Table> all = [] {
    const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
    std::vector<Table> tables;
    for (Index version = 1; version <= 3; ++version) {
      Eigen::VectorXd y = table.numbers("phq9");
      Eigen::VectorXd left = table.numbers("dropped");
      for (Index row = 0; row < y.size(); ++row) {
        if (row % 4 == 0) y[row] += (static_cast<double>((row * version) % 7) - 3) * 1.5;
        if (row % (40 + version) == 0) left[row] = 1;
      }
      tables.push_back(table);
      tables.back().set("phq9", y);
      tables.back().set("left", left);
    }
    return tables;
  }();
  return all;
}

const Formula large =
    parse_formula("phq9 ~ session * treatment + wai_client + (1 + session | patient)");
const Formula small = parse_formula("phq9 ~ session + wai_client + (1 + session | patient)");

TEST(PooledFit, AgreesWithLme4AndMitml) {
  const PooledFit fit = fit_imputed(large, versions(), {.df = DegreesOfFreedom::none});
  ASSERT_EQ(fit.terms.size(), 5U);
  for (std::size_t k = 0; k < 5; ++k) {
    const PooledEstimate& p = fit.fixed.parameters[k];
    EXPECT_NEAR(p.estimate, expected(fit.terms[k] + " Estimate"), 2e-5) << fit.terms[k];
    EXPECT_NEAR(p.standard_error, expected(fit.terms[k] + " Std.Error"), 2e-5) << fit.terms[k];
    EXPECT_NEAR(p.df / expected(fit.terms[k] + " df"), 1, 2e-3) << fit.terms[k];
    EXPECT_NEAR(p.relative_increase, expected(fit.terms[k] + " RIV"), 1e-5) << fit.terms[k];
  }
  EXPECT_NEAR(std::pow(fit.random[0].sd, 2), expected("Intercept~~Intercept|patient"), 1e-3);
  EXPECT_NEAR(std::pow(fit.random[1].sd, 2), expected("session~~session|patient"), 1e-4);
  EXPECT_NEAR(std::pow(fit.residual_sd, 2), expected("Residual~~Residual"), 1e-4);
}

TEST(PooledFit, ComparisonAgreesWithMitml) {
  const PooledComparison comparison = compare_imputed(large, small, versions());
  EXPECT_EQ(comparison.df, 2);
  ASSERT_TRUE(comparison.d3.has_value());
  EXPECT_NEAR(comparison.d3->statistic, expected("D3 1"), 1e-3);
  EXPECT_NEAR(comparison.d3->denominator_df / expected("D3 3"), 1, 1e-2);
  EXPECT_NEAR(comparison.d3->p_value, expected("D3 4"), 1e-5);
  EXPECT_NEAR(comparison.d3->relative_increase, expected("D3 5"), 1e-3);
}

TEST(PooledFit, GeneralizedModelsAgreeWithMitml) {
  const PooledFitOptions binomial{.generalized = GeneralizedOptions{.family = Family::binomial}};
  const Formula formula = parse_formula("left ~ session + treatment");
  const PooledFit fit = fit_imputed(formula, versions(), binomial);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::string name = "glm " + fit.terms[k];
    EXPECT_NEAR(fit.fixed.parameters[k].estimate, expected(name + " Estimate"), 1e-7);
    EXPECT_NEAR(fit.fixed.parameters[k].standard_error, expected(name + " Std.Error"), 1e-7);
    EXPECT_NEAR(fit.fixed.parameters[k].df / expected(name + " df"), 1, 1e-5);
  }
  EXPECT_TRUE(std::isnan(fit.residual_sd));
  const PooledComparison comparison =
      compare_imputed(formula, parse_formula("left ~ 1"), versions(), binomial);
  EXPECT_FALSE(comparison.d3.has_value());
  EXPECT_NEAR(comparison.d2.denominator_df, expected("glm D2 3"), 1e-5);
  EXPECT_NEAR(comparison.d2.relative_increase, expected("glm D2 5"), 1e-7);
  EXPECT_EQ(comparison.d2.statistic, 0);  // mitml lets it be negative
}

TEST(PooledFit, TermsAreTestedAsTheirCoefficients) {
  const PooledFit fit = fit_imputed(small, versions());
  ASSERT_EQ(fit.tests.size(), 2U);
  EXPECT_NEAR(fit.tests[0].test.statistic, std::pow(fit.fixed.parameters[1].statistic, 2), 1e-8);
  EXPECT_NEAR(fit.tests[0].test.p_value, fit.fixed.parameters[1].p_value, 1e-9);
  EXPECT_LT(fit.fixed.parameters[1].df, 200);  // of 120 patients
}

TEST(PooledFit, DevianceAtTheEstimatesIsTheCriterion) {
  const Formula formula =
      parse_formula("phq9 ~ session + (1 + session | patient) + (1 | therapist)");
  const Design design = make_design(formula, versions().front());
  const MixedFit fit = fit_mixed_model(design, {.criterion = Criterion::ml});
  const double deviance =
      gaussian_deviance(design, fit.fixed.estimate,
                        {fit.random[0].covariance, fit.random[1].covariance}, fit.residual.sd);
  EXPECT_NEAR(deviance, fit.criterion.value, 1e-7);
}

TEST(PooledFit, WrongCallsAreRefused) {
  EXPECT_THROW((void)fit_imputed(small, {versions().front()}), InvalidArgument);
  EXPECT_THAT([] { (void)compare_imputed(small, large, versions()); },
              ThrowsMessage<InvalidArgument>(HasSubstr("no more parameters")));
}

}  // namespace
}  // namespace rapport
