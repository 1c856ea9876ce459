#pragma once

#include <rapport/alliance/meta.hpp>

/// Small-study effects and selective publication. All take effects of two levels without moderators
/// (`study` and moderators are refused); significance and precision are read off y/√v and √v.
namespace rapport {

/// Egger's regression (Egger et al. 1997): y on √v, weights 1/v, with a multiplicative dispersion;
/// t on k − 2.
struct [[nodiscard]] EggerTest {
  double intercept;  ///< the effect at √v = 0
  double slope;
  double statistic;
  double df;
  double p_value;
};
EggerTest egger_test(const MetaData& data);

/// The same question in the random-effects model: √v as a moderator (Sterne & Egger 2005).
struct [[nodiscard]] RegressionTest {
  MetaCoefficient limit;  ///< the effect at √v = 0
  MetaCoefficient slope;
};
RegressionTest regression_test(const MetaData& data, const MetaOptions& options = {});

/// The rank correlation of standardised effect and variance (Begg & Mazumdar 1994): Kendall's τ_b,
/// exact p without ties, else normal with the tie-corrected variance.
struct [[nodiscard]] RankTest {
  double tau;
  double p_value;
};
RankTest rank_test(const MetaData& data);

/// Trim and fill (Duval & Tweedie 2000) with the estimator L0.
struct [[nodiscard]] TrimAndFill {
  Index k0;         ///< effects filled in
  bool right;       ///< the side on which they were missing
  MetaFit fit;      ///< with them
  MetaData filled;  ///< the effects, then those filled in
  Index iterations;
};
/// Missing effects are sought on the right where the slope of `regression_test` is negative.
/// `model` trims and is fitted at last; its tests are normal, whatever it says: effects filled in
/// give no degrees of freedom.
TrimAndFill trim_and_fill(const MetaData& data, const MetaOptions& model = {});

/// PET and PEESE (Stanley & Doucouliagos 2014): the effect where √v, or v, is 0, in weighted least
/// squares with a multiplicative dispersion; t on k − 2. PEESE's estimate is taken where PET's is
/// significant at .05 in its own direction.
struct [[nodiscard]] PetPeese {
  MetaCoefficient pet;
  MetaCoefficient pet_slope;
  MetaCoefficient peese;
  bool use_peese;
  double estimate;  ///< of the one chosen
};
PetPeese pet_peese(const MetaData& data, const MetaOptions& options = {});

/// The three-parameter selection model (Hedges & Vevea 1996; McShane, Böckenholt & Hansen 2016):
/// effects whose one-sided p-value exceeds `step` are published with relative probability `weight`;
/// maximum likelihood in μ, τ², weight.
struct SelectionOptions {
  double step = 0.025;   ///< one-sided p
  bool positive = true;  ///< significance is in the direction of positive effects
  double confidence_level = 0.95;
};
struct [[nodiscard]] SelectionModel {
  MetaCoefficient mean;
  double tau2;
  double tau2_standard_error;
  double weight;  ///< 1: no selection
  double weight_standard_error;
  ConfidenceInterval weight_ci;  ///< on the log scale
  double log_likelihood;
  double statistic;  ///< likelihood ratio against weight = 1, χ² on 1
  double p_value;
  Index n_significant;  ///< effects with p ≤ step; with none or all, the weight is NaN
  Termination termination;
};
SelectionModel selection_model(const MetaData& data, const SelectionOptions& options = {});

/// Rosenthal's (1979) fail-safe N: effects of 0 on average that would bring Stouffer's one-sided p
/// to `alpha`. It assumes that studies hidden have no effect on average, ignores heterogeneity and
/// magnitude, and is not evidence against bias.
[[nodiscard]] double fail_safe_n(const MetaData& data, double alpha = 0.05);

/// All of them.
struct [[nodiscard]] MetaBias {
  EggerTest egger;
  RegressionTest regression;
  RankTest rank;
  TrimAndFill trim_fill;
  PetPeese pet_peese;
  SelectionModel selection;
  double fail_safe_n;
};
MetaBias meta_bias(const MetaData& data, const MetaOptions& options = {});

}  // namespace rapport
