#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace rapport {
namespace {

using Counter = std::array<std::uint32_t, 4>;

// Known answers of Random123 (Salmon et al. 2011), file kat_vectors, rows "philox4x32 10".
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) ==
              Counter{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});
static_assert(philox4x32({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) ==
              Counter{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU});
static_assert(philox4x32({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U},
                         {0xa4093822U, 0x299f31d0U}) ==
              Counter{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U});

TEST(RandomStream, IsAFunctionOfSeedAndReplicate) {
  RandomStream a(Seed{7}, 3);
  RandomStream b(Seed{7}, 3);
  RandomStream other(Seed{7}, 4);
  EXPECT_EQ(a.bits(), b.bits());
  EXPECT_NE(a.bits(), other.bits());
}

// Mean and variance of n draws lie within 5 Monte-Carlo standard errors of the distribution's.
void expect_moments(const std::vector<double>& draws, double mean, double variance,
                    double fourth_central) {
  const auto n = static_cast<double>(draws.size());
  double sum = 0;
  for (const double x : draws) sum += x;
  const double m = sum / n;
  double squares = 0;
  for (const double x : draws) squares += (x - m) * (x - m);
  EXPECT_NEAR(m, mean, 5 * std::sqrt(variance / n));
  EXPECT_NEAR(squares / n, variance, 5 * std::sqrt((fourth_central - variance * variance) / n));
}

TEST(RandomStream, MomentsAreThoseOfTheDistributions) {
  constexpr std::size_t n = 200000;
  RandomStream stream(Seed{1}, 0);
  std::vector<double> uniform(n);
  std::vector<double> normal(n);
  std::vector<double> exponential(n);
  std::vector<double> gamma(n);
  for (std::size_t i = 0; i < n; ++i) {
    uniform[i] = stream.uniform();
    normal[i] = stream.normal();
    exponential[i] = stream.exponential();
    gamma[i] = stream.gamma(0.4);
  }
  expect_moments(uniform, 0.5, 1.0 / 12, 1.0 / 80);
  expect_moments(normal, 0, 1, 3);
  expect_moments(exponential, 1, 1, 9);
  expect_moments(gamma, 0.4, 0.4, 3 * 0.4 * 0.4 + 6 * 0.4);
}

TEST(RandomStream, BelowIsUniformAndStaysBelow) {
  RandomStream stream(Seed{2}, 0);
  std::array<int, 6> counts{};
  constexpr int n = 60000;
  for (int i = 0; i < n; ++i) ++counts.at(static_cast<std::size_t>(stream.below(6)));
  double chi = 0;
  for (const int count : counts) chi += (count - 1e4) * (count - 1e4) / 1e4;
  EXPECT_LT(chi, 30.86);  // upper 1e-5 point of χ²₅
  EXPECT_EQ(stream.below(1), 0);
}

TEST(RandomStream, UniformIsOpenAtBothEnds) {
  RandomStream stream(Seed{3}, 0);
  double least = 1;
  double largest = 0;
  for (int i = 0; i < 100000; ++i) {
    const double u = stream.uniform();
    least = std::min(least, u);
    largest = std::max(largest, u);
  }
  EXPECT_GT(least, 0);
  EXPECT_LT(largest, 1);
}

}  // namespace
}  // namespace rapport
