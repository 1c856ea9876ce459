#include "fit_extras.hpp"

#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <cmath>
#include <utility>

namespace rapport::program {

void show(Outcome& outcome, const std::string& key, const std::string& title, const Json& value) {
  outcome.result.set(key, value);
  outcome.text += "\n" + title + "\n" + report::plain_text(value);
}

void FitExtras::add_random_effects(Outcome& outcome) const {
  if (!arguments_.random_effects) return;
  show(outcome, "blups", "Random effects of the levels", report::blups_json(fit_));
}

void FitExtras::add_fitted(Outcome& outcome, const Eigen::VectorXd& fitted) const {
  if (!arguments_.fitted) return;
  outcome.result.set("fitted", Json(fitted));
  outcome.result.set("residuals", Json(Eigen::VectorXd(design_.response - fitted)));
}

void FitExtras::add_means(Outcome& outcome) const {
  if (arguments_.means.empty()) return;
  const ByClause clause = parse_by_clause(arguments_.means, "--means");
  const MarginalMeans means =
      marginal_means(design_, fit_.fixed, inference_, clause.first, clause.by);
  for (const MarginalMean& mean : means.means)
    if (std::isnan(mean.mean.estimate))
      outcome.warnings.push_back("--means: there is no estimate for " + mean.levels.front().first +
                                 " " + mean.levels.front().second +
                                 ", because a combination of levels does not occur");
  outcome.result.set("means", report::means_json(means));
  outcome.result.set("mean_differences", report::mean_differences_json(means));
  outcome.text += report::means_text(means);
}

void FitExtras::add_slopes(Outcome& outcome) const {
  if (arguments_.slopes.empty()) return;
  const ByClause clause = parse_by_clause(arguments_.slopes, "--slopes");
  const double level = arguments_.common->level;
  const SimpleSlopes slopes =
      simple_slopes(design_, fit_.fixed, inference_, clause.first, clause.by, clause.values, level);
  outcome.result.set("slopes", report::slopes_json(slopes));
  if (slopes.region) outcome.result.set("johnson_neyman", report::to_json(*slopes.region));
  outcome.text += report::slopes_text(slopes, clause.first, clause.by, level);
}

void FitExtras::show_predictions(Outcome& outcome, const Predictions& predictions) const {
  show(outcome, "predictions", "Predictions", report::to_json(predictions));
}

void FitExtras::show_influence(Outcome& outcome,
                               const std::vector<LevelInfluence>& influence) const {
  show(outcome, "influence", "Influence of the levels of " + arguments_.influence,
       report::to_json(influence, fit_));
}

void FitExtras::show_comparison(Outcome& outcome, const LikelihoodRatioTest& test) const {
  outcome.result.set("likelihood_ratio", report::to_json(test));
  outcome.text += report::likelihood_ratio_text(test, arguments_.against);
}

MixedBootstrapOptions bootstrap_options(const FitArguments& arguments) {
  const CommonOptions& common = *arguments.common;
  return {.replicates = arguments.replicates,
          .confidence_level = common.level,
          .threads = common.threads,
          .progress = progress_bar(common, "Bootstrap")};
}

void take_bootstrap(MixedSummary& summary, const MixedBootstrap& bootstrap) {
  summary.intervals = bootstrap.intervals;
  if (bootstrap.n_failed > 0)
    summary.warnings.push_back("--ci boot: " + std::to_string(bootstrap.n_failed) +
                               " drawn responses allowed no fit and are left out");
}

Outcome outcome_of(Json result, std::string text, std::vector<std::string> warnings,
                   const Table& table, const Design& design) {
  return {.result = std::move(result),
          .main_table = "fixed_effects",
          .text = std::move(text),
          .warnings = std::move(warnings),
          .rows = table.rows(),
          .used = static_cast<Index>(design.rows.size())};
}

void require_same_rows(const Design& a, const Design& b) {
  if (a.rows != b.rows) {
    throw DataError(
        "--against: the two models use different rows, because a variable of one of them is "
        "missing in some; keep the rows that both can use with --where");
  }
}

}  // namespace rapport::program
