#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const std::string folder = std::string(RAPPORT_TEST_DATA) + "/alliance/";

struct Waves {
  Eigen::MatrixXd x;
  Eigen::MatrixXd y;
};

Waves simulated_panel() {
  const Table table = read_csv(folder + "simulated_panel.csv");
  const Panel panel =
      make_panel(table, {.patient = "patient", .session = "session", .therapist = ""});
  const std::vector<double> sessions = {1, 2, 3, 4, 5};
  return {.x = in_waves(panel, table.numbers("wai_client"), sessions),
          .y = in_waves(panel, table.numbers("phq9"), sessions)};
}

Json lavaan(const std::string& which) {
  std::ifstream file(folder + "ri_clpm.json");
  std::stringstream text;
  text << file.rdbuf();
  return parse_json(text.str()).at(which);
}

/// lavaan names the within-person deviations wx1, wy1, …
std::string name(bool is_x, Index wave) { return (is_x ? "wx" : "wy") + std::to_string(wave); }

void agrees_with_lavaan(const CrossLaggedFit& fit, const Json& reference) {
  const Json& indices = reference.at("fit");
  EXPECT_NEAR(fit.log_likelihood, indices.at("logl").number(), 1e-5);
  EXPECT_NEAR(fit.unrestricted_log_likelihood, indices.at("unrestricted.logl").number(), 1e-5);
  EXPECT_EQ(static_cast<double>(fit.parameters), indices.at("npar").number());
  EXPECT_NEAR(fit.chi_square.statistic, indices.at("chisq").number(), 1e-4);
  EXPECT_EQ(fit.chi_square.df, indices.at("df").number());
  EXPECT_NEAR(fit.chi_square.p_value, indices.at("pvalue").number(), 1e-5);
  EXPECT_NEAR(fit.cfi, indices.at("cfi").number(), 1e-6);
  EXPECT_NEAR(fit.tli, indices.at("tli").number(), 1e-6);
  EXPECT_NEAR(fit.rmsea, indices.at("rmsea").number(), 1e-6);
  EXPECT_NEAR(fit.srmr, indices.at("srmr").number(), 1e-6);
  EXPECT_NEAR(fit.aic, indices.at("aic").number(), 1e-4);
  EXPECT_NEAR(fit.bic, indices.at("bic").number(), 1e-4);
  const Json::Array& paths = reference.at("regressions").items();
  ASSERT_EQ(paths.size(), fit.effects.size());
  for (const LaggedEffect& effect : fit.effects)
    for (const Json& path : paths) {
      if (path.at("lhs").string() != name(effect.to_x, effect.wave) ||
          path.at("rhs").string() != name(effect.from_x, effect.wave - 1))
        continue;
      EXPECT_NEAR(effect.estimate, path.at("est").number(), 1e-4);
      EXPECT_NEAR(effect.standard_error, path.at("se").number(), 1e-5);
      EXPECT_NEAR(effect.p_value, path.at("p").number(), 1e-3);
      EXPECT_NEAR(effect.standardized, path.at("std").number(), 1e-4);
    }
}

TEST(CrossLagged, AgreesWithLavaanWithEffectsFreeOverTime) {
  const Waves waves = simulated_panel();
  const CrossLaggedFit fit = random_intercept_cross_lagged(waves.x, waves.y);
  EXPECT_TRUE(fit.converged);
  EXPECT_TRUE(fit.proper);
  EXPECT_EQ(fit.n_used, 120);
  agrees_with_lavaan(fit, lavaan("free"));
}

TEST(CrossLagged, AgreesWithLavaanWithEqualEffects) {
  const Waves waves = simulated_panel();
  const CrossLaggedFit fit =
      random_intercept_cross_lagged(waves.x, waves.y, {.equal_over_time = true});
  agrees_with_lavaan(fit, lavaan("equal"));
  EXPECT_EQ(fit.effects[0].estimate, fit.effects[4].estimate);
}

TEST(CrossLagged, ExchangingTheVariablesExchangesTheEffects) {
  const Waves waves = simulated_panel();
  const CrossLaggedFit fit = random_intercept_cross_lagged(waves.x, waves.y);
  const CrossLaggedFit exchanged = random_intercept_cross_lagged(waves.y, waves.x);
  EXPECT_NEAR(fit.log_likelihood, exchanged.log_likelihood, 1e-8);
  for (std::size_t k = 0; k < fit.effects.size(); ++k) {
    const LaggedEffect& a = fit.effects[k];
    const LaggedEffect& b = exchanged.effects[k / 4 * 4 + 3 - k % 4];
    EXPECT_NE(a.from_x, b.from_x);
    EXPECT_NEAR(a.estimate, b.estimate, 1e-6);
    EXPECT_NEAR(a.standard_error, b.standard_error, 1e-6);
  }
}

TEST(CrossLagged, UnitsOfMeasurementDoNotMatter) {
  const Waves waves = simulated_panel();
  const CrossLaggedFit fit = random_intercept_cross_lagged(waves.x, waves.y);
  const Eigen::MatrixXd moved = ((waves.x.array() - 1000) * 100).matrix();
  const CrossLaggedFit scaled = random_intercept_cross_lagged(moved, waves.y);
  EXPECT_NEAR(scaled.chi_square.statistic, fit.chi_square.statistic, 1e-6);
  EXPECT_NEAR(scaled.effects[2].estimate * 100, fit.effects[2].estimate, 1e-7);
  EXPECT_NEAR(scaled.effects[2].standardized, fit.effects[2].standardized, 1e-7);
  EXPECT_NEAR(scaled.x_variance / 1e4, fit.x_variance, 1e-4);
}

TEST(CrossLagged, PatientsWithoutAnyValueDoNotCount) {
  Waves waves = simulated_panel();
  const CrossLaggedFit fit = random_intercept_cross_lagged(waves.x, waves.y);
  const Index n = waves.x.rows();
  waves.x.conservativeResize(n + 2, Eigen::NoChange);
  waves.y.conservativeResize(n + 2, Eigen::NoChange);
  waves.x.bottomRows(2).setConstant(missing);
  waves.y.bottomRows(2).setConstant(missing);
  const CrossLaggedFit more = random_intercept_cross_lagged(waves.x, waves.y);
  EXPECT_EQ(more.n_used, n);
  EXPECT_EQ(more.n_omitted, 2);
  EXPECT_EQ(more.log_likelihood, fit.log_likelihood);
}

TEST(CrossLagged, WavesThatNeverMeetHaveNoTestOfFit) {
  Waves waves = simulated_panel();
  for (Index i = 0; i < waves.x.rows(); ++i) (i % 2 == 0 ? waves.x(i, 0) : waves.x(i, 4)) = missing;
  const CrossLaggedFit fit = random_intercept_cross_lagged(waves.x, waves.y);
  EXPECT_TRUE(std::isnan(fit.chi_square.p_value));
  EXPECT_TRUE(std::isfinite(fit.log_likelihood));
}

TEST(CrossLagged, RefusesWhatAllowsNoEstimate) {
  const Waves waves = simulated_panel();
  const auto fit = [](const Eigen::MatrixXd& x, const Eigen::MatrixXd& y) {
    (void)random_intercept_cross_lagged(x, y);
  };
  EXPECT_THROW(fit(waves.x.leftCols(2), waves.y.leftCols(2)), InvalidArgument);
  EXPECT_THROW(fit(waves.x, waves.y.leftCols(3)), InvalidArgument);
  EXPECT_THAT([&] { fit(Eigen::MatrixXd::Constant(120, 5, 3.0), waves.y); },
              ThrowsMessage<DataError>(HasSubstr("x has no variance")));
  Eigen::MatrixXd without = waves.y;
  without.col(2).setConstant(missing);
  EXPECT_THAT([&] { fit(waves.x, without); },
              ThrowsMessage<DataError>(HasSubstr("y has no value at wave 3")));
}

}  // namespace
}  // namespace rapport
