#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/all_sessions.hpp>

#include <algorithm>
#include <set>

namespace rapport {
namespace {

/// A row to add: some row of the patient, and the session that the patient lacks.
struct AddedRow {
  Index like;
  std::size_t patient;
  double session;
};

std::vector<AddedRow> rows_to_add(const Panel& panel, const std::vector<double>& sessions) {
  std::vector<AddedRow> added;
  for (std::size_t p = 0; p + 1 < panel.first.size(); ++p) {
    if (panel.first[p] == panel.first[p + 1]) continue;
    std::set<double> known;
    for (Index k = panel.first[p]; k < panel.first[p + 1]; ++k)
      known.insert(panel.session[panel.order[static_cast<std::size_t>(k)]]);
    for (const double session : sessions)
      if (!known.count(session))
        added.push_back({.like = panel.order[static_cast<std::size_t>(panel.first[p])],
                         .patient = p,
                         .session = session});
  }
  return added;
}

/// For each patient, true if `same(row, first row)` holds for all rows.
template <class Same>
std::vector<bool> constant_in(const Panel& panel, const Same& same) {
  std::vector<bool> constant(panel.first.size() - 1, true);
  for (std::size_t p = 0; p < constant.size(); ++p)
    for (Index k = panel.first[p]; k < panel.first[p + 1]; ++k)
      if (!same(panel.order[static_cast<std::size_t>(k)],
                panel.order[static_cast<std::size_t>(panel.first[p])]))
        constant[p] = false;
  return constant;
}

}  // namespace

Table with_all_sessions(const Table& table, const PanelColumns& columns,
                        const std::vector<double>& sessions) {
  if (sessions.empty() ||
      std::set<double>(sessions.begin(), sessions.end()).size() < sessions.size())
    throw InvalidArgument("with_all_sessions: `sessions` must name each session once");
  const Panel panel = make_panel(table, columns);
  const std::vector<AddedRow> added = rows_to_add(panel, sessions);
  std::vector<Index> rows;
  for (Index i = 0; i < table.rows(); ++i) rows.push_back(i);
  for (const AddedRow& row : added) rows.push_back(row.like);
  Table result = table.select(rows);
  for (Index j = 0; j < table.columns(); ++j) {
    const Column& column = table.at(j);
    const auto clear = [&](const std::vector<bool>& constant, const auto& blank) {
      for (std::size_t k = 0; k < added.size(); ++k)
        if (!constant[added[k].patient]) blank(table.rows() + static_cast<Index>(k));
    };
    if (const auto* numbers = std::get_if<Eigen::VectorXd>(&column.values)) {
      Eigen::VectorXd values = std::get<Eigen::VectorXd>(result.at(j).values);
      clear(constant_in(panel, [&](Index a, Index b) { return (*numbers)[a] == (*numbers)[b]; }),
            [&](Index row) { values[row] = missing; });
      if (column.name == columns.session)
        for (std::size_t k = 0; k < added.size(); ++k)
          values[table.rows() + static_cast<Index>(k)] = added[k].session;
      result.set(column.name, std::move(values));
    } else {
      const Factor& factor = std::get<Factor>(column.values);
      Factor values = std::get<Factor>(result.at(j).values);
      clear(constant_in(panel,
                        [&](Index a, Index b) {
                          return factor.codes[static_cast<std::size_t>(a)] ==
                                 factor.codes[static_cast<std::size_t>(b)];
                        }),
            [&](Index row) { values.codes[static_cast<std::size_t>(row)] = -1; });
      result.set(column.name, std::move(values));
    }
  }
  return result;
}

}  // namespace rapport
