// Does agreement between client and therapist matter for symptoms, and do therapists know?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  const auto panel = rapport::read_csv("simulated_panel.csv");
  const auto& client = panel.numbers("wai_client");
  const auto& therapist = panel.numbers("wai_therapist");
  const auto patient = panel.factor("patient").codes;

  const auto surface = rapport::response_surface(
      panel.numbers("phq9"), client, therapist,
      {.centre = rapport::pooled_mean(client, therapist), .patient = patient});
  for (const auto& a : surface.surface)
    std::printf("%s %8.4f (SE %.4f, df %.1f, p %.3f)\n", a.name.c_str(), a.estimate,
                a.standard_error, a.df, a.p_value);

  // The therapist's rating as a judgment of the client's, session number as a rival cue.
  const auto knows = rapport::truth_and_bias(therapist, client, panel.numbers("session"), patient,
                                             {.centre = rapport::TruthCentre::person});
  std::printf("truth force %.3f, direction bias %.2f, %d sessions of %d patients\n",
              knows.truth_force.estimate, knows.direction_bias.estimate,
              static_cast<int>(knows.n_used), static_cast<int>(knows.patients));
}
