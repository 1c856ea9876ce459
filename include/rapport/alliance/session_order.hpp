#pragma once

#include <rapport/alliance/outcome.hpp>

namespace rapport {

/// What becomes of a session that stands twice for a patient.
enum class RepeatedSessions { refuse, keep_first, keep_last };

/// The rows of a table without the second (or first) of rows that give the same patient the same
/// session. `refuse` returns the table as it is, and make_panel will refuse it.
[[nodiscard]] Table without_repeated_sessions(const Table& table, const StudyColumns& columns,
                                              RepeatedSessions rule);

/// The table with a column `session_number`: 1, 2, … within each patient in the order of
/// `columns.session`, which may be a time or have gaps; missing where patient or session is. A
/// session that stands twice has the same number twice.
[[nodiscard]] Table with_session_numbers(const Table& table, const StudyColumns& columns);

}  // namespace rapport
