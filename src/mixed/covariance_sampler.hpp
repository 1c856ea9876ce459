#pragma once

#include <rapport/base/random.hpp>

#include <Eigen/Core>

#include <vector>

namespace rapport {

/// A draw from the inverse Wishart distribution: Σ⁻¹ ~ W(df, scale⁻¹); df > dimension − 1.
Eigen::MatrixXd inverse_wishart(double df, const Eigen::MatrixXd& scale, RandomStream& stream);

/// A matrix of independent standard normal draws.
Eigen::MatrixXd normal_draws(Index rows, Index columns, RandomStream& stream);

/// Draws the covariance matrix Σ of normal residuals from its conditional posterior. Latent
/// variables of binary data have variance 1: their correlations are uniform over all that are
/// possible. The other variables given those have coefficients N(0, 100 Σ₂) and a covariance
/// matrix Σ₂ whose SDs are half-t on 2 degrees of freedom and whose correlations are uniform (Huang
/// & Wand 2013): with wide scales that says next to nothing about either.
class CovarianceSampler {
 public:
  /// `scales` are those of the half-t distributions; where `unit` is true they are not used.
  CovarianceSampler(const std::vector<bool>& unit, Eigen::VectorXd scales,
                    const Eigen::VectorXd& variances);

  [[nodiscard]] const Eigen::MatrixXd& covariance() const { return covariance_; }
  /// Given `n` residuals with sums of squares and products E'E.
  void draw(const Eigen::MatrixXd& products, double n, RandomStream& stream);

  /// The log density, in log c, of multiplying the residuals in `place` (not of variance 1) by c
  /// with their row and column of Σ, as far as Σ and the residuals tell; 0 at c = 1. After draw().
  [[nodiscard]] double log_density_of_scale(Index place, double c) const;
  void rescale(Index place, double c);

 private:
  void draw_correlations(const Eigen::MatrixXd& products, double n, RandomStream& stream);
  [[nodiscard]] Index free_place(Index place) const;
  void draw_rest(const Eigen::MatrixXd& products, double n, RandomStream& stream);

  std::vector<Index> unit_;
  std::vector<Index> free_;
  Eigen::VectorXd scales_;     ///< of the free ones
  Eigen::VectorXd auxiliary_;  ///< Huang and Wand's a
  Eigen::MatrixXd correlation_;
  Eigen::MatrixXd coefficients_;  ///< unit × free
  Eigen::MatrixXd residual_;      ///< Σ₂
  Eigen::MatrixXd precision_;     ///< Σ₂⁻¹
  Eigen::MatrixXd covariance_;
};

}  // namespace rapport
