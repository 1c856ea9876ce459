#include <rapport/agree/concordance.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

const Eigen::VectorXd large_meter{
    {494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427}};
const Eigen::VectorXd mini_meter{
    {512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451}};

// epiR 2.0.57 epi.ccc (z-transform); shifts of rater 1 against rater 2.
TEST(Concordance, MatchesEpiR) {
  const ConcordanceResult r = concordance_correlation(large_meter, mini_meter);
  EXPECT_NEAR(r.estimate, 0.9427424314274845, 1e-12);
  EXPECT_NEAR(r.ci.lower, 0.8504918731685605, 1e-10);
  EXPECT_NEAR(r.ci.upper, 0.9787262791701224, 1e-10);
  EXPECT_NEAR(r.pearson, 0.9432794468909461, 1e-12);
  EXPECT_NEAR(r.bias_correction, 0.9994306931363429, 1e-12);
  EXPECT_NEAR(r.scale_shift, 1.0282679905624332, 1e-12);
  EXPECT_NEAR(r.location_shift, -0.019030250091597076, 1e-12);
}

TEST(Concordance, IsPrecisionTimesAccuracy) {
  const ConcordanceResult r = concordance_correlation(large_meter, mini_meter);
  EXPECT_NEAR(r.estimate, r.pearson * r.bias_correction, 1e-14);
  // Lin (1989): C_b = 2 / (v + 1/v + u²)
  EXPECT_NEAR(r.bias_correction,
              2 / (r.scale_shift + 1 / r.scale_shift + r.location_shift * r.location_shift), 1e-14);
}

RC_GTEST_PROP(Concordance, IsSymmetricAndAllowsOneScaleForBoth, ()) {
  Eigen::VectorXd a(8);
  Eigen::VectorXd b(8);
  for (Index i = 0; i < 8; ++i) {
    a[i] = *rc::gen::inRange(0, 50) + 0.1 * static_cast<double>(i);
    b[i] = *rc::gen::inRange(0, 50);
  }
  b[0] += 0.5;
  const ConcordanceResult r = concordance_correlation(a, b);
  const ConcordanceResult swapped = concordance_correlation(b, a);
  const ConcordanceResult scaled =
      concordance_correlation((2 * a.array() - 7).matrix(), (2 * b.array() - 7).matrix());
  RC_ASSERT(std::abs(r.estimate - swapped.estimate) < 1e-12);
  RC_ASSERT(std::abs(r.estimate - scaled.estimate) < 1e-12);
  RC_ASSERT(std::abs(r.estimate) <= std::abs(r.pearson) + 1e-12);
}

TEST(OverallConcordance, OfTwoRatersIsLins) {
  Eigen::MatrixXd y(17, 2);
  y << large_meter, mini_meter;
  const ConcordanceResult r = overall_concordance(y);
  EXPECT_NEAR(r.estimate, concordance_correlation(large_meter, mini_meter).estimate, 1e-14);
  EXPECT_LT(r.ci.lower, r.estimate);
}

/// 1 − mean (x_i − y_i)² / mean over all i, j of (x_i − y_j)², the sums added over occasions.
double ccc_by_definition(const Eigen::MatrixXd& y, Index occasions) {
  double within = 0;
  double chance = 0;
  const Index n = y.rows() / occasions;
  for (Index t = 0; t < occasions; ++t)
    for (Index g = 0; g < y.cols(); ++g)
      for (Index h = 0; h < g; ++h)
        for (Index i = 0; i < n; ++i) {
          within += std::pow(y(t * n + i, g) - y(t * n + i, h), 2);
          for (Index j = 0; j < n; ++j)
            chance += std::pow(y(t * n + i, g) - y(t * n + j, h), 2) / static_cast<double>(n);
        }
  return 1 - within / chance;
}

// Barnhart, Haber & Song (2002) and King, Chinchilli & Carrasco (2007) by their definitions.
TEST(OverallConcordance, IsItsDefinition) {
  RandomStream stream(Seed{5}, 0);
  constexpr Index n = 12;
  constexpr Index occasions = 3;
  Eigen::MatrixXd y(n * occasions, 3);
  std::vector<int> subject;
  std::vector<int> occasion;
  for (Index i = 0; i < y.rows(); ++i) {
    subject.push_back(static_cast<int>(i % n));
    occasion.push_back(static_cast<int>(i / n));
    const double truth = static_cast<double>(i % n) / 4 + 2 * static_cast<double>(i / n);
    for (Index j = 0; j < 3; ++j) y(i, j) = truth + 0.3 * static_cast<double>(j) + stream.normal();
  }
  EXPECT_NEAR(overall_concordance(y).estimate, ccc_by_definition(y, 1), 1e-13);
  EXPECT_NEAR(overall_concordance(y, subject).estimate, ccc_by_definition(y, 1), 1e-13);
  const ConcordanceResult r = repeated_concordance(y, subject, occasion);
  EXPECT_NEAR(r.estimate, ccc_by_definition(y, occasions), 1e-13);
  EXPECT_LT(r.estimate, overall_concordance(y).estimate);  // change is no agreement
  // A level of each occasion, whatever it is, changes nothing.
  Eigen::MatrixXd shifted = y;
  shifted.bottomRows(n).array() += 10;
  const ConcordanceResult s = repeated_concordance(shifted, subject, occasion);
  EXPECT_NEAR(s.estimate, r.estimate, 1e-12);
  EXPECT_NEAR(s.standard_error, r.standard_error, 1e-12);
  subject[0] = -1;
  EXPECT_EQ(repeated_concordance(y, subject, occasion).n_omitted, 1);
  const Eigen::MatrixXd same = y.col(0).replicate(1, 2);
  EXPECT_DOUBLE_EQ(overall_concordance(same).estimate, 1);
  EXPECT_DOUBLE_EQ(overall_concordance(same).standard_error, 0);
  EXPECT_THROW((void)overall_concordance(y.topRows(4), {0, 0, 1, 1}), DataError);
}

// irr 0.84.1 kendall() on Shrout & Fleiss's data, DescTools 0.99.59 on `anxiety`.
TEST(KendallW, MatchesIrr) {
  // Kendall & Babington Smith's definition without ties: 12 S / (m² (n³ − n))
  const Eigen::MatrixXd y{{1, 2, 1}, {2, 1, 2}, {3, 4, 3}, {4, 3, 4}};
  const KendallWResult r = kendall_w(y);
  // rank sums 4, 5, 10, 11: S = 3.5² + 2.5² + 2.5² + 3.5² = 37
  EXPECT_NEAR(r.estimate, 12.0 * 37 / (9 * 60), 1e-14);
  EXPECT_NEAR(r.estimate_tied, r.estimate, 1e-15);
  EXPECT_NEAR(r.statistic, 3 * 3 * r.estimate, 1e-13);
}

TEST(KendallW, IsFromMeanSpearman) {
  const KendallWResult r = kendall_w(agree_data::anxiety());
  EXPECT_NEAR(r.mean_spearman, (3 * r.estimate_tied - 1) / 2, 1e-15);
  EXPECT_GT(r.estimate_tied, r.estimate);
  EXPECT_DOUBLE_EQ(r.df, 19);
  EXPECT_NEAR(r.p_value, chi_squared_upper_tail(r.statistic, 19), 1e-15);
  const KendallWResult perfect = kendall_w(Eigen::MatrixXd{{1, 10}, {2, 20}, {3, 30}});
  EXPECT_DOUBLE_EQ(perfect.estimate, 1);
  EXPECT_TRUE(is_missing(kendall_w(Eigen::MatrixXd::Ones(3, 2)).estimate_tied));
}

// irr 0.84.1 finn() and robinson() on Shrout & Fleiss's data.
TEST(Finn, MatchesIrr) {
  const FinnResult one = finn_r(agree_data::shrout_fleiss(), 6, FinnModel::one_way);
  EXPECT_NEAR(one.estimate, -1.147619047619048, 1e-12);
  EXPECT_NEAR(one.statistic, 0.46563192904656314, 1e-12);
  EXPECT_NEAR(one.p_value, 0.9968325249802094, 1e-10);
  const FinnResult two = finn_r(agree_data::shrout_fleiss(), 6, FinnModel::two_way);
  EXPECT_NEAR(two.estimate, 0.6504761904761907, 1e-12);
  EXPECT_NEAR(two.statistic, 2.8610354223433263, 1e-12);
}

// The residual mean square of subjects × raters rests on (n − 1)(k − 1) degrees of freedom: under
// the null the p-value is uniform (tested at 5 and 50 %, Monte-Carlo error .0049 and .0112 at 2000
// draws).
TEST(Finn, TwoWayTestHoldsItsLevel) {
  RandomStream stream(Seed{6}, 0);
  const double sd = std::sqrt(35.0 / 12);  // of six equally likely points
  int below_5 = 0;
  int below_50 = 0;
  for (int replicate = 0; replicate < 2000; ++replicate) {
    Eigen::MatrixXd y(6, 4);
    for (Index i = 0; i < y.size(); ++i) y(i) = sd * stream.normal();
    const double p = finn_r(y, 6, FinnModel::two_way).p_value;
    below_5 += p < 0.05 ? 1 : 0;
    below_50 += p < 0.50 ? 1 : 0;
  }
  EXPECT_NEAR(below_5 / 2000.0, 0.05, 4 * 0.0049);
  EXPECT_NEAR(below_50 / 2000.0, 0.50, 4 * 0.0112);
}

TEST(Robinson, IsEtaSquaredOfSubjectsWithoutRaters) {
  const Eigen::MatrixXd y = agree_data::shrout_fleiss();
  // Mean squares as printed by Shrout & Fleiss: 11.24 on 5 df and 1.02 on 15.
  EXPECT_NEAR(robinson_a(y).estimate, 5 * 11.24 / (5 * 11.24 + 15 * 1.02), 2e-4);
  EXPECT_NEAR(robinson_a(y).estimate,
              robinson_a(y.rowwise() + Eigen::RowVector4d(1, -5, 3, 2)).estimate, 1e-12);
}

TEST(Concordance, Refusals) {
  EXPECT_THROW((void)concordance_correlation(large_meter, mini_meter.head(3)), InvalidArgument);
  EXPECT_THROW((void)concordance_correlation(large_meter.head(2), mini_meter.head(2)), DataError);
  EXPECT_THROW((void)kendall_w(Eigen::MatrixXd::Ones(4, 1)), InvalidArgument);
  EXPECT_THROW((void)finn_r(agree_data::anxiety(), 1, FinnModel::one_way), InvalidArgument);
}

}  // namespace
}  // namespace rapport
