#include <rapport/agree/icc.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/agree/planning.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

// The planned number has the planned power: 2000 simulated studies of rates .4 and .45, κ .7
// against .4 (Monte-Carlo error .009; the normal approximation may miss by some hundredths).
TEST(Planning, KappaTestHasItsPower) {
  const Index n = subjects_for_kappa_test(0.4, 0.45, 0.7, 0.4);
  const double expected = 0.4 * 0.45 + 0.6 * 0.55;
  const auto both = [&](double kappa) {
    return (kappa * (1 - expected) + expected - 1 + 0.85) / 2;
  };
  const double p11 = both(0.7);
  const Eigen::MatrixXd null_table{{both(0.4), 0.4 - both(0.4)},
                                   {0.45 - both(0.4), 0.15 + both(0.4)}};
  const Eigen::MatrixXd w = Eigen::MatrixXd::Identity(2, 2);
  const double null_error =
      cohen_kappa_of_table(null_table, w).standard_error / std::sqrt(static_cast<double>(n));
  int rejected = 0;
  for (int study = 0; study < 2000; ++study) {
    RandomStream stream(Seed{3}, static_cast<std::uint64_t>(study));
    Eigen::MatrixXd table = Eigen::MatrixXd::Zero(2, 2);
    for (Index i = 0; i < n; ++i) {
      const double u = stream.uniform();
      if (u < p11)
        table(0, 0) += 1;
      else if (u < 0.4)
        table(0, 1) += 1;
      else if (u < 0.85 - p11)
        table(1, 0) += 1;
      else
        table(1, 1) += 1;
    }
    const double z = (cohen_kappa_of_table(table, w).estimate - 0.4) / null_error;
    rejected += std::abs(z) > 1.959963984540054 ? 1 : 0;
  }
  EXPECT_NEAR(rejected / 2000.0, 0.8, 0.05);
}

// Bonett (2002), p. 1334: k = 3, ICC .8, width .2 needs 36 subjects.
TEST(Planning, IccWidthReproducesBonett) {
  EXPECT_NEAR(static_cast<double>(subjects_for_icc_width(0.8, 3, 0.2)), 36, 1);
}

// The power is that of the test, by simulation: 2000 studies, Monte-Carlo error .0112 at most.
TEST(Planning, IccPowerIsTheTests) {
  constexpr int studies = 2000;
  int rejected = 0;
  for (int s = 0; s < studies; ++s) {
    RandomStream stream(Seed{7}, static_cast<std::uint64_t>(s));
    Eigen::MatrixXd y(20, 3);
    for (Index i = 0; i < 20; ++i) {
      const double truth = std::sqrt(0.6) * stream.normal();
      for (Index j = 0; j < 3; ++j) y(i, j) = truth + std::sqrt(0.4) * stream.normal();
    }
    const IccResult r = intraclass_correlation(y, {.null_value = 0.3});
    rejected += icc_form(r, "ICC(1,1)").p_value < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(rejected / static_cast<double>(studies), icc_test_power(0.6, 0.3, 20, 3), 4 * 0.0112);
}

TEST(Planning, IccTestReachesItsPower) {
  const Index n = subjects_for_icc_test(0.7, 0.5, 2);
  EXPECT_GE(icc_test_power(0.7, 0.5, static_cast<double>(n), 2), 0.8);
  EXPECT_LT(icc_test_power(0.7, 0.5, static_cast<double>(n - 1), 2), 0.8);
}

TEST(Planning, WidthsNeedMoreSubjectsTheNarrower) {
  EXPECT_GT(subjects_for_kappa_width(0.4, 0.4, 0.6, 0.1),
            3.9 * static_cast<double>(subjects_for_kappa_width(0.4, 0.4, 0.6, 0.2)));
  EXPECT_THROW((void)subjects_for_kappa_width(0.9, 0.1, 0.9, 0.1),
               InvalidArgument);  // no such table
  EXPECT_THROW((void)subjects_for_kappa_test(0.4, 0.4, 0.5, 0.5), InvalidArgument);
  EXPECT_THROW((void)subjects_for_icc_width(1.1, 3, 0.2), InvalidArgument);
}

}  // namespace
}  // namespace rapport
