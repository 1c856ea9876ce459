#include <rapport/base/missing.hpp>

#include "study_page.hpp"
#include <algorithm>
#include <set>
#include <utility>

namespace rapport::report {
namespace {

std::string patient_name(const StudyView& view, Index patient) {
  return view.options.show_ids ? view.patient.levels[static_cast<std::size_t>(patient)]
                               : "Patient " + count(patient + 1);
}

PageTable aftermath(const StudyView& view) {
  PageTable table{.caption = "The outcome after a rupture, against its last value before",
                  .header = {"Rule", "repaired: n", "change", "unrepaired: n", "change",
                             "difference", ci_heading(view.level), "p"},
                  .rows = {},
                  .note =
                      "Mean of the next three sessions less the value before; unrepaired − "
                      "repaired by Welch's t, ruptures "
                      "taken as independent."};
  for (const RuptureAftermath& a : view.study.aftermath)
    table.rows.push_back({std::string(name_of(a.rule)), count(a.n_repaired),
                          number(a.change_repaired), count(a.n_unrepaired),
                          number(a.change_unrepaired), number(a.difference), interval(a.ci),
                          p_value(a.p_value)});
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
         count(c.only_first), count(c.only_second), number(c.kappa)});
  PageSection section{.title = "Ruptures and repairs",
                      .blocks = {std::move(table), aftermath(view), std::move(between)}};
  if (!a.ruptures.empty()) section.blocks.emplace_back(rupture_figure(view));
  return section;
}

}  // namespace rapport::report
