#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/survival.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// Simulated times with ties; `survival.R` says how the expected values were made.
struct Sample {
  Eigen::VectorXd time;
  std::vector<int> cause;
  std::vector<int> left;
  std::vector<int> group;

  Sample() {
    const Table data = read_csv(RAPPORT_TEST_DATA "/math/survival_data.csv");
    time = data.numbers("time");
    for (Index i = 0; i < data.rows(); ++i) {
      cause.push_back(static_cast<int>(data.numbers("cause")[i]));
      left.push_back(cause.back() == 1 ? 1 : 0);
      group.push_back(static_cast<int>(data.numbers("group")[i]));
    }
  }
};

/// Rows of survival.csv with one quantity.
Table expected(const std::string& quantity) {
  return where(read_csv(RAPPORT_TEST_DATA "/math/survival.csv"),
               "quantity == \"" + quantity + "\"");
}

void expect_same(double ours, double theirs, double tolerance, const std::string& what) {
  if (std::isnan(theirs))
    EXPECT_TRUE(std::isnan(ours)) << what << ": " << ours;
  else
    EXPECT_NEAR(ours, theirs, tolerance) << what;
}

void expect_column(const Eigen::VectorXd& ours, const Eigen::VectorXd& theirs,
                   const std::string& what) {
  ASSERT_EQ(ours.size(), theirs.size()) << what;
  for (Index k = 0; k < ours.size(); ++k)
    expect_same(ours[k], theirs[k], 1e-12, what + " " + std::to_string(k));
}

TEST(KaplanMeier, AgreesWithSurvival) {
  const Sample sample;
  const std::vector<std::pair<std::string, SurvivalInterval>> intervals = {
      {"log-log", SurvivalInterval::log_log},
      {"log", SurvivalInterval::log},
      {"plain", SurvivalInterval::plain}};
  for (const auto& [name, interval] : intervals) {
    const SurvivalCurve curve = kaplan_meier(sample.time, sample.left, {.interval = interval});
    const Table theirs = expected("survival_" + name);
    expect_column(curve.time, theirs.numbers("at"), name);
    expect_column(curve.survival, theirs.numbers("estimate"), name);
    expect_column(curve.standard_error, theirs.numbers("standard_error"), name);
    expect_column(curve.ci_lower, theirs.numbers("lower"), name);
    expect_column(curve.ci_upper, theirs.numbers("upper"), name);
    const Table median = expected("median_" + name);
    expect_same(curve.median, median.numbers("estimate")[0], 1e-12, "median");
    expect_same(curve.median_ci.lower, median.numbers("lower")[0], 1e-12, "median lower");
    expect_same(curve.median_ci.upper, median.numbers("upper")[0], 1e-12, "median upper");
  }
}

TEST(KaplanMeier, RestrictedMeanAgreesWithSurvival) {
  const Sample sample;
  const Table theirs = expected("restricted_mean");
  for (Index k = 0; k < theirs.rows(); ++k) {
    const SurvivalCurve curve =
        kaplan_meier(sample.time, sample.left, {.restriction = theirs.numbers("at")[k]});
    EXPECT_NEAR(curve.restricted_mean, theirs.numbers("estimate")[k], 1e-12);
    EXPECT_NEAR(curve.restricted_mean_standard_error, theirs.numbers("standard_error")[k], 1e-12);
  }
  EXPECT_EQ(kaplan_meier(sample.time, sample.left).restriction, 15);
}

TEST(KaplanMeier, WithoutCensoringIsTheShareLeft) {
  const Eigen::VectorXd time = (Eigen::VectorXd(5) << 3, 1, 2, 2, 4).finished();
  const SurvivalCurve curve = kaplan_meier(time, {1, 1, 1, 1, 1});
  EXPECT_EQ(curve.survival, (Eigen::VectorXd(4) << 0.8, 0.4, 0.2, 0).finished().cwiseMax(0));
  EXPECT_DOUBLE_EQ(curve.restricted_mean, time.mean());
  EXPECT_EQ(curve.median, 2);
}

TEST(CumulativeIncidence, AgreesWithSurvival) {
  const Sample sample;
  const CumulativeIncidence ours = cumulative_incidence(sample.time, sample.cause, 2);
  for (int k = 0; k < 2; ++k) {
    const Table theirs = expected("incidence_" + std::to_string(k + 1));
    expect_column(ours.time, theirs.numbers("at"), "time");
    expect_column(ours.incidence.col(k), theirs.numbers("estimate"), "incidence");
    expect_column(ours.standard_error.col(k), theirs.numbers("standard_error"), "standard error");
  }
  expect_column(ours.survival, Eigen::VectorXd(1 - ours.incidence.rowwise().sum().array()), "sum");
}

TEST(CumulativeIncidence, OfOneCauseIsOneMinusKaplanMeier) {
  const Sample sample;
  const CumulativeIncidence incidence = cumulative_incidence(sample.time, sample.left, 1);
  const SurvivalCurve curve = kaplan_meier(sample.time, sample.left);
  expect_column(incidence.incidence.col(0), Eigen::VectorXd(1 - curve.survival.array()), "F");
  for (Index k = 0; k + 1 < curve.time.size(); ++k) {
    EXPECT_NEAR(incidence.standard_error(k, 0), curve.standard_error[k], 1e-12);
    EXPECT_NEAR(incidence.ci_lower(k, 0), 1 - curve.ci_upper[k], 1e-12);
    EXPECT_NEAR(incidence.ci_upper(k, 0), 1 - curve.ci_lower[k], 1e-12);
  }
}

TEST(LogRank, AgreesWithSurvival) {
  const Sample sample;
  const LogRankTest test = log_rank_test(sample.time, sample.left, sample.group, 3);
  EXPECT_NEAR(test.statistic, expected("log_rank").numbers("estimate")[0], 1e-11);
  EXPECT_EQ(test.df, 2);
  const Table groups = expected("observed");
  expect_column(test.observed, groups.numbers("estimate"), "observed");
  expect_column(test.expected, groups.numbers("standard_error"), "expected");
  EXPECT_NEAR(test.trend_statistic, expected("trend").numbers("estimate")[0], 1e-11);
  EXPECT_NEAR(test.p_value, std::exp(-test.statistic / 2), 1e-12);  // χ² on 2 df
}

TEST(Survival, WrongCallsAreRefused) {
  const Eigen::VectorXd time = Eigen::VectorXd::Ones(2);
  EXPECT_THROW((void)kaplan_meier(time, {1}), InvalidArgument);
  EXPECT_THROW((void)kaplan_meier(time, {1, 2}), InvalidArgument);
  EXPECT_THROW((void)kaplan_meier(-time, {1, 1}), InvalidArgument);
  EXPECT_THROW((void)kaplan_meier(Eigen::VectorXd(), {}), InvalidArgument);
  EXPECT_THROW((void)cumulative_incidence(time, {1, 3}, 2), InvalidArgument);
  EXPECT_THROW((void)log_rank_test(time, {1, 1}, {0, 2}, 2), InvalidArgument);
  EXPECT_THROW((void)log_rank_test(time, {1, 1}, {0, 0}, 2), InvalidArgument);
}

}  // namespace
}  // namespace rapport
