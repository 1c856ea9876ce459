#include "nested.hpp"

#include <rapport/base/parallel.hpp>

#include <Eigen/Cholesky>

#include "leaf_kernels.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index lanes = LeafBlocks::lanes;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index n_pairs(Index q) { return q * (q + 1) / 2; }

/// R (upper triangular) with R'R = gram; rows of pivots that are 0 up to rounding are 0.
MatrixXd semidefinite_factor(const MatrixXd& gram) {
  constexpr double tolerance = 1e-13;
  const Index q = gram.rows();
  MatrixXd r = MatrixXd::Zero(q, q);
  for (Index k = 0; k < q; ++k) {
    const double pivot = gram(k, k) - r.col(k).head(k).squaredNorm();
    if (pivot <= tolerance * gram(k, k)) continue;
    r(k, k) = std::sqrt(pivot);
    for (Index j = k + 1; j < q; ++j)
      r(k, j) = (gram(k, j) - r.col(k).head(k).dot(r.col(j).head(k))) / r(k, k);
  }
  return r;
}

/// R⁻ᵀ times `right`, rows of zero pivots 0.
MatrixXd solve_transposed(const MatrixXd& r, MatrixXd right) {
  for (Index k = 0; k < r.rows(); ++k) {
    if (r(k, k) == 0) {
      right.row(k).setZero();
      continue;
    }
    right.row(k) -= r.col(k).head(k).transpose() * right.topRows(k);
    right.row(k) /= r(k, k);
  }
  return right;
}

/// A group of an outer level: the Gram matrix of [Z S] that its members hand up, and what follows
/// from it.
struct InnerNode {
  GroupNode node;
  MatrixXd gram;      ///< of S, handed to the parent
  MatrixXd n_half;    ///< Λ(I + Λ'Z'ZΛ)^{-½}
  MatrixXd n;         ///< Cov(b | y, S) / σ² = n_half n_half'
  MatrixXd k;         ///< I − AΨ
  MatrixXd residual;  ///< [−ΨB; I]: what S leaves of [Z S] once b is predicted

  InnerNode(const MatrixXd& handed_up, Index q, const MatrixXd& factor) {
    const Index width = handed_up.rows() - q;
    const MatrixXd zz = handed_up.topLeftCorner(q, q);
    const MatrixXd r = semidefinite_factor(zz);
    const MatrixXd c = solve_transposed(r, handed_up.topRightCorner(q, width));
    node = solve_node(r, c, factor);
    gram = handed_up.bottomRightCorner(width, width);
    gram.noalias() -= c.transpose() * c;
    gram.noalias() += node.half.transpose() * node.half;
    const MatrixXd psi = factor * factor.transpose();
    const MatrixXd inner = MatrixXd::Identity(q, q) + factor.transpose() * zz * factor;
    n_half = Eigen::LLT<MatrixXd>(inner).matrixL().solve(factor.transpose()).transpose();
    n.noalias() = n_half * n_half.transpose();
    k = MatrixXd::Identity(q, q) - node.a * psi;
    residual.resize(q + width, width);
    residual.topRows(q).noalias() = -psi * node.b;
    residual.bottomRows(width).setIdentity();
  }
};

struct Pair {
  Index row;
  Index column;
};

Index pair_index(Index q, Index i, Index j) {
  const Index row = std::max(i, j);
  const Index column = std::min(i, j);
  return column * q - column * (column - 1) / 2 + row - column;
}

/// tr(E_k A E_l K) from the sums of A_s K_t over pairs s, t: `sums` at (s, t) by rows.
double contracted(const std::vector<double>& sums, Index q, Pair k, Pair l) {
  const auto sum = [&](Index a, Index b, Index c, Index d) {
    return sums[at(pair_index(q, a, b) * n_pairs(q) + pair_index(q, c, d))];
  };
  // E_k = e_r e_c' + e_c e_r' (once if r = c): tr(e_r e_c' A e_s e_d' K) = A_cs K_dr.
  double result = 0;
  for (int swap_k = 0; swap_k < (k.row == k.column ? 1 : 2); ++swap_k)
    for (int swap_l = 0; swap_l < (l.row == l.column ? 1 : 2); ++swap_l) {
      const Pair e = swap_k == 0 ? k : Pair{k.column, k.row};
      const Pair f = swap_l == 0 ? l : Pair{l.column, l.row};
      result += sum(e.column, f.row, f.column, e.row);
    }
  return result;
}

}  // namespace

bool is_nested(const std::vector<std::int32_t>& inner, Index n_inner,
               const std::vector<std::int32_t>& outer) {
  std::vector<std::int32_t> parent(at(n_inner), -1);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    std::int32_t& p = parent[static_cast<std::size_t>(inner[i])];
    if (p < 0) p = outer[i];
    if (p != outer[i]) return false;
  }
  return true;
}

NestedCrossProducts::NestedCrossProducts(const ModelColumns& columns, CovarianceStructure structure,
                                         int threads)
    : structure_(std::move(structure)), threads_(threads) {
  Index width = static_cast<Index>(columns.fixed.size());
  for (auto level = columns.levels.rbegin(); level != columns.levels.rend(); ++level) {
    Level entry;
    entry.size = static_cast<Index>(level->columns.size());
    entry.width = width;
    entry.n_groups = level->n_groups;
    width += entry.size;
    levels_.insert(levels_.begin(), entry);
  }
  Level root;
  root.width = static_cast<Index>(columns.fixed.size());
  levels_.push_back(root);
  for (Index l = 0; l < depth(); ++l) {
    std::vector<std::int32_t>& parent = levels_[at(l)].parent;
    parent.assign(at(levels_[at(l)].n_groups), 0);
    if (l + 1 == depth()) continue;
    const std::vector<std::int32_t>& inner = columns.levels[at(l)].group;
    for (std::size_t i = 0; i < inner.size(); ++i)
      parent[static_cast<std::size_t>(inner[i])] = columns.levels[at(l + 1)].group[i];
  }
  arrange();
  compress(columns);
}

// ---- Value ----

std::vector<MatrixXd> NestedCrossProducts::leaf_grams(const std::vector<MatrixXd>& factors,
                                                      double& log_determinant) const {
  std::vector<MatrixXd> grams = remainders_;
  if (depth() == 0) return grams;
  const Level& leaf = levels_.front();
  const Index n_runs = static_cast<Index>(runs_.size());
  std::vector<MatrixXd> sums(at(n_runs));
  VectorXd logs(n_runs);
  parallel_for(n_runs, n_runs < 8 ? 1 : threads_, [&](Index i) {
    const Run& run = runs_[at(i)];
    std::vector<double> scratch(at(leaf_scratch_size(leaf.size, leaf.width, 0)));
    MatrixXd& sum = sums[at(i)];
    sum = MatrixXd::Zero(leaf.width, leaf.width);
    const LeafBlocks blocks = {leaves_.data() + run.first_block * lanes * leaf_doubles(),
                               nullptr,
                               run.n_blocks,
                               static_cast<int>(leaf.size),
                               static_cast<int>(leaf.width),
                               scratch.data()};
    logs[i] = leaf_kernels().value(blocks, factors.front().data(), sum.data());
  });
  for (Index i = 0; i < n_runs; ++i) grams[at(runs_[at(i)].parent)] += sums[at(i)];
  log_determinant += logs.sum();
  return grams;
}

struct NestedCrossProducts::Sweep final : Factorization {
  std::vector<std::vector<InnerNode>> nodes;  ///< of each level; none of the innermost
  MatrixXd root;                              ///< the Gram matrix that the root receives
  double log_determinant = 0;
};

std::shared_ptr<const NestedCrossProducts::Sweep> NestedCrossProducts::sweep_up(
    const std::vector<MatrixXd>& factors) const {
  auto sweep = std::make_shared<Sweep>();
  sweep->nodes.resize(at(depth() + 1));
  std::vector<MatrixXd> grams = leaf_grams(factors, sweep->log_determinant);
  for (Index l = 1; l < depth(); ++l) {
    const Level& level = levels_[at(l)];
    std::vector<MatrixXd> handed_up(at(levels_[at(l + 1)].n_groups),
                                    MatrixXd::Zero(level.width, level.width));
    sweep->nodes[at(l)].reserve(at(level.n_groups));
    for (Index g = 0; g < level.n_groups; ++g) {
      const InnerNode& node =
          sweep->nodes[at(l)].emplace_back(grams[at(g)], level.size, factors[at(l)]);
      sweep->log_determinant += node.node.log_determinant;
      handed_up[at(level.parent[at(g)])] += node.gram;
    }
    grams = std::move(handed_up);
  }
  sweep->root = std::move(grams.front());
  return sweep;
}

WeightedGram NestedCrossProducts::value(const std::vector<MatrixXd>& factors) const {
  const std::shared_ptr<const Sweep> sweep = sweep_up(factors);
  return {sweep->log_determinant, sweep->root, sweep};
}

// ---- Derivatives ----

struct NestedCrossProducts::LeafTerms {
  std::vector<double> a;
  std::vector<double> b_outer;
  std::vector<double> a_a;
  std::vector<double> a_trace;
  std::vector<double> a_data;
};

NestedCrossProducts::LeafTerms NestedCrossProducts::leaf_terms(const Run& run,
                                                               const MatrixXd& factor,
                                                               const MatrixXd& trace_factor,
                                                               const VectorXd& data_vector) const {
  const Level& leaf = levels_.front();
  const Index pairs = n_pairs(leaf.size);
  LeafTerms terms;
  terms.a.assign(at(pairs), 0);
  terms.b_outer.assign(at(pairs * leaf.width * leaf.width), 0);
  terms.a_a.assign(at(pairs * pairs), 0);
  terms.a_trace.assign(at(pairs * pairs), 0);
  terms.a_data.assign(at(pairs * pairs), 0);
  std::vector<double> scratch(at(leaf_scratch_size(leaf.size, leaf.width, trace_factor.cols())));
  const LeafBlocks blocks = {leaves_.data() + run.first_block * lanes * leaf_doubles(),
                             nullptr,
                             run.n_blocks,
                             static_cast<int>(leaf.size),
                             static_cast<int>(leaf.width),
                             scratch.data()};
  leaf_kernels().derivatives(blocks,
                             {factor.data(), trace_factor.data(),
                              static_cast<int>(trace_factor.cols()), data_vector.data()},
                             {terms.a.data(), terms.b_outer.data(), terms.a_a.data(),
                              terms.a_trace.data(), terms.a_data.data()});
  return terms;
}

/// For each level and group the factor F and the vector v whose FF' and vv' are contracted with the
/// derivatives of the Gram matrix that the group receives.
struct NestedCrossProducts::Adjoints {
  std::vector<std::vector<MatrixXd>> trace;
  std::vector<std::vector<VectorXd>> data;
};

NestedCrossProducts::Adjoints NestedCrossProducts::hand_down(const Sweep& sweep,
                                                             const MatrixXd& trace_factor,
                                                             const VectorXd& data_vector) const {
  Adjoints result;
  std::vector<std::vector<MatrixXd>>& trace = result.trace;
  std::vector<std::vector<VectorXd>>& data = result.data;
  trace.resize(at(depth() + 1));
  data.resize(at(depth() + 1));
  trace.back() = {trace_factor};
  data.back() = {data_vector};
  for (Index l = depth() - 1; l >= 1; --l) {
    const Level& level = levels_[at(l)];
    for (Index g = 0; g < level.n_groups; ++g) {
      const InnerNode& node = sweep.nodes[at(l)][at(g)];
      const Index parent = level.parent[at(g)];
      MatrixXd down = MatrixXd::Zero(level.size + level.width,
                                     level.size + trace[at(l + 1)][at(parent)].cols());
      down.topLeftCorner(level.size, level.size) = node.n_half;
      down.rightCols(down.cols() - level.size).noalias() =
          node.residual * trace[at(l + 1)][at(parent)];
      trace[at(l)].push_back(std::move(down));
      data[at(l)].push_back(node.residual * data[at(l + 1)][at(parent)]);
    }
  }
  return result;
}

std::vector<std::vector<MatrixXd>> NestedCrossProducts::add_leaf_derivatives(
    const MatrixXd& factor, const Adjoints& adjoints, GramDerivatives& result) const {
  const Level& leaf = levels_.front();
  const Index n_leaf = structure_.offset(1);
  const std::vector<CovarianceStructure::Coordinate>& coordinates = structure_.coordinates();
  std::vector<std::vector<MatrixXd>> tangents(
      at(levels_[1].n_groups),
      std::vector<MatrixXd>(at(n_leaf), MatrixXd::Zero(leaf.width, leaf.width)));
  std::vector<LeafTerms> terms(runs_.size());
  parallel_for(static_cast<Index>(runs_.size()), runs_.size() < 8 ? 1 : threads_, [&](Index i) {
    const Run& run = runs_[at(i)];
    terms[at(i)] = leaf_terms(run, factor, adjoints.trace[1][at(run.parent)],
                              adjoints.data[1][at(run.parent)]);
  });
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    for (Index k = 0; k < n_leaf; ++k) {
      const Pair pair = {coordinates[at(k)].row, coordinates[at(k)].column};
      const Index t = pair_index(leaf.size, pair.row, pair.column);
      result.log_determinant[k] += (pair.row == pair.column ? 1 : 2) * terms[i].a[at(t)];
      tangents[at(runs_[i].parent)][at(k)] -= Eigen::Map<const MatrixXd>(
          terms[i].b_outer.data() + t * leaf.width * leaf.width, leaf.width, leaf.width);
      for (Index l = 0; l < n_leaf; ++l) {
        const Pair other = {coordinates[at(l)].row, coordinates[at(l)].column};
        result.trace_part(k, l) += 2 * contracted(terms[i].a_trace, leaf.size, pair, other) -
                                   contracted(terms[i].a_a, leaf.size, pair, other);
        result.data_part(k, l) += 2 * contracted(terms[i].a_data, leaf.size, pair, other);
      }
    }
  }
  return tangents;
}

void NestedCrossProducts::add_level_derivatives(Index l, const Sweep& sweep,
                                                const Adjoints& adjoints,
                                                std::vector<std::vector<MatrixXd>>& tangents,
                                                GramDerivatives& result) const {
  const std::vector<CovarianceStructure::Coordinate>& coordinates = structure_.coordinates();
  const Level& level = levels_[at(l)];
  const Index q = level.size;
  const Index lower = structure_.offset(l);
  const Index upper = structure_.offset(l + 1);
  std::vector<std::vector<MatrixXd>> handed_up(
      at(levels_[at(l + 1)].n_groups),
      std::vector<MatrixXd>(at(upper), MatrixXd::Zero(level.width, level.width)));
  for (Index g = 0; g < level.n_groups; ++g) {
    const InnerNode& inner = sweep.nodes[at(l)][at(g)];
    const MatrixXd& a = inner.node.a;
    const MatrixXd& b = inner.node.b;
    const Index parent = level.parent[at(g)];
    const MatrixXd& f = adjoints.trace[at(l + 1)][at(parent)];
    const VectorXd& v = adjoints.data[at(l + 1)][at(parent)];
    // A direction of ψ shifts the node by `left`'(…)`right`-like products: `outer` is what it
    // does to Z'V⁻¹S, `self` to log|M|.
    std::vector<MatrixXd> change_zz(at(upper));
    std::vector<MatrixXd> change_f(at(upper));
    std::vector<VectorXd> change_v(at(upper));
    for (Index k = 0; k < lower; ++k) {
      const MatrixXd& d = tangents[at(g)][at(k)];
      const MatrixXd cross = d.topRows(q) * inner.residual;
      change_zz[at(k)] = d.topLeftCorner(q, q);
      change_f[at(k)] = cross * f;
      change_v[at(k)] = cross * v;
      result.log_determinant[k] += inner.n.cwiseProduct(change_zz[at(k)]).sum();
      handed_up[at(parent)][at(k)].noalias() += inner.residual.transpose() * d * inner.residual;
    }
    for (Index k = lower; k < upper; ++k) {
      const MatrixXd e = symmetric_unit(q, coordinates[at(k)].row, coordinates[at(k)].column);
      change_zz[at(k)] = e;
      change_f[at(k)] = e * (b * f);
      change_v[at(k)] = e * (b * v);
      result.log_determinant[k] += a.cwiseProduct(e).sum();
      handed_up[at(parent)][at(k)].noalias() -= b.transpose() * e * b;
    }
    for (Index k = 0; k < upper; ++k)
      for (Index m = 0; m <= k; ++m) {
        double trace_term = 0;
        double data_term = 0;
        if (k < lower) {  // both below: −tr(N D_k N D_m) − 2⟨FF', c_k'N c_m⟩
          trace_term = -(inner.n * change_zz[at(k)])
                            .cwiseProduct((inner.n * change_zz[at(m)]).transpose())
                            .sum() -
                       2 * change_f[at(k)].cwiseProduct(inner.n * change_f[at(m)]).sum();
          data_term = -2 * change_v[at(k)].dot(inner.n * change_v[at(m)]);
        } else if (m < lower) {  // own and below: tr(E_k K D_m K') − 2⟨FF', c_m'K'E_kB⟩
          trace_term = change_zz[at(k)]
                           .cwiseProduct(inner.k * change_zz[at(m)] * inner.k.transpose())
                           .sum() -
                       2 * change_f[at(k)].cwiseProduct(inner.k * change_f[at(m)]).sum();
          data_term = -2 * change_v[at(k)].dot(inner.k * change_v[at(m)]);
        } else {  // both own: −tr(A E_k A E_m) + 2⟨FF', B'E_kAE_mB⟩
          trace_term =
              -(a * change_zz[at(k)]).cwiseProduct((a * change_zz[at(m)]).transpose()).sum() +
              2 * change_f[at(k)].cwiseProduct(a * change_f[at(m)]).sum();
          data_term = 2 * change_v[at(k)].dot(a * change_v[at(m)]);
        }
        result.trace_part(k, m) += trace_term;
        result.data_part(k, m) += data_term;
        if (m != k) {
          result.trace_part(m, k) += trace_term;
          result.data_part(m, k) += data_term;
        }
      }
  }
  tangents = std::move(handed_up);
}

GramDerivatives NestedCrossProducts::derivatives(const std::vector<MatrixXd>& factors,
                                                 const WeightedGram& known,
                                                 const MatrixXd& trace_factor,
                                                 const VectorXd& data_vector) const {
  const Index n = structure_.n_parameters();
  GramDerivatives result;
  result.log_determinant = VectorXd::Zero(n);
  result.trace_part = MatrixXd::Zero(n, n);
  result.data_part = MatrixXd::Zero(n, n);
  if (depth() == 0) return result;
  const auto& sweep = static_cast<const Sweep&>(*known.factorization);
  const Adjoints adjoints = hand_down(sweep, trace_factor, data_vector);
  std::vector<std::vector<MatrixXd>> tangents =
      add_leaf_derivatives(factors.front(), adjoints, result);
  for (Index l = 1; l < depth(); ++l) add_level_derivatives(l, sweep, adjoints, tangents, result);
  result.gram = std::move(tangents.front());
  return result;
}

// ---- Second derivatives in full ----

namespace {

MatrixXd symmetric_part_twice(const MatrixXd& m) { return m + m.transpose(); }

}  // namespace

/// First and second derivatives of the Gram matrix that a group receives, in the coordinates of the
/// levels below it.
struct NestedCrossProducts::Tangents {
  std::vector<MatrixXd> first;   ///< n
  std::vector<MatrixXd> second;  ///< (k, l), k ≥ l, at k(k + 1)/2 + l

  Tangents(Index n, Index width)
      : first(at(n), MatrixXd::Zero(width, width)),
        second(at(n_pairs(n)), MatrixXd::Zero(width, width)) {}
  MatrixXd& at_pair(Index k, Index l) { return second[at(k * (k + 1) / 2 + l)]; }
};

void NestedCrossProducts::add_leaf_jet(const Run& run, const MatrixXd& factor, GramJet& jet,
                                       Tangents& tangents) const {
  const Level& leaf = levels_.front();
  const Index n = structure_.offset(1);
  const Index square = leaf.width * leaf.width;
  const LeafTerms terms =
      leaf_terms(run, factor, MatrixXd(leaf.width, 0), VectorXd::Zero(leaf.width));
  std::vector<double> scratch(at(leaf_second_scratch_size(leaf.size, leaf.width)));
  std::vector<double> second(at(n_pairs(n_pairs(leaf.size)) * square), 0);
  const LeafBlocks blocks = {leaves_.data() + run.first_block * lanes * leaf_doubles(),
                             nullptr,
                             run.n_blocks,
                             static_cast<int>(leaf.size),
                             static_cast<int>(leaf.width),
                             scratch.data()};
  leaf_kernels().second(blocks, factor.data(), second.data());
  const auto pair_of = [&](Index k) {
    const CovarianceStructure::Coordinate& c = structure_.coordinates()[at(k)];
    return Pair{c.row, c.column};
  };
  const auto square_at = [&](const std::vector<double>& values, Index position) {
    return Eigen::Map<const MatrixXd>(values.data() + position * square, leaf.width, leaf.width);
  };
  for (Index k = 0; k < n; ++k) {
    const Pair own = pair_of(k);
    const Index s = pair_index(leaf.size, own.row, own.column);
    jet.log_determinant[k] += (own.row == own.column ? 1 : 2) * terms.a[at(s)];
    tangents.first[at(k)] -= square_at(terms.b_outer, s);
    for (Index l = 0; l <= k; ++l) {
      const Pair other = pair_of(l);
      const Index t = pair_index(leaf.size, other.row, other.column);
      jet.second_log_determinant(k, l) -= contracted(terms.a_a, leaf.size, own, other);
      tangents.at_pair(k, l) += square_at(second, n_pairs(s) + t);
    }
  }
}

GramJet NestedCrossProducts::jet(const std::vector<MatrixXd>& factors) const {
  const Index n = structure_.n_parameters();
  GramJet result;
  result.log_determinant = VectorXd::Zero(n);
  result.second_log_determinant = MatrixXd::Zero(n, n);
  const auto units = [&](Index level) {
    std::vector<MatrixXd> e;
    for (Index k = structure_.offset(level); k < structure_.offset(level + 1); ++k)
      e.push_back(symmetric_unit(structure_.size(level), structure_.coordinates()[at(k)].row,
                                 structure_.coordinates()[at(k)].column));
    return e;
  };
  /// A group's own coordinates, given Z'V⁻¹Z and Z'V⁻¹S.
  const auto add_own = [&](const MatrixXd& a, const MatrixXd& b, const std::vector<MatrixXd>& e,
                           Index first, Tangents& up) {
    std::vector<MatrixXd> eb;
    for (const MatrixXd& unit_k : e) eb.push_back(unit_k * b);
    for (std::size_t k = 0; k < e.size(); ++k) {
      const Index row = first + static_cast<Index>(k);
      const MatrixXd ae = a * e[k];
      result.log_determinant[row] += ae.trace();
      up.first[at(row)].noalias() -= b.transpose() * eb[k];
      for (std::size_t l = 0; l <= k; ++l) {
        const Index column = first + static_cast<Index>(l);
        result.second_log_determinant(row, column) -= ae.cwiseProduct((a * e[l]).transpose()).sum();
        up.at_pair(row, column) += symmetric_part_twice(eb[k].transpose() * a * eb[l]);
      }
    }
  };

  std::vector<Tangents> tangents;
  const std::shared_ptr<const Sweep> sweep = sweep_up(factors);
  if (depth() > 0) {
    tangents.assign(at(levels_[1].n_groups), Tangents(structure_.offset(1), levels_.front().width));
    for (const Run& run : runs_)
      add_leaf_jet(run, factors.front(), result, tangents[at(run.parent)]);
  }
  for (Index l = 1; l < depth(); ++l) {
    const Level& level = levels_[at(l)];
    const Index q = level.size;
    const Index lower = structure_.offset(l);
    const std::vector<MatrixXd> e = units(l);
    std::vector<Tangents> up(at(levels_[at(l + 1)].n_groups),
                             Tangents(structure_.offset(l + 1), level.width));
    for (Index g = 0; g < level.n_groups; ++g) {
      const InnerNode& inner = sweep->nodes[at(l)][at(g)];
      Tangents& receiver = up[at(level.parent[at(g)])];
      Tangents& below = tangents[at(g)];
      std::vector<MatrixXd> cross;
      for (Index k = 0; k < lower; ++k) {
        cross.emplace_back(below.first[at(k)].topRows(q) * inner.residual);
        const MatrixXd zz = below.first[at(k)].topLeftCorner(q, q);
        result.log_determinant[k] += inner.n.cwiseProduct(zz).sum();
        receiver.first[at(k)] += inner.residual.transpose() * below.first[at(k)] * inner.residual;
        for (Index m = 0; m <= k; ++m) {
          const MatrixXd& second = below.at_pair(k, m);
          const MatrixXd other = below.first[at(m)].topLeftCorner(q, q);
          result.second_log_determinant(k, m) +=
              inner.n.cwiseProduct(second.topLeftCorner(q, q)).sum() -
              (inner.n * zz).cwiseProduct((inner.n * other).transpose()).sum();
          receiver.at_pair(k, m) +=
              inner.residual.transpose() * second * inner.residual -
              symmetric_part_twice(cross[at(k)].transpose() * inner.n * cross[at(m)]);
        }
        for (std::size_t i = 0; i < e.size(); ++i) {
          const Index own = lower + static_cast<Index>(i);
          result.second_log_determinant(own, k) +=
              e[i].cwiseProduct(inner.k * zz * inner.k.transpose()).sum();
          receiver.at_pair(own, k) -= symmetric_part_twice(
              cross[at(k)].transpose() * inner.k.transpose() * e[i] * inner.node.b);
        }
      }
      add_own(inner.node.a, inner.node.b, e, lower, receiver);
    }
    tangents = std::move(up);
  }
  result.second_gram.resize(at(n * n));
  if (depth() == 0) return result;
  Tangents& root = tangents.front();
  result.gram = root.first;
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l <= k; ++l) {
      result.second_gram[at(k * n + l)] = root.at_pair(k, l);
      result.second_gram[at(l * n + k)] = root.at_pair(k, l);
      result.second_log_determinant(l, k) = result.second_log_determinant(k, l);
    }
  return result;
}

// ---- Simulation ----

std::unique_ptr<CrossProducts> NestedCrossProducts::simulate(const std::vector<MatrixXd>& factors,
                                                             const VectorXd& coefficients,
                                                             double sigma,
                                                             RandomStream& stream) const {
  std::unique_ptr<NestedCrossProducts> drawn(new NestedCrossProducts(*this));
  // For each group of a level: its own effects, those of the groups around it, and β.
  std::vector<VectorXd> around = {coefficients};
  for (Index l = depth() - 1; l >= 1; --l) {
    const Level& level = levels_[at(l)];
    std::vector<VectorXd> here;
    for (Index g = 0; g < level.n_groups; ++g) {
      const VectorXd& outside = around[at(level.parent[at(g)])];
      VectorXd joined(level.size + outside.size());
      joined << sigma * (factors[at(l)] * normal_vector(level.size, stream)), outside;
      here.push_back(std::move(joined));
    }
    around = std::move(here);
  }
  if (depth() > 0) {
    const Level& leaf = levels_.front();
    const Index last = leaf.width - 1;
    for (Index slot = 0; slot < static_cast<Index>(leaf_group_.size()); ++slot) {
      const std::int32_t g = leaf_group_[at(slot)];
      if (g < 0) continue;
      const MatrixXd r = leaf_r(slot);
      MatrixXd c = leaf_c(slot);
      const VectorXd effects = sigma * (factors.front() * normal_vector(leaf.size, stream));
      const VectorXd noise = sigma * normal_vector(leaf.size, stream);
      c.col(last) = r * effects + c.leftCols(last) * around[at(leaf.parent[at(g)])];
      for (Index k = 0; k < leaf.size; ++k)
        if (r(k, k) != 0) c(k, last) += noise[k];
      drawn->set_leaf(slot, r, c);
    }
  }
  for (std::size_t g = 0; g < remainders_.size(); ++g) {
    MatrixXd& remainder = drawn->remainders_[g];
    const Index last = remainder.cols() - 1;
    const VectorXd column = draw_gram_column(remainder.topLeftCorner(last, last), around[g], sigma,
                                             residual_rows_[g], stream);
    remainder.col(last) = column;
    remainder.row(last) = column.transpose();
  }
  return drawn;
}

// ---- Effects ----

std::vector<LevelEffects> NestedCrossProducts::effects(const std::vector<MatrixXd>& factors,
                                                       const VectorXd& combination) const {
  std::vector<LevelEffects> result(at(depth()));
  if (depth() == 0) return result;
  const std::shared_ptr<const Sweep> sweep = sweep_up(factors);
  for (Index l = 0; l < depth(); ++l) {
    const Level& level = levels_[at(l)];
    result[at(l)].mean.resize(level.n_groups, level.size);
    result[at(l)].covariance.resize(level.n_groups * level.size, level.size);
  }
  // Downwards: what is left of S once the effects above are predicted, and the covariance of those
  // predictions.
  std::vector<std::vector<VectorXd>> left(at(depth() + 1));
  std::vector<std::vector<MatrixXd>> spread(at(depth() + 1));
  left.back() = {combination};
  spread.back() = {MatrixXd::Zero(0, 0)};
  const auto settle = [&](Index l, Index g, const MatrixXd& n, const MatrixXd& minus_psi_b,
                          MatrixXd& joint) {
    const Level& level = levels_[at(l)];
    const Index parent = level.parent[at(g)];
    const MatrixXd& above = spread[at(l + 1)][at(parent)];
    const MatrixXd gain = minus_psi_b.leftCols(above.cols());
    joint.resize(level.size + above.cols(), level.size + above.cols());
    joint.topLeftCorner(level.size, level.size) = n + gain * above * gain.transpose();
    joint.topRightCorner(level.size, above.cols()) = gain * above;
    joint.bottomLeftCorner(above.cols(), level.size) =
        joint.topRightCorner(level.size, above.cols()).transpose();
    joint.bottomRightCorner(above.cols(), above.cols()) = above;
    const VectorXd mean = -minus_psi_b * left[at(l + 1)][at(parent)];
    result[at(l)].mean.row(g) = mean.transpose();
    result[at(l)].covariance.middleRows(g * level.size, level.size) =
        joint.topLeftCorner(level.size, level.size);
    return mean;
  };
  for (Index l = depth() - 1; l >= 1; --l) {
    const Level& level = levels_[at(l)];
    for (Index g = 0; g < level.n_groups; ++g) {
      const InnerNode& node = sweep->nodes[at(l)][at(g)];
      MatrixXd joint;
      const VectorXd mean = settle(l, g, node.n, node.residual.topRows(level.size), joint);
      VectorXd below(level.size + level.width);
      below << -mean, left[at(l + 1)][at(level.parent[at(g)])];
      left[at(l)].push_back(below);
      spread[at(l)].push_back(joint);
    }
  }
  const MatrixXd& factor = factors.front();
  const MatrixXd psi = factor * factor.transpose();
  for (Index slot = 0; slot < static_cast<Index>(leaf_group_.size()); ++slot) {
    const Index g = leaf_group_[at(slot)];
    if (g < 0) continue;
    const MatrixXd r = leaf_r(slot);
    const GroupNode node = solve_node(r, leaf_c(slot), factor);
    const MatrixXd n = node_covariance(r, factor);
    MatrixXd joint;
    settle(0, g, n, -psi * node.b, joint);
  }
  return result;
}

}  // namespace rapport
