// What the alliance room recommends, by simulation: effects of both levels are recovered, and the
// cross-lagged panel model keeps its level where the common lagged regression does not.

#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/lags.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/alliance/rupture.hpp>
#include <rapport/alliance/simulated_panel.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <cmath>
#include <iostream>

namespace rapport {
namespace {

using validation::monte_carlo_error;
using validation::replicates;

/// Two series that carry over (0.7) and correlate within a wave (0.5 in their innovations) but do
/// not influence one another, each about a stable level of the person: the recipe of
/// stats.stackexchange.com/q/381336.
struct Waves {
  Eigen::MatrixXd x;
  Eigen::MatrixXd y;
};

Waves carried_over(Index persons, Index waves, Seed seed, std::uint64_t replicate) {
  RandomStream random(seed, replicate);
  Waves result{.x = Eigen::MatrixXd(persons, waves), .y = Eigen::MatrixXd(persons, waves)};
  const double start = std::sqrt(1 / (1 - 0.49));
  for (Index i = 0; i < persons; ++i) {
    const double level_x = random.normal();
    const double level_y = 0.4 * level_x + random.normal();
    double p = 0;
    double q = 0;
    for (Index t = 0; t < waves; ++t) {
      const double shared = std::sqrt(0.5) * random.normal();
      const double u = shared + std::sqrt(0.5) * random.normal();
      const double v = shared + std::sqrt(0.5) * random.normal();
      p = t == 0 ? start * u : 0.7 * p + u;
      q = t == 0 ? start * v : 0.7 * q + v;
      result.x(i, t) = level_x + p;
      result.y(i, t) = level_y + q;
    }
  }
  return result;
}

Table as_sessions(const Waves& waves) {
  const Index n = waves.x.size();
  Eigen::VectorXd person(n);
  Eigen::VectorXd session(n);
  for (Index t = 0; t < waves.x.cols(); ++t)
    for (Index i = 0; i < waves.x.rows(); ++i) {
      person[t * waves.x.rows() + i] = static_cast<double>(i);
      session[t * waves.x.rows() + i] = static_cast<double>(t);
    }
  Table table;
  table.add("person", person);
  table.add("session", session);
  table.add("x", Eigen::VectorXd(waves.x.reshaped()));
  table.add("y", Eigen::VectorXd(waves.y.reshaped()));
  return table;
}

TEST(LaggedValidation, TheCrossLaggedPanelModelKeepsItsLevelWhereLaggedRegressionDoesNot) {
  const Index count = replicates(100);
  Index panel_rejects = 0;
  Index proper = 0;
  Index lagged_rejects = 0;
  for (Index r = 0; r < count; ++r) {
    const Waves waves = carried_over(200, 5, Seed{41}, static_cast<std::uint64_t>(r));
    const CrossLaggedFit fit =
        random_intercept_cross_lagged(waves.x, waves.y, {.equal_over_time = true});
    if (fit.converged) {
      ++proper;
      panel_rejects += fit.effects[2].p_value < 0.05 ? 1 : 0;  // x → y
    }
    // The regression that is often run: a centred predictor beside the outcome's own raw lag.
    const FittedModel model(
        "y ~ session + within(lag(x, person, session), person) + lag(y, person, session) + "
        "between(x, person) + "
        "(1 | person)",
        as_sessions(waves));
    lagged_rejects +=
        model.effect("within(lag(x, person, session), person)").p_value < 0.05 ? 1 : 0;
  }
  const double panel_share = static_cast<double>(panel_rejects) / static_cast<double>(proper);
  const double lagged_share = static_cast<double>(lagged_rejects) / static_cast<double>(count);
  std::cout << "rejections of a true null: panel model " << panel_share << " (" << proper << " of "
            << count << " converged), lagged regression " << lagged_share << '\n';
  EXPECT_NEAR(panel_share, 0.05, 4 * monte_carlo_error(0.05, proper));
  EXPECT_GT(lagged_share, 0.05 + 4 * monte_carlo_error(0.05, count))
      << "the bias that the output warns of";
}

TEST(LevelsValidation, WithinAndBetweenEffectsOfOppositeSignAreRecovered) {
  const Index count = replicates(40);
  SimulatedPanelOptions options;
  options.patients = 150;
  options.therapists = 15;
  options.within_effect = -0.2;
  options.between_patient_effect = 0.3;
  options.between_therapist_effect = 0.3;
  options.trend = 0;
  options.autocorrelation = 0;  // λ takes the deviations of sessions as independent
  options.dropout = 0;
  options.rounded = false;
  const StudyColumns columns{.patient = "patient",
                             .session = "session",
                             .alliance = "wai_client",
                             .outcome = "phq9",
                             .therapist = "therapist"};
  const StudyTerms terms = study_terms(columns);
  const std::string formula = terms.outcome + " ~ " + terms.session + " + " + terms.within + " + " +
                              terms.between_patient + " + " + terms.between_therapist + " + " +
                              terms.random;
  Eigen::VectorXd within(count);
  Eigen::VectorXd corrected(count);
  Index covered = 0;
  for (Index r = 0; r < count; ++r) {
    const Table table = simulate_panel(Seed{100 + static_cast<std::uint64_t>(r)}, options);
    const Panel panel =
        make_panel(table, {.patient = "patient", .session = "session", .therapist = "therapist"});
    const Disaggregation d = disaggregate(FittedModel(formula, table), table, panel, columns);
    within[r] = d.within.estimate;
    corrected[r] = d.between_patient_corrected.estimate;
    covered += d.within.ci.lower <= -0.2 && -0.2 <= d.within.ci.upper ? 1 : 0;
  }
  const auto error = [&](const Eigen::VectorXd& x) {
    return std::sqrt((x.array() - x.mean()).square().sum() / static_cast<double>(count - 1) /
                     static_cast<double>(count));
  };
  std::cout << "within " << within.mean() << ", between corrected " << corrected.mean()
            << ", coverage " << static_cast<double>(covered) / static_cast<double>(count) << '\n';
  EXPECT_NEAR(within.mean(), -0.2, 4 * error(within));
  EXPECT_NEAR(corrected.mean(), 0.3, 4 * error(corrected));
  EXPECT_NEAR(static_cast<double>(covered) / static_cast<double>(count), 0.95,
              4 * monte_carlo_error(0.95, count));
}

/// The same recipe, sessions at unequal distances: the innovations of both series correlate within
/// a session and decay with the time elapsed.
Table unequally_spaced(Index persons, Index sessions, Seed seed, std::uint64_t replicate) {
  RandomStream random(seed, replicate);
  const Index n = persons * sessions;
  Eigen::VectorXd person(n), session(n), day(n), x(n), y(n);
  Index row = 0;
  for (Index i = 0; i < persons; ++i) {
    const double level_x = random.normal();
    const double level_y = 0.4 * level_x + random.normal();
    double time = 0;
    double p = 0;
    double q = 0;
    for (Index t = 0; t < sessions; ++t, ++row) {
      const double gap = t == 0 ? 0 : 3 + static_cast<double>(random.below(12));
      time += gap;
      const double carried = t == 0 ? 0 : std::pow(0.95, gap);  // 0.7 a week
      const double size = std::sqrt(1 - carried * carried);
      const double shared = random.normal();
      p = carried * p + size * std::sqrt(0.5) * (shared + random.normal());
      q = carried * q + size * std::sqrt(0.5) * (shared + random.normal());
      person[row] = static_cast<double>(i);
      session[row] = static_cast<double>(t + 1);
      day[row] = time;
      x[row] = level_x + p;
      y[row] = level_y + q;
    }
  }
  Table table;
  table.add("person", person);
  table.add("session", session);
  table.add("day", day);
  table.add("x", x);
  table.add("y", y);
  return table;
}

TEST(LaggedValidation, ContinuousTimeKeepsItsLevelWithUnequalSpacing) {
  const Index count = replicates(60);
  const StudyColumns columns{
      .patient = "person", .session = "session", .alliance = "x", .outcome = "y", .time = "day"};
  Index rejects = 0;
  Index lagged_rejects = 0;
  Eigen::VectorXd rho(count);
  for (Index r = 0; r < count; ++r) {
    const Table table = unequally_spaced(100, 20, Seed{43}, static_cast<std::uint64_t>(r));
    const FittedModel model(continuous_time_formula(columns, "x", "y"), table,
                            SerialResiduals{.time = "day", .group = "person"});
    const ContinuousTimeInfluence influence = continuous_time_influence(model, table, columns);
    rejects += influence.effect.p_value < 0.05 ? 1 : 0;
    rho[r] = influence.rho;
    const FittedModel lagged(lagged_formula(columns, "x", "y"), table);
    lagged_rejects += lagged_influence(lagged, table, columns).effect.p_value < 0.05 ? 1 : 0;
  }
  const double share = static_cast<double>(rejects) / static_cast<double>(count);
  std::cout << "rejections of a true null: continuous time " << share << " (rho a day "
            << rho.mean() << "), one lag whatever the distance "
            << static_cast<double>(lagged_rejects) / static_cast<double>(count) << '\n';
  EXPECT_NEAR(rho.mean(), 0.95, 0.02);
  EXPECT_NEAR(share, 0.05, 4 * monte_carlo_error(0.05, count) + 0.02)
      << "0.02: what centring on the mean of 20 sessions leaves";
}

/// Steady ratings (SD 1) of twelve sessions, with falls planted in some patients.
struct PlantedPanel {
  Panel panel;
  Eigen::VectorXd rating;
};

enum class Plant { nothing, v_shape, slow, unrepaired };

PlantedPanel planted(Index patients, Plant plant, std::uint64_t replicate) {
  RandomStream random(Seed{6}, replicate);
  Table table;
  const Index n = patients * 12;
  Eigen::VectorXd person(n), session(n), rating(n);
  for (Index i = 0; i < n; ++i) {
    const Index t = i % 12 + 1;
    person[i] = static_cast<double>(i / 12);
    session[i] = static_cast<double>(t);
    double fall = 0;
    if (plant == Plant::v_shape) fall = t == 6 ? 8 : 0;
    if (plant == Plant::slow) fall = t == 4 ? 3 : t == 5 ? 6 : t == 6 ? 9 : 0;
    if (plant == Plant::unrepaired) fall = t >= 6 ? 8 : 0;
    rating[i] = 60 + random.normal() - fall;
  }
  table.add("person", person);
  table.add("session", session);
  return {.panel = make_panel(table, {.patient = "person", .session = "session", .therapist = ""}),
          .rating = rating};
}

/// Share of the patients in whom a rule names session 6, and ruptures it names elsewhere a patient.
struct RuleYield {
  double found;
  double elsewhere;
};

RuleYield yield_of(const PlantedPanel& panel, RuptureRule rule) {
  RuptureOptions options{.rules = {rule}};
  options.srs_cutoff = 55;  // the scale of the simulation is not the SRS's
  Index found = 0;
  Index elsewhere = 0;
  for (const Rupture& r : find_ruptures(panel.panel, panel.rating, options).ruptures)
    ++(r.session == 6 ? found : elsewhere);
  const auto patients = static_cast<double>(panel.panel.patients());
  return {.found = static_cast<double>(found) / patients,
          .elsewhere = static_cast<double>(elsewhere) / patients};
}

TEST(RuptureValidation, PlantedRupturesAreFoundAndCounted) {
  const Index patients = replicates(200);
  constexpr RuptureRule rules[] = {
      RuptureRule::stiles,          RuptureRule::strauss,       RuptureRule::gumz,
      RuptureRule::gumz_strict,     RuptureRule::control_chart, RuptureRule::cusum,
      RuptureRule::reliable_change, RuptureRule::srs_alert};
  const PlantedPanel none = planted(patients, Plant::nothing, 0);
  const PlantedPanel sharp = planted(patients, Plant::v_shape, 1);
  const PlantedPanel slow = planted(patients, Plant::slow, 2);
  const PlantedPanel lasting = planted(patients, Plant::unrepaired, 3);
  std::cout << "share of planted ruptures named (and ruptures named elsewhere, a patient)\n";
  for (const RuptureRule rule : rules) {
    const RuleYield v = yield_of(sharp, rule);
    const RuleYield s = yield_of(slow, rule);
    const RuleYield u = yield_of(lasting, rule);
    const RuleYield n = yield_of(none, rule);
    std::cout << name_of(rule) << ": V-shape " << v.found << " (" << v.elsewhere << "), over three "
              << "sessions " << s.found << " (" << s.elsewhere << "), not made good " << u.found
              << " (" << u.elsewhere << "), none planted " << n.found + n.elsewhere << '\n';
    // strauss names the onset of a spell, which chance may set a session earlier; the limit of a
    // chart of twelve sessions is moved by the fall itself; cusum looks for what lasts.
    const double least = rule == RuptureRule::strauss || rule == RuptureRule::control_chart ? 0.7
                         : rule == RuptureRule::cusum                                       ? 0.0
                                                                                            : 0.95;
    EXPECT_GE(v.found, least) << name_of(rule);
    if (rule == RuptureRule::stiles || rule == RuptureRule::strauss) {
      EXPECT_LT(u.found, 0.1) << name_of(rule) << " counts what is made good";
    }
  }
  EXPECT_GT(yield_of(slow, RuptureRule::gumz).found, 0.95) << "a decline over three sessions";
  EXPECT_GT(yield_of(slow, RuptureRule::cusum).found, 0.8);
  EXPECT_LT(yield_of(slow, RuptureRule::stiles).found, 0.2) << "no step of it is 2 SD";
  EXPECT_LT(yield_of(none, RuptureRule::control_chart).elsewhere, 0.15) << "3 sigma limits";
}

}  // namespace
}  // namespace rapport
