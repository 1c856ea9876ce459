#pragma once

#include <rapport/correlate/correlation.hpp>
#include <rapport/math/dense_ranks.hpp>

namespace rapport {

/// How the correlation behind categories is estimated (Olsson 1979; Olsson, Drasgow & Dorans 1982).
enum class LatentEstimator {
  maximum_likelihood,  ///< correlation and thresholds together
  two_step  ///< thresholds (and mean and variance) from the margins first, then the correlation
            ///< given them
};

/// Correlation of the normal variables behind ordered categories.
struct [[nodiscard]] PolychoricResult {
  double estimate = missing;  ///< ρ in [−1, 1]; NaN if a variable has a single category
  double standard_error =
      missing;  ///< inverse observed information; two-step: of ρ with all else held as estimated
  ConfidenceInterval ci = {};  ///< on Fisher's scale
  double statistic = missing;  ///< z of ρ = 0 (Wald)
  double p_value = missing;
  double log_likelihood = missing;
  Eigen::VectorXd thresholds_x =
      {};  ///< ascending, one fewer than categories; empty for a continuous variable
  Eigen::VectorXd thresholds_y = {};
  bool converged = false;
  Index n_used = 0;
  Index n_omitted = 0;
};

struct PolychoricOptions {
  LatentEstimator estimator = LatentEstimator::maximum_likelihood;
  Alternative alternative = Alternative::two_sided;
  double confidence_level = 0.95;
};

/// Polychoric correlation of two ordered categorical variables given as numbers (any coding whose
/// order is the categories'); tetrachoric with two categories each. Empty cells are taken as they
/// are; where they make the likelihood rise to ρ = ±1 that limit is returned with no standard
/// error. Missing pairs are omitted and counted.
PolychoricResult polychoric_correlation(const VectorView& x, const VectorView& y,
                                        const PolychoricOptions& options = {});

/// The same from a contingency table of counts (categories of x in rows; empty rows and columns are
/// left out).
PolychoricResult polychoric_correlation(const MatrixView& table,
                                        const PolychoricOptions& options = {});

/// Polyserial correlation of a continuous `x` with an ordered categorical `y`; biserial with two
/// categories.
PolychoricResult polyserial_correlation(const VectorView& x, const VectorView& y,
                                        const PolychoricOptions& options = {});

/// Two-step polychoric correlations of all columns of `data`, pairwise complete; k × k.
[[nodiscard]] Eigen::MatrixXd polychoric_matrix(const MatrixView& data, int threads = 1);

}  // namespace rapport
