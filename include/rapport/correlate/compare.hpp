#pragma once

#include <rapport/correlate/repeated_measures.hpp>

#include <string_view>
#include <vector>

/// Do two correlations differ? "Whose alliance rating predicts the outcome better?"
namespace rapport {

enum class ComparisonTest {
  pearson_filon,  ///< z on the scale of r (Pearson & Filon 1898)
  hotelling,      ///< t, n − 3 (Hotelling 1940); assumes more than it says: prefer Williams
  williams,       ///< t, n − 3 (Williams 1959)
  dunn_clark,     ///< z of Fisher's scale (Dunn & Clark 1969)
  steiger,        ///< Dunn & Clark with the mean r in the covariance (Steiger 1980)
  meng,           ///< z with its interval on Fisher's scale (Meng, Rosenthal & Rubin 1992)
  hittner,        ///< Dunn & Clark with the back-transformed mean z (Hittner, May & Silver 2003),
                  ///< overlapping
  silver,         ///< the same for non-overlapping correlations (Silver, Hittner & May 2004)
  fisher,         ///< independent groups
  zou             ///< interval of the difference of r (Zou 2007)
};

/// "pearson-filon", "hotelling", …
[[nodiscard]] std::string_view to_string(ComparisonTest test);

struct [[nodiscard]] ComparisonTestResult {
  ComparisonTest test;
  double statistic;  ///< NaN for `zou`
  double df;         ///< of a t; NaN for a z
  double p_value;
  ConfidenceInterval
      ci;  ///< `zou`: of the difference of r; `meng`: of the difference of Fisher's z; else NaN
};

struct [[nodiscard]] ComparisonResult {
  double difference;      ///< first less second correlation
  std::vector<double> r;  ///< those that went in, in the order of the arguments
  std::vector<ComparisonTestResult> tests;
  Index n_used;  ///< 0 for a summary of independent groups
  Index n_omitted;
};

/// r(y, x1) − r(y, x2) of one sample of n. Throws InvalidArgument for r outside [−1, 1], three that
/// no data can have, n < 4.
ComparisonResult compare_overlapping(double r_y_x1, double r_y_x2, double r_x1_x2, double n,
                                     const CorrelationOptions& options = {});

/// The same from data; rows with a missing value are omitted and counted.
ComparisonResult compare_overlapping(const VectorView& y, const VectorView& x1,
                                     const VectorView& x2, const CorrelationOptions& options = {});

/// The six correlations of four variables of one sample.
struct FourCorrelations {
  double r12, r34, r13, r14, r23, r24;
};

/// r12 − r34 of one sample of n.
ComparisonResult compare_nonoverlapping(const FourCorrelations& r, double n,
                                        const CorrelationOptions& options = {});

/// The same from the columns of `data` (n × 4).
ComparisonResult compare_nonoverlapping(const MatrixView& data,
                                        const CorrelationOptions& options = {});

/// r1 − r2 of two independent samples.
ComparisonResult compare_independent(double r1, double n1, double r2, double n2,
                                     const CorrelationOptions& options = {});

/// Bootstrap of coefficient(x1, y) − coefficient(x2, y) for any coefficient, over rows complete in
/// all three.
BootstrapResult bootstrap_difference(const VectorView& y, const VectorView& x1,
                                     const VectorView& x2, const CorrelationStatistic& coefficient,
                                     Seed seed, const BootstrapOptions& options = {},
                                     const ClusterCodes& cluster = {});

}  // namespace rapport
