// Pools alliance-outcome correlations that are nested in studies, and asks whether the rater of the alliance matters.
#include <rapport/rapport.hpp>

#include <cmath>
#include <iostream>

int main() {
  const rapport::Table table = rapport::read_csv("alliance_correlations.csv");  // simulated
  const rapport::MetaColumns columns{
      .correlation = "r", .size = "n", .study = "study", .effect_id = "effect"};
  const rapport::MetaData data = rapport::make_meta_data(table, columns);

  const rapport::MetaFit fit = rapport::fit_meta(data, {.test = rapport::MetaTest::t});
  const rapport::MetaCoefficient& mean = fit.coefficients[0];
  std::cout << fit.n_used << " effects from " << fit.n_studies << " studies\n"
            << "pooled r = " << std::tanh(mean.estimate) << " [" << std::tanh(mean.ci.lower) << ", "
            << std::tanh(mean.ci.upper) << "]\n"
            << "a new study's true r: [" << std::tanh(fit.prediction_interval->lower) << ", "
            << std::tanh(fit.prediction_interval->upper) << "]\n";
  for (const rapport::MetaVariance& level : fit.variances)
    std::cout << "variance of " << level.level << ": " << level.variance << " (" << level.i2 << " %)\n";

  rapport::MetaColumns with_rater = columns;
  with_rater.moderators = {"rater"};
  const rapport::MetaData rated = rapport::make_meta_data(table, with_rater);
  const rapport::MetaFit moderated = rapport::fit_meta(rated);
  for (const rapport::MetaCoefficient& c : rapport::robust_coefficients(rated, moderated))
    std::cout << c.term << ": " << c.estimate << " (CR2 " << c.standard_error << ", p = " << c.p_value
              << ")\n";
}
