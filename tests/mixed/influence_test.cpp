#include <rapport/data/csv.hpp>
#include <rapport/mixed/formula.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Cholesky>
#include <gtest/gtest.h>

#include "support/mixed_reference.hpp"
#include <algorithm>
#include <cmath>

/// Deleted levels: lme4's refits, and this library's own fits from scratch to the remaining rows.
namespace rapport {
namespace {

using Eigen::VectorXd;

double relative_difference(const VectorXd& a, const VectorXd& b) {
  return ((a - b).array().abs() / b.array().abs().max(1e-3 * b.cwiseAbs().maxCoeff())).maxCoeff();
}

Factor factor_of(const Design& design, const std::string& name) {
  for (const RandomTerm& term : design.random)
    if (term.factor == name) return {.codes = term.group, .levels = term.levels};
  throw InvalidArgument("no factor " + name);
}

/// Every level against a fit of the rows without it; lost columns are NaN in both.
void expect_refits(const Design& design, const Factor& groups, Criterion criterion,
                   double tolerance = 1e-6) {
  const MixedFit full = fit_mixed_model(design, {.criterion = criterion});
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, full, groups.codes, groups.levels, 2);
  ASSERT_EQ(influence.size(), groups.levels.size());
  for (std::size_t level = 0; level < influence.size(); ++level) {
    std::vector<Index> rows;
    for (std::size_t i = 0; i < groups.codes.size(); ++i)
      if (groups.codes[i] != static_cast<std::int32_t>(level))
        rows.push_back(static_cast<Index>(i));
    const MixedFit refit = fit_mixed_model(select(design, rows), {.criterion = criterion});
    const LevelInfluence& deleted = influence[level];
    EXPECT_EQ(deleted.level, groups.levels[level]);
    ASSERT_EQ(deleted.estimate.size(), refit.fixed.estimate.size());
    EXPECT_LT(relative_difference(deleted.estimate, refit.fixed.estimate), tolerance);
    const VectorXd change = full.fixed.estimate - refit.fixed.estimate;
    EXPECT_LT((deleted.dfbetas - change.cwiseQuotient(refit.fixed.standard_error)).norm(),
              tolerance);
    EXPECT_NEAR(
        deleted.cooks_distance,
        change.dot(full.fixed.covariance.llt().solve(change)) / static_cast<double>(change.size()),
        tolerance);
    EXPECT_NEAR(deleted.residual_sd, refit.residual.sd, tolerance * refit.residual.sd);
    Index place = 0;
    for (const RandomEffects& term : refit.random)
      for (const double sd : term.sd)
        EXPECT_NEAR(deleted.random_sd[place++], sd, 10 * tolerance * refit.residual.sd);
    EXPECT_EQ(place, deleted.random_sd.size());
  }
}

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

Design panel_design(const std::string& formula, const DesignOptions& options = {}) {
  return make_design(parse_formula(formula), panel(), options);
}

Design sleepstudy() {
  Table table = read_csv(RAPPORT_TEST_DATA "/mixed/sleepstudy.csv");
  table.set("Subject", table.factor("Subject"));
  return make_design(parse_formula("Reaction ~ Days + (Days | Subject)"), table);
}

constexpr const char* three_levels =
    "phq9 ~ session * treatment + (1 + session | patient) + (1 | therapist)";

void expect_lme4(const char* name, const Design& design, const Factor& groups,
                 Criterion criterion) {
  static const Json all = testing_support::read_json(RAPPORT_TEST_DATA "/mixed/influence.json");
  const MixedFit full = fit_mixed_model(design, {.criterion = criterion});
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, full, groups.codes, groups.levels);
  ASSERT_FALSE(all.at(name).items().empty());
  for (const Json& expected : all.at(name).items()) {
    const auto found =
        std::find_if(influence.begin(), influence.end(), [&](const LevelInfluence& deleted) {
          return deleted.level == expected.at("level").string();
        });
    ASSERT_NE(found, influence.end());
    EXPECT_NEAR(found->cooks_distance, expected.at("cooks_distance").number(), 1e-6);
    EXPECT_LT(
        relative_difference(found->estimate, testing_support::vector_of(expected.at("estimate"))),
        1e-6);
    EXPECT_LT((found->dfbetas - testing_support::vector_of(expected.at("dfbetas"))).norm(), 1e-5);
    const double sigma = expected.at("residual_sd").number();
    EXPECT_NEAR(found->residual_sd, sigma, 1e-6 * sigma);
    EXPECT_LT((found->random_sd - testing_support::vector_of(expected.at("random_sd"))).norm(),
              2e-5 * sigma);
  }
}

TEST(Influence, EqualsLme4) {
  const Design subjects = sleepstudy();
  expect_lme4("sleepstudy", subjects, factor_of(subjects, "Subject"), Criterion::reml);
  const Design panel = panel_design(three_levels);
  expect_lme4("therapists", panel, factor_of(panel, "therapist"), Criterion::ml);
  expect_lme4("patients", panel, factor_of(panel, "patient"), Criterion::reml);
}

TEST(Influence, IsTheFitOfTheRemainingRows) {
  const Design subjects = sleepstudy();
  expect_refits(subjects, factor_of(subjects, "Subject"), Criterion::reml);
  const Design panel = panel_design(three_levels);
  expect_refits(panel, factor_of(panel, "therapist"), Criterion::reml);
  expect_refits(panel, factor_of(panel, "patient"), Criterion::ml);
}

TEST(Influence, KnowsWeightsAndOffsets) {
  const Design design =
      panel_design("phq9 ~ session + wai_client + offset(0.1 * session) + (1 | patient)",
                   {.weights = "1 + session / 10"});
  expect_refits(design, factor_of(design, "patient"), Criterion::reml);
}

/// A factor that the model does not have, as the model's groups lie across it.
TEST(Influence, DeletesLevelsAcrossGroups) {
  const Design design = panel_design("phq9 ~ session + treatment + (1 | therapist)");
  expect_refits(design, select(panel().factor("patient"), design.rows), Criterion::reml);
  expect_refits(design, select(panel().factor("session"), design.rows), Criterion::reml);
}

TEST(Influence, WithoutRandomEffects) {
  const Design design = panel_design("phq9 ~ session * treatment");
  expect_refits(design, select(panel().factor("therapist"), design.rows), Criterion::reml);
}

TEST(Influence, OfCrossedFactors) {
  Table table = read_csv(RAPPORT_TEST_DATA "/mixed/penicillin.csv");
  const Design design =
      make_design(parse_formula("diameter ~ 1 + (1 | plate) + (1 | sample)"), table);
  expect_refits(design, factor_of(design, "sample"), Criterion::reml);
}

/// Sleepstudy with days as seconds since 1970, far from 0: not by differences of cross-products.
TEST(Influence, OfValuesFarFromZero) {
  Design design = sleepstudy();
  design.fixed.col(1).array() = 1.7e9 + 86400 * design.fixed.col(1).array();
  expect_refits(design, factor_of(design, "Subject"), Criterion::reml, 1e-5);
}

TEST(Influence, OfALevelThatAColumnNeeds) {
  Design design = sleepstudy();
  design.fixed.conservativeResize(Eigen::NoChange, 3);
  design.fixed_terms.emplace_back("first");
  for (Index i = 0; i < design.fixed.rows(); ++i)
    design.fixed(i, 2) = design.random[0].group[static_cast<std::size_t>(i)] == 0 ? 1 : 0;
  const Factor subjects = factor_of(design, "Subject");
  const MixedFit full = fit_mixed_model(design);
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, full, subjects.codes, subjects.levels);
  EXPECT_TRUE(std::isnan(influence[0].estimate[2]));
  EXPECT_TRUE(std::isnan(influence[0].cooks_distance));
  EXPECT_FALSE(std::isnan(influence[0].estimate[1]));
  EXPECT_FALSE(std::isnan(influence[1].cooks_distance));
}

/// Two therapists: neither can be left out.
TEST(Influence, OfTheLevelThatAVarianceNeeds) {
  Design design = sleepstudy();
  RandomTerm& term = design.random[0];
  term.levels = {"a", "b"};
  for (std::int32_t& group : term.group) group = group < 6 ? 0 : 1;
  term.columns = term.columns.leftCols(1).eval();
  term.terms.resize(1);
  const std::vector<LevelInfluence> influence =
      deletion_influence(design, fit_mixed_model(design), term.group, term.levels);
  for (const LevelInfluence& deleted : influence) {
    EXPECT_TRUE(std::isnan(deleted.residual_sd));
    EXPECT_TRUE(deleted.estimate.array().isNaN().all());
  }
}

}  // namespace
}  // namespace rapport
