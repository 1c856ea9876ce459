#include <rapport/mixed/covariance.hpp>

#include <algorithm>
#include <numeric>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

CovarianceStructure::CovarianceStructure(std::vector<std::vector<Index>> blocks)
    : blocks_(std::move(blocks)) {
  for (Index level = 0; level < n_levels(); ++level) {
    Index first = 0;
    for (const Index block : blocks_[at(level)]) {
      for (Index column = first; column < first + block; ++column)
        for (Index row = column; row < first + block; ++row)
          coordinates_.push_back({level, row, column});
      first += block;
    }
    sizes_.push_back(first);
    offsets_.push_back(n_parameters());
  }
}

std::vector<Eigen::MatrixXd> CovarianceStructure::factors(const Eigen::VectorXd& theta) const {
  std::vector<Eigen::MatrixXd> result;
  for (const Index size : sizes_) result.push_back(Eigen::MatrixXd::Zero(size, size));
  for (Index k = 0; k < n_parameters(); ++k) {
    const Coordinate& c = coordinates_[at(k)];
    result[at(c.level)](c.row, c.column) = theta[k];
  }
  return result;
}

Eigen::VectorXd CovarianceStructure::theta(const std::vector<Eigen::MatrixXd>& factors) const {
  Eigen::VectorXd result(n_parameters());
  for (Index k = 0; k < n_parameters(); ++k) {
    const Coordinate& c = coordinates_[at(k)];
    result[k] = factors[at(c.level)](c.row, c.column);
  }
  return result;
}

std::vector<Eigen::MatrixXd> CovarianceStructure::covariances(const Eigen::VectorXd& psi) const {
  std::vector<Eigen::MatrixXd> result = factors(psi);
  for (Eigen::MatrixXd& matrix : result)
    matrix.triangularView<Eigen::StrictlyUpper>() = matrix.transpose();
  return result;
}

Eigen::MatrixXd CovarianceStructure::jacobian(const Eigen::VectorXd& theta) const {
  const std::vector<Eigen::MatrixXd> lambda = factors(theta);
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(n_parameters(), n_parameters());
  for (Index level = 0; level < n_levels(); ++level)
    for (Index k = offset(level); k < offset(level + 1); ++k)
      for (Index t = offset(level); t < offset(level + 1); ++t) {
        const Coordinate& psi = coordinates_[at(k)];
        const Coordinate& entry = coordinates_[at(t)];
        if (psi.row == entry.row) result(k, t) += lambda[at(level)](psi.column, entry.column);
        if (psi.column == entry.row) result(k, t) += lambda[at(level)](psi.row, entry.column);
      }
  return result;
}

Eigen::MatrixXd CovarianceStructure::curvature(const Eigen::VectorXd& psi_gradient) const {
  // ∂²Ψ/∂λ_ab ∂λ_cd is E_ac when b = d, so that the sum over k is g at (a, c), twice on the
  // diagonal.
  const std::vector<Eigen::MatrixXd> gradient = covariances(psi_gradient);
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(n_parameters(), n_parameters());
  for (Index s = 0; s < n_parameters(); ++s)
    for (Index t = 0; t < n_parameters(); ++t) {
      const Coordinate& a = coordinates_[at(s)];
      const Coordinate& b = coordinates_[at(t)];
      if (a.level == b.level && a.column == b.column)
        result(s, t) = gradient[at(a.level)](a.row, b.row) * (a.row == b.row ? 2 : 1);
    }
  return result;
}

Eigen::VectorXd CovarianceStructure::canonical(const Eigen::VectorXd& theta) const {
  std::vector<Eigen::MatrixXd> lambda = factors(theta);
  for (Eigen::MatrixXd& factor : lambda)
    for (Index column = 0; column < factor.cols(); ++column)
      if (factor(column, column) < 0) factor.col(column) *= -1;
  return this->theta(lambda);
}

}  // namespace rapport
