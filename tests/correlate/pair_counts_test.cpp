#include <rapport/correlate/pair_counts.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"
#include <numeric>

namespace rapport {
namespace {

void expect_same(const PairCounts& found, const PairCounts& expected, const std::string& where) {
  EXPECT_EQ(found.concordant, expected.concordant) << where;
  EXPECT_EQ(found.discordant, expected.discordant) << where;
  EXPECT_EQ(found.tied_x, expected.tied_x) << where;
  EXPECT_EQ(found.tied_y, expected.tied_y) << where;
  EXPECT_EQ(found.tied_both, expected.tied_both) << where;
}

// Levels (0: continuous) choose the way: table, inversions of untied, half-tied and tied columns.
TEST(PairCounts, AgreeWithTheDefinition) {
  std::uint64_t replicate = 0;
  for (const Index n : {2, 3, 17, 64, 65, 130, 401})
    for (const Index levels_x : {0, 2, 5, 40, 200})
      for (const Index levels_y : {0, 3, 40, 200}) {
        RandomStream stream(Seed{5}, replicate++);
        const Eigen::VectorXd x = oracle::random_values(stream, n, levels_x);
        Eigen::VectorXd y = oracle::random_values(stream, n, levels_y);
        if (levels_x == levels_y) y = (y + x).eval();  // related, with more joint ties
        const DenseRanks a = dense_ranks(x);
        const DenseRanks b = dense_ranks(y);
        const std::string where =
            std::to_string(n) + ": " + std::to_string(levels_x) + "/" + std::to_string(levels_y);
        const PairCounts expected = oracle::pairs_by_definition(x, y);
        expect_same(count_pairs(a, b), expected, where);
        expect_same(count_pairs(quadrant_counts(a, b)), expected, where + " by quadrants");
        expect_same(count_pairs(cross_table(a, b)), expected, where + " by table");
      }
}

TEST(PairCounts, OfOneObservationAreNone) {
  const DenseRanks one = dense_ranks(Eigen::VectorXd{{3}});
  expect_same(count_pairs(one, one), {}, "n = 1");
  const DenseRanks none = dense_ranks(Eigen::VectorXd{});
  expect_same(count_pairs(none, none), {}, "n = 0");
}

TEST(PairCounts, WeightsAreCounts) {
  RandomStream stream(Seed{6}, 0);
  const Eigen::VectorXd x = oracle::random_values(stream, 40, 6);
  const Eigen::VectorXd y = oracle::random_values(stream, 40, 0);
  const Eigen::VectorXd weights = oracle::random_values(stream, 40, 4);
  const auto total = static_cast<Index>(weights.sum());
  Eigen::VectorXd expanded_x(total);
  Eigen::VectorXd expanded_y(total);
  Index row = 0;
  for (Index i = 0; i < 40; ++i)
    for (double copy = 0; copy < weights[i]; ++copy) {
      expanded_x[row] = x[i];
      expanded_y[row++] = y[i];
    }
  const QuadrantCounts quadrants = quadrant_counts(dense_ranks(x), dense_ranks(y), weights);
  expect_same(count_pairs(quadrants, weights), oracle::pairs_by_definition(expanded_x, expanded_y),
              "expanded");
}

TEST(QuadrantCounts, AgreeWithTheDefinition) {
  RandomStream stream(Seed{7}, 0);
  const Eigen::VectorXd x = oracle::random_values(stream, 60, 8);
  const Eigen::VectorXd y = oracle::random_values(stream, 60, 5);
  const QuadrantCounts quadrants = quadrant_counts(dense_ranks(x), dense_ranks(y));
  const Eigen::VectorXd concordant = concordant_with_each(quadrants);
  const Eigen::VectorXd discordant = discordant_with_each(quadrants);
  for (Index i = 0; i < 60; ++i) {
    const auto less_x = x.array() < x[i];
    const auto less_y = y.array() < y[i];
    EXPECT_EQ(quadrants.less_less[i], (less_x && less_y).count());
    EXPECT_EQ(quadrants.less_equal[i], (less_x && y.array() == y[i]).count());
    EXPECT_EQ(quadrants.equal_less[i], (x.array() == x[i] && less_y).count());
    EXPECT_EQ(quadrants.equal_equal[i], (x.array() == x[i] && y.array() == y[i]).count());
    const Eigen::ArrayXd product = (x.array() - x[i]) * (y.array() - y[i]);
    EXPECT_EQ(concordant[i], (product > 0).count());
    EXPECT_EQ(discordant[i], (product < 0).count());
  }
}

TEST(Inversions, AgreeWithTheDefinition) {
  for (const Index n : {0, 1, 2, 63, 64, 65, 127, 128, 129, 1000, 1024, 1500}) {
    RandomStream stream(Seed{8}, static_cast<std::uint64_t>(n));
    std::vector<std::uint32_t> sequence(static_cast<std::size_t>(n));
    std::iota(sequence.begin(), sequence.end(), 0U);
    for (std::size_t i = sequence.size(); i > 1; --i)
      std::swap(sequence[i - 1],
                sequence[static_cast<std::size_t>(stream.below(static_cast<Index>(i)))]);
    double expected = 0;
    for (std::size_t i = 0; i < sequence.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) expected += sequence[j] > sequence[i] ? 1 : 0;
    EXPECT_EQ(count_inversions(sequence), expected) << n;
  }
}

TEST(Inversions, OfTheReversedOrderAreAllPairs) {
  std::vector<std::uint32_t> sequence(100'000);
  std::iota(sequence.rbegin(), sequence.rend(), 0U);
  EXPECT_EQ(count_inversions(sequence), 1e5 * (1e5 - 1) / 2);
}

}  // namespace
}  // namespace rapport
