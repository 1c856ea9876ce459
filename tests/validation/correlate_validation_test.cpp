// Coverage of 95 % intervals and size of 5 % tests for correlation at n = 10, 30 and 100, with and
// without ties, by simulation of bivariate normal data (ρ = .5, or 0 for the size), cut into five
// categories for the ties. A share passes if it lies within four Monte-Carlo errors of the stated
// band.

#include <rapport/base/random.hpp>
#include <rapport/correlate/compare.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/rank_biserial.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <functional>
#include <iostream>
#include <numbers>
#include <string>
#include <vector>

namespace rapport {
namespace {

using validation::monte_carlo_error;
using validation::replicates;

constexpr double rho = 0.5;
const std::vector<double> cuts = {-1.2, -0.4, 0.4, 1.2};

struct Sample {
  Eigen::VectorXd x;
  Eigen::VectorXd y;
};

double category(double value) {
  double k = 1;
  for (const double cut : cuts) k += value > cut ? 1 : 0;
  return k;
}

Sample draw(Index n, double correlation, bool ties, RandomStream& stream) {
  Sample sample{.x = Eigen::VectorXd(n), .y = Eigen::VectorXd(n)};
  for (Index i = 0; i < n; ++i) {
    const double a = stream.normal();
    const double b = correlation * a + std::sqrt(1 - correlation * correlation) * stream.normal();
    sample.x[i] = ties ? category(a) : a;
    sample.y[i] = ties ? category(b) : b;
  }
  return sample;
}

/// Probabilities of the 5 × 5 cells.
Eigen::MatrixXd cell_probabilities() {
  const auto limit = [](Index k) {
    return k == 0 ? -HUGE_VAL : (k == 5 ? HUGE_VAL : cuts[static_cast<std::size_t>(k - 1)]);
  };
  Eigen::MatrixXd p(5, 5);
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 5; ++j)
      p(i, j) = bivariate_normal_cdf(limit(i + 1), limit(j + 1), rho) -
                bivariate_normal_cdf(limit(i), limit(j + 1), rho) -
                bivariate_normal_cdf(limit(i + 1), limit(j), rho) +
                bivariate_normal_cdf(limit(i), limit(j), rho);
  return p;
}

/// Correlation of scores a (rows) and b (columns) under the cell probabilities.
double correlation_of_scores(const Eigen::MatrixXd& p, const Eigen::VectorXd& a,
                             const Eigen::VectorXd& b) {
  const Eigen::VectorXd row = p.rowwise().sum();
  const Eigen::VectorXd column = p.colwise().sum();
  const Eigen::VectorXd u = a.array() - row.dot(a);
  const Eigen::VectorXd v = b.array() - column.dot(b);
  return u.dot(p * v) / std::sqrt(row.dot(u.cwiseAbs2()) * column.dot(v.cwiseAbs2()));
}

struct Truth {
  double pearson;
  double spearman;
  double kendall;
  double gamma;
};

Truth truth(bool ties) {
  using std::numbers::pi;
  const double tau = 2 / pi * std::asin(rho);
  if (!ties) return {rho, 6 / pi * std::asin(rho / 2), tau, tau};
  const Eigen::MatrixXd p = cell_probabilities();
  const auto ridits = [](const Eigen::VectorXd& margin) {
    Eigen::VectorXd ridit(margin.size());
    double below = 0;
    for (Index k = 0; k < margin.size(); ++k) {
      ridit[k] = below + margin[k] / 2;
      below += margin[k];
    }
    return ridit;
  };
  double concordant = 0;
  double discordant = 0;
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 5; ++j) {
      concordant += 2 * p(i, j) * p.bottomRightCorner(4 - i, 4 - j).sum();
      discordant += 2 * p(i, j) * p.bottomLeftCorner(4 - i, j).sum();
    }
  const Eigen::VectorXd row = p.rowwise().sum();
  const Eigen::VectorXd column = p.colwise().sum();
  const double s = concordant - discordant;
  return {correlation_of_scores(p, Eigen::VectorXd::LinSpaced(5, 1, 5),
                                Eigen::VectorXd::LinSpaced(5, 1, 5)),
          correlation_of_scores(p, ridits(row), ridits(column)),
          s / std::sqrt((1 - row.squaredNorm()) * (1 - column.squaredNorm())),
          s / (concordant + discordant)};
}

/// Share of replicates in which `event` is true, in a stated band.
void expect_share(const std::string& what, double least, double most, Index by_default,
                  const std::function<bool(RandomStream&)>& event) {
  const Index count = replicates(by_default);
  Index hits = 0;
  for (Index r = 0; r < count; ++r) {
    RandomStream stream(Seed{60}, static_cast<std::uint64_t>(r));
    hits += event(stream) ? 1 : 0;
  }
  const double share = static_cast<double>(hits) / static_cast<double>(count);
  const double error = monte_carlo_error((least + most) / 2, count);
  EXPECT_GE(share, least - 4 * error) << what;
  EXPECT_LE(share, most + 4 * error) << what;
  std::cout << what << ": " << share << " (Monte-Carlo error " << error << ")\n";
}

bool covers(const ConfidenceInterval& ci, double value) {
  return ci.lower <= value && value <= ci.upper;
}

/// The lowest coverage that the method is known to have at n = 10, 30, 100.
struct Least {
  double at_10;
  double at_30;
  double at_100;
};

void expect_coverage(const std::string& what, const Least& least, double most,
                     const std::function<bool(Index, RandomStream&)>& covered) {
  for (const auto& [n, lowest] :
       {std::pair{10, least.at_10}, {30, least.at_30}, {100, least.at_100}})
    expect_share(what + " coverage, n = " + std::to_string(n), lowest, most, 1000,
                 [&, size = n](RandomStream& stream) { return covered(size, stream); });
}

const ExactOptions asymptotic{.test = ExactTest::no};

TEST(CorrelationCoverage, OfIntervals) {
  for (const bool ties : {false, true}) {
    const std::string with = ties ? " with ties" : "";
    const Truth t = truth(ties);
    const auto sample = [ties](Index n, RandomStream& s) { return draw(n, rho, ties, s); };
    expect_coverage("Pearson" + with, {0.94, 0.94, 0.94}, 0.97, [&](Index n, RandomStream& s) {
      const Sample d = sample(n, s);
      const auto r = pearson_correlation(d.x, d.y);
      return std::isnan(r.estimate) || covers(r.ci, t.pearson);
    });
    expect_coverage("Spearman (Bonett-Wright)" + with, {0.93, 0.94, 0.94}, 0.97,
                    [&](Index n, RandomStream& s) {
                      const Sample d = sample(n, s);
                      const auto r = spearman_correlation(d.x, d.y, {.exact = asymptotic});
                      return std::isnan(r.estimate) || covers(r.ci, t.spearman);
                    });
    expect_coverage("Spearman (Fieller)" + with, {0.91, 0.93, 0.93}, 0.97,
                    [&](Index n, RandomStream& s) {
                      const Sample d = sample(n, s);
                      const auto r = spearman_correlation(
                          d.x, d.y, {.exact = asymptotic, .interval = SpearmanInterval::fieller});
                      return std::isnan(r.estimate) || covers(r.ci, t.spearman);
                    });
    expect_coverage("Kendall (Brown-Benedetti)" + with, {0.84, 0.92, 0.94}, 0.97,
                    [&](Index n, RandomStream& s) {
                      const Sample d = sample(n, s);
                      const auto r = kendall_tau(d.x, d.y, {.exact = asymptotic});
                      return std::isnan(r.estimate) || covers(r.ci, t.kendall);
                    });
    expect_coverage("gamma" + with, {0.80, 0.91, 0.93}, 0.97, [&](Index n, RandomStream& s) {
      const Sample d = sample(n, s);
      const auto r = goodman_kruskal_gamma(d.x, d.y);
      return std::isnan(r.estimate) || covers(r.ci, t.gamma);
    });
  }
}

TEST(CorrelationCoverage, OfLatentCorrelations) {
  const auto polychoric = [](LatentEstimator estimator) {
    return [estimator](Index n, RandomStream& s) {
      const Sample d = draw(n, rho, true, s);
      const auto r = polychoric_correlation(d.x, d.y, {.estimator = estimator});
      return std::isnan(r.standard_error) || covers(r.ci, rho);
    };
  };
  for (const auto& [n, least] : {std::pair{30, 0.90}, {100, 0.92}}) {
    const std::string at = ", n = " + std::to_string(n);
    const auto size = static_cast<Index>(n);
    expect_share("polychoric ML coverage" + at, least, 0.98, 100, [&](RandomStream& s) {
      return polychoric(LatentEstimator::maximum_likelihood)(size, s);
    });
    expect_share("polychoric two-step coverage" + at, least, 0.98, 300,
                 [&](RandomStream& s) { return polychoric(LatentEstimator::two_step)(size, s); });
    expect_share("polyserial ML coverage" + at, least, 0.98, 300, [&](RandomStream& s) {
      Sample d = draw(size, rho, false, s);
      for (double& y : d.y) y = category(y);
      return covers(polyserial_correlation(d.x, d.y).ci, rho);
    });
  }
}

TEST(CorrelationCoverage, OfRankBiserialAndClusteredIntervals) {
  // First group N(.6, 1), second N(0, 1): 2Φ(.6/√2) − 1.
  const double biserial = 2 * normal_cdf(0.6 / std::numbers::sqrt2) - 1;
  for (const auto& [n, least] : {std::pair{10, 0.91}, {30, 0.93}, {100, 0.94}})
    expect_share("rank-biserial coverage, n = " + std::to_string(n) + " a group", least, 0.97, 1000,
                 [&, size = n](RandomStream& s) {
                   const Sample d = draw(size, 0, false, s);
                   return covers(rank_biserial_correlation(d.x.array() + 0.6, d.y).ci, biserial);
                 });
  // Persons' effects and sessions' correlate .5 alike, so that the total correlation is .5 too.
  const double total = truth(false).spearman;
  for (const auto& [persons, least] : {std::pair{10, 0.88}, {30, 0.92}, {100, 0.93}})
    expect_share("clustered Spearman coverage, " + std::to_string(persons) + " persons x 6", least,
                 0.97, 500, [&, people = persons](RandomStream& s) {
                   const Sample person = draw(people, rho, false, s);
                   Sample d = draw(6 * people, rho, false, s);
                   ClusterCodes code;
                   for (std::int32_t i = 0; i < 6 * people; ++i) {
                     code.push_back(i / 6);
                     d.x[i] += person.x[i / 6];
                     d.y[i] += person.y[i / 6];
                   }
                   return covers(clustered_spearman(d.x, d.y, code).ci, total);
                 });
  for (const auto& [persons, least] : {std::pair{10, 0.93}, {30, 0.94}, {100, 0.94}})
    expect_share("repeated-measures coverage, " + std::to_string(persons) + " persons x 6", least,
                 0.97, 1000, [&, people = persons](RandomStream& s) {
                   Sample d = draw(6 * people, rho, false, s);
                   ClusterCodes code;
                   for (std::int32_t i = 0; i < 6 * people; ++i) code.push_back(i / 6);
                   return covers(repeated_measures_correlation(d.x, d.y, code).ci, rho);
                 });
}

TEST(CorrelationCoverage, OfTheBcaBootstrap) {
  const double spearman = truth(false).spearman;
  for (const auto& [n, least] : {std::pair{30, 0.91}, {100, 0.93}})
    expect_share(
        "Spearman BCa coverage, n = " + std::to_string(n), least, 0.97, 100,
        [&, size = n](RandomStream& s) {
          const Sample d = draw(size, rho, false, s);
          const auto statistic = [](const VectorView& x, const VectorView& y) {
            return spearman_correlation(x, y, {.exact = asymptotic}).estimate;
          };
          return covers(
              bootstrap_correlation(d.x, d.y, statistic, Seed{s.bits()}, {.replicates = 500}).ci,
              spearman);
        });
}

/// Size of a 5 % test at n = 10, 30, 100, with and without ties; `most` above .05 where the test is
/// known to exceed it.
void expect_size(const std::string& what, double least, double most, Index by_default,
                 const std::function<double(const Sample&)>& p_value) {
  for (const bool ties : {false, true})
    for (const Index n : {10, 30, 100})
      expect_share(what + (ties ? " with ties" : "") + " size, n = " + std::to_string(n), least,
                   most, by_default,
                   [&](RandomStream& s) { return p_value(draw(n, 0, ties, s)) <= 0.05; });
}

TEST(CorrelationSize, OfTests) {
  expect_size("Pearson", 0.045, 0.055, 2000,
              [](const Sample& d) { return pearson_correlation(d.x, d.y).p_value; });
  expect_size("Spearman", 0.045, 0.06, 2000,
              [](const Sample& d) { return spearman_correlation(d.x, d.y).p_value; });
  expect_size("Kendall", 0.03, 0.055, 2000,
              [](const Sample& d) { return kendall_tau(d.x, d.y, {.interval = false}).p_value; });
  expect_size("gamma", 0.04, 0.11, 2000,
              [](const Sample& d) { return goodman_kruskal_gamma(d.x, d.y).p_value; });
  expect_size("xi", 0.02, 0.075, 2000,
              [](const Sample& d) { return chatterjee_xi(d.x, d.y).p_value; });
  expect_size("rank-biserial", 0.03, 0.06, 2000,
              [](const Sample& d) { return rank_biserial_correlation(d.x, d.y).p_value; });
}

TEST(CorrelationSize, OfExactTestsIsAtMostTheLevel) {
  for (const bool ties : {false, true}) {
    const std::string with = ties ? " with ties" : "";
    expect_share("Spearman exact" + with + " size, n = 10", 0.03, 0.05, 300, [&](RandomStream& s) {
      const Sample d = draw(10, 0, ties, s);
      return spearman_correlation(d.x, d.y, {.exact = {.test = ExactTest::yes}}).p_value <= 0.05;
    });
    expect_share("Kendall exact" + with + " size, n = 10", 0.02, 0.05, 300, [&](RandomStream& s) {
      const Sample d = draw(10, 0, ties, s);
      return kendall_tau(d.x, d.y, {.exact = {.test = ExactTest::yes}, .interval = false})
                 .p_value <= 0.05;
    });
  }
}

TEST(CorrelationSize, OfHoeffdingsLimit) {
  for (const auto& [n, most] : {std::pair{30, 0.07}, {100, 0.06}})
    expect_share("Hoeffding size, n = " + std::to_string(n), 0.03, most, 1000,
                 [&, size = n](RandomStream& s) {
                   const Sample d = draw(size, 0, false, s);
                   return hoeffding_d(d.x, d.y).p_value <= 0.05;
                 });
}

TEST(CorrelationSize, OfPartialAndOfComparisons) {
  for (const Index n : {10, 30, 100}) {
    expect_share("partial size, n = " + std::to_string(n), 0.045, 0.055, 2000,
                 [&](RandomStream& s) {
                   const Sample d = draw(n, 0, false, s);
                   const Eigen::VectorXd z = draw(n, 0, false, s).x;
                   return partial_correlation(d.x + z, d.y - z, z).p_value <= 0.05;
                 });
    // Two ratings that correlate .6 with each other and .5 each with the outcome.
    std::vector<Index> rejected(5, 0);
    const Index count = replicates(2000);
    const std::vector<ComparisonTest> tests = {ComparisonTest::williams, ComparisonTest::steiger,
                                               ComparisonTest::meng, ComparisonTest::hittner,
                                               ComparisonTest::zou};
    for (Index r = 0; r < count; ++r) {
      RandomStream stream(Seed{61}, static_cast<std::uint64_t>(r));
      const Sample shared = draw(n, 0, false, stream);
      const Sample own = draw(n, 0, false, stream);
      const Eigen::VectorXd y =
          rho / std::sqrt(0.6) * shared.x + std::sqrt(1 - rho * rho / 0.6) * shared.y;
      const auto comparison =
          compare_overlapping(y, std::sqrt(0.6) * shared.x + std::sqrt(0.4) * own.x,
                              std::sqrt(0.6) * shared.x + std::sqrt(0.4) * own.y);
      for (const auto& found : comparison.tests)
        for (std::size_t k = 0; k < tests.size(); ++k) {
          if (found.test != tests[k]) continue;
          rejected[k] += tests[k] == ComparisonTest::zou ? (covers(found.ci, 0) ? 0 : 1)
                                                         : (found.p_value <= 0.05 ? 1 : 0);
        }
    }
    for (std::size_t k = 0; k < tests.size(); ++k) {
      const double share = static_cast<double>(rejected[k]) / static_cast<double>(count);
      const double error = monte_carlo_error(0.05, count);
      std::cout << to_string(tests[k]) << " size, n = " << n << ": " << share
                << " (Monte-Carlo error " << error << ")\n";
      EXPECT_GE(share, 0.03 - 4 * error) << to_string(tests[k]) << " " << n;
      EXPECT_LE(share, (n == 10 ? 0.065 : 0.055) + 4 * error) << to_string(tests[k]) << " " << n;
    }
  }
}

}  // namespace
}  // namespace rapport
