#include <rapport/base/parallel.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

/// Recovery of the slope and coverage of its 95 % interval for 60 patients: binomial with 5
/// sessions, and ordinal with 4 categories.
namespace rapport {
namespace {

constexpr Index patients = 60;
constexpr double slope = 0.5;

/// y ~ x + (1 | patient), x a session's own value; the response is left to the caller.
Design panel(Index sessions, RandomStream& stream) {
  const Index n = patients * sessions;
  Design design;
  design.response.resize(n);
  design.fixed = Eigen::MatrixXd::Ones(n, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  RandomTerm term;
  term.factor = "patient";
  term.terms = {"(Intercept)"};
  for (Index p = 0; p < patients; ++p) {
    term.levels.push_back(std::to_string(p));
    for (Index s = 0; s < sessions; ++s) {
      design.fixed(p * sessions + s, 1) = stream.normal();
      term.group.push_back(static_cast<std::int32_t>(p));
    }
  }
  term.columns = Eigen::MatrixXd::Ones(n, 1);
  design.random.push_back(std::move(term));
  return design;
}

struct Replicate {
  double estimate = 0;
  bool covered = false;
};

/// Mean of the estimates within 4 Monte-Carlo errors and a small-sample bias of `bias`; coverage
/// within 4 errors and `slack` of 95 %.
void expect_recovery(const char* name, const std::vector<Replicate>& replicates, double bias,
                     double slack) {
  double sum = 0;
  double squares = 0;
  double covered = 0;
  for (const Replicate& r : replicates) {
    sum += r.estimate;
    squares += r.estimate * r.estimate;
    covered += r.covered ? 1 : 0;
  }
  const auto n = static_cast<double>(replicates.size());
  const double mean = sum / n;
  const double error = std::sqrt((squares / n - mean * mean) / n);
  std::cout << name << ": slope " << mean << " (Monte-Carlo error " << error << "), coverage "
            << covered / n << "\n";
  EXPECT_NEAR(mean, slope, 4 * error + bias) << name;
  EXPECT_NEAR(covered / n, 0.95,
              4 * validation::monte_carlo_error(0.95, static_cast<Index>(n)) + slack)
      << name;
}

template <class One>
std::vector<Replicate> run(Index n, const One& one) {
  std::vector<Replicate> replicates(static_cast<std::size_t>(n));
  parallel_for(n, 0, [&](Index r) {
    RandomStream stream(Seed{77}, static_cast<std::uint64_t>(r));
    replicates[static_cast<std::size_t>(r)] = one(stream);
  });
  return replicates;
}

Replicate judge(double estimate, const ConfidenceInterval& ci) {
  return {.estimate = estimate, .covered = ci.lower <= slope && slope <= ci.upper};
}

TEST(GeneralizedValidation, BinomialWithFiveSessions) {
  const auto one = [](RandomStream& stream) {
    Design design = panel(5, stream);
    for (Index p = 0; p < patients; ++p) {
      const double u = stream.normal();
      for (Index s = p * 5; s < p * 5 + 5; ++s) {
        design.response[s] =
            stream.uniform() < 1 / (1 + std::exp(-slope * design.fixed(s, 1) - u)) ? 1 : 0;
      }
    }
    const GeneralizedFit fit = fit_generalized_model(design, {.quadrature_points = 9});
    return judge(fit.fixed.estimate[1],
                 normal_interval(fit.fixed.estimate[1], fit.fixed.standard_error[1]));
  };
  expect_recovery("binomial", run(validation::replicates(400), one), 0.02, 0.02);
}

TEST(GeneralizedValidation, OrdinalWithFourCategories) {
  const auto one = [](RandomStream& stream) {
    Design design = panel(5, stream);
    for (Index p = 0; p < patients; ++p) {
      const double u = stream.normal();
      for (Index s = p * 5; s < p * 5 + 5; ++s) {
        const double uniform = stream.uniform();
        const double latent = slope * design.fixed(s, 1) + u + std::log(uniform / (1 - uniform));
        design.response[s] = latent < -1 ? 0 : latent < 0.3 ? 1 : latent < 1.5 ? 2 : 3;
      }
    }
    const GeneralizedFit fit =
        fit_generalized_model(design, {.family = Family::cumulative, .quadrature_points = 9});
    return judge(fit.fixed.estimate[0],
                 normal_interval(fit.fixed.estimate[0], fit.fixed.standard_error[0]));
  };
  expect_recovery("ordinal", run(validation::replicates(400), one), 0.02, 0.02);
}

}  // namespace
}  // namespace rapport
