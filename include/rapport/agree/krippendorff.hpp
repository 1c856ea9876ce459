#pragma once

#include <rapport/agree/weights.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/math/resample.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace rapport {

/// How far apart two values are, squared (Krippendorff 2019, chapter 12).
enum class Metric {
  nominal,   ///< 1 if they differ
  ordinal,   ///< (Σ of the frequencies from one to the other, the ends counted by half)²
  interval,  ///< (a − b)²
  ratio      ///< ((a − b) / (a + b))²
};

struct KrippendorffOptions {
  double confidence_level = 0.95;
  Index coincidence_limit =
      64;  ///< the coincidence matrix is filled up to this many distinct values
};

/// Krippendorff's α = 1 − observed / expected disagreement. Units with a single value count for
/// nothing. `estimate` is NaN if all values are equal or no unit has two.
struct [[nodiscard]] KrippendorffResult {
  double estimate;
  double standard_error;  ///< units sampled, metric fixed (Gwet 2014, chapter 6)
  ConfidenceInterval ci;  ///< t on df, the upper limit cut at 1
  double statistic;       ///< estimate / standard_error
  double df;              ///< units − 1
  double p_value;         ///< two-sided
  double observed_disagreement;
  double expected_disagreement;
  Eigen::VectorXd values;        ///< the distinct values, ascending
  Eigen::VectorXd frequencies;   ///< how often each stands in a unit with at least two
  Eigen::MatrixXd coincidences;  ///< values × values; empty above the limit
  Index raters;
  Index units;      ///< with at least two values
  Index n_values;   ///< values in those
  Index n_omitted;  ///< units with fewer than two values
};

/// From numbers (units × raters, NaN missing; categories as their codes). Memory O(values); time
/// O(values log values) but for `ratio`, which is quadratic in the number of distinct values.
/// Throws InvalidArgument for fewer than two raters, and for `ratio` with negative values.
KrippendorffResult krippendorff_alpha(const MatrixView& ratings, Metric metric,
                                      const KrippendorffOptions& options = {});

/// From counts (units × q): how many raters gave each of the `values`, which must ascend.
KrippendorffResult krippendorff_alpha_of_counts(const MatrixView& counts, const VectorView& values,
                                                Metric metric,
                                                const KrippendorffOptions& options = {});

/// With agreement weights in place of a metric (disagreement 1 − weight), from codes of categories.
KrippendorffResult krippendorff_alpha_weighted(const CodeView& codes, const MatrixView& weights,
                                               const KrippendorffOptions& options = {});
KrippendorffResult krippendorff_alpha_weighted_of_counts(const MatrixView& counts,
                                                         const MatrixView& weights,
                                                         const KrippendorffOptions& options = {});

/// Bootstrap of α over units (whole units drawn with replacement; the ordinal metric is taken anew
/// from each sample).
BootstrapResult krippendorff_bootstrap(const MatrixView& ratings, Metric metric, Seed seed,
                                       const BootstrapOptions& options = {});

/// How far apart two sets of labels are (theme codes of interviews, several a passage).
enum class SetDistance {
  jaccard,  ///< 1 − |A ∩ B| / |A ∪ B|
  masi  ///< 1 − (|A ∩ B| / |A ∪ B|) · m, m = 1, 2/3, 1/3, 0 for equal, nested, overlapping,
        ///< disjoint sets (Passonneau 2006)
};

/// The distance of two sets given as bits; two empty sets are equal.
[[nodiscard]] double set_distance(SetDistance distance, std::uint64_t a, std::uint64_t b);

/// α for sets of up to 64 labels: `sets[unit * raters + rater]` holds a bit for each label that the
/// rater gave the unit; nullopt is a missing rating. The disagreement is the distance itself.
/// Throws InvalidArgument if the size of `sets` is no multiple of `raters`, or `raters` < 2.
KrippendorffResult krippendorff_alpha_of_sets(const std::vector<std::optional<std::uint64_t>>& sets,
                                              Index raters, SetDistance distance,
                                              const KrippendorffOptions& options = {});

}  // namespace rapport
