#include <rapport/alliance/simulated_panel.hpp>
#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/panel.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace rapport {
namespace {

TEST(SimulatedPanel, TheExampleIsWhatTheGeneratorMakes) {
  std::ifstream file(std::string(RAPPORT_TEST_DATA) + "/../../examples/data/simulated_panel.csv");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(to_csv(simulate_panel(Seed{1})), text.str());
}

TEST(SimulatedPanel, PatientsDoNotDependOnHowManyOthersThereAre) {
  const SimulatedPanelOptions few{.patients = 5, .therapists = 5, .rounded = false};
  const SimulatedPanelOptions more{.patients = 50, .therapists = 5, .rounded = false};
  const Table a = simulate_panel(Seed{3}, few);
  const Table b = simulate_panel(Seed{3}, more);
  EXPECT_EQ(a.numbers("phq9"), b.numbers("phq9").head(a.rows()));
  EXPECT_NE(to_csv(simulate_panel(Seed{4}, few)), to_csv(a));
}

TEST(SimulatedPanel, IsAPanelWithinTheRangesOfItsQuestionnaires) {
  const Table table = simulate_panel(Seed{5});
  EXPECT_NO_THROW((void)make_panel(
      table, {.patient = "patient", .session = "session", .therapist = "therapist"}));
  EXPECT_GE(table.numbers("phq9").minCoeff(), 0);
  EXPECT_LE(table.numbers("wai_client").maxCoeff(), 84);
}

TEST(SimulatedPanel, RefusesWhatCannotBe) {
  EXPECT_THROW((void)simulate_panel(Seed{1}, {.patients = 0}), InvalidArgument);
  EXPECT_THROW((void)simulate_panel(Seed{1}, {.autocorrelation = 1}), InvalidArgument);
  EXPECT_THROW((void)simulate_panel(Seed{1}, {.dropout = 1}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
