#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const DropoutColumns columns{.patient = "patient",
                             .session = "session",
                             .alliance = "wai_client",
                             .therapist = "therapist",
                             .dropout = "dropped",
                             .completed = ""};

/// As dropout.R centres, but where it says so far.
const DropoutRules by_all{.centring = AllianceCentring::patient_mean};

/// simulated_panel.csv with four ratings taken away, as in dropout.R.
Table sessions() {
  Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  Eigen::VectorXd rating = table.numbers("wai_client");
  for (const Index row : {6, 99, 100, 554}) rating[row] = missing;
  table.set("wai_client", std::move(rating));
  return table;
}

double expected(const std::string& quantity, const std::string& term,
                const char* column = "estimate") {
  static const Table values = read_csv(RAPPORT_TEST_DATA "/alliance/dropout.csv");
  for (Index i = 0; i < values.rows(); ++i)
    if (cell_text(values.column("quantity"), i) == quantity &&
        cell_text(values.column("term"), i) == term)
      return values.numbers(column)[i];
  ADD_FAILURE() << quantity << " " << term << " is not in dropout.csv";
  return missing;
}

/// `terms` are R's names in our order.
void agrees(const DropoutHazard& hazard, const std::string& model,
            const std::vector<std::string>& terms, double tolerance) {
  ASSERT_EQ(hazard.terms.size(), terms.size());
  for (std::size_t k = 0; k < terms.size(); ++k) {
    EXPECT_NEAR(hazard.terms[k].estimate, expected(model, terms[k]), tolerance) << terms[k];
    EXPECT_NEAR(hazard.terms[k].standard_error, expected(model, terms[k], "standard_error"),
                tolerance)
        << terms[k];
  }
}

TEST(DropoutHazard, LogitAgreesWithGlm) {
  const PersonPeriod period = person_period(sessions(), columns, by_all);
  EXPECT_EQ(period.n_left, static_cast<Index>(expected("counts", "left")));
  EXPECT_EQ(period.table.rows(), static_cast<Index>(expected("counts", "rows")));
  const DropoutHazard hazard = dropout_hazard(period);
  agrees(hazard, "logit", {"(Intercept)", "session", "within", "between"}, 1e-7);
  EXPECT_EQ(hazard.n_omitted, 4);
  EXPECT_TRUE(std::isnan(hazard.frailty_sd));
  EXPECT_NEAR(hazard.terms[3].odds_ratio, std::exp(hazard.terms[3].estimate), 1e-15);
}

TEST(DropoutHazard, CloglogWithABaselineAndCovariatesAgreesWithGlm) {
  Table table = sessions();
  let(table, "early = session <= 4");
  const DropoutHazard hazard = dropout_hazard(
      person_period(table, columns, by_all),
      {.link = Link::cloglog, .baseline = "factor(early)", .covariates = "treatment"});
  agrees(hazard, "cloglog",
         {"(Intercept)", "factor(session <= 4)TRUE", "within", "between", "treatmentTAU"}, 1e-6);
}

TEST(DropoutHazard, TherapistFrailtyAgreesWithGlmer) {
  const DropoutHazard hazard =
      dropout_hazard(person_period(sessions(), columns, by_all), {.frailty = Frailty::therapist});
  agrees(hazard, "therapist", {"(Intercept)", "session", "within", "between"}, 2e-4);
  EXPECT_NEAR(hazard.frailty_sd, expected("therapist", "sd"), 1e-3);
  EXPECT_NEAR(hazard.log_likelihood, expected("therapist", "log_likelihood"), 1e-6);
  EXPECT_GE(hazard.frailty_statistic, 0);
  EXPECT_LE(hazard.frailty_p_value, 0.5);
}

TEST(DropoutHazard, OfTheAllianceSoFarASessionEarlierAgreesWithGlm) {
  const PersonPeriod period = person_period(sessions(), columns, {.lag = 2});
  const DropoutHazard hazard = dropout_hazard(period);
  ASSERT_EQ(hazard.terms.size(), 4U);
  const std::vector<std::string> terms = {"(Intercept)", "session", "within2", "between2"};
  for (std::size_t k = 1; k < terms.size(); ++k) {  // the intercepts differ by the centre
    EXPECT_NEAR(hazard.terms[k].estimate, expected("so_far_lag2", terms[k]), 1e-7);
    EXPECT_NEAR(hazard.terms[k].standard_error, expected("so_far_lag2", terms[k], "standard_error"),
                1e-7);
  }
}

TEST(DropoutHazard, TherapistLevelSplitsTheAllianceBetweenPatients) {
  const PersonPeriod period = person_period(sessions(), columns);
  const Eigen::VectorXd parts = period.table.numbers("alliance_between_patient") +
                                period.table.numbers("alliance_between_therapist");
  const Eigen::VectorXd& whole = period.table.numbers("alliance_between");
  for (Index i = 0; i < parts.size(); ++i) {
    if (is_missing(whole[i])) continue;
    EXPECT_NEAR(parts[i], whole[i], 1e-12);
  }
  const DropoutHazard hazard =
      dropout_hazard(period, {.frailty = Frailty::patient, .therapist_level = true});
  EXPECT_EQ(hazard.terms[4].term, "alliance_between_therapist");
  EXPECT_EQ(hazard.method, "AGQ");
}

/// Three patients; the second comes until the plan's end, the third misses session 2.
Table small(const std::vector<double>& dropped) {
  Table table;
  table.add("patient", make_factor(std::vector<std::string>{"a", "a", "b", "b", "b", "c", "c"}));
  table.add("session", (Eigen::VectorXd(7) << 1, 2, 1, 2, 3, 1, 3).finished());
  table.add("wai_client", (Eigen::VectorXd(7) << 5, 3, 6, 6, missing, 4, 8).finished());
  table.add("dropped", Eigen::Map<const Eigen::VectorXd>(dropped.data(), 7));
  return table;
}
const DropoutColumns small_columns{.patient = "patient",
                                   .session = "session",
                                   .alliance = "wai_client",
                                   .therapist = "",
                                   .dropout = "dropped",
                                   .completed = ""};

TEST(PersonPeriod, AMarkInAnyRowMeansLeavingAfterTheLastSession) {
  const PersonPeriod period = person_period(small({1, 0, 0, 0, 0, 0, 0}), small_columns);
  EXPECT_EQ(period.table.numbers("leaves"), (Eigen::VectorXd(7) << 0, 1, 0, 0, 0, 0, 0).finished());
  EXPECT_EQ(period.table.numbers("alliance_within")[1], -1);
  EXPECT_EQ(period.ends[2].last_session, 3);
  EXPECT_EQ(period.ends[2].end, TreatmentEnd::completed);
}

TEST(PersonPeriod, WithoutMarksThePlanDecides) {
  DropoutColumns unmarked = small_columns;
  unmarked.dropout = "";
  const PersonPeriod period =
      person_period(small({0, 0, 0, 0, 0, 0, 0}), unmarked, {.planned_sessions = 3});
  EXPECT_EQ(period.n_left, 1);
  EXPECT_EQ(period.ends[0].end, TreatmentEnd::dropout);
  const Eigen::VectorXd& leaves = period.table.numbers("leaves");
  EXPECT_EQ(leaves[1], 1);
  EXPECT_EQ(leaves[3], 0);
  EXPECT_TRUE(std::isnan(leaves[4]) && std::isnan(leaves[6]));  // the plan's end
  EXPECT_THROW((void)person_period(small({0, 0, 0, 0, 0, 0, 0}), unmarked), InvalidArgument);
}

TEST(PersonPeriod, ALastSessionCensors) {
  const PersonPeriod period =
      person_period(small({0, 0, 1, 0, 0, 1, 0}), small_columns, {.last_session = 2});
  EXPECT_EQ(period.table.rows(), 5);
  EXPECT_EQ(period.n_left, 0);
  EXPECT_EQ(period.n_omitted, 2);
  EXPECT_EQ(period.ends[1].end, TreatmentEnd::unknown);
}

TEST(PersonPeriod, ARatingIsCarriedOnlyAsFarAsAsked) {
  const Table table = small({0, 0, 0, 0, 1, 0, 0});
  EXPECT_TRUE(std::isnan(person_period(table, small_columns).table.numbers("alliance_within")[4]));
  EXPECT_EQ(person_period(table, small_columns).n_left_unrated, 1);
  const PersonPeriod carried = person_period(table, small_columns, {.carry_forward = 1});
  EXPECT_EQ(carried.table.numbers("alliance_within")[4], 0);
  EXPECT_EQ(carried.n_left_unrated, 0);
  const Eigen::VectorXd lagged =
      person_period(table, small_columns, {.lag = 2, .centring = AllianceCentring::patient_mean})
          .table.numbers("alliance_within");
  EXPECT_EQ(lagged[1], 1);             // the rating of session 1
  EXPECT_TRUE(std::isnan(lagged[6]));  // session 2 was missed
}

TEST(PersonPeriod, SoFarLooksAtNothingToCome) {
  const PersonPeriod period = person_period(small({0, 0, 0, 0, 0, 0, 0}), small_columns);
  EXPECT_EQ(period.table.numbers("alliance_within")[0], 0);
  EXPECT_EQ(period.table.numbers("alliance_within")[6], 2);
}

TEST(PersonPeriod, WrongMarksAreNamed) {
  EXPECT_THAT(
      [] {
        (void)person_period(small({2, 0, 0, 0, 0, 0, 0}), small_columns);
      },
      ThrowsMessage<DataError>(HasSubstr("2 is neither 0 nor 1")));
  DropoutColumns both = small_columns;
  both.completed = "dropped";
  EXPECT_THAT(
      [&] {
        (void)person_period(small({1, 0, 0, 0, 0, 0, 0}), both);
      },
      ThrowsMessage<DataError>(HasSubstr("both left and completed")));
  EXPECT_THAT(
      [] {
        (void)dropout_hazard(person_period(small({0, 0, 0, 0, 0, 0, 0}), small_columns));
      },
      ThrowsMessage<DataError>(HasSubstr("no patient left")));
}

TEST(Retention, AgreesWithSurvival) {
  const Retention retention =
      retention_by_alliance(person_period(sessions(), columns), {.early_sessions = 2});
  EXPECT_EQ(retention.n_used, 120);
  EXPECT_NEAR(retention.log_rank.statistic, expected("log_rank", "chisq"), 1e-11);
  for (int g = 0; g < 3; ++g) {
    const std::string name = std::to_string(g);
    const SurvivalCurve& curve = retention.groups[static_cast<std::size_t>(g) + 1].retention;
    EXPECT_NEAR(curve.restricted_mean, expected("rmst", name), 1e-11);
    EXPECT_NEAR(curve.restricted_mean_standard_error, expected("rmst", name, "standard_error"),
                1e-11);
    EXPECT_NEAR(retention.log_rank.expected[g],
                expected("log_rank", std::to_string(g + 1), "standard_error"), 1e-11);
  }
  const RetentionGroup& all = retention.groups.front();
  for (Index k = 0; k < all.retention.time.size(); ++k) {
    const std::string time = shortest_decimal(all.retention.time[k]);
    if (all.retention.time[k] < 2) continue;
    EXPECT_NEAR(all.retention.ci_lower[k], expected("ci_log-log", time), 1e-12);
    EXPECT_NEAR(all.incidence.incidence(k, 0), expected("incidence_1", time), 1e-12);
    EXPECT_NEAR(all.incidence.standard_error(k, 0), expected("incidence_1", time, "standard_error"),
                1e-12);
  }
}

TEST(Retention, ImpossibleGroupsAreRefused) {
  const PersonPeriod period = person_period(small({1, 0, 0, 0, 0, 0, 0}), small_columns);
  EXPECT_THROW((void)retention_by_alliance(period, {.groups = 1}), InvalidArgument);
  EXPECT_THROW((void)retention_by_alliance(period, {.groups = 5}), DataError);
  EXPECT_EQ(retention_by_alliance(period, {.groups = 2}).groups.size(), 3U);
}

}  // namespace
}  // namespace rapport
