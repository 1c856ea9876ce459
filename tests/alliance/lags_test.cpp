#include <rapport/alliance/analysis.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

Table reference(const std::string& name) {
  return read_csv(std::string(RAPPORT_TEST_DATA) + "/alliance/" + name);
}

/// The panel with the columns that lags.R makes.
const Table& panel() {
  static const Table table = [] {
    Table all = reference("simulated_panel.csv");
    const Eigen::ArrayXd session = all.numbers("session").array();
    const auto number = [](bool holds) { return holds ? 1.0 : 0.0; };
    Eigen::VectorXd day(all.rows());
    Eigen::VectorXd observed(all.rows());
    for (Index i = 0; i < all.rows(); ++i) {
      day[i] = 7 * session[i] + 3 * number(session[i] > 4) + 2 * number(session[i] == 7);
      observed[i] = (all.numbers("wai_client")[i] + 2 * all.numbers("wai_therapist")[i]) / 3 +
                    4 * std::sin(static_cast<double>(i + 1));
    }
    all.add("day", day);
    all.add("observed", observed);
    return all;
  }();
  return table;
}

const StudyColumns columns{.patient = "patient",
                           .session = "session",
                           .alliance = "wai_client",
                           .outcome = "phq9",
                           .therapist = "therapist",
                           .treatment = "treatment",
                           .therapist_alliance = "wai_therapist",
                           .raters = {{.name = "observer", .column = "observed"}},
                           .time = "day"};

const StudyAnalysis& study() {
  static const StudyAnalysis result = analyse_study(
      panel(), columns, {.session_scale = SessionScale::logarithmic, .replicates = 20});
  return result;
}

struct ReferenceRow {
  double estimate;
  double standard_error;
  double df;
};

/// The rows of one model of lags.csv, in order.
std::vector<ReferenceRow> reference_rows(const std::string& model) {
  const Table table = reference("lags.csv");
  std::vector<ReferenceRow> rows;
  for (Index i = 0; i < table.rows(); ++i)
    if (cell_text(table.column("model"), i) == model)
      rows.push_back({.estimate = table.numbers("estimate")[i],
                      .standard_error = table.numbers("standard_error")[i],
                      .df = table.numbers("df")[i]});
  return rows;
}

void agree(const ContrastEstimate& ours, const ReferenceRow& theirs, const std::string& what) {
  EXPECT_NEAR(ours.estimate, theirs.estimate, 1e-5 * std::max(1.0, std::abs(theirs.estimate)))
      << what;
  EXPECT_NEAR(ours.standard_error / theirs.standard_error, 1, 1e-4) << what;
  if (is_missing(theirs.df)) return;
  EXPECT_NEAR(ours.df / theirs.df, 1, 5e-3) << what;
}

void model_agrees(const std::string& name, const std::string& theirs) {
  for (const StudyModel& model : study().models) {
    if (model.name != name) continue;
    const std::vector<ContrastEstimate> effects = model.model.effects();
    const std::vector<ReferenceRow> rows = reference_rows(theirs);
    ASSERT_EQ(effects.size(), rows.size()) << name;
    for (std::size_t k = 0; k < rows.size(); ++k)
      agree(effects[k], rows[k], name + ": " + model.model.fit().fixed.terms[k]);
    return;
  }
  FAIL() << "no model " << name;
}

TEST(Lags, DistributedLagsAgreeWithLme4) { model_agrees("distributed_lags", "distributed_lags"); }
TEST(Lags, GrowthAgreesWithLme4) { model_agrees("growth", "growth"); }
TEST(Lags, ModerationByLogSessionAgreesWithLme4) { model_agrees("by_session", "by_log_session"); }
TEST(Lags, ThreePerspectivesInOneModelAgreeWithLme4) {
  model_agrees("perspectives", "perspectives");
}

TEST(Lags, CumulativeEffectsAreSumsWithTheirErrors) {
  const DistributedLags& lags = *study().distributed_lags;
  const std::vector<ReferenceRow> rows = reference_rows("cumulative");
  ASSERT_EQ(lags.cumulative.size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) agree(lags.cumulative[k], rows[k], "cumulative");
  EXPECT_NEAR(lags.cumulative[2].estimate,
              lags.effects[0].estimate + lags.effects[1].estimate + lags.effects[2].estimate,
              1e-12);
  EXPECT_EQ(lags.n_sessions, 692);
}

TEST(Lags, ContinuousTimeAgreesWithNlme) {
  StudyColumns alone = columns;  // nlme has no random intercept of the therapist beside corCAR1
  alone.therapist.clear();
  const FittedModel model(continuous_time_formula(alone, "wai_client", "phq9"), panel(),
                          SerialResiduals{.time = "day", .group = "patient"});
  const std::vector<ReferenceRow> rows = reference_rows("in_time");
  const std::vector<ContrastEstimate> effects = model.effects();
  ASSERT_EQ(effects.size() + 1, rows.size());
  for (std::size_t k = 0; k < effects.size(); ++k) {
    EXPECT_NEAR(effects[k].estimate, rows[k].estimate, 1e-4 * std::abs(rows[k].estimate)) << k;
    EXPECT_NEAR(effects[k].standard_error / rows[k].standard_error, 1, 1e-3) << k;
  }
  const ContinuousTimeInfluence influence = continuous_time_influence(model, panel(), alone);
  EXPECT_NEAR(influence.rho, rows.back().estimate, 1e-5);
  EXPECT_NEAR(std::pow(influence.rho, influence.half_life), 0.5, 1e-12);
  EXPECT_EQ(influence.median_gap, 7);
  EXPECT_EQ(model.residuals()->correlation, ResidualCorrelation::car1);
  EXPECT_THROW((void)model.model(), InvalidArgument);
}

TEST(Lags, AModelWithIndependentResidualsHasNoTimeInIt) {
  const FittedModel model(lagged_formula(columns, "wai_client", "phq9"), panel());
  EXPECT_THROW((void)continuous_time_influence(model, panel(), columns), InvalidArgument);
  EXPECT_THROW((void)distributed_lag_formula(columns, "wai_client", "phq9", 0), InvalidArgument);
}

TEST(Lags, TheRegionOfLogSessionsIsInSessions) {
  const SessionModeration& m = *study().session_moderation;
  ASSERT_TRUE(m.region && m.slopes.region);
  EXPECT_NEAR(m.region->maximum, 12, 1e-12);
  EXPECT_NEAR(m.region->minimum, 1, 1e-12);
  EXPECT_NEAR(std::log(m.region->maximum), m.slopes.region->maximum, 1e-12);
  // The slope at a session is the main effect plus the interaction times the session's logarithm.
  const double at_one = m.slopes.slopes.front().slope.estimate;
  for (std::size_t k = 0; k < m.sessions.size(); ++k)
    EXPECT_NEAR(m.slopes.slopes[k].slope.estimate,
                at_one + std::log(m.sessions[k]) * m.interaction.estimate, 1e-10);
}

}  // namespace
}  // namespace rapport
