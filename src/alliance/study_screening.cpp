#include <rapport/alliance/study_screening.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace rapport {
namespace {

std::string text(double value) { return shortest_decimal(std::round(value * 100) / 100); }

std::string counted(Index n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

/// Runs the checks one after another and keeps what they find.
class Screener {
 public:
  Screener(const Table& table, const Panel& panel, const StudyColumns& columns,
           const StudyScreeningOptions& options)
      : table_(table), panel_(panel), columns_(columns), options_(options) {
    for (const StudyRater& rater : raters_of(columns)) {
      names_.push_back(rater.column);
      raters_.push_back(rater.name);
    }
    names_.push_back(columns.outcome);
    values_ = table.matrix(names_);
  }

  StudyScreening screen() {
    ranges();
    copied_raters();
    repeated_sessions();
    repeated_patients();
    if (!raters_.empty()) never_varying();
    if (!raters_.empty()) ceilings();
    far_values();
    file_order();
    times();
    session_numbers();
    items();
    std::stable_sort(result_.findings.begin(), result_.findings.end(),
                     [](const StudyFinding& a, const StudyFinding& b) {
                       return a.severity == Severity::error && b.severity != Severity::error;
                     });
    return std::move(result_);
  }

 private:
  void looked_for(const std::string& what) { result_.checks.push_back(what); }

  void found(const std::string& kind, Severity severity, const std::string& unit,
             std::vector<Index> rows, const std::string& message) {
    if (rows.empty()) return;
    const auto n = static_cast<Index>(rows.size());
    result_.findings.push_back({.kind = kind,
                                .severity = severity,
                                .count = n,
                                .unit = unit,
                                .rows = std::move(rows),
                                .message = message});
  }

  /// The panel's rows of a patient, in the order of sessions.
  [[nodiscard]] std::vector<Index> rows_of(Index patient) const {
    const auto p = static_cast<std::size_t>(patient);
    return {panel_.order.begin() + panel_.first[p], panel_.order.begin() + panel_.first[p + 1]};
  }

  void range(const std::string& name, const std::optional<ScaleRange>& allowed) {
    if (!allowed) return;
    const Eigen::VectorXd& x = table_.numbers(name);
    std::vector<Index> outside;
    for (Index i = 0; i < x.size(); ++i)
      if (x[i] < allowed->lower || x[i] > allowed->upper) outside.push_back(i);
    const auto n = static_cast<Index>(outside.size());
    found("out_of_range", Severity::error, "rows", std::move(outside),
          name + " lies outside " + text(allowed->lower) + " to " + text(allowed->upper) + " in " +
              counted(n, "row") + "; a code for a missing value may have been read as a score");
  }

  void ranges() {
    if (options_.alliance_range || options_.outcome_range)
      looked_for("values outside the range of the scale");
    for (std::size_t k = 0; k + 1 < names_.size(); ++k) range(names_[k], options_.alliance_range);
    range(columns_.outcome, options_.outcome_range);
  }

  /// Patients, of four sessions and more rated by both, whose two ratings never differ.
  void copied_raters() {
    if (raters_.size() < 2) return;
    looked_for("ratings copied from one rater to another");
    for (std::size_t a = 0; a < raters_.size(); ++a)
      for (std::size_t b = a + 1; b < raters_.size(); ++b) {
        std::vector<Index> copied;
        for (Index p = 0; p < panel_.patients(); ++p) {
          Index both = 0;
          Index equal = 0;
          for (const Index row : rows_of(p)) {
            const double d =
                values_(row, static_cast<Index>(a)) - values_(row, static_cast<Index>(b));
            both += is_missing(d) ? 0 : 1;
            equal += d == 0 ? 1 : 0;
          }
          if (both >= 4 && equal == both) copied.push_back(rows_of(p).front());
        }
        const auto n = static_cast<Index>(copied.size());
        found("copied_between_raters", Severity::error, "patients", std::move(copied),
              "the ratings of " + raters_[a] + " and " + raters_[b] +
                  " are the same in every session of " + counted(n, "patient") +
                  "; one column may have been copied into the other");
      }
  }

  [[nodiscard]] bool same_values(Index row, Index other) const {
    Index present = 0;
    for (Index j = 0; j < values_.cols(); ++j) {
      const bool lacks = is_missing(values_(row, j));
      if (lacks != is_missing(values_(other, j))) return false;
      if (!lacks && values_(row, j) != values_(other, j)) return false;
      present += lacks ? 0 : 1;
    }
    return present >= 2;
  }

  void repeated_sessions() {
    if (values_.cols() < 2) return;  // one variable repeats by chance
    looked_for("sessions entered twice");
    std::vector<Index> repeats;
    for (Index p = 0; p < panel_.patients(); ++p) {
      const std::vector<Index> rows = rows_of(p);
      for (std::size_t k = 2; k < rows.size(); ++k)
        if (same_values(rows[k], rows[k - 1]) && same_values(rows[k], rows[k - 2]))
          repeats.push_back(rows[k]);
    }
    const auto n = static_cast<Index>(repeats.size());
    found("repeated_session", Severity::warning, "sessions", std::move(repeats),
          counted(n, "session") +
              " repeat every value of the patient's two sessions before; they may have been "
              "entered several times, or carried forward");
  }

  void repeated_patients() {
    looked_for("patients entered twice");
    std::map<std::vector<double>, Index> seen;
    std::vector<Index> twins;
    for (Index p = 0; p < panel_.patients(); ++p) {
      std::vector<double> series;
      std::set<double> distinct;
      std::size_t present = 0;
      for (const Index row : rows_of(p))
        for (Index j = 0; j < values_.cols(); ++j) {
          const double value = values_(row, j);
          series.push_back(is_missing(value) ? -1e308 : value);
          if (is_missing(value)) continue;
          distinct.insert(value);
          ++present;
        }
      // Short or monotonous series may be alike by chance.
      if (present < 8 || distinct.size() < 4) continue;
      if (!seen.emplace(std::move(series), p).second) twins.push_back(rows_of(p).front());
    }
    const auto n = static_cast<Index>(twins.size());
    found("repeated_patient", Severity::error, "patients", std::move(twins),
          counted(n, "patient") +
              " have the same values as another in every session; a patient may "
              "have been entered under two codes");
  }

  void never_varying() {
    looked_for("ratings that never vary");
    const Eigen::VectorXd& x = table_.numbers(columns_.alliance);
    std::vector<Index> constant;
    for (Index p = 0; p < panel_.patients(); ++p) {
      std::vector<double> series;
      for (const Index row : rows_of(p))
        if (!is_missing(x[row])) series.push_back(x[row]);
      if (series.size() >= 4 && std::all_of(series.begin(), series.end(),
                                            [&](double value) { return value == series[0]; }))
        constant.push_back(rows_of(p).front());
    }
    const auto n = static_cast<Index>(constant.size());
    found("never_varies", Severity::warning, "patients", std::move(constant),
          counted(n, "patient") +
              " with four sessions or more always give the same alliance; they "
              "say nothing about effects within patients");
  }

  /// McHorney & Tarlov (1995): a ceiling stands where more than 15 % give the best score.
  void ceilings() {
    looked_for("ceilings");
    const std::vector<StudyRater> raters = raters_of(columns_);
    for (std::size_t k = 0; k < raters.size(); ++k) {
      const Eigen::VectorXd x = values_.col(static_cast<Index>(k));
      const Moments all = moments(x);
      std::vector<Index> top;
      for (Index i = 0; i < x.size(); ++i)
        if (x[i] == all.maximum) top.push_back(i);
      const double share = static_cast<double>(top.size()) / static_cast<double>(all.n_used);
      if (all.n_used < 20 || share <= 0.15) continue;
      found("ceiling", Severity::warning, "rows", std::move(top),
            text(100 * share) + " % of the ratings of the " + raters[k].name +
                " stand at the highest value that occurs (" + text(all.maximum) +
                "): a ceiling hides differences among good alliances");
    }
  }

  void far_values() {
    looked_for("values far from all others");
    for (std::size_t k = 0; k < names_.size(); ++k) {
      const Eigen::VectorXd x = values_.col(static_cast<Index>(k));
      const Moments all = moments(x);
      std::vector<Index> far;
      for (Index i = 0; i < x.size() && all.n_used >= 20; ++i)
        if (std::abs(x[i] - all.mean) > 5 * all.sd) far.push_back(i);
      const auto n = static_cast<Index>(far.size());
      found("far_value", Severity::warning, "rows", std::move(far),
            names_[k] + " lies more than 5 SD from its mean in " + counted(n, "row") +
                "; check how they were entered");
    }
  }

  void file_order() {
    looked_for("sessions out of order");
    std::vector<double> last(static_cast<std::size_t>(panel_.patients()), -1e308);
    std::vector<Index> backward;
    for (Index row = 0; row < table_.rows(); ++row) {
      const std::int32_t p = panel_.patient.codes[static_cast<std::size_t>(row)];
      if (p < 0 || is_missing(panel_.session[row])) continue;
      double& before = last[static_cast<std::size_t>(p)];
      if (panel_.session[row] < before) backward.push_back(row);
      before = std::max(before, panel_.session[row]);
    }
    const auto n = static_cast<Index>(backward.size());
    found("out_of_order", Severity::warning, "rows", std::move(backward),
          counted(n, "row") +
              " stand after a later session of the same patient in the file; "
              "sessions are taken by number, so make sure that the numbers are right");
  }

  void times() {
    if (columns_.time.empty()) return;
    looked_for("times that do not rise with the sessions");
    const Eigen::VectorXd& time = table_.numbers(columns_.time);
    std::vector<Index> backward;
    for (Index p = 0; p < panel_.patients(); ++p) {
      double before = -1e308;
      for (const Index row : rows_of(p)) {
        if (is_missing(time[row])) continue;
        if (time[row] <= before) backward.push_back(row);
        before = std::max(before, time[row]);
      }
    }
    const auto n = static_cast<Index>(backward.size());
    found("time_against_session", Severity::error, "rows", std::move(backward),
          columns_.time + " does not rise with the session in " + counted(n, "row") +
              "; session numbers or times are wrong");
  }

  void session_numbers() {
    looked_for("gaps in the session numbers");
    std::vector<Index> fractions;
    std::vector<Index> after_gap;
    for (Index p = 0; p < panel_.patients(); ++p) {
      const std::vector<Index> rows = rows_of(p);
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const double at = panel_.session[rows[k]];
        if (at != std::floor(at)) fractions.push_back(rows[k]);
        if (k > 0 && at - panel_.session[rows[k - 1]] > 1) after_gap.push_back(rows[k]);
      }
    }
    const auto broken = static_cast<Index>(fractions.size());
    const auto gaps = static_cast<Index>(after_gap.size());
    found("fractional_session", Severity::warning, "rows", std::move(fractions),
          "session is no whole number in " + counted(broken, "row") +
              "; the session before is then not found by its number, and lagged models rest on the "
              "rest");
    found("session_gap", Severity::warning, "sessions", std::move(after_gap),
          counted(gaps, "session") +
              " follow a gap in the patient's session numbers; lagged models "
              "leave them out, since the session before is missing");
  }

  void items() {
    if (!options_.items) return;
    looked_for("wrong keys, reversals and totals (" + options_.items->instrument.title + ")");
    for (const Finding& finding : screen_responses(
             options_.items->instrument, options_.items->responses, options_.items->options))
      result_.findings.push_back({.kind = std::string(to_text(finding.kind)),
                                  .severity = finding.severity,
                                  .count = static_cast<Index>(finding.rows.size()),
                                  .unit = "rows",
                                  .rows = finding.rows,
                                  .message = finding.message});
  }

  const Table& table_;
  const Panel& panel_;
  const StudyColumns& columns_;
  const StudyScreeningOptions& options_;
  std::vector<std::string> names_;
  std::vector<std::string> raters_;
  Eigen::MatrixXd values_;
  StudyScreening result_;
};

}  // namespace

StudyScreening screen_study(const Table& table, const Panel& panel, const StudyColumns& columns,
                            const StudyScreeningOptions& options) {
  return Screener(table, panel, columns, options).screen();
}

}  // namespace rapport
