// tr(V⁻¹V_kV⁻¹V_l) of crossed models, A = Z'V⁻¹Z: the sum of squares of A's entries between two
// levels, for scalar effects. A small root is inverted in full; of a large one, which has its
// inverse only in the pattern of its factor, levels of few effects are exact, and the entries of A
// off its diagonal blocks are estimated for the others by fixed random signs (Hutchinson 1990).
#include "crossed_solve.hpp"
#include "dense.hpp"
#include <algorithm>
#include <array>
#include <cstdint>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

double quadratic_trace(const MatrixXd& a, const MatrixXd& b) {
  return a.cwiseProduct(b.transpose()).sum();
}

void mirror(MatrixXd& matrix) {
  matrix.triangularView<Eigen::StrictlyUpper>() = matrix.transpose();
}

/// 1 and −1 (the bits of SplitMix64: Steele, Lea & Flood 2014).
MatrixXd random_signs(Index rows, Index columns, Index level) {
  MatrixXd result(rows, columns);
  for (Index j = 0; j < columns; ++j) {
    std::uint64_t x = (static_cast<std::uint64_t>(level) << 40) + static_cast<std::uint64_t>(j) + 1;
    x *= 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    for (Index i = 0; i < rows; ++i, x >>= 1) result(i, j) = (x & 1) == 0 ? 1 : -1;
  }
  return result;
}

/// Where E of a coordinate is 1.
struct UnitEntries {
  std::array<std::array<Index, 2>, 2> entry;
  std::size_t count;

  explicit UnitEntries(const CovarianceStructure::Coordinate& c)
      : entry{{{c.row, c.column}, {c.column, c.row}}}, count(c.row == c.column ? 1 : 2) {}
};

}  // namespace

bool CrossedCrossProducts::has_dense_root() const {
  constexpr Index most = 384;
  return layout_->root.columns() <= most && layout_->root.supernodes().size() == 1;
}

/// True if estimating traces saves most of the work: a vector costs a product with every value of
/// the factor, the inverse one with every row beside it.
bool CrossedCrossProducts::has_costly_inverse() const {
  constexpr Index vectors = 64;
  Index products = 0;
  for (const SupernodalPattern::Supernode& s : layout_->root.supernodes())
    products += s.width * s.n_rows * s.n_rows;
  return !has_dense_root() && products > vectors * layout_->root.n_values();
}

// ---- A small root ----

MatrixXd CrossedCrossProducts::dense_information(const Sweep& sweep) const {
  const Index q = leaf_size_;
  const Index n = structure_.n_parameters();
  const Index n_leaf = structure_.offset(1);
  const Index d = layout_->root.columns();
  const auto v = sweep.inverse->panel(layout_->root.supernodes().front());
  MatrixXd result = MatrixXd::Zero(n, n);
  std::vector<MatrixXd> moved(at(n_leaf));  // V Λ'(Σb'E_kb)Λ
  for (Index k = 0; k < n_leaf; ++k) {
    const CovarianceStructure::Coordinate& c = structure_.coordinates()[at(k)];
    SupernodalMatrix tangent(layout_->root);
    add_leaf_products(sweep.leaf_b.row(c.row), sweep.leaf_b.row(c.column), 1, tangent);
    if (c.row != c.column)
      add_leaf_products(sweep.leaf_b.row(c.column), sweep.leaf_b.row(c.row), 1, tangent);
    scale_root(sweep.factors, tangent);
    MatrixXd full = tangent.panel(layout_->root.supernodes().front());
    mirror(full);
    moved[at(k)] = MatrixXd::Zero(d, d);
    add_product(moved[at(k)], 1, v, full);
    for (Index l = 0; l <= k; ++l) {
      double sum = quadratic_trace(moved[at(k)], moved[at(l)]);
      for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
        const auto a = sweep.leaf_a.middleCols(leaf * q, q);
        const auto spread = sweep.leaf_spread.middleCols(leaf * q, q);
        if (q == 1) {
          sum += a(0, 0) * (a(0, 0) - 2 * spread(0, 0));
          continue;
        }
        const MatrixXd middle = sweep.units[at(k)] * a * sweep.units[at(l)];
        sum += middle.cwiseProduct(a - 2 * spread).sum();
      }
      result(k, l) = sum;
    }
  }
  for (Index k = n_leaf; k < n; ++k) {
    const RootLevel& level = level_of(k);
    for (Index l = 0; l < n_leaf; ++l) {
      double sum = 0;  // tr(Λ⁻¹E_kΛ⁻ᵀ V ∂Ĝ V)
      for (const Index first : level.column)
        for (Index i = 0; i < level.size; ++i)
          for (Index j = 0; j < level.size; ++j)
            sum += sweep.scaled[at(k)](i, j) * moved[at(l)].row(first + i).dot(v.col(first + j));
      result(k, l) = sum;
    }
    for (Index l = n_leaf; l <= k; ++l) result(k, l) = own_trace(sweep, k, l);
  }
  mirror(result);
  return result;
}

/// tr(E_k A E_l A) with A = Λ⁻ᵀ(I − V)Λ⁻¹, both coordinates of the root.
double CrossedCrossProducts::own_trace(const Sweep& sweep, Index k, Index l) const {
  const auto v = sweep.inverse->panel(layout_->root.supernodes().front());
  const MatrixXd& e = sweep.scaled[at(k)];
  const MatrixXd& f = sweep.scaled[at(l)];
  const RootLevel& own = level_of(k);
  const RootLevel& other = level_of(l);
  if (own.size == 1 && other.size == 1) {  // each level's columns are one run
    const auto block =
        v.block(own.column.front(), other.column.front(), own.n_groups, other.n_groups);
    double sum = block.squaredNorm();
    if (own.column.front() == other.column.front())
      sum += static_cast<double>(own.n_groups) - 2 * block.trace();
    return e(0, 0) * f(0, 0) * sum;
  }
  double sum = 0;
  for (const Index column : other.column)
    for (const Index row : own.column) {
      MatrixXd a = -v.block(row, column, own.size, other.size);
      if (row == column) a.diagonal().array() += 1;
      sum += quadratic_trace(e * a, f * a.transpose());
    }
  return sum;
}

// ---- A large root ----

CrossedCrossProducts::Probes CrossedCrossProducts::make_probes(const Sweep& sweep) const {
  constexpr Index few = 64;
  const Index q = leaf_size_;
  Probes probes;
  Index rows = 0;
  for (Index level = 0; level < structure_.n_levels(); ++level) {
    const Index groups = level == 0 ? n_leaves() : layout_->levels[at(level - 1)].n_groups;
    const bool exact = groups * structure_.size(level) <= few;
    // The error falls with the root of groups times vectors. Where the root's inverse is whole,
    // only what the leaves have part in is estimated.
    const bool whole = sweep.inverse && layout_->root_in_order;
    const Index wanted = 16384 / (groups * (structure_.n_levels() - 1));
    const Index signs =
        whole && level > 0 ? 0 : std::clamp<Index>(whole ? 2 * wanted : wanted, whole ? 16 : 8, 56);
    probes.sets.push_back({rows, exact ? groups : signs, exact});
    rows += probes.sets.back().count * structure_.size(level);
    probes.signs.push_back(exact ? MatrixXd() : random_signs(signs, groups, level));
  }
  // g of S⁻¹g: Λ⁻¹f of the root's effects, −Λ'Σb'f of the leaves'.
  const Probes::Set& own = probes.sets.front();
  VectorXd f(own.count);
  MatrixXd of_leaves = MatrixXd::Zero(own.count * q, q * n_leaves());
  probes.leaves = MatrixXd::Zero(rows, q * n_leaves());
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    probes.values_at(0, leaf, f);
    for (Index j = 0; j < q; ++j) {
      of_leaves.col(leaf * q + j).segment(j * own.count, own.count) = f;
      for (Index i = 0; i < q; ++i)
        probes.leaves.col(leaf * q + i).segment(j * own.count, own.count) =
            sweep.leaf_a(i, leaf * q + j) * f;
    }
  }
  MatrixXd w = MatrixXd::Zero(layout_->root.columns(), rows);
  w.leftCols(own.count * q) = -to_root(of_leaves, sweep.leaf_b).transpose();
  scale_rows(sweep.factors, w);
  MatrixXd g = MatrixXd::Zero(rows, layout_->root.columns());
  std::vector<MatrixXd> inverse_factors = {MatrixXd()};
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    const RootLevel& level = layout_->levels[l];
    const auto number = static_cast<Index>(l + 1);
    const Probes::Set& set = probes.sets[l + 1];
    inverse_factors.emplace_back(sweep.factors[l + 1].triangularView<Eigen::Lower>().solve(
        MatrixXd::Identity(level.size, level.size)));
    for (Index group = 0; group < level.n_groups; ++group) {
      probes.values_at(number, group, f);
      for (Index j = 0; j < level.size; ++j)
        for (Index i = j; i < level.size; ++i)
          g.col(level.column[at(group)] + i).segment(set.first + j * set.count, set.count) =
              inverse_factors.back()(i, j) * f;
    }
  }
  MatrixXd right = g.transpose();
  w += right;
  sweep.solved->lower.solve_lower(w);
  sweep.solved->lower.solve_transposed(w);
  right -= w;
  scale_rows(inverse_factors, right);
  probes.root = right.transpose();
  scale_rows(sweep.back_factors, w);
  probes.leaves += to_leaves(w.transpose(), sweep.leaf_b);
  return probes;
}

/// The diagonal block of A at a group.
MatrixXd CrossedCrossProducts::own_block(const Sweep& sweep, Index level, Index group) const {
  const Index q = structure_.size(level);
  if (level == 0)
    return sweep.leaf_a.middleCols(group * q, q) - sweep.leaf_spread.middleCols(group * q, q);
  const Index first = layout_->levels[at(level - 1)].column[at(group)];
  MatrixXd a(q, q);
  for (Index j = 0; j < q; ++j)
    for (Index i = j; i < q; ++i) {
      a(i, j) = -sweep.inverse->values()[at(layout_->root.place(first + i, first + j))];
      a(j, i) = a(i, j);
    }
  a.diagonal().array() += 1;
  const auto lambda = sweep.factors[at(level)].triangularView<Eigen::Lower>();
  const MatrixXd half = lambda.transpose().solve(a);
  return lambda.transpose().solve(half.transpose());
}

/// tr(E_kAE_lA) from the vectors of l's level.
double CrossedCrossProducts::probe_sum(const Sweep& sweep, const Probes& probes, Index k,
                                       Index l) const {
  const CovarianceStructure::Coordinate& target = structure_.coordinates()[at(k)];
  const CovarianceStructure::Coordinate& source = structure_.coordinates()[at(l)];
  const Probes::Set& set = probes.sets[at(source.level)];
  const Index size = structure_.size(target.level);
  const bool leaf = target.level == 0;
  const MatrixXd& all = leaf ? probes.leaves : probes.root;
  const Index groups = leaf ? n_leaves() : layout_->levels[at(target.level - 1)].n_groups;
  // Diagonal blocks of A are known: their share is taken out of what is estimated.
  const bool known = sweep.inverse && !set.exact && target.level == source.level;
  if (size == 1 && structure_.size(source.level) == 1)
    return scalar_probe_sum(sweep, probes, target.level, source.level);
  const UnitEntries e(structure_.coordinates()[at(k)]);
  const UnitEntries f(source);
  MatrixXd y(size, 2);
  double sum = 0;
  for (Index group = 0; group < groups; ++group) {
    const Index first =
        leaf ? group * size : layout_->levels[at(target.level - 1)].column[at(group)];
    MatrixXd block;
    if (known) block = own_block(sweep, target.level, group);
    for (Index vector = 0; vector < set.count; ++vector) {
      for (Index side = 0; side < 2; ++side) {
        const Index effect = side == 0 ? source.row : source.column;
        const Index row = set.first + effect * set.count + vector;
        y.col(side) = all.row(row).segment(first, size).transpose();
        if (known) y.col(side) -= probes.signs[at(source.level)](vector, group) * block.col(effect);
      }
      for (std::size_t i = 0; i < e.count; ++i)
        sum += y(e.entry[i][0], 0) * y(e.entry[i][1], 1) * static_cast<double>(f.count);
    }
  }
  if (!set.exact) sum /= static_cast<double>(set.count);
  if (!known) return sum;
  for (Index group = 0; group < groups; ++group) {
    const MatrixXd block = own_block(sweep, target.level, group);
    sum += quadratic_trace(sweep.units[at(k)] * block, sweep.units[at(l)] * block);
  }
  return sum;
}

double CrossedCrossProducts::scalar_probe_sum(const Sweep& sweep, const Probes& probes,
                                              Index target, Index source) const {
  const Probes::Set& set = probes.sets[at(source)];
  const bool known = sweep.inverse && !set.exact && target == source;
  const Index groups = target == 0 ? n_leaves() : layout_->levels[at(target - 1)].n_groups;
  double sum = 0;
  double own = 0;
  const MatrixXd& all = target == 0 ? probes.leaves : probes.root;
  VectorXd y(set.count);
  for (Index group = 0; group < groups; ++group) {
    const Index column = target == 0 ? group : layout_->levels[at(target - 1)].column[at(group)];
    y = all.col(column).segment(set.first, set.count);
    if (known) {
      double block = 0;
      if (target == 0) {
        block = sweep.leaf_a(0, group) - sweep.leaf_spread(0, group);
      } else {
        const double lambda = sweep.factors[at(target)](0, 0);
        block = (1 - sweep.inverse->diagonal(column)) / (lambda * lambda);
      }
      y -= block * probes.signs[at(source)].col(group);
      own += block * block;
    }
    sum += y.squaredNorm();
  }
  return set.exact ? sum : own + sum / static_cast<double>(set.count);
}

MatrixXd CrossedCrossProducts::estimated_information(const Sweep& sweep,
                                                     const Probes& probes) const {
  const Index n = structure_.n_parameters();
  const bool whole = sweep.inverse && layout_->root_in_order;
  MatrixXd result(n, n);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l <= k; ++l) {
      const Index k_level = structure_.coordinates()[at(k)].level;
      const Index l_level = structure_.coordinates()[at(l)].level;
      const Probes::Set& of_k = probes.sets[at(k_level)];
      const Probes::Set& of_l = probes.sets[at(l_level)];
      if (whole && l_level > 0) {
        result(k, l) = own_trace(sweep, k, l);
      } else {
        const bool from_k = of_k.count > 0 && (of_k.exact || !of_l.exact);
        const bool from_l = of_l.count > 0 && (of_l.exact || !of_k.exact);
        double sum = 0;
        if (from_l) sum += probe_sum(sweep, probes, k, l);
        if (from_k) sum += probe_sum(sweep, probes, l, k);
        result(k, l) = from_k && from_l ? sum / 2 : sum;
      }
      result(l, k) = result(k, l);
    }
  return result;
}

/// tr(E_kA) from the vectors of k's level.
VectorXd CrossedCrossProducts::estimated_traces(const Probes& probes) const {
  VectorXd result(structure_.n_parameters());
  VectorXd f;
  for (Index k = 0; k < result.size(); ++k) {
    const CovarianceStructure::Coordinate& c = structure_.coordinates()[at(k)];
    const Probes::Set& set = probes.sets[at(c.level)];
    const bool leaf = c.level == 0;
    const Index groups = leaf ? n_leaves() : layout_->levels[at(c.level - 1)].n_groups;
    double sum = 0;
    for (Index group = 0; group < groups; ++group) {
      const Index column = leaf ? group * leaf_size_ + c.row
                                : layout_->levels[at(c.level - 1)].column[at(group)] + c.row;
      probes.values_at(c.level, group, f);
      sum += f.dot((leaf ? probes.leaves : probes.root)
                       .col(column)
                       .segment(set.first + c.column * set.count, set.count));
    }
    if (!set.exact) sum /= static_cast<double>(set.count);
    result[k] = (c.row == c.column ? 1 : 2) * sum;
  }
  return result;
}

}  // namespace rapport
