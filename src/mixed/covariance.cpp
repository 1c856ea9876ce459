#include <rapport/mixed/covariance.hpp>

#include <algorithm>
#include <numeric>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

/// Calls `visit(k, l, place)` for every two coordinates of a block; `place(i, j)` is the coordinate
/// at row i ≥ column j of their level.
template <class Visit>
void CovarianceStructure::for_block_pairs(const Visit& visit) const {
  Index start = 0;
  for (Index level = 0; level < n_levels(); ++level) {
    Index first = 0;
    for (const Index size : blocks(level)) {
      const auto place = [&](Index i, Index j) {
        const Index column = j - first;
        return start + column * size - column * (column - 1) / 2 + i - j;
      };
      const Index end = start + size * (size + 1) / 2;
      for (Index k = start; k < end; ++k)
        for (Index l = start; l < end; ++l) visit(k, l, place);
      start = end;
      first += size;
    }
  }
}

CovarianceStructure::CovarianceStructure() {
  static const std::shared_ptr<const Layout> empty = std::make_shared<const Layout>();
  layout_ = empty;
}

CovarianceStructure::CovarianceStructure(std::vector<std::vector<Index>> blocks) {
  Layout layout;
  for (std::size_t level = 0; level < blocks.size(); ++level) {
    Index first = 0;
    for (const Index block : blocks[level]) {
      for (Index column = first; column < first + block; ++column)
        for (Index row = column; row < first + block; ++row)
          layout.coordinates.push_back({static_cast<Index>(level), row, column});
      first += block;
    }
    layout.sizes.push_back(first);
    layout.offsets.push_back(static_cast<Index>(layout.coordinates.size()));
  }
  layout.blocks = std::move(blocks);
  layout_ = std::make_shared<const Layout>(std::move(layout));
}

std::vector<Eigen::MatrixXd> CovarianceStructure::factors(const Eigen::VectorXd& theta) const {
  std::vector<Eigen::MatrixXd> result;
  result.reserve(layout_->sizes.size());
  for (const Index size : layout_->sizes) result.emplace_back(Eigen::MatrixXd::Zero(size, size));
  for (Index k = 0; k < n_parameters(); ++k) {
    const Coordinate& c = coordinates()[at(k)];
    result[at(c.level)](c.row, c.column) = theta[k];
  }
  return result;
}

Eigen::VectorXd CovarianceStructure::theta(const std::vector<Eigen::MatrixXd>& factors) const {
  Eigen::VectorXd result(n_parameters());
  for (Index k = 0; k < n_parameters(); ++k) {
    const Coordinate& c = coordinates()[at(k)];
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
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(n_parameters(), n_parameters());
  // Λ has no entry above its diagonal.
  for_block_pairs([&](Index k, Index t, const auto& place) {
    const Coordinate& psi = coordinates()[at(k)];
    const Coordinate& entry = coordinates()[at(t)];
    if (psi.row == entry.row && psi.column >= entry.column)
      result(k, t) += theta[place(psi.column, entry.column)];
    if (psi.column == entry.row) result(k, t) += theta[place(psi.row, entry.column)];
  });
  return result;
}

Eigen::MatrixXd CovarianceStructure::curvature(const Eigen::VectorXd& psi_gradient) const {
  // ∂²Ψ/∂λ_ab ∂λ_cd is E_ac when b = d, so that the sum over k is g at (a, c), twice on the
  // diagonal.
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(n_parameters(), n_parameters());
  for_block_pairs([&](Index s, Index t, const auto& place) {
    const Coordinate& a = coordinates()[at(s)];
    const Coordinate& b = coordinates()[at(t)];
    if (a.column != b.column) return;
    const double gradient = psi_gradient[place(std::max(a.row, b.row), std::min(a.row, b.row))];
    result(s, t) = a.row == b.row ? 2 * gradient : gradient;
  });
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
