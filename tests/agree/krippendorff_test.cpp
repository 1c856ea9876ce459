#include <rapport/agree/krippendorff.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <map>
#include <rapidcheck/gtest.h>
#include <utility>

namespace rapport {
namespace {

constexpr Metric metrics[] = {Metric::nominal, Metric::ordinal, Metric::interval, Metric::ratio};

/// The definition, by loops: coincidences of all ordered pairs of values.
double by_definition(const Eigen::MatrixXd& x, Metric metric) {
  std::map<double, std::map<double, double>> o;
  std::map<double, double> n;
  for (Index u = 0; u < x.rows(); ++u) {
    std::vector<double> values;
    for (Index r = 0; r < x.cols(); ++r)
      if (!is_missing(x(u, r))) values.push_back(x(u, r));
    if (values.size() < 2) continue;
    for (std::size_t i = 0; i < values.size(); ++i)
      for (std::size_t j = 0; j < values.size(); ++j)
        if (i != j) o[values[i]][values[j]] += 1 / static_cast<double>(values.size() - 1);
    for (const double v : values) n[v] += 1;
  }
  double total = 0;
  for (const auto& [v, count] : n) total += count;
  const auto distance = [&](double a, double b) {
    if (a == b) return 0.0;
    switch (metric) {
      case Metric::nominal:
        return 1.0;
      case Metric::interval:
        return (a - b) * (a - b);
      case Metric::ratio:
        return (a - b) * (a - b) / ((a + b) * (a + b));
      case Metric::ordinal:
        break;
    }
    double between = -(n[a] + n[b]) / 2;
    for (const auto& [v, count] : n)
      if (v >= std::min(a, b) && v <= std::max(a, b)) between += count;
    return between * between;
  };
  double observed = 0;
  double expected = 0;
  for (const auto& [a, row] : o)
    for (const auto& [b, count] : row) observed += count * distance(a, b);
  for (const auto& [a, na] : n)
    for (const auto& [b, nb] : n) expected += na * nb * distance(a, b);
  return 1 - (total - 1) * observed / expected;
}

// Krippendorff (2011), section C: nominal .743, ordinal .815, interval .849, ratio .797.
TEST(KrippendorffAlpha, ReproducesThePublishedExample) {
  const Eigen::MatrixXd x = agree_data::krippendorff_units();
  EXPECT_NEAR(krippendorff_alpha(x, Metric::nominal).estimate, 0.743, 5e-4);
  EXPECT_NEAR(krippendorff_alpha(x, Metric::ordinal).estimate, 0.815, 5e-4);
  EXPECT_NEAR(krippendorff_alpha(x, Metric::interval).estimate, 0.849, 5e-4);
  EXPECT_NEAR(krippendorff_alpha(x, Metric::ratio).estimate, 0.797, 5e-4);
  const KrippendorffResult r = krippendorff_alpha(x, Metric::nominal);
  EXPECT_EQ(r.units, 11);
  EXPECT_EQ(r.n_values, 40);
  EXPECT_EQ(r.n_omitted, 1);
  EXPECT_NEAR(r.coincidences(1, 1), 10, 1e-12);  // the matrix printed there
  EXPECT_NEAR(r.coincidences(0, 1), 4.0 / 3, 1e-12);
  EXPECT_NEAR(r.coincidences.sum(), 40, 1e-12);
}

// krippendorff 0.8.3 (Python) on `anxiety` and Fleiss's diagnoses; irr is wrong on complete data of
// more than two raters.
TEST(KrippendorffAlpha, OnCompleteDataOfThreeRaters) {
  EXPECT_NEAR(krippendorff_alpha(agree_data::anxiety(), Metric::nominal).estimate, -0.0237, 5e-5);
  const Eigen::MatrixXd diagnoses = agree_data::fleiss_diagnoses().cast<double>();
  EXPECT_NEAR(krippendorff_alpha(diagnoses, Metric::nominal).estimate, 0.433409828282029, 1e-12);
}

// irrCAC 1.0 krippen.alpha.dist (rounding removed) on Fleiss's (1971) first half as counts of six
// raters.
TEST(KrippendorffAlpha, MatchesIrrcacOnCounts) {
  const Eigen::MatrixXd counts{{0, 0, 0, 6, 0}, {0, 3, 0, 0, 3}, {0, 1, 4, 0, 1}, {0, 0, 0, 0, 6},
                               {0, 3, 0, 3, 0}, {2, 0, 4, 0, 0}, {0, 0, 4, 0, 2}, {2, 0, 3, 1, 0},
                               {2, 0, 0, 4, 0}, {0, 0, 0, 0, 6}, {1, 0, 0, 5, 0}, {1, 1, 0, 4, 0},
                               {0, 3, 3, 0, 0}, {1, 0, 0, 5, 0}, {0, 2, 0, 3, 1}};
  const KrippendorffResult nominal =
      krippendorff_alpha_of_counts(counts, Eigen::VectorXd{{1, 2, 3, 4, 5}}, Metric::nominal);
  EXPECT_NEAR(nominal.estimate, 0.42043842682140564, 1e-12);
  EXPECT_NEAR(nominal.standard_error, 0.08243227619894336, 1e-12);
  EXPECT_NEAR(nominal.ci.lower, 0.24363877817514829, 1e-10);
  EXPECT_NEAR(nominal.p_value, 0.00016157213916234703, 1e-12);
  const KrippendorffResult linear =
      krippendorff_alpha_weighted_of_counts(counts, agreement_weights(AgreementWeights::linear, 5));
  EXPECT_NEAR(linear.estimate, 0.3038392536777899, 1e-12);
  EXPECT_NEAR(linear.standard_error, 0.10588992601426425, 1e-12);
  EXPECT_NEAR(linear.p_value, 0.012367637529123954, 1e-12);
}

// Weights are metrics: disagreement 1 − w, up to a factor that α does not see.
TEST(KrippendorffAlpha, MetricsAreWeights) {
  const Eigen::MatrixXi codes = agree_data::krippendorff_codes();
  const Eigen::MatrixXd values = agree_data::krippendorff_units();
  const std::vector<std::pair<Metric, AgreementWeights>> twins = {
      {Metric::nominal, AgreementWeights::unweighted},
      {Metric::interval, AgreementWeights::quadratic},
      {Metric::ratio, AgreementWeights::ratio}};
  for (const auto& [metric, kind] : twins) {
    const KrippendorffResult a = krippendorff_alpha(values, metric);
    const KrippendorffResult b = krippendorff_alpha_weighted(codes, agreement_weights(kind, 5));
    EXPECT_NEAR(a.estimate, b.estimate, 1e-13);
    EXPECT_NEAR(a.standard_error, b.standard_error, 1e-13);
    EXPECT_NEAR(a.p_value, b.p_value, 1e-13);
  }
}

Eigen::MatrixXd random_values(Index n, Index raters, bool continuous) {
  Eigen::MatrixXd x(n, raters);
  for (Index i = 0; i < x.size(); ++i) {
    const int value = *rc::gen::inRange(0, 7);
    x(i) = value == 0 ? missing : value + (continuous ? 0.01 * *rc::gen::inRange(0, 100) : 0.0);
  }
  x.row(0).setConstant(1);
  x.row(1).setConstant(2);
  return x;
}

RC_GTEST_PROP(KrippendorffAlpha, IsTheDefinition, ()) {
  const Eigen::MatrixXd x = random_values(12, 4, *rc::gen::arbitrary<bool>());
  for (const Metric metric : metrics)
    RC_ASSERT(std::abs(krippendorff_alpha(x, metric).estimate - by_definition(x, metric)) < 1e-10);
}

RC_GTEST_PROP(KrippendorffAlpha, IntervalAllowsAffineChanges, ()) {
  const Eigen::MatrixXd x = random_values(12, 3, true);
  const Eigen::MatrixXd y = (-2.5 * x.array() + 1000).matrix();
  const KrippendorffResult a = krippendorff_alpha(x, Metric::interval);
  const KrippendorffResult b = krippendorff_alpha(y, Metric::interval);
  RC_ASSERT(std::abs(a.estimate - b.estimate) < 1e-9);
  RC_ASSERT(std::abs(a.standard_error - b.standard_error) < 1e-9);
}

RC_GTEST_PROP(KrippendorffAlpha, OrdinalAllowsMonotoneChanges, ()) {
  const Eigen::MatrixXd x = random_values(12, 3, true);
  RC_ASSERT(std::abs(krippendorff_alpha(x, Metric::ordinal).estimate -
                     krippendorff_alpha(x.array().exp(), Metric::ordinal).estimate) < 1e-12);
}

RC_GTEST_PROP(KrippendorffAlpha, RatioAllowsAnotherUnit, ()) {
  const Eigen::MatrixXd x = random_values(10, 3, true);
  RC_ASSERT(std::abs(krippendorff_alpha(x, Metric::ratio).estimate -
                     krippendorff_alpha(3 * x, Metric::ratio).estimate) < 1e-10);
}

RC_GTEST_PROP(KrippendorffAlpha, RatersMayBeReordered, ()) {
  const Eigen::MatrixXd x = random_values(12, 4, false);
  for (const Metric metric : metrics)
    RC_ASSERT(std::abs(krippendorff_alpha(x, metric).estimate -
                       krippendorff_alpha(x.rowwise().reverse(), metric).estimate) < 1e-12);
}

TEST(KrippendorffAlpha, CountsSayAsMuchAsRatings) {
  const Eigen::MatrixXi codes = agree_data::krippendorff_codes();
  const Eigen::VectorXd values{{1, 2, 3, 4, 5}};
  for (const Metric metric : metrics) {
    const KrippendorffResult a = krippendorff_alpha(agree_data::krippendorff_units(), metric);
    const KrippendorffResult b =
        krippendorff_alpha_of_counts(category_counts(codes, 5), values, metric);
    EXPECT_NEAR(a.estimate, b.estimate, 1e-13);
    EXPECT_NEAR(a.standard_error, b.standard_error, 1e-13);
  }
}

TEST(KrippendorffAlpha, BootstrapIsReproducibleForAnyNumberOfThreads) {
  const Eigen::MatrixXd x = agree_data::krippendorff_units();
  for (const Metric metric : metrics) {
    const BootstrapResult one = krippendorff_bootstrap(x, metric, Seed{3}, {.replicates = 200});
    const BootstrapResult four =
        krippendorff_bootstrap(x, metric, Seed{3}, {.replicates = 200, .threads = 4});
    EXPECT_NEAR(one.estimate, krippendorff_alpha(x, metric).estimate, 1e-12);
    EXPECT_EQ(one.ci.lower, four.ci.lower);
    EXPECT_EQ(one.standard_error, four.standard_error);
    EXPECT_LT(one.ci.lower, one.estimate);
  }
}

// The interval bootstrap's sums per unit are α itself on every sample of units.
TEST(KrippendorffAlpha, BootstrapReplicatesAreAlphas) {
  RandomStream stream(Seed{11}, 0);
  Eigen::MatrixXd x(30, 3);
  for (Index i = 0; i < x.size(); ++i) x(i) = 100 + stream.normal();
  x(3, 1) = missing;
  const BootstrapResult b = krippendorff_bootstrap(
      x, Metric::interval, Seed{4}, {.replicates = 20, .interval = BootstrapInterval::percentile});
  for (Index replicate = 0; replicate < 20; ++replicate) {
    RandomStream draw(Seed{4}, static_cast<std::uint64_t>(replicate));
    const std::vector<Index> rows = bootstrap_sample(30, draw);
    Eigen::MatrixXd sample(30, 3);
    for (Index i = 0; i < 30; ++i) sample.row(i) = x.row(rows[static_cast<std::size_t>(i)]);
    EXPECT_NEAR(b.replicates[replicate], krippendorff_alpha(sample, Metric::interval).estimate,
                1e-9);
  }
}

TEST(KrippendorffAlpha, LimitsAndRefusals) {
  EXPECT_TRUE(
      is_missing(krippendorff_alpha(Eigen::MatrixXd::Ones(4, 2), Metric::nominal).estimate));
  EXPECT_TRUE(is_missing(
      krippendorff_alpha(Eigen::MatrixXd::Constant(4, 2, missing), Metric::interval).estimate));
  const Eigen::MatrixXd perfect{{1, 1}, {2, 2}};
  EXPECT_DOUBLE_EQ(krippendorff_alpha(perfect, Metric::ratio).estimate, 1);
  const Eigen::MatrixXd negative{{1, -1}, {2, 2}};
  EXPECT_THROW((void)krippendorff_alpha(negative, Metric::ratio), InvalidArgument);
  EXPECT_THROW((void)krippendorff_alpha(Eigen::MatrixXd::Ones(4, 1), Metric::nominal),
               InvalidArgument);
  EXPECT_THROW((void)krippendorff_alpha_of_counts(Eigen::MatrixXd{{0.5, 1}},
                                                  Eigen::VectorXd{{1, 2}}, Metric::nominal),
               InvalidArgument);
}

// Passonneau (2006), table 1: the values of MASI's monotonicity factor.
TEST(SetDistance, MasiAndJaccard) {
  const std::uint64_t ab = 0b011;
  const std::uint64_t abc = 0b111;
  const std::uint64_t bc = 0b110;
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::masi, ab, ab), 0);
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::masi, ab, abc), 1 - 2.0 / 3 * 2.0 / 3);
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::masi, ab, bc), 1 - 1.0 / 3 * 1.0 / 3);
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::masi, 0b001, 0b110), 1);
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::jaccard, ab, bc), 1 - 1.0 / 3);
  EXPECT_DOUBLE_EQ(set_distance(SetDistance::jaccard, 0, 0), 0);
}

// Sets of one label each are nominal categories, under either distance.
TEST(KrippendorffAlpha, OfSingleLabelsIsNominal) {
  const Eigen::MatrixXi codes = agree_data::krippendorff_codes();
  std::vector<std::optional<std::uint64_t>> sets;
  for (Index u = 0; u < codes.rows(); ++u)
    for (Index r = 0; r < codes.cols(); ++r)
      sets.push_back(codes(u, r) < 0
                         ? std::nullopt
                         : std::optional(std::uint64_t{1} << static_cast<unsigned>(codes(u, r))));
  const double nominal =
      krippendorff_alpha(agree_data::krippendorff_units(), Metric::nominal).estimate;
  EXPECT_NEAR(krippendorff_alpha_of_sets(sets, 4, SetDistance::masi).estimate, nominal, 1e-13);
  EXPECT_NEAR(krippendorff_alpha_of_sets(sets, 4, SetDistance::jaccard).estimate, nominal, 1e-13);
  EXPECT_THROW((void)krippendorff_alpha_of_sets(sets, 5, SetDistance::masi), InvalidArgument);
}

}  // namespace
}  // namespace rapport
