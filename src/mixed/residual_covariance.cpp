#include "residual_covariance.hpp"

#include <Eigen/Cholesky>

#include "disjoint_sets.hpp"
#include "residual_structure.hpp"
#include <algorithm>
#include <cmath>
#include <map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

bool has_cells(const ResidualStructure& structure, const Design& design) {
  if (!structure.variance.empty() || design.weights.size() > 0) return false;
  return structure.correlation == ResidualCorrelation::unstructured ||
         structure.correlation == ResidualCorrelation::toeplitz ||
         structure.correlation == ResidualCorrelation::compound_symmetry;
}

/// Which covariance stands at two rows of a group, by their times.
double cell_of(ResidualCorrelation correlation, double s, double t) {
  if (correlation == ResidualCorrelation::compound_symmetry) return s == t ? 0 : 1;
  return std::abs(s - t);
}

}  // namespace

ResidualCovariance::ResidualCovariance(const Design& design, const ResidualStructure& structure,
                                       const ResidualFit& fit)
    : design_(design),
      structure_(structure),
      fit_(fit),
      rows_(structured_rows(design, structure)),
      correlation_(make_correlation(structure.correlation, rows_)),
      variance_(structure.variance, rows_.order),
      strata_as_variances_(structure.variance.size() == 1 &&
                           structure.variance.front().function == VarianceFunction::by_level),
      linear_(has_cells(structure, design)) {
  for (const RandomTerm& term : design.random)
    n_random_ += term.columns.cols() * (term.columns.cols() + 1) / 2;
  const Index n_correlation = correlation_->start().size();
  kappa_ = fit.fit.information.theta.segment(n_random_, n_correlation);
  delta_ = fit.fit.information.theta.tail(variance_.n_parameters());
  for (Index g = 0; g < rows_.n_groups(); ++g) {
    const Index n = rows_.group_starts[at(g + 1)] - rows_.group_starts[at(g)];
    block_start_.push_back(block_size_);
    block_size_ += n * n;
  }
  find_components();
  residual_ = blocks(natural());
}

void ResidualCovariance::find_components() {
  const auto n = rows_.order.size();
  std::vector<std::size_t> first_level;
  std::size_t nodes = at(rows_.n_groups());
  for (const RandomTerm& term : design_.random) {
    first_level.push_back(nodes);
    nodes += term.levels.size();
  }
  DisjointSets sets(nodes);
  std::vector<std::size_t> group_of(n);  // of sorted rows
  for (Index g = 0; g < rows_.n_groups(); ++g) {
    for (Index k = rows_.group_starts[at(g)]; k < rows_.group_starts[at(g + 1)]; ++k) {
      group_of[at(k)] = at(g);
      for (std::size_t t = 0; t < design_.random.size(); ++t) {
        const auto level =
            static_cast<std::size_t>(design_.random[t].group[at(rows_.order[at(k)])]);
        sets.join(at(g), first_level[t] + level);
      }
    }
  }
  std::map<std::size_t, Index> number;
  component_of_.resize(n);
  place_.resize(n);
  for (Index g = 0; g < rows_.n_groups(); ++g) {
    const auto found = number.emplace(sets.find(at(g)), n_components());
    if (found.second) components_.emplace_back();
    Component& component = components_[at(found.first->second)];
    component.groups.push_back(g);
    for (Index k = rows_.group_starts[at(g)]; k < rows_.group_starts[at(g + 1)]; ++k) {
      const Index row = rows_.order[at(k)];
      component_of_[at(row)] = found.first->second;
      place_[at(row)] = static_cast<Index>(component.rows.size());
      component.rows.push_back(row);
    }
  }
}

VectorXd ResidualCovariance::natural() const {
  const VectorXd correlation = correlation_->natural(kappa_);
  const VectorXd variance = variance_.natural(delta_);
  VectorXd natural(1 + correlation.size() + variance.size());
  const double sigma2 = fit_.fit.residual.sd * fit_.fit.residual.sd;
  natural << sigma2, correlation, variance;
  if (strata_as_variances_)
    natural.tail(variance.size()) = sigma2 * variance.array().square().matrix();
  return natural;
}

/// The covariances of the residuals of every group, one after another.
VectorXd ResidualCovariance::blocks(const VectorXd& natural) {
  const double sigma2 = natural[0];
  VectorXd variance = natural.tail(delta_.size());
  if (strata_as_variances_) variance = (variance / sigma2).cwiseSqrt();
  correlation_->set(correlation_->unconstrained(natural.segment(1, kappa_.size())));
  variance_.set(variance_.unconstrained(variance));
  VectorXd result(block_size_);
  for (Index g = 0; g < rows_.n_groups(); ++g) {
    const Index first = rows_.group_starts[at(g)];
    const Index n = rows_.group_starts[at(g + 1)] - first;
    const MatrixXd r = correlation_->matrix(rows_.time.segment(first, n));
    VectorXd sd(n);
    for (Index k = 0; k < n; ++k) {
      sd[k] = variance_.multiplier()[variance_.class_of()[at(first + k)]];
      if (design_.weights.size() > 0)
        sd[k] /= std::sqrt(design_.weights[rows_.order[at(first + k)]]);
    }
    Eigen::Map<MatrixXd>(result.data() + block_start_[at(g)], n, n) =
        sigma2 * sd.asDiagonal() * r * sd.asDiagonal();
  }
  return result;
}

Eigen::Map<const MatrixXd> ResidualCovariance::block(Index group, const VectorXd& blocks) const {
  const Index n = rows_.group_starts[at(group + 1)] - rows_.group_starts[at(group)];
  return {blocks.data() + block_start_[at(group)], n, n};
}

MatrixXd ResidualCovariance::assembled(Index component, const VectorXd& blocks) const {
  const Component& part = components_[at(component)];
  const auto n = static_cast<Index>(part.rows.size());
  MatrixXd result = MatrixXd::Zero(n, n);
  Index first = 0;
  for (const Index group : part.groups) {
    const Eigen::Map<const MatrixXd> values = block(group, blocks);
    result.block(first, first, values.rows(), values.rows()) = values;
    first += values.rows();
  }
  return result;
}

MatrixXd ResidualCovariance::covariance(Index component) const {
  MatrixXd v = assembled(component, residual_);
  const std::vector<Index>& part = rows(component);
  for (std::size_t t = 0; t < design_.random.size(); ++t) {
    const RandomTerm& term = design_.random[t];
    const MatrixXd z = term.columns(part, Eigen::all);
    const MatrixXd moved = z * fit_.fit.random[t].covariance;
    for (Index j = 0; j < v.cols(); ++j) {
      for (Index i = 0; i < v.rows(); ++i) {
        if (term.group[at(part[at(i)])] == term.group[at(part[at(j)])])
          v(i, j) += moved.row(i).dot(z.row(j));
      }
    }
  }
  return v;
}

MatrixXd ResidualCovariance::residual_factor(Index group) const {
  return Eigen::LLT<MatrixXd>(block(group, residual_)).matrixL();
}

void ResidualCovariance::differentiate() {
  if (linear_)
    set_cells();
  else
    differentiate_residuals();
  n_residual_ = static_cast<Index>(slopes_.size());
}

/// A covariance for each kind of pair.
void ResidualCovariance::set_cells() {
  const bool unstructured = structure_.correlation == ResidualCorrelation::unstructured;
  std::map<std::pair<double, double>, std::size_t> number;
  for (Index g = 0; g < rows_.n_groups(); ++g) {
    const Index first = rows_.group_starts[at(g)];
    const Index n = rows_.group_starts[at(g + 1)] - first;
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < n; ++i) {
        const double s = rows_.time[first + std::min(i, j)];
        const double t = rows_.time[first + std::max(i, j)];
        const auto key =
            unstructured ? std::pair(s, t) : std::pair(cell_of(structure_.correlation, s, t), 0.0);
        const auto found = number.emplace(key, slopes_.size());
        if (found.second) slopes_.emplace_back(VectorXd::Zero(block_size_));
        slopes_[found.first->second][block_start_[at(g)] + i + j * n] = 1;
      }
    }
  }
}

/// Central differences of fourth order; entries are smooth functions, so that these have ten
/// digits.
void ResidualCovariance::differentiate_residuals() {
  const VectorXd center = natural();
  const Index k = center.size();
  VectorXd step(k);
  for (Index a = 0; a < k; ++a) step[a] = 3e-3 * std::max(std::abs(center[a]), 0.1);
  step[0] = 3e-3 * center[0];
  for (Index a = 0; a < kappa_.size(); ++a) {
    const VectorXd moved = 1e-4 * VectorXd::Unit(kappa_.size(), a);
    step[1 + a] = 3e-3 *
                  std::abs(correlation_->natural(kappa_ + moved)[a] -
                           correlation_->natural(kappa_ - moved)[a]) /
                  2e-4;
  }
  if (strata_as_variances_) step.tail(delta_.size()) = 3e-3 * center.tail(delta_.size());
  const auto shifted = [&](Index a, double by_a, Index b, double by_b) {
    VectorXd natural = center;
    natural[a] += by_a * step[a];
    natural[b] += by_b * step[b];
    return blocks(natural);
  };
  for (Index a = 0; a < k; ++a) {
    const VectorXd up = shifted(a, 1, a, 0);
    const VectorXd down = shifted(a, -1, a, 0);
    const VectorXd far_up = shifted(a, 2, a, 0);
    const VectorXd far_down = shifted(a, -2, a, 0);
    slopes_.emplace_back((8 * (up - down) - (far_up - far_down)) / (12 * step[a]));
    for (Index b = 0; b < a; ++b) {
      const auto mixed = [&](double h) -> VectorXd {
        return (shifted(a, h, b, h) - shifted(a, h, b, -h) - shifted(a, -h, b, h) +
                shifted(a, -h, b, -h)) /
               (4 * h * h * step[a] * step[b]);
      };
      curvatures_.emplace_back((4 * mixed(1) - mixed(2)) / 3);
    }
    curvatures_.emplace_back((16 * (up + down) - (far_up + far_down) - 30 * residual_) /
                             (12 * step[a] * step[a]));
    // σ² alone, without strata, scales V.
    if (a == 0 && !strata_as_variances_) curvatures_.back().setZero();
  }
}

MatrixXd ResidualCovariance::slope(Index component, Index parameter) const {
  if (parameter >= n_random_) return assembled(component, slopes_[at(parameter - n_random_)]);
  std::size_t t = 0;
  Index first = 0;
  for (;; ++t) {
    const Index q = design_.random[t].columns.cols();
    if (parameter < first + q * (q + 1) / 2) break;
    first += q * (q + 1) / 2;
  }
  const RandomTerm& term = design_.random[t];
  Index row = parameter - first;
  Index column = 0;
  for (Index left = term.columns.cols(); row >= left; --left) {
    row -= left;
    ++column;
  }
  row += column;
  const std::vector<Index>& part = rows(component);
  const auto n = static_cast<Index>(part.size());
  MatrixXd result = MatrixXd::Zero(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      const Index a = part[at(i)];
      const Index b = part[at(j)];
      if (term.group[at(a)] != term.group[at(b)]) continue;
      result(i, j) = term.columns(a, row) * term.columns(b, column);
      if (row != column) result(i, j) += term.columns(a, column) * term.columns(b, row);
    }
  }
  return result;
}

bool ResidualCovariance::is_curved(Index a, Index b) const {
  return !linear_ && a >= n_random_ && b >= n_random_;
}

MatrixXd ResidualCovariance::curvature(Index component, Index a, Index b) const {
  const Index i = std::max(a, b) - n_random_;
  const Index j = std::min(a, b) - n_random_;
  return assembled(component, curvatures_[at(i * (i + 1) / 2 + j)]);
}

}  // namespace rapport::detail
