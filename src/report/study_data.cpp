#include "study_page.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::report {
namespace {

PageTable correlations(const StudyView& view) {
  PageTable table{.caption = "Correlations over sessions, in their two parts",
                  .header = {"Variables", "r within", ci_heading(view.level), "r between",
                             ci_heading(view.level), "patients"},
                  .rows = {},
                  .note =
                      "Within: of deviations from the patients' means; between: of the patients' "
                      "means, weighted by sessions."};
  for (const StudyCorrelation& c : view.study.correlations)
    table.rows.push_back({c.x + " and " + c.y, unit(c.correlation.within.estimate),
                          unit_interval(c.correlation.within.ci),
                          unit(c.correlation.between.estimate),
                          unit_interval(c.correlation.between.ci), count(c.correlation.clusters)});
  return table;
}

/// A value as it stands in the data.
std::string shortest(double value) { return number(value, value == std::round(value) ? 0 : 2); }

/// The rows of a finding, the first eight of them.
std::string rows_text(const StudyFinding& finding) {
  std::string text;
  for (std::size_t k = 0; k < finding.rows.size() && k < 8; ++k)
    text += (k > 0 ? ", " : "") + count(finding.rows[k] + 1);
  return finding.rows.size() > 8 ? text + ", …" : text;
}

}  // namespace

PageSection screening_section(const StudyView& view) {
  const StudyScreening& screening = view.study.screening;
  std::string looked;
  for (std::size_t k = 0; k < screening.checks.size(); ++k)
    looked += (k == 0                             ? ""
               : k + 1 == screening.checks.size() ? " and "
                                                  : ", ") +
              screening.checks[k];
  PageSection section{.title = "Screening of the data",
                      .blocks = {Paragraph{"Looked for: " + looked + "."}}};
  if (screening.findings.empty()) {
    section.blocks.emplace_back(Paragraph{"Nothing was found."});
    return section;
  }
  PageTable table{
      .caption = "What was found",
      .header = {"Finding", "severity", "how many", "rows of the data", "what it means"},
      .rows = {},
      .note =
          "Rows are counted from 1 below the header; where patients are counted, "
          "the row is their first."};
  for (const StudyFinding& f : screening.findings) {
    std::string kind = f.kind;
    std::replace(kind.begin(), kind.end(), '_', ' ');
    table.rows.push_back({kind, std::string(to_text(f.severity)), count(f.count) + " " + f.unit,
                          rows_text(f), f.message});
  }
  section.blocks.emplace_back(std::move(table));
  return section;
}

PageSection data_section(const StudyView& view) {
  PageTable variables{.caption = "Variables over sessions",
                      .header = {"Variable", "n", "missing", "M", "SD", "SD within", "SD between",
                                 "ICC", "λ of means", "range"},
                      .rows = {},
                      .note =
                          "SD within: of deviations from a patient's own mean; SD between: of "
                          "patients' means; ICC: share of "
                          "the variance between patients; λ: reliability of a patient's mean."};
  for (const VariableDescription& v : view.study.variables)
    variables.rows.push_back({v.name, count(v.moments.n_used), count(v.moments.n_omitted),
                              number(v.moments.mean), number(v.moments.sd), number(v.sd_within),
                              number(v.sd_between), unit(v.icc), unit(v.reliability),
                              shortest(v.moments.minimum) + " to " + shortest(v.moments.maximum)});
  std::vector<double> session, alliance, outcome;
  for (const SessionDescription& at : view.study.by_session) {
    session.push_back(at.session);
    alliance.push_back(static_cast<double>(at.n_alliance));
    outcome.push_back(static_cast<double>(at.n_outcome));
  }
  Figure figure;
  figure.title = "Patients with data at each session";
  figure.caption = "How many patients have a rating: later sessions rest on those who stayed.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = "patients", .lower = 0};
  if (!view.study.columns.alliance.empty())
    figure.layers.emplace_back(Line{.x = vector_of(session),
                                    .y = vector_of(alliance),
                                    .series = 0,
                                    .label = view.study.columns.alliance});
  figure.layers.emplace_back(Line{.x = vector_of(session),
                                  .y = vector_of(outcome),
                                  .series = 1,
                                  .label = view.study.columns.outcome});
  figure.height = 300;
  PageSection section{.title = "Data", .blocks = {std::move(variables)}};
  if (!view.study.one_session) section.blocks.emplace_back(std::move(figure));
  return section;
}

PageSection correlations_section(const StudyView& view) {
  PageTable table{
      .caption = "Alliance and outcome at each session",
      .header = {view.study.columns.session, "n", "alliance M", "outcome M", "r",
                 ci_heading(view.level)},
      .rows = {},
      .note =
          "Pearson's r over the patients with both, interval by Fisher's z. n falls as patients "
          "leave."};
  std::vector<double> session, r, low, high;
  for (const SessionDescription& at : view.study.by_session) {
    table.rows.push_back({number(at.session, 0), count(at.n_both), number(at.alliance_mean),
                          number(at.outcome_mean), unit(at.correlation), unit_interval(at.ci)});
    session.push_back(at.session);
    r.push_back(at.correlation);
    low.push_back(at.ci.lower);
    high.push_back(at.ci.upper);
  }
  Figure figure;
  figure.title = "Correlation of alliance and outcome at each session";
  figure.caption =
      "Over patients, with " + ci_heading(view.level) + "; later sessions rest on fewer patients.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = "r", .lower = -1, .upper = 1};
  figure.layers.emplace_back(Band{
      .x = vector_of(session), .lower = vector_of(low), .upper = vector_of(high), .series = 0});
  figure.layers.emplace_back(Line{.x = vector_of(session), .y = vector_of(r), .series = 0});
  figure.layers.emplace_back(Rule{.at = 0, .horizontal = true});
  figure.height = 320;
  PageSection section{.title = "Correlations", .blocks = {}};
  if (!view.study.correlations.empty()) section.blocks.emplace_back(correlations(view));
  if (!view.study.one_session) section.blocks.emplace_back(std::move(figure));
  section.blocks.emplace_back(std::move(table));
  return section;
}

}  // namespace rapport::report
