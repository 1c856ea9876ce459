#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/math/resample.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// Who the raters are.
enum class IccModel {
  one_way_random,  ///< each subject its own raters: McGraw & Wong's case 1
  two_way_random,  ///< the same raters, a sample of raters: cases 2 and 2A
  two_way_mixed    ///< the same raters, the only ones of interest: cases 3 and 3A
};
enum class IccType {
  consistency,  ///< differences between raters' means do not count against agreement
  agreement
};
enum class IccUnit {
  single,  ///< the rating of one rater
  average  ///< the mean of all k raters
};

/// How the interval of ICC(2,k) is made.
enum class IccAverageInterval {
  spearman_brown,  ///< the limits of ICC(2,1), stepped up: psych, SPSS, pingouin
  mcgraw_wong      ///< McGraw & Wong 1996, table 7, the degrees of freedom at ICC(2,k) itself: irr
};
/// "spearman-brown", "mcgraw-wong".
[[nodiscard]] std::optional<IccAverageInterval> parse_icc_average_interval(std::string_view text);

struct IccOptions {
  double confidence_level = 0.95;
  double null_value = 0;  ///< the ICC under the null hypothesis; in [0, 1)
  IccAverageInterval average_interval = IccAverageInterval::spearman_brown;
};

/// One intraclass correlation. Undefined numbers are NaN.
struct IccForm {
  std::string form;  ///< Shrout & Fleiss 1979: "ICC(2,1)"; of the ten forms four have no name there
                     ///< and bear McGraw & Wong's with their case: "ICC(C,1) case 2"
  std::string name;  ///< McGraw & Wong 1996: "ICC(A,1)"
  IccModel model;
  IccType type;
  IccUnit unit;
  double estimate;
  double f;  ///< test of ICC = null_value; for null 0 the mean square of subjects over the residual
  double df1;
  double df2;
  double p_value;  ///< one-sided: ICC > null_value
  ConfidenceInterval ci;
};

enum class IccMethod {
  anova,  ///< complete ratings: mean squares (estimates may be negative)
  mixed   ///< missing ratings: REML, subjects and raters as crossed random effects, one-way forms
          ///< from the one-way model; intervals by the delta method on Fisher's scale for ICCs
};

struct IccComponents {
  double subject;
  double rater;
  double residual;
};

struct [[nodiscard]] IccResult {
  std::vector<IccForm> forms;  ///< the ten of McGraw & Wong, the six of Shrout & Fleiss first
  IccComponents components;    ///< variances of the two-way model
  double standard_error_of_measurement;  ///< of one rating, agreement: √(rater + residual)
  double smallest_detectable_change;     ///< z √2 × that, z for the confidence level
  IccMethod method;
  Index raters;     ///< k: raters with any rating
  Index n_ratings;  ///< ratings used
  Index n_used;     ///< subjects with any rating
  Index n_omitted;  ///< subjects without
};

/// All forms for `ratings` (subjects × raters, NaN missing). Formulas: McGraw & Wong 1996, tables
/// 4, 7 and 8. Throws InvalidArgument for a null value outside [0, 1), DataError for fewer than two
/// subjects or raters with ratings, or no subject with two ratings.
IccResult intraclass_correlation(const MatrixView& ratings, const IccOptions& options = {});

/// The form by its Shrout & Fleiss name. Throws InvalidArgument if there is none.
[[nodiscard]] const IccForm& icc_form(const IccResult& result, std::string_view form);

/// The estimate alone, from the complete rows of `ratings` (two-way forms by mean squares).
[[nodiscard]] double icc_estimate(const MatrixView& ratings, IccModel model, IccType type,
                                  IccUnit unit);

/// Bootstrap over subjects of the estimate from mean squares; subjects with a missing rating are
/// left out.
BootstrapResult icc_bootstrap(const MatrixView& ratings, IccModel model, IccType type, IccUnit unit,
                              Seed seed, const BootstrapOptions& options = {});

}  // namespace rapport
