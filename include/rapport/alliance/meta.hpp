#pragma once

#include <rapport/alliance/meta_data.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/resample.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Meta-analysis with known sampling variances: fixed, random and three-level models with
/// moderators.
///
///     y = Xβ + u_study + u_effect + e,   u ~ N(0, σ²),   e ~ N(0, V)
///
/// where V is known. Two-level models (data without `study`) have the one variance τ² = σ²_effect.
namespace rapport {

/// How τ² is estimated. Three levels take `fixed`, `reml` or `ml`.
enum class MetaEstimator {
  fixed,              ///< τ² = 0
  reml,               ///< restricted maximum likelihood
  ml,                 ///< maximum likelihood
  dersimonian_laird,  ///< moments of Q (DerSimonian & Laird 1986)
  paule_mandel,       ///< the τ² at which Q equals its df (Paule & Mandel 1982)
  sidik_jonkman,      ///< Sidik & Jonkman (2005), started from the unweighted variance
  hunter_schmidt,     ///< Schmidt & Hunter (2015)
  hedges,             ///< moments of the unweighted variance (Hedges & Olkin 1985)
  empirical_bayes     ///< Morris (1983); its fixed point is Paule and Mandel's
};

/// "fe", "reml", "ml", "dl", "pm", "sj", "hs", "he", "eb".
[[nodiscard]] std::optional<MetaEstimator> parse_meta_estimator(std::string_view text);
/// "FE", "REML", …
[[nodiscard]] std::string to_string(MetaEstimator estimator);

/// The reference of tests and intervals.
enum class MetaTest {
  z,             ///< normal
  t,             ///< t on k − p
  knapp_hartung  ///< t on k − p with the variance of Knapp & Hartung (2003); two levels only
};

/// "z", "t", "knha".
[[nodiscard]] std::optional<MetaTest> parse_meta_test(std::string_view text);
[[nodiscard]] std::string to_string(MetaTest test);

struct MetaOptions {
  MetaEstimator estimator = MetaEstimator::reml;
  MetaTest test = MetaTest::z;
  double confidence_level = 0.95;
};

struct [[nodiscard]] MetaCoefficient {
  std::string term;
  double estimate;
  double standard_error;
  double statistic;
  double df;  ///< ∞: normal
  double p_value;
  ConfidenceInterval ci;
};

/// A test of several coefficients at once: χ² where `denominator_df` is ∞, else F.
struct [[nodiscard]] MetaWaldTest {
  std::string name;
  double statistic;
  double numerator_df;
  double denominator_df;
  double p_value;
};

/// Cochran's Q of the residual heterogeneity.
struct [[nodiscard]] CochranQ {
  double statistic;
  double df;
  double p_value;
};

struct [[nodiscard]] MetaVariance {
  std::string level;  ///< "study", "effect"
  double variance;
  double i2;  ///< its share of the total variance of a typical effect, in percent
};

struct [[nodiscard]] MetaFit {
  std::vector<MetaCoefficient> coefficients;
  Eigen::MatrixXd covariance;           ///< of the coefficients; Knapp and Hartung's with that test
  std::vector<MetaVariance> variances;  ///< study and effect; two levels: effect alone
  double tau2;                          ///< NaN with three levels
  double
      tau2_standard_error;  ///< by the expected information; NaN unless REML or ML with two levels
  double i2;  ///< percent (Higgins & Thompson 2002, with their typical variance); fixed: from Q
  double h2;  ///< NaN with three levels
  CochranQ q;
  std::optional<MetaWaldTest> moderators;  ///< all at once; none without moderators
  std::vector<MetaWaldTest> by_moderator;
  std::optional<ConfidenceInterval>
      prediction_interval;  ///< of a new true effect; none with moderators or `fixed`
  double log_likelihood;    ///< with all constants; the restricted one under REML
  double aic;
  double bic;
  MetaOptions options;
  Index n_used;  ///< k, effects
  Index n_studies;
  Index n_omitted;
  Index iterations;
  Termination termination;
  bool at_boundary;  ///< an estimated variance is 0
};

/// σ²_study of a fit, 0 with two levels; and σ²_effect.
[[nodiscard]] double study_variance(const MetaFit& fit);
[[nodiscard]] double effect_variance(const MetaFit& fit);

/// Fits the model. Throws InvalidArgument if sizes differ, a variance is not positive, k does not
/// exceed the number of coefficients, moderators are collinear or constant, or with `study` there
/// is one study only or none has two effects.
MetaFit fit_meta(const MetaData& data, const MetaOptions& options = {});

/// The Q-profile interval of τ² (Viechtbauer 2007), two levels only. Both ends are 0 where Q at τ²
/// = 0 is below its lower quantile.
[[nodiscard]] ConfidenceInterval tau2_interval(const MetaData& data,
                                               double confidence_level = 0.95);

/// Profile-likelihood intervals of the variances, in the order of `fit.variances`: where −2 log L,
/// the other variance re-estimated, is within the χ² quantile of its least. A lower end of 0 means
/// that 0 is within. `fit` is by REML or ML.
[[nodiscard]] std::vector<ConfidenceInterval> variance_intervals(const MetaData& data,
                                                                 const MetaFit& fit);

/// Cluster-robust tests by study: CR2 standard errors (Bell & McCaffrey 2002; Pustejovsky & Tipton
/// 2018) with Satterthwaite degrees of freedom, the fitted model as working model. Without `study`
/// every effect is a cluster.
[[nodiscard]] std::vector<MetaCoefficient> robust_coefficients(const MetaData& data,
                                                               const MetaFit& fit);

/// The best linear unbiased prediction of an effect's true value, x'β + û.
struct [[nodiscard]] MetaPrediction {
  double estimate;
  double standard_error;
};
[[nodiscard]] std::vector<MetaPrediction> meta_blups(const MetaData& data, const MetaFit& fit);

/// The mean at given values of the moderators, with the interval of a new true effect there.
struct [[nodiscard]] MetaMean {
  double estimate;
  double standard_error;
  ConfidenceInterval ci;
  ConfidenceInterval prediction_interval;
};
/// `moderators` is m × q, columns as in MetaData.
[[nodiscard]] std::vector<MetaMean> meta_means(const MetaFit& fit, const MatrixView& moderators);

/// The model without one effect (two levels) or without one study (three).
struct [[nodiscard]] MetaWithout {
  double
      estimate;  ///< of the first coefficient; NaN, as the rest, where the others cannot be fitted
  double standard_error;
  double p_value;
  ConfidenceInterval ci;
  double tau2;  ///< summed over levels
  double i2;
  double q;
  double cooks_distance;  ///< of leaving it out, (β − β₋)'V⁻¹(β − β₋)
};
[[nodiscard]] std::vector<MetaWithout> leave_one_out(const MetaData& data, const MetaFit& fit);

/// How much an effect weighs and pulls (Viechtbauer & Cheung 2010). Two levels only.
struct [[nodiscard]] MetaInfluence {
  double studentized_residual;  ///< deleted
  double dffits;
  double cooks_distance;
  double hat;
  double weight;  ///< percent
};
[[nodiscard]] std::vector<MetaInfluence> meta_influence(const MetaData& data, const MetaFit& fit);

/// A bootstrap of whole studies for the first coefficient; replicates that cannot be fitted are
/// counted as undefined.
BootstrapResult bootstrap_meta(const MetaData& data, Seed seed, const MetaOptions& model = {},
                               const BootstrapOptions& options = {});

}  // namespace rapport
