#include <rapport/alliance/person_period.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <cmath>

namespace rapport {
namespace {

/// Rows of one patient in the order of sessions.
using Sessions = std::vector<Index>;

std::vector<Sessions> sessions_of(const Panel& panel) {
  std::vector<Sessions> all(static_cast<std::size_t>(panel.patients()));
  for (std::size_t p = 0; p < all.size(); ++p)
    all[p].assign(panel.order.begin() + panel.first[p], panel.order.begin() + panel.first[p + 1]);
  return all;
}

void validate(const DropoutColumns& columns, const DropoutRules& rules) {
  if (rules.lag < 1)
    throw InvalidArgument("person_period: `lag` is " + std::to_string(rules.lag) +
                          "; must be 1 session or more");
  if (rules.carry_forward < 0)
    throw InvalidArgument("person_period: `carry_forward` is " +
                          std::to_string(rules.carry_forward) + "; must not be negative");
  if (columns.dropout.empty() && !(rules.planned_sessions > 0))
    throw InvalidArgument(
        "person_period: nothing says who left; `dropout` or `planned_sessions` is required");
}

/// True where a mark stands in any of the patient's rows.
bool is_marked(const Table& table, const std::string& column, const Sessions& sessions) {
  if (column.empty()) return false;
  const Eigen::VectorXd& marks = table.numbers(column);
  bool marked = false;
  for (const Index row : sessions) {
    if (!is_missing(marks[row]) && marks[row] != 0 && marks[row] != 1)
      throw DataError(
          "column \"" + column + "\": " + shortest_decimal(marks[row]) + " is neither 0 nor 1",
          table.origin().file, table.line(row));
    marked = marked || marks[row] == 1;
  }
  return marked;
}

/// Ends of treatment by the marks, or by the plan where there are none.
class Ends {
 public:
  Ends(const Table& table, const DropoutColumns& columns, const DropoutRules& rules)
      : table_(table), columns_(columns), rules_(rules) {}

  [[nodiscard]] TreatmentEnd of(const Sessions& sessions, const std::string& patient,
                                double last_session) const {
    const bool cut = rules_.last_session > 0 && last_session > rules_.last_session;
    const bool by_plan = columns_.dropout.empty();
    const bool left = by_plan ? last_session < rules_.planned_sessions
                              : is_marked(table_, columns_.dropout, sessions);
    const bool marked = is_marked(table_, columns_.completed, sessions);
    if (left && marked)
      throw DataError("patient \"" + patient + "\" both left and completed (columns \"" +
                          columns_.dropout + "\" and \"" + columns_.completed + "\")",
                      table_.origin().file);
    if (cut) return TreatmentEnd::unknown;
    if (left) return TreatmentEnd::dropout;
    return columns_.completed.empty() || marked ? TreatmentEnd::completed : TreatmentEnd::unknown;
  }

 private:
  const Table& table_;
  const DropoutColumns& columns_;
  const DropoutRules& rules_;
};

/// The latest rating from `lag` − 1 sessions before, or from up to `carry_forward` sessions
/// earlier; its place among the sessions, or −1.
Index rated_session(const Panel& panel, const Eigen::VectorXd& alliance, const Sessions& sessions,
                    std::size_t at, const DropoutRules& rules) {
  const double latest = panel.session[sessions[at]] - static_cast<double>(rules.lag - 1);
  const double earliest = latest - static_cast<double>(rules.carry_forward);
  for (std::size_t k = at + 1; k-- > 0;) {
    const double session = panel.session[sessions[k]];
    if (session > latest) continue;
    if (session < earliest) break;
    if (!is_missing(alliance[sessions[k]])) return static_cast<Index>(k);
  }
  return -1;
}

/// The alliance at every row, with the mean that it is set against.
struct RatedRows {
  Eigen::VectorXd rating;
  Eigen::VectorXd mean;
};

RatedRows rate(const Panel& panel, const Eigen::VectorXd& alliance,
               const std::vector<Sessions>& patients, const DropoutRules& rules) {
  RatedRows rows{.rating = Eigen::VectorXd::Constant(alliance.size(), missing),
                 .mean = Eigen::VectorXd::Constant(alliance.size(), missing)};
  for (const Sessions& sessions : patients) {
    std::vector<double> mean_so_far;
    double sum = 0;
    double count = 0;
    for (const Index row : sessions) {
      if (!is_missing(alliance[row])) {
        sum += alliance[row];
        count += 1;
      }
      mean_so_far.push_back(sum / count);
    }
    for (std::size_t k = 0; k < sessions.size(); ++k) {
      const Index rated = rated_session(panel, alliance, sessions, k, rules);
      if (rated < 0) continue;
      rows.rating[sessions[k]] = alliance[sessions[static_cast<std::size_t>(rated)]];
      rows.mean[sessions[k]] = rules.centring == AllianceCentring::so_far
                                   ? mean_so_far[static_cast<std::size_t>(rated)]
                                   : sum / count;
    }
  }
  return rows;
}

std::vector<std::string> in_words(const DropoutColumns& columns, const DropoutRules& rules) {
  std::vector<std::string> words;
  words.push_back(columns.dropout.empty()
                      ? "a patient whose last session comes before session " +
                            shortest_decimal(rules.planned_sessions) + " left after it"
                      : "a patient with 1 in column \"" + columns.dropout +
                            "\" left after the last session of the data");
  words.push_back(columns.completed.empty()
                      ? "all others ended as planned: censored for the hazard"
                      : "a patient with 1 in column \"" + columns.completed +
                            "\" ended as planned, all others are in treatment still: both are "
                            "censored for the hazard");
  if (rules.planned_sessions > 0)
    words.push_back("from session " + shortest_decimal(rules.planned_sessions) +
                    " on nobody is at risk: treatment has reached its end");
  if (rules.last_session > 0)
    words.push_back("sessions after " + shortest_decimal(rules.last_session) +
                    " are taken away, and patients who have them censored there");
  words.push_back(
      "a missed session is no row: the patient is at risk again at the next session attended");
  words.push_back(rules.lag == 1 ? "the alliance of a session tells leaving after it"
                                 : "the alliance " + std::to_string(rules.lag - 1) +
                                       " sessions before a session tells leaving after it");
  if (rules.carry_forward > 0)
    words.push_back("a missing rating is taken from up to " + std::to_string(rules.carry_forward) +
                    " sessions earlier");
  words.emplace_back(rules.centring == AllianceCentring::patient_mean
                         ? "within: the rating less the mean of all the patient's ratings"
                         : "within: the rating less the mean of the patient's ratings up to it");
  return words;
}

/// The rows with patient and session, none of them after the last session to be looked at.
std::vector<Index> rows_at_risk(const Panel& panel, double last_session) {
  std::vector<bool> kept(static_cast<std::size_t>(panel.rows()), false);
  for (const Index row : panel.order)
    kept[static_cast<std::size_t>(row)] = !(last_session > 0 && panel.session[row] > last_session);
  std::vector<Index> rows;
  for (std::size_t row = 0; row < kept.size(); ++row)
    if (kept[row]) rows.push_back(static_cast<Index>(row));
  return rows;
}

/// The mean of all patients' last known means: where "between" has its zero.
double centre_of(const RatedRows& rated, const std::vector<Sessions>& patients) {
  double sum = 0;
  double count = 0;
  for (const Sessions& sessions : patients) {
    double last = missing;
    for (const Index row : sessions)
      if (!is_missing(rated.mean[row])) last = rated.mean[row];
    if (is_missing(last)) continue;
    sum += last;
    count += 1;
  }
  return sum / count;
}

void add_alliance(PersonPeriod& result, const Panel& panel, const std::vector<Sessions>& patients,
                  const DropoutRules& rules) {
  const RatedRows rated =
      rate(panel, result.table.numbers(result.columns.alliance), patients, rules);
  result.table.set("alliance_within", Eigen::VectorXd(rated.rating - rated.mean));
  const Eigen::VectorXd between = rated.mean.array() - centre_of(rated, patients);
  result.table.set("alliance_between", between);
  if (!panel.has_therapist()) return;
  const Eigen::VectorXd of_patient = within_group(between, panel.therapist);
  result.table.set("alliance_between_patient", of_patient);
  result.table.set("alliance_between_therapist", Eigen::VectorXd(between - of_patient));
}

}  // namespace

PersonPeriod person_period(const Table& table, const DropoutColumns& columns,
                           const DropoutRules& rules) {
  validate(columns, rules);
  const PanelColumns keys{
      .patient = columns.patient, .session = columns.session, .therapist = columns.therapist};
  const Panel whole = make_panel(table, keys);
  PersonPeriod result;
  result.columns = columns;
  result.rules = in_words(columns, rules);
  result.rows = rows_at_risk(whole, rules.last_session);
  if (result.rows.empty()) throw DataError("no session is at risk", table.origin().file);
  result.n_omitted = table.rows() - static_cast<Index>(result.rows.size());

  const Ends ends(table, columns, rules);
  std::vector<TreatmentEnd> end_of;  // by patient of `whole`
  for (const Sessions& sessions : sessions_of(whole)) {
    const std::string& patient = whole.patient.levels[end_of.size()];
    end_of.push_back(sessions.empty() ? TreatmentEnd::unknown
                                      : ends.of(sessions, patient, whole.session[sessions.back()]));
  }
  std::vector<std::string> names = whole.patient.levels;

  result.table = table.select(result.rows);
  const Panel panel = make_panel(result.table, keys);
  const std::vector<Sessions> patients = sessions_of(panel);
  add_alliance(result, panel, patients, rules);
  const Eigen::VectorXd within = result.table.numbers("alliance_within");
  Eigen::VectorXd leaves = Eigen::VectorXd::Zero(panel.rows());
  std::size_t known = 0;  // both lists of patients are in the same order
  for (std::size_t p = 0; p < patients.size(); ++p) {
    if (patients[p].empty()) continue;
    while (names[known] != panel.patient.levels[p]) ++known;
    const Index last = patients[p].back();
    result.ends.push_back(
        {.patient = names[known], .last_session = panel.session[last], .end = end_of[known]});
    if (end_of[known] != TreatmentEnd::dropout) continue;
    leaves[last] = 1;
    ++result.n_left;
    if (is_missing(within[last])) ++result.n_left_unrated;
  }
  if (rules.planned_sessions > 0)
    for (Index i = 0; i < leaves.size(); ++i)
      if (panel.session[i] >= rules.planned_sessions && leaves[i] == 0) leaves[i] = missing;
  result.table.set("leaves", std::move(leaves));
  return result;
}

}  // namespace rapport
