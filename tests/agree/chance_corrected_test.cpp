#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/base/error.hpp>
#include <rapport/math/resample.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using enum AgreementCoefficient;

Eigen::MatrixXd weights(AgreementWeights kind, Index q) { return agreement_weights(kind, q); }

// irrCAC 1.0 (rounding removed) on Krippendorff's 12 units, whose last has a single rating.
TEST(ChanceCorrected, MatchesIrrcacWithMissingRatings) {
  struct Case {
    AgreementCoefficient coefficient;
    double estimate, standard_error, lower, expected;
  };
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 5);
  for (const Case& c :
       {Case{percent, 0.8181818181818182, 0.12560895994686497, 0.5417183613642234, 0},
        Case{gwet, 0.775444068126995, 0.1429499506407653, 0.4608133481308383, 0.19032118055555555},
        Case{fleiss, 0.7611692754224112, 0.1530192034694924, 0.4243762773770154,
             0.2387152777777778},
        Case{conger, 0.7628174413033062, 0.1491681524801737, 0.4345005513361571,
             0.23342516069788796},
        Case{brennan_prediger, 0.7727272727272727, 0.14471661989948315, 0.45420813990988795,
             0.2}}) {
    const ChanceCorrectedResult r =
        chance_corrected_agreement(c.coefficient, agree_data::krippendorff_codes(), w);
    EXPECT_NEAR(r.estimate, c.estimate, 1e-12);
    EXPECT_NEAR(r.standard_error, c.standard_error, 1e-12);
    EXPECT_NEAR(r.ci.lower, c.lower, 1e-8);
    EXPECT_DOUBLE_EQ(r.ci.upper, 1);
    EXPECT_NEAR(r.expected, c.expected, 1e-12);
    EXPECT_EQ(r.n_used, 12);
  }
}

// irrCAC 1.0: the same units with quadratic weights (the same four raters stand in cac.raw4raters).
TEST(ChanceCorrected, MatchesIrrcacWithWeights) {
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 5);
  const Eigen::MatrixXi codes = agree_data::krippendorff_codes();
  EXPECT_NEAR(gwet_ac(codes, w).estimate, 0.9140007235516047, 1e-12);
  EXPECT_NEAR(gwet_ac(codes, w).standard_error, 0.10396224464505995, 1e-12);
  EXPECT_NEAR(gwet_ac(codes, w).p_value, 2.6344384658205655e-06, 1e-14);
  EXPECT_NEAR(conger_kappa(codes, w).standard_error, 0.14367066382873353, 1e-12);
  EXPECT_NEAR(fleiss_kappa(codes, w).standard_error, 0.14603361075691243, 1e-12);
}

// irr 0.84.1 kappam.fleiss and the closed forms of Fleiss (1971) and Fleiss, Nee & Landis (1979).
TEST(FleissKappa, MatchesIrr) {
  const ChanceCorrectedResult r =
      fleiss_kappa(agree_data::fleiss_diagnoses(), weights(AgreementWeights::unweighted, 5));
  EXPECT_NEAR(r.estimate, 0.43024452006014086, 1e-12);
  EXPECT_NEAR(r.statistic, 17.65183058299137, 1e-9);
  const std::vector<double> printed = {0.245, 0.245, 0.520, 0.471, 0.566};  // irr, to 3 places
  ASSERT_EQ(r.by_category.size(), 5U);
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_NEAR(r.by_category[k].estimate, printed[k], 5e-4);
    EXPECT_NEAR(r.by_category[k].standard_error_null, std::sqrt(2.0 / (30 * 6 * 5)), 1e-15);
  }
  EXPECT_NEAR(conger_kappa(agree_data::fleiss_diagnoses(), weights(AgreementWeights::unweighted, 5))
                  .estimate,
              0.44180854032933303, 1e-12);  // irr, exact = TRUE
}

// Fleiss (1971): κ is the mean of the categories' κ weighted by p (1 − p).
TEST(FleissKappa, IsTheWeightedMeanOfTheCategories) {
  const ChanceCorrectedResult r =
      fleiss_kappa(agree_data::fleiss_diagnoses(), weights(AgreementWeights::unweighted, 5));
  double numerator = 0;
  double denominator = 0;
  for (const CategoryAgreement& c : r.by_category) {
    const double pq = c.proportion * (1 - c.proportion);
    numerator += pq * c.estimate;
    denominator += pq;
  }
  EXPECT_NEAR(r.estimate, numerator / denominator, 1e-12);
}

TEST(ChanceCorrected, TwoRatersGiveCohenAndScott) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses().leftCols(2);
  const Eigen::MatrixXd w = weights(AgreementWeights::linear, 5);
  EXPECT_NEAR(conger_kappa(codes, w).estimate, cohen_kappa(codes.col(0), codes.col(1), w).estimate,
              1e-13);
  EXPECT_NEAR(scott_pi(codes, w).estimate, fleiss_kappa(codes, w).estimate, 1e-15);
}

// n − 1 against n apart, Conger's subject variance is Cohen's large-sample one.
TEST(ChanceCorrected, CongersVarianceOfTwoRatersIsCohens) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses().leftCols(2);
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 5);
  EXPECT_NEAR(conger_kappa(codes, w).standard_error * std::sqrt(29.0 / 30),
              cohen_kappa(codes.col(0), codes.col(1), w).standard_error, 1e-13);
}

// The linearised standard errors lie near the jackknife's, whose definition needs no formula.
TEST(ChanceCorrected, StandardErrorsAreNearTheJackknife) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses();
  const Eigen::MatrixXd w = weights(AgreementWeights::linear, 5);
  const Index n = codes.rows();
  for (const AgreementCoefficient c : {percent, fleiss, conger, brennan_prediger, gwet}) {
    Eigen::ArrayXd without(n);
    for (Index i = 0; i < n; ++i) {
      Eigen::MatrixXi rest(n - 1, codes.cols());
      rest << codes.topRows(i), codes.bottomRows(n - 1 - i);
      without[i] = chance_corrected_agreement(c, rest, w).estimate;
    }
    const auto m = static_cast<double>(n);
    const double jackknife = std::sqrt((m - 1) / m * (without - without.mean()).square().sum());
    EXPECT_NEAR(chance_corrected_agreement(c, codes, w).standard_error / jackknife, 1, 0.06);
  }
}

TEST(ChanceCorrected, SamplingRatersAddsVariance) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses();
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 5);
  const double fixed = gwet_ac(codes, w).standard_error;
  const double sampled = gwet_ac(codes, w, {.sample_raters = true}).standard_error;
  Eigen::ArrayXd without(6);
  for (Index g = 0; g < 6; ++g) {
    Eigen::MatrixXi rest(30, 5);
    rest << codes.leftCols(g), codes.rightCols(5 - g);
    without[g] = gwet_ac(rest, w).estimate;
  }
  EXPECT_NEAR(sampled * sampled - fixed * fixed,
              5.0 / 6 * (without - without.mean()).square().sum(), 1e-14);
}

TEST(ChanceCorrected, LimitsAndRefusals) {
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 3);
  const Eigen::MatrixXi one = Eigen::MatrixXi::Zero(5, 3);
  EXPECT_TRUE(is_missing(fleiss_kappa(one, w).estimate));
  EXPECT_DOUBLE_EQ(gwet_ac(one, w).estimate, 1);  // AC1 is defined there: chance agreement is 0
  EXPECT_DOUBLE_EQ(rapport::brennan_prediger(one, w).estimate, 1);
  Eigen::MatrixXi absent_rater = agree_data::fleiss_diagnoses().topRows(10).leftCols(4);
  const Eigen::MatrixXd five = weights(AgreementWeights::unweighted, 5);
  absent_rater.col(3).setConstant(-1);
  EXPECT_NEAR(fleiss_kappa(absent_rater, five).estimate,
              fleiss_kappa(absent_rater.leftCols(3), five).estimate, 1e-15);
  Eigen::MatrixXi single = Eigen::MatrixXi::Constant(4, 2, -1);
  single.col(0).setZero();
  EXPECT_TRUE(is_missing(gwet_ac(single, w).estimate));  // no subject has two ratings
  EXPECT_THROW((void)scott_pi(one, w), InvalidArgument);
  EXPECT_THROW((void)fleiss_kappa(one.leftCols(1), w), InvalidArgument);
  EXPECT_THROW((void)chance_corrected_agreement_of_counts(conger, Eigen::MatrixXd::Ones(3, 3), w),
               InvalidArgument);
  EXPECT_THROW((void)chance_corrected_agreement_of_counts(gwet, Eigen::MatrixXd::Ones(3, 2), w),
               InvalidArgument);
}

Eigen::MatrixXi random_codes(Index n, Index raters, Index q) {
  Eigen::MatrixXi codes(n, raters);
  for (Index i = 0; i < codes.size(); ++i) codes(i) = *rc::gen::inRange(-1, static_cast<int>(q));
  for (Index k = 0; k < q; ++k) codes.row(k).setConstant(static_cast<int>(k));
  return codes;
}

RC_GTEST_PROP(ChanceCorrected, CountsSayAsMuchAsCodes, ()) {
  const Eigen::MatrixXi codes = random_codes(15, 4, 3);
  const Eigen::MatrixXd w = weights(AgreementWeights::linear, 3);
  for (const AgreementCoefficient c : {percent, fleiss, brennan_prediger, gwet}) {
    const ChanceCorrectedResult a = chance_corrected_agreement(c, codes, w);
    const ChanceCorrectedResult b =
        chance_corrected_agreement_of_counts(c, category_counts(codes, 3), w);
    RC_ASSERT(a.estimate == b.estimate);
    RC_ASSERT(a.standard_error == b.standard_error);
  }
}

RC_GTEST_PROP(ChanceCorrected, RatersMayBeReordered, ()) {
  const Eigen::MatrixXi codes = random_codes(15, 4, 3);
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 3);
  for (const AgreementCoefficient c : {percent, fleiss, conger, brennan_prediger, gwet}) {
    const ChanceCorrectedResult a = chance_corrected_agreement(c, codes, w);
    const ChanceCorrectedResult b = chance_corrected_agreement(c, codes.rowwise().reverse(), w);
    RC_ASSERT(std::abs(a.estimate - b.estimate) < 1e-12);
    RC_ASSERT(std::abs(a.standard_error - b.standard_error) < 1e-12);
  }
}

RC_GTEST_PROP(ChanceCorrected, QuadraticWeightsDoNotKnowWhichEndIsUp, ()) {
  const Eigen::MatrixXi codes = random_codes(15, 3, 4);
  const Eigen::MatrixXi flipped = codes.unaryExpr([](int c) { return c < 0 ? c : 3 - c; });
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 4);
  for (const AgreementCoefficient c : {fleiss, conger, gwet})
    RC_ASSERT(std::abs(chance_corrected_agreement(c, codes, w).estimate -
                       chance_corrected_agreement(c, flipped, w).estimate) < 1e-12);
}

RC_GTEST_PROP(ChanceCorrected, DuplicatingSubjectsLeavesTheEstimate, ()) {
  const Eigen::MatrixXi codes = random_codes(12, 3, 3);
  Eigen::MatrixXi twice(24, 3);
  twice << codes, codes;
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 3);
  for (const AgreementCoefficient c : {percent, fleiss, conger, brennan_prediger, gwet}) {
    const ChanceCorrectedResult a = chance_corrected_agreement(c, codes, w);
    const ChanceCorrectedResult b = chance_corrected_agreement(c, twice, w);
    RC_ASSERT(std::abs(a.estimate - b.estimate) < 1e-12);
    const auto n = static_cast<double>(a.n_used);  // n (n − 1) once against 2n (2n − 1) twice
    RC_ASSERT(std::abs(a.standard_error * std::sqrt((n - 1) / (2 * n - 1)) - b.standard_error) <
              1e-12);
  }
}

// irr 0.84.1 agree on `anxiety`.
TEST(PercentAgreement, MatchesIrr) {
  EXPECT_NEAR(percent_agreement(agree_data::anxiety(), {.tolerance = 1}).estimate, 0.35, 1e-15);
  EXPECT_NEAR(percent_agreement(agree_data::anxiety(), {.tolerance = 2}).estimate, 0.70, 1e-15);
  const Eigen::MatrixXd codes = agree_data::fleiss_diagnoses().cast<double>();
  EXPECT_NEAR(percent_agreement(codes).estimate, 5.0 / 30, 1e-15);
}

// Wilson (1927) by R: prop.test(7, 20, correct = FALSE).
TEST(PercentAgreement, IntervalIsWilsons) {
  const PercentAgreementResult r = percent_agreement(agree_data::anxiety(), {.tolerance = 1});
  EXPECT_NEAR(r.ci.lower, 0.1811918, 1e-7);
  EXPECT_NEAR(r.ci.upper, 0.5671457, 1e-7);
}

}  // namespace
}  // namespace rapport
