#include <rapport/alliance/meta_models.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include "meta_reference.hpp"
#include <cmath>

namespace rapport {
namespace {

using test::bcg;
using test::metafor;

void expect_equals_metafor(const MetaLocationScaleFit& fit, const std::string& key,
                           double tolerance) {
  Index at = 0;
  const auto next = [&] { return metafor(key, at++); };
  for (const MetaCoefficient& c : fit.location) EXPECT_NEAR(c.estimate, next(), tolerance) << key;
  for (const MetaCoefficient& c : fit.location)
    EXPECT_NEAR(c.standard_error, next(), tolerance) << key;
  for (const MetaCoefficient& c : fit.scale)
    EXPECT_NEAR(c.estimate, next(), tolerance * 20 * c.standard_error) << key;
  for (const MetaCoefficient& c : fit.scale)
    EXPECT_NEAR(c.standard_error, next(), tolerance * 20 * c.standard_error) << key;
  const double reached = next();
  EXPECT_NEAR(fit.log_likelihood, reached, 1e-5) << key;
  EXPECT_GE(fit.log_likelihood, reached - 1e-9) << key;
}

TEST(LocationScale, EqualsMetafor) {
  for (const auto& [method, estimator] :
       {std::pair{"REML", MetaEstimator::reml}, std::pair{"ML", MetaEstimator::ml}}) {
    const MetaOptions options{.estimator = estimator};
    expect_equals_metafor(fit_location_scale(bcg(), bcg({"ablat"}).moderators, {"ablat"}, options),
                          std::string("bcg.scale.") + method, 1e-4);
  }
}

TEST(LocationScale, ReachesAtLeastMetaforsLikelihood) {
  for (const auto& [method, estimator] :
       {std::pair{"REML", MetaEstimator::reml}, std::pair{"ML", MetaEstimator::ml}}) {
    const MetaLocationScaleFit fit = fit_location_scale(bcg({"ablat"}), bcg({"year"}).moderators,
                                                        {"year"}, {.estimator = estimator});
    EXPECT_GE(fit.log_likelihood, metafor(std::string("bcg.scale2.") + method, 8) - 1e-8);
    EXPECT_EQ(fit.termination, Termination::converged);
  }
}

TEST(LocationScale, WithGroupsIsAModelOfEachGroup) {
  // With a group as the moderator of mean and scale under ML, each group has the τ² of its own
  // analysis.
  const MetaData data = bcg({"alloc"});
  MetaData two = select(data, {0, 1, 2, 3, 4, 5, 7, 8, 9});
  Eigen::VectorXd group(9);
  group << 0, 0, 0, 0, 1, 1, 1, 0, 0;
  two.moderators = group;
  two.terms = {"group"};
  two.moderator_of.clear();
  const MetaLocationScaleFit fit =
      fit_location_scale(two, group, {"group"}, {.estimator = MetaEstimator::ml});
  MetaData plain = two;
  plain.moderators.resize(0, 0);
  plain.terms.clear();
  const MetaFit first =
      fit_meta(select(plain, {0, 1, 2, 3, 7, 8}), {.estimator = MetaEstimator::ml});
  const MetaFit second = fit_meta(select(plain, {4, 5, 6}), {.estimator = MetaEstimator::ml});
  EXPECT_NEAR(fit.tau2[0], first.tau2, 1e-6);
  EXPECT_NEAR(fit.tau2[4], second.tau2, 1e-6);
  EXPECT_NEAR(fit.log_likelihood, first.log_likelihood + second.log_likelihood, 1e-8);
  EXPECT_NEAR(fit.location[0].estimate, first.coefficients[0].estimate, 1e-6);
}

TEST(LocationScale, RefusesAConstantScaleModerator) {
  EXPECT_THROW((void)fit_location_scale(bcg(), Eigen::MatrixXd::Ones(13, 1), {"one"}),
               InvalidArgument);
  EXPECT_THROW((void)fit_location_scale(bcg(), bcg({"year"}).moderators, {"year"},
                                        {.estimator = MetaEstimator::hedges}),
               InvalidArgument);
}

struct TwoOutcomes {
  MetaData data;
  Factor outcome;
};

TwoOutcomes two_outcomes() {
  const Table table = read_csv(test::meta_path("two_outcomes.csv"));
  TwoOutcomes read{
      .data = make_meta_data(table, {.effect = "yi", .variance = "vi", .study = "study"}),
      .outcome = table.factor("outcome")};
  read.data.covariance = correlated_sampling_errors(read.data, 0.5);
  return read;
}

TEST(MultivariateMeta, EqualsMetafor) {
  const TwoOutcomes two = two_outcomes();
  for (const auto& [method, estimator] :
       {std::pair{"REML", MetaEstimator::reml}, std::pair{"ML", MetaEstimator::ml}})
    for (const auto& [name, structure] : {std::pair{"UN", OutcomeCovariance::unstructured},
                                          std::pair{"DIAG", OutcomeCovariance::diagonal}}) {
      const std::string key = std::string("two.") + method + "." + name;
      const MultivariateMetaFit fit =
          fit_multivariate_meta(two.data, two.outcome, structure, {.estimator = estimator});
      for (Index j = 0; j < 2; ++j) {
        const MetaCoefficient& c = fit.coefficients[static_cast<std::size_t>(j)];
        EXPECT_NEAR(c.estimate, metafor(key, j), 1e-6) << key;
        EXPECT_NEAR(c.standard_error, metafor(key, 2 + j), 1e-6) << key;
        EXPECT_NEAR(fit.between(j, j), metafor(key, 4 + j), 2e-6) << key;
      }
      EXPECT_NEAR(fit.correlation(0, 1), metafor(key, 6), 2e-5) << key;
      EXPECT_NEAR(fit.log_likelihood, metafor(key, 7), 1e-7) << key;
      EXPECT_NEAR(fit.q.statistic, metafor(key, 8), 1e-9) << key;
    }
}

TEST(MultivariateMeta, DiagonalWithIndependentErrorsIsOneAnalysisPerOutcome) {
  TwoOutcomes two = two_outcomes();
  two.data.covariance.resize(0, 0);
  const MultivariateMetaFit fit =
      fit_multivariate_meta(two.data, two.outcome, OutcomeCovariance::diagonal);
  for (std::int32_t level = 0; level < 2; ++level) {
    std::vector<Index> own;
    for (std::size_t i = 0; i < two.outcome.codes.size(); ++i)
      if (two.outcome.codes[i] == level) own.push_back(static_cast<Index>(i));
    MetaData one = select(two.data, own);
    one.study.clear();
    const MetaFit alone = fit_meta(one);
    EXPECT_NEAR(fit.coefficients[static_cast<std::size_t>(level)].estimate,
                alone.coefficients[0].estimate, 1e-7);
    EXPECT_NEAR(fit.coefficients[static_cast<std::size_t>(level)].standard_error,
                alone.coefficients[0].standard_error, 1e-7);
    EXPECT_NEAR(fit.between(level, level), alone.tau2, 1e-7);
  }
}

TEST(MultivariateMeta, RefusesAnOutcomeTwiceInAStudy) {
  TwoOutcomes two = two_outcomes();
  two.outcome.codes[0] = 1;
  EXPECT_THROW((void)fit_multivariate_meta(two.data, two.outcome), InvalidArgument);
}

}  // namespace
}  // namespace rapport
