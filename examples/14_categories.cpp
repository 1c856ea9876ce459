// Which category is a patient in: does therapy change the odds of every step alike, and how many
// patients are in each category at the end?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  Table sessions = read_csv("simulated_panel.csv");
  // 0: minimal, 1: mild, 2: moderate, 3: severe.
  let(sessions, "severity = (phq9 >= 5) + (phq9 >= 10) + (phq9 >= 15)");

  const Design design = make_design(parse_formula("severity ~ session + treatment + (1 | patient)"),
                                    sessions, {.response = ResponseKind::ordered});
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::cumulative, .quadrature_points = 9});
  for (std::size_t j = 0; j < fit.fixed.terms.size(); ++j)
    std::printf("%-16s %6.2f (SE %.2f)\n", fit.fixed.terms[j].c_str(),
                fit.fixed.estimate[static_cast<Index>(j)],
                fit.fixed.standard_error[static_cast<Index>(j)]);

  std::puts("\nequal effects at all thresholds?");
  for (const OrdinalTermTest& test : ordinal_term_tests(design, fit))
    std::printf("%-16s chi-squared %.2f on %.0f, p = %.3f\n", test.term.c_str(),
                test.nominal.statistic, test.nominal.df, test.nominal.p_value);

  std::puts("\nshare of all patients in each category, by treatment");
  const ResponseMeans means =
      response_means(design, fit, "treatment", {}, {.averaging = Averaging::groups});
  for (const ResponseMean& mean : means.means)
    for (const ResponseValue& value : mean.values)
      std::printf("%-10s %-14s %.2f [%.2f, %.2f]\n", mean.levels.front().second.c_str(),
                  value.name.c_str(), value.estimate, value.ci.lower, value.ci.upper);

  const QuantileResiduals residuals = quantile_residuals(design, fit, Seed{1});
  std::printf("\nquantile residuals: Kolmogorov D = %.3f, p = %.3f\n", residuals.statistic,
              residuals.p_value);
}
