#pragma once

#include <rapport/mixed/design.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/ordinal.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// The distribution of the response given the random effects.
enum class Family {
  binomial,  ///< response: the proportion of successes in `Design::weights` trials
  poisson,
  nbinom1,    ///< variance μ(1 + dispersion)
  nbinom2,    ///< variance μ + μ² / dispersion
  gamma,      ///< variance μ² · dispersion
  beta,       ///< variance μ(1 − μ) / (1 + dispersion)
  cumulative  ///< response: codes from 0; P(y ≤ j) = F(threshold_j − Xβ − Zb)
};

/// The linear predictor as a function of the mean.
enum class Link { logit, probit, cloglog, log, identity, inverse, loglog, cauchit };

/// "binomial", "poisson", "nbinom1", "nbinom2", "gamma", "beta", "cumulative".
[[nodiscard]] std::optional<Family> parse_family(std::string_view text);
/// "logit", "probit", "cloglog", "log", "identity", "inverse", "loglog", "cauchit".
[[nodiscard]] std::optional<Link> parse_link(std::string_view text);
[[nodiscard]] std::string_view to_string(Family family);
[[nodiscard]] std::string_view to_string(Link link);
/// What the response of a family has to be, for DesignOptions.
[[nodiscard]] ResponseKind response_kind(Family family);
/// logit for proportions and categories, log for the others.
[[nodiscard]] Link default_link(Family family);

struct GeneralizedOptions {
  Family family = Family::binomial;
  std::optional<Link> link = std::nullopt;  ///< default_link(family) if empty
  Index quadrature_points = 1;  ///< of adaptive Gauss–Hermite along each random effect; 1 is
                                ///< Laplace's approximation
  std::optional<double> quadrature_error =
      std::nullopt;  ///< as many points, from `quadrature_points` on, as change log L by no more
  Index iterations = 200;       ///< of the outer search
  OrdinalOptions ordinal = {};  ///< of Family::cumulative
  /// Of counts: the share π of rows that are 0 whatever their mean, logit π = columns · γ (Lambert
  /// 1992); see zero_inflation_columns(). Empty: none.
  EffectColumns zero_inflation = {};
  bool random_effects = true;  ///< compute the modes and their conditional covariances
};

/// A parameter beside the fixed effects and the covariances, with its standard error.
struct OtherParameter {
  std::string term;
  double estimate;
  double standard_error;
};

/// A fitted generalized linear mixed model. `criterion.value` is −2 log L with all constants, the
/// integral over the random effects by Laplace's approximation or adaptive quadrature; standard
/// errors are from the inverse of the observed information in all parameters jointly.
struct [[nodiscard]] GeneralizedFit {
  GeneralizedOptions options;  ///< that it was fitted with
  Family family;
  Link link;
  std::string method;  ///< "Laplace", "AGQ", or "ML" without random terms
  Index quadrature_points;
  double quadrature_error;  ///< what more points changed log L by; NaN unless options ask for it
  FixedEffects fixed;
  std::vector<OtherParameter> thresholds;  ///< "1|2", …: cumulative models only; where nominal
                                           ///< effects are 0
  /// Of structured thresholds: "central", "spacing.1", …; empty for flexible ones.
  std::vector<OtherParameter> threshold_parameters;
  std::vector<OtherParameter> nominal_effects;  ///< "1|2.contact", …, by term, then threshold
  std::vector<OtherParameter> scale_effects;    ///< on the log of the scale
  std::vector<OtherParameter> zero_inflation;   ///< on the logit of the share of extra zeros
  double dispersion;  ///< as the Family says; NaN where the family has none
  double dispersion_standard_error;
  std::vector<RandomEffects> random;  ///< in the order of Design::random; `blups` are modes
  CriterionValue criterion;
  OptimizerReport optimizer;
  DataUse data;
  Eigen::VectorXd fitted;  ///< mean given the modes; cumulative: probability of the category seen
  Eigen::VectorXd linear_predictor;      ///< given the modes
  std::vector<Eigen::MatrixXd> factors;  ///< Λ of each random term, lower triangular: Var b = ΛΛ'
  Eigen::VectorXd family_parameters;     ///< ψ: thresholds, or the logarithm of a dispersion
  Eigen::MatrixXd parameter_covariance;  ///< of β, the lower triangles of Λ by columns, and ψ
  std::vector<std::string> warnings;     ///< separation, overdispersion, …, in plain words
};

/// Fits by maximum likelihood: modes of the random effects by Newton's method to rounding, exact
/// gradients of the approximated likelihood, Λ unconstrained so that a variance of 0 is an ordinary
/// optimum (Pinheiro & Chao 2006; Bates et al. 2015). Adaptive quadrature with more than one point
/// needs one grouping factor with at most three random effects (a product
/// rule). Where `quadrature_error` is not met by 20000 nodes a warning says so.
///
/// For Family::cumulative an intercept among the design's columns is left out, the thresholds take
/// its place; categories are named by ModelFrame::response_levels. Throws DataError for responses
/// outside the family's range, all equal, or with a category that never occurs; InvalidArgument for
/// a link that does not suit the family.
GeneralizedFit fit_generalized_model(const Design& design, const GeneralizedOptions& options = {});

/// The fixed columns of a design (made of any formula with the same rows), intercept included, as
/// predictors of extra zeros in `design`. Columns that depend on others are left out. Throws
/// DataError if the rows differ.
[[nodiscard]] EffectColumns zero_inflation_columns(const Design& effects, const Design& design);

/// The fit on the scale of the linear predictor, for summaries, tests, means, slopes and
/// predictions. `residual.sd` is the square root of the distribution's own variance there
/// (Nakagawa, Johnson & Schielzeth 2017): π²/3 for logit, 1 for probit, π²/6 for cloglog and
/// loglog, for counts and gamma the lognormal approximation at the mean, for beta the variance of
/// logit y at the mean; NaN for cauchit.
[[nodiscard]] MixedFit linear_part(const Design& design, const GeneralizedFit& fit);

}  // namespace rapport
