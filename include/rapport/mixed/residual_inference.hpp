#pragma once

#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/residual.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// What inference.hpp offers of linear mixed models, for those with a residual structure. `design`
/// and `structure` are those that were fitted. Parameters are named `sd(TERM|FACTOR)`,
/// `cor(TERM1,TERM2|FACTOR)`, `sigma`, then those of the correlation ("rho", …) and of the variance
/// function, then the fixed effects by their terms.
namespace rapport {

/// For FixedInference: the adjustment of Kenward & Roger (1997) in natural parameters (see
/// docs/derivations.md), with the term of second derivatives where the covariance is not linear in
/// them. Works on dense matrices of rows that depend on one another. Throws InvalidArgument if the
/// fit is not by REML or more than 4000 rows depend on one another.
[[nodiscard]] KenwardRogerAdjustment kenward_roger_adjustment(const Design& design,
                                                              const ResidualStructure& structure,
                                                              const ResidualFit& fit);

/// Responses drawn from the fitted model, random effects drawn anew: n × `replicates`.
[[nodiscard]] Eigen::MatrixXd simulate_responses(const Design& design,
                                                 const ResidualStructure& structure,
                                                 const ResidualFit& fit, Seed seed,
                                                 Index replicates = 1);

/// Parametric bootstrap: the model fitted to responses drawn from the fit, by its criterion.
MixedBootstrap parametric_bootstrap(const Design& design, const ResidualStructure& structure,
                                    const ResidualFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options = {});

/// Intervals that invert the ML likelihood ratio, re-optimised at every point, for every parameter.
/// A limit that meets a boundary stands there. NaN for Toeplitz and unstructured correlations,
/// whose parameters bound one another.
[[nodiscard]] std::vector<ParameterInterval> profile_intervals(const Design& design,
                                                               const ResidualStructure& structure,
                                                               double level = 0.95,
                                                               int threads = 1);

/// Deletes each level of `groups` (n codes from 0, one a row of the design) in turn.
[[nodiscard]] std::vector<LevelInfluence> deletion_influence(
    const Design& design, const ResidualStructure& structure, const ResidualFit& fit,
    const std::vector<std::int32_t>& groups, const std::vector<std::string>& levels,
    int threads = 1);

/// As predict() of a linear mixed model: x'β + z'û, with standard errors of x'β + z'(û − u) under
/// the fitted covariance. Residuals of the same group are not carried forward. The interval of a
/// new observation is that of one with multiplier 1 of the variance function.
[[nodiscard]] Predictions predict(const Design& design, const ResidualStructure& structure,
                                  const ResidualFit& fit, const Table& rows,
                                  const PredictOptions& options = {},
                                  const Eigen::MatrixXd& fixed_covariance = {});

}  // namespace rapport
