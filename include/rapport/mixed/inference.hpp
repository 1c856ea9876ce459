#pragma once

#include <rapport/base/interval.hpp>
#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>
#include <rapport/mixed/fit.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// The reference distribution of a statistic of fixed effects.
enum class DegreesOfFreedom {
  satterthwaite,  ///< Giesbrecht & Burns 1985; several rows: Fai & Cornelius 1996
  kenward_roger,  ///< Kenward & Roger 1997, with the adjusted covariance; REML fits only
  residual,       ///< observations − rank of X
  none            ///< ∞: the normal and χ²
};

/// "satterthwaite", "kenward-roger", "residual", "none".
[[nodiscard]] std::optional<DegreesOfFreedom> parse_degrees_of_freedom(std::string_view text);

/// One linear combination of the fixed effects.
struct [[nodiscard]] ContrastEstimate {
  double estimate;
  double standard_error;
  double statistic;  ///< (estimate − null) / standard_error
  double df;
  double p_value;  ///< two-sided
  ConfidenceInterval ci;
};

/// A joint test of several linear combinations.
struct [[nodiscard]] ContrastTest {
  double statistic;  ///< F (Kenward–Roger: scaled)
  double numerator_df;
  double denominator_df;
  double p_value;
};

/// What Kenward & Roger (1997) need beside the estimates, for parameters a of the covariance V.
struct KenwardRogerAdjustment {
  Eigen::MatrixXd phi;             ///< (X'V⁻¹X)⁻¹
  std::vector<Eigen::MatrixXd> p;  ///< ∂(X'V⁻¹X)/∂a
  Eigen::MatrixXd w;               ///< inverse of the expected information
  Eigen::MatrixXd adjusted;        ///< covariance of the fixed effects
};

/// Inference about fixed effects: keeps the derivatives at the optimum, so that each contrast costs
/// p² operations. Throws InvalidArgument if Kenward–Roger is asked of an ML fit.
class FixedInference {
 public:
  FixedInference(const MixedModel& model, const MixedFit& fit,
                 DegreesOfFreedom method = DegreesOfFreedom::satterthwaite, double level = 0.95);
  /// For a fit that has no MixedModel (a residual structure). Throws InvalidArgument for
  /// Kenward–Roger, which needs its adjustment.
  explicit FixedInference(const MixedFit& fit,
                          DegreesOfFreedom method = DegreesOfFreedom::satterthwaite,
                          double level = 0.95);
  /// By Kenward and Roger's adjustment (see residual_inference.hpp).
  FixedInference(const MixedFit& fit, KenwardRogerAdjustment adjustment, double level = 0.95);
  /// By the normal, for a generalized model.
  explicit FixedInference(const FixedEffects& fixed, double level = 0.95);

  /// p × p; the adjusted one under Kenward–Roger.
  [[nodiscard]] const Eigen::MatrixXd& covariance() const { return covariance_; }
  /// `weights` has p values, for the columns in FixedEffects::terms.
  [[nodiscard]] ContrastEstimate contrast(const VectorView& weights, double null = 0) const;
  /// `contrasts` is ℓ × p; rows that depend on others are left out, and the numerator df counts the
  /// rest: 0, with statistic and p-value NaN, where there is no row.
  [[nodiscard]] ContrastTest test(const MatrixView& contrasts) const;

 private:
  struct Derivatives;
  [[nodiscard]] double satterthwaite_df(const Eigen::VectorXd& weights, double variance) const;

  DegreesOfFreedom method_;
  double level_;
  double residual_df_;
  Eigen::VectorXd estimate_;
  Eigen::MatrixXd covariance_;
  std::shared_ptr<const Derivatives> derivatives_;
};

/// One parameter of a fit with its uncertainty. Names: `sd(TERM|FACTOR)`,
/// `cor(TERM1,TERM2|FACTOR)`, `sigma`, and each fixed term by its own.
struct [[nodiscard]] ParameterInterval {
  std::string parameter;
  double estimate;
  double standard_error;  ///< NaN where the method gives none (a profile), or at the boundary
  ConfidenceInterval ci;
};

/// Standard errors of SDs, correlations and σ from the inverse of the exact Hessian of the
/// criterion, and Wald intervals. NaN at a boundary.
[[nodiscard]] std::vector<ParameterInterval> variance_intervals(const MixedModel& model,
                                                                const MixedFit& fit,
                                                                double level = 0.95);

/// Intervals that invert the ML likelihood ratio, re-optimised at every point, for every parameter:
/// SDs and correlations, sigma, fixed effects. A limit that meets a boundary stands there (an SD at
/// 0, a correlation at ±1).
[[nodiscard]] std::vector<ParameterInterval> profile_intervals(const MixedModel& model,
                                                               double level = 0.95);

struct MixedBootstrapOptions {
  Index replicates = 1000;
  double confidence_level = 0.95;
  int threads = 1;  ///< 0: every core; the result does not depend on it
  Progress progress = {};
};

struct [[nodiscard]] MixedBootstrap {
  std::vector<ParameterInterval>
      intervals;               ///< percentile intervals; standard_error is the SD of the replicates
  Eigen::MatrixXd replicates;  ///< replicates × parameters, in the order of `intervals`
  Index n_singular;            ///< replicates whose fit was singular
  Index n_failed = 0;  ///< replicates that allowed no fit, NaN and left out of the intervals
};

/// Parametric bootstrap: responses drawn from the fitted model, and the model fitted to each by the
/// fit's criterion.
MixedBootstrap parametric_bootstrap(const MixedModel& model, const MixedFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options = {});

/// Responses drawn from the fitted model, random effects drawn anew: n × `replicates`.
[[nodiscard]] Eigen::MatrixXd simulate_responses(const Design& design, const MixedFit& fit,
                                                 Seed seed, Index replicates = 1);

/// The change of a fit when all rows of one level are deleted and the model is fitted again.
struct [[nodiscard]] LevelInfluence {
  std::string level;
  double cooks_distance;    ///< (b₋ − b)' V⁻¹ (b₋ − b) / p, V from the full fit
  Eigen::VectorXd dfbetas;  ///< p: (b − b₋) over the standard errors without the level; NaN for a
                            ///< column lost with the level
  Eigen::VectorXd estimate;  ///< p: b₋
  double residual_sd;
  Eigen::VectorXd random_sd;  ///< without the level: of every random effect, term by term
};

/// Deletes each level of `groups` (n codes from 0, one a row of the design) in turn, and fits again
/// from the full fit's estimates. Where the grouping factors of the model are nested, no other row
/// is looked at again: the level's share is taken out of the model's cross-products. `fit` must be
/// of this design.
[[nodiscard]] std::vector<LevelInfluence> deletion_influence(
    const Design& design, const MixedFit& fit, const std::vector<std::int32_t>& groups,
    const std::vector<std::string>& levels, int threads = 1);

/// A likelihood-ratio test.
struct [[nodiscard]] LikelihoodRatioTest {
  double statistic;         ///< 2 (log L₁ − log L₀), not below 0
  double df;                ///< difference in parameters
  double p_value;           ///< χ² on df
  double p_value_boundary;  ///< by the χ̄² mixture when the smaller model lacks variances of the
                            ///< larger; NaN otherwise
};

/// Compares two nested fits of the same response by the same criterion (either order). Under REML
/// the fixed effects must be the same. `p_value_boundary` is ½χ²(q) + ½χ²(q + 1) when one term
/// loses one of its q + 1 effects, all else equal (Self & Liang 1987; Stram & Lee 1994). Throws
/// InvalidArgument if observations or criteria differ, or under REML the fixed effects.
LikelihoodRatioTest likelihood_ratio_test(const MixedFit& a, const MixedFit& b);

}  // namespace rapport
