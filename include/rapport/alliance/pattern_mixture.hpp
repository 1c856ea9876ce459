#pragma once

#include <rapport/alliance/person_period.hpp>
#include <rapport/mixed/inference.hpp>

#include <string>
#include <vector>

namespace rapport {

struct PatternMixtureOptions {
  /// Last sessions at which those who left are divided: {3, 6} makes "left by 3", "left by 6" and
  /// "left later". Empty: "left" is one pattern. "stayed" is always one.
  std::vector<double> left_by = {};
  double confidence_level = 0.95;
};

struct DropoutPattern {
  std::string name;
  Index patients;
  double share;  ///< of the patients in the model
};

/// One fixed effect in each pattern, and over patterns.
struct PatternMixtureTerm {
  std::string term;
  std::vector<ContrastEstimate> by_pattern;
  ContrastEstimate average;    ///< Σ share · estimate; normal
  ContrastEstimate ignorable;  ///< of the model that knows no patterns
};

/// A longitudinal model whose fixed effects differ by dropout pattern and are averaged over the
/// patterns (Little 1993; Hedeker & Gibbons 1997). The standard error has, by the delta method, the
/// uncertainty of the shares as well. What a pattern does after it ends is its own line extended:
/// that is the assumption in place of ignorable dropout.
struct [[nodiscard]] PatternMixture {
  std::string formula;
  std::vector<DropoutPattern> patterns;
  std::vector<PatternMixtureTerm> terms;
  double statistic;  ///< likelihood ratio of no difference between patterns, χ² on `df`
  double df;
  double p_value;
  Index n_used;  ///< rows
};

/// `formula` is a Gaussian mixed model over the rows of `period`. Random effects and the residual
/// are the same in all patterns. Throws DataError, naming pattern and term, if a pattern's rows do
/// not tell one of the effects (a slope of patients with one session), or if there is one pattern
/// only.
PatternMixture pattern_mixture(const PersonPeriod& period, const std::string& formula,
                               const PatternMixtureOptions& options = {});

}  // namespace rapport
