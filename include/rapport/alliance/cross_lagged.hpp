#pragma once

#include <rapport/base/interval.hpp>
#include <rapport/data/panel.hpp>

#include <string>
#include <vector>

namespace rapport {

struct CrossLaggedOptions {
  bool equal_over_time =
      false;  ///< one value for each lagged effect at every wave; nothing else is constrained
  double confidence_level = 0.95;
};

/// A lagged effect within persons, from wave `wave` − 1 to wave `wave`.
struct LaggedEffect {
  bool from_x;  ///< the predictor: x or y
  bool to_x;    ///< the outcome
  Index wave;   ///< of the outcome, position from 1
  double estimate;
  double standard_error;
  double statistic;  ///< z
  double p_value;
  ConfidenceInterval ci;
  double standardized;  ///< by the model-implied within-person SDs of predictor and outcome
};

/// The covariance of x and y within persons at one wave: of the residuals after the first.
struct WithinCovariance {
  Index wave;
  double estimate;
  double correlation;
};

/// Fit of the restricted against the unrestricted model.
struct ModelTest {
  double statistic;
  double df;
  double p_value;
};

/// The random-intercept cross-lagged panel model (Hamaker, Kuiper & Grasman 2015, "A critique of
/// the cross-lagged panel model"): each person has a stable level in x and in y, and the deviations
/// from it are carried over and across from one wave to the next. Variances are not bounded: a
/// negative one says that the model does not suit the data.
struct [[nodiscard]] CrossLaggedFit {
  std::vector<LaggedEffect> effects;  ///< by wave: x→x, y→x, x→y, y→y
  double x_variance;                  ///< of the random intercepts
  double y_variance;
  double covariance;
  double correlation;                         ///< NaN if a variance is not positive
  Eigen::VectorXd intercept_standard_errors;  ///< of x_variance, y_variance, covariance
  std::vector<WithinCovariance> within_covariances;
  Eigen::VectorXd x_means;  ///< T
  Eigen::VectorXd y_means;  ///< T
  double log_likelihood;
  double unrestricted_log_likelihood;  ///< NaN if two waves were never observed in the same person,
                                       ///< or persons are too few
  double baseline_log_likelihood;      ///< of independent variables
  ModelTest chi_square;
  double cfi;  ///< against the baseline of independent variables
  double tli;
  double rmsea;
  double srmr;  ///< with means (Bentler 1995)
  double aic;
  double bic;  ///< by the number of persons
  Index parameters;
  Index iterations;
  bool converged;
  bool proper;   ///< every variance is positive and every covariance matrix of the model positive
                 ///< definite
  Index n_used;  ///< persons with any value
  Index n_omitted;
};

/// Fits the model to `x` and `y` (persons × T waves, T ≥ 3, NaN where missing) by full-information
/// maximum likelihood with standard errors from the observed information. Throws InvalidArgument if
/// the shapes differ or T < 3, DataError if a variable has no variance, or a wave no value.
CrossLaggedFit random_intercept_cross_lagged(const MatrixView& x, const MatrixView& y,
                                             const CrossLaggedOptions& options = {});

/// The values of `x` at the given sessions, patients × sessions; NaN where the patient has no such
/// session.
[[nodiscard]] Eigen::MatrixXd in_waves(const Panel& panel, const VectorView& x,
                                       const std::vector<double>& sessions);

}  // namespace rapport
