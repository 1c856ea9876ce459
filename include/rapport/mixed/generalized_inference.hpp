#pragma once

#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/inference.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// What inference.hpp offers of linear mixed models, for generalized ones. Parameters are named
/// `sd(TERM|FACTOR)`, `cor(TERM1,TERM2|FACTOR)`, then thresholds ("1|2", or their parameters
/// where they are structured), nominal effects ("1|2.TERM") and scale effects ("scale(TERM)"), or
/// `dispersion`, then the fixed effects by their terms.
namespace rapport {

/// Intervals that invert the likelihood ratio, re-optimised at every point (with the fit's own
/// approximation of the likelihood), for every parameter. A limit that meets a boundary stands
/// there (an SD at 0, a correlation at ±1); ±infinity where the likelihood never falls far enough.
[[nodiscard]] std::vector<ParameterInterval> profile_intervals(const Design& design,
                                                               const GeneralizedFit& fit,
                                                               double level = 0.95,
                                                               int threads = 1);

/// Responses drawn from the fitted model, random effects drawn anew: n × `replicates`, binomial
/// ones as proportions, categories as codes from 0. Throws InvalidArgument for prior weights of a
/// family that is not binomial.
[[nodiscard]] Eigen::MatrixXd simulate_responses(const Design& design, const GeneralizedFit& fit,
                                                 Seed seed, Index replicates = 1);

/// Parametric bootstrap: the model fitted to responses drawn from the fit. A replicate that allows
/// no fit (a category that never occurs, all responses equal) is NaN and counted.
MixedBootstrap parametric_bootstrap(const Design& design, const GeneralizedFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options = {});

/// Deletes each level of `groups` (n codes from 0, one a row of the design) in turn.
/// LevelInfluence::residual_sd is NaN.
[[nodiscard]] std::vector<LevelInfluence> deletion_influence(
    const Design& design, const GeneralizedFit& fit, const std::vector<std::int32_t>& groups,
    const std::vector<std::string>& levels, int threads = 1);

/// Compares two nested fits of the same response (either order), as for linear models. Throws
/// InvalidArgument if family, link, quadrature or observations differ.
LikelihoodRatioTest likelihood_ratio_test(const GeneralizedFit& a, const GeneralizedFit& b);

/// Tests of what a cumulative model takes for granted of one term.
struct [[nodiscard]] OrdinalTermTest {
  std::string term;
  LikelihoodRatioTest nominal;  ///< that its effects are the same at all thresholds (proportional
                                ///< odds, for the logit)
  LikelihoodRatioTest scale;    ///< that it does not change the scale
};

/// Likelihood-ratio tests of every term of the fixed effects against the model in which it is
/// nominal, or has scale effects, too. NaN where that model has no fit. Throws InvalidArgument for
/// another family, or a design made by hand.
[[nodiscard]] std::vector<OrdinalTermTest> ordinal_term_tests(const Design& design,
                                                              const GeneralizedFit& fit,
                                                              int threads = 1);

}  // namespace rapport
