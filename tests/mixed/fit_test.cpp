#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/formula.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "support/mixed_reference.hpp"
#include <cmath>
#include <fstream>
#include <sstream>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

class MixedReference : public testing::TestWithParam<std::string> {};

/// Largest difference, relative to the largest entry.
double relative_difference(const MatrixXd& a, const MatrixXd& b) {
  const double scale = b.cwiseAbs().maxCoeff();
  return (a - b).cwiseAbs().maxCoeff() / (scale > 0 ? scale : 1);
}

/// The term with the given number of levels; a second one of that number if there are two (x || g).
const RandomEffects& find_term(const MixedFit& fit, Index levels, Index position) {
  for (const RandomEffects& term : fit.random)
    if (static_cast<Index>(term.levels.size()) == levels && position-- == 0) return term;
  throw InvalidArgument("no such term");
}

TEST_P(MixedReference, EstimatesEqualLme4) {
  const testing_support::MixedReferenceCase reference =
      testing_support::mixed_reference(GetParam());
  const MixedFit fit = fit_mixed_model(reference.design, {.criterion = reference.criterion});
  const Json& expected = reference.expected;
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.value, expected.at("criterion").number(),
              1e-8 * std::abs(fit.criterion.value));
  EXPECT_EQ(fit.criterion.parameters, static_cast<Index>(expected.at("parameters").number()));
  EXPECT_NEAR(fit.criterion.aic, expected.at("aic").number(), 1e-8 * std::abs(fit.criterion.aic));
  EXPECT_NEAR(fit.criterion.bic, expected.at("bic").number(), 1e-8 * std::abs(fit.criterion.bic));
  EXPECT_NEAR(fit.residual.sd, expected.at("sigma").number(), 1e-6 * fit.residual.sd);
  EXPECT_LT(
      relative_difference(fit.fixed.estimate, testing_support::vector_of(expected.at("estimate"))),
      1e-6);
  EXPECT_LT(relative_difference(fit.fixed.covariance,
                                testing_support::matrix_of(expected.at("covariance"))),
            1e-6);
  EXPECT_LT((fit.fixed.standard_error -
             testing_support::matrix_of(expected.at("covariance")).diagonal().cwiseSqrt())
                .cwiseQuotient(fit.fixed.standard_error)
                .cwiseAbs()
                .maxCoeff(),
            1e-6);
}

TEST_P(MixedReference, RandomEffectsEqualLme4) {
  const testing_support::MixedReferenceCase reference =
      testing_support::mixed_reference(GetParam());
  const MixedFit fit = fit_mixed_model(reference.design, {.criterion = reference.criterion});
  Index seen = 0;
  for (const Json& expected : reference.expected.at("random").items()) {
    const MatrixXd covariance = testing_support::matrix_of(expected.at("covariance"));
    const auto levels = static_cast<Index>(expected.at("levels").number());
    MatrixXd ours = find_term(fit, levels, 0).covariance;
    MatrixXd blups = find_term(fit, levels, 0).blups;
    if (ours.rows() < covariance.rows()) {  // lme4 reports (x || g) as one term
      ours =
          MatrixXd(VectorXd{{ours(0, 0), find_term(fit, levels, 1).covariance(0, 0)}}.asDiagonal());
      blups.conservativeResize(levels, 2);
      blups.col(1) = find_term(fit, levels, 1).blups;
    }
    const double floor = 1e-8 * fit.residual.sd * fit.residual.sd;
    EXPECT_LT((ours - covariance).cwiseAbs().maxCoeff(),
              2e-6 * covariance.cwiseAbs().maxCoeff() + floor);
    const VectorXd sumsq = testing_support::vector_of(expected.at("blup_sumsq"));
    EXPECT_LT((blups.colwise().squaredNorm().transpose() - sumsq).cwiseAbs().maxCoeff(),
              1e-5 * sumsq.maxCoeff() + floor);
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

TEST_P(MixedReference, DegreesOfFreedomEqualLmerTestAndPbkrtest) {
  const testing_support::MixedReferenceCase reference =
      testing_support::mixed_reference(GetParam());
  const MixedModel model(reference.design);
  const MixedFit fit = model.fit({.criterion = reference.criterion});
  const Index p = fit.fixed.estimate.size();
  if (const Json* expected = reference.expected.find("satterthwaite")) {
    const FixedInference inference(model, fit, DegreesOfFreedom::satterthwaite);
    for (Index j = 0; j < p; ++j) {
      const double df = expected->items()[static_cast<std::size_t>(j)].number();
      EXPECT_NEAR(inference.contrast(VectorXd::Unit(p, j)).df, df, 2e-5 * df);
    }
  }
  if (const Json* expected = reference.expected.find("kenward_roger")) {
    const FixedInference inference(model, fit, DegreesOfFreedom::kenward_roger);
    EXPECT_LT(relative_difference(inference.covariance(),
                                  testing_support::matrix_of(expected->at("covariance"))),
              1e-6);
    for (Index j = 0; j < p; ++j) {
      const double df = expected->at("df").items()[static_cast<std::size_t>(j)].number();
      const ContrastEstimate estimate = inference.contrast(VectorXd::Unit(p, j));
      EXPECT_NEAR(estimate.df, df, 1e-6 * df);
      EXPECT_NEAR(estimate.standard_error,
                  std::sqrt(testing_support::matrix_of(expected->at("covariance"))(j, j)),
                  1e-6 * estimate.standard_error);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lme4, MixedReference,
                         testing::ValuesIn(testing_support::mixed_reference_names()),
                         [](const auto& instance) { return instance.param; });

// y ↦ 3y − 2x moves β by the same map and leaves the shape of V.
TEST(Refit, FollowsAMapOfTheResponse) {
  const Design design = make_design(parse_formula("phq9 ~ session + (1 + session | patient)"),
                                    read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv"));
  const MixedFit fit = fit_mixed_model(design);
  const MixedFit again =
      refit_mixed_model(design, VectorXd(3 * design.response - 2 * design.fixed.col(1)));
  EXPECT_NEAR(again.fixed.estimate[0], 3 * fit.fixed.estimate[0], 1e-6);
  EXPECT_NEAR(again.fixed.estimate[1], 3 * fit.fixed.estimate[1] - 2, 1e-6);
  EXPECT_NEAR(again.fixed.standard_error[1], 3 * fit.fixed.standard_error[1], 1e-6);
  EXPECT_NEAR(again.residual.sd, 3 * fit.residual.sd, 1e-6);
  EXPECT_LT(relative_difference(again.random[0].covariance, 9 * fit.random[0].covariance), 1e-6);
  EXPECT_THROW((void)refit_mixed_model(design, VectorXd::Zero(3)), InvalidArgument);
}

}  // namespace
}  // namespace rapport
