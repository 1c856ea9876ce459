#include "study_page.hpp"
#include <algorithm>

namespace rapport::report {
namespace {

std::vector<std::string> correlation_row(const std::string& name, const CorrelationResult& r) {
  return {name, unit(r.estimate), unit_interval(r.ci), count(r.n_used), p_value(r.p_value)};
}

Figure early_figure(const StudyView& view, const EarlyAlliance& e) {
  Figure figure;
  figure.title = "Early alliance and final outcome: r = " + unit(e.correlation.estimate);
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

PageTable panel_table(const StudyView& view) {
  const StudyCrossLagged& panel = *view.study.cross_lagged;
  const CrossLaggedFit& fit = panel.fit;
  PageTable table{
      .caption = "Random-intercept cross-lagged panel model, sessions " +
                 number(panel.waves.front(), 0) + " to " + number(panel.waves.back(), 0),
      .header = {"Effect", "b", "SE", ci_heading(view.level), "z", "p", "β"},
      .rows = {},
      .note = "n = " + count(fit.n_used) + ", χ²(" + number(fit.chi_square.df, 0) +
              ") = " + number(fit.chi_square.statistic) + ", " + p_text(fit.chi_square.p_value) +
              ", CFI = " + unit(fit.cfi) + ", RMSEA = " + unit(fit.rmsea) +
              ", SRMR = " + unit(fit.srmr) +
              ". Effects equal over sessions; β at the second session; missing sessions by full "
              "information."};
  const auto name = [&](bool is_x) {
    return is_x ? view.study.columns.alliance : view.study.columns.outcome;
  };
  for (std::size_t k = 0; k < 4; ++k) {
    const LaggedEffect& e = fit.effects[k];
    const int decimals = decimals_for(e.standard_error);
    table.rows.push_back({name(e.from_x) + " → " + name(e.to_x), number(e.estimate, decimals),
                          number(e.standard_error, decimals), interval(e.ci, decimals),
                          number(e.statistic), p_value(e.p_value), unit(e.standardized)});
  }
  return table;
}

PageTable mixed_table(const StudyView& view) {
  PageTable table{.caption = "Within-person lagged mixed models",
                  .header = estimate_header("Effect", view.level),
                  .rows = {},
                  .note =
                      "Adjusted for the previous value of what is predicted. With few sessions "
                      "a patient these are biased; the panel model is not."};
  const std::string& alliance = view.study.columns.alliance;
  const std::string& outcome = view.study.columns.outcome;
  if (view.study.alliance_to_outcome)
    table.rows.push_back(
        estimate_row(alliance + " → later " + outcome, view.study.alliance_to_outcome->effect));
  if (view.study.outcome_to_alliance)
    table.rows.push_back(
        estimate_row(outcome + " → later " + alliance, view.study.outcome_to_alliance->effect));
  return table;
}

PageTable in_time_table(const StudyView& view) {
  const ContinuousTimeInfluence& forward = *view.study.alliance_to_outcome_in_time;
  const std::string& alliance = view.study.columns.alliance;
  const std::string& outcome = view.study.columns.outcome;
  const std::string& time = view.study.columns.time;
  PageTable table{
      .caption = "Lagged effects with sessions unequally spaced",
      .header = estimate_header("Effect", view.level),
      .rows = {estimate_row(alliance + " → next " + outcome, forward.effect)},
      .note = "What carries over decays with " + time + " (continuous-time autoregression): for " +
              outcome + " the correlation of residuals one unit apart is " + unit(forward.rho, 3)};
  if (forward.half_life > 0) table.note += ", halved in " + number(forward.half_life, 1) + " units";
  table.note += "; neighbouring sessions lie " + number(forward.median_gap, 1) +
                " units apart (median). " + count(forward.n_sessions) + " sessions of " +
                count(forward.n_patients) + " patients.";
  if (view.study.outcome_to_alliance_in_time)
    table.rows.push_back(estimate_row(outcome + " → next " + alliance,
                                      view.study.outcome_to_alliance_in_time->effect));
  return table;
}

PageTable distributed_table(const StudyView& view) {
  const DistributedLags& lags = *view.study.distributed_lags;
  PageTable table{.caption = "Alliance several sessions earlier, in one model",
                  .header = estimate_header("Alliance", view.level),
                  .rows = {},
                  .note =
                      "Cumulative: what a lasting rise by a point has brought after so many "
                      "sessions. The previous outcome is held constant. " +
                      count(lags.n_sessions) + " sessions of " + count(lags.n_patients) +
                      " patients."};
  const auto sessions = [](std::size_t k) {
    return count(static_cast<Index>(k)) + (k == 1 ? " session" : " sessions");
  };
  for (std::size_t k = 0; k < lags.effects.size(); ++k)
    table.rows.push_back(estimate_row(sessions(k + 1) + " before", lags.effects[k]));
  for (std::size_t k = 1; k < lags.cumulative.size(); ++k)
    table.rows.push_back(estimate_row("cumulative over " + sessions(k + 1), lags.cumulative[k]));
  return table;
}

}  // namespace

PageSection lags_section(const StudyView& view) {
  PageSection section{.title = "From one session to the next", .blocks = {}};
  if (view.study.cross_lagged) section.blocks.emplace_back(panel_table(view));
  if (view.study.alliance_to_outcome_in_time) section.blocks.emplace_back(in_time_table(view));
  if (view.study.distributed_lags) section.blocks.emplace_back(distributed_table(view));
  if (view.study.alliance_to_outcome) section.blocks.emplace_back(mixed_table(view));
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
                  unit(e.reliability[std::min<Index>(e.sessions, e.reliability.size()) - 1]) +
                  ", of one session " + unit(e.reliability[0]) + ".";
  return {.title = "Early alliance",
          .blocks = {early_figure(view, e), std::move(correlations), std::move(effects)}};
}

}  // namespace rapport::report
