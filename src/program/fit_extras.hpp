#pragma once

#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/means.hpp>
#include <rapport/mixed/predict.hpp>

#include "fit.hpp"
#include <string>
#include <vector>

namespace rapport::program {

/// Sets a member of the result, and shows it in the text.
void show(Outcome& outcome, const std::string& key, const std::string& title, const Json& value);

/// What every kind of model adds to an outcome in the same way, each part only if it was asked for.
class FitExtras {
 public:
  /// Keeps references to all four.
  FitExtras(const FitArguments& arguments, const Design& design, const MixedFit& fit,
            const FixedInference& inference)
      : arguments_(arguments), design_(design), fit_(fit), inference_(inference) {}

  void add_random_effects(Outcome& outcome) const;
  void add_fitted(Outcome& outcome, const Eigen::VectorXd& fitted) const;
  void add_means(Outcome& outcome) const;
  void add_slopes(Outcome& outcome) const;

  /// `predict(rows, options)` gives the Predictions.
  template <class Predict>
  void add_predictions(Outcome& outcome, const Predict& predict) const {
    if (arguments_.predict.empty()) return;
    const Table rows = load_further_table(*arguments_.common, arguments_.predict);
    show_predictions(outcome, predict(rows, predict_options()));
  }
  [[nodiscard]] PredictOptions predict_options() const {
    return {.population = arguments_.population, .confidence_level = arguments_.common->level};
  }

  /// `simulate(seed, n)` gives n responses, a column each.
  template <class Simulate>
  void add_simulations(Outcome& outcome, const Simulate& simulate) const {
    if (arguments_.simulate == 0) return;
    const Eigen::MatrixXd responses = simulate(Seed{arguments_.common->seed}, arguments_.simulate);
    outcome.result.set("simulations", Json(Eigen::MatrixXd(responses.transpose())));
  }

  /// `influence(groups, threads)` gives the influence of each level of a Factor of the rows used.
  template <class Influence>
  void add_influence(Outcome& outcome, const Table& table, const Influence& influence) const {
    if (arguments_.influence.empty()) return;
    const Factor groups = influence_groups(arguments_, design_, table);
    show_influence(outcome, influence(groups, arguments_.common->threads));
  }

  /// `test()` compares with the model of --against.
  template <class Test>
  void add_comparison(Outcome& outcome, const Test& test) const {
    if (!arguments_.against.empty()) show_comparison(outcome, test());
  }

 private:
  void show_predictions(Outcome& outcome, const Predictions& predictions) const;
  void show_influence(Outcome& outcome, const std::vector<LevelInfluence>& influence) const;
  void show_comparison(Outcome& outcome, const LikelihoodRatioTest& test) const;

  const FitArguments& arguments_;
  const Design& design_;
  const MixedFit& fit_;
  const FixedInference& inference_;
};

/// --replicates and what else the parametric bootstrap of --ci boot takes.
[[nodiscard]] MixedBootstrapOptions bootstrap_options(const FitArguments& arguments);

/// Takes the intervals of a bootstrap, and says how many of its replicates failed.
void take_bootstrap(MixedSummary& summary, const MixedBootstrap& bootstrap);

/// An outcome whose table is that of the fixed effects, of a design with its rows.
[[nodiscard]] Outcome outcome_of(Json result, std::string text, std::vector<std::string> warnings,
                                 const Table& table, const Design& design);

/// Throws DataError unless both designs use the same rows.
void require_same_rows(const Design& a, const Design& b);

}  // namespace rapport::program
