// Where did the alliance break, and was it mended? Rules disagree: say which one is meant.
#include <rapport/rapport.hpp>

#include <cstdio>
#include <string>

int main() {
  using namespace rapport;
  const Table sessions = read_csv("simulated_panel.csv");
  const Panel panel = make_panel(sessions, {.patient = "patient", .session = "session"});
  const RuptureAnalysis found =
      find_ruptures(panel, sessions.numbers("wai_client"), {.reliability = 0.9});

  int shown = 0;
  for (const Rupture& rupture : found.ruptures) {
    if (rupture.rule != RuptureRule::gumz || ++shown > 5) continue;
    std::printf("%s: session %g fell by %g, %s\n",
                panel.patient.levels[static_cast<std::size_t>(rupture.patient)].c_str(),
                rupture.session, rupture.depth, rupture.repaired ? "repaired" : "not repaired");
  }
  for (const RuleConcordance& pair : found.concordance)
    std::printf("%-8s and %-16s both %3d, kappa %.2f\n", std::string(name_of(pair.first)).c_str(),
                std::string(name_of(pair.second)).c_str(), static_cast<int>(pair.both), pair.kappa);
}
