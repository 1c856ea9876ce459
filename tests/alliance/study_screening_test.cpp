#include <rapport/alliance/session_order.hpp>
#include <rapport/alliance/simulated_panel.hpp>
#include <rapport/alliance/study_screening.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>
#include <set>

namespace rapport {
namespace {

using testing::Contains;
using testing::Not;

const StudyColumns columns{.patient = "patient",
                           .session = "session",
                           .alliance = "wai_client",
                           .outcome = "phq9",
                           .therapist_alliance = "wai_therapist"};

Table clean() {
  SimulatedPanelOptions options;
  options.patients = 30;
  options.therapists = 5;
  options.dropout = 0;
  return simulate_panel(Seed{3}, options);
}

StudyScreening screened(const Table& table, const StudyScreeningOptions& options = {},
                        const StudyColumns& of = columns) {
  const Panel panel =
      make_panel(table, {.patient = of.patient, .session = of.session, .therapist = ""});
  return screen_study(table, panel, of, options);
}

std::set<std::string> kinds(const StudyScreening& screening) {
  std::set<std::string> names;
  for (const StudyFinding& finding : screening.findings) names.insert(finding.kind);
  return names;
}

const StudyFinding& finding(const StudyScreening& screening, const std::string& kind) {
  for (const StudyFinding& one : screening.findings)
    if (one.kind == kind) return one;
  throw InvalidArgument("nothing of kind " + kind);
}

/// The rows of a patient, in the file's order.
std::vector<Index> rows_of(const Table& table, Index patient) {
  const Factor factor = table.factor("patient");
  std::vector<Index> rows;
  for (Index i = 0; i < table.rows(); ++i)
    if (factor.codes[static_cast<std::size_t>(i)] == patient) rows.push_back(i);
  return rows;
}

TEST(StudyScreening, CleanDataHaveNothingButGaps) {
  std::set<std::string> found = kinds(screened(clean()));
  found.erase("session_gap");  // missed sessions are no fault
  EXPECT_TRUE(found.empty()) << *found.begin();
}

TEST(StudyScreening, FindsValuesOutsideTheScale) {
  Table table = clean();
  Eigen::VectorXd phq = table.numbers("phq9");
  phq[4] = 99;
  table.set("phq9", phq);
  const StudyScreening screening =
      screened(table, {.outcome_range = ScaleRange{.lower = 0, .upper = 27}});
  EXPECT_EQ(finding(screening, "out_of_range").rows, std::vector<Index>{4});
  EXPECT_EQ(screening.findings.front().severity, Severity::error) << "errors stand first";
  EXPECT_THAT(kinds(screened(table)), Contains("far_value")) << "without a range it is still far";
}

TEST(StudyScreening, FindsRatingsCopiedBetweenRaters) {
  Table table = clean();
  Eigen::VectorXd therapist = table.numbers("wai_therapist");
  for (const Index row : rows_of(table, 7)) therapist[row] = table.numbers("wai_client")[row];
  table.set("wai_therapist", therapist);
  const StudyFinding found = finding(screened(table), "copied_between_raters");
  EXPECT_EQ(found.count, 1);
  EXPECT_EQ(found.rows.front(), rows_of(table, 7).front());
}

TEST(StudyScreening, FindsSessionsAndPatientsEnteredTwice) {
  Table table = clean();
  const std::vector<Index> rows = rows_of(table, 2);
  for (const std::string name : {"wai_client", "wai_therapist", "phq9"}) {
    Eigen::VectorXd x = table.numbers(name);
    x[rows[3]] = x[rows[4]] = x[rows[2]];
    table.set(name, x);
  }
  EXPECT_EQ(finding(screened(table), "repeated_session").rows, std::vector<Index>{rows[4]});

  Table twice = clean();
  const std::vector<Index> one = rows_of(twice, 4);
  std::vector<Index> all;
  for (Index i = 0; i < twice.rows(); ++i) all.push_back(i);
  all.insert(all.end(), one.begin(), one.end());
  twice = twice.select(all);
  Factor patient = twice.factor("patient");
  patient.levels.emplace_back("twin");
  for (std::size_t k = 0; k < one.size(); ++k)
    patient.codes[patient.codes.size() - 1 - k] =
        static_cast<std::int32_t>(patient.levels.size() - 1);
  twice.set("patient", patient);
  EXPECT_EQ(finding(screened(twice), "repeated_patient").count, 1);
}

TEST(StudyScreening, FindsCeilingsAndRatingsThatNeverVary) {
  Table table = clean();
  Eigen::VectorXd client = table.numbers("wai_client");
  for (const Index row : rows_of(table, 1)) client[row] = 60;
  table.set("wai_client", client);
  EXPECT_EQ(finding(screened(table), "never_varies").count, 1);
  table.set("wai_client", Eigen::VectorXd(client.cwiseMin(62)));
  EXPECT_THAT(kinds(screened(table)), Contains("ceiling"));
}

TEST(StudyScreening, FindsSessionsOutOfOrder) {
  Table table = clean();
  std::vector<Index> order;
  for (Index i = 0; i < table.rows(); ++i) order.push_back(i);
  std::swap(order[1], order[2]);
  const Table swapped = table.select(order);
  EXPECT_EQ(finding(screened(swapped), "out_of_order").rows, std::vector<Index>{2});

  StudyColumns timed = columns;
  timed.time = "day";
  Eigen::VectorXd day = 7 * table.numbers("session");
  table.add("day", day);
  EXPECT_THAT(kinds(screened(table, {}, timed)), Not(Contains("time_against_session")));
  day[2] = day[1];
  table.set("day", day);
  EXPECT_EQ(finding(screened(table, {}, timed), "time_against_session").rows,
            std::vector<Index>{2});
}

TEST(StudyScreening, ComposesTheScreeningOfItems) {
  // Four items of 1 to 7; the third runs against the others though the key does not reverse it.
  RandomStream random(Seed{5}, 0);
  const Index n = 60;
  Eigen::MatrixXd items(n, 4);
  Table table;
  Eigen::VectorXd total(n), outcome(n), patient(n), session(n);
  for (Index i = 0; i < n; ++i) {
    const double level = 4 + random.normal();
    for (Index j = 0; j < 4; ++j) {
      const double answer = std::clamp(std::round(level + random.normal() / 2), 1.0, 7.0);
      items(i, j) = j == 2 ? 8 - answer : answer;
    }
    total[i] = items.row(i).sum();
    outcome[i] = random.normal();
    patient[i] = static_cast<double>(i / 4);
    session[i] = static_cast<double>(i % 4 + 1);
  }
  table.add("p", patient);
  table.add("s", session);
  table.add("total", total);
  table.add("y", outcome);
  const Instrument key = make_scale(4, {.lower = 1, .upper = 7});
  StudyScreeningOptions options;
  options.items = StudyItems{.instrument = key, .responses = items, .options = {}};
  const StudyScreening screening = screened(
      table, options, {.patient = "p", .session = "s", .alliance = "total", .outcome = "y"});
  EXPECT_THAT(kinds(screening), Contains("possibly_unreversed"));
}

TEST(SessionOrder, NumbersSessionsByTheirTimes) {
  const Table table = parse_csv("p,t\nA,0\nA,9.5\nB,3\nA,4\nB,NA\nB,1\n");
  const StudyColumns of{.patient = "p", .session = "t"};
  const Eigen::VectorXd number = with_session_numbers(table, of).numbers("session_number");
  EXPECT_EQ(number[0], 1);
  EXPECT_EQ(number[1], 3);
  EXPECT_EQ(number[3], 2);
  EXPECT_EQ(number[2], 2);
  EXPECT_TRUE(is_missing(number[4]));
  EXPECT_EQ(number[5], 1);
}

TEST(SessionOrder, KeepsOneRowOfARepeatedSession) {
  const Table table = parse_csv("p,t,x\nA,1,10\nA,1,11\nA,2,12\nB,1,13\nA,1,14\n");
  const StudyColumns of{.patient = "p", .session = "t"};
  const auto kept = [&](RepeatedSessions rule) {
    const Eigen::VectorXd x = without_repeated_sessions(table, of, rule).numbers("x");
    return std::vector<double>(x.begin(), x.end());
  };
  EXPECT_EQ(kept(RepeatedSessions::refuse).size(), 5U);
  EXPECT_EQ(kept(RepeatedSessions::keep_first), (std::vector<double>{10, 12, 13}));
  EXPECT_EQ(kept(RepeatedSessions::keep_last), (std::vector<double>{12, 13, 14}));
}

}  // namespace
}  // namespace rapport
