#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/correlate/pair_counts.hpp>

namespace rapport {

/// The measures that weigh S = concordant − discordant by pairs of one kind or another.
enum class OrdinalMeasure {
  tau_a,  ///< S over all pairs
  tau_b,  ///< S over the geometric mean of the pairs untied on x and on y (see kendall.hpp for its
          ///< own test)
  tau_c,  ///< Stuart (1953): 2mS/((m − 1)n²), m the smaller number of distinct values
  gamma,  ///< Goodman & Kruskal (1954): S over the concordant and discordant pairs
  somers_d  ///< Somers (1962) D(y|x), y dependent: S over the pairs untied on x; exchange the
            ///< variables for D(x|y)
};

/// An ordinal measure of association of `x` and `y` (equal length), O(n log n); missing pairs are
/// omitted and counted. Standard error and interval (cut at ±1): large sample, association not 0
/// (Brown & Benedetti 1977). `statistic` is the estimate over its standard error under
/// independence, the same z for all five. NaN for n < 2 or where the pairs to divide by are none.
/// Throws InvalidArgument if the lengths differ or a value is infinite.
CorrelationResult ordinal_association(const VectorView& x, const VectorView& y,
                                      OrdinalMeasure measure,
                                      const CorrelationOptions& options = {});

/// Each by its name.
CorrelationResult goodman_kruskal_gamma(const VectorView& x, const VectorView& y,
                                        const CorrelationOptions& options = {});
CorrelationResult somers_d(const VectorView& x, const VectorView& y,
                           const CorrelationOptions& options = {});
CorrelationResult stuart_tau_c(const VectorView& x, const VectorView& y,
                               const CorrelationOptions& options = {});
CorrelationResult kendall_tau_a(const VectorView& x, const VectorView& y,
                                const CorrelationOptions& options = {});

/// Estimate and large-sample standard error of a measure.
struct [[nodiscard]] OrdinalEstimate {
  double estimate;
  double standard_error;       ///< association not 0
  double null_standard_error;  ///< under independence
};
/// From the quadrants; `distinct` the smaller number of distinct values (for τ-c), `weights` as
/// given to the quadrants.
OrdinalEstimate ordinal_estimate(const QuadrantCounts& quadrants, OrdinalMeasure measure,
                                 Index distinct, const VectorView& weights = Eigen::VectorXd());
/// From a contingency table of counts, O(cells).
OrdinalEstimate ordinal_estimate(const Eigen::MatrixXd& table, OrdinalMeasure measure);

/// From ranks of complete columns, whichever way is the shorter.
OrdinalEstimate ordinal_estimate(const DenseRanks& x, const DenseRanks& y, OrdinalMeasure measure);

/// [estimate ± z · standard error], cut at ±1.
[[nodiscard]] ConfidenceInterval interval_within_one(double estimate, double standard_error,
                                                     double level);

}  // namespace rapport
