#include "study_page.hpp"
#include <algorithm>

namespace rapport::report {
namespace {

std::vector<std::string> correlation_row(const std::string& name, const CorrelationResult& r) {
  return {name, number(r.estimate), interval(r.ci), count(r.n_used), p_value(r.p_value)};
}

Figure early_figure(const StudyView& view, const EarlyAlliance& e) {
  Figure figure;
  figure.title = "Early alliance and final outcome: r = " + number(e.correlation.estimate);
  figure.caption = "A point a patient.";
  figure.x = {.label = "mean alliance, sessions 1 to " + count(e.sessions)};
  figure.y = {.label = "final " + view.study.columns.outcome};
  figure.layers.emplace_back(Points{.x = view.study.patients.numbers("early_alliance"),
                                    .y = view.study.patients.numbers("final"),
                                    .series = 0,
                                    .hollow = true});
  figure.height = 340;
  return figure;
}

}  // namespace

PageSection lags_section(const StudyView& view) {
  PageSection section{.title = "From one session to the next", .blocks = {}};
  if (view.study.cross_lagged) {
    const CrossLaggedFit& fit = view.study.cross_lagged->fit;
    PageTable table{.caption = "Random-intercept cross-lagged panel model, sessions " +
                               number(view.study.cross_lagged->waves.front(), 0) + " to " +
                               number(view.study.cross_lagged->waves.back(), 0),
                    .header = {"Effect", "b", "SE", ci_heading(view.level), "z", "p", "β"},
                    .rows = {},
                    .note = "n = " + count(fit.n_used) + ", χ²(" + number(fit.chi_square.df, 0) +
                            ") = " + number(fit.chi_square.statistic) + ", " +
                            p_text(fit.chi_square.p_value) + ", CFI = " + number(fit.cfi) +
                            ", RMSEA = " + number(fit.rmsea) + ", SRMR = " + number(fit.srmr) +
                            ". Effects equal over sessions; β at the second session; missing "
                            "sessions by full information."};
    const auto name = [&](bool is_x) {
      return is_x ? view.study.columns.alliance : view.study.columns.outcome;
    };
    for (std::size_t k = 0; k < 4; ++k) {
      const LaggedEffect& e = fit.effects[k];
      table.rows.push_back({name(e.from_x) + " → " + name(e.to_x), number(e.estimate, 3),
                            number(e.standard_error, 3), interval(e.ci, 3), number(e.statistic),
                            p_value(e.p_value), number(e.standardized)});
    }
    section.blocks.emplace_back(std::move(table));
  }
  PageTable mixed{.caption = "Within-person lagged mixed models",
                  .header = estimate_header("Effect", view.level)};
  if (view.study.alliance_to_outcome)
    mixed.rows.push_back(
        estimate_row(view.study.columns.alliance + " → later " + view.study.columns.outcome,
                     view.study.alliance_to_outcome->effect));
  if (view.study.outcome_to_alliance)
    mixed.rows.push_back(
        estimate_row(view.study.columns.outcome + " → later " + view.study.columns.alliance,
                     view.study.outcome_to_alliance->effect));
  mixed.note =
      "Adjusted for the previous value of what is predicted. With few sessions a patient these "
      "are biased; the model "
      "above is not.";
  if (!mixed.rows.empty()) section.blocks.emplace_back(std::move(mixed));
  if (section.blocks.empty())
    section.blocks.emplace_back(Paragraph{"The data allow no lagged model."});
  return section;
}

PageSection early_section(const StudyView& view) {
  const EarlyAlliance& e = *view.study.early;
  PageTable correlations{
      .caption = "Alliance of sessions 1 to " + count(e.sessions) + " and the final " +
                 view.study.columns.outcome,
      .header = {"Correlation", "r", ci_heading(view.level), "n", "p"},
      .rows = {correlation_row("early alliance and final outcome", e.correlation),
               correlation_row("intake held constant (partial)", e.partial),
               correlation_row("with residual change (semi-partial)", e.semi_partial)}};
  PageTable effects{.caption = "The final outcome a point of early alliance",
                    .header = estimate_header("Adjusted for", view.level),
                    .rows = {estimate_row("intake", e.effect),
                             estimate_row("intake and change until then", e.adjusted)},
                    .note = "Patients with an outcome after session " + count(e.sessions) +
                            ": n = " + count(e.n_used) + "."};
  if (e.treatment)
    effects.note += " Early alliance × treatment: F(" + number(e.treatment->numerator_df, 0) +
                    ", " + number(e.treatment->denominator_df, 1) +
                    ") = " + number(e.treatment->statistic) + ", " + p_text(e.treatment->p_value) +
                    ".";
  effects.note += " The mean of " + count(e.sessions) + " sessions has a reliability of " +
                  number(e.reliability[std::min<Index>(e.sessions, e.reliability.size()) - 1]) +
                  ", of one session " + number(e.reliability[0]) + ".";
  return {.title = "Early alliance",
          .blocks = {early_figure(view, e), std::move(correlations), std::move(effects)}};
}

}  // namespace rapport::report
