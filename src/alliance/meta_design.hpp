#pragma once

#include <rapport/alliance/meta.hpp>

#include "marginal_likelihood.hpp"
#include <functional>
#include <string>
#include <vector>

namespace rapport {

/// What the models of a meta-analysis share: X and its orthonormal form, and the rows of each
/// study.
struct MetaDesign {
  Eigen::MatrixXd x;  ///< k × p, the column of ones first
  Eigen::MatrixXd u;  ///< [Q y]
  Eigen::MatrixXd r;  ///< X = Q R
  std::vector<std::string> terms;
  std::vector<std::vector<Index>> studies;  ///< rows by study; empty: two levels
};

/// Checks the data in the name of `function` and makes the design.
MetaDesign make_meta_design(const std::string& function, const MetaData& data);

/// Rows of each study, of each effect where there are no studies.
std::vector<std::vector<Index>> clusters_of(const MetaData& data);

/// Fills the moments of y ~ N(Xβ, M(θ)) at θ; false where M is not positive definite.
using MomentsAt = std::function<bool(const Eigen::VectorXd& theta, MarginalMoments& moments)>;

/// The moments of the nested model, θ = (σ²_study, σ²_effect) or (σ²_effect).
MomentsAt nested_moments(const MetaData& data, const MetaDesign& design);

/// Coefficients on the scale of X, from those of Q.
GeneralizedLeastSquares on_scale_of_x(GeneralizedLeastSquares fit, const Eigen::MatrixXd& r);

/// M of the given rows under a fit.
Eigen::MatrixXd marginal_covariance(const MetaData& data, const MetaFit& fit,
                                    const std::vector<Index>& rows);

/// Estimate, test and interval; `df` ∞ means normal.
MetaCoefficient meta_coefficient(std::string term, double estimate, double standard_error,
                                 double df, double level);

/// Tests that the coefficients at `positions` are 0.
MetaWaldTest wald_test(std::string name, const Eigen::VectorXd& coefficients,
                       const Eigen::MatrixXd& covariance, const std::vector<Index>& positions,
                       double denominator_df);

}  // namespace rapport
