#include <rapport/alliance/meta.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>

/// Coverage of the pooled effect's interval and of the prediction interval, by simulation of
/// Fisher's z from 30 to 300 persons.
namespace rapport {
namespace {

Index replicates() {
  const char* asked = std::getenv("RAPPORT_VALIDATION_REPLICATES");
  return asked != nullptr ? std::stol(asked) : 2000;
}

struct Condition {
  Index k;
  double i2;
};
void PrintTo(const Condition& condition, std::ostream* out) {
  *out << condition.k << " studies, I2 " << condition.i2;
}

struct Coverage {
  double normal = 0;  ///< of the Wald interval with the normal
  double knapp_hartung = 0;
  double prediction = 0;  ///< of a new true effect, t on k − 1
  double tau2 = 0;        ///< of the Q-profile interval
  double error = 0;       ///< Monte-Carlo standard error at the nominal level
};

bool holds(const ConfidenceInterval& interval, double value) {
  return interval.lower <= value && value <= interval.upper;
}

/// One analysis: which of the four intervals hold the truth.
Eigen::Vector4d replicate(const Condition& condition, Index r) {
  RandomStream stream(Seed{2018}, static_cast<std::uint64_t>(r));
  MetaData data;
  data.effect.resize(condition.k);
  data.variance.resize(condition.k);
  for (Index i = 0; i < condition.k; ++i)
    data.variance[i] = 1 / (27 + std::floor(271 * stream.uniform()));
  // τ² such that I² is as wanted for the variances at hand (Higgins & Thompson 2002, equation 9).
  const Eigen::ArrayXd w = data.variance.cwiseInverse();
  const double typical =
      static_cast<double>(condition.k - 1) * w.sum() / (w.sum() * w.sum() - w.square().sum());
  const double tau2 = typical * condition.i2 / (1 - condition.i2);
  const double mean = 0.28;
  for (Index i = 0; i < condition.k; ++i)
    data.effect[i] = mean + std::sqrt(tau2 + data.variance[i]) * stream.normal();
  const double fresh = mean + std::sqrt(tau2) * stream.normal();
  const MetaFit normal = fit_meta(data);
  const MetaFit knapp_hartung = fit_meta(data, {.test = MetaTest::knapp_hartung});
  return {holds(normal.coefficients[0].ci, mean) ? 1.0 : 0.0,
          holds(knapp_hartung.coefficients[0].ci, mean) ? 1.0 : 0.0,
          holds(*knapp_hartung.prediction_interval, fresh) ? 1.0 : 0.0,
          holds(tau2_interval(data), tau2) ? 1.0 : 0.0};
}

Coverage coverage(const Condition& condition) {
  const Index n = replicates();
  Eigen::Matrix4Xd covered(4, n);
  parallel_for(n, 2, [&](Index r) { covered.col(r) = replicate(condition, r); });
  const Eigen::Vector4d share = covered.rowwise().mean();
  return {.normal = share[0],
          .knapp_hartung = share[1],
          .prediction = share[2],
          .tau2 = share[3],
          .error = std::sqrt(0.95 * 0.05 / static_cast<double>(n))};
}

class MetaCoverage : public testing::TestWithParam<Condition> {};

TEST_P(MetaCoverage, IsNominal) {
  const Condition condition = GetParam();
  const Coverage seen = coverage(condition);
  std::cout << "k = " << condition.k << ", I2 = " << condition.i2 << ": normal " << seen.normal
            << ", Knapp-Hartung " << seen.knapp_hartung << ", prediction " << seen.prediction
            << ", tau2 " << seen.tau2 << " (Monte-Carlo error " << seen.error << ")\n";
  const double noise = 4 * seen.error;
  EXPECT_NEAR(seen.knapp_hartung, 0.95, 0.012 + noise);
  EXPECT_GT(seen.tau2, 0.945 - noise);  // exact but for τ² = 0, where its lower end is cut
  if (condition.k == 100) {
    EXPECT_NEAR(seen.normal, 0.95, 0.01 + noise);
  } else if (condition.i2 > 0) {
    EXPECT_LT(seen.normal, seen.knapp_hartung);  // too short where heterogeneity is estimated from
                                                 // few (IntHout et al. 2014)
  }
  // Prediction intervals are too short where τ² is estimated from few effects that hardly differ
  // (Partlett & Riley 2017).
  const bool settled = condition.i2 == 0.9 ? condition.k >= 20 : condition.k == 100;
  EXPECT_GT(seen.prediction, (settled ? 0.935 : 0.84) - noise);
  EXPECT_LT(seen.prediction, 0.97 + noise);
}

INSTANTIATE_TEST_SUITE_P(Sizes, MetaCoverage,
                         testing::Values(Condition{5, 0}, Condition{5, 0.5}, Condition{5, 0.9},
                                         Condition{20, 0}, Condition{20, 0.5}, Condition{20, 0.9},
                                         Condition{100, 0}, Condition{100, 0.5},
                                         Condition{100, 0.9}));

}  // namespace
}  // namespace rapport
