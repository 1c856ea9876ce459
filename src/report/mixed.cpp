#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <algorithm>
#include <cmath>

namespace rapport::report {
namespace {

Json array_of(const Eigen::VectorXd& values) { return Json(values); }

Json place_json(const Place& place) {
  Json json = Json::object();
  for (const auto& [name, level] : place) json.set(name, level);
  return json;
}

/// Puts the members of `tail` behind those of `head`.
Json joined(Json head, const Json& tail) {
  for (const auto& [key, value] : tail.members()) head.set(key, value);
  return head;
}

Json fixed_json(const MixedSummary& summary) {
  Json rows = Json::array();
  for (std::size_t j = 0; j < summary.fixed.size(); ++j)
    rows.push_back(
        joined(Json::object({{"term", summary.fit.fixed.terms[j]}}), to_json(summary.fixed[j])));
  return rows;
}

Json random_json(const MixedFit& fit) {
  Json blocks = Json::array();
  for (const RandomEffects& block : fit.random)
    blocks.push_back(Json::object({{"factor", block.factor},
                                   {"terms", Json(block.terms)},
                                   {"sd", array_of(block.sd)},
                                   {"correlation", Json(block.correlation)},
                                   {"covariance", Json(block.covariance)}}));
  return blocks;
}

Json tests_json(const std::vector<TermTest>& tests) {
  Json rows = Json::array();
  for (const TermTest& test : tests) {
    Json row = Json::object({{"term", test.term}, {"numerator_df", test.test.numerator_df}});
    if (!std::isinf(test.test.denominator_df)) row.set("denominator_df", test.test.denominator_df);
    row.set("statistic", test.test.statistic);
    row.set("p_value", test.test.p_value);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json intervals_json(const std::vector<ParameterInterval>& intervals) {
  Json rows = Json::array();
  for (const ParameterInterval& interval : intervals) {
    Json row = Json::object({{"parameter", interval.parameter}, {"estimate", interval.estimate}});
    if (!std::isnan(interval.standard_error)) row.set("standard_error", interval.standard_error);
    row.set("lower", interval.ci.lower);
    row.set("upper", interval.ci.upper);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json icc_json(const VarianceExplained& explained) {
  Json rows = Json::array();
  for (const FactorShare& share : explained.icc)
    rows.push_back(Json::object({{"factor", share.factor}, {"value", share.value}}));
  return rows;
}

Json convergence_json(const OptimizerReport& report) {
  return Json::object({{"converged", report.converged},
                       {"iterations", report.iterations},
                       {"evaluations", report.evaluations},
                       {"gradient_norm", report.gradient_norm},
                       {"singular", report.singular},
                       {"message", report.message}});
}

std::string df_text(double df) { return std::isinf(df) ? "∞" : number(df, df < 100 ? 1 : 0); }

std::string interval_text(double lower, double upper) {
  return "[" + number(lower) + ", " + number(upper) + "]";
}

std::string percent(double level) {
  return number(100 * level, std::abs(100 * level - std::round(100 * level)) < 1e-9 ? 0 : 1) + " %";
}

/// Estimates with their inference, a row each; `labels` and `label_header` come first.
std::string estimates_text(std::vector<std::string> header,
                           std::vector<std::vector<std::string>> rows,
                           const std::vector<ContrastEstimate>& estimates,
                           const std::string& symbol) {
  const bool normal = !estimates.empty() && std::isinf(estimates.front().df);
  header.insert(header.end(), {symbol, "SE"});
  if (!normal) header.emplace_back("df");
  header.insert(header.end(), {normal ? "z" : "t", "p"});
  if (!estimates.empty()) header.push_back(percent(estimates.front().ci.level) + " CI");
  for (std::size_t j = 0; j < estimates.size(); ++j) {
    const ContrastEstimate& effect = estimates[j];
    rows[j].insert(rows[j].end(), {number(effect.estimate), number(effect.standard_error)});
    if (!normal) rows[j].push_back(df_text(effect.df));
    rows[j].insert(rows[j].end(), {number(effect.statistic), p_value(effect.p_value),
                                   interval_text(effect.ci.lower, effect.ci.upper)});
  }
  return aligned(header, rows);
}

std::string fixed_text(const MixedSummary& summary) {
  std::vector<std::vector<std::string>> labels;
  for (const std::string& term : summary.fit.fixed.terms) labels.push_back({term});
  return "\nFixed effects\n" + estimates_text({""}, std::move(labels), summary.fixed, "b");
}

std::string tests_text(const std::vector<TermTest>& tests) {
  const bool several = std::any_of(tests.begin(), tests.end(),
                                   [](const TermTest& test) { return test.test.numerator_df > 1; });
  if (!several) return {};
  std::vector<std::vector<std::string>> rows;
  for (const TermTest& test : tests)
    rows.push_back({test.term, number(test.test.numerator_df, 0), df_text(test.test.denominator_df),
                    number(test.test.statistic), p_value(test.test.p_value)});
  return "\nTests of terms (type III)\n" + aligned({"", "df1", "df2", "F", "p"}, rows);
}

std::string random_text(const MixedFit& fit) {
  if (fit.random.empty()) return "\n  Residual SD " + number(fit.residual.sd) + "\n";
  std::size_t most = 0;
  for (const RandomEffects& block : fit.random) most = std::max(most, block.terms.size());
  std::vector<std::string> header{"group", "effect", "SD", "variance"};
  if (most > 1) header.emplace_back("correlations");
  std::vector<std::vector<std::string>> rows;
  for (const RandomEffects& block : fit.random)
    for (std::size_t k = 0; k < block.terms.size(); ++k) {
      const auto i = static_cast<Index>(k);
      std::vector<std::string> row{k == 0 ? block.factor : "", block.terms[k], number(block.sd[i]),
                                   number(block.covariance(i, i))};
      std::string correlations;
      for (Index j = 0; j < i; ++j)
        correlations += (j > 0 ? "  " : "") + number(block.correlation(i, j));
      if (most > 1) row.push_back(correlations);
      rows.push_back(std::move(row));
    }
  std::vector<std::string> residual{"residual", "", number(fit.residual.sd),
                                    number(fit.residual.sd * fit.residual.sd)};
  if (most > 1) residual.emplace_back();
  rows.push_back(std::move(residual));
  return "\nRandom effects\n" + aligned(header, rows);
}

std::string intervals_text(const MixedSummary& summary) {
  if (summary.intervals.size() <= summary.fixed.size()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const ParameterInterval& interval : summary.intervals)
    rows.push_back({interval.parameter, number(interval.estimate),
                    interval_text(interval.ci.lower, interval.ci.upper)});
  return "\nIntervals of the parameters\n" +
         aligned({"", "estimate", percent(summary.intervals.front().ci.level) + " CI"}, rows);
}

std::string footing(const MixedSummary& summary) {
  const MixedFit& fit = summary.fit;
  const bool reml = fit.criterion.method == Criterion::reml;
  std::string text = "\n  " + std::string(reml ? "REML criterion " : "−2 log L ") +
                     number(fit.criterion.value) + ", AIC " + number(fit.criterion.aic) + ", BIC " +
                     number(fit.criterion.bic) + "\n";
  if (!fit.random.empty()) {
    text += "  R² " + number(summary.explained.marginal) + " (fixed effects), " +
            number(summary.explained.conditional) + " (with random effects)";
    for (const FactorShare& share : summary.explained.icc)
      text += "; ICC " + share.factor + " " + number(share.value);
    text += "\n";
  } else {
    text += "  R² " + number(summary.explained.marginal) + "\n";
  }
  return text;
}

}  // namespace

Json to_json(const ContrastEstimate& estimate) {
  Json json = Json::object({{"estimate", estimate.estimate},
                            {"standard_error", estimate.standard_error},
                            {"statistic", estimate.statistic}});
  if (!std::isinf(estimate.df)) json.set("df", estimate.df);
  json.set("p_value", estimate.p_value);
  json.set("ci_lower", estimate.ci.lower);
  json.set("ci_upper", estimate.ci.upper);
  return json;
}

Json to_json(const MixedSummary& summary) {
  const MixedFit& fit = summary.fit;
  Json groups = Json::array();
  for (const auto& [factor, levels] : summary.groups)
    groups.push_back(Json::object({{"factor", factor}, {"levels", levels}}));
  Json json = Json::object(
      {{"formula", summary.formula},
       {"family", "gaussian"},
       {"link", "identity"},
       {"method", fit.criterion.method == Criterion::reml ? "REML" : "ML"},
       {"observations", fit.data.observations},
       {"groups", groups},
       {"dropped_columns", Json(fit.fixed.dropped)},
       {"criterion", fit.criterion.value},
       {"log_likelihood", fit.criterion.log_likelihood},
       {"parameters", fit.criterion.parameters},
       {"aic", fit.criterion.aic},
       {"bic", fit.criterion.bic},
       {"aicc", fit.criterion.aicc},
       {"fixed_effects", fixed_json(summary)},
       {"fixed_covariance", Json(summary.fixed_covariance)},
       {"random_effects", random_json(fit)},
       {"residual", Json::object({{"sd", fit.residual.sd}, {"structure", "independent"}})}});
  if (!summary.tests.empty()) json.set("tests", tests_json(summary.tests));
  json.set("intervals", intervals_json(summary.intervals));
  json.set("r_squared", Json::object({{"marginal", summary.explained.marginal},
                                      {"conditional", summary.explained.conditional}}));
  json.set("icc", icc_json(summary.explained));
  json.set("convergence", convergence_json(fit.optimizer));
  return json;
}

Json means_json(const MarginalMeans& means) {
  Json rows = Json::array();
  for (const MarginalMean& mean : means.means)
    rows.push_back(joined(Json::object({{"levels", place_json(mean.levels)}}), to_json(mean.mean)));
  return rows;
}

Json mean_differences_json(const MarginalMeans& means) {
  Json rows = Json::array();
  for (const MeanDifference& difference : means.differences) {
    Json row = Json::object({{"contrast", difference.contrast}});
    if (!difference.at.empty()) row.set("at", place_json(difference.at));
    row = joined(std::move(row), to_json(difference.difference));
    row.set("p_tukey", difference.p_tukey);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json slopes_json(const SimpleSlopes& slopes) {
  Json rows = Json::array();
  for (const SimpleSlope& slope : slopes.slopes)
    rows.push_back(joined(Json::object({{"at", place_json(slope.at)}}), to_json(slope.slope)));
  return rows;
}

Json to_json(const JohnsonNeyman& region) {
  return Json::object({{"lower", region.lower},
                       {"upper", region.upper},
                       {"significant", to_string(region.significant)},
                       {"minimum", region.minimum},
                       {"maximum", region.maximum}});
}

Json to_json(const Predictions& predictions) {
  const bool new_observations = !predictions.prediction_lower.array().isNaN().all();
  Json rows = Json::array();
  for (Index i = 0; i < predictions.estimate.size(); ++i) {
    Json row = Json::object({{"estimate", predictions.estimate[i]},
                             {"standard_error", predictions.standard_error[i]},
                             {"ci_lower", predictions.ci_lower[i]},
                             {"ci_upper", predictions.ci_upper[i]}});
    if (new_observations) {
      row.set("prediction_lower", predictions.prediction_lower[i]);
      row.set("prediction_upper", predictions.prediction_upper[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Json to_json(const std::vector<LevelInfluence>& influence, const MixedFit& fit) {
  const std::vector<std::string>& terms = fit.fixed.terms;
  Json rows = Json::array();
  for (const LevelInfluence& deleted : influence) {
    Json estimates = Json::object();
    Json dfbetas = Json::object();
    for (std::size_t j = 0; j < terms.size(); ++j) {
      estimates.set(terms[j], deleted.estimate[static_cast<Index>(j)]);
      dfbetas.set(terms[j], deleted.dfbetas[static_cast<Index>(j)]);
    }
    Json random = Json::object();
    Index place = 0;
    for (const RandomEffects& term : fit.random)
      for (const std::string& effect : term.terms)
        random.set("sd(" + effect + "|" + term.factor + ")", deleted.random_sd[place++]);
    rows.push_back(Json::object({{"level", deleted.level},
                                 {"cooks_distance", deleted.cooks_distance},
                                 {"residual_sd", deleted.residual_sd},
                                 {"random_sd", random},
                                 {"estimates", estimates},
                                 {"dfbetas", dfbetas}}));
  }
  return rows;
}

Json to_json(const LikelihoodRatioTest& test) {
  Json json =
      Json::object({{"statistic", test.statistic}, {"df", test.df}, {"p_value", test.p_value}});
  if (!std::isnan(test.p_value_boundary)) json.set("p_value_boundary", test.p_value_boundary);
  return json;
}

Json blups_json(const MixedFit& fit) {
  Json rows = Json::array();
  for (std::size_t k = 0; k < fit.random.size(); ++k) {
    const RandomEffects& block = fit.random[k];
    const auto q = static_cast<Index>(block.terms.size());
    for (Index level = 0; level < block.blups.rows(); ++level) {
      const Eigen::VectorXd values = block.blups.row(level);
      Eigen::VectorXd errors(q);
      for (Index j = 0; j < q; ++j)
        errors[j] = std::sqrt(std::max(0.0, block.conditional_covariance(level * q + j, j)));
      rows.push_back(Json::object({{"block", static_cast<std::int64_t>(k)},
                                   {"factor", block.factor},
                                   {"level", block.levels[static_cast<std::size_t>(level)]},
                                   {"values", array_of(values)},
                                   {"standard_errors", array_of(errors)}}));
    }
  }
  return rows;
}

std::string mixed_text(const MixedSummary& summary) {
  const MixedFit& fit = summary.fit;
  std::string text =
      std::string("  ") + (fit.random.empty() ? "Linear model" : "Linear mixed model") + " by " +
      (fit.criterion.method == Criterion::reml ? "REML" : "ML") + ": " + summary.formula + "\n  " +
      std::to_string(fit.data.observations) + " observations";
  for (const auto& [factor, levels] : summary.groups)
    text += ", " + std::to_string(levels) + " levels of " + factor;
  text += "\n" + fixed_text(summary) + tests_text(summary.tests) + random_text(fit) +
          intervals_text(summary) + footing(summary);
  return text;
}

std::string means_text(const MarginalMeans& means) {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> labels;
  std::vector<ContrastEstimate> estimates;
  for (const MarginalMean& mean : means.means) {
    labels.emplace_back();
    for (const auto& [column, level] : mean.levels) {
      if (labels.size() == 1) header.push_back(column);
      labels.back().push_back(level);
    }
    estimates.push_back(mean.mean);
  }
  std::string text = "\nEstimated marginal means\n" +
                     estimates_text(std::move(header), std::move(labels), estimates, "mean");
  if (means.differences.empty()) return text;
  header = {"difference"};
  labels.clear();
  std::vector<std::vector<std::string>> rows;
  for (const MeanDifference& difference : means.differences) {
    rows.push_back({difference.contrast});
    for (const auto& [column, level] : difference.at) {
      if (rows.size() == 1) header.push_back(column);
      rows.back().push_back(level);
    }
    const ContrastEstimate& d = difference.difference;
    rows.back().insert(
        rows.back().end(),
        {number(d.estimate), number(d.standard_error), df_text(d.df), number(d.statistic),
         p_value(d.p_value), p_value(difference.p_tukey), interval_text(d.ci.lower, d.ci.upper)});
  }
  header.insert(header.end(), {"b", "SE", "df", "t", "p", "p (Tukey)",
                               percent(means.differences.front().difference.ci.level) + " CI"});
  return text + "\nDifferences of the means\n" + aligned(header, rows);
}

std::string slopes_text(const SimpleSlopes& slopes, const std::string& covariate,
                        const std::string& moderator, double level) {
  std::vector<std::vector<std::string>> labels;
  std::vector<ContrastEstimate> estimates;
  for (const SimpleSlope& slope : slopes.slopes) {
    labels.push_back({slope.at.empty() ? "" : slope.at.front().second});
    if (labels.back()[0].size() > 8 && slopes.region)
      labels.back()[0] = number(std::stod(labels.back()[0]));
    estimates.push_back(slope.slope);
  }
  std::string text = "\nSimple slopes of " + covariate + "\n" +
                     estimates_text({moderator}, std::move(labels), estimates, "b");
  if (!slopes.region) return text;
  const JohnsonNeyman& region = *slopes.region;
  using Region = JohnsonNeyman::Region;
  text += "\n  The slope is significant (p < " + number(1 - level).substr(1) + ") ";
  switch (region.significant) {
    case Region::inside:
      text += "where " + moderator + " lies between " + number(region.lower) + " and " +
              number(region.upper);
      break;
    case Region::outside:
      text += "where " + moderator + " is below " + number(region.lower) + " or above " +
              number(region.upper);
      break;
    case Region::above:
      text += "where " + moderator + " is above " + number(region.lower);
      break;
    case Region::below:
      text += "where " + moderator + " is below " + number(region.upper);
      break;
    case Region::everywhere:
      text += "at every value of " + moderator;
      break;
    case Region::nowhere:
      text += "at no value of " + moderator;
      break;
  }
  return text + " (Johnson–Neyman; observed: " + number(region.minimum) + " to " +
         number(region.maximum) + ").\n";
}

std::string likelihood_ratio_text(const LikelihoodRatioTest& test, const std::string& against) {
  std::string text = "\n  Likelihood-ratio test against " + against + ": χ²(" + number(test.df, 0) +
                     ") = " + number(test.statistic) + ", p ";
  const auto p_text = [](double p) { return p < 0.001 ? p_value(p) : "= " + p_value(p); };
  text += p_text(test.p_value);
  if (!std::isnan(test.p_value_boundary))
    text += "; with the variance at its boundary, p " + p_text(test.p_value_boundary);
  return text + "\n";
}

}  // namespace rapport::report
