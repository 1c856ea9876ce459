#pragma once

#include <rapport/mixed/design.hpp>
#include <rapport/mixed/level_names.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapport {

/// What a fit maximises.
enum class Criterion { reml, ml };

/// "reml" or "ml".
[[nodiscard]] std::optional<Criterion> parse_criterion(std::string_view text);

struct FitOptions {
  Criterion criterion = Criterion::reml;
  Index iterations = 200;      ///< Newton steps at most; ≥ 0
  bool random_effects = true;  ///< compute the BLUPs and their conditional covariances
  int threads = 1;             ///< 0: every core; results do not depend on it
};

/// Fixed effects in the order of the design's columns. A column that depends linearly on those
/// before it is dropped.
struct FixedEffects {
  std::vector<std::string> terms;    ///< the p columns that were kept
  std::vector<Index> columns;        ///< where they stand in Design::fixed
  Eigen::VectorXd estimate;          ///< p
  Eigen::VectorXd standard_error;    ///< p
  Eigen::MatrixXd covariance;        ///< p × p, σ²(X'V⁻¹X)⁻¹
  std::vector<std::string> dropped;  ///< names of the columns that were dropped
};

/// One term of Design::random.
struct RandomEffects {
  std::string factor;
  std::vector<std::string> terms;          ///< q
  LevelNames levels;                       ///< m
  Eigen::VectorXd sd;                      ///< q
  Eigen::MatrixXd correlation;             ///< q × q; NaN off the diagonal where an SD is 0
  Eigen::MatrixXd covariance;              ///< q × q
  Eigen::MatrixXd blups;                   ///< m × q; empty unless asked for
  Eigen::MatrixXd conditional_covariance;  ///< mq × q: level g in rows gq … gq + q − 1, given the
                                           ///< estimated parameters
};

struct ResidualError {
  double sd;  ///< of an observation of weight 1
};

/// The criterion at the optimum, with all its constants. Parameters are fixed effects, covariances
/// and σ.
struct CriterionValue {
  Criterion method;
  double value;           ///< −2 log L, or the REML criterion
  double log_likelihood;  ///< −value / 2
  Index parameters;
  double aic;
  double bic;   ///< by the number of observations
  double aicc;  ///< NaN unless observations > parameters + 1
};

/// Why to believe that the end of the search is a minimum. Everything is in units that no rescaling
/// of the data changes.
struct Certificate {
  double predicted_decrease;  ///< of the criterion by one more Newton step
  double smallest_curvature;  ///< least eigenvalue of the Hessian in the standardised factor of the
                              ///< covariances
  double boundary_multiplier;  ///< least eigenvalue of the gradient in the covariances along
                               ///< directions of variance 0; ≥ 0 at an optimum, NaN if there is no
                               ///< such direction
};

/// How the search went.
struct OptimizerReport {
  bool converged;
  Index iterations;
  Index evaluations;     ///< of the criterion
  double gradient_norm;  ///< largest entry, by the standardised factor of the covariances
  bool singular;         ///< a covariance matrix of random effects is not of full rank
  Certificate certificate;
  std::string message;  ///< in plain words; says which variance is 0 and which correlation ±1
};

/// How well the covariances are known, on the internal scale of the model; inference.hpp builds on
/// it.
struct CovarianceInformation {
  Eigen::VectorXd theta;                 ///< K: the standardised factors of the covariances
  Eigen::MatrixXd parameter_covariance;  ///< K + 1: of (θ, internal σ²), from the exact Hessian; 0
                                         ///< along flat directions
  std::vector<Eigen::MatrixXd> fixed_gradient;  ///< K + 1 of p × p: the derivatives of
                                                ///< FixedEffects::covariance in (θ, internal σ²)
};

/// What the fit rests on.
struct DataUse {
  Index observations;
  Index omitted;
  double residual_df;  ///< observations − rank of X
};

/// A fitted Gaussian mixed model, all of it plain numbers.
struct [[nodiscard]] MixedFit {
  FixedEffects fixed;
  std::vector<RandomEffects> random;  ///< in the order of Design::random
  ResidualError residual;
  CriterionValue criterion;
  OptimizerReport optimizer;
  DataUse data;
  CovarianceInformation information;
};

/// A design compressed to the cross-products that the likelihood needs; rows are not looked at
/// again. Cheap to copy, immutable.
///
///     const MixedModel model(design);
///     const MixedFit fit = model.fit({.criterion = Criterion::ml});
///     const FixedInference inference(model, fit, DegreesOfFreedom::satterthwaite);
///
/// Throws DataError if the design allows no estimate: no rows, no column, non-finite numbers,
/// weights that are not positive, no degree of freedom left for the residual, or a grouping factor
/// with as many levels as rows (its effects and the residual cannot be told apart).
class MixedModel {
 public:
  explicit MixedModel(const Design& design, int threads = 1);
  /// The same as from make_design(formula, table, options). Where grouping factors are nested and
  /// the rows of each group stand together, the columns of the model are made for a few thousand
  /// rows at a time, which takes less time and little memory.
  MixedModel(const Formula& formula, const Table& table, const DesignOptions& options = {},
             int threads = 1);

  /// Minimises the criterion. Nothing is thrown for a singular or an unfinished fit: see
  /// MixedFit::optimizer.
  [[nodiscard]] MixedFit fit(const FitOptions& options = {}) const;

  /// Kept by the functions of inference.hpp.
  struct Data;
  explicit MixedModel(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  [[nodiscard]] const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

/// MixedModel(design).fit(options).
MixedFit fit_mixed_model(const Design& design, const FitOptions& options = {});

/// Fits the model of a design to another response of its rows, such as one of
/// simulate_responses(): columns, groups and weights are taken as they are. Throws as MixedModel
/// does, and InvalidArgument unless `response` has as many values as the design has rows.
MixedFit refit_mixed_model(Design design, const VectorView& response,
                           const FitOptions& options = {});

/// MixedModel(formula, table, design_options).fit(options).
MixedFit fit_mixed_model(const Formula& formula, const Table& table, const FitOptions& options = {},
                         const DesignOptions& design_options = {});

/// offset + Xβ + Zb for every row of the design (conditional), or offset + Xβ (`population`).
[[nodiscard]] Eigen::VectorXd fitted_values(const Design& design, const MixedFit& fit,
                                            bool population = false);

}  // namespace rapport
