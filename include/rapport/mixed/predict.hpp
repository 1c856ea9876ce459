#pragma once

#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/generalized.hpp>

#include <vector>

namespace rapport {

struct PredictOptions {
  bool population = false;         ///< offset + Xβ, without the BLUPs
  double confidence_level = 0.95;  ///< of both intervals, normal
  bool errors_of_effects =
      true;  ///< false: the errors of BLUPs are not those of independent residuals, and standard
             ///< errors of conditional predictions are NaN
};

/// Predictions for rows of a table; NaN where a variable is missing.
struct [[nodiscard]] Predictions {
  Eigen::VectorXd estimate;  ///< offset + x'β + z'û; a level that the fit did not see has û = 0
  Eigen::VectorXd standard_error;  ///< of x'β + z'(û − u); of x'β for the population
  Eigen::VectorXd ci_lower;        ///< for the mean of the row
  Eigen::VectorXd ci_upper;
  Eigen::VectorXd prediction_lower;  ///< for a new observation of weight 1
  Eigen::VectorXd prediction_upper;
  double level;
};

/// Henderson's (1975) equations for the random effects of all terms side by side, those of a term's
/// levels one after another, standardised: b = Λv, Var v = σ². What the errors of BLUPs follow
/// from.
struct EffectEquations {
  /// The lower triangle of M = Λ'Z'ZΛ + I by columns: entries starts[j] … starts[j + 1] − 1 are of
  /// column j, in ascending `rows`.
  std::vector<Index> starts;
  std::vector<Index> rows;
  std::vector<double> values;
  Eigen::MatrixXd cross;  ///< Λ'Z'X, effects × p; rows of the design times √weight
};

/// Those of a fit of the design, which has its rows. Throws InvalidArgument for another number of
/// random terms.
[[nodiscard]] EffectEquations effect_equations(const Design& design, const MixedFit& fit);

/// Predicts new rows with the variables coded as in the fit. `design` is the one that was fitted,
/// with its frame, and the fit has its BLUPs; without its rows, standard errors are given for the
/// population only. The errors of estimates and of BLUPs are those of
/// Henderson's (1975) equations, given the variances; `fixed_covariance` (empty: the fit's) may be
/// Kenward and Roger's. Throws InvalidArgument for a column that `rows` lacks, DataError for a
/// level of a fixed factor that the fit did not see.
[[nodiscard]] Predictions predict(const Design& design, const MixedFit& fit, const Table& rows,
                                  const PredictOptions& options = {},
                                  const Eigen::MatrixXd& fixed_covariance = {});

/// The same on the scale of the linear predictor (cumulative: x'β + z'û, without thresholds), each
/// row of the fit weighing with its expected information at the modes. There is no interval for a
/// new observation.
[[nodiscard]] Predictions predict(const Design& design, const GeneralizedFit& fit,
                                  const Table& rows, const PredictOptions& options = {});

}  // namespace rapport
