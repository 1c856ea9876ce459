#include <rapport/base/random.hpp>
#include <rapport/math/dense_ranks.hpp>
#include <rapport/math/ranks.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace rapport {
namespace {

/// Columns that take each way of ranking: whole numbers, few values, continuous, clustered bits,
/// wild magnitudes, ±0.
Eigen::VectorXd column(Index n, int kind) {
  RandomStream stream(Seed{3}, static_cast<std::uint64_t>(kind));
  Eigen::VectorXd x(n);
  for (double& value : x) {
    switch (kind) {
      case 0:
        value = static_cast<double>(stream.below(9)) - 4;
        break;
      case 1:
        value = static_cast<double>(stream.below(100)) * 7 + 1e6;
        break;
      case 2:
        value = static_cast<double>(stream.below(30)) / 7;
        break;
      case 3:
        value = stream.normal();
        break;
      case 4:
        value = 1 + 1e-12 * static_cast<double>(stream.below(5000));
        break;
      case 5:
        value = std::exp(200 * stream.normal()) * (stream.below(2) == 0 ? 1 : -1);
        break;
      case 6:
        value = stream.below(2) == 0 ? -0.0 : 0.0;
        break;
      default:
        value = std::round(stream.normal() * 400) / 1000;
        break;
    }
  }
  return x;
}

TEST(DenseRanks, CountTheDistinctValuesBelow) {
  for (const Index n : {0, 1, 2, 3, 64, 777, 5000})
    for (int kind = 0; kind < 8; ++kind) {
      const Eigen::VectorXd x = column(n, kind);
      const std::set<double> distinct(x.begin(), x.end());
      const DenseRanks ranks = dense_ranks(x);
      ASSERT_EQ(ranks.distinct(), static_cast<Index>(distinct.size())) << kind;
      std::vector<std::int32_t> count(distinct.size(), 0);
      for (Index i = 0; i < n; ++i) {
        const auto below = std::distance(distinct.begin(), distinct.find(x[i]));
        ASSERT_EQ(ranks.rank[static_cast<std::size_t>(i)], below)
            << "kind " << kind << ", row " << i;
        ++count[static_cast<std::size_t>(below)];
      }
      EXPECT_EQ(ranks.count, count);
    }
}

TEST(DenseRanks, MidranksAgreeWithThoseOfTheValues) {
  const Eigen::VectorXd x = column(500, 0);
  const DenseRanks ranks = dense_ranks(x);
  const Eigen::VectorXd of_distinct = midrank_of_distinct(ranks);
  const Eigen::VectorXd expected = midranks(x);
  for (Index i = 0; i < x.size(); ++i)
    EXPECT_EQ(of_distinct[ranks.rank[static_cast<std::size_t>(i)]], expected[i]);
}

TEST(DenseRanks, StartsAreRunningSums) {
  const DenseRanks ranks = dense_ranks(Eigen::VectorXd{{2, 1, 2, 5}});
  EXPECT_EQ(rank_starts(ranks), (std::vector<std::int32_t>{0, 1, 3, 4}));
}

}  // namespace
}  // namespace rapport
