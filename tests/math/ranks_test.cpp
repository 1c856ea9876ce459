#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/ranks.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace rapport {
namespace {

/// Values of the kinds that sorting meets: continuous of either sign, few categories, near ties,
/// wild magnitudes.
Eigen::VectorXd values(Index n, int kind) {
  RandomStream stream(Seed{11}, static_cast<std::uint64_t>(kind));
  Eigen::VectorXd x(n);
  for (double& value : x) {
    switch (kind) {
      case 0:
        value = stream.normal();
        break;
      case 1:
        value = static_cast<double>(stream.below(7)) - 3;
        break;
      case 2:
        value = 1e9 + 1e-7 * std::round(100 * stream.uniform());
        break;
      case 3:
        value = std::exp(200 * stream.normal()) * (stream.below(2) == 0 ? 1 : -1);
        break;
      default:
        value = stream.below(2) == 0 ? -0.0 : 0.0;
        break;
    }
  }
  return x;
}

TEST(AscendingOrder, IsTheStableOrder) {
  for (const Index n : {0, 1, 2, 37, 499, 500, 501, 4000}) {
    for (int kind = 0; kind < 5; ++kind) {
      const Eigen::VectorXd x = values(n, kind);
      std::vector<Index> expected(static_cast<std::size_t>(n));
      std::iota(expected.begin(), expected.end(), Index{0});
      std::stable_sort(expected.begin(), expected.end(),
                       [&](Index a, Index b) { return x[a] < x[b]; });
      EXPECT_EQ(ascending_order(x), expected) << n << " values of kind " << kind;
    }
  }
}

TEST(AscendingOrder, TakesInfinities) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Eigen::VectorXd x{{infinity, 0, -infinity, 1e308, -1e308}};
  EXPECT_EQ(ascending_order(x), (std::vector<Index>{2, 4, 1, 3, 0}));
}

// Definition: the number below, plus half of the ties beside the value itself, plus 1.
TEST(Midranks, MatchTheirDefinition) {
  for (const Index n : {1, 40, 700}) {
    for (int kind = 0; kind < 5; ++kind) {
      const Eigen::VectorXd x = values(n, kind);
      const Eigen::VectorXd ranks = midranks(x);
      for (Index i = 0; i < n; ++i) {
        const auto below = static_cast<double>((x.array() < x[i]).count());
        const auto tied = static_cast<double>((x.array() == x[i]).count());
        ASSERT_EQ(ranks[i], below + 0.5 * (tied + 1));
      }
    }
  }
}

TEST(Midranks, WeightsStandForRepeatedValues) {
  const Eigen::VectorXd x{{2, 1, 2, 5, 3}};
  const Eigen::VectorXd weights{{1, 3, 2, 0, 1}};
  const Eigen::VectorXd repeated{{2, 1, 1, 1, 2, 2, 3}};
  const Eigen::VectorXd expected = midranks(repeated);
  const Eigen::VectorXd ranks = midranks(x, weights);
  EXPECT_EQ(ranks[0], expected[0]);
  EXPECT_EQ(ranks[1], expected[1]);
  EXPECT_EQ(ranks[2], expected[4]);
  EXPECT_EQ(ranks[4], expected[6]);
  EXPECT_EQ(midranks(repeated, Eigen::VectorXd::Ones(7)), expected);
  EXPECT_THROW(static_cast<void>(midranks(x, Eigen::VectorXd::Constant(5, -1))), InvalidArgument);
  EXPECT_THROW(static_cast<void>(midranks(x, Eigen::VectorXd::Ones(4))), InvalidArgument);
}

TEST(TieSizes, CountGroupsOfEqualValues) {
  EXPECT_EQ(tie_sizes(Eigen::VectorXd{{3, 1, 3, 2, 1, 3, 9}}), (TieSizes{2, 3}));
  EXPECT_TRUE(tie_sizes(Eigen::VectorXd{{3, 1, 2}}).empty());
  EXPECT_EQ(tie_sizes(Eigen::VectorXd{{-0.0, 0.0}}), (TieSizes{2}));
}

}  // namespace
}  // namespace rapport
