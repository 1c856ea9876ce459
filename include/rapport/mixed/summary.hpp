#pragma once

#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/r_squared.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// How the intervals of parameters are made.
enum class IntervalMethod {
  wald,      ///< estimate ± quantile × standard error
  profile,   ///< inverts the likelihood ratio
  bootstrap  ///< percentiles of a parametric bootstrap
};

/// "wald", "profile", "boot".
[[nodiscard]] std::optional<IntervalMethod> parse_interval_method(std::string_view text);

struct SummaryOptions {
  DegreesOfFreedom df = DegreesOfFreedom::satterthwaite;
  IntervalMethod intervals = IntervalMethod::wald;
  double confidence_level = 0.95;
  Seed seed = Seed{1};      ///< of the bootstrap
  Index replicates = 1000;  ///< of the bootstrap
  int threads = 1;
  Progress progress = {};
};

/// What a paper reports of a mixed model.
struct [[nodiscard]] MixedSummary {
  std::string formula;  ///< as given, or in normal form
  MixedFit fit;
  std::vector<std::pair<std::string, Index>>
      groups;                                ///< grouping factors with their numbers of levels
  std::vector<ContrastEstimate> fixed;       ///< one a term of fit.fixed
  Eigen::MatrixXd fixed_covariance;          ///< adjusted under Kenward–Roger
  std::vector<TermTest> tests;               ///< type III; empty for a design made by hand
  std::vector<ParameterInterval> intervals;  ///< Wald: fixed effects; else every parameter
  VarianceExplained explained;  ///< NaN for a design without rows
  std::vector<std::string>
      warnings;  ///< in plain words: dropped columns, a singular or unfinished fit, omitted rows
};

/// Inference about a fit.
MixedSummary summarize(const Design& design, const MixedModel& model, const MixedFit& fit,
                       const FixedInference& inference, const SummaryOptions& options = {});

/// The same with Wald intervals for a fit that has no MixedModel: a residual structure, or the
/// linear part of a generalized model.
MixedSummary summarize(const Design& design, const MixedFit& fit, const FixedInference& inference);

/// Makes the model, fits it and summarises it.
MixedSummary analyse_mixed_model(const Formula& formula, const Table& table,
                                 const FitOptions& fit_options = {},
                                 const SummaryOptions& options = {},
                                 const DesignOptions& design_options = {});

/// Likelihood-ratio test of two nested models on the rows that both can use. Both are fitted by ML,
/// unless they differ in random terms only: then by the criterion of `options`.
LikelihoodRatioTest compare_models(const Formula& a, const Formula& b, const Table& table,
                                   const FitOptions& options = {},
                                   const DesignOptions& design_options = {});

}  // namespace rapport
