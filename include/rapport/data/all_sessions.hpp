#pragma once

#include <rapport/data/panel.hpp>

#include <vector>

namespace rapport {

/// The table with a row for every patient at every one of `sessions`: rows that the panel lacks are
/// added at the end, patient by patient. A column that has one value throughout a patient's rows
/// (therapist, treatment, …) has it in the added rows too; all others are missing there. Throws as
/// make_panel does, and InvalidArgument if `sessions` is empty or has a session twice.
[[nodiscard]] Table with_all_sessions(const Table& table, const PanelColumns& columns,
                                      const std::vector<double>& sessions);

}  // namespace rapport
