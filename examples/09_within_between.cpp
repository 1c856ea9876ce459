// Is it the person with the better alliance who does better, or the session with the better
// alliance?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  Table sessions = read_csv("simulated_panel.csv");

  // within(): a session against the patient's own mean; between(): that mean against the other
  // patients'.
  const Formula formula = parse_formula(
      "phq9 ~ session * within(wai_client, patient) + between(wai_client, patient) + (1 + session "
      "| therapist/patient)");
  add_panel_columns(sessions, formula);  // from all sessions, before any is taken away
  const Table first_ten = where(sessions, "session <= 10");

  const Design design = make_design(formula, first_ten);
  const MixedModel model(design);
  const MixedFit fit = model.fit();
  const FixedInference inference(model, fit);
  const MixedSummary summary = summarize(design, model, fit, inference);
  std::puts(report::mixed_text(summary).c_str());
  for (const std::string& warning : summary.warnings) std::printf("note: %s\n", warning.c_str());

  // Does the within-person effect change over therapy?
  std::puts(
      report::slopes_text(simple_slopes(design, fit.fixed, inference, "within(wai_client, patient)",
                                        "session", {"1", "5", "10"}),
                          "within(wai_client, patient)", "session", 0.95)
          .c_str());

  // The contextual effect: between minus within, at session 0.
  const Eigen::VectorXd contrast{{0, 0, -1, 1, 0}};
  const ContrastEstimate contextual = inference.contrast(contrast);
  std::printf("contextual effect: %.2f [%.2f, %.2f], p = %.3f\n", contextual.estimate,
              contextual.ci.lower, contextual.ci.upper, contextual.p_value);
}
