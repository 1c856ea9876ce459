#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/chains.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// Chains x_t = ρ x_{t−1} + noise with variance 1.
Eigen::MatrixXd chains(double correlation, Index iterations, Index count) {
  Eigen::MatrixXd draws(iterations, count);
  for (Index c = 0; c < count; ++c) {
    RandomStream stream(Seed{3}, static_cast<std::uint64_t>(c));
    double x = stream.normal();
    for (Index t = 0; t < iterations; ++t) {
      draws(t, c) = x;
      x = correlation * x + std::sqrt(1 - correlation * correlation) * stream.normal();
    }
  }
  return draws;
}

TEST(Chains, IndependentDrawsAgree) {
  const ChainDiagnostic d = chain_diagnostic(chains(0, 2000, 4));
  EXPECT_NEAR(d.r_hat, 1, 0.005);
  EXPECT_NEAR(d.autocorrelation, 0, 0.05);
  EXPECT_NEAR(d.effective_size / 8000, 1, 0.15);
  EXPECT_NEAR(d.mean, 0, 0.05);
  EXPECT_NEAR(d.sd, 1, 0.05);
}

TEST(Chains, AutocorrelationTakesItsShareOfTheDraws) {
  const ChainDiagnostic d = chain_diagnostic(chains(0.8, 20000, 4), 3);
  EXPECT_NEAR(d.autocorrelation, 0.512, 0.03);
  EXPECT_NEAR(d.effective_size / 80000, 0.2 / 1.8, 0.02);  // (1 − ρ) / (1 + ρ)
}

TEST(Chains, ByTheirDefinition) {
  // Halves (1, 3) (2, 6) and (0, 4) (5, 7): within ½(2 + 8 + 8 + 2)/2 …
  Eigen::MatrixXd draws(4, 2);
  draws << 1, 0, 3, 4, 2, 5, 6, 7;
  const double within = (2.0 + 8 + 8 + 2) / 4;
  const Eigen::Vector4d means(2, 4, 2, 6);
  const double between = (means.array() - means.mean()).square().sum() / 3;
  EXPECT_NEAR(chain_diagnostic(draws).r_hat, std::sqrt((within / 2 + between) / within), 1e-14);
}

TEST(Chains, ThatDifferAreSeen) {
  Eigen::MatrixXd draws = chains(0, 500, 3);
  draws.col(1).array() += 3;
  EXPECT_GT(chain_diagnostic(draws).r_hat, 1.5);
  EXPECT_LT(chain_diagnostic(draws).effective_size, 30);
  Eigen::MatrixXd drifting = chains(0, 500, 3);
  drifting.colwise() += Eigen::VectorXd::LinSpaced(500, 0, 3);
  EXPECT_GT(chain_diagnostic(drifting).r_hat, 1.1);
}

TEST(Chains, WithoutVariationNothingIsKnown) {
  const ChainDiagnostic d = chain_diagnostic(Eigen::MatrixXd::Ones(10, 2));
  EXPECT_TRUE(std::isnan(d.r_hat));
  EXPECT_EQ(d.sd, 0);
  EXPECT_THROW((void)chain_diagnostic(Eigen::MatrixXd::Ones(3, 2)), InvalidArgument);
  EXPECT_THROW((void)chain_diagnostic(Eigen::MatrixXd::Ones(10, 2), 10), InvalidArgument);
}

}  // namespace
}  // namespace rapport
