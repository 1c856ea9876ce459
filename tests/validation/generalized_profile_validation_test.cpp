#include <rapport/base/parallel.hpp>
#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/quantile_residuals.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <cmath>
#include <iostream>
#include <map>
#include <string>
#include <vector>

/// Recovery, and coverage of 95 % profile and Wald intervals, of every parameter for 80 patients
/// with 5 sessions each and a random intercept of SD 1; quadrature of 9 points.
namespace rapport {
namespace {

constexpr Index patients = 80;
constexpr Index sessions = 5;

Design panel(RandomStream& stream, bool ordinal) {
  const Index n = patients * sessions;
  Design design;
  design.response = Eigen::VectorXd::Zero(n);
  design.fixed = Eigen::MatrixXd::Ones(n, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  if (ordinal) design.frame.response_levels = {"1", "2", "3", "4"};
  RandomTerm term{.factor = "patient",
                  .terms = {"(Intercept)"},
                  .columns = Eigen::MatrixXd::Ones(n, 1),
                  .group = {},
                  .levels = {}};
  for (Index i = 0; i < n; ++i) {
    design.fixed(i, 1) = stream.normal();
    term.group.push_back(static_cast<std::int32_t>(i / sessions));
    if (i % sessions == 0) term.levels.push_back(std::to_string(i / sessions));
  }
  design.random.push_back(std::move(term));
  return design;
}

/// The model with its true parameters, to draw from.
GeneralizedFit truth(const Design& design, Family family) {
  GeneralizedFit fit{};
  fit.options.family = fit.family = family;
  fit.link = default_link(family);
  fit.fixed.columns = {0, 1};
  fit.fixed.estimate = Eigen::Vector2d(family == Family::cumulative ? 0 : -0.4, 0.5);
  fit.random = {{.factor = "patient",
                 .terms = {"(Intercept)"},
                 .levels = design.random[0].levels,
                 .sd = Eigen::VectorXd::Ones(1),
                 .correlation = Eigen::MatrixXd::Ones(1, 1),
                 .covariance = Eigen::MatrixXd::Ones(1, 1),
                 .blups = {},
                 .conditional_covariance = {}}};
  if (family == Family::cumulative) {
    fit.thresholds = {{"1|2", -1, 0}, {"2|3", 0.3, 0}, {"3|4", 1.5, 0}};
    fit.family_parameters = Eigen::Vector3d(-1, 0.3, 1.5);
  }
  return fit;
}

struct Seen {
  double estimate = 0;
  bool profile = false;
  bool wald = true;
};

std::vector<std::map<std::string, Seen>> run(Family family, Index replicates,
                                             const std::map<std::string, double>& parameters) {
  std::vector<std::map<std::string, Seen>> all(static_cast<std::size_t>(replicates));
  parallel_for(replicates, 0, [&](Index r) {
    RandomStream stream(Seed{31}, static_cast<std::uint64_t>(r));
    Design design = panel(stream, family == Family::cumulative);
    design.response =
        simulate_responses(design, truth(design, family), static_cast<Seed>(1000 + r)).col(0);
    const GeneralizedFit fit =
        fit_generalized_model(design, {.family = family, .quadrature_points = 9});
    for (const ParameterInterval& interval : profile_intervals(design, fit)) {
      const auto found = parameters.find(interval.parameter);
      if (found == parameters.end()) continue;
      Seen& seen = all[static_cast<std::size_t>(r)][interval.parameter];
      seen.estimate = interval.estimate;
      seen.profile = interval.ci.lower <= found->second && found->second <= interval.ci.upper;
      for (std::size_t k = 0; k < fit.fixed.terms.size(); ++k) {
        if (fit.fixed.terms[k] != interval.parameter) continue;
        const ConfidenceInterval wald =
            normal_interval(fit.fixed.estimate[static_cast<Index>(k)],
                            fit.fixed.standard_error[static_cast<Index>(k)]);
        seen.wald = wald.lower <= found->second && found->second <= wald.upper;
      }
    }
  });
  return all;
}

/// The mean estimate within 4 Monte-Carlo errors and `bias`, coverages within 4 and 0.015.
void expect_recovery(Family family, const std::map<std::string, double>& parameters, double bias) {
  const Index n = validation::replicates(200);
  const auto replicates = run(family, n, parameters);
  const auto count = static_cast<double>(n);
  for (const auto& [name, value] : parameters) {
    const bool is_fixed = name == "x" || name == "(Intercept)";
    double sum = 0;
    double squares = 0;
    double profile = 0;
    double wald = 0;
    for (const auto& replicate : replicates) {
      const Seen& seen = replicate.at(name);
      sum += seen.estimate;
      squares += seen.estimate * seen.estimate;
      profile += seen.profile ? 1 : 0;
      wald += seen.wald ? 1 : 0;
    }
    const double mean = sum / count;
    const double error = std::sqrt((squares / count - mean * mean) / count);
    std::cout << to_string(family) << " " << name << ": " << mean << " (true " << value
              << ", Monte-Carlo error " << error << "), coverage of the profile " << profile / count
              << ", of Wald " << wald / count << "\n";
    EXPECT_NEAR(mean, value, 4 * error + bias) << name;
    const double tolerance = 4 * validation::monte_carlo_error(0.95, n) + 0.015;
    EXPECT_NEAR(profile / count, 0.95, tolerance) << name;
    if (is_fixed) {
      EXPECT_NEAR(wald / count, 0.95, tolerance) << name;
    }
  }
}

TEST(GeneralizedProfileValidation, BinomialWithFiveSessions) {
  expect_recovery(Family::binomial,
                  {{"(Intercept)", -0.4}, {"x", 0.5}, {"sd((Intercept)|patient)", 1}}, 0.03);
}

TEST(GeneralizedProfileValidation, OrdinalWithFourCategories) {
  expect_recovery(Family::cumulative,
                  {{"1|2", -1}, {"3|4", 1.5}, {"x", 0.5}, {"sd((Intercept)|patient)", 1}}, 0.03);
}

// The test of uniformity has at most its level where the model holds.
TEST(QuantileResidualValidation, KeepsItsLevel) {
  const Index n = validation::replicates(200);
  std::vector<char> alarm(static_cast<std::size_t>(n), 0);
  parallel_for(n, 0, [&](Index r) {
    RandomStream stream(Seed{32}, static_cast<std::uint64_t>(r));
    Design design = panel(stream, false);
    design.response =
        simulate_responses(design, truth(design, Family::poisson), static_cast<Seed>(r)).col(0);
    const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::poisson});
    alarm[static_cast<std::size_t>(r)] = quantile_residuals(design, fit, Seed{1}).p_value < 0.05;
  });
  double alarms = 0;
  for (const char one : alarm) alarms += one;
  std::cout << "false alarms of the uniformity test: " << alarms / static_cast<double>(n) << "\n";
  EXPECT_LT(alarms / static_cast<double>(n), 0.05 + 4 * validation::monte_carlo_error(0.05, n));
}

}  // namespace
}  // namespace rapport
