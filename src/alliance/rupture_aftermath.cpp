#include <rapport/alliance/rupture_aftermath.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// The outcome around a rupture.
struct AroundRupture {
  double before;  ///< last value before; NaN without one
  double change;  ///< mean over the next sessions less `before`
};

AroundRupture around(const Panel& panel, const Rupture& rupture, const VectorView& outcome,
                     Index sessions_after) {
  const auto patient = static_cast<std::size_t>(rupture.patient);
  double before = missing;
  double sum = 0;
  Index count = 0;
  for (Index k = panel.first[patient]; k < panel.first[patient + 1]; ++k) {
    const Index row = panel.order[static_cast<std::size_t>(k)];
    if (is_missing(outcome[row])) continue;
    if (panel.session[row] < rupture.session) before = outcome[row];
    if (panel.session[row] > rupture.session && count < sessions_after) {
      sum += outcome[row];
      ++count;
    }
  }
  return {.before = before,
          .change = count == 0 ? missing : sum / static_cast<double>(count) - before};
}

/// Welch's (1947) comparison of two means.
void compare(const Moments& unrepaired, const Moments& repaired, double level,
             RuptureAftermath& result) {
  result.difference = result.standard_error = result.p_value = missing;
  result.ci = {.lower = missing, .upper = missing, .level = level};
  if (unrepaired.n_used < 2 || repaired.n_used < 2) return;
  const double a = unrepaired.variance / static_cast<double>(unrepaired.n_used);
  const double b = repaired.variance / static_cast<double>(repaired.n_used);
  const double df = (a + b) * (a + b) /
                    (a * a / static_cast<double>(unrepaired.n_used - 1) +
                     b * b / static_cast<double>(repaired.n_used - 1));
  result.difference = unrepaired.mean - repaired.mean;
  result.standard_error = std::sqrt(a + b);
  result.ci = students_t_interval(result.difference, result.standard_error, df, level);
  result.p_value = students_t_p_value(result.difference / result.standard_error, df);
}

std::vector<Index> rows_of_rule(const Factor& rules, std::string_view rule) {
  std::vector<Index> rows;
  for (std::size_t i = 0; i < rules.codes.size(); ++i)
    if (rules.levels[static_cast<std::size_t>(rules.codes[i])] == rule)
      rows.push_back(static_cast<Index>(i));
  return rows;
}

/// The mixed model, where there are enough ruptures of both kinds for it.
std::optional<ContrastEstimate> adjusted_difference(const Table& rows, double level) {
  const Eigen::VectorXd present = rows.numbers("change_after");
  const Eigen::VectorXd& repaired = rows.numbers("repaired");
  Index with = 0;
  Index without = 0;
  for (Index i = 0; i < present.size(); ++i)
    if (!is_missing(present[i])) ++(repaired[i] == 1 ? with : without);
  if (with < 3 || without < 3) return std::nullopt;
  try {
    const FittedModel model(aftermath_formula(), rows, level);
    if (!model.has("repaired")) return std::nullopt;
    return model.effect("repaired");
  } catch (const DataError&) {  // every patient has one rupture, or values do not vary
    return std::nullopt;
  }
}

/// A factor from names in a fixed order of levels.
Factor coded(const std::vector<std::string_view>& names) {
  Factor factor;
  for (const std::string_view name : names) {
    auto at = std::find(factor.levels.begin(), factor.levels.end(), name);
    if (at == factor.levels.end()) at = factor.levels.emplace(at, name);
    factor.codes.push_back(static_cast<std::int32_t>(at - factor.levels.begin()));
  }
  return factor;
}

}  // namespace

Table rupture_table(const Panel& panel, const RuptureAnalysis& analysis, const VectorView& outcome,
                    Index sessions_after) {
  require_same_size("rupture_table", "outcome", outcome.size(), "panel", panel.rows());
  require_at_least("rupture_table", "sessions_after", sessions_after, 1);
  const auto n = static_cast<Index>(analysis.ruptures.size());
  std::vector<std::string_view> rules, patterns;
  Factor patient{.codes = {}, .levels = panel.patient.levels};
  Eigen::VectorXd session(n), depth(n), fall(n), length(n), repaired(n), before(n), change(n);
  for (Index i = 0; i < n; ++i) {
    const Rupture& rupture = analysis.ruptures[static_cast<std::size_t>(i)];
    const AroundRupture outcomes = around(panel, rupture, outcome, sessions_after);
    rules.push_back(name_of(rupture.rule));
    patterns.push_back(name_of(rupture.pattern));
    patient.codes.push_back(static_cast<std::int32_t>(rupture.patient));
    session[i] = rupture.session;
    depth[i] = rupture.depth;
    fall[i] = static_cast<double>(rupture.fall);
    length[i] = static_cast<double>(rupture.length);
    repaired[i] = rupture.repaired ? 1 : 0;
    before[i] = outcomes.before;
    change[i] = outcomes.change;
  }
  Table table;
  table.add("rule", coded(rules));
  table.add("patient", patient);
  table.add("session", session);
  table.add("depth", depth);
  table.add("fall", fall);
  table.add("length", length);
  table.add("repaired", repaired);
  table.add("pattern", coded(patterns));
  table.add("outcome_before", before);
  table.add("change_after", change);
  return table;
}

std::string aftermath_formula() {
  return "change_after ~ repaired + outcome_before + (1 | patient)";
}

std::vector<RuptureAftermath> rupture_aftermath(const Table& ruptures, double level) {
  std::vector<RuptureAftermath> results;
  const Factor rules = ruptures.factor("rule");
  for (const std::string& rule : rules.levels) {
    const Table rows = ruptures.select(rows_of_rule(rules, rule));
    const Eigen::VectorXd& change = rows.numbers("change_after");
    const Eigen::VectorXd& repaired = rows.numbers("repaired");
    const auto moments_where = [&](double kind) {
      Eigen::VectorXd x = change;
      for (Index i = 0; i < x.size(); ++i)
        if (repaired[i] != kind) x[i] = missing;
      return moments(x);
    };
    const Moments of_repaired = moments_where(1);
    const Moments of_unrepaired = moments_where(0);
    RuptureAftermath one{};
    one.rule = parse_rupture_rule(rule).value();
    one.n_repaired = of_repaired.n_used;
    one.n_unrepaired = of_unrepaired.n_used;
    one.change_repaired = of_repaired.mean;
    one.change_unrepaired = of_unrepaired.mean;
    compare(of_unrepaired, of_repaired, level, one);
    one.adjusted = adjusted_difference(rows, level);
    results.push_back(one);
  }
  return results;
}

Factor rupture_courses(const Panel& panel, const VectorView& alliance,
                       const RuptureAnalysis& analysis, RuptureRule rule) {
  require_same_size("rupture_courses", "alliance", alliance.size(), "panel", panel.rows());
  std::vector<Index> ratings(static_cast<std::size_t>(panel.patients()), 0);
  for (const Index row : panel.order)
    if (!is_missing(alliance[row]))
      ++ratings[static_cast<std::size_t>(panel.patient.codes[static_cast<std::size_t>(row)])];
  Factor courses{.codes = {}, .levels = {"none", "repaired", "unrepaired"}};
  for (const Index n : ratings) courses.codes.push_back(n < 2 ? -1 : 0);
  for (const Rupture& rupture : analysis.ruptures) {
    if (rupture.rule != rule) continue;
    std::int32_t& course = courses.codes[static_cast<std::size_t>(rupture.patient)];
    course = std::max(course, rupture.repaired ? 1 : 2);
  }
  return courses;
}

std::string rupture_outcome_formula(const Table& patients) {
  Eigen::VectorXd sessions = patients.numbers("sessions");
  for (Index i = 0; i < sessions.size(); ++i)
    if (is_missing(patients.numbers("final")[i])) sessions[i] = missing;
  const bool vary = moments(sessions).sd > 0;
  return std::string("final ~ intake") + (vary ? " + sessions" : "") + " + rupture_course" +
         (patients.contains("therapist") ? " + (1 | therapist)" : "");
}

RuptureOutcome rupture_outcome(const FittedModel& model, RuptureRule rule) {
  RuptureOutcome result{.rule = rule,
                        .course = {},
                        .means = marginal_means(model.design(), model.fit().fixed,
                                                model.inference(), "rupture_course")};
  std::vector<std::string> terms;
  for (const std::string& term : model.fit().fixed.terms)
    if (term.rfind("rupture_course", 0) == 0) terms.push_back(term);
  result.course = model.joint_test(terms);
  return result;
}

}  // namespace rapport
