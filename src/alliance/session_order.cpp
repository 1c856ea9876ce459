#include <rapport/alliance/session_order.hpp>
#include <rapport/base/missing.hpp>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace rapport {

Table without_repeated_sessions(const Table& table, const StudyColumns& columns,
                                RepeatedSessions rule) {
  if (rule == RepeatedSessions::refuse) return table;
  const Factor patient = table.factor(columns.patient);
  const Eigen::VectorXd& session = table.numbers(columns.session);
  std::map<std::pair<std::int32_t, double>, std::size_t> seen;
  std::vector<Index> kept;
  for (Index row = 0; row < table.rows(); ++row) {
    const std::int32_t code = patient.codes[static_cast<std::size_t>(row)];
    const bool known = code >= 0 && !is_missing(session[row]);
    const auto [at, fresh] = known ? seen.emplace(std::pair{code, session[row]}, kept.size())
                                   : std::pair{seen.end(), true};
    if (fresh)
      kept.push_back(row);
    else if (rule == RepeatedSessions::keep_last)
      kept[at->second] = row;
  }
  std::sort(kept.begin(), kept.end());
  return table.select(kept);
}

Table with_session_numbers(const Table& table, const StudyColumns& columns) {
  const Factor patient = table.factor(columns.patient);
  const Eigen::VectorXd& session = table.numbers(columns.session);
  std::vector<std::vector<double>> sessions(patient.levels.size());
  const auto of = [&](Index row) -> std::vector<double>* {
    const std::int32_t code = patient.codes[static_cast<std::size_t>(row)];
    return code < 0 || is_missing(session[row]) ? nullptr
                                                : &sessions[static_cast<std::size_t>(code)];
  };
  for (Index row = 0; row < table.rows(); ++row)
    if (std::vector<double>* mine = of(row)) mine->push_back(session[row]);
  for (std::vector<double>& mine : sessions) {
    std::sort(mine.begin(), mine.end());
    mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
  }
  Eigen::VectorXd number = Eigen::VectorXd::Constant(table.rows(), missing);
  for (Index row = 0; row < table.rows(); ++row)
    if (const std::vector<double>* mine = of(row))
      number[row] = static_cast<double>(std::lower_bound(mine->begin(), mine->end(), session[row]) -
                                        mine->begin() + 1);
  Table numbered = table;
  numbered.set("session_number", std::move(number));
  return numbered;
}

}  // namespace rapport
