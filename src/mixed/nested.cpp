#include "nested.hpp"

#include <rapport/base/parallel.hpp>

#include "leaf_terms.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index lanes = LeafBlocks::lanes;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

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

void NestedCrossProducts::set_levels(Index fixed_columns) {
  Index width = fixed_columns;
  levels_.resize(at(structure_.n_levels() + 1));
  levels_.back().width = width;
  for (Index l = structure_.n_levels() - 1; l >= 0; --l) {
    levels_[at(l)].size = structure_.size(l);
    levels_[at(l)].width = width;
    width += structure_.size(l);
  }
}

NestedCrossProducts::NestedCrossProducts(Part /*part*/, const ModelColumns& columns,
                                         CovarianceStructure structure, int threads)
    : structure_(std::move(structure)), threads_(threads) {
  set_levels(static_cast<Index>(columns.fixed.size()));
  for (Index l = 0; l < depth(); ++l) {
    Level& level = levels_[at(l)];
    level.n_groups = columns.levels[at(l)].n_groups;
    level.parent.assign(at(level.n_groups), 0);
    if (l + 1 == depth()) continue;
    const std::vector<std::int32_t>& inner = columns.levels[at(l)].group;
    for (std::size_t i = 0; i < inner.size(); ++i)
      level.parent[at(inner[i])] = columns.levels[at(l + 1)].group[i];
  }
  arrange();
  compress(columns);
}

NestedCrossProducts::NestedCrossProducts(const ModelColumns& columns, CovarianceStructure structure,
                                         int threads)
    : NestedCrossProducts(Part{}, columns, std::move(structure), threads) {
  merge_equal_designs();
}

// ---- Value ----

LeafBlocks NestedCrossProducts::blocks_of(const LeafSet& set, const Run& run,
                                          double* scratch) const {
  const Level& leaf = levels_.front();
  return {set.values.data() + run.first_block * lanes * leaf_doubles(),
          set.multiplicity.empty() ? nullptr : set.multiplicity.data() + run.first_block * lanes,
          run.n_blocks,
          static_cast<int>(leaf.size),
          static_cast<int>(leaf.width),
          scratch};
}

std::vector<NestedCrossProducts::Batch> NestedCrossProducts::batches(const LeafSet& set) const {
  constexpr Index enough = 64;  // blocks
  const auto n_runs = static_cast<Index>(set.runs.size());
  std::vector<Batch> result;
  Index first = 0;
  Index blocks = 0;
  for (Index i = 0; i < n_runs; ++i) {
    blocks += set.runs[at(i)].n_blocks;
    const bool ends = i + 1 == n_runs || depth() == 1 ||
                      (set.runs[at(i + 1)].parent != set.runs[at(i)].parent && blocks >= enough);
    if (!ends) continue;
    result.push_back({first, i + 1});
    first = i + 1;
    blocks = 0;
  }
  return result;
}

std::vector<MatrixXd> NestedCrossProducts::leaf_grams(const std::vector<MatrixXd>& factors,
                                                      double& log_determinant) const {
  std::vector<MatrixXd> grams = remainders_;
  if (depth() == 0) return grams;
  const Level& leaf = levels_.front();
  const LeafSet& set = searched();
  const std::vector<Batch> batches = this->batches(set);
  const auto n = static_cast<Index>(batches.size());
  const bool apart = depth() == 1 && n > 1;  // batches share the one parent
  std::vector<MatrixXd> sums(apart ? batches.size() : 0, MatrixXd::Zero(leaf.width, leaf.width));
  VectorXd logs(n);
  parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
    double* scratch = kernel_scratch(leaf_scratch_size(leaf.size, leaf.width, 0));
    double log = 0;
    for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r) {
      const Run& run = set.runs[at(r)];
      MatrixXd& gram = apart ? sums[at(i)] : grams[at(run.parent)];
      log +=
          leaf_kernels().value(blocks_of(set, run, scratch), factors.front().data(), gram.data());
    }
    logs[i] = log;
  });
  for (const MatrixXd& sum : sums) grams.front() += sum;
  log_determinant += logs.sum();
  return grams;
}

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
  const Index q = leaf.size;
  const Index n_leaf = structure_.offset(1);
  const LeafSet& set = searched();
  const std::vector<Batch> batches = this->batches(set);
  std::vector<MatrixPair> pairs;
  for (Index k = 0; k < n_leaf; ++k)
    pairs.push_back({structure_.coordinates()[at(k)].row, structure_.coordinates()[at(k)].column});
  std::vector<std::vector<MatrixXd>> tangents(
      at(levels_[1].n_groups),
      std::vector<MatrixXd>(at(n_leaf), MatrixXd::Zero(leaf.width, leaf.width)));
  const auto add_tangents = [&](const LeafTerms& terms, Index parent) {
    for (Index k = 0; k < n_leaf; ++k)
      tangents[at(parent)][at(k)] -= Eigen::Map<const MatrixXd>(
          terms.b_outer(pair_index(q, pairs[at(k)].row, pairs[at(k)].column)), leaf.width,
          leaf.width);
  };
  std::vector<LeafTerms> terms(batches.size(), LeafTerms(q, leaf.width));
  const auto n = static_cast<Index>(batches.size());
  parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
    LeafTerms& sum = terms[at(i)];
    for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r) {
      const Run& run = set.runs[at(r)];
      add_leaf_terms(set, run, factor, adjoints.trace[1][at(run.parent)],
                     adjoints.data[1][at(run.parent)], sum);
      if (depth() == 1) continue;
      add_tangents(sum, run.parent);
      sum.clear_outer();
    }
  });
  LeafTerms total(q, leaf.width);
  for (const LeafTerms& sum : terms) {
    if (depth() == 1) add_tangents(sum, 0);
    total += sum;
  }
  for (Index k = 0; k < n_leaf; ++k) {
    const MatrixPair pair = pairs[at(k)];
    result.log_determinant[k] +=
        (pair.row == pair.column ? 1 : 2) * total.a()[pair_index(q, pair.row, pair.column)];
    for (Index l = 0; l < n_leaf; ++l) {
      result.trace_part(k, l) += 2 * contracted(total.a_trace(), q, pair, pairs[at(l)]) -
                                 contracted(total.a_a(), q, pair, pairs[at(l)]);
      result.data_part(k, l) += 2 * contracted(total.a_data(), q, pair, pairs[at(l)]);
    }
  }
  return tangents;
}

void NestedCrossProducts::add_leaf_terms(const LeafSet& set, const Run& run, const MatrixXd& factor,
                                         const MatrixXd& trace_factor, const VectorXd& data_vector,
                                         LeafTerms& sum) const {
  const Level& leaf = levels_.front();
  double* scratch = kernel_scratch(leaf_scratch_size(leaf.size, leaf.width, trace_factor.cols()));
  leaf_kernels().derivatives(blocks_of(set, run, scratch),
                             {factor.data(), trace_factor.data(),
                              static_cast<int>(trace_factor.cols()), data_vector.data()},
                             sum.sums());
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

}  // namespace rapport
