#include <rapport/base/missing.hpp>

#include "study_page.hpp"
#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace rapport::report {
namespace {

std::string patient_name(const StudyView& view, Index patient) {
  return view.options.show_ids ? view.patient.levels[static_cast<std::size_t>(patient)]
                               : "Patient " + count(patient + 1);
}

PageTable aftermath(const StudyView& view) {
  PageTable table{
      .caption = "The outcome after a rupture, against its last value before",
      .header = {"Rule", "repaired: n", "change", "unrepaired: n", "change",
                 "repaired − unrepaired", ci_heading(view.level), "p"},
      .rows = {},
      .note =
          "Mean of the next three sessions less the value before. The difference is adjusted "
          "for the value before, with a random intercept of the patient (" +
          aftermath_formula() +
          "); – where a rule knows no unrepaired ruptures, or too few of a kind."};
  for (const RuptureAftermath& a : view.study.aftermath) {
    std::vector<std::string> row = {std::string(name_of(a.rule)),
                                    count(a.n_repaired),
                                    number(a.change_repaired),
                                    count(a.n_unrepaired),
                                    number(a.change_unrepaired),
                                    "–",
                                    "–",
                                    "–"};
    if (a.adjusted) {
      row[5] = number(a.adjusted->estimate);
      row[6] = interval(a.adjusted->ci);
      row[7] = p_value(a.adjusted->p_value);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

/// The five ways in which ruptures came and went, by the rules of Gumz et al.
PageTable pattern_table(const StudyView& view) {
  PageTable table{
      .caption = "How ruptures came and went",
      .header = {"Rule", "down at once, up at once", "down slowly, up at once",
                 "down at once, up slowly", "slowly both", "not repaired", "longest fall"},
      .rows = {},
      .note =
          "Slowly: over two rated sessions or more. Only these rules follow a fall "
          "over several sessions."};
  for (const RuptureRule rule : {RuptureRule::gumz, RuptureRule::gumz_strict}) {
    std::array<Index, 5> counts{};
    Index longest = 0;
    for (const Rupture& r : view.study.ruptures->ruptures) {
      if (r.rule != rule) continue;
      ++counts[static_cast<std::size_t>(r.pattern)];
      longest = std::max(longest, r.fall);
    }
    if (longest == 0) continue;
    std::vector<std::string> row = {std::string(name_of(rule))};
    for (const Index n : counts) row.push_back(count(n));
    row.push_back(count(longest) + (longest == 1 ? " session" : " sessions"));
    table.rows.push_back(std::move(row));
  }
  return table;
}

PageTable outcome_table(const StudyView& view) {
  const RuptureOutcome& outcome = *view.study.rupture_outcome;
  PageTable table{
      .caption = "The final outcome by the patients' course",
      .header = estimate_header("Ruptures by " + std::string(name_of(outcome.rule)), view.level),
      .rows = {},
      .note =
          "Means at the average intake and number of sessions; unrepaired: any "
          "rupture was not made good. Do the courses differ: F(" +
          number(outcome.course.numerator_df, 0) + ", " + number(outcome.course.denominator_df, 1) +
          ") = " + number(outcome.course.statistic) + ", " + p_text(outcome.course.p_value) + "."};
  for (const MarginalMean& mean : outcome.means.means)
    table.rows.push_back(estimate_row(mean.levels.front().second, mean.mean));
  for (const MeanDifference& difference : outcome.means.differences)
    table.rows.push_back(estimate_row(difference.contrast, difference.difference));
  return table;
}

/// The trajectories of the patients with the deepest ruptures.
Figure rupture_figure(const StudyView& view) {
  std::vector<const Rupture*> deepest;
  for (const Rupture& r : view.study.ruptures->ruptures) deepest.push_back(&r);
  std::stable_sort(deepest.begin(), deepest.end(),
                   [](const Rupture* a, const Rupture* b) { return a->depth > b->depth; });
  std::vector<Index> shown;
  for (const Rupture* r : deepest)
    if (std::find(shown.begin(), shown.end(), r->patient) == shown.end() && shown.size() < 4)
      shown.push_back(r->patient);
  Figure figure;
  figure.title = "The deepest ruptures";
  figure.caption =
      "Alliance of the patients with the deepest falls by any rule; the low sessions are marked.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = view.study.columns.alliance};
  const Eigen::VectorXd& session = view.table.numbers(view.study.columns.session);
  int series = 0;
  for (const Index patient : shown) {
    std::vector<std::pair<double, double>> path;
    for (Index i = 0; i < view.table.rows(); ++i)
      if (view.patient.codes[static_cast<std::size_t>(i)] == patient &&
          !is_missing(view.alliance[i] + session[i]))
        path.emplace_back(session[i], view.alliance[i]);
    std::sort(path.begin(), path.end());
    std::vector<double> x, y, mark_x, mark_y;
    for (const auto& [at, value] : path) {
      x.push_back(at);
      y.push_back(value);
    }
    for (const Rupture* r : deepest) {
      if (r->patient != patient) continue;
      mark_x.push_back(r->session);
      mark_y.push_back(r->low);
    }
    figure.layers.emplace_back(Line{.x = vector_of(x),
                                    .y = vector_of(y),
                                    .series = series,
                                    .label = patient_name(view, patient)});
    figure.layers.emplace_back(
        Points{.x = vector_of(mark_x), .y = vector_of(mark_y), .series = series});
    ++series;
  }
  return figure;
}

}  // namespace

PageSection ruptures_section(const StudyView& view) {
  const RuptureAnalysis& a = *view.study.ruptures;
  PageTable table{
      .caption = "Ruptures by rule",
      .header = {"Rule", "ruptures", "patients", "repaired", "mean depth"},
      .rows = {},
      .note = "In " + count(a.n_sessions) +
              " rated sessions after a first one. Rules disagree, so name the one used. "
              "stiles and strauss count only drops that are made good again."};
  std::vector<RuptureRule> rules;
  for (const Rupture& r : a.ruptures)
    if (std::find(rules.begin(), rules.end(), r.rule) == rules.end()) rules.push_back(r.rule);
  for (const RuptureRule rule : rules) {
    std::set<Index> patients;
    double depth = 0;
    Index repaired = 0;
    Index n = 0;
    for (const Rupture& r : a.ruptures) {
      if (r.rule != rule) continue;
      patients.insert(r.patient);
      depth += r.depth;
      repaired += r.repaired ? 1 : 0;
      ++n;
    }
    table.rows.push_back({std::string(name_of(rule)), count(n),
                          count(static_cast<Index>(patients.size())), count(repaired),
                          number(depth / static_cast<double>(n))});
  }
  PageTable between{.caption = "Agreement between rules (κ over sessions)",
                    .header = {"Rules", "both", "only first", "only second", "κ"}};
  for (const RuleConcordance& c : a.concordance)
    between.rows.push_back(
        {std::string(name_of(c.first)) + " and " + std::string(name_of(c.second)), count(c.both),
         count(c.only_first), count(c.only_second), unit(c.kappa)});
  PageSection section{.title = "Ruptures and repairs", .blocks = {std::move(table)}};
  const PageTable patterns = pattern_table(view);
  if (!patterns.rows.empty()) section.blocks.emplace_back(patterns);
  if (!view.study.aftermath.empty()) section.blocks.emplace_back(aftermath(view));
  if (view.study.rupture_outcome) section.blocks.emplace_back(outcome_table(view));
  section.blocks.emplace_back(std::move(between));
  if (!a.ruptures.empty()) section.blocks.emplace_back(rupture_figure(view));
  return section;
}

}  // namespace rapport::report
