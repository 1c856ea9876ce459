#include <rapport/base/parallel.hpp>
#include <rapport/mixed/residual_inference.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <array>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

/// 60 patients of 10 sessions, intercepts and slopes that vary, residuals that follow AR(1):
/// recovery, and coverage of 95 % intervals (Satterthwaite for the fixed effects, profiles for the
/// others).
namespace rapport {
namespace {

constexpr Index patients = 60;
constexpr Index sessions = 10;
constexpr double rho = 0.5;
constexpr double slope = 0.2;
constexpr double intercept_sd = 1;
constexpr double slope_sd = 0.3;

struct Panel {
  Design design;
  ResidualStructure structure;
};

Panel panel(RandomStream& stream) {
  constexpr Index n = patients * sessions;
  Panel result;
  Design& design = result.design;
  design.response.resize(n);
  design.fixed = Eigen::MatrixXd::Ones(n, 2);
  design.fixed_terms = {"(Intercept)", "session"};
  design.random.push_back({"patient", {"(Intercept)", "session"}, {}, {}, {}});
  RandomTerm& term = design.random[0];
  result.structure = {.correlation = ResidualCorrelation::ar1, .time = Eigen::VectorXd(n)};
  for (Index p = 0; p < patients; ++p) {
    term.levels.push_back(std::to_string(p));
    const double u = intercept_sd * stream.normal();
    const double v = slope_sd * stream.normal();
    double error = stream.normal();
    for (Index s = 0; s < sessions; ++s) {
      const Index row = p * sessions + s;
      const double time = static_cast<double>(s) - 4.5;
      term.group.push_back(static_cast<std::int32_t>(p));
      design.fixed(row, 1) = time;
      design.response[row] = 1 + u + (slope + v) * time + error;
      result.structure.time[row] = static_cast<double>(s);
      error = rho * error + std::sqrt(1 - rho * rho) * stream.normal();
    }
  }
  term.columns = design.fixed;
  result.structure.group = term.group;
  return result;
}

struct Parameter {
  std::string name;
  double truth;
};
const std::array<Parameter, 5> parameters = {{{"(Intercept)", 1},
                                              {"session", slope},
                                              {"rho", rho},
                                              {"sd((Intercept)|patient)", intercept_sd},
                                              {"sd(session|patient)", slope_sd}}};

TEST(ResidualValidation, Ar1WithRandomSlopesIsRecoveredAndCovered) {
  const Index n = validation::replicates(100);
  Eigen::MatrixXd estimates(n, 5);
  Eigen::MatrixXd covered(n, 5);
  parallel_for(n, 2, [&](Index r) {
    RandomStream stream(Seed{31}, static_cast<std::uint64_t>(r));
    const Panel data = panel(stream);
    const ResidualFit fit = fit_residual_model(data.design, data.structure);
    const FixedInference inference(fit.fit);
    const std::vector<ParameterInterval> profiles = profile_intervals(data.design, data.structure);
    for (Index k = 0; k < 5; ++k) {
      const Parameter& parameter = parameters[static_cast<std::size_t>(k)];
      ConfidenceInterval ci{};
      for (const ParameterInterval& interval : profiles)
        if (interval.parameter == parameter.name) ci = interval.ci;
      if (k < 2) ci = inference.contrast(Eigen::VectorXd::Unit(2, k)).ci;
      covered(r, k) = ci.lower <= parameter.truth && parameter.truth <= ci.upper ? 1 : 0;
    }
    estimates.row(r) << fit.fit.fixed.estimate[0], fit.fit.fixed.estimate[1],
        fit.correlation_parameters[0].second, fit.fit.random[0].sd[0], fit.fit.random[0].sd[1];
  });
  const double error = validation::monte_carlo_error(0.05, n);
  for (Index k = 0; k < 5; ++k) {
    const Parameter& parameter = parameters[static_cast<std::size_t>(k)];
    const Eigen::ArrayXd values = estimates.col(k);
    const double mean_error =
        std::sqrt((values - values.mean()).square().sum() / static_cast<double>(n * (n - 1)));
    std::cout << parameter.name << ": mean " << values.mean() << " (Monte-Carlo error "
              << mean_error << "), true " << parameter.truth << ", coverage "
              << covered.col(k).mean() << " (Monte-Carlo error " << error << ")\n";
    // Estimates of rho and of SDs are not unbiased: a small share of their own size is allowed.
    const double bias = k < 2 ? 0 : 0.03 * parameter.truth;
    EXPECT_NEAR(values.mean(), parameter.truth, bias + 4 * mean_error) << parameter.name;
    EXPECT_GT(covered.col(k).mean(), 0.95 - 3.5 * error) << parameter.name;
  }
}

}  // namespace
}  // namespace rapport
