#include <rapport/base/parallel.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace rapport {
namespace {

TEST(ParallelFor, VisitsEachIndexOnce) {
  for (const int threads : {0, 1, 3, 16}) {
    std::vector<int> visits(1000, 0);
    parallel_for(1000, threads, [&](Index i) { ++visits[static_cast<std::size_t>(i)]; });
    EXPECT_EQ(visits, std::vector<int>(1000, 1));
  }
}

TEST(ParallelFor, DoesNothingForNoWork) {
  parallel_for(0, 4, [](Index) { FAIL(); });
}

TEST(ParallelFor, RethrowsTheFirstFailureInIndexOrder) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    try {
      parallel_for(100, 4, [](Index i) {
        if (i % 10 == 7) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
  }
}

}  // namespace
}  // namespace rapport
