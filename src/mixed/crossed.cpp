#include "crossed.hpp"

#include <Eigen/Cholesky>

#include "crossed_solve.hpp"
#include "dense.hpp"
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

/// Leaves whose rows are written out together where they meet most of the root.
constexpr Index leaf_chunk = 256;

std::vector<MatrixXd> transposed(const std::vector<MatrixXd>& matrices) {
  std::vector<MatrixXd> result;
  for (const MatrixXd& matrix : matrices) result.emplace_back(matrix.transpose());
  return result;
}

/// Where each row of a panel stands in it.
void number_rows(const SupernodalPattern& pattern, const Supernode& s,
                 std::vector<std::int32_t>& local) {
  const std::int32_t* rows = pattern.rows(s);
  for (Index i = 0; i < s.n_rows; ++i)
    local[static_cast<std::size_t>(rows[i])] = static_cast<std::int32_t>(i);
}

}  // namespace

// ---- Leaves ----

CrossedCrossProducts::Leaves CrossedCrossProducts::whiten(const MatrixXd& factor) const {
  const Index q = leaf_size_;
  Leaves leaves{0, leaf_r_, leaf_c_, leaf_fixed_};
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const Index first = layout_->first[at(leaf)];
    auto c = leaves.c.middleCols(first, layout_->first[at(leaf + 1)] - first);
    if (q == 1) {
      const double scaled = leaf_r_(0, leaf) * factor(0, 0);
      const double root = 1 / std::sqrt(1 + scaled * scaled);
      leaves.log_determinant -= 2 * std::log(root);
      leaves.r(0, leaf) *= root;
      leaves.fixed.col(leaf) *= root;
      c *= root;
      continue;
    }
    auto r = leaves.r.middleCols(leaf * q, q);
    auto fixed = leaves.fixed.middleCols(leaf * q, q);
    const MatrixXd scaled = r * factor;
    MatrixXd m = MatrixXd::Identity(q, q);
    m.noalias() += scaled * scaled.transpose();
    const Eigen::LLT<MatrixXd> llt(m);
    leaves.log_determinant += 2 * llt.matrixLLT().diagonal().array().log().sum();
    llt.matrixL().solveInPlace(r);
    llt.matrixL().solveInPlace(c);
    llt.matrixU().solveInPlace<Eigen::OnTheRight>(fixed);
  }
  return leaves;
}

bool CrossedCrossProducts::leaves_meet_most() const {
  constexpr double most = 0.25;
  return layout_->root.supernodes().size() == 1 &&
         static_cast<double>(layout_->met.size()) >
             most * static_cast<double>(n_leaves()) * static_cast<double>(layout_->root.columns());
}

MatrixXd CrossedCrossProducts::spread_rows(const MatrixXd& values, Index first, Index count) const {
  const Index q = values.rows();
  MatrixXd rows = MatrixXd::Zero(q * count, layout_->root.columns());
  for (Index leaf = 0; leaf < count; ++leaf)
    for (Index e = layout_->first[at(first + leaf)]; e < layout_->first[at(first + leaf + 1)]; ++e)
      rows.block(leaf * q, layout_->met[at(e)], q, 1) = values.col(e);
  return rows;
}

void CrossedCrossProducts::add_leaf_products(const MatrixXd& left, const MatrixXd& right,
                                             double scale, SupernodalMatrix& matrix) const {
  const Index q = left.rows();
  if (leaves_meet_most()) {
    auto panel = matrix.panel(layout_->root.supernodes().front());
    for (Index leaf = 0; leaf < n_leaves(); leaf += leaf_chunk) {
      const Index count = std::min(leaf_chunk, n_leaves() - leaf);
      const MatrixXd rows = spread_rows(left, leaf, count);
      if (left.data() == right.data())
        add_lower_gram(panel, scale, rows);
      else
        add_transposed_product(panel, scale, rows, spread_rows(right, leaf, count));
    }
    return;
  }
  const std::int32_t* met = layout_->met.data();
  std::vector<std::int32_t> local(at(layout_->root.columns()));
  for (const Supernode& s : layout_->root.supernodes()) {
    number_rows(layout_->root, s, local);
    for (Index j = 0; j < s.width; ++j) {
      double* column = matrix.values().data() + s.values + j * s.n_rows;
      const auto last = layout_->column_first[at(s.first + j + 1)];
      for (Index e = layout_->column_first[at(s.first + j)]; e < last; ++e) {
        const Entry& entry = layout_->entries[at(e)];
        const Index end = layout_->first[static_cast<std::size_t>(entry.leaf) + 1];
        const double* own = right.col(entry.place).data();
        if (q == 1) {
          const double factor = scale * own[0];
          const double* values = left.data();
          for (Index i = entry.place; i < end; ++i)
            column[local[static_cast<std::size_t>(met[i])]] += factor * values[i];
          continue;
        }
        for (Index i = entry.place; i < end; ++i) {
          const double* other = left.col(i).data();
          double sum = 0;
          for (Index k = 0; k < q; ++k) sum += other[k] * own[k];
          column[local[static_cast<std::size_t>(met[i])]] += scale * sum;
        }
      }
    }
  }
}

MatrixXd CrossedCrossProducts::leaf_forms(const MatrixXd& b, const SupernodalMatrix& matrix) const {
  const Index q = b.rows();
  MatrixXd forms = MatrixXd::Zero(q, q * n_leaves());
  if (leaves_meet_most()) {
    const auto panel = matrix.panel(layout_->root.supernodes().front());
    for (Index leaf = 0; leaf < n_leaves(); leaf += leaf_chunk) {
      const Index count = std::min(leaf_chunk, n_leaves() - leaf);
      const MatrixXd rows = spread_rows(b, leaf, count);
      MatrixXd product = MatrixXd::Zero(rows.rows(), rows.cols());
      add_product(product, 1, rows, panel);
      for (Index i = 0; i < count; ++i)
        forms.middleCols((leaf + i) * q, q).noalias() =
            rows.middleRows(i * q, q) * product.middleRows(i * q, q).transpose();
    }
    return forms;
  }
  const std::int32_t* met = layout_->met.data();
  std::vector<std::int32_t> local(at(layout_->root.columns()));
  VectorXd sum(q);
  for (const Supernode& s : layout_->root.supernodes()) {
    number_rows(layout_->root, s, local);
    for (Index j = 0; j < s.width; ++j) {
      const double* column = matrix.values().data() + s.values + j * s.n_rows;
      const auto last = layout_->column_first[at(s.first + j + 1)];
      for (Index e = layout_->column_first[at(s.first + j)]; e < last; ++e) {
        const Entry& entry = layout_->entries[at(e)];
        const Index end = layout_->first[static_cast<std::size_t>(entry.leaf) + 1];
        // Half of the diagonal: each form is completed by its transpose.
        if (q == 1) {
          const double* values = b.data();
          double total = 0.5 * column[j] * values[entry.place];
          for (Index i = entry.place + 1; i < end; ++i)
            total += column[local[static_cast<std::size_t>(met[i])]] * values[i];
          forms(0, entry.leaf) += 2 * total * values[entry.place];
          continue;
        }
        sum = 0.5 * column[j] * b.col(entry.place);
        for (Index i = entry.place + 1; i < end; ++i)
          sum += column[local[static_cast<std::size_t>(met[i])]] * b.col(i);
        auto form = forms.middleCols(entry.leaf * q, q);
        form += sum * b.col(entry.place).transpose();
        form += b.col(entry.place) * sum.transpose();
      }
    }
  }
  return forms;
}

void CrossedCrossProducts::scale_entries(const std::vector<MatrixXd>& blocks,
                                         MatrixXd& entries) const {
  // The columns of one group of the root stand side by side.
  for (Index e = 0; e < entries.cols();) {
    const auto level = static_cast<std::size_t>(
        layout_->column_level[static_cast<std::size_t>(layout_->met[at(e)])]);
    const Index size = layout_->levels[level].size;
    if (size == 1) {
      entries.col(e) *= blocks[level + 1](0, 0);
    } else {
      auto block = entries.middleCols(e, size);
      block = (block * blocks[level + 1]).eval();
    }
    e += size;
  }
}

// ---- Root ----

void CrossedCrossProducts::scale_rows(const std::vector<MatrixXd>& blocks,
                                      Eigen::Ref<MatrixXd> rows) const {
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    const RootLevel& level = layout_->levels[l];
    const MatrixXd& block = blocks[l + 1];
    for (const Index first : level.column) {
      if (level.size == 1) {
        rows.row(first) *= block(0, 0);
        continue;
      }
      auto own = rows.middleRows(first, level.size);
      own = (block.transpose() * own).eval();
    }
  }
}

void CrossedCrossProducts::scale_root(const std::vector<MatrixXd>& blocks,
                                      SupernodalMatrix& matrix) const {
  const auto level_at = [&](std::int32_t column) {
    return static_cast<std::size_t>(layout_->column_level[static_cast<std::size_t>(column)]);
  };
  VectorXd scale;  // of rows of levels with one effect
  for (const Supernode& s : layout_->root.supernodes()) {
    auto panel = matrix.panel(s);
    const std::int32_t* rows = layout_->root.rows(s);
    scale.setOnes(s.n_rows);
    bool vectors = false;
    for (Index i = 0; i < s.n_rows; ++i) {
      const std::size_t level = level_at(rows[i]);
      if (layout_->levels[level].size == 1)
        scale[i] = blocks[level + 1](0, 0);
      else
        vectors = true;
    }
    for (Index j = 0; j < s.width; ++j)
      panel.col(j).tail(s.n_rows - j).array() *= scale[j] * scale.tail(s.n_rows - j).array();
    if (!vectors) continue;
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
  const auto solved = std::make_shared<Solved>(remainder_);
  solved->factors = factors;
  solved->leaves = whiten(factors.front());
  const Leaves& leaves = solved->leaves;
  solved->gram = remainder_fixed_;
  solved->gram.noalias() += leaves.fixed * leaves.fixed.transpose();
  solved->log_determinant = leaves.log_determinant;
  solved->half = remainder_cross_;
  MatrixXd cross = MatrixXd::Zero(fixed_columns_, layout_->root.columns());
  for (Index leaf = 0; leaf < n_leaves(); ++leaf)
    for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e)
      for (Index k = 0; k < leaf_size_; ++k)
        cross.col(layout_->met[at(e)]) += leaves.c(k, e) * leaves.fixed.col(leaf * leaf_size_ + k);
  solved->half += cross.transpose();
  scale_rows(factors, solved->half);

  SupernodalMatrix& lower = solved->lower;
  add_leaf_products(leaves.c, leaves.c, 1, lower);
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
  const MatrixXd psi = factors.front() * factors.front().transpose();
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    VectorXd residual = leaves.r.middleCols(leaf * q, q).transpose() *
                        (leaves.fixed.middleCols(leaf * q, q).transpose() * combination);
    for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e)
      residual -= mean(layout_->met[at(e)], 0) * b.col(e);
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
