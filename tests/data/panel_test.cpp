#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/panel.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Two therapists; A sees P1 and P2, B sees P3. P2 misses session 2; one alliance value is missing.
Table sessions() {
  return parse_csv(
      "therapist,patient,session,wai\n"
      "A,P2,3,8\n"
      "A,P1,1,2\n"
      "A,P1,2,4\n"
      "A,P2,1,6\n"
      "B,P3,1,9\n"
      "B,P3,2,NA\n"
      "B,P3,3,11\n",
      {}, "panel.csv");
}

Panel three_levels() {
  return make_panel(sessions(),
                    {.patient = "patient", .session = "session", .therapist = "therapist"});
}

std::vector<double> shown(const Eigen::VectorXd& values) {
  std::vector<double> numbers(values.data(), values.data() + values.size());
  for (double& number : numbers)
    if (std::isnan(number)) number = -999;
  return numbers;
}

constexpr double na = -999;

TEST(Panel, OrdersRowsByPatientThenSession) {
  const Panel panel = three_levels();
  EXPECT_THAT(panel.order, ElementsAre(1, 2, 3, 0, 4, 5, 6));
  EXPECT_THAT(panel.first, ElementsAre(0, 2, 4, 7));
  EXPECT_EQ(panel.n_omitted, 0);
}

TEST(Panel, LeavesOutRowsWithoutPatientOrSession) {
  const Table table = parse_csv("p,s\nA,1\n,2\nA,\n");
  const Panel panel = make_panel(table, {.patient = "p", .session = "s", .therapist = ""});
  EXPECT_THAT(panel.order, ElementsAre(0));
  EXPECT_EQ(panel.n_omitted, 2);
}

TEST(Panel, RefusesASessionThatStandsTwice) {
  const Table table = parse_csv("p,s\nP03,2\nP01,1\nP03,2\n", {}, "panel.csv");
  EXPECT_THAT([&] { (void)make_panel(table, {.patient = "p", .session = "s", .therapist = ""}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("panel.csv:4"), HasSubstr("P03"),
                                             HasSubstr("s 2 twice"), HasSubstr("line 2"))));
}

TEST(Panel, LagNeverCrossesAPatientAndKnowsAGap) {
  const Table table = sessions();
  const Panel panel = three_levels();
  EXPECT_THAT(shown(lag(table.numbers("wai"), panel.patient, panel.session)),
              ElementsAre(na, na, 2, na, na, 9, na));
  EXPECT_THAT(shown(lag(table.numbers("wai"), panel.patient, panel.session, 2)),
              ElementsAre(6, na, na, na, na, na, 9));
}

TEST(Panel, CentresOnMeans) {
  const Table table = sessions();
  const Eigen::VectorXd& wai = table.numbers("wai");
  EXPECT_THAT(shown(within_group(wai, table.factor("patient"))),
              ElementsAre(1, -1, 1, -1, -1, na, 1));
  // The patients' means are 3, 7 and 10; their mean is 20/3.
  EXPECT_DOUBLE_EQ(between_group(wai, table.factor("patient"))[0], 7 - 20.0 / 3);
  EXPECT_DOUBLE_EQ(grand_mean_centred(wai)[0], 8 - 40.0 / 6);
}

TEST(Panel, DetrendingLeavesNothingOfALine) {
  const Table table = parse_csv("p,s,x\nA,1,3\nA,2,5\nA,4,9\nB,1,7\nB,3,1\nC,1,4\n");
  const Eigen::VectorXd rest =
      detrended_within_group(table.numbers("x"), table.factor("p"), table.numbers("s"));
  EXPECT_LT(rest.cwiseAbs().maxCoeff(), 1e-14);
}

TEST(Panel, ThePartsOfADecompositionSumToTheVariable) {
  const Table table = sessions();
  const Eigen::VectorXd& wai = table.numbers("wai");
  const Decomposition parts = decompose(three_levels(), wai);
  // Brincks et al. (2017): the therapists' means are 20/4 = 5 and 20/2 = 10, their mean 7.5.
  EXPECT_DOUBLE_EQ(parts.centre, 7.5);
  EXPECT_THAT(shown(parts.between_therapist), ElementsAre(-2.5, -2.5, -2.5, -2.5, 2.5, na, 2.5));
  EXPECT_THAT(shown(parts.between_patient), ElementsAre(2, -2, -2, 2, 0, na, 0));
  EXPECT_EQ(parts.n_therapists, 2);
  EXPECT_EQ(parts.n_patients, 3);
  EXPECT_EQ(parts.n_used, 6);
  const Eigen::VectorXd sum = parts.within + parts.between_patient + parts.between_therapist;
  for (Index i = 0; i < wai.size(); ++i)
    if (!std::isnan(wai[i])) {
      EXPECT_DOUBLE_EQ(sum[i] + parts.centre, wai[i]);
    }
}

TEST(Panel, VariancesAreThoseOfTheOneWayAnalysis) {
  // Balanced: two values for each of P1 (2, 4), P2 (6, 8), P3 (9, 11). MS within = 6/3 = 2; MS
  // between = 2·Σ(ȳ − 20/3)²/2 = 74/3; τ² = (74/3 − 2)/2 = 34/3; λ = τ²/(τ² + 2/2) = 34/37.
  const Table table = sessions();
  const Panel panel =
      make_panel(table, {.patient = "patient", .session = "session", .therapist = ""});
  const Decomposition parts = decompose(panel, table.numbers("wai"));
  EXPECT_DOUBLE_EQ(parts.within_variance, 2);
  EXPECT_DOUBLE_EQ(parts.between_patient_variance, 34.0 / 3);
  EXPECT_DOUBLE_EQ(parts.icc, 34.0 / 40);
  EXPECT_DOUBLE_EQ(parts.mean_reliability, 34.0 / 37);
  EXPECT_EQ(parts.n_therapists, 0);
}

TEST(Panel, PatientsOfOneTherapistHaveAVarianceOfTheirOwn) {
  // Two therapists of two patients with two sessions each. By hand: the patients' means are 3, 7
  // (therapist's 5) and 10, 16 (13); MS patients = 2·(4 + 4 + 9 + 9)/2 = 26, MS within = 2·4/4 = 2,
  // so τ² = (26 − 2)/2 = 12.
  const Table table = parse_csv(
      "t,p,s,x\nA,1,1,2\nA,1,2,4\nA,2,1,6\nA,2,2,8\nB,3,1,9\nB,3,2,11\nB,4,1,15\nB,4,2,17\n");
  const Decomposition parts = decompose(
      make_panel(table, {.patient = "p", .session = "s", .therapist = "t"}), table.numbers("x"));
  EXPECT_DOUBLE_EQ(parts.within_variance, 2);
  EXPECT_DOUBLE_EQ(parts.between_patient_variance, 12);
  EXPECT_DOUBLE_EQ(parts.mean_reliability, 12.0 / 13);
}

TEST(Panel, ReliabilityIsTheSquaredCorrelationOfMeanAndTrueMean) {
  // 4000 patients with τ² = 1, σ² = 4 and five sessions: λ = 1 / (1 + 4/5). The Monte-Carlo error
  // of r² is below 0.012.
  RandomStream random(Seed{11}, 0);
  std::string text = "p,s,x\n";
  Eigen::VectorXd truth(4000);
  for (Index p = 0; p < truth.size(); ++p) {
    truth[p] = random.normal();
    for (int s = 1; s <= 5; ++s)
      text += std::to_string(10000 + p) + "," + std::to_string(s) + "," +
              shortest_decimal(truth[p] + 2 * random.normal()) + "\n";
  }
  const Table table = parse_csv(text);
  const Decomposition parts = decompose(
      make_panel(table, {.patient = "p", .session = "s", .therapist = ""}), table.numbers("x"));
  const Eigen::ArrayXd mean = group_means(table.numbers("x"), table.factor("p")).array();
  const Eigen::ArrayXd a = mean - mean.mean();
  const Eigen::ArrayXd b = truth.array() - truth.mean();
  const double r2 = std::pow((a * b).sum(), 2) / (a.square().sum() * b.square().sum());
  EXPECT_NEAR(r2, parts.mean_reliability, 0.03);
  EXPECT_NEAR(parts.mean_reliability, 5.0 / 9, 0.03);
}

RC_GTEST_PROP(PanelProperty, CentringIsIdempotentAndLagShifts, ()) {
  const auto n = *rc::gen::inRange<Index>(1, 40);
  Factor group{.codes = {}, .levels = {"a", "b", "c"}};
  Eigen::VectorXd x(n);
  Eigen::VectorXd time(n);
  for (Index i = 0; i < n; ++i) {
    group.codes.push_back(*rc::gen::inRange(-1, 3));
    x[i] = *rc::gen::inRange(-50, 50);
    time[i] = static_cast<double>(i);
  }
  const Eigen::VectorXd once = within_group(x, group);
  const Eigen::VectorXd twice = within_group(once, group);
  const Eigen::VectorXd before = lag(x, group, time);
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    RC_ASSERT(std::isnan(once[i]) == (group.codes[k] < 0));
    if (!std::isnan(once[i])) RC_ASSERT(std::abs(once[i] - twice[i]) < 1e-9);
    const bool follows = i > 0 && group.codes[k] >= 0 && group.codes[k] == group.codes[k - 1];
    RC_ASSERT((follows ? before[i] == x[i - 1] : std::isnan(before[i])));
  }
}

}  // namespace
}  // namespace rapport
