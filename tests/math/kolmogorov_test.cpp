#include <rapport/base/random.hpp>
#include <rapport/math/kolmogorov.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

// scipy 1.10.1: scipy.stats.kstwo(n).sf(d).
TEST(Kolmogorov, UpperTailAgreesWithScipy) {
  EXPECT_NEAR(kolmogorov_upper_tail(0.3, 5), 0.664, 1e-10);
  EXPECT_NEAR(kolmogorov_upper_tail(0.2, 20), 0.352720173623415, 1e-10);
  EXPECT_NEAR(kolmogorov_upper_tail(0.31, 20), 0.0332364068365989, 1e-10);
  EXPECT_NEAR(kolmogorov_upper_tail(0.08, 100), 0.5182193645480672, 1e-10);
  EXPECT_NEAR(kolmogorov_upper_tail(0.13, 100), 0.0620923406987627, 1e-10);
  EXPECT_NEAR(kolmogorov_upper_tail(0.045, 700), 0.11390104143359137, 1e-8);
  EXPECT_NEAR(kolmogorov_upper_tail(0.25, 100), 5.408871776434847e-06, 1e-06);
  EXPECT_NEAR(kolmogorov_upper_tail(0.015, 5000), 0.20846142096186204, 1e-3);
  EXPECT_NEAR(kolmogorov_upper_tail(0.02, 5000), 0.03613941395325637, 1e-3);
}

TEST(Kolmogorov, DistanceIsTheDefinition) {
  const Eigen::Vector3d values(0.2, 0.9, 0.25);
  EXPECT_NEAR(kolmogorov_distance(values), 2.0 / 3 - 0.25, 1e-15);
  EXPECT_TRUE(std::isnan(kolmogorov_distance(Eigen::VectorXd())));
  EXPECT_TRUE(std::isnan(kolmogorov_distance(Eigen::VectorXd::Constant(2, std::nan("")))));
}

TEST(Kolmogorov, EndsOfTheSupport) {
  EXPECT_EQ(kolmogorov_upper_tail(0, 5), 1);
  EXPECT_EQ(kolmogorov_upper_tail(1, 5), 0);
  // P(D < d) of one value: D = max(u, 1 − u).
  EXPECT_NEAR(kolmogorov_upper_tail(0.7, 1), 0.6, 1e-12);
}

}  // namespace
}  // namespace rapport
