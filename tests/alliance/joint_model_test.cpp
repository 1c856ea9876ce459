#include <rapport/alliance/joint_model.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/mixed/fit.hpp>

#include <gtest/gtest.h>

#include "support/column.hpp"
#include <cmath>
#include <gmock/gmock.h>
#include <numbers>

namespace rapport {
namespace {

using testing_support::column;

using testing::HasSubstr;
using testing::ThrowsMessage;

/// 80 patients, up to 6 sessions: those whose symptoms stay high leave sooner.
PersonPeriod study(Index patients = 80) {
  std::vector<double> patient, session, alliance, symptoms, dropped;
  for (Index p = 0; p < patients; ++p) {
    RandomStream stream(Seed{12}, static_cast<std::uint64_t>(p));
    const double level = 1.5 * stream.normal();
    const double slope = 0.1 * level + 0.4 * stream.normal();
    for (int s = 1; s <= 6; ++s) {
      const double a = 5 + stream.normal();
      const double eta = -2 + 0.5 * level + 0.8 * slope - 0.3 * (a - 5);
      const bool leaves = s < 6 && stream.uniform() < 1 / (1 + std::exp(-eta));
      patient.push_back(static_cast<double>(p));
      session.push_back(s);
      alliance.push_back(a);
      symptoms.push_back(10 + level + (slope - 0.5) * (s - 1) - 0.3 * (a - 5) + stream.normal());
      dropped.push_back(leaves ? 1 : 0);
      if (leaves) break;
    }
  }
  Table table;
  table.add("patient", column(patient));
  table.add("session", column(session));
  table.add("wai", column(alliance));
  table.add("phq9", column(symptoms));
  table.add("dropped", column(dropped));
  return person_period(table, {.patient = "patient",
                               .session = "session",
                               .alliance = "wai",
                               .therapist = "",
                               .dropout = "dropped",
                               .completed = ""});
}

const std::string outcome = "phq9 ~ session + wai + (1 + session | patient)";
const std::string hazard = "session + wai";

/// −∞ … ∞ by a grid over the random effects, straight from the definition.
double brute_force(const PersonPeriod& period, const JointModel& m) {
  const Eigen::VectorXd& y = period.table.numbers("phq9");
  const Eigen::VectorXd& x = period.table.numbers("wai");
  const Eigen::VectorXd& t = period.table.numbers("session");
  const Eigen::VectorXd& d = period.table.numbers("leaves");
  const Eigen::VectorXd& id = period.table.numbers("patient");
  const double rho = m.random_covariance(0, 1) / (m.random_sd[0] * m.random_sd[1]);
  double total = 0;
  for (Index first = 0; first < y.size();) {
    Index end = first;
    while (end < y.size() && id[end] == id[first]) ++end;
    double sum = 0;
    constexpr double step = 0.08;  // of the standardised effects
    for (double u = -7; u <= 7; u += step)
      for (double v = -7; v <= 7; v += step) {
        const double b0 = m.random_sd[0] * u;
        const double b1 = m.random_sd[1] * (rho * u + std::sqrt(1 - rho * rho) * v);
        double log_term = -(u * u + v * v) / 2 - std::log(2 * std::numbers::pi);
        for (Index i = first; i < end; ++i) {
          const double line = b0 + b1 * t[i];
          const double error = y[i] - m.outcome[0].estimate - m.outcome[1].estimate * t[i] -
                               m.outcome[2].estimate * x[i] - line;
          log_term += -std::log(m.residual_sd) - 0.5 * std::log(2 * std::numbers::pi) -
                      error * error / (2 * m.residual_sd * m.residual_sd);
          const double shared =
              m.shared == SharedPart::current
                  ? m.association[0].estimate * line
                  : m.association[0].estimate * b0 + m.association[1].estimate * b1;
          const double eta = m.hazard[0].estimate + m.hazard[1].estimate * t[i] +
                             m.hazard[2].estimate * x[i] + shared;
          const double stays =
              m.link == Link::cloglog ? -std::exp(eta) : -std::log1p(std::exp(eta));
          log_term += d[i] == 1 ? std::log(-std::expm1(stays)) : stays;
        }
        sum += std::exp(log_term) * step * step;
      }
    total += std::log(sum);
    first = end;
  }
  return total;
}

TEST(JointModel, LikelihoodIsTheIntegral) {
  const PersonPeriod period = study();
  for (const JointOptions& options :
       {JointOptions{}, JointOptions{.link = Link::cloglog, .shared = SharedPart::current}}) {
    const JointModel model = joint_model(period, outcome, hazard, options);
    ASSERT_TRUE(model.converged);
    EXPECT_NEAR(model.log_likelihood, brute_force(period, model), 2e-6);
    EXPECT_GE(model.log_likelihood, model.separate_log_likelihood - 1e-9);
  }
}

TEST(JointModel, EndsInAMaximumOfTheIntegral) {
  const PersonPeriod period = study();
  const JointModel model = joint_model(period, outcome, hazard);
  const double top = brute_force(period, model);
  const auto change = [&](std::vector<JointTerm> JointModel::*part, std::size_t k, double by) {
    JointModel moved = model;
    (moved.*part)[k].estimate += by;
    return brute_force(period, moved) - top;
  };
  const std::vector<std::pair<std::vector<JointTerm> JointModel::*, std::size_t>> some = {
      {&JointModel::outcome, 1}, {&JointModel::hazard, 0}, {&JointModel::association, 0}};
  for (const auto& [part, k] : some) {
    const double step = 0.1 * (model.*part)[k].standard_error;
    const double up = change(part, k, step);
    const double down = change(part, k, -step);
    EXPECT_LT(up, 0);
    EXPECT_LT(down, 0);
    EXPECT_NEAR(up, down, 0.2 * std::abs(up));
  }
}

TEST(JointModel, PointsOfTheRuleDoNotMatter) {
  const PersonPeriod period = study();
  const JointModel nine = joint_model(period, outcome, hazard, {.quadrature_points = 9});
  const JointModel many = joint_model(period, outcome, hazard, {.quadrature_points = 21});
  EXPECT_NEAR(nine.log_likelihood, many.log_likelihood, 1e-5);
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_NEAR(nine.association[k].estimate, many.association[k].estimate, 1e-3);
    EXPECT_NEAR(nine.association[k].standard_error, many.association[k].standard_error, 1e-3);
  }
}

TEST(JointModel, ARandomInterceptIsEnough) {
  const JointModel model =
      joint_model(study(), "phq9 ~ session + (1 | patient)", "session", {.threads = 2});
  ASSERT_EQ(model.association.size(), 1U);
  EXPECT_TRUE(model.converged);
  EXPECT_EQ(model.df, 1);
  EXPECT_GT(model.association[0].estimate, 0);
}

TEST(JointModel, WrongModelsAreRefused) {
  const PersonPeriod period = study(20);
  EXPECT_THAT([&] { (void)joint_model(period, "phq9 ~ session", hazard); },
              ThrowsMessage<InvalidArgument>(HasSubstr("one random term")));
  EXPECT_THAT([&] { (void)joint_model(period, outcome, "session + (1 | patient)"); },
              ThrowsMessage<InvalidArgument>(HasSubstr("random term")));
  EXPECT_THAT([&] { (void)joint_model(period, outcome, hazard, {.quadrature_points = 2}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("5 … 50")));
}

}  // namespace
}  // namespace rapport
