#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/base/random.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rapport {

/// An estimated parameter with its test against 0.
struct [[nodiscard]] Parameter {
  std::string name;
  double estimate;
  double standard_error;
  ConfidenceInterval ci;
  double statistic;
  double df;
  double p_value;
};

/// A straight line in the plane of x and y.
struct Axis {
  double intercept;
  double slope;                     ///< infinite for a line x = constant
  double intercept_standard_error;  ///< delta method
  double slope_standard_error;
};

struct ResponseSurfaceOptions {
  double confidence_level = 0.95;
  double centre = 0;  ///< subtracted from x and y alike, so that the line of congruence stays x = y
  std::vector<std::int32_t> patient =
      {};  ///< codes from 0 (−1 missing), one a row: adds a random
           ///< intercept (REML, Satterthwaite's df); empty: least squares
};

/// Z = b0 + b1 x + b2 y + b3 x² + b4 xy + b5 y² and its shape (Edwards & Parry 1993; Edwards 2002).
struct [[nodiscard]] ResponseSurfaceResult {
  std::vector<Parameter> coefficients;  ///< b0 … b5; t on n − 6
  Eigen::MatrixXd covariance;           ///< 6 × 6
  /// a1 = b1 + b2 and a2 = b3 + b4 + b5: slope and curvature along x = y; a3 = b1 − b2 and
  /// a4 = b3 − b4 + b5: along x = −y; a5 = b3 − b5.
  std::vector<Parameter> surface;
  double stationary_x;  ///< infinite or NaN where the surface has none
  double stationary_y;
  double stationary_x_standard_error;  ///< delta method
  double stationary_y_standard_error;
  Axis first;                   ///< principal axis of greatest upward curvature
  Axis second;                  ///< perpendicular to it
  Eigen::Vector2d eigenvalues;  ///< of [[b3, b4/2], [b4/2, b5]], the larger first
  double r_squared;             ///< least squares only, as the next four; else NaN
  double adjusted_r_squared;
  double f;
  double df1;
  double df2;
  double residual_sd;
  double patient_sd;  ///< of the random intercept; NaN without
  double centre;      ///< what was subtracted
  Index n_used;       ///< rows with all variables
  Index n_omitted;
};

/// Rows that miss a variable are left out and counted; nothing else is ever dropped.
/// Throws InvalidArgument if lengths differ, DataError for fewer than seven rows or terms that
/// depend linearly on each other (x or y with fewer than three values).
ResponseSurfaceResult response_surface(const VectorView& outcome, const VectorView& x,
                                       const VectorView& y,
                                       const ResponseSurfaceOptions& options = {});

struct SurfaceBootstrapOptions {
  Index replicates = 1000;
  double confidence_level = 0.95;
  double centre = 0;
  std::vector<std::int32_t> cluster = {};  ///< codes from 0: whole clusters are drawn; empty: rows
  int threads = 1;                         ///< 0: every core; the result does not depend on it
};

/// Percentile intervals of b0 … b5, a1 … a5, the stationary point and both principal axes (names
/// "stationary_x", "first_slope", …), by least squares on each sample of rows.
struct [[nodiscard]] SurfaceBootstrap {
  std::vector<std::string> names;
  Eigen::VectorXd estimate;
  Eigen::VectorXd standard_error;  ///< SD of the replicates that are finite
  std::vector<ConfidenceInterval> ci;
  Eigen::MatrixXd replicates;  ///< replicates × names
};
SurfaceBootstrap response_surface_bootstrap(const VectorView& outcome, const VectorView& x,
                                            const VectorView& y, Seed seed,
                                            const SurfaceBootstrapOptions& options = {});

/// The mean of all values of x and y on the rows that have both: the centre for scales without a
/// natural midpoint. Throws DataError if there is no such row.
[[nodiscard]] double pooled_mean(const VectorView& x, const VectorView& y);

/// Where truth and bias are centred.
enum class TruthCentre {
  grand,  ///< judgment and truth at the truth's mean, bias at its own (West & Kenny 2011)
  person  ///< the same within each patient: accuracy of tracking a patient's changes
};

struct TruthAndBiasOptions {
  double confidence_level = 0.95;
  bool reml = true;
  TruthCentre centre = TruthCentre::grand;
};

/// The truth-and-bias model of West & Kenny (2011), judgment = direction bias + truth force × truth
/// + bias force × bias, with equal covariance of the judgments of one patient (which may be
/// negative).
struct [[nodiscard]] TruthAndBiasResult {
  Parameter direction_bias;
  Parameter truth_force;
  Parameter bias_force;
  double truth_mean;  ///< over the rows used
  double bias_mean;
  double sigma;        ///< SD of a judgment about the model
  double correlation;  ///< of two judgments of one patient, ≥ −1 / (m − 1)
  double log_likelihood;
  Index patients;
  Index n_used;  ///< rows with all variables
  Index n_omitted;
};

/// `patient`: codes from 0, −1 missing. Tests by t on n − 3; under ML the standard errors use the
/// divisor n − 3 of the variance, sigma and log_likelihood its estimate by ML (as nlme's gls).
/// Throws InvalidArgument if lengths differ, DataError if no patient has two judgments.
TruthAndBiasResult truth_and_bias(const VectorView& judgment, const VectorView& truth,
                                  const VectorView& bias, const std::vector<std::int32_t>& patient,
                                  const TruthAndBiasOptions& options = {});

}  // namespace rapport
