#include "covariance_sampler.hpp"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport {
namespace {

using Eigen::LLT;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double half_t_df = 2;         // uniform correlations
constexpr double slope_variance = 100;  // of the coefficients on the latent variables

/// log of the normal density of residuals with correlation matrix R, without constants.
double log_density(const MatrixXd& correlation, const MatrixXd& products, double n) {
  const LLT<MatrixXd> root(correlation);
  if (root.info() != Eigen::Success) return -std::numeric_limits<double>::infinity();
  const double log_root = root.matrixLLT().diagonal().array().log().sum();
  if (!std::isfinite(log_root)) return -std::numeric_limits<double>::infinity();
  return -n * log_root - root.solve(products).trace() / 2;
}

}  // namespace

MatrixXd normal_draws(Index rows, Index columns, RandomStream& stream) {
  MatrixXd draws(rows, columns);
  for (Index j = 0; j < columns; ++j)
    for (Index i = 0; i < rows; ++i) draws(i, j) = stream.normal();
  return draws;
}

MatrixXd inverse_wishart(double df, const MatrixXd& scale, RandomStream& stream) {
  // Bartlett's decomposition: W = TT' ~ W(df, I), and Σ = L W⁻¹ L' with scale = LL'.
  const Index d = scale.rows();
  MatrixXd root = MatrixXd::Zero(d, d);
  for (Index i = 0; i < d; ++i) {
    root(i, i) = std::sqrt(stream.chi_squared(df - static_cast<double>(i)));
    for (Index j = 0; j < i; ++j) root(i, j) = stream.normal();
  }
  const MatrixXd lower = LLT<MatrixXd>(scale).matrixL();
  const MatrixXd half =
      root.triangularView<Eigen::Lower>().solve(MatrixXd(lower.transpose()));  // T⁻¹ L'
  return half.transpose() * half;
}

CovarianceSampler::CovarianceSampler(const std::vector<bool>& unit, VectorXd scales,
                                     const VectorXd& variances) {
  for (std::size_t k = 0; k < unit.size(); ++k)
    (unit[k] ? unit_ : free_).push_back(static_cast<Index>(k));
  scales_ = scales(free_);
  auxiliary_ = scales_.cwiseAbs2();
  correlation_ =
      MatrixXd::Identity(static_cast<Index>(unit_.size()), static_cast<Index>(unit_.size()));
  covariance_ = variances.asDiagonal();
  for (const Index k : unit_) covariance_(k, k) = 1;
}

void CovarianceSampler::draw(const MatrixXd& products, double n, RandomStream& stream) {
  if (unit_.size() > 1) draw_correlations(products(unit_, unit_), n, stream);
  if (!free_.empty()) draw_rest(products, n, stream);
  covariance_(unit_, unit_) = correlation_;
  if (free_.empty()) return;
  const MatrixXd cross = correlation_ * coefficients_;
  covariance_(unit_, free_) = cross;
  covariance_(free_, unit_) = cross.transpose();
  covariance_(free_, free_) = residual_ + coefficients_.transpose() * cross;
}

/// One correlation after the other by slice sampling (Neal 2003), from (−1, 1) shrinking.
void CovarianceSampler::draw_correlations(const MatrixXd& products, double n,
                                          RandomStream& stream) {
  double current = log_density(correlation_, products, n);
  for (Index i = 1; i < correlation_.rows(); ++i)
    for (Index j = 0; j < i; ++j) {
      const double slice = current - stream.exponential();
      const double old = correlation_(i, j);
      double lower = -1;
      double upper = 1;
      while (true) {
        const double proposed = lower + (upper - lower) * stream.uniform();
        correlation_(i, j) = correlation_(j, i) = proposed;
        current = log_density(correlation_, products, n);
        if (current >= slice || upper - lower < 1e-14) break;
        (proposed < old ? lower : upper) = proposed;
      }
    }
}

/// Regression of the free residuals on those of variance 1: Σ₂ with the coefficients integrated
/// out, then the coefficients.
void CovarianceSampler::draw_rest(const MatrixXd& products, double n, RandomStream& stream) {
  const auto p = static_cast<Index>(free_.size());
  const auto u = static_cast<Index>(unit_.size());
  MatrixXd squares = products(free_, free_);
  MatrixXd mean(u, p);
  LLT<MatrixXd> precision;
  if (u > 0) {
    const MatrixXd cross = products(unit_, free_);
    precision.compute(MatrixXd(products(unit_, unit_)) + MatrixXd::Identity(u, u) / slope_variance);
    mean = precision.solve(cross);
    squares -= cross.transpose() * mean;
  }
  squares.diagonal() += (2 * half_t_df * auxiliary_.cwiseInverse()).eval();
  residual_ = inverse_wishart(half_t_df + static_cast<double>(p) - 1 + n, squares, stream);
  const LLT<MatrixXd> root(residual_);
  precision_ = root.solve(MatrixXd::Identity(p, p));
  for (Index k = 0; k < p; ++k)
    auxiliary_[k] = (half_t_df * precision_(k, k) + 1 / (scales_[k] * scales_[k])) /
                    stream.gamma((half_t_df + static_cast<double>(p)) / 2);
  coefficients_ = MatrixXd(u, p);
  if (u > 0)
    coefficients_ = mean + MatrixXd(precision.matrixU().solve(normal_draws(u, p, stream))) *
                               MatrixXd(root.matrixU());
}

Index CovarianceSampler::free_place(Index place) const {
  return std::lower_bound(free_.begin(), free_.end(), place) - free_.begin();
}

double CovarianceSampler::log_density_of_scale(Index place, double c) const {
  // The residuals' density loses c^−n and the change of variables gives it back; what is left is
  // the inverse Wishart of Σ₂, its own change of variables included.
  const Index k = free_place(place);
  const double df = half_t_df + static_cast<double>(free_.size()) - 1;
  return -df * std::log(c) - half_t_df / auxiliary_[k] * precision_(k, k) * (1 / (c * c) - 1);
}

void CovarianceSampler::rescale(Index place, double c) {
  const Index k = free_place(place);
  covariance_.row(place) *= c;
  covariance_.col(place) *= c;
  coefficients_.col(k) *= c;
  residual_.row(k) *= c;
  residual_.col(k) *= c;
  precision_.row(k) /= c;
  precision_.col(k) /= c;
}

}  // namespace rapport
