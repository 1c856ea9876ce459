#include <rapport/alliance/meta.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <Eigen/LU>
#include <gtest/gtest.h>

#include "meta_reference.hpp"
#include <cmath>
#include <gmock/gmock.h>
#include <limits>
#include <numbers>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using test::assink;
using test::bcg;
using test::konstantopoulos;
using test::metafor;
using test::molloy;
using testing::HasSubstr;

/// metafor's values with one coefficient carry no subscript.
double metafor_at(const std::string& key, std::size_t j, std::size_t count) {
  return count == 1 ? metafor(key) : metafor(key, static_cast<Index>(j));
}

void expect_equals_metafor(const MetaFit& fit, const std::string& key, double tolerance) {
  const std::size_t count = fit.coefficients.size();
  for (std::size_t j = 0; j < count; ++j) {
    const MetaCoefficient& c = fit.coefficients[j];
    const double se = metafor_at(key + ".se", j, count);
    EXPECT_NEAR(c.estimate, metafor_at(key + ".b", j, count), tolerance * se) << key;
    EXPECT_NEAR(c.standard_error, se, tolerance * se) << key;
    EXPECT_NEAR(c.statistic, metafor_at(key + ".stat", j, count),
                tolerance * (1 + std::abs(c.statistic)))
        << key;
    EXPECT_NEAR(c.p_value, metafor_at(key + ".p", j, count), 10 * tolerance) << key;
    EXPECT_NEAR(c.ci.lower, metafor_at(key + ".lower", j, count), 4 * tolerance * se) << key;
    EXPECT_NEAR(c.ci.upper, metafor_at(key + ".upper", j, count), 4 * tolerance * se) << key;
  }
  EXPECT_NEAR(fit.log_likelihood, metafor(key + ".loglik"), tolerance) << key;
  EXPECT_NEAR(fit.q.statistic, metafor(key + ".q"), 1e-10 * fit.q.statistic) << key;
}

TEST(FitMeta, EveryEstimatorAndTestEqualsMetafor) {
  const std::map<std::string, MetaEstimator> estimators = {{"REML", MetaEstimator::reml},
                                                           {"ML", MetaEstimator::ml},
                                                           {"DL", MetaEstimator::dersimonian_laird},
                                                           {"PM", MetaEstimator::paule_mandel},
                                                           {"SJ", MetaEstimator::sidik_jonkman},
                                                           {"HS", MetaEstimator::hunter_schmidt},
                                                           {"HE", MetaEstimator::hedges},
                                                           {"EB", MetaEstimator::empirical_bayes},
                                                           {"FE", MetaEstimator::fixed}};
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}})
    for (const auto& [method, estimator] : estimators)
      for (const auto& [test_name, test] :
           {std::pair{"z", MetaTest::z}, std::pair{"knha", MetaTest::knapp_hartung}}) {
        const std::string key = std::string(name) + "." + method + "." + test_name;
        const MetaFit fit = fit_meta(data, {.estimator = estimator, .test = test});
        expect_equals_metafor(fit, key, 2e-7);
        EXPECT_NEAR(fit.tau2, metafor(key + ".tau2"), 1e-7 * fit.tau2) << key;
        EXPECT_NEAR(fit.i2, metafor(key + ".i2"), 1e-5) << key;
        EXPECT_NEAR(fit.h2, metafor(key + ".h2"), 1e-6 * fit.h2) << key;
        if (estimator == MetaEstimator::fixed) continue;
        EXPECT_NEAR(fit.prediction_interval->lower, metafor(key + ".pi", 0), 1e-6) << key;
        EXPECT_NEAR(fit.prediction_interval->upper, metafor(key + ".pi", 1), 1e-6) << key;
        if (method == "REML" || method == "ML") {
          EXPECT_NEAR(fit.tau2_standard_error, metafor(key + ".se_tau2"),
                      1e-6 * fit.tau2_standard_error)
              << key;
        }
      }
}

TEST(FitMeta, ModeratorsEqualMetafor) {
  const MetaData data = bcg({"ablat", "year"});
  for (const auto& [method, estimator] :
       {std::pair{"REML", MetaEstimator::reml}, std::pair{"ML", MetaEstimator::ml},
        std::pair{"SJ", MetaEstimator::sidik_jonkman},
        std::pair{"HS", MetaEstimator::hunter_schmidt}, std::pair{"HE", MetaEstimator::hedges},
        std::pair{"EB", MetaEstimator::empirical_bayes},
        std::pair{"DL", MetaEstimator::dersimonian_laird},
        std::pair{"PM", MetaEstimator::paule_mandel}}) {
    const std::string key = std::string("bcg.mods.") + method;
    const MetaFit fit = fit_meta(data, {.estimator = estimator});
    expect_equals_metafor(fit, key, 1e-6);
    EXPECT_NEAR(fit.tau2, metafor(key + ".tau2"), 1e-6 * fit.tau2) << key;
    EXPECT_NEAR(fit.moderators->statistic, metafor(key + ".qm"), 1e-6 * fit.moderators->statistic)
        << key;
    EXPECT_NEAR(fit.moderators->p_value, metafor(key + ".qmp"), 1e-6) << key;
  }
}

TEST(FitMeta, CategoricalModeratorsHaveTreatmentContrasts) {
  const MetaData data = bcg({"ablat", "alloc"});
  EXPECT_THAT(data.terms, testing::ElementsAre("ablat", "allocrandom", "allocsystematic"));
  const MetaFit fit = fit_meta(data, {.test = MetaTest::knapp_hartung});
  expect_equals_metafor(fit, "bcg.factor", 1e-6);
  ASSERT_EQ(fit.by_moderator.size(), 2U);
  EXPECT_NEAR(fit.by_moderator[0].statistic, metafor("bcg.factor.ablat"), 1e-6);
  EXPECT_NEAR(fit.by_moderator[1].statistic, metafor("bcg.factor.alloc", 0), 1e-6);
  EXPECT_NEAR(fit.by_moderator[1].p_value, metafor("bcg.factor.alloc", 1), 1e-6);
  EXPECT_EQ(fit.by_moderator[1].numerator_df, 2);
  const MetaMean mean = meta_means(fit, Eigen::RowVector3d(40, 1, 0))[0];
  EXPECT_NEAR(mean.estimate, metafor("bcg.factor.predict", 0), 1e-7);
  EXPECT_NEAR(mean.standard_error, metafor("bcg.factor.predict", 1), 1e-7);
  EXPECT_NEAR(mean.ci.lower, metafor("bcg.factor.predict", 2), 1e-6);
  EXPECT_NEAR(mean.prediction_interval.upper, metafor("bcg.factor.predict", 5), 1e-6);
}

TEST(FitMeta, ThreeLevelsEqualMetafor) {
  const MetaFit fit = fit_meta(assink({"deltype", "year"}), {.test = MetaTest::t});
  expect_equals_metafor(fit, "assink.mods", 1e-5);
  EXPECT_NEAR(study_variance(fit), metafor("assink.mods.sigma2", 0), 2e-6);
  EXPECT_NEAR(effect_variance(fit), metafor("assink.mods.sigma2", 1), 2e-6);
  EXPECT_EQ(fit.n_studies, 17);
}

TEST(FitMeta, CorrelatedSamplingErrorsEqualMetafor) {
  MetaData data = assink();
  data.covariance = correlated_sampling_errors(data, 0.6);
  const MetaFit fit = fit_meta(data);
  expect_equals_metafor(fit, "assink.correlated", 1e-5);
  EXPECT_NEAR(study_variance(fit), metafor("assink.correlated.sigma2", 0), 2e-6);
  EXPECT_NEAR(effect_variance(fit), metafor("assink.correlated.sigma2", 1), 2e-6);
}

TEST(FitMeta, ADiagonalCovarianceIsTheVariances) {
  for (MetaData data : {assink({"year"}), bcg()}) {
    const MetaFit closed = fit_meta(data);
    data.covariance = data.variance.asDiagonal();
    const MetaFit dense = fit_meta(data);
    EXPECT_NEAR(dense.coefficients[0].estimate, closed.coefficients[0].estimate, 1e-7);
    EXPECT_NEAR(dense.log_likelihood, closed.log_likelihood, 1e-9);
    EXPECT_NEAR(effect_variance(dense), effect_variance(closed), 1e-7);
    EXPECT_NEAR(dense.i2, closed.i2, 1e-5);
  }
}

/// −2 log L written down from its definition, with the full k × k matrix.
double definition(const MetaData& data, double study, double effect, bool restricted) {
  const Index k = data.effect.size();
  Eigen::MatrixXd m = data.variance.asDiagonal();
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < k; ++j) {
      if (i == j) m(i, j) += effect;
      if (!data.study.empty() &&
          data.study[static_cast<std::size_t>(i)] == data.study[static_cast<std::size_t>(j)])
        m(i, j) += study;
    }
  Eigen::MatrixXd x = Eigen::MatrixXd::Ones(k, data.moderators.cols() + 1);
  if (data.moderators.cols() > 0) x.rightCols(data.moderators.cols()) = data.moderators;
  const Eigen::MatrixXd inverse = m.inverse();
  const Eigen::MatrixXd information = x.transpose() * inverse * x;
  const Eigen::VectorXd r =
      data.effect - x * information.inverse() * x.transpose() * inverse * data.effect;
  double value = std::log(m.determinant()) + r.dot(inverse * r);
  if (restricted)
    value += std::log(information.determinant()) - std::log((x.transpose() * x).determinant());
  return value +
         static_cast<double>(restricted ? k - x.cols() : k) * std::log(2 * std::numbers::pi);
}

TEST(FitMeta, MaximisesTheLikelihoodOfItsDefinition) {
  for (const MetaData& data : {bcg({"ablat"}), konstantopoulos({"year"})})
    for (const MetaEstimator estimator : {MetaEstimator::ml, MetaEstimator::reml}) {
      const MetaFit fit = fit_meta(data, {.estimator = estimator});
      const bool restricted = estimator == MetaEstimator::reml;
      const double study = study_variance(fit), effect = effect_variance(fit);
      const double best = definition(data, study, effect, restricted);
      EXPECT_NEAR(-2 * fit.log_likelihood, best, 1e-8 * std::abs(best) + 1e-7);
      for (const double factor : {0.98, 1.02}) {
        EXPECT_GT(definition(data, study, factor * effect, restricted), best);
        if (study > 0) {
          EXPECT_GT(definition(data, factor * study, effect, restricted), best);
        }
      }
    }
}

TEST(FitMeta, PauleMandelMakesQItsDegreesOfFreedom) {
  const MetaData data = molloy();
  const double tau2 = fit_meta(data, {.estimator = MetaEstimator::paule_mandel}).tau2;
  const Eigen::ArrayXd w = (data.variance.array() + tau2).inverse();
  const double mean = (w * data.effect.array()).sum() / w.sum();
  EXPECT_NEAR((w * (data.effect.array() - mean).square()).sum(), 15, 1e-10);
}

TEST(FitMeta, HomogeneousEffectsHaveNoHeterogeneity) {
  MetaData data = bcg();
  data.effect.setConstant(0.3);
  data.effect[2] = 0.31;
  for (const MetaEstimator estimator :
       {MetaEstimator::reml, MetaEstimator::ml, MetaEstimator::dersimonian_laird,
        MetaEstimator::paule_mandel}) {
    const MetaFit fit = fit_meta(data, {.estimator = estimator});
    EXPECT_EQ(fit.tau2, 0);
    EXPECT_EQ(fit.i2, 0);
    EXPECT_EQ(fit.h2, 1);
    EXPECT_TRUE(fit.at_boundary);
  }
  EXPECT_EQ(tau2_interval(data).lower, 0);
  EXPECT_EQ(tau2_interval(data).upper, 0);
}

RC_GTEST_PROP(FitMeta, IsEquivariantUnderShiftScaleAndOrder, ()) {
  RandomStream stream(Seed{static_cast<std::uint64_t>(*rc::gen::inRange(0, 1000))}, 0);
  const bool nested = *rc::gen::arbitrary<bool>();
  const Index k = 18;
  MetaData data;
  data.effect.resize(k);
  data.variance.resize(k);
  for (Index i = 0; i < k; ++i) {
    data.variance[i] = 0.01 + 0.1 * stream.uniform();
    data.effect[i] = 0.3 + 0.5 * stream.normal();
    if (nested) data.study.push_back(static_cast<std::int32_t>(i / 3));
  }
  const double shift = 5, factor = 3;
  MetaData moved = select(data, permutation(k, stream));
  moved.effect = (factor * moved.effect.array() + shift).matrix();
  moved.variance *= factor * factor;
  const MetaFit a = fit_meta(data);
  const MetaFit b = fit_meta(moved);
  RC_ASSERT(std::abs(b.coefficients[0].estimate - shift - factor * a.coefficients[0].estimate) <
            1e-6);
  RC_ASSERT(std::abs(b.coefficients[0].standard_error - factor * a.coefficients[0].standard_error) <
            1e-6);
  RC_ASSERT(std::abs(effect_variance(b) - factor * factor * effect_variance(a)) < 1e-5);
  RC_ASSERT(std::abs(study_variance(b) - factor * factor * study_variance(a)) < 1e-5);
  RC_ASSERT(std::abs(b.i2 - a.i2) < 1e-4);
}

TEST(Tau2Interval, EqualsMetafor) {
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}}) {
    const ConfidenceInterval interval = tau2_interval(data);
    EXPECT_NEAR(interval.lower, metafor(std::string(name) + ".qprofile", 0), 1e-9);
    EXPECT_NEAR(interval.upper, metafor(std::string(name) + ".qprofile", 1), 1e-9);
    EXPECT_NEAR(tau2_interval(data, 0.9).upper, metafor(std::string(name) + ".qprofile90", 1),
                1e-9);
  }
  EXPECT_THROW((void)tau2_interval(assink()), InvalidArgument);
}

TEST(VarianceIntervals, EqualMetafor) {
  const MetaData data = assink();
  const std::vector<ConfidenceInterval> intervals = variance_intervals(data, fit_meta(data));
  ASSERT_EQ(intervals.size(), 2U);
  for (Index level = 0; level < 2; ++level) {
    EXPECT_NEAR(intervals[static_cast<std::size_t>(level)].lower,
                metafor("assink.profile", 2 * level), 1e-6);
    EXPECT_NEAR(intervals[static_cast<std::size_t>(level)].upper,
                metafor("assink.profile", 2 * level + 1), 1e-6);
  }
}

TEST(VarianceIntervals, OfTwoLevelsEqualMetafor) {
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}}) {
    const ConfidenceInterval interval =
        variance_intervals(data, fit_meta(data, {.estimator = MetaEstimator::ml}))[0];
    EXPECT_NEAR(interval.lower, metafor(std::string(name) + ".profile", 0), 1e-7);
    EXPECT_NEAR(interval.upper, metafor(std::string(name) + ".profile", 1), 1e-7);
  }
}

/// The definition: at the ends −2 log L is the χ² quantile above its least.
TEST(VarianceIntervals, EndWhereTheLikelihoodRatioIsTheQuantile) {
  const MetaData data = bcg();
  const MetaFit fit = fit_meta(data);
  const ConfidenceInterval interval = variance_intervals(data, fit)[0];
  const double quantile = 3.841458820694124;  // qchisq(.95, 1)
  for (const double end : {interval.lower, interval.upper})
    EXPECT_NEAR(definition(data, 0, end, true) - definition(data, 0, fit.tau2, true), quantile,
                1e-6);
  MetaData alike = data;
  alike.effect.setConstant(0.2);
  EXPECT_EQ(variance_intervals(alike, fit_meta(alike))[0].lower, 0);
  EXPECT_THROW((void)variance_intervals(data, fit_meta(data, {.estimator = MetaEstimator::hedges})),
               InvalidArgument);
}

// clubSandwich 0.5.8: coef_test(rma.uni or rma.mv, vcov = "CR2"), Satterthwaite.
TEST(RobustCoefficients, EqualClubSandwich) {
  const auto check = [](const MetaData& data, const std::vector<std::array<double, 3>>& expected) {
    const std::vector<MetaCoefficient> robust = robust_coefficients(data, fit_meta(data));
    ASSERT_EQ(robust.size(), expected.size());
    for (std::size_t j = 0; j < robust.size(); ++j) {
      EXPECT_NEAR(robust[j].standard_error, expected[j][0], 2e-6 * expected[j][0]);
      EXPECT_NEAR(robust[j].df, expected[j][1], 2e-5 * expected[j][1]);
      EXPECT_NEAR(robust[j].p_value, expected[j][2], 2e-4 * expected[j][2]);
    }
  };
  check(assink(), {{0.11864960633710525, 15.447615397254161, 0.0025342697912703826}});
  check(bcg(), {{0.17970411830859198, 11.041245147075117, 0.002157375922006181}});
  check(konstantopoulos({"year"}),
        {{19.918928642113496, 4.1547300942769141, 0.62852163476648182},
         {0.010003424211692983, 4.1889986907697345, 0.62233074765268181}});
  check(molloy({"quality", "meanage"}),
        {{0.1144094931947911, 4.497250180496202, 0.05757739094907095},
         {0.04153651914024132, 5.021774909323126, 0.6900119861762204},
         {0.0021416385696242804, 5.854078802929931, 0.37258526682963433}});
}

TEST(MetaBlups, EqualMetafor) {
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}}) {
    const std::vector<MetaPrediction> blups = meta_blups(data, fit_meta(data));
    for (std::size_t i = 0; i < blups.size(); ++i) {
      EXPECT_NEAR(blups[i].estimate, metafor(std::string(name) + ".blup", static_cast<Index>(i)),
                  1e-7);
      EXPECT_NEAR(blups[i].standard_error,
                  metafor(std::string(name) + ".blup_se", static_cast<Index>(i)), 1e-7);
    }
  }
}

TEST(MetaBlups, OfThreeLevelsAddUpOverLevels) {
  const MetaData data = assink();
  const MetaFit fit = fit_meta(data);
  const std::vector<MetaPrediction> blups = meta_blups(data, fit);
  // û_effect = σ²_effect M⁻¹(y − μ), û_study = σ²_study 1'M⁻¹(y − μ): the sum of the first over a
  // study is σ²_effect/σ²_study times the second.
  for (std::int32_t study = 0; study < 3; ++study) {
    double sum = 0;
    Index n = 0;
    for (std::size_t i = 0; i < blups.size(); ++i)
      if (data.study[i] == study) {
        sum += blups[i].estimate - fit.coefficients[0].estimate;
        ++n;
      }
    const double expected = metafor("assink.study_blup", study);
    EXPECT_NEAR(sum / (static_cast<double>(n) + effect_variance(fit) / study_variance(fit)),
                expected, 2e-5);
  }
}

TEST(LeaveOneOut, EqualsMetafor) {
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}}) {
    const std::vector<MetaWithout> without = leave_one_out(data, fit_meta(data));
    const std::string key = std::string(name) + ".l1o";
    for (std::size_t i = 0; i < without.size(); ++i) {
      const auto at = static_cast<Index>(i);
      EXPECT_NEAR(without[i].estimate, metafor(key, at), 1e-7);
      EXPECT_NEAR(without[i].standard_error, metafor(key + "_se", at), 1e-7);
      EXPECT_NEAR(without[i].tau2, metafor(key + "_tau2", at), 1e-7);
      EXPECT_NEAR(without[i].q, metafor(key + "_q", at), 1e-9);
      EXPECT_NEAR(without[i].p_value, metafor(key + "_p", at), 1e-7);
      EXPECT_NEAR(without[i].cooks_distance, metafor(std::string(name) + ".cook", at), 1e-6);
    }
  }
}

TEST(LeaveOneOut, OfThreeLevelsLeavesOutStudies) {
  EXPECT_EQ(leave_one_out(assink(), fit_meta(assink())).size(), 17U);
}

TEST(MetaInfluence, EqualsMetafor) {
  for (const auto& [name, data] : {std::pair{"bcg", bcg()}, std::pair{"molloy", molloy()}}) {
    const std::vector<MetaInfluence> influence = meta_influence(data, fit_meta(data));
    const std::string key = name;
    for (std::size_t i = 0; i < influence.size(); ++i) {
      const auto at = static_cast<Index>(i);
      EXPECT_NEAR(influence[i].studentized_residual, metafor(key + ".rstudent", at), 1e-6);
      EXPECT_NEAR(influence[i].dffits, metafor(key + ".dffits", at), 1e-6);
      EXPECT_NEAR(influence[i].cooks_distance, metafor(key + ".cook", at), 1e-6);
      EXPECT_NEAR(influence[i].hat, metafor(key + ".hat", at), 1e-7);
      EXPECT_NEAR(influence[i].weight, metafor(key + ".weight", at), 1e-5);
    }
  }
}

TEST(BootstrapMeta, AgreesWithTheStandardErrorAndItselfForAnyThreads) {
  const MetaData data = assink();
  const BootstrapOptions one{
      .replicates = 400, .interval = BootstrapInterval::percentile, .threads = 1};
  BootstrapOptions three = one;
  three.threads = 3;
  const BootstrapResult a = bootstrap_meta(data, Seed{5}, {}, one);
  const BootstrapResult b = bootstrap_meta(data, Seed{5}, {}, three);
  EXPECT_EQ(a.ci.lower, b.ci.lower);
  EXPECT_EQ(a.ci.upper, b.ci.upper);
  EXPECT_NEAR(a.estimate, fit_meta(data).coefficients[0].estimate, 0);
  EXPECT_NEAR(a.standard_error, 0.1186, 0.25 * 0.1186);  // CR2's; 400 replicates of 17 studies
}

TEST(FitMeta, RefusesWhatCannotBeFitted) {
  MetaData data = bcg();
  data.variance[3] = 0;
  EXPECT_THROW((void)fit_meta(data), InvalidArgument);
  EXPECT_THROW((void)fit_meta(select(bcg(), {0})), InvalidArgument);
  data = bcg({"year"});
  data.moderators.conservativeResize(Eigen::NoChange, 2);
  data.moderators.col(1) = 2 * data.moderators.col(0).array() + 1;
  data.terms.push_back("twice");
  data.moderator_of.clear();
  try {
    (void)fit_meta(data);
    ADD_FAILURE() << "collinear moderators were taken";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"twice\" is constant or collinear"));
  }
  data = bcg();
  data.study.assign(13, 0);
  EXPECT_THROW((void)fit_meta(data), InvalidArgument);
  for (std::size_t i = 0; i < 13; ++i) data.study[i] = static_cast<std::int32_t>(i);
  EXPECT_THROW((void)fit_meta(data), InvalidArgument);
  data = assink();
  data.covariance = correlated_sampling_errors(data, 0.5);
  data.study.clear();
  EXPECT_THROW((void)fit_meta(data), InvalidArgument);
  data.covariance = 2 * data.variance.asDiagonal().toDenseMatrix();
  EXPECT_THROW((void)fit_meta(data), InvalidArgument);
  EXPECT_THROW((void)fit_meta(assink(), {.estimator = MetaEstimator::dersimonian_laird}),
               InvalidArgument);
  EXPECT_THROW((void)fit_meta(assink(), {.test = MetaTest::knapp_hartung}), InvalidArgument);
  EXPECT_THROW((void)fit_meta(bcg(), {.confidence_level = 1}), InvalidArgument);
}

Table small_table(std::vector<double> r, std::vector<double> n) {
  Table table;
  table.add("r", Eigen::Map<Eigen::VectorXd>(r.data(), static_cast<Index>(r.size())));
  table.add("n", Eigen::Map<Eigen::VectorXd>(n.data(), static_cast<Index>(n.size())));
  table.add("study", make_factor(std::vector<std::string>{"a", "a", "b", "b"}));
  table.add("id", make_factor(std::vector<std::string>{"1", "1", "1", "2"}));
  table.add("group", make_factor(std::vector<std::string>{"x", "x", "x", "x"}));
  return table;
}

TEST(MakeMetaData, RefusesBadInputByItsName) {
  const auto message = [](const Table& table, const MetaColumns& columns) -> std::string {
    try {
      (void)make_meta_data(table, columns);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  const Table good = small_table({.1, .2, .3, .4}, {20, 30, 40, 50});
  EXPECT_THAT(
      message(small_table({.1, 1, .3, .4}, {20, 30, 40, 50}), {.correlation = "r", .size = "n"}),
      HasSubstr("between -1 and 1"));
  EXPECT_THAT(
      message(small_table({.1, .2, .3, .4}, {20, 30, 3, 50}), {.correlation = "r", .size = "n"}),
      HasSubstr("exceed 3"));
  EXPECT_THAT(
      message(small_table({.1, .2, .3, .4}, {20, 0, 3, 50}), {.effect = "r", .variance = "n"}),
      HasSubstr("positive"));
  EXPECT_THAT(message(good, {.correlation = "r", .size = "n", .study = "study", .effect_id = "id"}),
              HasSubstr("stands twice in study a"));
  EXPECT_THAT(message(good, {.correlation = "r", .size = "n", .moderators = {"group"}}),
              HasSubstr("one value \"x\""));
  EXPECT_THROW((void)make_meta_data(good, {.correlation = "r"}), InvalidArgument);
}

// metafor 3.8.1: rma(yi, vi, mods = ~ alloc * ablat + splines::ns(year, 2), data = bcg).
TEST(MakeMetaData, TakesTermsOfFormulas) {
  const MetaData data = bcg({"alloc", "ablat", "alloc:ablat", "ns(year, 2)"});
  EXPECT_THAT(data.terms,
              testing::ElementsAre("allocrandom", "allocsystematic", "ablat", "ns(year, 2)1",
                                   "ns(year, 2)2", "allocrandom:ablat", "allocsystematic:ablat"));
  EXPECT_THAT(data.moderator_of, testing::ElementsAre("alloc", "alloc", "ablat", "ns(year, 2)",
                                                      "ns(year, 2)", "alloc:ablat", "alloc:ablat"));
  const MetaFit fit = fit_meta(data);
  EXPECT_NEAR(fit.q.statistic, metafor("bcg.terms.q"), 1e-8);
  EXPECT_NEAR(fit.moderators->statistic, metafor("bcg.terms.qm"), 1e-5);
}

TEST(MakeMetaData, LeavesOutAndCountsRowsThatMissAValue) {
  const MetaData data = make_meta_data(small_table({.1, NAN, .3, .4}, {20, 30, 40, 50}),
                                       {.correlation = "r", .size = "n"});
  EXPECT_EQ(data.effect.size(), 3);
  EXPECT_EQ(data.n_omitted, 1);
  EXPECT_THAT(data.rows, testing::ElementsAre(0, 2, 3));
}

}  // namespace
}  // namespace rapport
