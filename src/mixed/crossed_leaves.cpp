// The leaves of crossed models: sparse rows, one or more a leaf, in the columns of the root.
#include <Eigen/Cholesky>

#include "crossed_solve.hpp"
#include "dense.hpp"
#include <algorithm>
#include <cmath>
#include <type_traits>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Supernode = SupernodalPattern::Supernode;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Leaves whose rows are written out together where they meet most of the root.
constexpr Index leaf_chunk = 256;

/// Where each row of a panel stands in it.
void number_rows(const SupernodalPattern& pattern, const Supernode& s,
                 std::vector<std::int32_t>& local) {
  const std::int32_t* rows = pattern.rows(s);
  for (Index i = 0; i < s.n_rows; ++i)
    local[static_cast<std::size_t>(rows[i])] = static_cast<std::int32_t>(i);
}

/// Calls use(m), m known when compiled where it is small.
template <class Use>
void with_width(Index m, const Use& use) {
  switch (m) {
    case 1:
      return use(std::integral_constant<Index, 1>());
    case 2:
      return use(std::integral_constant<Index, 2>());
    case 3:
      return use(std::integral_constant<Index, 3>());
    case 4:
      return use(std::integral_constant<Index, 4>());
    case 5:
      return use(std::integral_constant<Index, 5>());
    case 6:
      return use(std::integral_constant<Index, 6>());
    case 8:
      return use(std::integral_constant<Index, 8>());
    default:
      return use(m);
  }
}

}  // namespace

CrossedCrossProducts::Leaves CrossedCrossProducts::whiten(const MatrixXd& factor) const {
  const Index q = leaf_size_;
  Leaves leaves{0, leaf_r_, leaf_c_, leaf_c_, leaf_fixed_};
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const Index first = layout_->first[at(leaf)];
    const Index end = layout_->first[at(leaf + 1)];
    if (q == 1) {
      const double scaled = leaf_r_(0, leaf) * factor(0, 0);
      const double root = 1 / std::sqrt(1 + scaled * scaled);
      leaves.log_determinant -= 2 * std::log(root);
      leaves.r.data()[leaf] *= root;
      for (Index i = leaf * fixed_columns_; i < (leaf + 1) * fixed_columns_; ++i)
        leaves.fixed.data()[i] *= root;
      for (Index e = first; e < end; ++e) {
        leaves.c.data()[e] *= root;
        leaves.known.data()[e] = scaled * leaves.c.data()[e];
      }
      continue;
    }
    auto r = leaves.r.middleCols(leaf * q, q);
    auto c = leaves.c.middleCols(first, end - first);
    auto fixed = leaves.fixed.middleCols(leaf * q, q);
    const MatrixXd scaled = r * factor;
    MatrixXd m = MatrixXd::Identity(q, q);
    m.noalias() += scaled * scaled.transpose();
    const Eigen::LLT<MatrixXd> llt(m);
    leaves.log_determinant += 2 * llt.matrixLLT().diagonal().array().log().sum();
    llt.matrixL().solveInPlace(r);
    llt.matrixL().solveInPlace(c);
    llt.matrixU().solveInPlace<Eigen::OnTheRight>(fixed);
    // I − M⁻¹ = H(I + H'H)⁻¹H' for M = I + HH'.
    const Eigen::LLT<MatrixXd> inner(MatrixXd::Identity(q, q) + scaled.transpose() * scaled);
    auto known = leaves.known.middleCols(first, end - first);
    known = (scaled.transpose() * known).eval();
    inner.matrixL().solveInPlace(known);
  }
  return leaves;
}

MatrixXd CrossedCrossProducts::to_root(const MatrixXd& from, const MatrixXd& b) const {
  const Index q = b.rows();
  MatrixXd result = MatrixXd::Zero(from.rows(), layout_->root.columns());
  with_width(from.rows(), [&](auto m) {
    for (Index leaf = 0; leaf < n_leaves(); ++leaf)
      for (Index k = 0; k < q; ++k) {
        const double* own = from.data() + (leaf * q + k) * m;
        for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e) {
          const double factor = b.data()[e * q + k];
          double* to = result.data() + layout_->met[at(e)] * m;
          for (Index i = 0; i < m; ++i) to[i] += factor * own[i];
        }
      }
  });
  return result;
}

MatrixXd CrossedCrossProducts::to_leaves(const MatrixXd& from, const MatrixXd& b) const {
  const Index q = b.rows();
  MatrixXd result = MatrixXd::Zero(from.rows(), q * n_leaves());
  with_width(from.rows(), [&](auto m) {
    for (Index leaf = 0; leaf < n_leaves(); ++leaf)
      for (Index k = 0; k < q; ++k) {
        double* to = result.data() + (leaf * q + k) * m;
        for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e) {
          const double factor = b.data()[e * q + k];
          const double* own = from.data() + layout_->met[at(e)] * m;
          for (Index i = 0; i < m; ++i) to[i] += factor * own[i];
        }
      }
  });
  return result;
}

void CrossedCrossProducts::scale_entries(const std::vector<MatrixXd>& blocks,
                                         MatrixXd& entries) const {
  const VectorXd scales = column_scales(blocks);
  const Index q = entries.rows();
  for (Index e = 0; e < entries.cols(); ++e)
    for (Index k = 0; k < q; ++k) entries.data()[e * q + k] *= scales[layout_->met[at(e)]];
  if (!has_vectors()) return;
  // The columns of one group of the root stand side by side.
  for (Index e = 0; e < entries.cols();) {
    const auto level = static_cast<std::size_t>(layout_->column_level[at(layout_->met[at(e)])]);
    const Index size = layout_->levels[level].size;
    if (size > 1) {
      auto block = entries.middleCols(e, size);
      block = (block * blocks[level + 1]).eval();
    }
    e += size;
  }
}

// ---- Products of a leaf's entries with one another ----

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
      for (Index k = 0; k < q; ++k) rows(leaf * q + k, layout_->met[at(e)]) = values(k, e);
  return rows;
}

void CrossedCrossProducts::add_leaf_products(const MatrixXd& left, const MatrixXd& right,
                                             double scale, SupernodalMatrix& matrix) const {
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
  const std::int32_t* number = local.data();
  with_width(left.rows(), [&](auto q) {
    for (const Supernode& s : layout_->root.supernodes()) {
      number_rows(layout_->root, s, local);
      for (Index j = 0; j < s.width; ++j) {
        double* column = matrix.values().data() + s.values + j * s.n_rows;
        const Index last = layout_->column_first[at(s.first + j + 1)];
        for (Index n = layout_->column_first[at(s.first + j)]; n < last; ++n) {
          const Entry& entry = layout_->entries[at(n)];
          const Index end = layout_->first[at(entry.leaf + 1)];
          const double* other = left.data() + entry.place * q;
          const double* own = right.data() + entry.place * q;
          const double scaled = scale * own[0];
          for (Index i = entry.place; i < end; ++i, other += q) {
            double sum = scaled * other[0];
            for (Index k = 1; k < q; ++k) sum += scale * own[k] * other[k];
            column[number[met[i]]] += sum;
          }
        }
      }
    }
  });
}

MatrixXd CrossedCrossProducts::leaf_forms(const MatrixXd& b, const SupernodalMatrix& matrix) const {
  const Index size = b.rows();
  MatrixXd forms = MatrixXd::Zero(size, size * n_leaves());
  if (leaves_meet_most()) {
    const auto panel = matrix.panel(layout_->root.supernodes().front());
    for (Index leaf = 0; leaf < n_leaves(); leaf += leaf_chunk) {
      const Index count = std::min(leaf_chunk, n_leaves() - leaf);
      const MatrixXd rows = spread_rows(b, leaf, count);
      MatrixXd product = MatrixXd::Zero(rows.rows(), rows.cols());
      add_product(product, 1, rows, panel);
      for (Index i = 0; i < count; ++i)
        forms.middleCols((leaf + i) * size, size).noalias() =
            rows.middleRows(i * size, size) * product.middleRows(i * size, size).transpose();
    }
    return forms;
  }
  const std::int32_t* met = layout_->met.data();
  std::vector<std::int32_t> local(at(layout_->root.columns()));
  const std::int32_t* number = local.data();
  std::vector<double> sum(at(size));
  with_width(size, [&](auto q) {
    for (const Supernode& s : layout_->root.supernodes()) {
      number_rows(layout_->root, s, local);
      for (Index j = 0; j < s.width; ++j) {
        const double* column = matrix.values().data() + s.values + j * s.n_rows;
        const Index last = layout_->column_first[at(s.first + j + 1)];
        for (Index n = layout_->column_first[at(s.first + j)]; n < last; ++n) {
          const Entry& entry = layout_->entries[at(n)];
          const Index end = layout_->first[at(entry.leaf + 1)];
          const double* own = b.data() + entry.place * q;
          double* form = forms.data() + entry.leaf * q * q;
          // Half of the diagonal: each form is completed by its transpose.
          if (q == 1) {
            double total = 0.5 * column[j] * own[0];
            for (Index i = entry.place + 1; i < end; ++i)
              total += column[number[met[i]]] * b.data()[i];
            form[0] += 2 * total * own[0];
            continue;
          }
          for (Index k = 0; k < q; ++k) sum[at(k)] = 0.5 * column[j] * own[k];
          for (Index i = entry.place + 1; i < end; ++i) {
            const double value = column[number[met[i]]];
            for (Index k = 0; k < q; ++k) sum[at(k)] += value * b.data()[i * q + k];
          }
          for (Index k = 0; k < q; ++k)
            for (Index l = 0; l < q; ++l)
              form[l * q + k] += sum[at(k)] * own[l] + own[k] * sum[at(l)];
        }
      }
    }
  });
  return forms;
}

}  // namespace rapport
