#include <rapport/alliance/meta_bias.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include "meta_reference.hpp"
#include <cmath>

namespace rapport {
namespace {

using test::bcg;
using test::metafor;
using test::molloy;

class MetaBiasOf : public testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] MetaData data() const {
    return std::string(GetParam()) == "bcg" ? bcg() : molloy();
  }
  [[nodiscard]] double reference(const std::string& key, Index i) const {
    return metafor(std::string(GetParam()) + "." + key, i);
  }
};

TEST_P(MetaBiasOf, EggerAndRegressionEqualMetafor) {
  const EggerTest egger = egger_test(data());
  EXPECT_NEAR(egger.statistic, reference("egger", 0), 1e-10);
  EXPECT_NEAR(egger.p_value, reference("egger", 1), 1e-10);
  EXPECT_NEAR(egger.intercept, reference("egger", 2), 1e-10);
  const RegressionTest regression = regression_test(data());
  EXPECT_NEAR(regression.slope.statistic, reference("regtest", 0), 1e-6);
  EXPECT_NEAR(regression.slope.p_value, reference("regtest", 1), 1e-6);
  EXPECT_NEAR(regression.limit.estimate, reference("regtest", 2), 1e-6);
}

TEST_P(MetaBiasOf, RankTestEqualsMetafor) {
  const RankTest rank = rank_test(data());
  EXPECT_NEAR(rank.tau, reference("ranktest", 0), 1e-12);
  EXPECT_NEAR(rank.p_value, reference("ranktest", 1), 1e-10);
}

TEST_P(MetaBiasOf, TrimAndFillEqualsMetafor) {
  const TrimAndFill trim = trim_and_fill(data());
  EXPECT_EQ(static_cast<double>(trim.k0), reference("trimfill", 0));
  EXPECT_EQ(trim.right, reference("trimfill", 1) == 1);
  EXPECT_NEAR(trim.fit.coefficients[0].estimate, reference("trimfill_fit", 0),
              1e-5);  // metafor trims at its default tolerance
  EXPECT_NEAR(trim.fit.coefficients[0].standard_error, reference("trimfill_fit", 1), 1e-5);
  EXPECT_NEAR(trim.fit.tau2, reference("trimfill_fit", 2), 1e-5);
  const TrimAndFill fixed = trim_and_fill(data(), {.estimator = MetaEstimator::fixed});
  EXPECT_EQ(static_cast<double>(fixed.k0), reference("trimfill_fe", 0));
  EXPECT_NEAR(fixed.fit.coefficients[0].estimate, reference("trimfill_fe", 2), 1e-12);
  EXPECT_NEAR(fixed.fit.coefficients[0].standard_error, reference("trimfill_fe", 3), 1e-12);
}

TEST_P(MetaBiasOf, PetPeeseEqualsWeightedRegression) {
  const PetPeese result = pet_peese(data());
  for (const auto& [coefficient, key] :
       {std::pair{result.pet, "pet"}, std::pair{result.peese, "peese"}}) {
    EXPECT_NEAR(coefficient.estimate, reference(key, 0), 1e-10);
    EXPECT_NEAR(coefficient.standard_error, reference(key, 1), 1e-10);
    EXPECT_NEAR(coefficient.statistic, reference(key, 2), 1e-9);
    EXPECT_NEAR(coefficient.p_value, reference(key, 3), 1e-10);
  }
  EXPECT_EQ(result.estimate, result.use_peese ? result.peese.estimate : result.pet.estimate);
}

TEST_P(MetaBiasOf, FailSafeNEqualsMetafor) {
  EXPECT_EQ(fail_safe_n(data()), metafor(std::string(GetParam()) + ".fsn"));
}

INSTANTIATE_TEST_SUITE_P(Published, MetaBiasOf, testing::Values("bcg", "molloy"));

// metafor 3.8.1, dat.konstantopoulos2011 as two levels, DL: trimfill() gives k0 = 10 on the right,
// SE 0.0359274028768 whatever the test of the model.
TEST(TrimAndFill, TestsByTheNormal) {
  MetaData data = test::konstantopoulos();
  data.study.clear();
  const TrimAndFill trim = trim_and_fill(
      data, {.estimator = MetaEstimator::dersimonian_laird, .test = MetaTest::knapp_hartung});
  EXPECT_EQ(trim.k0, 10);
  EXPECT_TRUE(trim.right);
  EXPECT_NEAR(trim.fit.coefficients[0].standard_error, 0.0359274028768, 1e-10);
}

// metafor 3.8.1: ranktest() of dat.konstantopoulos2011, 56 effects with ties.
TEST(RankTest, WithTiesIsNormal) {
  MetaData data = test::konstantopoulos();
  data.study.clear();
  EXPECT_NEAR(rank_test(data).tau, 0.076940401818684, 1e-12);
  EXPECT_NEAR(rank_test(data).p_value, 0.410936272936508, 1e-10);
}

TEST(TrimAndFill, MirrorsWithTheSign) {
  MetaData mirrored = molloy();
  mirrored.effect = -mirrored.effect;
  const TrimAndFill a = trim_and_fill(molloy());
  const TrimAndFill b = trim_and_fill(mirrored);
  EXPECT_EQ(a.k0, b.k0);
  EXPECT_NE(a.right, b.right);
  EXPECT_NEAR(a.fit.coefficients[0].estimate, -b.fit.coefficients[0].estimate, 1e-9);
}

TEST(SelectionModel, EqualsMetafor) {
  const SelectionModel model = selection_model(molloy());
  EXPECT_NEAR(model.mean.estimate, metafor("molloy.selection", 0), 2e-6);
  EXPECT_NEAR(model.mean.standard_error, metafor("molloy.selection", 1), 1e-6);
  EXPECT_NEAR(model.tau2, metafor("molloy.selection", 2), 1e-6);
  EXPECT_NEAR(model.weight, metafor("molloy.selection", 3), 1e-5);
  EXPECT_NEAR(model.weight_standard_error, metafor("molloy.selection", 4), 1e-5);
  EXPECT_NEAR(model.statistic, metafor("molloy.selection", 5), 1e-6);
  EXPECT_NEAR(model.p_value, metafor("molloy.selection", 6), 1e-6);
  EXPECT_NEAR(model.log_likelihood, metafor("molloy.selection", 7), 1e-8);
  EXPECT_GE(model.log_likelihood, metafor("molloy.selection", 7) - 1e-10);
}

TEST(SelectionModel, FacesEitherWay) {
  MetaData mirrored = molloy();
  mirrored.effect = -mirrored.effect;
  const SelectionModel a = selection_model(molloy());
  const SelectionModel b = selection_model(mirrored, {.positive = false});
  EXPECT_NEAR(a.mean.estimate, -b.mean.estimate, 1e-9);
  EXPECT_NEAR(a.weight, b.weight, 1e-9);
}

TEST(SelectionModel, IsUndefinedWithoutBothKinds) {
  const SelectionModel model = selection_model(bcg());  // no trial is significantly positive
  EXPECT_EQ(model.n_significant, 0);
  EXPECT_TRUE(std::isnan(model.weight));
}

/// Effects of a true mean of 0.2 of which those that are not significant are published one time in
/// four.
TEST(SelectionModel, RecoversMeanAndWeightFromSelectedEffects) {
  RandomStream stream(Seed{11}, 0);
  MetaData data;
  std::vector<double> y, v;
  while (y.size() < 3000) {
    const double variance = 0.005 + 0.05 * stream.uniform();
    const double effect = 0.2 + std::sqrt(variance + 0.02) * stream.normal();
    if (normal_upper_tail(effect / std::sqrt(variance)) > 0.025 && stream.uniform() > 0.25)
      continue;
    y.push_back(effect);
    v.push_back(variance);
  }
  data.effect = Eigen::Map<Eigen::VectorXd>(y.data(), 3000);
  data.variance = Eigen::Map<Eigen::VectorXd>(v.data(), 3000);
  const SelectionModel model = selection_model(data);
  EXPECT_NEAR(model.mean.estimate, 0.2, 4 * model.mean.standard_error);
  EXPECT_NEAR(model.weight, 0.25, 4 * model.weight_standard_error);
  EXPECT_LT(model.mean.standard_error, 0.02);
  EXPECT_GT(fit_meta(data).coefficients[0].estimate, 0.25);  // what the plain model makes of it
}

TEST(MetaBias, RefusesModelsItDoesNotFit) {
  EXPECT_THROW((void)egger_test(test::assink()), InvalidArgument);
  EXPECT_THROW((void)trim_and_fill(bcg({"year"})), InvalidArgument);
  EXPECT_THROW((void)rank_test(select(bcg(), {0, 1})), InvalidArgument);
}

}  // namespace
}  // namespace rapport
