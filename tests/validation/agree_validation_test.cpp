// Coverage of 95 % intervals for agreement, by simulation. An interval holds its level if the share
// of replicates that cover the true value lies within four Monte-Carlo errors of what is stated.

#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/concordance.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/agree/krippendorff.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <functional>
#include <iostream>
#include <string>
#include <vector>

namespace rapport {
namespace {

using validation::monte_carlo_error;
using validation::replicates;

/// What coverage is allowed: nominal 0.95, less for a small sample as the method is known to be.
struct Band {
  Index subjects;
  double least;
  double most;
};

double coverage(Index n, Index count, double truth,
                const std::function<ConfidenceInterval(Index, RandomStream&)>& interval) {
  Index covered = 0;
  for (Index r = 0; r < count; ++r) {
    RandomStream stream(Seed{20}, static_cast<std::uint64_t>(r));
    const ConfidenceInterval ci = interval(n, stream);
    covered += ci.lower <= truth && truth <= ci.upper ? 1 : 0;
  }
  return static_cast<double>(covered) / static_cast<double>(count);
}

void expect_coverage(const char* what, const std::vector<Band>& bands, double truth,
                     const std::function<ConfidenceInterval(Index, RandomStream&)>& interval,
                     Index by_default = 400) {
  const Index count = replicates(by_default);
  for (const Band& band : bands) {
    const double share = coverage(band.subjects, count, truth, interval);
    const double error = monte_carlo_error(0.95, count);
    EXPECT_GE(share, band.least - 4 * error) << what << ", n = " << band.subjects;
    EXPECT_LE(share, band.most + 4 * error) << what << ", n = " << band.subjects;
    ::testing::Test::RecordProperty(std::string(what) + "_" + std::to_string(band.subjects),
                                    std::to_string(share));
    std::cout << what << ", n = " << band.subjects << ": coverage " << share
              << " (Monte-Carlo error " << error << ")\n";
  }
}

/// Two raters, three categories: the population's table.
const Eigen::Matrix3d population{{0.35, 0.05, 0.02}, {0.06, 0.20, 0.05}, {0.02, 0.05, 0.20}};

Eigen::MatrixXi draw_codes(Index n, RandomStream& stream) {
  Eigen::MatrixXi codes(n, 2);
  for (Index i = 0; i < n; ++i) {
    double u = stream.uniform();
    Index cell = 0;
    while (cell < 8 && u > population(cell)) u -= population(cell++);
    codes(i, 0) = static_cast<int>(cell % 3);
    codes(i, 1) = static_cast<int>(cell / 3);
  }
  return codes;
}

const Eigen::MatrixXd plain = Eigen::MatrixXd::Identity(3, 3);

TEST(Coverage, CohenKappa) {
  const double truth = cohen_kappa_of_table(population, plain).estimate;
  expect_coverage("kappa", {{20, 0.90, 0.96}, {50, 0.93, 0.96}, {200, 0.94, 0.96}}, truth,
                  [](Index n, RandomStream& stream) {
                    const Eigen::MatrixXi codes = draw_codes(n, stream);
                    return cohen_kappa(codes.col(0), codes.col(1), plain).ci;
                  });
}

TEST(Coverage, GwetAc1) {
  const Eigen::Vector3d pi =
      (population.rowwise().sum() + population.colwise().sum().transpose()) / 2;
  const double chance = pi.dot((1 - pi.array()).matrix()) / 2;
  const double truth = (population.trace() - chance) / (1 - chance);
  expect_coverage(
      "AC1", {{20, 0.90, 0.97}, {50, 0.93, 0.97}, {200, 0.94, 0.96}}, truth,
      [](Index n, RandomStream& stream) { return gwet_ac(draw_codes(n, stream), plain).ci; });
}

double population_pi() {
  const Eigen::Vector3d pi =
      (population.rowwise().sum() + population.colwise().sum().transpose()) / 2;
  return (population.trace() - pi.squaredNorm()) / (1 - pi.squaredNorm());
}

TEST(Coverage, KrippendorffAlpha) {
  expect_coverage(
      "alpha", {{20, 0.91, 0.97}, {50, 0.92, 0.97}, {200, 0.93, 0.97}}, population_pi(),
      [](Index n, RandomStream& stream) {
        return krippendorff_alpha(draw_codes(n, stream).cast<double>(), Metric::nominal).ci;
      });
}

TEST(Coverage, KrippendorffAlphaByBootstrap) {
  expect_coverage(
      "alpha, bootstrap", {{50, 0.90, 0.97}}, population_pi(),
      [](Index n, RandomStream& stream) {
        return krippendorff_bootstrap(
                   draw_codes(n, stream).cast<double>(), Metric::nominal, Seed{1},
                   {.replicates = 200, .interval = BootstrapInterval::percentile})
            .ci;
      },
      200);
}

/// Subjects, raters and errors drawn anew: ICC(A,1) = 1 / (1 + .2 + .8).
Eigen::MatrixXd draw_ratings(Index n, Index raters, RandomStream& stream) {
  Eigen::VectorXd level(raters);
  for (double& value : level) value = std::sqrt(0.2) * stream.normal();
  Eigen::MatrixXd y(n, raters);
  for (Index i = 0; i < n; ++i) {
    const double truth = stream.normal();
    for (Index j = 0; j < raters; ++j)
      y(i, j) = truth + level[j] + std::sqrt(0.8) * stream.normal();
  }
  return y;
}

TEST(Coverage, Icc21) {
  expect_coverage(
      "ICC(2,1)", {{20, 0.93, 0.97}, {50, 0.93, 0.97}, {200, 0.93, 0.97}}, 0.5,
      [](Index n, RandomStream& stream) {
        return icc_form(intraclass_correlation(draw_ratings(n, 5, stream)), "ICC(2,1)").ci;
      });
}

TEST(Coverage, Icc31WithMissingRatings) {
  expect_coverage("ICC(3,1), a fifth missing",
                  {{20, 0.91, 0.97}, {50, 0.93, 0.97}, {200, 0.93, 0.97}}, 1 / 1.8,
                  [](Index n, RandomStream& stream) {
                    Eigen::MatrixXd y = draw_ratings(n, 4, stream);
                    for (Index i = 0; i < n; ++i)
                      if (stream.uniform() < 0.8) y(i, stream.below(4)) = missing;
                    return icc_form(intraclass_correlation(y), "ICC(3,1)").ci;
                  });
}

TEST(Coverage, Concordance) {
  // x ~ N(0, 1), y = .3 + 1.1 (.8 x + .6 e)
  const double truth = 2 * 0.88 / (1 + 1.21 + 0.09);
  expect_coverage("CCC", {{20, 0.90, 0.96}, {50, 0.92, 0.96}, {200, 0.935, 0.96}}, truth,
                  [](Index n, RandomStream& stream) {
                    Eigen::VectorXd x(n);
                    Eigen::VectorXd y(n);
                    for (Index i = 0; i < n; ++i) {
                      x[i] = stream.normal();
                      y[i] = 0.3 + 1.1 * (0.8 * x[i] + 0.6 * stream.normal());
                    }
                    return concordance_correlation(x, y).ci;
                  });
}

}  // namespace
}  // namespace rapport
