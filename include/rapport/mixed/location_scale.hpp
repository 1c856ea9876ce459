#pragma once

#include <rapport/base/random.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/ordinal.hpp>
#include <rapport/mixed/residual.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// Models of how much an outcome varies, not only where it lies: y = x'β + z'b + e,
/// log Var e = w'τ + ω, with ω normal over the levels of a grouping factor.
namespace rapport {

/// What the logarithm of the residual variance rests on beside its intercept.
struct ScaleModel {
  EffectColumns effects = {};            ///< w without the intercept; see effect_columns()
  std::string factor = {};               ///< over whose levels the scale varies
  std::vector<std::int32_t> group = {};  ///< n, the row's level, from 0
  std::vector<std::string> levels = {};  ///< each occurs at least once in `group`
};

/// The variance function exp(w'τ) of a residual structure, one exponential term a column: the
/// model without ω, which fit_residual_model() fits with any random terms, by ML or REML.
[[nodiscard]] std::vector<VarianceTerm> log_linear_variance(const EffectColumns& effects);

/// τ of such a fit, "(Intercept)" first: effects on log σ², with standard errors from the exact
/// Hessian of its criterion. The terms of log_linear_variance() are the last of its structure.
[[nodiscard]] std::vector<OtherParameter> log_variance_effects(const ResidualFit& fit,
                                                               const EffectColumns& effects);

struct LocationScaleOptions {
  bool correlated = true;  ///< ω with the random effects of the mean, where they are one term
  Index quadrature_points = 21;  ///< Gauss–Hermite, adapted to each level; 3 to 200
  /// Of log L; points grow (to 2k + 1) until as many more change it by less. Infinite: keep them.
  double quadrature_error = 1e-8;
  Index iterations = 200;      ///< of BFGS at most
  bool random_effects = true;  ///< compute the effects of the levels
};

/// A fitted location-scale model.
struct [[nodiscard]] LocationScaleFit {
  /// The mean's part. Var b includes what b shares with ω; blups are posterior means and
  /// conditional_covariance posterior covariances, given the estimated parameters. residual.sd is
  /// the root of the mean residual variance, exp(w'τ + s²/2) averaged over the rows. `information`
  /// is empty: inference is by the normal.
  MixedFit fit;
  std::vector<OtherParameter> scale;  ///< τ, "(Intercept)" first
  double scale_sd;                    ///< s, the SD of ω; 0 at the boundary
  double scale_sd_standard_error;     ///< NaN at the boundary
  Eigen::VectorXd correlation;        ///< of ω with each effect of the mean; NaN at the boundary,
                                      ///< empty where they are held independent
  Eigen::VectorXd correlation_standard_error;
  std::string factor;
  std::vector<std::string> levels;
  Eigen::VectorXd scale_effects;     ///< posterior means of ω, one a level
  Eigen::VectorXd scale_effects_sd;  ///< posterior SDs of ω
  LikelihoodRatioTest homogeneity;   ///< against s = 0; p_value_boundary is the one to use
  Index quadrature_points;
  double quadrature_error;               ///< what nearly twice the points changed in log L
  Eigen::VectorXd fitted;                ///< offset + Xβ + Zb̂
  Eigen::VectorXd residual_sd;           ///< exp((w'τ + ω̂) / 2) / √weight of each row
  Eigen::MatrixXd parameter_covariance;  ///< of β, τ and s; NaN for s at the boundary
};

/// Fits the mixed-effects location-scale model of Hedeker, Mermelstein & Demirtas (2008) by maximum
/// likelihood. Given ω the effects of the mean are integrated in closed form, so that a level's
/// likelihood is an integral over one number, whatever random effects the mean has; adaptive
/// Gauss–Hermite quadrature takes it, its gradient is exact. The random terms of the mean, if any,
/// must vary over the levels of `scale.factor`. Throws DataError where every level has one row, or
/// the fixed effects leave no residual; InvalidArgument for random terms of other factors.
LocationScaleFit fit_location_scale_model(const Design& design, const ScaleModel& scale,
                                          const LocationScaleOptions& options = {});

/// Responses drawn from the fitted model, all random effects drawn anew: n × `replicates`.
[[nodiscard]] Eigen::MatrixXd simulate_responses(const Design& design, const ScaleModel& scale,
                                                 const LocationScaleFit& fit, Seed seed,
                                                 Index replicates = 1);

}  // namespace rapport
