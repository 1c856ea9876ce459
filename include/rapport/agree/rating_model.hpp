#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <vector>

namespace rapport {

/// Ratings one a row: y = Xβ + subject + rater + e.
struct RatingDesign {
  Eigen::VectorXd response;           ///< n
  Eigen::MatrixXd fixed;              ///< n × p, of full rank
  std::vector<std::int32_t> subject;  ///< n codes from 0, each below the largest occurring
  std::vector<std::int32_t> rater;    ///< the same; empty: no effect of raters
};

struct RatingModelOptions {
  bool reml = true;
  /// Let the ratings of a subject correlate negatively: compound symmetry, ρ > −1 / (m − 1) for the
  /// largest number m of ratings of a subject. Only without raters.
  bool compound_symmetry = false;
};

/// Variances are NaN if the response leaves nothing to explain.
struct [[nodiscard]] RatingModel {
  Eigen::VectorXd coefficients;  ///< p
  Eigen::MatrixXd covariance;    ///< p × p
  double subject;   ///< variance; the covariance within subjects, < 0 only under compound symmetry
  double rater;     ///< variance; 0 without raters
  double residual;  ///< variance
  /// Covariance of √(subject / residual) and √(rater / residual), from the inverse Hessian of the
  /// profiled criterion; a row is NaN where the ratio is 0 (the boundary). Unset under compound
  /// symmetry.
  Eigen::Matrix2d ratio_covariance;
  double log_likelihood;  ///< restricted under REML, with all constants
  Index observations;
  Index subjects;
  Index raters;
  bool converged;
};

/// Maximum (restricted) likelihood for crossed subjects and raters. Subjects are eliminated by
/// hand: what the likelihood needs are sums over subjects with equal numbers of ratings, so that an
/// evaluation costs O((raters + p)³) whatever the number of subjects. Give the more numerous factor
/// as `subject`.
/// Throws InvalidArgument if sizes differ, DataError if no subject has two ratings or no degree of
/// freedom is left.
RatingModel fit_rating_model(const RatingDesign& design, const RatingModelOptions& options = {});

/// Exact F test of no subject variance against the residual, raters removed as fixed effects
/// (Seely & El-Bassiouni 1983). NaN where no degree of freedom is left.
struct [[nodiscard]] SubjectTest {
  double f;
  double df1;
  double df2;
};
SubjectTest subject_test(const RatingDesign& design);

}  // namespace rapport
