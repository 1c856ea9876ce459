#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/base/random.hpp>
#include <rapport/correlate/compare.hpp>
#include <rapport/math/resample.hpp>

#include <string>
#include <vector>

namespace rapport {

/// What predictors explain together, and each one's share of it.
struct [[nodiscard]] RelativeImportance {
  double r_squared;
  /// R² gained by a predictor, averaged over all orders of entering them (Lindeman, Merenda & Gold
  /// 1980; the Shapley value). They sum to `r_squared`.
  Eigen::VectorXd shares;
};

/// From the correlations of (outcome, predictor 1, … predictor k), k ≤ 12, with 2^k subsets solved.
/// NaN where predictors determine each other. Throws InvalidArgument for other k.
RelativeImportance relative_importance(const MatrixView& correlations);

/// One rater among several, over patients.
struct RatingShare {
  StudyRater rater;
  double correlation;     ///< of the early rating and the outcome
  BootstrapResult share;  ///< of R²
};

/// r(outcome, first) − r(outcome, second) from the same patients.
struct RatingDifference {
  std::string first;
  std::string second;
  ComparisonResult correlations;
};

/// Whose rating goes with the outcome of patients?
struct [[nodiscard]] RatingComparison {
  std::string outcome;               ///< column of the outcome
  std::vector<std::string> columns;  ///< of the ratings, in the order of `ratings`
  std::vector<RatingShare> ratings;
  std::vector<RatingDifference> differences;  ///< every pair
  double r_squared;                           ///< of the outcome by all ratings
  Index n_used;                               ///< patients with all
};

/// `table` has a row a patient; `columns[i]` holds the rating of `raters[i]`.
RatingComparison compare_ratings(const Table& table, const std::string& outcome,
                                 const std::vector<StudyRater>& raters,
                                 const std::vector<std::string>& columns, Seed seed,
                                 const BootstrapOptions& options = {});

/// One rater's effects in a model that holds every rating.
struct RaterEffects {
  StudyRater rater;
  ContrastEstimate within;
  ContrastEstimate between;
};

/// Within patients, per SD of each rating's deviations: first − second.
struct RaterContrast {
  std::string first;
  std::string second;
  ContrastEstimate standardized;
};

/// Whose rating goes with the outcome over sessions?
struct [[nodiscard]] PerspectiveComparison {
  std::vector<RaterEffects> raters;
  std::vector<RaterContrast> contrasts;  ///< every pair
};

/// The formula of the joint model: outcome ~ session + within and between parts of every rating +
/// random.
[[nodiscard]] std::string perspective_formula(const StudyColumns& columns,
                                              bool random_slope = true);

/// `model` is the fit of perspective_formula.
PerspectiveComparison compare_perspectives(const FittedModel& model, const Table& table,
                                           const StudyColumns& columns);

}  // namespace rapport
