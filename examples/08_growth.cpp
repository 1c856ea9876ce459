// How does severity fall over the sessions, and does the fall differ between treatments?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  const Table sessions = read_csv("simulated_panel.csv");

  // Everyone has a level and a slope of their own; the treatments may differ in both.
  const Formula formula = parse_formula("phq9 ~ session * treatment + (1 + session | patient)");
  const Design design = make_design(formula, sessions);
  const MixedModel model(design);
  const MixedFit fit = model.fit();
  const FixedInference inference(model, fit, DegreesOfFreedom::kenward_roger);

  std::puts(report::mixed_text(summarize(design, model, fit, inference)).c_str());
  std::puts(report::slopes_text(simple_slopes(design, fit.fixed, inference, "session", "treatment"),
                                "session", "treatment", 0.95)
                .c_str());

  // Do people differ in their slopes at all? Both models have the same fixed effects, so that REML
  // compares them.
  const LikelihoodRatioTest slopes = compare_models(
      formula, parse_formula("phq9 ~ session * treatment + (1 | patient)"), sessions);
  std::printf("slopes differ between people: chi-squared(%.0f) = %.2f, p = %.3g\n", slopes.df,
              slopes.statistic, slopes.p_value_boundary);

  // Where will a patient of the study stand after session 12, and where a new one?
  const Table later = parse_csv("session,treatment,patient\n12,CBT,P01\n12,CBT,someone new\n");
  const Predictions predictions = predict(design, fit, later);
  for (Index i = 0; i < later.rows(); ++i)
    std::printf("predicted: %.1f [%.1f, %.1f]\n", predictions.estimate[i],
                predictions.prediction_lower[i], predictions.prediction_upper[i]);
}
