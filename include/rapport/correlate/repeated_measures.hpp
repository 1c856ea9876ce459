#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/math/resample.hpp>

#include <cstdint>
#include <functional>
#include <vector>

/// Correlations of clustered data: sessions in patients, patients in therapists. Rows of a cluster
/// need not be adjacent.
namespace rapport {

/// The cluster of each row: 0, 1, …, or −1 where it is missing (a Factor's codes).
using ClusterCodes = std::vector<std::int32_t>;

/// Pearson on the values, or on the mid-ranks of all complete rows together (Spearman: unchanged by
/// any monotone change of either variable).
enum class ClusteredMethod { pearson, spearman };

struct ClusteredOptions {
  ClusteredMethod method = ClusteredMethod::pearson;
  Alternative alternative = Alternative::two_sided;
  double confidence_level = 0.95;
};

/// Repeated-measures correlation with the common slope behind it.
struct [[nodiscard]] RepeatedMeasuresResult {
  double estimate =
      missing;  ///< within-person correlation with a common slope (Bland & Altman 1995), in [−1, 1]
  double standard_error = missing;  ///< √((1 − r²)/df)
  ConfidenceInterval ci = {};       ///< Fisher's z with 1/√(df − 1)
  double statistic = missing;       ///< t on df
  double df = missing;              ///< n − clusters − 1
  double p_value = missing;
  double slope = missing;  ///< of y on x within clusters
  Index clusters = 0;      ///< with at least two complete rows
  Index n_used = 0;        ///< rows of those clusters
  Index n_omitted = 0;     ///< incomplete rows, and clusters with a single complete one
};

/// Repeated-measures correlation of `x` and `y` within `cluster` (equal lengths). NaN where a
/// variable does not vary within clusters. Throws InvalidArgument if lengths differ or a value is
/// infinite.
RepeatedMeasuresResult repeated_measures_correlation(const VectorView& x, const VectorView& y,
                                                     const ClusterCodes& cluster,
                                                     const ClusteredOptions& options = {});

/// The two levels of a clustered correlation.
struct [[nodiscard]] WithinBetweenResult {
  CorrelationResult within = {};  ///< of deviations from the cluster's mean, on n − clusters − 1
  CorrelationResult between = {};  ///< of cluster means weighted by size, on clusters − 2
  double icc_x;  ///< ICC(1) by one-way ANOVA with mean cluster size; may be negative
  double icc_y;
  Index clusters;
  Index n_used;
  Index n_omitted;
};

/// Within- and between-cluster correlation (Snijders & Bosker 2012, 3.6; as psych::statsBy).
WithinBetweenResult within_between_correlation(const VectorView& x, const VectorView& y,
                                               const ClusterCodes& cluster,
                                               const ClusteredOptions& options = {});

/// ICC(1) of one variable by one-way ANOVA, with the mean cluster size.
[[nodiscard]] double cluster_icc(const VectorView& x, const ClusterCodes& cluster);

/// Rows of each cluster that has any; rows with code −1 are left out.
[[nodiscard]] std::vector<std::vector<Index>> rows_of_clusters(const ClusterCodes& cluster);

/// A coefficient as a function of two columns, for resampling.
using CorrelationStatistic = std::function<double(const VectorView& x, const VectorView& y)>;

/// Bootstrap interval of any coefficient, over complete rows; with `cluster` not empty whole
/// clusters are resampled, which allows for any dependence of their rows.
BootstrapResult bootstrap_correlation(const VectorView& x, const VectorView& y,
                                      const CorrelationStatistic& statistic, Seed seed,
                                      const BootstrapOptions& options = {},
                                      const ClusterCodes& cluster = {});

/// Spearman's ρ of clustered observations (total, all rows ranked together) with a standard error
/// that allows for the dependence of rows in a cluster: linearised over clusters (influence values
/// summed by cluster, divisor clusters − 1), t on clusters − 1, interval on Fisher's scale.
CorrelationResult clustered_spearman(const VectorView& x, const VectorView& y,
                                     const ClusterCodes& cluster,
                                     const ClusteredOptions& options = {});

/// Within- and between-cluster correlation matrices of the columns of `data` (listwise), k × k.
struct [[nodiscard]] MultilevelMatrixResult {
  Eigen::MatrixXd within;
  Eigen::MatrixXd between;
  Eigen::VectorXd icc;
  Index clusters;
  Index n_used;
  Index n_omitted;
};
MultilevelMatrixResult multilevel_correlation_matrix(
    const MatrixView& data, const ClusterCodes& cluster,
    ClusteredMethod method = ClusteredMethod::pearson);

}  // namespace rapport
