#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include "study_page.hpp"
#include <algorithm>
#include <utility>

namespace rapport::report {
namespace {

/// Every patient's course, and the mean of those who have a session.
Figure growth_figure(const StudyView& view) {
  const Eigen::VectorXd& session = view.table.numbers(view.study.columns.session);
  std::vector<std::vector<std::pair<double, double>>> courses(view.patient.levels.size());
  for (Index i = 0; i < view.table.rows(); ++i) {
    const std::int32_t code = view.patient.codes[static_cast<std::size_t>(i)];
    if (code >= 0 && !is_missing(session[i] + view.outcome[i]))
      courses[static_cast<std::size_t>(code)].emplace_back(session[i], view.outcome[i]);
  }
  std::vector<double> x, y;
  for (auto& course : courses) {
    std::sort(course.begin(), course.end());
    for (const auto& [at, value] : course) {
      x.push_back(at);
      y.push_back(value);
    }
    x.push_back(missing);
    y.push_back(missing);
  }
  std::vector<double> at, mean;
  for (const SessionDescription& one : view.study.by_session) {
    if (one.n_outcome < 5) continue;
    at.push_back(one.session);
    mean.push_back(one.outcome_mean);
  }
  Figure figure;
  const ContrastEstimate& rate = view.study.growth->rate;
  const std::string& outcome = view.study.columns.outcome;
  figure.title = !(rate.p_value < 0.05) ? outcome + " does not reliably change over sessions"
                 : rate.estimate < 0    ? outcome + " falls over sessions"
                                        : outcome + " rises over sessions";
  figure.caption =
      "Pale: a line a patient. Bold: the mean of those who have the session (five or "
      "more), which changes when patients leave.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = outcome};
  figure.most_lines = 100;
  figure.layers.emplace_back(
      Line{.x = vector_of(x), .y = vector_of(y), .series = 2, .label = "", .faint = true});
  figure.layers.emplace_back(Line{.x = vector_of(at), .y = vector_of(mean), .series = 0});
  return figure;
}

PageTable specifications(const StudyView& view) {
  PageTable table{.caption = "The same effect under other centrings",
                  .header = estimate_header("Model", view.level),
                  .rows = {},
                  .note = ""};
  for (const SpecifiedEffect& one : view.study.specifications) {
    table.rows.push_back(estimate_row(one.model, one.effect));
    table.note += (table.note.empty() ? "" : "; ") + one.model + ": " + one.estimand;
  }
  table.note += ".";
  return table;
}

Line patient_lines(const StudyView& view) {
  std::vector<std::vector<Index>> rows(view.patient.levels.size());
  for (Index i = 0; i < view.table.rows(); ++i)
    if (view.patient.codes[static_cast<std::size_t>(i)] >= 0 &&
        !is_missing(view.alliance[i] + view.outcome[i]))
      rows[static_cast<std::size_t>(view.patient.codes[static_cast<std::size_t>(i)])].push_back(i);
  std::vector<double> x, y;
  for (const std::vector<Index>& mine : rows) {
    const Eigen::VectorXd a = view.alliance(mine);
    const Eigen::VectorXd b = view.outcome(mine);
    if (mine.size() < 3 || !(variance(a) > 0)) continue;
    const double slope = covariance(a, b) / variance(a);
    for (const double end : {a.minCoeff(), a.maxCoeff()}) {
      x.push_back(end);
      y.push_back(b.mean() + slope * (end - a.mean()));
    }
    x.push_back(missing);
    y.push_back(missing);
  }
  return {.x = vector_of(x), .y = vector_of(y), .series = 2, .label = "", .faint = true};
}

/// Each patient's own least-squares line over the patient's range, and the two slopes of the
/// model.
Figure levels_figure(const StudyView& view, const Disaggregation& d) {
  Figure figure;
  const bool apart = d.contextual.p_value < 0.05;
  figure.title = apart ? "Within and between patients the slopes differ"
                       : "Within and between patients the slopes do not reliably differ";
  figure.caption =
      "Pale: each patient's own line. Bold: the model's slopes, through the means of both "
      "variables.";
  figure.x = {.label = view.study.columns.alliance};
  figure.y = {.label = view.study.columns.outcome};
  figure.layers.emplace_back(patient_lines(view));
  const double x = moments(view.alliance).mean;
  const double y = moments(view.outcome).mean;
  const auto slope = [&](double b, double reach, int series, const std::string& label) {
    figure.layers.emplace_back(Line{.x = Eigen::VectorXd{{x - reach, x + reach}},
                                    .y = Eigen::VectorXd{{y - b * reach, y + b * reach}},
                                    .series = series,
                                    .label = label});
  };
  slope(d.within.estimate, 2 * view.study.variables[0].sd_within, 0, "within patients");
  slope(d.between_patient.estimate, 2 * view.study.variables[0].sd_between, 1, "between patients");
  return figure;
}

/// Where the slope differs from 0, within the sessions of the data.
std::string region_text(const JohnsonNeyman& region) {
  using Region = JohnsonNeyman::Region;
  const std::string start = "Johnson–Neyman: the slope differs from 0 ";
  const std::string never = "Johnson–Neyman: the slope differs from 0 at no session of the data.";
  const std::string always = start + "at every session of the data.";
  const bool low = region.lower > region.minimum && region.lower < region.maximum;
  const bool high = region.upper > region.minimum && region.upper < region.maximum;
  const std::string from = number(region.lower, 1);
  const std::string to = number(region.upper, 1);
  switch (region.significant) {
    case Region::inside:
      if (low && high) return start + "between sessions " + from + " and " + to + ".";
      if (low) return start + "after session " + from + ".";
      if (high) return start + "before session " + to + ".";
      return region.lower <= region.minimum && region.upper >= region.maximum ? always : never;
    case Region::outside:
      if (low && high) return start + "before session " + from + " and after " + to + ".";
      if (low) return start + "before session " + from + ".";
      if (high) return start + "after session " + to + ".";
      return region.lower <= region.minimum && region.upper >= region.maximum ? never : always;
    case Region::above:
      return low ? start + "after session " + from + "."
                 : (region.lower <= region.minimum ? always : never);
    case Region::below:
      return high ? start + "before session " + to + "."
                  : (region.upper >= region.maximum ? always : never);
    case Region::everywhere:
      return always;
    case Region::nowhere:
      return never;
  }
  return {};
}

PageTable treatments(const StudyView& view) {
  const TreatmentModeration& m = *view.study.treatment_moderation;
  PageTable table{.caption = "The within-patient effect in each treatment",
                  .header = estimate_header("Treatment", view.level)};
  for (const TreatmentSlope& at : m.slopes)
    table.rows.push_back(estimate_row(at.treatment, at.slope));
  for (const TreatmentSlope& at : m.differences)
    table.rows.push_back(estimate_row(at.treatment + " − " + m.slopes.front().treatment, at.slope));
  table.note = "Interaction: F(" + number(m.interaction.numerator_df, 0) + ", " +
               number(m.interaction.denominator_df, 1) + ") = " + number(m.interaction.statistic) +
               ", " + p_text(m.interaction.p_value) + ". Equivalence within ±" +
               number(m.equivalence_bound, 3) +
               " (a standardised slope of 0.1): " + p_text(m.equivalence_p_value) +
               (m.equivalence_p_value < 0.05 ? ", equivalent." : ", not shown.");
  return table;
}

}  // namespace

PageSection growth_section(const StudyView& view) {
  const GrowthCurve& g = *view.study.growth;
  PageTable table{.caption = "Change of " + view.study.columns.outcome + " a session",
                  .header = estimate_header("Course", view.level),
                  .rows = {estimate_row(
                      g.treatments.empty() ? "all patients" : "mean of the treatments", g.rate)},
                  .note = "Model growth: " + count(g.n_sessions) + " sessions of " +
                          count(g.n_patients) + " patients, with their own course each."};
  for (const TreatmentSlope& at : g.treatments)
    table.rows.push_back(estimate_row(at.treatment, at.slope));
  if (g.interaction)
    table.note += " Session × treatment: F(" + number(g.interaction->numerator_df, 0) + ", " +
                  number(g.interaction->denominator_df, 1) +
                  ") = " + number(g.interaction->statistic) + ", " +
                  p_text(g.interaction->p_value) + ".";
  return {.title = "The course of the outcome", .blocks = {growth_figure(view), std::move(table)}};
}

PageSection levels_section(const StudyView& view) {
  const Disaggregation& d = *view.study.disaggregation;
  PageTable table{
      .caption = "The effect of a point of alliance on " + view.study.columns.outcome,
      .header = estimate_header("Level", view.level),
      .rows = {estimate_row("within patients", d.within),
               estimate_row("between patients", d.between_patient),
               estimate_row("between patients, corrected for λ", d.between_patient_corrected)},
      .note = ""};
  if (d.n_therapists > 0)
    table.rows.push_back(estimate_row("between therapists", d.between_therapist));
  table.rows.push_back(estimate_row("between − within patients", d.contextual));
  if (d.n_therapists > 0)
    table.rows.push_back(
        estimate_row("between therapists − between patients", d.therapist_contextual));
  table.note = "Model within_between: " + count(d.n_sessions) + " sessions, " +
               count(d.n_patients) + " patients (" + count(d.n_patients_within) +
               " with two or more sessions carry the within effect)" +
               (d.n_therapists > 0 ? ", " + count(d.n_therapists) + " therapists" : "") +
               ". Standardised: within " + unit(d.standardized_within) + ", between " +
               unit(d.standardized_between) +
               ". Variance explained by fixed effects: " + number(100 * d.r_squared_within, 0) +
               " % within, " + number(100 * d.r_squared_between, 0) + " % between patients, " +
               number(100 * d.r_squared_total, 0) + " % in all. λ = " + unit(d.reliability) + ".";
  PageSection section{.title = "Within and between patients",
                      .blocks = {levels_figure(view, d), std::move(table)}};
  if (!view.study.specifications.empty()) section.blocks.emplace_back(specifications(view));
  return section;
}

PageSection moderation_section(const StudyView& view) {
  PageSection section{.title = "When and for whom", .blocks = {}};
  if (view.study.session_moderation) {
    const SessionModeration& m = *view.study.session_moderation;
    PageTable table{.caption = "The within-patient effect at named sessions",
                    .header = estimate_header("Session", view.level)};
    std::vector<double> session, b, low, high;
    for (std::size_t k = 0; k < m.sessions.size(); ++k) {
      const ContrastEstimate& slope = m.slopes.slopes[k].slope;
      table.rows.push_back(estimate_row(number(m.sessions[k], 0), slope));
      session.push_back(m.sessions[k]);
      b.push_back(slope.estimate);
      low.push_back(slope.ci.lower);
      high.push_back(slope.ci.upper);
    }
    table.rows.push_back(estimate_row(
        m.scale == SessionScale::linear ? "change a session" : "change a unit of log session",
        m.interaction));
    table.note = "Change: the " + m.estimand + ".";
    if (m.region) table.note += " " + region_text(*m.region);
    Figure figure;
    figure.title = m.interaction.p_value < 0.05
                       ? "The within-patient effect changes with sessions"
                       : "The within-patient effect does not reliably change with sessions";
    figure.caption = "Model by_session; band: " + ci_heading(view.level) + ".";
    figure.x = {.label = view.study.columns.session};
    figure.y = {.label = "effect of a point of alliance"};
    figure.layers.emplace_back(Band{
        .x = vector_of(session), .lower = vector_of(low), .upper = vector_of(high), .series = 0});
    figure.layers.emplace_back(Line{.x = vector_of(session), .y = vector_of(b), .series = 0});
    figure.layers.emplace_back(Rule{.at = 0, .horizontal = true});
    figure.height = 320;
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
  }
  if (view.study.treatment_moderation) section.blocks.emplace_back(treatments(view));
  return section;
}

}  // namespace rapport::report
