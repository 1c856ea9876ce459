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
  const auto add_run = [&](const Run& run, double* gram) {
    double* scratch = kernel_scratch(leaf_scratch_size(leaf.size, leaf.width, 0));
    return leaf_kernels().value(blocks_of(set, run, scratch), factors.front().data(), gram);
  };
  if (set.runs.size() == 1) {
    log_determinant += add_run(set.runs.front(), grams.data(set.runs.front().parent));
    return grams;
  }
  const std::vector<Batch> batches = this->batches(set);
  const auto n = static_cast<Index>(batches.size());
  const bool apart = depth() == 1;  // batches share the one parent
  MatrixArray sums(apart ? n : 0, leaf.width, leaf.width);
  VectorXd logs = VectorXd::Zero(n);
  parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
    for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r) {
      const Run& run = set.runs[at(r)];
      logs[i] += add_run(run, apart ? sums.data(i) : grams.data(run.parent));
    }
  });
  for (Index i = 0; i < sums.size(); ++i) grams[0] += sums[i];
  log_determinant += logs.sum();
  return grams;
}

WeightedGram NestedCrossProducts::value(const std::vector<MatrixXd>& factors) const {
  WeightedGram result;
  MatrixArray grams = leaf_grams(factors, result.log_determinant);
  if (depth() > 1) {
    auto sweep = std::make_shared<Sweep>();
    sweep->nodes.resize(at(depth()));
    for (Index l = 1; l < depth(); ++l)
      grams = solve_level(l, grams, factors[at(l)], sweep->nodes[at(l)], result.log_determinant);
    result.factorization = std::move(sweep);
  }
  result.gram = grams[0];
  return result;
}

MatrixArray NestedCrossProducts::solve_level(Index l, MatrixArray& grams, const MatrixXd& factor,
                                             MatrixArray& nodes, double& log_determinant) const {
  const Level& level = levels_[at(l)];
  MatrixArray handed_up(levels_[at(l + 1)].n_groups, level.width, level.width);
  nodes = MatrixArray(level.n_groups, outer_node_size(level.size, level.width), 1);
  double* const scratch = kernel_scratch(outer_scratch_size(level.size, level.width, 0, 0));
  for (Index g = 0; g < level.n_groups; ++g)
    log_determinant += leaf_kernels().solve_outer(
        {static_cast<int>(level.size), static_cast<int>(level.width), nodes.data(g), scratch},
        grams.data(g), factor.data(), handed_up.data(level.parent[at(g)]));
  return handed_up;
}

InnerNode NestedCrossProducts::outer(const WeightedGram& known, Index l, Index g) const {
  const Level& level = levels_[at(l)];
  MatrixArray copy = MatrixArray(1, outer_node_size(level.size, level.width), 1);
  copy[0] = solved(known).nodes[at(l)][g];
  return {outer_node(copy.data(0), level.size, level.width), level.size, level.width};
}

// ---- Derivatives ----

/// For each level and group the factor F and the vector v whose FF' and vv' are contracted with the
/// derivatives of the Gram matrix that the group receives.
struct NestedCrossProducts::Adjoints {
  struct Received {
    MatrixArray trace;
    MatrixArray data;
    Index rank = 0;  ///< columns of F
  };
  const MatrixXd& root_trace;
  const VectorXd& root_data;
  std::vector<Received> levels;  ///< from level 1 on

  [[nodiscard]] bool is_root(Index l) const { return l > static_cast<Index>(levels.size()); }
  [[nodiscard]] Index rank(Index l) const {
    return is_root(l) ? root_trace.cols() : levels[at(l - 1)].rank;
  }
  [[nodiscard]] const double* trace(Index l, Index group) const {
    return is_root(l) ? root_trace.data() : levels[at(l - 1)].trace.data(group);
  }
  [[nodiscard]] const double* data(Index l, Index group) const {
    return is_root(l) ? root_data.data() : levels[at(l - 1)].data.data(group);
  }
};

NestedCrossProducts::Adjoints NestedCrossProducts::hand_down(const WeightedGram& known,
                                                             const MatrixXd& trace_factor,
                                                             const VectorXd& data_vector) const {
  Adjoints result{trace_factor, data_vector, {}};
  result.levels.resize(at(depth() - 1));
  for (Index l = depth() - 1; l >= 1; --l) {
    const Level& level = levels_[at(l)];
    const Index q = level.size;
    const Index rank = result.rank(l + 1);
    const MatrixArray& nodes = solved(known).nodes[at(l)];
    Adjoints::Received& received = result.levels[at(l - 1)];
    received = {MatrixArray(level.n_groups, q + level.width, q + rank),
                MatrixArray(level.n_groups, q + level.width, 1), q + rank};
    // [N½ −ΨB F; 0 F] and [−ΨB v; v].
    for (Index g = 0; g < level.n_groups; ++g) {
      const double* const memory = nodes.data(g);
      const Eigen::Map<const MatrixXd> n_half(memory + 2 * q * q, q, q);
      const Eigen::Map<const MatrixXd> psi_b(memory + 4 * q * q + q * level.width, level.width, q);
      const double* const f = result.trace(l + 1, level.parent[at(g)]);
      const double* const v = result.data(l + 1, level.parent[at(g)]);
      Eigen::Map<MatrixXd> down = received.trace[g];
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
      pass(v, received.data.data(g));
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
  const std::vector<CovarianceStructure::Coordinate>& own = structure_.coordinates();
  MatrixArray tangents(levels_[1].n_groups * n_leaf, leaf.width, leaf.width);
  const auto add_tangents = [&](const LeafTerms& terms, Index parent) {
    for (Index k = 0; k < n_leaf; ++k)
      tangents[parent * n_leaf + k] -= Eigen::Map<const MatrixXd>(
          terms.b_outer(pair_index(q, own[at(k)].row, own[at(k)].column)), leaf.width, leaf.width);
  };
  const auto add_run = [&](const Run& run, LeafTerms& sum) {
    add_leaf_terms(set, run,
                   {factor.data(), adjoints.trace(1, run.parent),
                    static_cast<int>(adjoints.rank(1)), adjoints.data(1, run.parent)},
                   sum);
    if (depth() == 1) return;
    add_tangents(sum, run.parent);
    sum.clear_outer();
  };
  LeafTerms total(q, leaf.width);
  if (set.runs.size() == 1) {
    add_run(set.runs.front(), total);
  } else {
    const std::vector<Batch> batches = this->batches(set);
    std::vector<LeafTerms> terms(batches.size(), total);
    const auto n = static_cast<Index>(batches.size());
    parallel_for(n, n < 8 ? 1 : threads_, [&](Index i) {
      for (Index r = batches[at(i)].first; r < batches[at(i)].last; ++r)
        add_run(set.runs[at(r)], terms[at(i)]);
    });
    for (const LeafTerms& sum : terms) total += sum;
  }
  if (depth() == 1) add_tangents(total, 0);
  for (Index k = 0; k < n_leaf; ++k) {
    const MatrixPair pair{own[at(k)].row, own[at(k)].column};
    result.log_determinant[k] +=
        (pair.row == pair.column ? 1 : 2) * total.a()[pair_index(q, pair.row, pair.column)];
    for (Index l = 0; l <= k; ++l) {
      const MatrixPair other{own[at(l)].row, own[at(l)].column};
      const double trace =
          2 * contracted(total.a_trace(), q, pair, other) - contracted(total.a_a(), q, pair, other);
      const double data = 2 * contracted(total.a_data(), q, pair, other);
      result.trace_part(k, l) += trace;
      result.data_part(k, l) += data;
      if (l == k) continue;
      result.trace_part(l, k) += trace;
      result.data_part(l, k) += data;
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

void NestedCrossProducts::add_level_derivatives(Index l, const MatrixArray& nodes,
                                                const Adjoints& adjoints, MatrixArray& tangents,
                                                GramDerivatives& result) const {
  const Level& level = levels_[at(l)];
  const Index lower = structure_.offset(l);
  const Index upper = structure_.offset(l + 1);
  const Index rank = adjoints.rank(l + 1);
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
    double* const node = const_cast<double*>(nodes.data(g));
    leaf_kernels().outer_derivatives(
        {static_cast<int>(level.size), static_cast<int>(level.width), node, scratch},
        {adjoints.trace(l + 1, parent), static_cast<int>(rank), adjoints.data(l + 1, parent),
         static_cast<int>(lower), static_cast<int>(upper), rows.data(), columns.data()},
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
  const Adjoints adjoints = hand_down(known, trace_factor, data_vector);
  MatrixArray tangents = add_leaf_derivatives(factors.front(), adjoints, result);
  for (Index l = 1; l < depth(); ++l)
    add_level_derivatives(l, solved(known).nodes[at(l)], adjoints, tangents, result);
  result.gram.reserve(at(n));
  for (Index k = 0; k < n; ++k) result.gram.emplace_back(tangents[k]);
  return result;
}

}  // namespace rapport
