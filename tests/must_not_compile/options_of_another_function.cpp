#include <rapport/data/csv.hpp>
#include <rapport/data/panel.hpp>

/// Options belong to their function.
rapport::Table read() {
#ifdef RAPPORT_MISUSE
  const rapport::PanelColumns options{.patient = "patient", .session = "session", .therapist = ""};
#else
  const rapport::CsvOptions options{.separator = ';'};
#endif
  return rapport::read_csv("panel.csv", options);
}
