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

MatrixArray NestedCrossProducts::leaf_grams(const std::vector<MatrixXd>& factors,
                                            double& log_determinant) const {
  MatrixArray grams = remainders_;
  if (depth() == 0) return grams;
  const Level& leaf = levels_.front();
  const LeafSet& set = searched();
  const std::vector<Batch> batches = this->batches(set);
  const auto n = static_cast<Index>(batches.size());
  const bool apart = depth() == 1 && n > 1;  // batches share the one parent
  MatrixArray sums(apart ? n : 0, leaf.width, leaf.width);
  VectorXd logs(n);
  parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
    double* scratch = kernel_scratch(leaf_scratch_size(leaf.size, leaf.width, 0));
    double log = 0;
    for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r) {
      const Run& run = set.runs[at(r)];
      double* gram = apart ? sums.data(i) : grams.data(run.parent);
      log += leaf_kernels().value(blocks_of(set, run, scratch), factors.front().data(), gram);
    }
    logs[i] = log;
  });
  for (Index i = 0; i < sums.size(); ++i) grams[0] += sums[i];
  log_determinant += logs.sum();
  return grams;
}

std::shared_ptr<const NestedCrossProducts::Sweep> NestedCrossProducts::sweep_up(
    const std::vector<MatrixXd>& factors) const {
  auto sweep = std::make_shared<Sweep>();
  sweep->nodes.resize(at(depth()));
  MatrixArray grams = leaf_grams(factors, sweep->log_determinant);
  for (Index l = 1; l < depth(); ++l) {
    const Level& level = levels_[at(l)];
    MatrixArray handed_up(levels_[at(l + 1)].n_groups, level.width, level.width);
    MatrixArray& nodes = sweep->nodes[at(l)];
    nodes = MatrixArray(level.n_groups, outer_node_size(level.size, level.width), 1);
    double* const scratch = kernel_scratch(outer_scratch_size(level.size, level.width, 0, 0));
    for (Index g = 0; g < level.n_groups; ++g)
      sweep->log_determinant += leaf_kernels().solve_outer(
          {static_cast<int>(level.size), static_cast<int>(level.width), nodes.data(g), scratch},
          grams.data(g), factors[at(l)].data(), handed_up.data(level.parent[at(g)]));
    grams = std::move(handed_up);
  }
  sweep->root = grams[0];
  return sweep;
}

InnerNode NestedCrossProducts::outer(const Sweep& sweep, Index l, Index g) const {
  const Level& level = levels_[at(l)];
  MatrixArray copy = MatrixArray(1, outer_node_size(level.size, level.width), 1);
  copy[0] = sweep.nodes[at(l)][g];
  return {outer_node(copy.data(0), level.size, level.width), level.size, level.width};
}

WeightedGram NestedCrossProducts::value(const std::vector<MatrixXd>& factors) const {
  const std::shared_ptr<const Sweep> sweep = sweep_up(factors);
  return {sweep->log_determinant, sweep->root, sweep};
}

// ---- Derivatives ----

/// For each level and group the factor F and the vector v whose FF' and vv' are contracted with the
/// derivatives of the Gram matrix that the group receives.
struct NestedCrossProducts::Adjoints {
  std::vector<MatrixArray> trace;
  std::vector<MatrixArray> data;
  std::vector<Index> rank;  ///< columns of F at a level
};

NestedCrossProducts::Adjoints NestedCrossProducts::hand_down(const Sweep& sweep,
                                                             const MatrixXd& trace_factor,
                                                             const VectorXd& data_vector) const {
  Adjoints result;
  result.trace.resize(at(depth() + 1));
  result.data.resize(at(depth() + 1));
  result.rank.assign(at(depth() + 1), trace_factor.cols());
  result.trace.back() = MatrixArray(1, trace_factor.rows(), trace_factor.cols());
  if (trace_factor.size() > 0) result.trace.back()[0] = trace_factor;
  result.data.back() = MatrixArray(1, data_vector.size(), 1);
  result.data.back()[0] = data_vector;
  for (Index l = depth() - 1; l >= 1; --l) {
    const Level& level = levels_[at(l)];
    const Index q = level.size;
    const Index rank = result.rank[at(l + 1)];
    result.rank[at(l)] = q + rank;
    MatrixArray& trace = result.trace[at(l)];
    MatrixArray& data = result.data[at(l)];
    trace = MatrixArray(level.n_groups, q + level.width, q + rank);
    data = MatrixArray(level.n_groups, q + level.width, 1);
    // [N½ −ΨB F; 0 F] and [−ΨB v; v].
    for (Index g = 0; g < level.n_groups; ++g) {
      const double* const memory = sweep.nodes[at(l)].data(g);
      const Eigen::Map<const MatrixXd> n_half(memory + 2 * q * q, q, q);
      const Eigen::Map<const MatrixXd> psi_b(memory + 4 * q * q + q * level.width, level.width, q);
      const double* const f = result.trace[at(l + 1)].data(level.parent[at(g)]);
      const double* const v = result.data[at(l + 1)].data(level.parent[at(g)]);
      Eigen::Map<MatrixXd> down = trace[g];
      down.topLeftCorner(q, q) = n_half;
      const auto pass = [&](const double* above, double* below) {
        for (Index i = 0; i < q; ++i) {
          double sum = 0;
          for (Index k = 0; k < level.width; ++k) sum += psi_b(k, i) * above[k];
          below[i] = -sum;
        }
        std::copy(above, above + level.width, below + q);
      };
      for (Index j = 0; j < rank; ++j) pass(f + j * level.width, down.col(q + j).data());
      pass(v, data.data(g));
    }
  }
  return result;
}

MatrixArray NestedCrossProducts::add_leaf_derivatives(const MatrixXd& factor,
                                                      const Adjoints& adjoints,
                                                      GramDerivatives& result) const {
  const Level& leaf = levels_.front();
  const Index q = leaf.size;
  const Index n_leaf = structure_.offset(1);
  const LeafSet& set = searched();
  const std::vector<Batch> batches = this->batches(set);
  std::vector<MatrixPair> pairs;
  for (Index k = 0; k < n_leaf; ++k)
    pairs.push_back({structure_.coordinates()[at(k)].row, structure_.coordinates()[at(k)].column});
  MatrixArray tangents(levels_[1].n_groups * n_leaf, leaf.width, leaf.width);
  const auto add_tangents = [&](const LeafTerms& terms, Index parent) {
    for (Index k = 0; k < n_leaf; ++k)
      tangents[parent * n_leaf + k] -= Eigen::Map<const MatrixXd>(
          terms.b_outer(pair_index(q, pairs[at(k)].row, pairs[at(k)].column)), leaf.width,
          leaf.width);
  };
  std::vector<LeafTerms> terms(batches.size(), LeafTerms(q, leaf.width));
  const auto n = static_cast<Index>(batches.size());
  parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
    LeafTerms& sum = terms[at(i)];
    for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r) {
      const Run& run = set.runs[at(r)];
      add_leaf_terms(set, run,
                     {factor.data(), adjoints.trace[1].data(run.parent),
                      static_cast<int>(adjoints.rank[1]), adjoints.data[1].data(run.parent)},
                     sum);
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

void NestedCrossProducts::add_leaf_terms(const LeafSet& set, const Run& run,
                                         const LeafAdjoint& adjoint, LeafTerms& sum) const {
  const Level& leaf = levels_.front();
  double* scratch = kernel_scratch(leaf_scratch_size(leaf.size, leaf.width, adjoint.rank));
  leaf_kernels().derivatives(blocks_of(set, run, scratch), adjoint, sum.sums());
}

void NestedCrossProducts::add_level_derivatives(Index l, const Sweep& sweep,
                                                const Adjoints& adjoints, MatrixArray& tangents,
                                                GramDerivatives& result) const {
  const Level& level = levels_[at(l)];
  const Index lower = structure_.offset(l);
  const Index upper = structure_.offset(l + 1);
  const Index rank = adjoints.rank[at(l + 1)];
  std::vector<int> rows;
  std::vector<int> columns;
  for (Index k = lower; k < upper; ++k) {
    rows.push_back(static_cast<int>(structure_.coordinates()[at(k)].row));
    columns.push_back(static_cast<int>(structure_.coordinates()[at(k)].column));
  }
  MatrixArray handed_up(levels_[at(l + 1)].n_groups * upper, level.width, level.width);
  VectorXd logs = VectorXd::Zero(upper);
  MatrixXd trace_part = MatrixXd::Zero(upper, upper);  // by rows: the upper triangle
  MatrixXd data_part = MatrixXd::Zero(upper, upper);
  double* const scratch = kernel_scratch(outer_scratch_size(level.size, level.width, rank, upper));
  for (Index g = 0; g < level.n_groups; ++g) {
    const Index parent = level.parent[at(g)];
    // The node is only read.
    double* const node = const_cast<double*>(sweep.nodes[at(l)].data(g));
    leaf_kernels().outer_derivatives(
        {static_cast<int>(level.size), static_cast<int>(level.width), node, scratch},
        {adjoints.trace[at(l + 1)].data(parent), static_cast<int>(rank),
         adjoints.data[at(l + 1)].data(parent), static_cast<int>(lower), static_cast<int>(upper),
         rows.data(), columns.data()},
        tangents.data(g * lower),
        {logs.data(), trace_part.data(), data_part.data(), handed_up.data(parent * upper)});
  }
  result.log_determinant.head(upper) += logs;
  result.trace_part.topLeftCorner(upper, upper) += trace_part.selfadjointView<Eigen::Upper>();
  result.data_part.topLeftCorner(upper, upper) += data_part.selfadjointView<Eigen::Upper>();
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
  MatrixArray tangents = add_leaf_derivatives(factors.front(), adjoints, result);
  for (Index l = 1; l < depth(); ++l) add_level_derivatives(l, sweep, adjoints, tangents, result);
  for (Index k = 0; k < n; ++k) result.gram.emplace_back(tangents[k]);
  return result;
}

}  // namespace rapport
