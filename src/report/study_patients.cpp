#include <rapport/math/distributions.hpp>

#include "study_page.hpp"
#include <algorithm>

namespace rapport::report {
namespace {

std::string therapist_name(const StudyView& view, const TherapistEstimate& t, std::size_t place) {
  return view.options.show_ids ? t.therapist : "Therapist " + std::to_string(place + 1);
}

PageTable retention_table(const Retention& retention, double level) {
  const LogRankTest& test = retention.log_rank;
  PageTable table{
      .caption = "Retention by the alliance of the first session",
      .header = {"Alliance", "range", "patients", "left",
                 "mean sessions to " + number(retention.groups.front().retention.restriction, 0),
                 "SE", "probability of having left", ci_heading(level)},
      .rows = {},
      .note =
          "Restricted means of Kaplan–Meier curves; probabilities of having left by the last "
          "session by Aalen and Johansen, with planned ends as the competing event. Log-rank "
          "test χ²(" +
          number(test.df, 0) + ") = " + number(test.statistic) + ", " + p_text(test.p_value) +
          "; trend over the groups " + p_text(test.trend_p_value) + "."};
  for (const RetentionGroup& g : retention.groups) {
    const Index last = g.incidence.time.size() - 1;
    table.rows.push_back(
        {g.label, number(g.alliance_minimum, 1) + " to " + number(g.alliance_maximum, 1),
         count(g.retention.n), count(g.retention.n_events), number(g.retention.restricted_mean),
         number(g.retention.restricted_mean_standard_error), number(g.incidence.incidence(last, 0)),
         interval({g.incidence.ci_lower(last, 0), g.incidence.ci_upper(last, 0), level})});
  }
  return table;
}

}  // namespace

PageSection therapists_section(const StudyView& view) {
  const TherapistEffects& e = *view.study.therapists;
  PageTable table{
      .caption = "The final outcome a point of mean alliance (Baldwin, Wampold & Imel, 2007)",
      .header = estimate_header("Alliance", view.level),
      .rows = {estimate_row("patients of one therapist", e.within_therapists),
               estimate_row("therapists", e.between_therapists),
               estimate_row("therapists − patients", e.difference)},
      .note = "Therapists account for " + number(100 * e.share, 1) +
              " % of the variance of the final outcome, intake "
              "held constant (" +
              ci_heading(view.level) + " " + number(100 * e.share_ci.lower, 1) + " to " +
              number(100 * e.share_ci.upper, 1) + " %, " + p_text(e.p_value) +
              "); n = " + count(e.n_patients) + "."};
  Figure figure;
  figure.title = "Therapists' deviations in the final outcome";
  figure.caption =
      "Best linear predictions, shrunk towards the average, with their intervals; ordered.";
  const auto n = static_cast<Index>(e.therapists.size());
  Eigen::VectorXd at(n), effect(n), low(n), high(n);
  const double z = normal_interval(0, 1, view.level).upper;
  for (Index i = 0; i < n; ++i) {
    const TherapistEstimate& t = e.therapists[static_cast<std::size_t>(i)];
    at[i] = static_cast<double>(i + 1);
    effect[i] = t.effect;
    low[i] = t.effect - z * t.standard_error;
    high[i] = t.effect + z * t.standard_error;
    if (n <= 40)
      figure.y.ticks.push_back(
          {.at = at[i], .label = therapist_name(view, t, static_cast<std::size_t>(i))});
  }
  figure.x = {.label = "deviation in points of " + view.study.columns.outcome};
  figure.y.label = "therapist";
  figure.layers.emplace_back(
      ErrorBars{.at = at, .lower = low, .upper = high, .series = 0, .horizontal = true});
  figure.layers.emplace_back(Points{.x = effect, .y = at, .series = 0});
  figure.layers.emplace_back(Rule{.at = 0});
  figure.height = std::clamp(120 + 18 * static_cast<double>(n), 240.0, 800.0);
  return {.title = "Therapists", .blocks = {std::move(figure), std::move(table)}};
}

PageSection dropout_section(const StudyView& view) {
  const DropoutHazard& h = *view.study.dropout;
  PageTable table{
      .caption = "The hazard of leaving after a session",
      .header = {"Term", "log odds", "SE", ci_heading(view.level), "z", "p", "odds ratio"},
      .rows = {},
      .note = h.formula + ". Logistic, " + h.method + ". " + count(h.n_left) + " of " +
              count(h.n_patients) + " patients left, in " + count(h.n_sessions) +
              " sessions. Within and between: the alliance against its mean up to the session, and "
              "that mean."};
  for (const HazardTerm& t : h.terms)
    table.rows.push_back({t.term, number(t.estimate, 3), number(t.standard_error, 3),
                          interval(t.ci, 3), number(t.statistic), p_value(t.p_value),
                          number(t.odds_ratio)});
  PageSection section{.title = "Dropout", .blocks = {std::move(table)}};
  if (view.study.retention)
    section.blocks.emplace_back(retention_table(*view.study.retention, view.level));
  return section;
}

PageSection change_section(const StudyView& view) {
  const OutcomeChange& c = *view.study.change;
  const ChangeCounts& n = c.change.counts;
  const double threshold = c.change.reliable_change_threshold;
  Eigen::VectorXd pre(c.change.n_used), post(c.change.n_used);
  for (Index i = 0; i < c.change.n_used; ++i) {
    pre[i] = c.change.persons[static_cast<std::size_t>(i)].pre;
    post[i] = c.change.persons[static_cast<std::size_t>(i)].post;
  }
  const Eigen::VectorXd ends{
      {std::min(pre.minCoeff(), post.minCoeff()), std::max(pre.maxCoeff(), post.maxCoeff())}};
  Figure figure;
  figure.title = count(n.recovered + n.improved) + " of " + count(c.change.n_used) +
                 " patients improved reliably, " + count(n.deteriorated) + " deteriorated";
  figure.caption =
      "Outcome at intake and at the end; within the band the change is within the error of "
      "measurement.";
  figure.x = {.label = view.study.columns.outcome + " at intake"};
  figure.y = {.label = view.study.columns.outcome + " at the end"};
  figure.layers.emplace_back(Band{.x = ends,
                                  .lower = (ends.array() - threshold).matrix(),
                                  .upper = (ends.array() + threshold).matrix(),
                                  .series = 2});
  figure.layers.emplace_back(Points{.x = pre, .y = post, .series = 0, .hollow = true});
  BulletList facts{.items = {"Reliable change (Jacobson & Truax, 1991): beyond ±" +
                             number(threshold) + " points, with a reliability of the outcome of " +
                             number(c.reliability) + " as given."}};
  if (c.gains)
    facts.items.push_back(
        "Sudden gains (Tang & DeRubeis, 1999), cut-off " + number(c.gain_cutoff) + ": " +
        count(static_cast<Index>(c.gains->events.size())) + " in " + count(c.gains->persons) +
        " patients; sudden losses: " + count(static_cast<Index>(c.losses->events.size())) + " in " +
        count(c.losses->persons) + ".");
  return {.title = "Change", .blocks = {std::move(figure), std::move(facts)}};
}

}  // namespace rapport::report
