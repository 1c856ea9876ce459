// Do client and therapist agree about the alliance, and do two coders agree about ruptures?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  const auto panel = rapport::read_csv("simulated_panel.csv");
  const auto ratings = rapport::wide_ratings(panel, {"wai_client", "wai_therapist"});
  const auto icc = rapport::intraclass_correlation(ratings.values);
  for (const char* name : {"ICC(2,1)", "ICC(3,1)"}) {
    const auto& form = rapport::icc_form(icc, name);
    std::printf("%s = %s: %.3f [%.3f, %.3f]\n", name, form.name.c_str(), form.estimate,
                form.ci.lower, form.ci.upper);
  }
  const auto limits = rapport::bland_altman(ratings.values.col(0), ratings.values.col(1));
  std::printf("bias %.2f, limits of agreement %.2f to %.2f (%d sessions)\n", limits.bias,
              limits.lower.estimate, limits.upper.estimate, static_cast<int>(limits.n_used));

  // Codes of 12 sessions: 0 none, 1 withdrawal, 2 confrontation; the second coder missed one.
  const Eigen::MatrixXi codes{{0, 0}, {0, 0}, {1, 1}, {2, 2}, {0, 1},  {1, 1},
                              {0, 0}, {2, 1}, {0, 0}, {1, 1}, {0, -1}, {0, 0}};
  const auto weights = rapport::agreement_weights(rapport::AgreementWeights::unweighted, 3);
  const auto kappa = rapport::cohen_kappa(codes.col(0), codes.col(1), weights);
  const auto ac1 = rapport::gwet_ac(codes, weights);
  std::printf("kappa %.3f [%.3f, %.3f], at most %.3f with these margins; AC1 %.3f; %d sessions\n",
              kappa.estimate, kappa.ci.lower, kappa.ci.upper, kappa.maximum, ac1.estimate,
              static_cast<int>(kappa.n_used));
}
