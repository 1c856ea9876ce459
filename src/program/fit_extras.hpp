#pragma once

#include <rapport/mixed/predict.hpp>

#include "fit.hpp"
#include <string>
#include <vector>

namespace rapport::program {

/// What generalized models and residual structures add to an outcome in the same way.
class FitExtras {
 public:
  FitExtras(const FitArguments& arguments, const Design& design, const MixedFit& fit,
            const FixedInference& inference)
      : arguments_(arguments), design_(design), fit_(fit), inference_(inference) {}

  /// BLUPs, fitted values, means and slopes.
  void add(Outcome& outcome, const Eigen::VectorXd& fitted) const;

  /// `predictor(rows, options)` predicts.
  template <class Predictor>
  void add_predictions(Outcome& outcome, const Predictor& predictor) const {
    if (arguments_.predict.empty()) return;
    const Table rows = load_further_table(*arguments_.common, arguments_.predict);
    show_predictions(outcome,
                     predictor(rows, PredictOptions{.population = arguments_.population,
                                                    .confidence_level = arguments_.common->level}));
  }

 private:
  void show_predictions(Outcome& outcome, const Predictions& predictions) const;
  void add_means(Outcome& outcome) const;
  void add_slopes(Outcome& outcome) const;

  const FitArguments& arguments_;
  const Design& design_;
  const MixedFit& fit_;
  const FixedInference& inference_;
};

/// An outcome whose table is that of the fixed effects.
[[nodiscard]] Outcome outcome_of(Json result, std::string text, std::vector<std::string> warnings,
                                 const Table& table, const Design& design);

/// Throws DataError unless both designs use the same rows.
void require_same_rows(const Design& a, const Design& b);

}  // namespace rapport::program
