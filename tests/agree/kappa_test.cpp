#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/resample.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using agree_data::number;
using agree_data::reference;

Eigen::MatrixXd weights(AgreementWeights kind, Index q) { return agreement_weights(kind, q); }

// Fleiss, Cohen & Everitt (1969), p. 325: n = 200, table of proportions; κ = .429, weighted κ with
// their weights (0, 1, 3 squared-type) aside; values here by vcd 1.4-11 on the same counts.
TEST(CohenKappa, ReproducesFleissCohenEveritt) {
  const Eigen::MatrixXd table{{106, 10, 4}, {22, 28, 10}, {2, 12, 6}};
  const KappaResult plain = cohen_kappa_of_table(table, weights(AgreementWeights::unweighted, 3));
  EXPECT_NEAR(plain.estimate, 0.42857142857142855, 1e-12);  // 3/7: (.70 − .475) / (1 − .475)
  EXPECT_NEAR(plain.observed, 0.70, 1e-12);
  EXPECT_NEAR(plain.expected, 0.475, 1e-12);
}

TEST(CohenKappa, MatchesPsych) {
  const Table t = agree_data::table("ratings.csv");
  const Eigen::MatrixXd r = t.matrix({"r1", "r2"});
  Eigen::MatrixXi codes(r.rows(), 2);
  for (Index i = 0; i < r.size(); ++i)
    codes(i) = is_missing(r(i)) ? -1 : static_cast<int>(std::nearbyint(r(i))) + 5;
  const KappaResult k =
      cohen_kappa(codes.col(0), codes.col(1), weights(AgreementWeights::unweighted, 20));
  EXPECT_NEAR(k.estimate, reference("kappa").at("estimate").number(), 1e-12);
  EXPECT_NEAR(k.standard_error, std::sqrt(reference("kappa").at("variance").number()), 1e-12);
  EXPECT_EQ(k.n_used + k.n_omitted, r.rows());
}

// irr 0.84.1 kappa2 and vcd 1.4-11 Kappa on raters 1 and 2 of `anxiety`.
TEST(CohenKappa, MatchesIrrAndVcd) {
  const Eigen::MatrixXi codes = (agree_data::anxiety().array() - 1).cast<int>();
  struct Case {
    AgreementWeights weighting;
    double estimate, standard_error, null, statistic, p;
  };
  for (const Case& c : {Case{AgreementWeights::unweighted, 0.11949685534591195, 0.11927129716314591,
                             0.10268150349195658, 1.1637622286595422, 0.2445203830761673},
                        Case{AgreementWeights::linear, 0.18918918918918934, 0.13129501234709415,
                             0.1336403817846071, 1.4156588499882632, 0.15687541193356314},
                        Case{AgreementWeights::quadratic, 0.29676511954993035, 0.15700646065360174,
                             0.22138410377856324, 1.3404987733300222, 0.18008324286021415}}) {
    const KappaResult k = cohen_kappa(codes.col(0), codes.col(1), weights(c.weighting, 6));
    EXPECT_NEAR(k.estimate, c.estimate, 1e-12);
    EXPECT_NEAR(k.standard_error, c.standard_error, 1e-12);
    EXPECT_NEAR(k.standard_error_null, c.null, 1e-12);
    EXPECT_NEAR(k.statistic, c.statistic, 1e-10);
    EXPECT_NEAR(k.p_value, c.p, 1e-10);
    EXPECT_NEAR(k.ci.lower, c.estimate - 1.959963984540054 * c.standard_error, 1e-12);
  }
}

// The delta-method standard error against its definition: a numerical gradient of κ over the cells.
TEST(CohenKappa, StandardErrorIsTheDeltaMethods) {
  const Eigen::MatrixXd table{{12, 3, 1}, {4, 9, 2}, {0, 5, 14}};
  const Eigen::MatrixXd w = weights(AgreementWeights::linear, 3);
  const double n = table.sum();
  const double step = 1e-5;
  Eigen::VectorXd gradient(9);
  for (Index cell = 0; cell < 9; ++cell) {
    Eigen::MatrixXd up = table;
    Eigen::MatrixXd down = table;
    up(cell) += step;
    down(cell) -= down(cell) > step ? step : 0;
    gradient[cell] =
        (cohen_kappa_of_table(up, w).estimate - cohen_kappa_of_table(down, w).estimate) /
        (up(cell) - down(cell));
  }
  // κ is homogeneous of degree 0 in counts, so the multinomial variance is Σ n_c g_c².
  const Eigen::VectorXd counts = table.reshaped();
  const double expected = std::sqrt(counts.dot(gradient.cwiseAbs2()));
  EXPECT_NEAR(cohen_kappa_of_table(table, w).standard_error, expected, 1e-5 * n * expected);
}

TEST(CohenKappa, BoundsOfTwoByTwo) {
  // Byrt, Bishop & Carlin (1993): prevalence and bias index, PABAK = 2 p_o − 1.
  const Eigen::MatrixXd table{{80, 10}, {5, 5}};
  const KappaResult k = cohen_kappa_of_table(table, Eigen::MatrixXd::Identity(2, 2));
  EXPECT_NEAR(k.prevalence_index, 0.75, 1e-15);
  EXPECT_NEAR(k.bias_index, 0.05, 1e-15);
  EXPECT_NEAR(k.adjusted, 0.70, 1e-15);
  EXPECT_NEAR(k.maximum, (0.95 - 0.78) / (1 - 0.78), 1e-12);  // margins .90/.85 allow .85 + .10
}

TEST(CohenKappa, LimitsAndRefusals) {
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 2);
  const Eigen::VectorXi same{{0, 1, 1, 0}};
  const KappaResult perfect = cohen_kappa(same, same, w);
  EXPECT_DOUBLE_EQ(perfect.estimate, 1);
  EXPECT_DOUBLE_EQ(perfect.standard_error, 0);
  const Eigen::VectorXi constant{{0, 0, 0, 0}};
  const KappaResult undefined = cohen_kappa(constant, constant, w);
  EXPECT_TRUE(is_missing(undefined.estimate));
  EXPECT_TRUE(is_missing(undefined.standard_error));
  EXPECT_DOUBLE_EQ(undefined.observed, 1);
  EXPECT_EQ(undefined.n_used, 4);
  const Eigen::VectorXi absent{{-1, -1, -1, -1}};
  EXPECT_THROW((void)cohen_kappa(same, absent, w), InvalidArgument);
  EXPECT_THROW((void)cohen_kappa(same, same.head(3), w), InvalidArgument);
  EXPECT_THROW((void)cohen_kappa(Eigen::VectorXi{{0, 2}}, Eigen::VectorXi{{0, 1}}, w),
               InvalidArgument);
  EXPECT_THROW((void)cohen_kappa(same, same, w, {.confidence_level = 1.5}), InvalidArgument);
  EXPECT_THROW((void)cohen_kappa(same, same, Eigen::MatrixXd{{1, 2}, {0, 1}}), InvalidArgument);
}

// irr 0.84.1 kappam.light on Fleiss's diagnoses.
TEST(LightKappa, MatchesIrr) {
  const LightKappaResult r =
      light_kappa(agree_data::fleiss_diagnoses(), weights(AgreementWeights::unweighted, 5));
  EXPECT_NEAR(r.estimate, 0.45941214443459544, 1e-12);
  EXPECT_EQ(r.n_used, 30);
}

// For two raters Light's κ is Cohen's, and so is its standard error.
TEST(LightKappa, OfTwoRatersIsCohens) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses().leftCols(2);
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 5);
  const LightKappaResult light = light_kappa(codes, w);
  const KappaResult cohen = cohen_kappa(codes.col(0), codes.col(1), w);
  EXPECT_NEAR(light.estimate, cohen.estimate, 1e-14);
  EXPECT_NEAR(light.standard_error, cohen.standard_error, 1e-14);
}

// The linearised standard error of Light's κ lies near the bootstrap's.
TEST(LightKappa, StandardErrorIsNearTheBootstrap) {
  const Eigen::MatrixXi codes = agree_data::fleiss_diagnoses();
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 5);
  const BootstrapResult b =
      bootstrap(codes.rows(),
                [&](const std::vector<Index>& rows) {
                  Eigen::MatrixXi drawn(codes.rows(), codes.cols());
                  for (Index i = 0; i < drawn.rows(); ++i)
                    drawn.row(i) = codes.row(rows[static_cast<std::size_t>(i)]);
                  return light_kappa(drawn, w).estimate;
                },
                Seed{5}, {.replicates = 400, .interval = BootstrapInterval::percentile});
  EXPECT_NEAR(light_kappa(codes, w).standard_error / b.standard_error, 1, 0.2);
}

struct Pair {
  Eigen::VectorXi a;
  Eigen::VectorXi b;
};

Pair random_pair(Index n, Index q) {
  Pair p{Eigen::VectorXi(n), Eigen::VectorXi(n)};
  for (Index i = 0; i < n; ++i) {
    p.a[i] = *rc::gen::inRange(-1, static_cast<int>(q));
    p.b[i] = *rc::gen::inRange(-1, static_cast<int>(q));
  }
  p.a[0] = p.b[0] = 0;
  p.a[1] = p.b[1] = 1;
  return p;
}

RC_GTEST_PROP(CohenKappa, DoesNotDependOnWhichRaterIsFirst, ()) {
  const Pair p = random_pair(20, 4);
  const Eigen::MatrixXd w = weights(AgreementWeights::quadratic, 4);
  const KappaResult ab = cohen_kappa(p.a, p.b, w);
  const KappaResult ba = cohen_kappa(p.b, p.a, w);
  RC_ASSERT(std::abs(ab.estimate - ba.estimate) < 1e-12);
  RC_ASSERT(std::abs(ab.standard_error - ba.standard_error) < 1e-12);
  RC_ASSERT(std::abs(ab.standard_error_null - ba.standard_error_null) < 1e-12);
}

RC_GTEST_PROP(CohenKappa, UnweightedDoesNotDependOnTheCategoriesNames, ()) {
  const Pair p = random_pair(20, 4);
  const Eigen::MatrixXd w = weights(AgreementWeights::unweighted, 4);
  const auto renamed = [](const Eigen::VectorXi& x) {
    return Eigen::VectorXi(x.unaryExpr([](int code) { return code < 0 ? code : (code + 1) % 4; }));
  };
  const KappaResult before = cohen_kappa(p.a, p.b, w);
  const KappaResult after = cohen_kappa(renamed(p.a), renamed(p.b), w);
  RC_ASSERT(std::abs(before.estimate - after.estimate) < 1e-12);
  RC_ASSERT(std::abs(before.standard_error - after.standard_error) < 1e-12);
}

RC_GTEST_PROP(CohenKappa, DuplicatingSubjectsShrinksTheErrorOnly, ()) {
  const Pair p = random_pair(15, 3);
  const Eigen::MatrixXd w = weights(AgreementWeights::linear, 3);
  Eigen::VectorXi aa(30);
  Eigen::VectorXi bb(30);
  aa << p.a, p.a;
  bb << p.b, p.b;
  const KappaResult once = cohen_kappa(p.a, p.b, w);
  const KappaResult twice = cohen_kappa(aa, bb, w);
  RC_ASSERT(std::abs(once.estimate - twice.estimate) < 1e-12);
  RC_ASSERT(std::abs(once.standard_error - std::sqrt(2.0) * twice.standard_error) < 1e-12);
}

RC_GTEST_PROP(CohenKappa, OfATableIsThatOfItsSubjects, ()) {
  const Pair p = random_pair(25, 3);
  const Eigen::MatrixXd w = weights(AgreementWeights::ordinal, 3);
  const KappaResult r = cohen_kappa(p.a, p.b, w);
  RC_ASSERT(cohen_kappa_of_table(r.table, w).estimate == r.estimate);
}

}  // namespace
}  // namespace rapport
