#include <rapport/agree/icc.hpp>
#include <rapport/agree/rating_model.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using agree_data::number;
using agree_data::reference;

// Shrout & Fleiss (1979), table 4, as printed.
TEST(Icc, ReproducesShroutAndFleiss) {
  const IccResult r = intraclass_correlation(agree_data::shrout_fleiss());
  const std::vector<std::pair<const char*, double>> printed = {
      {"ICC(1,1)", .17}, {"ICC(2,1)", .29}, {"ICC(3,1)", .71},
      {"ICC(1,k)", .44}, {"ICC(2,k)", .62}, {"ICC(3,k)", .91}};
  for (const auto& [form, value] : printed) EXPECT_NEAR(icc_form(r, form).estimate, value, 5e-3);
  EXPECT_EQ(r.forms.size(), 10U);
  EXPECT_EQ(r.method, IccMethod::anova);
  // McGraw & Wong's names of the same numbers
  EXPECT_EQ(icc_form(r, "ICC(2,1)").name, "ICC(A,1)");
  EXPECT_EQ(icc_form(r, "ICC(3,k)").name, "ICC(C,k)");
  EXPECT_EQ(icc_form(r, "ICC(A,1) case 3").estimate, icc_form(r, "ICC(2,1)").estimate);
}

// irr 0.84.1 icc() on the same data: intervals and tests by McGraw & Wong's tables 7 and 8.
TEST(Icc, IntervalsMatchIrr) {
  const IccResult r = intraclass_correlation(agree_data::shrout_fleiss(),
                                             {.average_interval = IccAverageInterval::mcgraw_wong});
  struct Case {
    const char* form;
    double lower, upper;
  };
  for (const Case& c : {Case{"ICC(1,1)", -0.13293232487475098, 0.722560062328121},
                        Case{"ICC(1,k)", -0.8844421552381201, 0.9124154203407755},
                        Case{"ICC(3,1)", 0.3424647650339255, 0.9458582599553595},
                        Case{"ICC(3,k)", 0.6756747138163048, 0.9858916781690623},
                        Case{"ICC(2,1)", 0.018786513374712023, 0.761084369648953},
                        Case{"ICC(2,k)", 0.039440179921391136, 0.928573183377168}}) {
    EXPECT_NEAR(icc_form(r, c.form).ci.lower, c.lower, 1e-10);
    EXPECT_NEAR(icc_form(r, c.form).ci.upper, c.upper, 1e-10);
  }
}

TEST(Icc, TestsOfAnotherNullMatchIrr) {
  const IccResult r = intraclass_correlation(agree_data::shrout_fleiss(),
                                             {.confidence_level = 0.9, .null_value = 0.3});
  EXPECT_NEAR(icc_form(r, "ICC(1,1)").f, 0.6611973392461197, 1e-12);
  EXPECT_NEAR(icc_form(r, "ICC(1,1)").p_value, 0.6573818056947218, 1e-10);
  EXPECT_NEAR(icc_form(r, "ICC(3,1)").f, 4.0626702997275235, 1e-12);
  EXPECT_NEAR(icc_form(r, "ICC(3,k)").p_value, 0.0009049893228556654, 1e-10);
  EXPECT_NEAR(icc_form(r, "ICC(2,1)").f, 0.9561240676364373, 1e-12);
  EXPECT_NEAR(icc_form(r, "ICC(2,k)").f, 3.0350332119134356, 1e-12);
}

// psych 2.2.9 on the complete rows of simulated ratings.
TEST(Icc, MatchesPsych) {
  const Eigen::MatrixXd all = agree_data::table("ratings.csv").matrix({"r1", "r2", "r3", "r4"});
  std::vector<Index> complete;
  for (Index i = 0; i < all.rows(); ++i)
    if (!all.row(i).hasNaN()) complete.push_back(i);
  Eigen::MatrixXd y(static_cast<Index>(complete.size()), 4);
  for (Index i = 0; i < y.rows(); ++i) y.row(i) = all.row(complete[static_cast<std::size_t>(i)]);
  const IccResult r = intraclass_correlation(y);
  const Json& psych = reference("icc_complete");
  for (std::size_t i = 0; i < 6; ++i) {  // the same order
    EXPECT_NEAR(r.forms[i].estimate, number(psych.at("icc"), i), 1e-12);
    EXPECT_NEAR(r.forms[i].f, number(psych.at("f"), i), 1e-9);
    EXPECT_NEAR(r.forms[i].p_value, number(psych.at("p"), i), 1e-12);
    EXPECT_NEAR(r.forms[i].ci.lower, number(psych.at("lower"), i), 1e-9);
    EXPECT_NEAR(r.forms[i].ci.upper, number(psych.at("upper"), i), 1e-9);
  }
}

// lme4 1.1-31 and nested models by lm, on ratings with seven gaps.
TEST(Icc, WithMissingRatingsMatchesLme4) {
  const Eigen::MatrixXd y = agree_data::table("ratings.csv").matrix({"r1", "r2", "r3", "r4"});
  const IccResult r = intraclass_correlation(y);
  const Json& peer = reference("icc_missing");
  EXPECT_EQ(r.method, IccMethod::mixed);
  EXPECT_EQ(r.n_ratings, 113);
  const double s = number(peer.at("two_way"), 0);
  const double rater = number(peer.at("two_way"), 1);
  const double e = number(peer.at("two_way"), 2);
  EXPECT_NEAR(r.components.subject, s, 2e-6);
  EXPECT_NEAR(r.components.rater, rater, 2e-6);
  EXPECT_NEAR(r.components.residual, e, 2e-6);
  EXPECT_NEAR(icc_form(r, "ICC(2,1)").estimate, s / (s + rater + e), 2e-6);
  EXPECT_NEAR(icc_form(r, "ICC(3,1)").estimate, s / (s + e), 2e-6);
  const double s1 = number(peer.at("one_way"), 0);
  EXPECT_NEAR(icc_form(r, "ICC(1,1)").estimate, s1 / (s1 + number(peer.at("one_way"), 1)), 2e-6);
  EXPECT_NEAR(icc_form(r, "ICC(3,1)").f, peer.at("f_two").number(), 1e-9);
  EXPECT_DOUBLE_EQ(icc_form(r, "ICC(3,1)").df1, peer.at("df1").number());
  EXPECT_DOUBLE_EQ(icc_form(r, "ICC(3,1)").df2, peer.at("df2").number());
  EXPECT_NEAR(icc_form(r, "ICC(1,1)").f, peer.at("f_one").number(), 1e-9);
  EXPECT_DOUBLE_EQ(icc_form(r, "ICC(1,1)").df2, peer.at("df2_one").number());
  for (const IccForm& form : r.forms) {
    EXPECT_LT(form.ci.lower, form.estimate);
    EXPECT_GT(form.ci.upper, form.estimate);
  }
}

// On balanced data REML and mean squares are the same estimates, where these are positive.
TEST(RatingModel, IsTheAnalysisOfVarianceOnBalancedData) {
  const Eigen::MatrixXd y = agree_data::shrout_fleiss();
  RatingDesign design;
  design.response = y.reshaped();
  design.fixed = Eigen::MatrixXd::Ones(24, 1);
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 6; ++i) {
      design.subject.push_back(i);
      design.rater.push_back(j);
    }
  const RatingModel m = fit_rating_model(design);
  const IccComponents anova = intraclass_correlation(y).components;
  EXPECT_NEAR(m.subject, anova.subject, 1e-8);
  EXPECT_NEAR(m.rater, anova.rater, 1e-8);
  EXPECT_NEAR(m.residual, anova.residual, 1e-8);
  EXPECT_NEAR(m.coefficients[0], y.mean(), 1e-12);
  std::swap(design.subject, design.rater);  // either factor may be eliminated
  const RatingModel swapped = fit_rating_model(design);
  EXPECT_NEAR(swapped.rater, m.subject, 1e-7);
  EXPECT_NEAR(swapped.log_likelihood, m.log_likelihood, 1e-9);
}

// The criterion against its definition with the full covariance matrix.
TEST(RatingModel, LogLikelihoodIsTheDefinition) {
  const Eigen::MatrixXd y = agree_data::table("ratings.csv").matrix({"r1", "r2", "r3", "r4"});
  RatingDesign d;
  std::vector<double> response;
  for (Index j = 0; j < 4; ++j)
    for (Index i = 0; i < y.rows(); ++i)
      if (!is_missing(y(i, j))) {
        response.push_back(y(i, j));
        d.subject.push_back(static_cast<std::int32_t>(i));
        d.rater.push_back(static_cast<std::int32_t>(j));
      }
  const auto n = static_cast<Index>(response.size());
  d.response = Eigen::Map<Eigen::VectorXd>(response.data(), n);
  d.fixed = Eigen::MatrixXd::Ones(n, 1);
  EXPECT_NEAR(fit_rating_model(d).log_likelihood, reference("icc_missing").at("loglik").number(),
              1e-7);
}

TEST(RatingModel, FindsSmallVariancesAndTheBoundary) {
  // Two subjects' ratings arranged so that means are equal: the subject variance is 0.
  RatingDesign d;
  d.response = Eigen::VectorXd{{1, -1, 2, -2, 3, -3}};
  d.fixed = Eigen::MatrixXd::Ones(6, 1);
  d.subject = {0, 0, 1, 1, 2, 2};
  const RatingModel at_zero = fit_rating_model(d);
  EXPECT_NEAR(at_zero.subject, 0, 1e-8);
  const RatingModel symmetric = fit_rating_model(d, {.compound_symmetry = true});
  EXPECT_LT(symmetric.subject, 0);
  EXPECT_GT(symmetric.log_likelihood, at_zero.log_likelihood);
  d.subject = {0, 1, 2, 3, 4, 5};
  EXPECT_THROW((void)fit_rating_model(d), DataError);
}

TEST(Icc, LimitsAndRefusals) {
  const Eigen::MatrixXd consistent{{1, 2, 3}, {2, 3, 4}, {5, 6, 7}};
  const IccResult r = intraclass_correlation(consistent);
  EXPECT_NEAR(icc_form(r, "ICC(3,1)").estimate, 1, 1e-12);
  EXPECT_LT(icc_form(r, "ICC(2,1)").estimate, 1);
  const IccResult constant = intraclass_correlation(Eigen::MatrixXd::Ones(3, 3));
  EXPECT_TRUE(is_missing(icc_form(constant, "ICC(2,1)").estimate));
  Eigen::MatrixXd absent(4, 3);
  absent << 1, 2, missing, 3, 3, missing, 4, 6, missing, 5, 5, missing;
  const IccResult two = intraclass_correlation(absent);
  EXPECT_EQ(two.raters, 2);
  EXPECT_EQ(two.method, IccMethod::anova);
  EXPECT_NEAR(icc_form(two, "ICC(2,1)").estimate,
              icc_form(intraclass_correlation(absent.leftCols(2)), "ICC(2,1)").estimate, 1e-15);
  EXPECT_THROW((void)intraclass_correlation(Eigen::MatrixXd::Ones(1, 3)), DataError);
  EXPECT_THROW((void)intraclass_correlation(consistent, {.null_value = 1}), InvalidArgument);
  EXPECT_THROW((void)icc_form(r, "ICC(4,1)"), InvalidArgument);
}

Eigen::MatrixXd random_ratings(Index n, Index k) {
  Eigen::MatrixXd y(n, k);
  for (Index i = 0; i < y.size(); ++i)
    y(i) = *rc::gen::inRange(0, 1000) / 100.0 + 0.01 * static_cast<double>(i % 5);
  return y;
}

RC_GTEST_PROP(Icc, AllowsOneScaleForAll, ()) {
  const Eigen::MatrixXd y = random_ratings(8, 3);
  const IccResult a = intraclass_correlation(y);
  const IccResult b = intraclass_correlation((-3 * y.array() + 50).matrix());
  for (std::size_t i = 0; i < a.forms.size(); ++i) {
    RC_ASSERT(std::abs(a.forms[i].estimate - b.forms[i].estimate) <
              1e-8 * (1 + std::abs(a.forms[i].estimate)));
    RC_ASSERT(std::abs(a.forms[i].f - b.forms[i].f) < 1e-7 * (1 + a.forms[i].f));
  }
}

RC_GTEST_PROP(Icc, ConsistencyAllowsRatersTheirOwnLevels, ()) {
  const Eigen::MatrixXd y = random_ratings(8, 3);
  const Eigen::MatrixXd shifted = y.rowwise() + Eigen::RowVector3d(0, 5, -7);
  RC_ASSERT(std::abs(icc_form(intraclass_correlation(y), "ICC(3,1)").estimate -
                     icc_form(intraclass_correlation(shifted), "ICC(3,1)").estimate) < 1e-9);
}

RC_GTEST_PROP(Icc, SubjectsAndRatersMayBeReordered, ()) {
  const Eigen::MatrixXd y = random_ratings(7, 4);
  const IccResult a = intraclass_correlation(y);
  const IccResult b = intraclass_correlation(y.reverse());
  for (std::size_t i = 0; i < a.forms.size(); ++i)
    RC_ASSERT(std::abs(a.forms[i].estimate - b.forms[i].estimate) <
              1e-9 * (1 + std::abs(a.forms[i].estimate)));
}

RC_GTEST_PROP(Icc, AverageFormsAreStepped, ()) {
  const IccResult r = intraclass_correlation(random_ratings(9, 3));
  for (const char* model : {"1", "2", "3"}) {
    const std::string name = std::string("ICC(") + model;
    const double single = icc_form(r, name + ",1)").estimate;
    RC_PRE(std::abs(1 + 2 * single) > 1e-3);
    RC_ASSERT(std::abs(icc_form(r, name + ",k)").estimate - 3 * single / (1 + 2 * single)) < 1e-8);
  }
}

TEST(IccBootstrap, ReplicatesAreIccsOfTheSamples) {
  RandomStream stream(Seed{8}, 0);
  Eigen::MatrixXd y(25, 3);
  for (Index i = 0; i < 25; ++i) {
    const double truth = 40 + stream.normal();
    for (Index j = 0; j < 3; ++j) y(i, j) = truth + 0.3 * static_cast<double>(j) + stream.normal();
  }
  for (const IccModel model : {IccModel::one_way_random, IccModel::two_way_random}) {
    const BootstrapResult b =
        icc_bootstrap(y, model, IccType::agreement, IccUnit::single, Seed{2},
                      {.replicates = 10, .interval = BootstrapInterval::percentile});
    for (Index replicate = 0; replicate < 10; ++replicate) {
      RandomStream draw(Seed{2}, static_cast<std::uint64_t>(replicate));
      const std::vector<Index> rows = bootstrap_sample(25, draw);
      Eigen::MatrixXd sample(25, 3);
      for (Index i = 0; i < 25; ++i) sample.row(i) = y.row(rows[static_cast<std::size_t>(i)]);
      EXPECT_NEAR(b.replicates[replicate],
                  icc_estimate(sample, model, IccType::agreement, IccUnit::single), 1e-9);
    }
  }
}

}  // namespace
}  // namespace rapport
