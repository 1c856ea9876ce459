#pragma once

#include <rapport/mixed/fit.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <numbers>
#include <vector>

namespace rapport::testing_support {

/// The ML or REML criterion by its definition: V = σ²W⁻¹ + Σ Z Σ_t Z' as an n × n matrix, β by
/// generalised least squares. `covariances` are those of Design::random, in the user's units.
inline double dense_criterion(const Design& design, const std::vector<Eigen::MatrixXd>& covariances,
                              double sigma, Criterion criterion) {
  const Index n = design.response.size();
  Eigen::MatrixXd v = Eigen::MatrixXd::Zero(n, n);
  for (Index i = 0; i < n; ++i)
    v(i, i) = sigma * sigma / (design.weights.size() > 0 ? design.weights[i] : 1.0);
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    for (Index j = 0; j < n; ++j)
      for (Index i = 0; i < n; ++i)
        if (term.group[static_cast<std::size_t>(i)] == term.group[static_cast<std::size_t>(j)])
          v(i, j) += term.columns.row(i).dot(covariances[t] * term.columns.row(j).transpose());
  }
  Eigen::VectorXd y = design.response;
  if (design.offset.size() > 0) y -= design.offset;
  const Eigen::LLT<Eigen::MatrixXd> llt(v);
  const Eigen::MatrixXd x = llt.matrixL().solve(design.fixed);
  const Eigen::VectorXd z = llt.matrixL().solve(y);
  const Eigen::LLT<Eigen::MatrixXd> information(x.transpose() * x);
  const Eigen::VectorXd beta = information.solve(x.transpose() * z);
  const Eigen::MatrixXd root = llt.matrixL();
  double result = 2 * root.diagonal().array().log().sum() + (z - x * beta).squaredNorm();
  double degrees = static_cast<double>(n);
  if (criterion == Criterion::reml) {
    const Eigen::MatrixXd upper = information.matrixU();
    result += 2 * upper.diagonal().array().log().sum();
    degrees -= static_cast<double>(design.fixed.cols());
  }
  return result + degrees * std::log(2 * std::numbers::pi);
}

/// The covariances of a fit term by term (lower triangles), then σ.
inline Eigen::VectorXd parameters_of(const MixedFit& fit) {
  std::vector<double> values;
  for (const RandomEffects& term : fit.random)
    for (Index j = 0; j < term.covariance.cols(); ++j)
      for (Index i = j; i < term.covariance.rows(); ++i) values.push_back(term.covariance(i, j));
  values.push_back(fit.residual.sd);
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

/// The criterion of the fit at other parameters, in the order of parameters_of().
inline double dense_at(const Design& design, const MixedFit& fit,
                       const Eigen::VectorXd& parameters) {
  std::vector<Eigen::MatrixXd> covariances;
  Index k = 0;
  for (const RandomEffects& term : fit.random) {
    Eigen::MatrixXd covariance = term.covariance;
    for (Index j = 0; j < covariance.cols(); ++j)
      for (Index i = j; i < covariance.rows(); ++i)
        covariance(i, j) = covariance(j, i) = parameters[k++];
    covariances.push_back(covariance);
  }
  return dense_criterion(design, covariances, parameters[k], fit.criterion.method);
}

}  // namespace rapport::testing_support
