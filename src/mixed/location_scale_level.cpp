#include <Eigen/Eigenvalues>
#include <Eigen/Jacobi>

#include "location_scale_objective.hpp"
#include <cmath>

namespace rapport::detail {

using Eigen::MatrixXd;
using Eigen::VectorXd;

NodeMoments::NodeMoments(Index q)
    : m(VectorXd::Zero(q)), um(VectorXd::Zero(q)), r(VectorXd::Zero(q)), mm(MatrixXd::Zero(q, q)) {}

void NodeMoments::clear() {
  one = u = uu = 0;
  m.setZero();
  um.setZero();
  r.setZero();
  mm.setZero();
}

void NodeMoments::add(double weight, double at, const double* mean, const double* variance) {
  one += weight;
  u += weight * at;
  uu += weight * at * at;
  for (Index j = 0; j < m.size(); ++j) {
    const double weighted = weight * mean[j];
    m[j] += weighted;
    um[j] += at * weighted;
    r[j] += weight * variance[j];
    for (Index i = 0; i < m.size(); ++i) mm(i, j) += weighted * mean[i];
  }
}

LevelLikelihood::LevelLikelihood(Index q)
    : s_matrix(MatrixXd::Zero(q, q)),
      t(VectorXd::Zero(q)),
      m(VectorXd::Zero(q)),
      r(VectorXd::Zero(q)),
      basis(MatrixXd::Zero(q, q)),
      rotation(MatrixXd::Identity(q, q)),
      eigenvalues_(VectorXd::Zero(q)),
      c0_(VectorXd::Zero(q)),
      c1_(VectorXd::Zero(q)) {}

void LevelLikelihood::prepare(const MatrixXd& lambda, const VectorXd& a, double s) {
  s_ = s;
  const Index q = t.size();
  if (q == 1) {
    eigenvalues_[0] = lambda(0, 0) * lambda(0, 0) * s_matrix(0, 0);
    basis(0, 0) = lambda(0, 0);
  } else if (q > 1) {
    inner_.noalias() = s_matrix.lazyProduct(lambda);
    inner_ = lambda.transpose().lazyProduct(inner_).eval();
    diagonalize();
    basis.noalias() = lambda.lazyProduct(rotation);
  }
  sa_.noalias() = s_matrix.lazyProduct(a);
  c0_.noalias() = basis.transpose().lazyProduct(t);
  c1_.noalias() = basis.transpose().lazyProduct(sa_);
  at_ = a.dot(t);
  asa_ = a.dot(sa_);
}

void LevelLikelihood::diagonalize() {
  if (t.size() == 2) {
    Eigen::JacobiRotation<double> jacobi;
    jacobi.makeJacobi(inner_(0, 0), inner_(0, 1), inner_(1, 1));
    rotation.setIdentity();
    rotation.applyOnTheRight(0, 1, jacobi);
    for (Index k = 0; k < 2; ++k) {
      const double x = rotation(0, k);
      const double y = rotation(1, k);
      eigenvalues_[k] = x * x * inner_(0, 0) + 2 * x * y * inner_(1, 0) + y * y * inner_(1, 1);
    }
  } else {
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(inner_);
    eigenvalues_ = eigen.eigenvalues();
    rotation = eigen.eigenvectors();
  }
  eigenvalues_ = eigenvalues_.cwiseMax(0);
}

double LevelLikelihood::at(double u) {
  kappa = std::exp(-s_ * u);
  quadratic_ = ee - 2 * u * at_ + u * u * asa_;
  double determinant = 1;
  double explained = 0;  // Σ m c
  double trace = 0;      // tr SC
  double norm = 0;       // Σ λ m²
  for (Index i = 0; i < m.size(); ++i) {
    const double c = c0_[i] - u * c1_[i];
    const double inflation = 1 + kappa * eigenvalues_[i];
    r[i] = 1 / inflation;
    m[i] = kappa * c * r[i];
    determinant *= inflation;
    explained += m[i] * c;
    trace += eigenvalues_[i] * r[i];
    norm += eigenvalues_[i] * m[i] * m[i];
  }
  remaining_ = kappa * (quadratic_ - 2 * explained + norm + trace) - n;
  slope_in_s = 0.5 * u * remaining_;
  return -0.5 * (n * s_ * u + log_d + std::log(determinant) + kappa * (quadratic_ - explained));
}

void LevelLikelihood::slopes(double u, double& first, double& second) const {
  double with_effects = 0;  // Σ c₁ m
  const double slope = -2 * at_ + 2 * u * asa_;
  double curvature = kappa * (2 * asa_ - 2 * s_ * slope + s_ * s_ * quadratic_);
  for (Index i = 0; i < m.size(); ++i) {
    with_effects += c1_[i] * m[i];
    // The term f c² with f = κ² r and c = c₀ − u c₁, and log(1 + κλ).
    const double c = c0_[i] - u * c1_[i];
    const double f = kappa * kappa * r[i];
    const double f1 = -s_ * f * (1 + r[i]);
    const double f2 = s_ * s_ * f * ((1 + r[i]) * (1 + r[i]) - r[i] * (1 - r[i]));
    curvature +=
        s_ * s_ * r[i] * (1 - r[i]) - f2 * c * c + 4 * f1 * c * c1_[i] - 2 * f * c1_[i] * c1_[i];
  }
  first = 0.5 * s_ * remaining_ + kappa * (at_ - u * asa_ - with_effects);
  second = -0.5 * curvature;
}

}  // namespace rapport::detail
