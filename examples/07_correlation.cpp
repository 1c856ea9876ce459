// How closely do alliance and symptoms go together, between patients and within them, and whose
// rating tells more?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  const Table panel = read_csv("simulated_panel.csv");
  const Eigen::VectorXd& client = panel.numbers("wai_client");
  const Eigen::VectorXd& symptoms = panel.numbers("phq9");
  const ClusterCodes patient = panel.factor("patient").codes;

  // Sessions of one patient are alike: the standard error must know it.
  const CorrelationResult rho = clustered_spearman(client, symptoms, patient);
  std::printf("Spearman, all sessions   %6.3f [%.3f, %.3f]\n", rho.estimate, rho.ci.lower,
              rho.ci.upper);

  const WithinBetweenResult levels = within_between_correlation(client, symptoms, patient);
  std::printf("within patients          %6.3f [%.3f, %.3f]\n", levels.within.estimate,
              levels.within.ci.lower, levels.within.ci.upper);
  std::printf("between patients         %6.3f [%.3f, %.3f]   ICC of the alliance %.2f\n",
              levels.between.estimate, levels.between.ci.lower, levels.between.ci.upper,
              levels.icc_x);

  // Third session: client's against therapist's rating as predictors, and ranks with their ties.
  const Table third = where(panel, "session == 3");
  const KendallResult tau = kendall_tau(third.numbers("wai_client"), third.numbers("phq9"));
  std::printf("Kendall, session 3       %6.3f, z = %.2f, p = %.4f, %lld patients\n", tau.estimate,
              tau.statistic, tau.p_value, static_cast<long long>(tau.n_used));
  const ComparisonResult rivals = compare_overlapping(
      third.numbers("phq9"), third.numbers("wai_client"), third.numbers("wai_therapist"));
  for (const ComparisonTestResult& test : rivals.tests)
    if (test.test == ComparisonTest::williams)
      std::printf("client less therapist    %6.3f, Williams t(%.0f) = %.2f, p = %.3f\n",
                  rivals.difference, test.df, test.statistic, test.p_value);

  // Every pair of columns at once, with Holm's adjustment.
  const Eigen::MatrixXd columns = panel.matrix({"wai_client", "wai_therapist", "phq9"});
  const CorrelationMatrixResult matrix =
      correlation_matrix(columns, {.method = CorrelationMethod::spearman, .threads = 0});
  std::printf("client with therapist    %6.3f, adjusted p = %.2g\n", matrix.estimate(0, 1),
              matrix.p_adjusted(0, 1));
}
