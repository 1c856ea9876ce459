#include <rapport/data/panel.hpp>

#include "study_page.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::report {
namespace {

std::string names_of(const PairAgreement& pair) {
  return pair.first.name + " − " + pair.second.name;
}

std::vector<std::string> icc_row(const IccResult& icc, const std::string& form,
                                 const std::string& meaning) {
  const IccForm& f = icc_form(icc, form);
  return {f.form + " (" + f.name + ")", unit(f.estimate), unit_interval(f.ci), meaning};
}

PageTable pair_table(const StudyView& view, const PairAgreement& pair) {
  const RaterAgreement& a = pair.sessions;
  PageTable table{
      .caption =
          "The " + pair.first.name + " and the " + pair.second.name + " on the same sessions",
      .header = {"Coefficient", "estimate", ci_heading(view.level), "meaning"},
      .rows = {icc_row(a.icc, "ICC(2,1)", "agreement of single ratings"),
               icc_row(a.icc, "ICC(3,1)", "consistency of single ratings"),
               {"Lin's CCC", unit(a.concordance.estimate), unit_interval(a.concordance.ci),
                "agreement with the line of identity"},
               {"Mean difference", number(a.bland_altman.bias), interval(a.bland_altman.ci),
                names_of(pair)},
               {"Limits of agreement",
                number(a.bland_altman.lower.estimate) + " to " +
                    number(a.bland_altman.upper.estimate),
                "", "where " + number(100 * view.level, 0) + " % of differences lie"}},
      .note = view.study.one_session
                  ? "Over " + count(a.bland_altman.n_used) + " patients."
                  : "Over " + count(a.bland_altman.n_used) +
                        " sessions as if they were independent; sessions of one patient are not, "
                        "so intervals are too narrow."};
  if (pair.means) {
    const IccForm& f = icc_form(pair.means->icc, "ICC(2,1)");
    table.rows.push_back({"ICC(2,1) of patients' means", unit(f.estimate), unit_interval(f.ci),
                          count(pair.means->bland_altman.n_used) + " patients"});
  }
  return table;
}

/// All raters at once, and every pair in a row.
PageTable group_table(const StudyView& view, const RaterGroupAgreement& group) {
  PageTable table{
      .caption = "All raters on the same sessions",
      .header = {"Raters", "ICC(2,1)", "ICC(3,1)", "CCC", "r", "mean difference", "sessions"},
      .rows = {},
      .note = "Ratings of one session lie more than " + number(group.threshold) +
              " points (one SD) apart in " + count(group.n_split) + " of " +
              count(group.n_compared) + " sessions."};
  table.rows.push_back({"all " + count(static_cast<Index>(group.raters.size())),
                        unit(icc_form(group.icc, "ICC(2,1)").estimate),
                        unit(icc_form(group.icc, "ICC(3,1)").estimate),
                        unit(group.concordance.estimate), "–", "–",
                        count(group.concordance.n_used)});
  for (const PairAgreement& pair : view.study.agreement)
    table.rows.push_back(
        {names_of(pair), unit(icc_form(pair.sessions.icc, "ICC(2,1)").estimate),
         unit(icc_form(pair.sessions.icc, "ICC(3,1)").estimate),
         unit(pair.sessions.concordance.estimate), unit(pair.sessions.concordance.pearson),
         number(pair.sessions.bland_altman.bias), count(pair.sessions.bland_altman.n_used)});
  return table;
}

Figure bland_altman_figure(const StudyView& view, const PairAgreement& pair) {
  const Eigen::VectorXd& first = view.table.numbers(pair.first.column);
  const Eigen::VectorXd& second = view.table.numbers(pair.second.column);
  const BlandAltmanResult& a = pair.sessions.bland_altman;
  Figure figure;
  figure.title = "The " + pair.first.name + " rates " + number(std::abs(a.bias), 1) + " points " +
                 (a.bias < 0 ? "lower" : "higher") + " than the " + pair.second.name +
                 " on average";
  figure.caption =
      "Bland–Altman plot: solid, the mean difference; dashed, the limits of agreement.";
  figure.x = {.label = "mean of " + pair.first.name + " and " + pair.second.name};
  figure.y = {.label = names_of(pair)};
  figure.layers.emplace_back(
      Points{.x = (first + second) / 2, .y = first - second, .series = 0, .hollow = true});
  figure.layers.emplace_back(Rule{.at = a.bias, .horizontal = true, .dashed = false});
  figure.layers.emplace_back(Rule{.at = a.lower.estimate, .horizontal = true});
  figure.layers.emplace_back(Rule{.at = a.upper.estimate, .horizontal = true});
  return figure;
}

/// Mean of a rater at each session that occurs.
Line mean_line(const StudyView& view, const StudyRater& rater, int series) {
  const Factor session = make_factor(view.table.numbers(view.study.columns.session));
  std::vector<double> at;
  for (const std::string& name : session.levels) at.push_back(std::stod(name));
  return {.x = vector_of(at),
          .y = group_means(view.table.numbers(rater.column), session),
          .series = series,
          .label = rater.name};
}

Figure raters_figure(const StudyView& view) {
  Figure figure;
  figure.title = "Mean alliance by session as each rater sees it";
  figure.caption = "Means over those who rated the session.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = "alliance"};
  int series = 0;
  for (const StudyRater& rater : raters_of(view.study.columns))
    figure.layers.emplace_back(mean_line(view, rater, series++));
  figure.height = 320;
  return figure;
}

/// Do the raters come closer: in words and as the SD of their difference at each session.
Figure convergence_figure(const StudyView& view, const PairAgreement& pair) {
  const Parameter& slope = pair.convergence->discrepancy_slope;
  const bool changes = slope.p_value < 0.05;
  std::vector<double> session, difference, spread, r;
  for (const SessionAgreement& at : pair.by_session) {
    session.push_back(at.session);
    difference.push_back(std::abs(at.difference));
    spread.push_back(at.sd_difference);
  }
  Figure figure;
  figure.title = !changes             ? "The raters neither come closer nor drift apart reliably"
                 : slope.estimate < 0 ? "The raters come closer over sessions"
                                      : "The raters drift apart over sessions";
  figure.caption = "Between " + pair.first.name + " and " + pair.second.name +
                   ", over the patients whom both rated at the session.";
  figure.x = {.label = view.study.columns.session};
  figure.y = {.label = "points", .lower = 0};
  figure.layers.emplace_back(Line{.x = vector_of(session),
                                  .y = vector_of(spread),
                                  .series = 0,
                                  .label = "SD of the difference"});
  figure.layers.emplace_back(Line{.x = vector_of(session),
                                  .y = vector_of(difference),
                                  .series = 1,
                                  .label = "size of the mean difference (bias)"});
  figure.height = 300;
  return figure;
}

std::vector<std::string> parameter_row(const std::string& name, const Parameter& p) {
  const int decimals = decimals_for(p.standard_error);
  return {name,
          number(p.estimate, decimals),
          number(p.standard_error, decimals),
          interval(p.ci, decimals),
          number(p.statistic),
          number(p.df, 1),
          p_value(p.p_value)};
}

PageTable convergence_table(const StudyView& view) {
  PageTable table{.caption = "Convergence of the raters, change a session",
                  .header = estimate_header("Raters", view.level),
                  .rows = {},
                  .note =
                      "|difference|: how far apart the two are, negative when they converge; "
                      "difference: who rates higher. Random intercept of the patient."};
  for (const PairAgreement& pair : view.study.agreement) {
    if (!pair.convergence) continue;
    table.rows.push_back(
        parameter_row("|" + names_of(pair) + "|", pair.convergence->discrepancy_slope));
    table.rows.push_back(parameter_row(names_of(pair), pair.convergence->difference_slope));
  }
  return table;
}

PageTable joint_model_table(const StudyView& view) {
  const PerspectiveComparison& p = *view.study.perspectives;
  PageTable table{.caption = "Every rating in one model",
                  .header = estimate_header("Rating", view.level),
                  .rows = {},
                  .note = "Points of " + view.study.columns.outcome +
                          " a point of the rating, the others held constant; differences are per "
                          "SD of each rating's deviations within patients."};
  for (const RaterEffects& rater : p.raters)
    table.rows.push_back(estimate_row(rater.rater.name + ", within", rater.within));
  for (const RaterContrast& c : p.contrasts)
    table.rows.push_back(
        estimate_row(c.first + " − " + c.second + ", within, a SD", c.standardized));
  for (const RaterEffects& rater : p.raters)
    table.rows.push_back(estimate_row(rater.rater.name + ", between", rater.between));
  return table;
}

PageTable importance_table(const StudyView& view) {
  const RatingComparison& c = *view.study.rating_comparison;
  const std::string what = view.study.one_session ? "the rating" : "early rating";
  PageTable table{
      .caption = "Relative importance of the ratings for " +
                 (view.study.one_session ? c.outcome : "the final " + view.study.columns.outcome),
      .header = {"Rater", "r", "share of R²", ci_heading(view.level), "% of R²"},
      .rows = {},
      .note = "r: of " + what + " and outcome over " + count(c.n_used) +
              " patients. R² = " + unit(c.r_squared, 3) +
              ", shared out by averaging over orders of entry; percentile bootstrap "
              "over patients."};
  for (const RatingShare& rating : c.ratings)
    table.rows.push_back({rating.rater.name, unit(rating.correlation),
                          unit(rating.share.estimate, 3), unit_interval(rating.share.ci, 3),
                          number(100 * rating.share.estimate / c.r_squared, 0)});
  return table;
}

PageTable difference_table(const StudyView& view) {
  PageTable table{.caption = "Do the correlations with the outcome differ?",
                  .header = {"Raters", "difference of r", "Steiger's z", "p",
                             "Zou's " + ci_heading(view.level)},
                  .rows = {},
                  .note = "Dependent correlations: the same patients in both."};
  for (const RatingDifference& d : view.study.rating_comparison->differences) {
    std::vector<std::string> cells = {d.first + " − " + d.second, unit(d.correlations.difference),
                                      "–", "–", "–"};
    for (const ComparisonTestResult& test : d.correlations.tests) {
      if (test.test == ComparisonTest::steiger) {
        cells[2] = number(test.statistic);
        cells[3] = p_value(test.p_value);
      }
      if (test.test == ComparisonTest::zou) cells[4] = unit_interval(test.ci);
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace

PageSection agreement_section(const StudyView& view) {
  const PairAgreement& pair = view.study.agreement.front();
  PageSection section{.title = "Agreement of the raters", .blocks = {}};
  if (view.study.group_agreement)
    section.blocks.emplace_back(group_table(view, *view.study.group_agreement));
  section.blocks.emplace_back(pair_table(view, pair));
  section.blocks.emplace_back(bland_altman_figure(view, pair));
  if (!pair.convergence) return section;
  section.blocks.emplace_back(raters_figure(view));
  section.blocks.emplace_back(convergence_figure(view, pair));
  section.blocks.emplace_back(convergence_table(view));
  return section;
}

PageSection perspectives_section(const StudyView& view) {
  PageSection section{.title = "Whose rating tells more?", .blocks = {}};
  if (view.study.perspectives) section.blocks.emplace_back(joint_model_table(view));
  if (view.study.rating_comparison) {
    section.blocks.emplace_back(importance_table(view));
    section.blocks.emplace_back(difference_table(view));
  }
  return section;
}

PageSection congruence_section(const StudyView& view) {
  const ResponseSurfaceResult& s = *view.study.congruence;
  const std::vector<StudyRater> raters = raters_of(view.study.columns);
  PageTable table{
      .caption = "Response surface of the outcome on both ratings",
      .header = estimate_header("Parameter", view.level),
      .rows = {},
      .note = "x: " + raters[0].name + ", y: " + raters[1].name + ", both centred at " +
              number(s.centre) +
              ". a1, a2: slope and curvature where the two agree; a3, a4: where they disagree "
              "(a3 > 0: more outcome where x lies above y). " +
              (view.study.one_session ? "" : "Random intercept of the patient; ") +
              "n = " + count(s.n_used) + "."};
  for (const Parameter& p : s.coefficients) table.rows.push_back(parameter_row(p.name, p));
  for (const Parameter& p : s.surface) table.rows.push_back(parameter_row(p.name, p));
  return {.title = "Does agreement matter beyond level?", .blocks = {std::move(table)}};
}

}  // namespace rapport::report
