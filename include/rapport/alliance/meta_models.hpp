#pragma once

#include <rapport/alliance/meta.hpp>

#include <string>
#include <vector>

/// Meta-analytic models beyond nested variances.
namespace rapport {

/// The location–scale model (Viechtbauer & López-López 2022): y_i ~ N(x_i'β, v_i + τ²_i), log τ²_i
/// = z_i'α. Two levels.
struct [[nodiscard]] MetaLocationScaleFit {
  std::vector<MetaCoefficient> location;  ///< β
  std::vector<MetaCoefficient>
      scale;  ///< α, by the observed information; NaN tests where that is singular
  Eigen::MatrixXd location_covariance;
  Eigen::MatrixXd scale_covariance;
  Eigen::VectorXd tau2;           ///< k, each effect's
  MetaWaldTest scale_moderators;  ///< all of α but its intercept
  double log_likelihood;          ///< with all constants; the restricted one under REML
  double likelihood_ratio;        ///< against one τ², χ² on the number of scale moderators
  double likelihood_ratio_p;
  MetaOptions options;
  Index n_used;
  Index iterations;
  Termination termination;
};

/// `scale` is k × m, the moderators of log τ² without the column of ones, `scale_terms` their
/// names. The estimator is `reml` or `ml`, the test `z` or `t` (on k − p and k − m − 1). Throws as
/// `fit_meta`.
MetaLocationScaleFit fit_location_scale(const MetaData& data, const MatrixView& scale,
                                        const std::vector<std::string>& scale_terms,
                                        const MetaOptions& options = {});

/// How the true effects of a study's outcomes vary together.
enum class OutcomeCovariance { unstructured, diagonal };

/// The multivariate model (van Houwelingen, Arends & Stijnen 2002): each study has effects on
/// several outcomes, with known sampling covariance (`data.covariance`, or independent) and true
/// effects that vary with covariance T between studies.
struct [[nodiscard]] MultivariateMetaFit {
  std::vector<MetaCoefficient> coefficients;  ///< a mean for each outcome, then the moderators
  Eigen::MatrixXd covariance;
  std::vector<std::string> outcomes;
  Eigen::MatrixXd between;      ///< T
  Eigen::MatrixXd correlation;  ///< of T; NaN where a variance is 0
  CochranQ q;
  MetaWaldTest equal_means;  ///< that all outcomes have the same mean; 0 df with one outcome
  double log_likelihood;
  MetaOptions options;
  Index n_used;
  Index n_studies;
  Index iterations;
  Termination termination;
};

/// `outcome` names each effect's outcome, without missing ones; a study has at most one effect on
/// each. `data.study` is required; the estimator is `reml` or `ml`, the test `z` or `t`. Throws as
/// `fit_meta`.
MultivariateMetaFit fit_multivariate_meta(
    const MetaData& data, const Factor& outcome,
    OutcomeCovariance structure = OutcomeCovariance::unstructured, const MetaOptions& options = {});

}  // namespace rapport
