#pragma once

#include <rapport/agree/weights.hpp>
#include <rapport/base/interval.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace rapport {

/// Coefficients for any number of raters, all (observed − expected) / (1 − expected) with the
/// weighted share of agreeing pairs of raters as `observed`. They differ in what chance would give.
enum class AgreementCoefficient {
  percent,           ///< observed agreement itself
  fleiss,            ///< raters interchangeable: Σ w π_k π_l (Fleiss 1971)
  conger,            ///< each rater's own margins (Conger 1980); Cohen's κ for two raters
  scott,             ///< Fleiss's coefficient for exactly two raters (Scott 1955)
  brennan_prediger,  ///< all categories alike: Σ w / q² (Brennan & Prediger 1981)
  gwet  ///< AC1, with weights AC2: Σ w · Σ π (1 − π) / (q (q − 1)) (Gwet 2008)
};

struct ChanceCorrectedOptions {
  double confidence_level = 0.95;
  /// Add the variance that a new sample of raters would bring, by a jackknife over raters (Gwet
  /// 2014, section 5.4). Needs codes and at least three raters.
  bool sample_raters = false;
};

/// One category against all others (Fleiss 1971).
struct CategoryAgreement {
  double proportion;           ///< of all ratings, subjects weighted alike
  double estimate;             ///< NaN if nobody or everybody chose it
  double standard_error_null;  ///< Fleiss, Nee & Landis 1979; NaN if subjects' numbers of ratings
                               ///< differ
  double statistic;
  double p_value;
};

/// `estimate` and all that rests on it are NaN where chance agreement is 1 (a single category), or
/// no subject has two ratings.
struct [[nodiscard]] ChanceCorrectedResult {
  double estimate;
  double standard_error;  ///< Gwet 2014: subjects sampled, raters fixed (unless sample_raters)
  ConfidenceInterval ci;  ///< t on df, the upper limit cut at 1
  double statistic;  ///< fleiss: estimate / standard_error_null; else estimate / standard_error
  double df;         ///< subjects − 1 (of the interval, and of the test but for fleiss)
  double p_value;    ///< two-sided: normal for fleiss, t on df for the others
  double standard_error_null;  ///< fleiss, unweighted, equal numbers of ratings: Fleiss, Nee &
                               ///< Landis 1979; else NaN
  double observed;
  double expected;
  std::vector<CategoryAgreement> by_category;  ///< fleiss only
  Index raters;     ///< columns of codes; from counts the most per subject
  Index n_used;     ///< subjects with a rating
  Index n_omitted;  ///< the others
};

/// From codes (subjects × raters, −1 missing) and q × q agreement weights. A subject with a single
/// rating counts in `expected` only; missing ratings are thus used as far as they go. O(n (raters +
/// q²)). Throws InvalidArgument for fewer than two raters (`scott`: other than two), codes out of
/// range or weights that are none.
ChanceCorrectedResult chance_corrected_agreement(AgreementCoefficient coefficient,
                                                 const CodeView& codes, const MatrixView& weights,
                                                 const ChanceCorrectedOptions& options = {});

/// From counts (subjects × q): how many raters chose each category. Not for `conger`, which needs
/// to know the raters, nor `scott`.
ChanceCorrectedResult chance_corrected_agreement_of_counts(
    AgreementCoefficient coefficient, const MatrixView& counts, const MatrixView& weights,
    const ChanceCorrectedOptions& options = {});

inline ChanceCorrectedResult fleiss_kappa(const CodeView& codes, const MatrixView& weights,
                                          const ChanceCorrectedOptions& options = {}) {
  return chance_corrected_agreement(AgreementCoefficient::fleiss, codes, weights, options);
}
inline ChanceCorrectedResult conger_kappa(const CodeView& codes, const MatrixView& weights,
                                          const ChanceCorrectedOptions& options = {}) {
  return chance_corrected_agreement(AgreementCoefficient::conger, codes, weights, options);
}
inline ChanceCorrectedResult scott_pi(const CodeView& codes, const MatrixView& weights,
                                      const ChanceCorrectedOptions& options = {}) {
  return chance_corrected_agreement(AgreementCoefficient::scott, codes, weights, options);
}
inline ChanceCorrectedResult brennan_prediger(const CodeView& codes, const MatrixView& weights,
                                              const ChanceCorrectedOptions& options = {}) {
  return chance_corrected_agreement(AgreementCoefficient::brennan_prediger, codes, weights,
                                    options);
}
inline ChanceCorrectedResult gwet_ac(const CodeView& codes, const MatrixView& weights,
                                     const ChanceCorrectedOptions& options = {}) {
  return chance_corrected_agreement(AgreementCoefficient::gwet, codes, weights, options);
}

struct PercentAgreementOptions {
  double tolerance = 0;  ///< raters agree on a subject if their ratings span no more than this; ≥ 0
  double confidence_level = 0.95;
};

/// The share of subjects on whom all raters agree.
struct [[nodiscard]] PercentAgreementResult {
  double estimate;        ///< in [0, 1]
  double standard_error;  ///< √(p (1 − p) / n)
  ConfidenceInterval ci;  ///< Wilson 1927
  Index raters;
  Index n_used;     ///< subjects rated by every rater
  Index n_omitted;  ///< subjects with a missing rating
};

/// `ratings`: subjects × raters (at least two), NaN missing; categories may be given as their
/// codes. Throws InvalidArgument if no subject is complete or `tolerance` is negative.
PercentAgreementResult percent_agreement(const MatrixView& ratings,
                                         const PercentAgreementOptions& options = {});

}  // namespace rapport
