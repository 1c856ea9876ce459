#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/multilevel_reliability.hpp>

#include <gtest/gtest.h>

#include "reference_values.hpp"

namespace rapport {
namespace {

using testing::reference;

struct Shrout {
  Eigen::MatrixXd items;
  Factor person;
  Factor time;
};

Shrout shrout() {
  const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/shrout.csv");
  return {.items = table.matrix({"Item1", "Item2", "Item3"}),
          .person = table.factor("Person"),
          .time = table.factor("Time")};
}

TEST(MultilevelReliability, EqualsPsychOnShroutsExample) {
  const Shrout data = shrout();
  const MultilevelReliability result = multilevel_reliability(data.items, data.person, data.time);
  EXPECT_EQ(result.method, VarianceMethod::mean_squares);
  EXPECT_NEAR(result.rkf, reference("shrout.RkF"), 1e-12);
  EXPECT_NEAR(result.r1r, reference("shrout.R1R"), 1e-12);
  EXPECT_NEAR(result.rkr, reference("shrout.RkR"), 1e-12);
  EXPECT_NEAR(result.rc, reference("shrout.Rc"), 1e-12);
  EXPECT_NEAR(result.rkrn, reference("shrout.RkRn"), 1e-6);  // psych's by nlme
  EXPECT_NEAR(result.rcn, reference("shrout.Rcn"), 1e-6);
}

/// The nested model's mean squares, by hand: REML equals them where none is negative.
TEST(MultilevelReliability, NestedVariancesAreMeanSquaresInABalancedDesign) {
  const Shrout data = shrout();
  const MultilevelReliability result = multilevel_reliability(data.items, data.person, data.time);
  const Eigen::VectorXd cell = data.items.rowwise().mean();
  Eigen::VectorXd person = Eigen::VectorXd::Zero(5);
  for (Index i = 0; i < 20; ++i)
    person[data.person.codes[static_cast<std::size_t>(i)]] += cell[i] / 4;
  double between = 12 * (person.array() - person.mean()).square().sum() / 4;
  double occasions = 0;
  for (Index i = 0; i < 20; ++i) {
    const double deviation = cell[i] - person[data.person.codes[static_cast<std::size_t>(i)]];
    occasions += 3 * deviation * deviation / 15;
  }
  const double within = (data.items.colwise() - cell).squaredNorm() / 40;
  EXPECT_NEAR(result.nested.residual, within, 1e-8);
  EXPECT_NEAR(result.nested.occasion, (occasions - within) / 3, 1e-8);
  EXPECT_NEAR(result.nested.person, (between - occasions) / 12, 1e-8);
}

TEST(MultilevelReliability, UnbalancedVariancesEqualLme4) {
  Shrout data = shrout();
  const auto row = [&](int person, int time) {
    return static_cast<Index>((time - 1) * 5 + person - 1);
  };
  data.items(row(1, 2), 2) = missing;
  data.items(row(4, 1), 0) = missing;
  data.items.row(row(2, 4)).setConstant(missing);
  const MultilevelReliability result = multilevel_reliability(data.items, data.person, data.time);
  EXPECT_EQ(result.method, VarianceMethod::reml);
  EXPECT_EQ(result.n_used, 55);
  EXPECT_EQ(result.n_omitted, 5);
  EXPECT_NEAR(result.variances.person, reference("unbalanced.Person"), 2e-5);
  EXPECT_NEAR(result.variances.occasion, reference("unbalanced.Time"), 2e-5);
  EXPECT_NEAR(result.variances.item, reference("unbalanced.item"), 2e-5);
  EXPECT_NEAR(result.variances.person_occasion, reference("unbalanced.Person_Time"), 2e-5);
  EXPECT_NEAR(result.variances.person_item, reference("unbalanced.Person_item"), 2e-5);
  EXPECT_NEAR(result.variances.occasion_item, reference("unbalanced.Time_item"), 2e-5);
  EXPECT_NEAR(result.variances.residual, reference("unbalanced.Residual"), 2e-5);
}

TEST(MultilevelReliability, DoesNotChangeWithTheOrderOfRows) {
  const Shrout data = shrout();
  std::vector<Index> order(20);
  for (Index i = 0; i < 20; ++i) order[static_cast<std::size_t>(i)] = (7 * i) % 20;
  const MultilevelReliability one = multilevel_reliability(data.items, data.person, data.time);
  const MultilevelReliability other = multilevel_reliability(
      data.items(order, Eigen::all), select(data.person, order), select(data.time, order));
  EXPECT_NEAR(one.rkf, other.rkf, 1e-12);
  EXPECT_NEAR(one.rcn, other.rcn, 1e-9);
  EXPECT_NEAR(one.omega_within, other.omega_within, 1e-9);
}

TEST(MultilevelReliability, Refusals) {
  const Shrout data = shrout();
  EXPECT_THROW((void)multilevel_reliability(data.items, data.person, data.person),
               DataError);  // two rows a cell
  const std::vector<Index> one_person{0, 5, 10, 15};
  EXPECT_THROW(
      (void)multilevel_reliability(data.items(one_person, Eigen::all),
                                   select(data.person, one_person), select(data.time, one_person)),
      DataError);
  EXPECT_THROW((void)multilevel_reliability(data.items.topRows(3), data.person, data.time),
               InvalidArgument);
}

}  // namespace
}  // namespace rapport
