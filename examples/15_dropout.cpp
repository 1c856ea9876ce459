// Who leaves treatment, and what that does to the outcome.
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  const Table sessions = read_csv("simulated_panel.csv");

  // A row for each session after which a patient could have left.
  const PersonPeriod period = person_period(sessions, {.patient = "patient",
                                                       .session = "session",
                                                       .alliance = "wai_client",
                                                       .therapist = "therapist",
                                                       .dropout = "dropped"});
  for (const std::string& rule : period.rules) std::printf("- %s\n", rule.c_str());
  std::printf("\n%s\n", report::hazard_text(dropout_hazard(period)).c_str());
  std::puts(report::retention_text(retention_by_alliance(period)).c_str());

  // The outcome with dropout that may bear on it.
  const JointModel joint = joint_model(period, "phq9 ~ session + (1 | patient)", "session");
  std::puts(report::joint_text(joint).c_str());

  // Sessions not attended, imputed; then worse than imputed by 2 points.
  const PanelColumns columns{.patient = "patient", .session = "session"};
  const Table all = with_all_sessions(sessions, columns, {1, 2, 3, 4, 5, 6, 7, 8});
  const Imputation imputation = impute(
      all, {.variables = {"wai_client", "phq9"}, .group = "patient", .predictors = "session"},
      Seed{1}, {.imputations = 10});
  std::puts(report::imputation_text(imputation).c_str());
  const TippingPoint tipping =
      tipping_point(imputation.tables, "phq9", rows_after_dropout(all, columns, "phq9"),
                    "phq9 ~ session + (1 | patient)", "session", {0, 2});
  std::puts(report::tipping_text(tipping).c_str());
}
