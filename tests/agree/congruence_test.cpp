#include <rapport/agree/congruence.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using agree_data::number;
using agree_data::reference;

struct Sessions {
  Eigen::VectorXd x, y, z;
  std::vector<std::int32_t> patient;
};

Sessions sessions() {
  const Table t = agree_data::table("dyads.csv");
  return {t.numbers("x"), t.numbers("y"), t.numbers("z"), t.factor("patient").codes};
}

// R 4.2.2 lm and linear contrasts of it.
TEST(ResponseSurface, MatchesLm) {
  const Sessions s = sessions();
  const ResponseSurfaceResult r = response_surface(s.z, s.x, s.y);
  const Json& lm = reference("surface_ols");
  for (std::size_t j = 0; j < 6; ++j) {
    EXPECT_NEAR(r.coefficients[j].estimate, number(lm.at("b"), j), 1e-10);
    EXPECT_NEAR(r.coefficients[j].standard_error, number(lm.at("b_se"), j), 1e-10);
  }
  for (std::size_t j = 0; j < 5; ++j) {
    EXPECT_NEAR(r.surface[j].estimate, number(lm.at("a"), j), 1e-10);
    EXPECT_NEAR(r.surface[j].standard_error, number(lm.at("a_se"), j), 1e-10);
    EXPECT_DOUBLE_EQ(r.surface[j].df, 192);
  }
  EXPECT_NEAR(r.r_squared, lm.at("r_squared").number(), 1e-12);
  EXPECT_EQ(r.n_used, 198);
  EXPECT_EQ(r.n_omitted, 2);
}

// lmerTest 3.1 with tight optimizer settings.
TEST(ResponseSurface, WithRandomInterceptMatchesLmerTest) {
  const Sessions s = sessions();
  const ResponseSurfaceResult r = response_surface(s.z, s.x, s.y, {.patient = s.patient});
  const Json& lmer = reference("surface_mixed");
  for (std::size_t j = 0; j < 6; ++j) {
    EXPECT_NEAR(r.coefficients[j].estimate, number(lmer.at("b"), j), 1e-6);
    EXPECT_NEAR(r.coefficients[j].standard_error, number(lmer.at("b_se"), j), 1e-7);
    EXPECT_NEAR(r.coefficients[j].df, number(lmer.at("b_df"), j), 1e-3);
  }
  for (std::size_t j = 0; j < 5; ++j) {
    EXPECT_NEAR(r.surface[j].estimate, number(lmer.at("a"), j), 1e-6);
    EXPECT_NEAR(r.surface[j].standard_error, number(lmer.at("a_se"), j), 1e-7);
    EXPECT_NEAR(r.surface[j].df, number(lmer.at("a_df"), j), 1e-3);
    EXPECT_NEAR(r.surface[j].p_value, number(lmer.at("a_p"), j), 1e-6);
  }
  EXPECT_NEAR(r.patient_sd, lmer.at("patient_sd").number(), 1e-6);
  EXPECT_NEAR(r.residual_sd, lmer.at("residual_sd").number(), 1e-6);
}

// Geometry: the gradient vanishes at the stationary point, the axes are perpendicular eigenvectors.
RC_GTEST_PROP(ResponseSurface, ShapeIsThatOfTheSurface, ()) {
  RandomStream stream(Seed{static_cast<std::uint64_t>(*rc::gen::inRange(1, 1000000))}, 0);
  Eigen::VectorXd x(30);
  Eigen::VectorXd y(30);
  Eigen::VectorXd z(30);
  for (Index i = 0; i < 30; ++i) {
    x[i] = stream.normal();
    y[i] = stream.normal();
    z[i] = stream.normal();
  }
  const ResponseSurfaceResult r = response_surface(z, x, y);
  const auto b = [&](std::size_t j) { return r.coefficients[j].estimate; };
  const double scale = 1 + std::abs(r.stationary_x) + std::abs(r.stationary_y);
  RC_ASSERT(std::abs(b(1) + 2 * b(3) * r.stationary_x + b(4) * r.stationary_y) < 1e-9 * scale);
  RC_ASSERT(std::abs(b(2) + b(4) * r.stationary_x + 2 * b(5) * r.stationary_y) < 1e-9 * scale);
  RC_ASSERT(std::abs(r.first.slope * r.second.slope + 1) < 1e-7);
  const Eigen::Matrix2d h{{b(3), b(4) / 2}, {b(4) / 2, b(5)}};
  const Eigen::Vector2d first = Eigen::Vector2d(1, r.first.slope).normalized();
  const Eigen::Vector2d second = Eigen::Vector2d(1, r.second.slope).normalized();
  RC_ASSERT((h * first - r.eigenvalues[0] * first).norm() < 1e-8);
  RC_ASSERT((h * second - r.eigenvalues[1] * second).norm() < 1e-8);
  RC_ASSERT(r.eigenvalues[0] >= r.eigenvalues[1]);
}

// Exchanging x and y mirrors the surface at the line of congruence.
RC_GTEST_PROP(ResponseSurface, ExchangingTheRatersMirrorsIt, ()) {
  const Sessions s = sessions();
  const ResponseSurfaceResult a = response_surface(s.z, s.x, s.y);
  const ResponseSurfaceResult b = response_surface(s.z, s.y, s.x);
  const std::vector<double> sign = {1, 1, -1, 1, -1};
  for (std::size_t j = 0; j < 5; ++j) {
    RC_ASSERT(std::abs(a.surface[j].estimate - sign[j] * b.surface[j].estimate) < 1e-9);
    RC_ASSERT(std::abs(a.surface[j].standard_error - b.surface[j].standard_error) < 1e-9);
  }
}

// Centring both raters alike moves the point, not the shape.
TEST(ResponseSurface, CentringMovesThePointOnly) {
  const Sessions s = sessions();
  const ResponseSurfaceResult raw = response_surface(s.z, s.x, s.y);
  const ResponseSurfaceResult centred = response_surface(s.z, s.x, s.y, {.centre = 4});
  EXPECT_NEAR(raw.surface[1].estimate, centred.surface[1].estimate, 1e-9);
  EXPECT_NEAR(raw.surface[3].estimate, centred.surface[3].estimate, 1e-9);
  EXPECT_NEAR(raw.surface[2].estimate,
              centred.surface[2].estimate - 8 * centred.surface[4].estimate, 1e-8);
  EXPECT_NEAR(raw.stationary_x, centred.stationary_x + 4, 1e-7);
  EXPECT_NEAR(raw.stationary_x_standard_error, centred.stationary_x_standard_error, 1e-4);
  EXPECT_NEAR(raw.first.slope_standard_error, centred.first.slope_standard_error, 1e-6);
  EXPECT_NEAR(raw.r_squared, centred.r_squared, 1e-12);
}

TEST(ResponseSurface, BootstrapErrorsAreNearTheDeltaMethods) {
  const Sessions s = sessions();
  const SurfaceBootstrap b =
      response_surface_bootstrap(s.z, s.x, s.y, Seed{9}, {.replicates = 400, .centre = 5});
  const SurfaceBootstrap four = response_surface_bootstrap(
      s.z, s.x, s.y, Seed{9}, {.replicates = 400, .centre = 5, .threads = 4});
  const ResponseSurfaceResult r = response_surface(s.z, s.x, s.y, {.centre = 5});
  EXPECT_EQ(b.standard_error, four.standard_error);
  for (std::size_t j = 0; j < 5; ++j) {
    EXPECT_NEAR(b.estimate[static_cast<Index>(6 + j)], r.surface[j].estimate, 1e-10);
    EXPECT_NEAR(b.standard_error[static_cast<Index>(6 + j)] / r.surface[j].standard_error, 1, 0.35);
  }
  const SurfaceBootstrap clustered = response_surface_bootstrap(
      s.z, s.x, s.y, Seed{9}, {.replicates = 50, .centre = 5, .cluster = s.patient});
  EXPECT_TRUE(clustered.standard_error.head(11).allFinite());
}

TEST(ResponseSurface, Refusals) {
  const Eigen::VectorXd two{{0, 1, 0, 1, 0, 1, 0, 1}};
  const Eigen::VectorXd y = Eigen::VectorXd::LinSpaced(8, 0, 7);
  EXPECT_THROW((void)response_surface(y.cwiseAbs2(), two, y), DataError);  // two² = two
  EXPECT_THROW((void)response_surface(y.head(6), y.head(6), y.head(6)), DataError);
  EXPECT_THROW((void)response_surface(y, two.head(5), y), InvalidArgument);
}

// nlme 3.1-162 gls(correlation = corCompSymm).
TEST(TruthAndBias, MatchesNlme) {
  const Sessions s = sessions();
  for (const bool reml : {true, false}) {
    const TruthAndBiasResult r = truth_and_bias(s.z, s.x, s.y, s.patient, {.reml = reml});
    const Json& gls = reference("truth_and_bias").at(reml ? "reml" : "ml");
    std::size_t j = 0;
    for (const Parameter* p : {&r.direction_bias, &r.truth_force, &r.bias_force}) {
      EXPECT_NEAR(p->estimate, number(gls.at("coef"), j), 1e-8);
      EXPECT_NEAR(p->standard_error, number(gls.at("se"), j), 1e-8);
      EXPECT_NEAR(p->p_value, number(gls.at("p"), j), 1e-10);
      ++j;
    }
    EXPECT_NEAR(r.sigma, gls.at("sigma").number(), 1e-7);
    EXPECT_NEAR(r.correlation, gls.at("rho").number(), 1e-7);
    EXPECT_NEAR(r.log_likelihood, gls.at("loglik").number(), 1e-9);
  }
}

TEST(TruthAndBias, AllowsNegativeCorrelation) {
  const Table t = agree_data::table("negative.csv");
  const TruthAndBiasResult r =
      truth_and_bias(t.numbers("j"), t.numbers("t"), t.numbers("b"), t.factor("g").codes);
  const Json& gls = reference("negative");
  EXPECT_NEAR(r.correlation, gls.at("rho").number(), 1e-6);
  EXPECT_LT(r.correlation, -0.9);
  EXPECT_NEAR(r.sigma, gls.at("sigma").number(), 1e-6);
  EXPECT_NEAR(r.truth_force.estimate, number(gls.at("coef"), 1), 1e-7);
  EXPECT_NEAR(r.direction_bias.standard_error, number(gls.at("se"), 0), 1e-7);
  EXPECT_NEAR(r.log_likelihood, gls.at("loglik").number(), 1e-8);
}

// Within patients the truth force does not see what differs between patients.
TEST(TruthAndBias, PersonCentringRemovesPatients) {
  const Sessions s = sessions();
  Eigen::VectorXd shifted = s.x;
  Eigen::VectorXd judged = s.z;
  for (Index i = 0; i < shifted.size(); ++i) {
    const double level = 3.0 * s.patient[static_cast<std::size_t>(i)];
    shifted[i] += level;
    judged[i] += level;
  }
  const TruthAndBiasOptions options{.centre = TruthCentre::person};
  const TruthAndBiasResult a = truth_and_bias(s.z, s.x, s.y, s.patient, options);
  const TruthAndBiasResult b = truth_and_bias(judged, shifted, s.y, s.patient, options);
  EXPECT_NEAR(a.truth_force.estimate, b.truth_force.estimate, 1e-7);
  EXPECT_NEAR(a.direction_bias.estimate, b.direction_bias.estimate, 1e-7);
}

TEST(TruthAndBias, Refusals) {
  const Sessions s = sessions();
  std::vector<std::int32_t> alone(s.patient.size());
  for (std::size_t i = 0; i < alone.size(); ++i) alone[i] = static_cast<std::int32_t>(i);
  EXPECT_THROW((void)truth_and_bias(s.z, s.x, s.y, alone), DataError);
  EXPECT_THROW((void)truth_and_bias(s.z, s.x.head(5), s.y, s.patient), InvalidArgument);
}

}  // namespace
}  // namespace rapport
