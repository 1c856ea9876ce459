#include <rapport/report/markup.hpp>
#include <rapport/report/meta.hpp>
#include <rapport/report/text.hpp>

#include <algorithm>
#include <cmath>

namespace rapport::report {
namespace {

std::string rounded(double value, int decimals = 3) { return plain_decimal(value, decimals); }

std::string interval(const ConfidenceInterval& ci, int decimals = 3) {
  return "[" + rounded(ci.lower, decimals) + ", " + rounded(ci.upper, decimals) + "]";
}

std::string level_text(double level) { return rounded(100 * level, 0) + " % CI"; }

PageTable coefficient_table(const std::string& caption,
                            const std::vector<MetaCoefficient>& coefficients) {
  const bool normal = std::isinf(coefficients[0].df);
  PageTable table{
      .caption = caption, .header = {"Term", "Estimate", "SE", normal ? "z" : "t"}, .rows = {}};
  if (!normal) table.header.emplace_back("df");
  table.header.insert(table.header.end(), {"p", level_text(coefficients[0].ci.level)});
  for (const MetaCoefficient& c : coefficients) {
    std::vector<std::string> row = {c.term, rounded(c.estimate), rounded(c.standard_error),
                                    rounded(c.statistic, 2)};
    if (!normal) row.push_back(rounded(c.df, 1));
    row.push_back(p_value(c.p_value));
    row.push_back(interval(c.ci));
    table.rows.push_back(std::move(row));
  }
  return table;
}

PageTable heterogeneity_table(const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  PageTable table{.caption = "Heterogeneity", .header = {"Quantity", "Value"}, .rows = {}};
  const auto add = [&](const std::string& name, const std::string& value) {
    table.rows.push_back({name, value});
  };
  add("Q(" + std::to_string(static_cast<Index>(fit.q.df)) + ")",
      rounded(fit.q.statistic, 2) + ", p " + (fit.q.p_value < 0.001 ? "" : "= ") +
          p_value(fit.q.p_value));
  if (!std::isnan(fit.tau2))
    add("τ²", rounded(fit.tau2, 4) +
                  (report.tau2_interval ? " " + interval(*report.tau2_interval, 4) : ""));
  if (fit.variances.size() > 1)
    for (std::size_t j = 0; j < fit.variances.size(); ++j) {
      const MetaVariance& level = fit.variances[j];
      const std::string between = level.level == "study" ? "studies" : "effects within studies";
      const std::string ci =
          report.variance_intervals.empty() ? "" : " " + interval(report.variance_intervals[j], 4);
      add("σ² between " + between,
          rounded(level.variance, 4) + ci + ", I² = " + rounded(level.i2, 1) + " %");
    }
  add("I²", rounded(fit.i2, 1) + " %");
  if (!std::isnan(fit.h2)) add("H²", rounded(fit.h2, 2));
  if (fit.prediction_interval) {
    add("Prediction interval", interval(*fit.prediction_interval));
    if (report.correlations)
      add("Prediction interval of r", interval({std::tanh(fit.prediction_interval->lower),
                                                std::tanh(fit.prediction_interval->upper), 0}));
  }
  return table;
}

PageTable bias_table(const MetaBias& bias) {
  PageTable table{.caption = "Small-study effects and selective publication",
                  .header = {"Method", "Result", "p"},
                  .rows = {}};
  const MetaCoefficient& filled = bias.trim_fill.fit.coefficients[0];
  const auto estimate = [](const MetaCoefficient& c) {
    return rounded(c.estimate) + " " + interval(c.ci);
  };
  table.rows = {
      {"Egger's regression",
       "t(" + rounded(bias.egger.df, 0) + ") = " + rounded(bias.egger.statistic, 2),
       p_value(bias.egger.p_value)},
      {"Random-effects regression on the standard error",
       rounded(bias.regression.slope.statistic, 2), p_value(bias.regression.slope.p_value)},
      {"Rank correlation", "τ = " + rounded(bias.rank.tau, 2), p_value(bias.rank.p_value)},
      {"Trim and fill: " + std::to_string(bias.trim_fill.k0) + " added " +
           (bias.trim_fill.right ? "right" : "left"),
       estimate(filled), p_value(filled.p_value)},
      {"PET: effect at a standard error of 0", estimate(bias.pet_peese.pet),
       p_value(bias.pet_peese.pet.p_value)},
      {"PEESE: effect at a variance of 0", estimate(bias.pet_peese.peese),
       p_value(bias.pet_peese.peese.p_value)},
      {"Selection model: adjusted mean", estimate(bias.selection.mean),
       p_value(bias.selection.mean.p_value)},
      {"Selection model: weight of effects with p > .025",
       rounded(bias.selection.weight) + " " + interval(bias.selection.weight_ci),
       p_value(bias.selection.p_value)},
      {"Fail-safe N (Rosenthal)", rounded(bias.fail_safe_n, 0), ""}};
  table.note = std::string(
                   "Asymmetry has other causes than selection, and tests of it have little power "
                   "below ten effects. ") +
               "PET–PEESE takes " + (bias.pet_peese.use_peese ? "PEESE" : "PET") +
               ". Fail-safe N assumes that hidden studies show no effect on average and ignores "
               "heterogeneity: a large one is no evidence against bias.";
  return table;
}

PageTable effects_table(const MetaReport& report) {
  const MetaData& data = report.data;
  const Index k = data.effect.size();
  PageTable table{.caption = "Effects",
                  .header = {"Effect", report.correlations ? "Fisher's z" : "Estimate", "Variance"},
                  .rows = {}};
  const bool blups = !report.blups.empty();
  const bool influence = !report.influence.empty();
  if (blups) table.header.emplace_back("Predicted (BLUP)");
  if (influence)
    table.header.insert(table.header.end(),
                        {"Weight %", "Hat", "Cook's distance", "Deleted residual"});
  for (Index i = 0; i < k; ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::vector<std::string> row = {data.labels.empty() ? std::to_string(i + 1) : data.labels[at],
                                    rounded(data.effect[i]), rounded(data.variance[i], 4)};
    if (blups) row.push_back(rounded(report.blups[at].estimate));
    if (influence) {
      const MetaInfluence& own = report.influence[at];
      row.insert(row.end(), {rounded(own.weight, 1), rounded(own.hat), rounded(own.cooks_distance),
                             rounded(own.studentized_residual, 2)});
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

PageTable leave_one_out_table(const MetaReport& report) {
  const MetaData& data = report.data;
  const bool studies = !data.study.empty();
  PageTable table{.caption = "The model without each " + std::string(studies ? "study" : "effect"),
                  .header = {"Without", "Estimate", "SE", "p", "τ²", "I² %", "Cook's distance"},
                  .rows = {}};
  const std::vector<std::string>& names = studies ? data.studies : data.labels;
  for (std::size_t i = 0; i < report.leave_one_out.size(); ++i) {
    const MetaWithout& without = report.leave_one_out[i];
    table.rows.push_back({i < names.size() ? names[i] : std::to_string(i + 1),
                          rounded(without.estimate), rounded(without.standard_error),
                          p_value(without.p_value), rounded(without.tau2, 4),
                          rounded(without.i2, 1), rounded(without.cooks_distance)});
  }
  return table;
}

std::string summary_sentence(const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  const MetaCoefficient& mean = fit.coefficients[0];
  const std::string count =
      std::to_string(fit.n_used) + " effects" +
      (fit.n_studies < fit.n_used ? " from " + std::to_string(fit.n_studies) + " studies" : "");
  if (fit.coefficients.size() > 1)
    return "The model relates " + count + " to " + std::to_string(fit.by_moderator.size()) +
           (fit.by_moderator.size() == 1 ? " moderator." : " moderators.");
  std::string text = "Over " + count + " the pooled effect is " + rounded(mean.estimate) + ", " +
                     level_text(mean.ci.level) + " " + interval(mean.ci) + ", p " +
                     (mean.p_value < 0.001 ? "" : "= ") + p_value(mean.p_value) + ".";
  if (report.correlations)
    text += " As a correlation it is " + rounded(std::tanh(mean.estimate)) + " " +
            interval({std::tanh(mean.ci.lower), std::tanh(mean.ci.upper), 0}) + ".";
  if (fit.prediction_interval)
    text += " The true effect of a new study is expected within " +
            interval(*fit.prediction_interval) + ".";
  return text;
}

std::string model_name(const MetaFit& fit) {
  if (fit.options.estimator == MetaEstimator::fixed) return "a fixed-effect model";
  return std::string(fit.variances.size() > 1 ? "a three-level model (effects in studies)"
                                              : "a random-effects model") +
         " fitted by " + to_string(fit.options.estimator);
}

std::string methods_paragraph(const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  std::string text =
      report.correlations
          ? "Correlations were analysed as Fisher's z with sampling variance 1/(n − 3). "
          : "";
  text += "Effects were pooled by " + model_name(fit) + "; ";
  switch (fit.options.test) {
    case MetaTest::z:
      text += "tests and intervals rest on the normal distribution. ";
      break;
    case MetaTest::t:
      text += "tests and intervals rest on t with k − p degrees of freedom. ";
      break;
    case MetaTest::knapp_hartung:
      text += "tests and intervals are Knapp and Hartung's (2003). ";
      break;
  }
  if (report.data.covariance.size() > 0)
    text += "Sampling errors within a study were taken as correlated. ";
  if (report.tau2_interval)
    text += "The interval of τ² is by the Q-profile method (Viechtbauer, 2007). ";
  if (!report.variance_intervals.empty())
    text += "Intervals of the variances are by profile likelihood. ";
  if (!report.robust.empty())
    text +=
        "Cluster-robust tests use CR2 standard errors with Satterthwaite degrees of freedom "
        "(Pustejovsky & Tipton, 2018). ";
  if (report.bias)
    text +=
        "Small-study effects were examined by Egger's regression (1997), rank correlation (Begg & "
        "Mazumdar, 1994), trim and fill with L0 (Duval & Tweedie, 2000), "
        "PET–PEESE (Stanley & Doucouliagos, 2014) and a three-parameter selection model (Hedges & "
        "Vevea, 1996). ";
  if (fit.n_omitted > 0)
    text += std::to_string(fit.n_omitted) + " rows that miss a value were left out. ";
  return text;
}

std::string equivalence_sentence(const MetaEquivalence& test) {
  return "Two one-sided tests that the effect lies within the bounds: " +
         rounded(test.lower_statistic, 2) + " and " + rounded(test.upper_statistic, 2) + ", p " +
         (test.p_value < 0.001 ? "" : "= ") + p_value(test.p_value) + ".";
}

void add_moderators(Page& page, const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  if (!fit.moderators) return;
  PageTable tests{
      .caption = "Tests of moderators",
      .header = {"Moderator", std::isinf(fit.moderators->denominator_df) ? "χ²" : "F", "df", "p"},
      .rows = {}};
  std::vector<MetaWaldTest> all = fit.by_moderator;
  if (all.size() > 1) all.push_back(*fit.moderators);
  for (const MetaWaldTest& test : all)
    tests.rows.push_back(
        {test.name == "moderators" ? "All" : test.name, rounded(test.statistic, 2),
         rounded(test.numerator_df, 0) +
             (std::isinf(test.denominator_df) ? "" : ", " + rounded(test.denominator_df, 0)),
         p_value(test.p_value)});
  PageSection section{.title = "Moderators", .blocks = {tests}};
  for (Index j = 0; j < report.data.moderators.cols(); ++j)
    if (((report.data.moderators.col(j).array() != 0) &&
         (report.data.moderators.col(j).array() != 1))
            .any())
      section.blocks.emplace_back(bubble_plot(report, j));
  page.sections.push_back(std::move(section));
}

void add_sensitivity(Page& page, const MetaReport& report) {
  if (report.leave_one_out.empty()) return;
  PageSection section{.title = "Sensitivity", .blocks = {}};
  if (report.data.study.empty() && report.fit->coefficients.size() == 1)
    section.blocks.emplace_back(baujat_plot(report));
  section.blocks.emplace_back(leave_one_out_table(report));
  page.sections.push_back(std::move(section));
}

void add_models(Page& page, const MetaReport& report) {
  if (report.location_scale) {
    const MetaLocationScaleFit& fit = *report.location_scale;
    PageTable scale = coefficient_table("Scale: log τ²", fit.scale);
    scale.note =
        "Likelihood ratio against one τ²: χ²(" + rounded(fit.scale_moderators.numerator_df, 0) +
        ") = " + rounded(fit.likelihood_ratio, 2) + ", p " +
        (fit.likelihood_ratio_p < 0.001 ? "" : "= ") + p_value(fit.likelihood_ratio_p) + ".";
    page.sections.push_back({.title = "Location and scale",
                             .blocks = {coefficient_table("Location", fit.location), scale}});
  }
  if (!report.multivariate) return;
  const MultivariateMetaFit& fit = *report.multivariate;
  PageTable between{.caption = "True effects between studies: SDs and, below, correlations",
                    .header = {"Outcome"},
                    .rows = {}};
  for (std::size_t i = 0; i < fit.outcomes.size(); ++i) {
    between.header.push_back(fit.outcomes[i]);
    std::vector<std::string> row = {fit.outcomes[i]};
    for (std::size_t j = 0; j < fit.outcomes.size(); ++j) {
      const auto a = static_cast<Index>(i), b = static_cast<Index>(j);
      row.push_back(i == j  ? rounded(std::sqrt(fit.between(a, a)))
                    : j < i ? rounded(fit.correlation(a, b), 2)
                            : "");
    }
    between.rows.push_back(std::move(row));
  }
  page.sections.push_back({.title = "Several outcomes",
                           .blocks = {coefficient_table("Means", fit.coefficients), between}});
}

/// What the models say, without the data and the methods.
Page analysis(const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  Page page{.title = "Meta-analysis"};
  PageSection result{.title = "Result",
                     .blocks = {Paragraph{summary_sentence(report)},
                                coefficient_table("Coefficients", fit.coefficients)}};
  if (!report.robust.empty())
    result.blocks.emplace_back(coefficient_table("Cluster-robust tests (CR2)", report.robust));
  result.blocks.emplace_back(heterogeneity_table(report));
  if (report.equivalence)
    result.blocks.emplace_back(Paragraph{equivalence_sentence(*report.equivalence)});
  page.sections.push_back(std::move(result));
  page.sections.push_back({.title = "Effects", .blocks = {forest_plot(report)}});
  add_moderators(page, report);
  add_models(page, report);
  PageSection precision{.title = "Precision and bias", .blocks = {funnel_plot(report)}};
  if (report.bias) precision.blocks.emplace_back(bias_table(*report.bias));
  page.sections.push_back(std::move(precision));
  add_sensitivity(page, report);
  return page;
}

}  // namespace

Page meta_page(const MetaReport& report, const std::string& source) {
  Page page = analysis(report);
  page.subtitle = source + ": " + std::to_string(report.fit->n_used) + " effects, " +
                  std::to_string(report.fit->n_studies) + " studies";
  page.sections.push_back({.title = "Data", .blocks = {effects_table(report)}});
  page.sections.push_back({.title = "Methods", .blocks = {Paragraph{methods_paragraph(report)}}});
  return page;
}

std::string meta_text(const MetaReport& report) {
  Page page = analysis(report);
  if (!report.influence.empty() || !report.blups.empty())
    page.sections.push_back({.title = "Data", .blocks = {effects_table(report)}});
  return to_text(page);
}

}  // namespace rapport::report
