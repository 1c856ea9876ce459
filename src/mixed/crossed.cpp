#include "crossed.hpp"

#include "crossed_solve.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Supernode = SupernodalPattern::Supernode;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::vector<MatrixXd> transposed(const std::vector<MatrixXd>& matrices) {
  std::vector<MatrixXd> result;
  for (const MatrixXd& matrix : matrices) result.emplace_back(matrix.transpose());
  return result;
}

}  // namespace

// ---- Root ----

/// True if a level of the root has several effects.
bool CrossedCrossProducts::has_vectors() const {
  return std::any_of(layout_->levels.begin(), layout_->levels.end(),
                     [](const RootLevel& level) { return level.size > 1; });
}

VectorXd CrossedCrossProducts::column_scales(const std::vector<MatrixXd>& blocks) const {
  VectorXd scales = VectorXd::Ones(layout_->root.columns());
  for (Index column = 0; column < scales.size(); ++column) {
    const auto level = static_cast<std::size_t>(layout_->column_level[at(column)]);
    if (layout_->levels[level].size == 1) scales[column] = blocks[level + 1](0, 0);
  }
  return scales;
}

void CrossedCrossProducts::scale_rows(const std::vector<MatrixXd>& blocks,
                                      Eigen::Ref<MatrixXd> rows) const {
  const VectorXd scales = column_scales(blocks);
  rows.array().colwise() *= scales.array();
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    const RootLevel& level = layout_->levels[l];
    if (level.size == 1) continue;
    for (const Index first : level.column) {
      auto own = rows.middleRows(first, level.size);
      own = (blocks[l + 1].transpose() * own).eval();
    }
  }
}

void CrossedCrossProducts::scale_root(const std::vector<MatrixXd>& blocks,
                                      SupernodalMatrix& matrix) const {
  const auto level_at = [&](std::int32_t column) {
    return static_cast<std::size_t>(layout_->column_level[static_cast<std::size_t>(column)]);
  };
  const VectorXd scales = column_scales(blocks);
  for (const Supernode& s : layout_->root.supernodes()) {
    auto panel = matrix.panel(s);
    const std::int32_t* rows = layout_->root.rows(s);
    for (Index j = 0; j < s.width; ++j) {
      double* column = panel.col(j).data();
      for (Index i = j; i < s.n_rows; ++i) column[i] *= scales[s.first + j] * scales[rows[i]];
    }
    if (!has_vectors()) continue;
    for (Index j = 0; j < s.n_rows; ++j) {
      const std::size_t level = level_at(rows[j]);
      const Index size = layout_->levels[level].size;
      if (size == 1) continue;
      const MatrixXd& block = blocks[level + 1];
      if (j < s.width) {
        auto own = panel.block(j, j, size, size);
        own.triangularView<Eigen::StrictlyUpper>() = own.transpose();
        auto columns = panel.block(j, j, s.n_rows - j, size);
        columns = (columns * block).eval();
      }
      const Index left = std::min(j + size, s.width);
      auto row = panel.block(j, 0, size, left);
      row = (block.transpose() * row).eval();
      j += size - 1;
    }
  }
}

std::shared_ptr<CrossedCrossProducts::Solved> CrossedCrossProducts::solve(
    const std::vector<MatrixXd>& factors) const {
  const auto solved = std::make_shared<Solved>(root_gram_);
  solved->factors = factors;
  solved->leaves = whiten(factors.front());
  const Leaves& leaves = solved->leaves;
  solved->gram = remainder_fixed_;
  solved->gram.noalias() += leaves.fixed * leaves.fixed.transpose();
  solved->log_determinant = leaves.log_determinant;
  solved->half = remainder_cross_ + to_root(leaves.fixed, leaves.c).transpose();
  scale_rows(factors, solved->half);

  SupernodalMatrix& lower = solved->lower;
  add_leaf_products(leaves.known, leaves.known, -1, lower);
  scale_root(factors, lower);
  for (const Supernode& s : layout_->root.supernodes()) lower.panel(s).diagonal().array() += 1;
  if (!lower.factorize()) {
    solved->log_determinant = std::numeric_limits<double>::quiet_NaN();
    solved->gram.setConstant(solved->log_determinant);
    return solved;
  }
  solved->log_determinant += lower.log_determinant();
  lower.solve_lower(solved->half);
  solved->gram.noalias() -= solved->half.transpose() * solved->half;
  return solved;
}

WeightedGram CrossedCrossProducts::value(const std::vector<MatrixXd>& factors) const {
  if (std::all_of(factors.begin() + 1, factors.end(),
                  [](const MatrixXd& factor) { return factor.isZero(0); })) {
    const Leaves leaves = whiten(factors.front());
    MatrixXd gram = remainder_fixed_;
    gram.noalias() += leaves.fixed * leaves.fixed.transpose();
    return {leaves.log_determinant, std::move(gram)};
  }
  std::shared_ptr<const Solved> solved = solve(factors);
  return {solved->log_determinant, solved->gram, std::move(solved)};
}

// ---- Effects ----

std::vector<LevelEffects> CrossedCrossProducts::effects(const std::vector<MatrixXd>& factors,
                                                        const VectorXd& combination) const {
  const Index q = leaf_size_;
  const std::shared_ptr<const Solved> solved = solve(factors);
  const std::vector<MatrixXd> back = transposed(factors);
  MatrixXd mean = solved->half * combination;
  solved->lower.solve_transposed(mean);
  scale_rows(back, mean);
  SupernodalMatrix covariance = solved->lower.selected_inverse();

  const Leaves& leaves = solved->leaves;
  MatrixXd b(q, leaf_c_.cols());
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const Index first = layout_->first[at(leaf)];
    const Index n = layout_->first[at(leaf + 1)] - first;
    b.middleCols(first, n).noalias() =
        leaves.r.middleCols(leaf * q, q).transpose() * leaves.c.middleCols(first, n);
  }
  MatrixXd scaled_b = b;
  scale_entries(factors, scaled_b);
  const MatrixXd spread = leaf_forms(scaled_b, covariance);
  scale_root(back, covariance);

  std::vector<LevelEffects> result(factors.size());
  result.front().mean.resize(n_leaves(), q);
  result.front().covariance.resize(n_leaves() * q, q);
  const MatrixXd predicted = to_leaves(mean.transpose(), b);
  const MatrixXd psi = factors.front() * factors.front().transpose();
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const VectorXd residual = leaves.r.middleCols(leaf * q, q).transpose() *
                                  (leaves.fixed.middleCols(leaf * q, q).transpose() * combination) -
                              predicted.middleCols(leaf * q, q).transpose();
    result.front().mean.row(leaf) = (psi * residual).transpose();
    result.front().covariance.middleRows(leaf * q, q) =
        node_covariance(leaf_r_.middleCols(leaf * q, q), factors.front()) +
        psi * spread.middleCols(leaf * q, q) * psi;
  }
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    const RootLevel& level = layout_->levels[l];
    LevelEffects& effects = result[l + 1];
    effects.mean.resize(level.n_groups, level.size);
    effects.covariance.resize(level.n_groups * level.size, level.size);
    for (Index g = 0; g < level.n_groups; ++g) {
      const Index first = level.column[at(g)];
      effects.mean.row(g) = mean.col(0).segment(first, level.size).transpose();
      for (Index j = 0; j < level.size; ++j)
        for (Index i = j; i < level.size; ++i) {
          const double value = covariance.values()[at(layout_->root.place(first + i, first + j))];
          effects.covariance(g * level.size + i, j) = value;
          effects.covariance(g * level.size + j, i) = value;
        }
    }
  }
  return result;
}

}  // namespace rapport
