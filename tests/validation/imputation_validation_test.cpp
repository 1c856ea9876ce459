#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/mixed/imputation.hpp>
#include <rapport/mixed/pooled_fit.hpp>

#include <gtest/gtest.h>

#include "support/column.hpp"
#include "validation.hpp"
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

/// Coverage of pooled 95 % intervals where values are missing at random: y = 1 + 0.5 x + 0.6 v +
/// 0.4 w + u + e for 60 patients with 6 sessions, x a session's alliance that is missing the more
/// the worse y is, v yes or no, w a value of the patient.
namespace rapport {
namespace {

using testing_support::column;

constexpr Index patients = 60;
constexpr Index sessions = 6;

struct Truth {
  const char* term;
  double value;
};
const std::vector<Truth> truths = {{"x", 0.5}, {"v", 0.6}, {"w", 0.4}};

Table study(RandomStream& stream) {
  std::vector<double> patient, x, y, v, w;
  for (Index p = 0; p < patients; ++p) {
    const double shared = stream.normal();
    const double of_patient = 0.5 * shared + 0.9 * stream.normal();
    const double u = 0.8 * stream.normal();
    const double first = 1 + 0.4 * of_patient + u;
    const double known_w =
        stream.uniform() < 1 / (1 + std::exp(-1.5 - first)) ? of_patient : missing;
    for (Index s = 0; s < sessions; ++s) {
      const double alliance = 0.7 * shared + stream.normal();
      const double yes = 0.5 * alliance + stream.normal() > 0.3 ? 1 : 0;
      const double symptoms =
          1 + 0.5 * alliance + 0.6 * yes + 0.4 * of_patient + u + stream.normal();
      patient.push_back(static_cast<double>(p));
      y.push_back(symptoms);
      w.push_back(known_w);
      x.push_back(stream.uniform() < 1 / (1 + std::exp(2 - 0.7 * symptoms)) ? missing : alliance);
      v.push_back(stream.uniform() < 1 / (1 + std::exp(2.5 - 0.5 * symptoms)) ? missing : yes);
    }
  }
  Table table;
  table.add("patient", column(patient));
  table.add("x", column(x));
  table.add("y", column(y));
  table.add("v", column(v));
  table.add("w", column(w));
  return table;
}

TEST(ImputationValidation, PooledIntervalsCover) {
  const Index n = validation::replicates(120);
  const Formula formula = parse_formula("y ~ x + v + w + (1 | patient)");
  Eigen::MatrixXd estimates(n, 3);
  Eigen::MatrixXd covered(n, 3);
  Eigen::MatrixXd complete_cases(n, 3);
  parallel_for(n, 0, [&](Index r) {
    RandomStream stream(Seed{31}, static_cast<std::uint64_t>(r));
    const Table table = study(stream);
    const Imputation imputation =
        impute(table, {.variables = {"x", "y", "v"}, .group = "patient", .group_variables = {"w"}},
               Seed{static_cast<std::uint64_t>(r) + 1},
               {.imputations = 20, .chains = 2, .burn_in = 200, .thin = 30});
    const PooledFit fit = fit_imputed(formula, imputation.tables);
    const MixedFit complete = fit_mixed_model(make_design(formula, table));
    for (Index k = 0; k < 3; ++k) {
      const PooledEstimate& p = fit.fixed.parameters[static_cast<std::size_t>(k) + 1];
      const double truth = truths[static_cast<std::size_t>(k)].value;
      estimates(r, k) = p.estimate;
      covered(r, k) = p.ci.lower <= truth && truth <= p.ci.upper ? 1 : 0;
      complete_cases(r, k) = complete.fixed.estimate[k + 1];
    }
  });
  for (Index k = 0; k < 3; ++k) {
    const Truth& truth = truths[static_cast<std::size_t>(k)];
    const double mean = estimates.col(k).mean();
    const double error =
        std::sqrt((estimates.col(k).array() - mean).square().mean() / static_cast<double>(n));
    std::cout << truth.term << ": " << mean << " (truth " << truth.value << ", Monte-Carlo error "
              << error << "), coverage " << covered.col(k).mean() << "; complete cases "
              << complete_cases.col(k).mean() << "\n";
    EXPECT_NEAR(mean, truth.value, 4 * error + 0.02) << truth.term;
    EXPECT_NEAR(covered.col(k).mean(), 0.95, 4 * validation::monte_carlo_error(0.95, n) + 0.015)
        << truth.term;
  }
}

}  // namespace
}  // namespace rapport
