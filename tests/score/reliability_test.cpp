#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/reliability.hpp>

#include <gtest/gtest.h>

#include "reference_values.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <rapidcheck.h>

namespace rapport {
namespace {

using testing::keyed_bfi;
using testing::reference;

Eigen::MatrixXd random_items(Index n, Index k, std::uint64_t seed, double loading = 0.6) {
  RandomStream stream(Seed{seed}, 2);
  Eigen::MatrixXd x(n, k);
  for (Index i = 0; i < n; ++i) {
    const double factor = stream.normal();
    for (Index j = 0; j < k; ++j) x(i, j) = loading * factor + stream.normal();
  }
  return x;
}

void expect_item_statistics(const std::string& name, const ReliabilityResult& result) {
  for (std::size_t j = 0; j < result.items.size(); ++j) {
    const auto value = [&](const char* quantity) {
      return reference(name + "." + quantity + "." + std::to_string(j + 1));
    };
    const ItemStatistic& item = result.items[j];
    EXPECT_EQ(static_cast<double>(item.n), value("n"));
    EXPECT_NEAR(item.mean, value("mean"), 1e-12);
    EXPECT_NEAR(item.sd, value("sd"), 1e-12);
    EXPECT_NEAR(item.r_total, value("r_total"), 1e-12);
    EXPECT_NEAR(item.r_corrected, value("r_corrected"), 1e-11);
    EXPECT_NEAR(item.r_drop, value("r_drop"), 1e-12);
    EXPECT_NEAR(item.alpha_if_dropped, value("dropped"), 1e-12);
  }
}

TEST(Reliability, EqualsPsych) {
  for (const std::string name : {"pairwise", "listwise"}) {
    const ItemMissing missing_rule =
        name == "pairwise" ? ItemMissing::pairwise : ItemMissing::listwise;
    const ReliabilityResult result = reliability(keyed_bfi(), {.missing = missing_rule});
    const auto value = [&](const char* quantity) { return reference(name + "." + quantity); };
    EXPECT_NEAR(result.alpha.estimate, value("alpha"), 1e-13) << name;
    EXPECT_NEAR(result.alpha.standard_error, value("standard_error"), 1e-13) << name;
    EXPECT_NEAR(result.alpha.standardized, value("standardized"), 1e-13) << name;
    EXPECT_NEAR(result.alpha.mean_inter_item_correlation, value("mean_r"), 1e-13) << name;
    EXPECT_NEAR(result.alpha.ci.lower, value("feldt_lower"), 1e-10) << name;
    EXPECT_NEAR(result.alpha.ci.upper, value("feldt_upper"), 1e-10) << name;
    expect_item_statistics(name, result);
  }
}

TEST(GuttmanLambdas, EqualPsychSplitHalf) {
  const ReliabilityResult result = reliability(keyed_bfi().rightCols(5));
  EXPECT_NEAR(result.guttman.lambda2, reference("guttman.lambda2"), 1e-12);
  EXPECT_NEAR(result.guttman.lambda6, reference("guttman.lambda6"), 1e-12);
  EXPECT_DOUBLE_EQ(result.guttman.lambda3, result.alpha.estimate);
}

/// Rulon's coefficient of every division into halves of 6 or 7 items, counted out.
TEST(SplitHalves, AreThoseOfAllEqualSplits) {
  for (const Index k : {2, 3, 6, 7}) {
    const Eigen::MatrixXd c = covariance_matrix(random_items(60, k, 4));
    double least = 2;
    double greatest = -2;
    double sum = 0;
    double count = 0;
    for (unsigned set = 0; set < (1U << static_cast<unsigned>(k)); ++set) {
      Eigen::VectorXd half(k);
      for (Index j = 0; j < k; ++j) half[j] = (set >> static_cast<unsigned>(j)) & 1U;
      if (std::abs(2 * half.sum() - static_cast<double>(k)) > 1) continue;
      const double rulon = 4 * half.dot(c * (Eigen::VectorXd::Ones(k) - half)) / c.sum();
      least = std::min(least, rulon);
      greatest = std::max(greatest, rulon);
      sum += rulon;
      count += 1;
    }
    const SplitHalves halves = split_halves(c);
    EXPECT_TRUE(halves.exact);
    EXPECT_NEAR(halves.minimum, least, 1e-12) << k;
    EXPECT_NEAR(halves.maximum, greatest, 1e-12) << k;
    EXPECT_NEAR(halves.mean, sum / count, 1e-12) << k;
    EXPECT_NEAR(guttman_lambdas(c).lambda4, greatest, 1e-12) << k;
  }
}

/// 26 items in 13 pairs that hang together: the best split parts every pair, the worst none (12
/// pairs of 13, one parted).
TEST(SplitHalves, ExchangeFindsTheExtremesOfALongScale) {
  const Index k = 28;
  Eigen::MatrixXd c = Eigen::MatrixXd::Constant(k, k, 0.1);
  for (Index j = 0; j < k; j += 2) c(j, j + 1) = c(j + 1, j) = 0.6;
  c.diagonal().setOnes();
  const SplitHalves halves = split_halves(c);
  EXPECT_FALSE(halves.exact);
  const double total = c.sum();
  EXPECT_NEAR(halves.maximum, 4 * (14 * 0.6 + (196 - 14) * 0.1) / total, 1e-12);
  EXPECT_NEAR(halves.minimum, 4 * 196 * 0.1 / total, 1e-12);
}

TEST(CronbachAlpha, IsTheMeanOfAllSplitHalvesForAnEvenNumberOfItems) {
  rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
    const Eigen::MatrixXd x = random_items(40, 6, seed);
    RC_ASSERT(std::abs(split_halves(covariance_matrix(x)).mean - cronbach_alpha(x).estimate) <
              1e-12);
  });
}

TEST(CronbachAlpha, DoesNotChangeWithOriginUnitOrOrder) {
  rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000);
    const Eigen::MatrixXd x = random_items(300, 5, seed);
    const AlphaResult alpha = cronbach_alpha(x);
    const Eigen::MatrixXd shifted = (1e6 + 3 * x.rowwise().reverse().array()).matrix();
    const AlphaResult other = cronbach_alpha(shifted);
    RC_ASSERT(std::abs(alpha.estimate - other.estimate) < 1e-8);
    RC_ASSERT(std::abs(alpha.standard_error - other.standard_error) < 1e-8);
  });
}

/// Two parallel items: α is Spearman–Brown of their correlation.
TEST(CronbachAlpha, OfTwoItemsWithEqualVariances) {
  Eigen::MatrixXd x(4, 2);
  x << 1, 2, 2, 1, 3, 4, 4, 3;
  EXPECT_NEAR(cronbach_alpha(x).estimate, 2 * 0.6 / 1.6, 1e-14);
}

TEST(CronbachAlpha, UndefinedAndRefused) {
  EXPECT_TRUE(is_missing(cronbach_alpha(Eigen::MatrixXd::Ones(5, 3)).estimate));
  EXPECT_THROW((void)cronbach_alpha(Eigen::MatrixXd::Ones(5, 1)), InvalidArgument);
  EXPECT_THROW((void)cronbach_alpha(Eigen::MatrixXd::Constant(5, 3, missing)), DataError);
  EXPECT_THROW((void)cronbach_alpha(Eigen::MatrixXd::Ones(5, 3), {.confidence_level = 1}),
               InvalidArgument);
}

/// With normal items the distribution-free error and the bootstrap agree with normal theory.
TEST(CronbachAlpha, StandardErrorsAgreeOnNormalItems) {
  const Eigen::MatrixXd x = random_items(4000, 5, 17);
  const double normal = cronbach_alpha(x).standard_error;
  EXPECT_NEAR(
      cronbach_alpha(x, {.interval = AlphaInterval::distribution_free}).standard_error / normal, 1,
      0.06);
  EXPECT_NEAR(bootstrap_alpha(x.topRows(500), Seed{1}, 400).standard_error /
                  cronbach_alpha(x.topRows(500)).standard_error,
              1, 0.15);
}

/// The jackknife of α is the independent oracle of its influence-based standard error.
TEST(CronbachAlpha, DistributionFreeErrorIsTheInfinitesimalJackknife) {
  const Eigen::ArrayXXd z = random_items(400, 4, 23);
  const Eigen::MatrixXd x = (z + 0.2 * z.square()).matrix();  // skewed
  const Index n = x.rows();
  Eigen::VectorXd pseudo(n);
  for (Index i = 0; i < n; ++i) {
    Eigen::MatrixXd rest(n - 1, x.cols());
    rest << x.topRows(i), x.bottomRows(n - 1 - i);
    pseudo[i] = cronbach_alpha(rest).estimate;
  }
  const double jackknife = std::sqrt(static_cast<double>(n - 1) / static_cast<double>(n) *
                                     (pseudo.array() - pseudo.mean()).square().sum());
  EXPECT_NEAR(
      cronbach_alpha(x, {.interval = AlphaInterval::distribution_free}).standard_error / jackknife,
      1, 0.06);
}

TEST(FeldtInterval, EqualsPsych) {
  const ConfidenceInterval ci = feldt_interval(0.8, 100, 10);
  EXPECT_NEAR(ci.lower, reference("feldt.lower"), 1e-12);
  EXPECT_NEAR(ci.upper, reference("feldt.upper"), 1e-12);
}

}  // namespace
}  // namespace rapport
