// Does the alliance come before the change, or the change before the alliance?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  const Table sessions = read_csv("simulated_panel.csv");
  const Panel panel = make_panel(sessions, {.patient = "patient", .session = "session"});

  // Patients' stable levels apart, what is carried over from one session to the next? Missing
  // sessions stay missing.
  const std::vector<double> waves = {1, 2, 3, 4, 5};
  const CrossLaggedFit fit = random_intercept_cross_lagged(
      in_waves(panel, sessions.numbers("wai_client"), waves),
      in_waves(panel, sessions.numbers("phq9"), waves), {.equal_over_time = true});
  std::printf("%d patients, chi2(%g) = %.2f, p = %.3f, CFI = %.3f\n", static_cast<int>(fit.n_used),
              fit.chi_square.df, fit.chi_square.statistic, fit.chi_square.p_value, fit.cfi);
  for (const LaggedEffect& effect : fit.effects)
    if (effect.wave == 2)
      std::printf("%s -> %s  %7.3f  [%.3f, %.3f]  beta %.2f\n",
                  effect.from_x ? "alliance" : "symptoms", effect.to_x ? "alliance" : "symptoms",
                  effect.estimate, effect.ci.lower, effect.ci.upper, effect.standardized);
}
