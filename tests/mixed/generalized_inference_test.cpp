#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized_inference.hpp>

#include <Eigen/LU>
#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

Design design_of(const std::string& formula, const std::string& file, Family family) {
  return make_design(parse_formula(formula), read_csv(RAPPORT_TEST_DATA "/mixed/" + file),
                     {.response = response_kind(family)});
}

/// Limits that R found (see generalized_inference.R).
const Json& expected() {
  static const Json json = testing_support::read_reference("mixed/generalized_inference.json");
  return json;
}

const ParameterInterval& named(const std::vector<ParameterInterval>& intervals,
                               const std::string& name) {
  const auto found =
      std::find_if(intervals.begin(), intervals.end(),
                   [&](const ParameterInterval& interval) { return interval.parameter == name; });
  if (found == intervals.end()) throw InvalidArgument("no parameter " + name);
  return *found;
}

/// `scale` takes R's parameter to ours.
template <class Scale>
void expect_limits(const ParameterInterval& interval, const Json& limits, const Scale& scale) {
  EXPECT_NEAR(interval.ci.lower, scale(limits.items()[0].number()), 2e-6) << interval.parameter;
  EXPECT_NEAR(interval.ci.upper, scale(limits.items()[1].number()), 2e-6) << interval.parameter;
}

double itself(double x) { return x; }

TEST(GeneralizedProfile, BinomialLimitsAreRootsOfGlmmTmbsDeviance) {
  const Design design = design_of("cbind(incidence, healthy) ~ factor(period) + (1 | herd)",
                                  "cbpp.csv", Family::binomial);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::binomial});
  const std::vector<ParameterInterval> intervals = profile_intervals(design, fit);
  const Json& r = expected().at("cbpp");
  expect_limits(named(intervals, "(Intercept)"), r.at("beta"), itself);
  expect_limits(named(intervals, fit.fixed.terms[3]), r.at("beta.3"), itself);
  expect_limits(named(intervals, "sd((Intercept)|herd)"), r.at("theta"),
                [](double x) { return std::exp(x); });
}

TEST(GeneralizedProfile, SlopesAndTheirCorrelation) {
  const Design design = design_of("count ~ x + (x | g)", "generalized_slope.csv", Family::poisson);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::poisson});
  const std::vector<ParameterInterval> intervals = profile_intervals(design, fit, 0.95, 2);
  const Json& r = expected().at("slope");
  const auto sd = [](double x) { return std::exp(x); };
  expect_limits(named(intervals, "x"), r.at("beta.1"), itself);
  expect_limits(named(intervals, "sd((Intercept)|g)"), r.at("theta"), sd);
  expect_limits(named(intervals, "sd(x|g)"), r.at("theta.1"), sd);
  expect_limits(named(intervals, "cor((Intercept),x|g)"), r.at("theta.2"),
                [](double x) { return x / std::sqrt(1 + x * x); });
}

TEST(GeneralizedProfile, DispersionAndAVarianceThatMayBeZero) {
  const Design design = design_of("nbinom ~ x + (1 | g)", "generalized.csv", Family::nbinom2);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::nbinom2});
  const std::vector<ParameterInterval> intervals = profile_intervals(design, fit);
  const Json& r = expected().at("nbinom2");
  expect_limits(named(intervals, "x"), r.at("beta.1"), itself);
  expect_limits(named(intervals, "dispersion"), r.at("betad"),
                [](double x) { return std::exp(x); });
  EXPECT_EQ(named(intervals, "sd((Intercept)|g)").ci.lower, 0);
}

TEST(GeneralizedProfile, ThresholdsOfACumulativeModelByQuadrature) {
  const Design design =
      design_of("factor(rating) ~ temp + contact + (1 | judge)", "wine.csv", Family::cumulative);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::cumulative, .quadrature_points = 31});
  const std::vector<ParameterInterval> intervals = profile_intervals(design, fit);
  const Json& r = expected().at("wine");
  expect_limits(named(intervals, "1|2"), r.at("1|2"), itself);
  expect_limits(named(intervals, "tempwarm"), r.at("tempwarm"), itself);
  expect_limits(named(intervals, "sd((Intercept)|judge)"), r.at("sd"), itself);
}

// A limit is where the model with the coefficient held there (as an offset) is worse by the
// quantile of χ².
TEST(GeneralizedProfile, LimitsHoldUnderAnOffset) {
  Design design = design_of("probit ~ x + (1 | g)", "generalized.csv", Family::binomial);
  const GeneralizedOptions options{
      .family = Family::binomial, .link = Link::probit, .quadrature_points = 9};
  const GeneralizedFit fit = fit_generalized_model(design, options);
  const ConfidenceInterval ci = named(profile_intervals(design, fit, 0.9), "x").ci;
  for (const double limit : {ci.lower, ci.upper}) {
    Design held = design;
    held.offset = limit * design.fixed.col(1);
    held.fixed = design.fixed.leftCols(1);
    held.fixed_terms.pop_back();
    const GeneralizedFit worse = fit_generalized_model(held, options);
    EXPECT_NEAR(worse.criterion.value - fit.criterion.value, chi_squared_quantile(0.9, 1), 1e-6);
  }
}

/// A design of 4000 rows in 40 groups.
Design large_design(Family family) {
  Design design;
  const Index n = 4000;
  RandomStream stream(Seed{5}, 0);
  design.response.setZero(n);
  design.fixed.setOnes(n, 2);
  for (Index i = 0; i < n; ++i) design.fixed(i, 1) = stream.normal();
  design.fixed_terms = {"(Intercept)", "x"};
  if (family == Family::binomial) {
    design.weights.setConstant(n, 4);
  }
  for (Index i = 0; i < n; ++i) design.rows.push_back(i);
  return design;
}

/// The mean and variance of draws at η = ½ are those of the family, and the draws of two seeds
/// differ.
void expect_moments(Family family, double dispersion, double mean, double variance) {
  Design design = large_design(family);
  design.fixed.col(1).setZero();
  GeneralizedFit fit{};
  fit.family = family;
  fit.link = default_link(family);
  fit.fixed.estimate = Eigen::Vector2d(0.5, 0);
  fit.fixed.columns = {0, 1};
  fit.dispersion = dispersion;
  const Eigen::MatrixXd drawn = simulate_responses(design, fit, Seed{1}, 5);
  const double n = static_cast<double>(drawn.size());
  EXPECT_NEAR(drawn.mean(), mean, 4 * std::sqrt(variance / n)) << to_string(family);
  const double observed = (drawn.array() - drawn.mean()).square().sum() / (n - 1);
  EXPECT_NEAR(observed / variance, 1, 0.06) << to_string(family);
  EXPECT_EQ(drawn, simulate_responses(design, fit, Seed{1}, 5));
  EXPECT_NE(drawn, simulate_responses(design, fit, Seed{2}, 5));
}

TEST(GeneralizedSimulation, DrawsHaveTheFamiliesMoments) {
  const double p = 1 / (1 + std::exp(-0.5));
  const double mu = std::exp(0.5);
  expect_moments(Family::binomial, 0, p, p * (1 - p) / 4);
  expect_moments(Family::poisson, 0, mu, mu);
  expect_moments(Family::nbinom1, 0.7, mu, mu * 1.7);
  expect_moments(Family::nbinom2, 2.5, mu, mu + mu * mu / 2.5);
  expect_moments(Family::gamma, 0.3, mu, mu * mu * 0.3);
  expect_moments(Family::beta, 6, p, p * (1 - p) / 7);
}

TEST(GeneralizedSimulation, LargeMeansAndCategories) {
  Design design = large_design(Family::poisson);
  design.fixed.col(1).setZero();
  GeneralizedFit fit{};
  fit.family = Family::poisson;
  fit.link = Link::log;
  fit.fixed.estimate = Eigen::Vector2d(std::log(500.0), 0);
  fit.fixed.columns = {0, 1};
  const Eigen::VectorXd counts = simulate_responses(design, fit, Seed{3}).col(0);
  EXPECT_NEAR(counts.mean(), 500, 4 * std::sqrt(500.0 / 4000));
  EXPECT_NEAR((counts.array() - counts.mean()).square().mean() / 500, 1, 0.1);

  fit.family = Family::cumulative;
  fit.link = Link::logit;
  fit.fixed.estimate = Eigen::Vector2d(0, 0);
  fit.family_parameters = Eigen::Vector2d(-1, 0.5);
  fit.thresholds = {{"1|2", -1, 0.1}, {"2|3", 0.5, 0.1}};
  const Eigen::VectorXd codes = simulate_responses(design, fit, Seed{3}).col(0);
  const double first = 1 / (1 + std::exp(1.0));
  EXPECT_NEAR((codes.array() == 0).cast<double>().mean(), first,
              4 * std::sqrt(first * (1 - first) / 4000));
  EXPECT_EQ(codes.maxCoeff(), 2);
}

TEST(GeneralizedBootstrap, NeitherThreadsNorTheirNumberMatter) {
  const Design design =
      design_of("cbind(incidence, healthy) ~ period + (1 | herd)", "cbpp.csv", Family::binomial);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::binomial});
  const MixedBootstrap one =
      parametric_bootstrap(design, fit, Seed{1}, {.replicates = 100, .threads = 1});
  const MixedBootstrap three =
      parametric_bootstrap(design, fit, Seed{1}, {.replicates = 100, .threads = 3});
  EXPECT_EQ(one.replicates, three.replicates);
  EXPECT_EQ(one.n_failed, 0);
  ASSERT_EQ(one.intervals.size(), 3u);
  EXPECT_EQ(one.intervals[0].parameter, "sd((Intercept)|herd)");
  // The spread of the replicates is near the standard error: within four of its own errors.
  const double ratio = one.intervals[2].standard_error / fit.fixed.standard_error[1];
  EXPECT_NEAR(ratio, 1, 4 / std::sqrt(2.0 * 100));
}

TEST(GeneralizedInfluence, IsTheRefitWithoutTheLevel) {
  const Design design =
      design_of("cbind(incidence, healthy) ~ period + (1 | herd)", "cbpp.csv", Family::binomial);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::binomial});
  const RandomTerm& herd = design.random.front();
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, fit, herd.group, herd.levels, 2);
  ASSERT_EQ(influence.size(), herd.levels.size());
  const Table without = [&] {
    const Table table = read_csv(RAPPORT_TEST_DATA "/mixed/cbpp.csv");
    std::vector<Index> rows;
    for (Index i = 0; i < table.rows(); ++i)
      if (herd.group[static_cast<std::size_t>(i)] != 2) rows.push_back(i);
    return table.select(rows);
  }();
  const GeneralizedFit refit = fit_generalized_model(
      make_design(parse_formula("cbind(incidence, healthy) ~ period + (1 | herd)"), without,
                  {.response = ResponseKind::binary}),
      {.family = Family::binomial});
  EXPECT_LT((influence[2].estimate - refit.fixed.estimate).norm(), 1e-8);
  EXPECT_EQ(influence[2].level, herd.levels[2]);
  const Eigen::Vector2d change = refit.fixed.estimate - fit.fixed.estimate;
  const Eigen::Matrix2d inverse = fit.fixed.covariance.inverse();
  EXPECT_NEAR(influence[2].cooks_distance, change.dot(inverse * change) / 2, 1e-9);
}

TEST(GeneralizedLikelihoodRatio, ComparesOnlyWhatCompares) {
  const Design large =
      design_of("cbind(incidence, healthy) ~ period + (1 | herd)", "cbpp.csv", Family::binomial);
  const Design small =
      design_of("cbind(incidence, healthy) ~ period", "cbpp.csv", Family::binomial);
  const GeneralizedOptions logit{.family = Family::binomial};
  const GeneralizedFit a = fit_generalized_model(large, logit);
  const LikelihoodRatioTest test = likelihood_ratio_test(fit_generalized_model(small, logit), a);
  EXPECT_EQ(test.df, 1);
  EXPECT_NEAR(test.p_value_boundary, 0.5 * test.p_value, 1e-15);
  const GeneralizedFit probit =
      fit_generalized_model(small, {.family = Family::binomial, .link = Link::probit});
  EXPECT_THROW((void)likelihood_ratio_test(a, probit), InvalidArgument);
}

}  // namespace
}  // namespace rapport
