#include <rapport/data/panel.hpp>

#include "study_page.hpp"
#include <cmath>

namespace rapport::report {
namespace {

std::vector<std::string> icc_row(const IccResult& icc, const std::string& form,
                                 const std::string& meaning) {
  const IccForm& f = icc_form(icc, form);
  return {f.form + " (" + f.name + ")", number(f.estimate), interval(f.ci), meaning};
}

Figure bland_altman_figure(const StudyView& view, const RaterAgreement& a) {
  const Eigen::VectorXd& therapist = view.table.numbers(view.study.columns.therapist_alliance);
  Figure figure;
  figure.title = "The client rates " + number(std::abs(a.bland_altman.bias), 1) + " points " +
                 (a.bland_altman.bias < 0 ? "lower" : "higher") + " than the therapist on average";
  figure.caption =
      "Bland–Altman plot: solid, the mean difference; dashed, the limits of agreement.";
  figure.x = {.label = "mean of client and therapist"};
  figure.y = {.label = "client − therapist"};
  figure.layers.emplace_back(Points{.x = (view.alliance + therapist) / 2,
                                    .y = view.alliance - therapist,
                                    .series = 0,
                                    .hollow = true});
  figure.layers.emplace_back(Rule{.at = a.bland_altman.bias, .horizontal = true, .dashed = false});
  figure.layers.emplace_back(Rule{.at = a.bland_altman.lower.estimate, .horizontal = true});
  figure.layers.emplace_back(Rule{.at = a.bland_altman.upper.estimate, .horizontal = true});
  return figure;
}

/// Mean of a variable at each session that occurs.
Line mean_line(const StudyView& view, const Eigen::VectorXd& x, int series,
               const std::string& label) {
  const Factor session = make_factor(view.table.numbers(view.study.columns.session));
  std::vector<double> at;
  for (const std::string& name : session.levels) at.push_back(std::stod(name));
  return {.x = vector_of(at), .y = group_means(x, session), .series = series, .label = label};
}

Figure raters_figure(const StudyView& view) {
  Figure figure;
  figure.title = "Mean alliance by session as client and therapist see it";
  figure.caption = "Means over those who rated the session.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = "alliance"};
  figure.layers.emplace_back(mean_line(view, view.alliance, 0, "client"));
  figure.layers.emplace_back(
      mean_line(view, view.table.numbers(view.study.columns.therapist_alliance), 1, "therapist"));
  figure.height = 320;
  return figure;
}

}  // namespace

PageSection agreement_section(const StudyView& view) {
  const RaterAgreement& a = *view.study.agreement;
  PageTable table{.caption = "Client and therapist on the same sessions",
                  .header = {"Coefficient", "estimate", ci_heading(view.level), "meaning"},
                  .rows = {},
                  .note = "Over " + count(a.bland_altman.n_used) +
                          " sessions as if they were independent; sessions of one patient are "
                          "not, so intervals are too narrow."};
  table.rows = {
      icc_row(a.icc, "ICC(2,1)", "agreement of single ratings"),
      icc_row(a.icc, "ICC(3,1)", "consistency of single ratings"),
      {"Lin's CCC", number(a.concordance.estimate), interval(a.concordance.ci),
       "agreement with the line of identity"},
      {"Mean difference", number(a.bland_altman.bias), interval(a.bland_altman.ci),
       "client − therapist"},
      {"Limits of agreement",
       number(a.bland_altman.lower.estimate) + " to " + number(a.bland_altman.upper.estimate), "",
       "where " + number(100 * view.level, 0) + " % of differences lie"}};
  if (view.study.agreement_of_means) {
    const RaterAgreement& m = *view.study.agreement_of_means;
    const IccForm& f = icc_form(m.icc, "ICC(2,1)");
    table.rows.push_back({"ICC(2,1) of patients' means", number(f.estimate), interval(f.ci),
                          count(m.bland_altman.n_used) + " patients"});
  }
  return {.title = "Agreement of client and therapist",
          .blocks = {std::move(table), bland_altman_figure(view, a), raters_figure(view)}};
}

PageSection perspectives_section(const StudyView& view) {
  const PerspectiveComparison& p = *view.study.perspectives;
  PageTable table{
      .caption = "Both ratings in one model",
      .header = estimate_header("Rating", view.level),
      .rows = {estimate_row("client, within", p.client_within),
               estimate_row("therapist, within", p.therapist_within),
               estimate_row("client − therapist, within, a SD", p.standardized_difference),
               estimate_row("client, between", p.client_between),
               estimate_row("therapist, between", p.therapist_between)}};
  const auto share = [&](const BootstrapResult& s) {
    return number(s.estimate, 3) + " " + interval(s.ci, 3);
  };
  table.note = "Early ratings and the final outcome: r differs by " +
               number(p.correlations.difference) + " (client − therapist";
  for (const ComparisonTestResult& test : p.correlations.tests)
    if (test.test == ComparisonTest::steiger)
      table.note += "; Steiger's z = " + number(test.statistic) + ", " + p_text(test.p_value);
  table.note += "). Of R² = " + number(p.r_squared, 3) + ", the client's rating carries " +
                share(p.client_share) + " and the therapist's " + share(p.therapist_share) +
                " (average over orders, bootstrap over patients).";
  return {.title = "Whose rating tells more?", .blocks = {std::move(table)}};
}

PageSection congruence_section(const StudyView& view) {
  const ResponseSurfaceResult& s = *view.study.congruence;
  PageTable table{.caption = "Response surface of the outcome on both ratings",
                  .header = estimate_header("Parameter", view.level),
                  .rows = {},
                  .note = "Both ratings are centred at " + number(s.centre) +
                          ". a1, a2: slope and curvature where client and "
                          "therapist agree; a3, a4: where they disagree (client above therapist "
                          "to the right). Random "
                          "intercept of the patient; n = " +
                          count(s.n_used) + "."};
  const auto add = [&](const Parameter& p) {
    table.rows.push_back({p.name, number(p.estimate, 3), number(p.standard_error, 3),
                          interval(p.ci, 3), number(p.statistic), number(p.df, 1),
                          p_value(p.p_value)});
  };
  for (const Parameter& p : s.coefficients) add(p);
  for (const Parameter& p : s.surface) add(p);
  return {.title = "Does agreement matter beyond level?", .blocks = {std::move(table)}};
}

}  // namespace rapport::report
