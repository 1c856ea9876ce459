#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/spearman.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"

namespace rapport {
namespace {

double kendall_score(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
  const PairCounts pairs = oracle::pairs_by_definition(x, y);
  return pairs.concordant - pairs.discordant;
}

double rank_covariance(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
  const double centre = (static_cast<double>(x.size()) + 1) / 2;
  return (oracle::midranks_by_definition(x).array() - centre)
      .matrix()
      .dot((oracle::midranks_by_definition(y).array() - centre).matrix());
}

void expect_tails(const TailProbabilities& found, const oracle::Tails& expected,
                  const std::string& where) {
  EXPECT_EQ(found.method, PValueMethod::exact);
  EXPECT_NEAR(found.less, expected.less, 1e-13) << where;
  EXPECT_NEAR(found.greater, expected.greater, 1e-13) << where;
  EXPECT_NEAR(found.two_sided, expected.two_sided, 1e-13) << where;
}

// Every n to 6 and, once each, 7 and 8, with ties on neither, one and both variables.
TEST(ExactNull, AgreesWithAllPermutations) {
  std::uint64_t replicate = 0;
  for (Index n = 2; n <= 8; ++n)
    for (const Index levels_x : {0, 2, 4})
      for (const Index levels_y : {0, 3}) {
        if (n == 8 && levels_x != levels_y && levels_x != 4) continue;
        RandomStream stream(Seed{9}, replicate++);
        const Eigen::VectorXd x = oracle::random_values(stream, n, levels_x);
        const Eigen::VectorXd y = oracle::random_values(stream, n, levels_y);
        const DenseRanks a = dense_ranks(x);
        const DenseRanks b = dense_ranks(y);
        const std::string where =
            std::to_string(n) + ": " + std::to_string(levels_x) + "/" + std::to_string(levels_y);
        const oracle::Tails score = oracle::enumerate(x, y, kendall_score);
        expect_tails(kendall_null_given_ties(a, b).value(), score, "Kendall " + where);
        if (levels_x == 0 && levels_y == 0)
          expect_tails(kendall_null(kendall_score(x, y), n), score, "recurrence " + where);
        expect_tails(rank_product_null(a, b).value(), oracle::enumerate(x, y, rank_covariance),
                     "Spearman " + where);
      }
}

TEST(ExactNull, KendallRecurrenceAgreesWithWholeNumberCounts) {
  const auto peers = oracle::peer_values("peers_python.csv");
  for (const Index n : {4, 7, 10, 20, 30, 60, 100, 170}) {
    const double pairs = static_cast<double>(n * (n - 1)) / 2;
    const double concordant = std::floor(pairs * 62 / 100);
    const double expected = peers.at("kendall.recurrence." + std::to_string(n));
    EXPECT_NEAR(kendall_null(2 * concordant - pairs, n).greater, expected, 1e-12 * expected) << n;
  }
}

// Kendall & Gibbons (1990), appendix table 1: P(S ≥ s) for n = 4, 8 and 10.
TEST(ExactNull, KendallReproducesPublishedTable) {
  EXPECT_NEAR(kendall_null(6, 4).greater, 0.042, 5e-4);
  EXPECT_NEAR(kendall_null(4, 4).greater, 0.167, 5e-4);
  EXPECT_NEAR(kendall_null(16, 8).greater, 0.031, 5e-4);
  EXPECT_NEAR(kendall_null(21, 10).greater, 0.036, 5e-4);
}

// Zar (1972): the critical ρ of the two-sided 5 % test is .648 for n = 10, .587 for 12 and .538
// for 14. The next smaller values of ρ are .636, .580 and .534. A swap of two values k apart in the
// identity adds 2k² to Σd².
TEST(ExactNull, SpearmanReproducesPublishedCriticalValues) {
  using Swaps = std::vector<std::pair<Index, Index>>;
  const auto two_sided = [](Index n, double rho, const Swaps& swaps) {
    Eigen::VectorXd x(n);
    for (Index i = 0; i < n; ++i) x[i] = static_cast<double>(i);
    Eigen::VectorXd y = x;
    for (const auto& [i, j] : swaps) std::swap(y[i], y[j]);
    const DenseRanks a = dense_ranks(x);
    const DenseRanks b = dense_ranks(y);
    EXPECT_NEAR(spearman_correlation(a, b).estimate, rho, 5e-4);
    return rank_product_null(a, b).value().two_sided;
  };
  EXPECT_LE(two_sided(10, 0.648, {{0, 5}, {1, 3}}), 0.05);
  EXPECT_GT(two_sided(10, 0.636, {{0, 5}, {1, 3}, {6, 7}}), 0.05);
  EXPECT_LE(two_sided(12, 0.587, {{0, 7}, {1, 4}, {2, 3}}), 0.05);
  EXPECT_GT(two_sided(12, 0.580, {{0, 7}, {1, 4}, {2, 3}, {5, 6}}), 0.05);
  EXPECT_LE(two_sided(14, 0.538, {{0, 10}, {1, 3}, {4, 5}}), 0.05);
  EXPECT_GT(two_sided(14, 0.534, {{0, 10}, {1, 3}, {4, 5}, {6, 7}}), 0.05);
}

// The error that the header states.
TEST(ExactNull, SpearmanSeriesIsAsAccurateAsStated) {
  for (const auto& [n, error] : {std::pair{10, 5.7e-4}, {12, 2.0e-4}, {14, 7.3e-5}}) {
    double worst = 0;
    for (int replicate = 0; replicate < 12; ++replicate) {
      RandomStream stream(Seed{10}, static_cast<std::uint64_t>(replicate));
      const Eigen::VectorXd x = oracle::random_values(stream, n, 0);
      const Eigen::VectorXd y = oracle::random_values(stream, n, 0) + 0.15 * replicate * x;
      const DenseRanks a = dense_ranks(x);
      const DenseRanks b = dense_ranks(y);
      const double rho = spearman_correlation(a, b, {.exact = {.test = ExactTest::no}}).estimate;
      const double exact = rank_product_null(a, b).value().greater;
      worst = std::max(worst, std::abs(exact - spearman_null_series(rho, n).greater));
    }
    EXPECT_LT(worst, error) << n;
  }
}

TEST(ExactNull, KendallSeriesAgreesWithTheRecurrence) {
  for (const Index n : {100, 400})
    for (const double z : {0.0, 0.5, 1.0, 2.0, 3.0, 4.0}) {
      const double sd = std::sqrt(kendall_score_variance(static_cast<double>(n), {}, {}));
      const double pairs = static_cast<double>(n * (n - 1)) / 2;
      const double s = 2 * std::floor(z * sd / 2) + std::fmod(pairs, 2.0);
      EXPECT_NEAR(kendall_null_series(s, n).greater, kendall_null(s, n).greater, 1e-9)
          << n << " " << z;
    }
}

TEST(ExactNull, TailsMirrorEachOther) {
  const TailProbabilities tails = kendall_null(8, 9);
  EXPECT_NEAR(kendall_null(-8, 9).less, tails.greater, 1e-15);
  EXPECT_NEAR(tails.two_sided, 2 * tails.greater, 1e-15);
}

TEST(ExactNull, PermutationsAgreeWithinMonteCarloError) {
  RandomStream stream(Seed{12}, 0);
  const Eigen::VectorXd x = oracle::random_values(stream, 14, 4);
  const Eigen::VectorXd y = oracle::random_values(stream, 14, 3) + 0.4 * x;
  const DenseRanks a = dense_ranks(x);
  const DenseRanks b = dense_ranks(y);
  const ExactOptions options{.test = ExactTest::yes, .permutations = 20'000, .seed = Seed{1}};
  const double p = kendall_null_given_ties(a, b).value().two_sided;
  EXPECT_NEAR(kendall_permutation(a, b, options).two_sided, p, 4 * std::sqrt(p * (1 - p) / 20'000));
  const double q = rank_product_null(a, b).value().greater;
  EXPECT_NEAR(rank_product_permutation(a, b, options).greater, q,
              4 * std::sqrt(q * (1 - q) / 20'000));
}

TEST(ExactNull, PermutationsDoNotDependOnThreads) {
  RandomStream stream(Seed{13}, 0);
  const DenseRanks a = dense_ranks(oracle::random_values(stream, 50, 6));
  const DenseRanks b = dense_ranks(oracle::random_values(stream, 50, 0));
  const TailProbabilities one =
      kendall_permutation(a, b, {.permutations = 500, .seed = Seed{4}, .threads = 1});
  const TailProbabilities four =
      kendall_permutation(a, b, {.permutations = 500, .seed = Seed{4}, .threads = 4});
  EXPECT_EQ(one.two_sided, four.two_sided);
  EXPECT_EQ(one.less, four.less);
}

TEST(ExactNull, SignedRanksAgreeWithAllSigns) {
  const Eigen::VectorXd ranks{{1, 2.5, 2.5, 4, 5}};
  const double observed = 1 + 2.5 - 2.5 + 4 + 5;
  oracle::Tails expected;
  for (unsigned signs = 0; signs < 32; ++signs) {
    double t = 0;
    for (Index i = 0; i < 5; ++i) t += ((signs >> i) & 1U) != 0 ? ranks[i] : -ranks[i];
    expected.less += t <= observed ? 1 / 32.0 : 0;
    expected.greater += t >= observed ? 1 / 32.0 : 0;
    expected.two_sided += std::abs(t) >= std::abs(observed) ? 1 / 32.0 : 0;
  }
  expect_tails(signed_rank_null(observed, ranks), expected, "signed ranks");
}

}  // namespace
}  // namespace rapport
