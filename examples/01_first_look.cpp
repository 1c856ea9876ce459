#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  const auto panel = rapport::read_csv("simulated_panel.csv");
  const auto formula = rapport::parse_formula(
      "phq9 ~ session + within(wai_client, patient) + between(wai_client, patient)"
      " + (1 + session | patient)");
  const auto fit = rapport::fit_mixed_model(rapport::make_design(formula, panel));
  for (rapport::Index k = 0; k < fit.fixed.estimate.size(); ++k)
    std::printf("%-28s %7.3f  (SE %.3f)\n", fit.fixed.terms[static_cast<std::size_t>(k)].c_str(),
                fit.fixed.estimate[k], fit.fixed.standard_error[k]);
}
