#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/simulated_panel.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/report/alliance.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const StudyColumns all_columns{.patient = "patient",
                               .session = "session",
                               .alliance = "wai_client",
                               .outcome = "phq9",
                               .therapist = "therapist",
                               .treatment = "treatment",
                               .therapist_alliance = "wai_therapist",
                               .dropout = "dropped"};

Table reference(const std::string& name) {
  return read_csv(std::string(RAPPORT_TEST_DATA) + "/alliance/" + name);
}

const StudyAnalysis& reference_study() {
  static const StudyAnalysis study =
      analyse_study(reference("simulated_panel.csv"), all_columns, {.replicates = 100});
  return study;
}

const FittedModel& model(const StudyAnalysis& study, const std::string& name) {
  for (const StudyModel& one : study.models)
    if (one.name == name) return one.model;
  throw InvalidArgument("no model " + name);
}

/// lme4's names beside ours, in the order of both outputs.
void agrees_with_lme4(const std::string& name) {
  const Table expected = reference("levels.csv");
  const std::vector<ContrastEstimate> effects = model(reference_study(), name).effects();
  std::size_t k = 0;
  for (Index i = 0; i < expected.rows(); ++i) {
    if (cell_text(expected.column("model"), i) != name) continue;
    const std::string term = cell_text(expected.column("term"), i);
    ASSERT_LT(k, effects.size());
    EXPECT_NEAR(effects[k].estimate, expected.numbers("estimate")[i], 1e-5) << name << ": " << term;
    EXPECT_NEAR(effects[k].standard_error, expected.numbers("standard_error")[i], 1e-5)
        << name << ": " << term;
    EXPECT_NEAR(effects[k].df / expected.numbers("df")[i], 1, 5e-3) << name << ": " << term;
    EXPECT_NEAR(effects[k].p_value, expected.numbers("p_value")[i], 1e-4) << name << ": " << term;
    ++k;
  }
  EXPECT_EQ(k, effects.size());
}

TEST(Study, LevelsAgreeWithLme4) { agrees_with_lme4("within_between"); }
TEST(Study, ModerationBySessionAgreesWithLme4) { agrees_with_lme4("by_session"); }
TEST(Study, LagsAgreeWithLme4) { agrees_with_lme4("alliance_to_outcome"); }

TEST(Study, ContrastsAreWhatTheySay) {
  const Disaggregation& d = *reference_study().disaggregation;
  EXPECT_NEAR(d.contextual.estimate, d.between_patient.estimate - d.within.estimate, 1e-12);
  EXPECT_NEAR(d.therapist_contextual.estimate,
              d.between_therapist.estimate - d.between_patient.estimate, 1e-12);
  // Lüdtke et al. (2008): the observed slope is λ · corrected + (1 − λ) · within.
  EXPECT_NEAR(d.reliability * d.between_patient_corrected.estimate +
                  (1 - d.reliability) * d.within.estimate,
              d.between_patient.estimate, 1e-12);
  for (const double share : {d.r_squared_within, d.r_squared_between, d.r_squared_total}) {
    EXPECT_GT(share, 0);
    EXPECT_LT(share, 1);
  }
  EXPECT_EQ(d.n_patients, 120);
  EXPECT_EQ(d.n_therapists, 15);
}

TEST(Study, TheSlopeAtASessionIsMainEffectPlusInteraction) {
  const SessionModeration& m = *reference_study().session_moderation;
  const double at_zero =
      model(reference_study(), "by_session").effect("within(wai_client, patient)").estimate;
  for (std::size_t k = 0; k < m.sessions.size(); ++k)
    EXPECT_NEAR(m.slopes.slopes[k].slope.estimate, at_zero + m.sessions[k] * m.interaction.estimate,
                1e-10);
}

TEST(Study, EveryPartIsThere) {
  const StudyAnalysis& study = reference_study();
  EXPECT_EQ(study.agreement.size(), 1U);
  EXPECT_TRUE(study.agreement[0].means && study.agreement[0].convergence && study.congruence &&
              study.treatment_moderation);
  EXPECT_TRUE(study.alliance_to_outcome && study.outcome_to_alliance && study.cross_lagged);
  EXPECT_TRUE(study.distributed_lags && study.rating_comparison && study.rupture_outcome);
  EXPECT_TRUE(study.early && study.perspectives && study.dropout && study.change && study.ruptures);
  EXPECT_EQ(study.correlations.size(), 3U);
  EXPECT_EQ(study.sessions.sessions, 1155);
}

TEST(Study, WithoutTherapistsTreatmentOrSecondRaterTheRestRemains) {
  const StudyAnalysis study = analyse_study(
      reference("simulated_panel.csv"),
      {.patient = "patient", .session = "session", .alliance = "wai_client", .outcome = "phq9"});
  EXPECT_TRUE(study.disaggregation && study.early && study.ruptures);
  EXPECT_TRUE(study.agreement.empty());
  EXPECT_FALSE(study.therapists || study.treatment_moderation || study.dropout);
  EXPECT_TRUE(std::isnan(study.disaggregation->between_therapist.estimate));
}

TEST(Study, TherapistsWhoseDifferencesAreThoseOfTheirPatientsAreLeftOut) {
  StudyColumns columns{
      .patient = "patient", .session = "session", .alliance = "wai_client", .outcome = "phq9"};
  const Table sessions = reference("simulated_panel.csv");
  const StudyAnalysis without = analyse_study(sessions, columns);
  Table alone = sessions;
  alone.add("own_therapist", sessions.factor("patient"));
  columns.therapist = "own_therapist";
  const StudyAnalysis study = analyse_study(alone, columns);
  EXPECT_THAT(study.warnings.front(), HasSubstr("every therapist has one patient"));
  EXPECT_EQ(study.models.size(), without.models.size());
  EXPECT_EQ(study.disaggregation->within.estimate, without.disaggregation->within.estimate);
}

TEST(Study, TheSharesOfBothRatingsSumToWhatTheyExplain) {
  const RatingComparison& c = *reference_study().rating_comparison;
  ASSERT_EQ(c.ratings.size(), 2U);
  EXPECT_NEAR(c.ratings[0].share.estimate + c.ratings[1].share.estimate, c.r_squared, 1e-12);
}

TEST(Study, PatientsHaveOneRow) {
  const Table& patients = reference_study().patients;
  EXPECT_EQ(patients.rows(), 120);
  const Table sessions = reference("simulated_panel.csv");
  // P001 of the file: intake 10; sessions 1 to 3 are rated 66, 64 and 68.
  EXPECT_EQ(patients.numbers("intake")[0], 10);
  EXPECT_DOUBLE_EQ(patients.numbers("early_alliance")[0], 66);
  EXPECT_EQ(patients.numbers("prior_change")[0], 4) << "14 in session 3, 10 in session 1";
}

TEST(Study, EffectsThatDifferInSignAreToldApart) {
  SimulatedPanelOptions options;
  options.patients = 400;
  options.therapists = 40;
  options.within_effect = -0.2;
  options.between_patient_effect = 0.3;
  options.between_therapist_effect = 0.3;
  options.trend = 0;
  options.dropout = 0;
  options.rounded = false;
  const StudyAnalysis study =
      analyse_study(simulate_panel(Seed{8}, options), all_columns, {.replicates = 10});
  const Disaggregation& d = *study.disaggregation;
  EXPECT_NEAR(d.within.estimate, -0.2, 4 * d.within.standard_error);
  EXPECT_NEAR(d.between_patient_corrected.estimate, 0.3,
              4 * d.between_patient_corrected.standard_error);
  EXPECT_LT(d.contextual.p_value, 1.0);
  EXPECT_GT(d.contextual.estimate, 0.3);
}

void refused(const std::string& text, const std::string& part) {
  const StudyColumns columns{.patient = "p", .session = "s", .alliance = "a", .outcome = "y"};
  EXPECT_THAT([&] { (void)analyse_study(parse_csv(text, {}, "panel.csv"), columns); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("panel.csv"), HasSubstr(part))))
      << text;
}

TEST(Study, RefusesDataThatAllowNoAnswer) {
  refused("p,s,a,y\n1,1,3,4\n2,1,4,5\n3,1,5,3\n", "no patient (column \"p\") has two sessions");
  refused("p,s,a,y\n1,1,3,4\n1,2,4,5\n1,3,5,3\n", "only 1 patient");
  refused("p,s,a,y\n1,1,3,4\n1,2,3,5\n2,1,3,1\n", "column \"a\" is constant");
  refused("p,s,a,y\n1,1,3,4\n1,2,2,4\n2,1,3,4\n", "column \"y\" is constant");
  refused("p,s,a,y\n1,1,,4\n1,2,,4\n2,1,,4\n", "column \"a\" has no value");
  refused("p,s,a,y\nP03,1,2,4\nP03,1,3,5\n", "P03");
}

TEST(Study, TwoSessionsAPatientLeaveOutRandomSlopes) {
  std::string text = "p,s,a,y\n";
  RandomStream random(Seed{2}, 0);
  for (int p = 0; p < 30; ++p)
    for (int s = 1; s <= 2; ++s)
      text += std::to_string(p) + "," + std::to_string(s) + "," +
              shortest_decimal(random.normal()) + "," + shortest_decimal(random.normal()) + "\n";
  const StudyAnalysis study = analyse_study(
      parse_csv(text), {.patient = "p", .session = "s", .alliance = "a", .outcome = "y"});
  ASSERT_TRUE(study.disaggregation);
  EXPECT_THAT(model(study, "within_between").formula(), HasSubstr("(1 | p)"));
}

TEST(Study, OneSessionAPatientComparesItsRaters) {
  std::string text = "couple,session,own,partner,tension\n";
  RandomStream random(Seed{4}, 0);
  for (int p = 0; p < 60; ++p) {
    const double level = random.normal();
    text += std::to_string(p) + ",1," + shortest_decimal(level + random.normal()) + "," +
            shortest_decimal(level + random.normal()) + "," +
            shortest_decimal(-level + random.normal()) + "\n";
  }
  const StudyAnalysis study = analyse_study(parse_csv(text),
                                            {.patient = "couple",
                                             .session = "session",
                                             .alliance = "own",
                                             .outcome = "tension",
                                             .raters = {{.name = "partner", .column = "partner"}}},
                                            {.replicates = 100});
  EXPECT_TRUE(study.one_session);
  EXPECT_EQ(study.agreement.size(), 1U);
  EXPECT_TRUE(study.congruence && study.rating_comparison);
  EXPECT_TRUE(study.models.empty());
  EXPECT_FALSE(study.disaggregation || study.perspectives || study.ruptures);
  EXPECT_EQ(study.rating_comparison->outcome, "tension");
  EXPECT_EQ(study.n_used, 60);
  EXPECT_NE(report::to_html(report::study_page(study, parse_csv(text))).find("one session each"),
            std::string::npos);
}

TEST(Study, RefusesTwoRatersOfTheSameName) {
  StudyColumns columns = all_columns;
  columns.raters = {{.name = "therapist", .column = "wai_client"}};
  EXPECT_THROW((void)analyse_study(reference("simulated_panel.csv"), columns), InvalidArgument);
}

TEST(Study, ProgressIsHeardAndCanStopIt) {
  std::vector<Index> heard;
  StudyOptions options{.replicates = 10};
  options.progress = [&](Index done, Index total) {
    heard.push_back(done);
    return done < total / 2;
  };
  EXPECT_THROW((void)analyse_study(reference("simulated_panel.csv"), all_columns, options),
               Interrupted);
  EXPECT_TRUE(std::is_sorted(heard.begin(), heard.end()));
  EXPECT_GT(heard.size(), 3U);
}

TEST(Study, EarlySessionsAreFewerWhereTheStudyIsShort) {
  const Table all = reference("simulated_panel.csv");
  std::vector<Index> rows;
  for (Index i = 0; i < all.rows(); ++i)
    if (all.numbers("session")[i] <= 3) rows.push_back(i);
  StudyColumns columns = all_columns;
  columns.dropout.clear();
  const StudyAnalysis study = analyse_study(all.select(rows), columns, {.replicates = 10});
  EXPECT_EQ(study.early_sessions, 2) << "so that half of the patients have an outcome after them";
  EXPECT_TRUE(study.early && study.change);
}

TEST(StudyPage, ShowsCodesOnlyWhereAsked) {
  const Table table = reference("simulated_panel.csv");
  const std::string hidden = report::to_html(report::study_page(reference_study(), table));
  const auto holds = [&](const char* part) { return hidden.find(part) != std::string::npos; };
  EXPECT_FALSE(holds("P001") || holds("T01"));
  EXPECT_FALSE(holds("href=\"http") || holds("src=") || holds("url(http"))
      << "the page needs no network";
  const auto& ruptures = reference_study().ruptures->ruptures;
  ASSERT_FALSE(ruptures.empty());
  const std::string shown = report::to_html(
      report::study_page(reference_study(), table, {.command = "", .show_ids = true}));
  EXPECT_NE(shown.find(">P"), std::string::npos);
}

TEST(StudyPage, JsonHoldsEveryModelWithItsFormula) {
  const Json json = report::to_json(reference_study(), reference("simulated_panel.csv"));
  for (const StudyModel& one : reference_study().models)
    EXPECT_EQ(json.at("models").at(one.name).at("formula").string(), one.model.formula());
  EXPECT_EQ(json.at("disaggregation").at("within").at("n_patients").number(), 120);
}

}  // namespace
}  // namespace rapport
