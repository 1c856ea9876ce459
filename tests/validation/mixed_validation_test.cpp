#include <rapport/base/parallel.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>

/// Coverage of 95 % intervals and rejection rates of 5 % tests in small designs: 10 therapists × 8
/// patients × 6 sessions, an effect of therapists (5 treated, 5 not), one of sessions with slopes
/// that vary over patients; and recovery of the parameters, without a variance of therapists too.
namespace rapport {
namespace {

struct Truth {
  double therapist_sd;
  double patient_sd = 1;
  double slope_sd = 0.2;
  double sigma = 1;
};

constexpr Index therapists = 10;
constexpr Index patients = 8;
constexpr Index sessions = 6;

/// y ~ treatment + session + (1 | therapist) + (1 + session | patient), both effects 0.
Design simulated(const Truth& truth, Index replicate) {
  RandomStream stream(Seed{20}, static_cast<std::uint64_t>(replicate));
  const Index n = therapists * patients * sessions;
  Design design;
  design.response.resize(n);
  design.fixed = Eigen::MatrixXd::Ones(n, 3);
  design.fixed_terms = {"(Intercept)", "treatment", "session"};
  design.random.resize(2);
  RandomTerm& therapist = design.random[0];
  RandomTerm& patient = design.random[1];
  therapist = {"therapist", {"(Intercept)"}, Eigen::MatrixXd::Ones(n, 1), {}, {}};
  patient = {"patient", {"(Intercept)", "session"}, Eigen::MatrixXd::Ones(n, 2), {}, {}};
  Index row = 0;
  for (Index t = 0; t < therapists; ++t) {
    therapist.levels.push_back(std::to_string(t));
    const double therapist_effect = truth.therapist_sd * stream.normal();
    for (Index p = 0; p < patients; ++p) {
      patient.levels.push_back(std::to_string(t * patients + p));
      const double level = truth.patient_sd * stream.normal();
      const double slope = truth.slope_sd * stream.normal();
      for (Index s = 0; s < sessions; ++s, ++row) {
        const auto time = static_cast<double>(s);
        design.fixed(row, 1) = t < therapists / 2 ? 0 : 1;
        design.fixed(row, 2) = time;
        patient.columns(row, 1) = time;
        therapist.group.push_back(static_cast<std::int32_t>(t));
        patient.group.push_back(static_cast<std::int32_t>(t * patients + p));
        design.response[row] =
            therapist_effect + level + slope * time + truth.sigma * stream.normal();
      }
    }
  }
  return design;
}

/// What one replicate tells of an effect by one method.
struct Outcome {
  bool covered;
  bool rejected;
};

Outcome examine(const FixedInference& inference, Index coefficient) {
  const ContrastEstimate estimate = inference.contrast(Eigen::VectorXd::Unit(3, coefficient));
  return {estimate.ci.lower <= 0 && estimate.ci.upper >= 0, estimate.p_value < 0.05};
}

class SmallDesign : public testing::TestWithParam<double> {};

TEST_P(SmallDesign, IntervalsCoverAndTestsRejectAtTheirRates) {
  const Truth truth{.therapist_sd = GetParam()};
  const Index n = validation::replicates(400);
  std::vector<std::array<Outcome, 4>> outcomes(static_cast<std::size_t>(n));
  parallel_for(n, 2, [&](Index r) {
    const MixedModel model(simulated(truth, r));
    const MixedFit fit = model.fit({.random_effects = false});
    const FixedInference satterthwaite(model, fit, DegreesOfFreedom::satterthwaite);
    const FixedInference kenward_roger(model, fit, DegreesOfFreedom::kenward_roger);
    outcomes[static_cast<std::size_t>(r)] = {examine(satterthwaite, 1), examine(satterthwaite, 2),
                                             examine(kenward_roger, 1), examine(kenward_roger, 2)};
  });
  const std::array<const char*, 4> names = {"Satterthwaite treatment", "Satterthwaite session",
                                            "Kenward-Roger treatment", "Kenward-Roger session"};
  for (std::size_t k = 0; k < 4; ++k) {
    const auto covered = static_cast<double>(std::count_if(
        outcomes.begin(), outcomes.end(), [&](const auto& o) { return o[k].covered; }));
    const auto rejected = static_cast<double>(std::count_if(
        outcomes.begin(), outcomes.end(), [&](const auto& o) { return o[k].rejected; }));
    const double error = validation::monte_carlo_error(0.05, n);
    std::cout << names[k] << ": coverage " << covered / static_cast<double>(n) << ", rejection "
              << rejected / static_cast<double>(n) << " (Monte-Carlo error " << error << ")\n";
    // Where therapists do not vary their variance is estimated as 0 or more: tests of the treatment
    // are then conservative.
    EXPECT_LT(rejected / static_cast<double>(n), 0.05 + 3.5 * error) << names[k];
    if (GetParam() > 0) {
      EXPECT_GT(rejected / static_cast<double>(n), 0.05 - 3.5 * error) << names[k];
    }
    EXPECT_GT(covered / static_cast<double>(n), 0.95 - 3.5 * error) << names[k];
  }
}

INSTANTIATE_TEST_SUITE_P(TherapistSd, SmallDesign, testing::Values(0.0, 0.6));

TEST(MixedRecovery, VariancesAreUnbiasedAndProfilesCover) {
  const Truth truth{.therapist_sd = 0.6};
  const Index n = validation::replicates(60);
  Eigen::MatrixXd estimates(n, 3);
  std::vector<char> covered(static_cast<std::size_t>(n), 0);
  parallel_for(n, 2, [&](Index r) {
    const MixedModel model(simulated(truth, 100000 + r));
    const MixedFit fit = model.fit({.random_effects = false});
    estimates.row(r) << fit.random[0].covariance(0, 0), fit.random[1].covariance(1, 1),
        fit.residual.sd * fit.residual.sd;
    for (const ParameterInterval& interval : profile_intervals(model))
      if (interval.parameter == "sd(session|patient)")
        covered[static_cast<std::size_t>(r)] =
            interval.ci.lower <= truth.slope_sd && interval.ci.upper >= truth.slope_sd ? 1 : 0;
  });
  const Eigen::Vector3d expected(0.36, 0.04, 1);
  const Eigen::RowVectorXd mean = estimates.colwise().mean();
  for (Index k = 0; k < 3; ++k) {
    const double sd =
        std::sqrt((estimates.col(k).array() - mean[k]).square().sum() / static_cast<double>(n - 1));
    EXPECT_NEAR(mean[k], expected[k], 4 * sd / std::sqrt(static_cast<double>(n)));
  }
  const double share =
      static_cast<double>(std::count(covered.begin(), covered.end(), 1)) / static_cast<double>(n);
  std::cout << "profile of a slope's SD: coverage " << share << " (Monte-Carlo error "
            << validation::monte_carlo_error(0.05, n) << ")\n";
  EXPECT_GT(share, 0.95 - 3.5 * validation::monte_carlo_error(0.05, n));
}

}  // namespace
}  // namespace rapport
