// Reads sessions, derives columns, keeps rows: what --let and --where do on the command line.
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  using namespace rapport;
  Table sessions = read_csv("simulated_panel.csv");
  let(sessions, "alliance_within = within(wai_client, patient)");
  let(sessions, "phq9_before = lag(phq9, patient, session)");  // missing after a gap, and never
                                                               // another patient's
  const Table kept = where(sessions, "treatment == \"CBT\" & session <= 5 & present(phq9_before)");
  std::printf("%d of %d rows; first kept row is session %g of %s\n", static_cast<int>(kept.rows()),
              static_cast<int>(sessions.rows()), kept.numbers("session")[0],
              cell_text(kept.column("patient"), 0).c_str());

  const Panel panel =
      make_panel(sessions, {.patient = "patient", .session = "session", .therapist = "therapist"});
  const Decomposition alliance = decompose(panel, sessions.numbers("wai_client"));
  std::printf(
      "%.0f %% of the alliance's variance is between patients of a therapist; a patient's mean has "
      "a reliability of %.2f\n",
      100 * alliance.icc, alliance.mean_reliability);
}
