#include "fit_extras.hpp"

#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <utility>

namespace rapport::program {

void FitExtras::add(Outcome& outcome, const Eigen::VectorXd& fitted) const {
  if (arguments_.random_effects) {
    const Json blups = report::blups_json(fit_);
    outcome.result.set("blups", blups);
    outcome.text += "\nRandom effects of the levels\n" + report::plain_text(blups);
  }
  if (arguments_.fitted) {
    outcome.result.set("fitted", Json(fitted));
    outcome.result.set("residuals", Json(Eigen::VectorXd(design_.response - fitted)));
  }
  add_means(outcome);
  add_slopes(outcome);
}

void FitExtras::show_predictions(Outcome& outcome, const Predictions& predictions) const {
  const Json json = report::to_json(predictions);
  outcome.result.set("predictions", json);
  outcome.text += "\nPredictions (linear predictor)\n" + report::plain_text(json);
}

void FitExtras::add_means(Outcome& outcome) const {
  if (arguments_.means.empty()) return;
  const ByClause clause = parse_by_clause(arguments_.means, "--means");
  const MarginalMeans means =
      marginal_means(design_, fit_.fixed, inference_, clause.first, clause.by);
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
