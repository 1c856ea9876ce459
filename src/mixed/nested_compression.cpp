#include <rapport/base/parallel.hpp>

#include "nested.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index lanes = LeafBlocks::lanes;
constexpr Index blocks_per_run = 256;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

/// The rows of each lane's group: `count` of them from `begin` on, in `rows`, or in the table
/// itself where that is empty.
struct NestedCrossProducts::LaneRows {
  std::vector<std::ptrdiff_t> rows;
  std::vector<std::ptrdiff_t> begin;
  std::vector<std::ptrdiff_t> count;

  [[nodiscard]] std::vector<Index> of(Index slot) const {
    std::vector<Index> result(at(count[at(slot)]));
    for (std::size_t i = 0; i < result.size(); ++i) {
      const std::size_t place = at(begin[at(slot)]) + i;
      result[i] = rows.empty() ? static_cast<Index>(place) : rows[place];
    }
    return result;
  }
};

/// Which columns vary, for the kernel that compresses: own ones, then shared ones. The rest of each
/// kind is constant.
struct NestedCrossProducts::VaryingColumns {
  std::vector<const double*> values;
  std::vector<double> shift;
  std::vector<double> scale;
  std::vector<Index> shared;       ///< the shared columns that vary and are no own ones
  std::vector<Index> same_as_own;  ///< a shared column each: the own one that it repeats, else −1
  std::vector<double>
      constants;            ///< a shared column each: its value where it is constant, else NaN
  double own_constant = 0;  ///< of the first own column
  int n_own = 0;

  explicit VaryingColumns(const ModelColumns& columns) {
    const auto add = [this](const ModelColumn& column) {
      values.push_back(column.values);
      shift.push_back(column.shift);
      scale.push_back(column.scale);
    };
    const auto value_of = [](const ModelColumn& column) {
      return (column.values[0] - column.shift) * column.scale;
    };
    const std::vector<ModelColumn>& own = columns.levels.front().columns;
    std::size_t n = columns.fixed.size();
    for (const GroupingLevel& level : columns.levels) n += level.columns.size();
    values.reserve(n);
    shift.reserve(n);
    scale.reserve(n);
    shared.reserve(n);
    same_as_own.reserve(n);
    constants.reserve(n);
    own_constant = value_of(own.front());
    for (std::size_t j = 1; j < own.size(); ++j) add(own[j]);
    n_own = static_cast<int>(own.size()) - 1;
    const auto add_shared = [&](const ModelColumn& column) {
      same_as_own.push_back(-1);
      for (std::size_t j = 1; j < own.size(); ++j)
        if (own[j].values == column.values && own[j].shift == column.shift &&
            own[j].scale == column.scale)
          same_as_own.back() = static_cast<Index>(j) - 1;
      if (!column.constant && same_as_own.back() < 0) {
        shared.push_back(static_cast<Index>(constants.size()));
        add(column);
      }
      constants.push_back(column.constant ? value_of(column) : std::nan(""));
    };
    for (std::size_t l = 1; l < columns.levels.size(); ++l)
      for (const ModelColumn& column : columns.levels[l].columns) add_shared(column);
    for (const ModelColumn& column : columns.fixed) add_shared(column);
  }
};

void NestedCrossProducts::arrange() {
  if (depth() == 0) return;
  const Level& leaf = levels_.front();
  const Index n_parents = levels_[1].n_groups;
  std::vector<Index> members(at(n_parents), 0);
  for (const std::int32_t parent : leaf.parent) ++members[at(parent)];
  std::vector<Index> next(at(n_parents));
  Index blocks = 0;
  for (Index p = 0; p < n_parents; ++p) {
    next[at(p)] = blocks * lanes;
    const Index last = blocks + (members[at(p)] + lanes - 1) / lanes;
    for (Index b = blocks; b < last; b += blocks_per_run)
      leaves_->runs.push_back({p, b, std::min(blocks_per_run, last - b)});
    blocks = last;
  }
  leaf_group_.assign(at(blocks * lanes), -1);
  for (Index g = 0; g < leaf.n_groups; ++g)
    leaf_group_[at(next[at(leaf.parent[at(g)])]++)] = static_cast<std::int32_t>(g);
  leaves_->values.assign(leaf_group_.size() * at(leaf_doubles()), 0);
}

Index NestedCrossProducts::leaf_doubles() const {
  const Level& leaf = levels_.front();
  return n_pairs(leaf.size) + leaf.size * leaf.width;
}

MatrixXd NestedCrossProducts::leaf_r(const LeafSet& set, Index slot) const {
  const Index q = levels_.front().size;
  const double* value = set.values.data() + slot / lanes * lanes * leaf_doubles() + slot % lanes;
  MatrixXd r = MatrixXd::Zero(q, q);
  for (Index j = 0; j < q; ++j)
    for (Index i = 0; i <= j; ++i, value += lanes) r(i, j) = *value;
  return r;
}

MatrixXd NestedCrossProducts::leaf_c(const LeafSet& set, Index slot) const {
  const Level& leaf = levels_.front();
  const double* value = set.values.data() +
                        (slot / lanes * leaf_doubles() + n_pairs(leaf.size)) * lanes + slot % lanes;
  MatrixXd c(leaf.size, leaf.width);
  for (Index j = 0; j < leaf.width; ++j)
    for (Index i = 0; i < leaf.size; ++i, value += lanes) c(i, j) = *value;
  return c;
}

void NestedCrossProducts::set_leaf(LeafSet& set, Index slot, const MatrixXd& r,
                                   const MatrixXd& c) const {
  double* value = set.values.data() + slot / lanes * lanes * leaf_doubles() + slot % lanes;
  for (Index j = 0; j < r.cols(); ++j)
    for (Index i = 0; i <= j; ++i, value += lanes) *value = r(i, j);
  for (Index j = 0; j < c.cols(); ++j)
    for (Index i = 0; i < c.rows(); ++i, value += lanes) *value = c(i, j);
}

NestedCrossProducts::LaneRows NestedCrossProducts::find_rows(
    const std::vector<std::int32_t>& group) const {
  const Index n_groups = levels_.front().n_groups;
  std::vector<std::ptrdiff_t> begin(at(n_groups + 1), 0);
  for (const std::int32_t g : group) ++begin[static_cast<std::size_t>(g) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  LaneRows result;
  if (!std::is_sorted(group.begin(), group.end())) {
    std::vector<std::ptrdiff_t> next(begin.begin(), begin.end() - 1);
    result.rows.resize(group.size());
    for (std::size_t i = 0; i < group.size(); ++i)
      result.rows[at(next[static_cast<std::size_t>(group[i])]++)] = static_cast<std::ptrdiff_t>(i);
  }
  result.begin.reserve(leaf_group_.size());
  result.count.reserve(leaf_group_.size());
  for (const std::int32_t g : leaf_group_) {
    result.begin.push_back(g < 0 ? 0 : begin[at(g)]);
    result.count.push_back(g < 0 ? 0 : begin[at(g + 1)] - begin[at(g)]);
  }
  return result;
}

void NestedCrossProducts::compress(const ModelColumns& columns) {
  const Level& receiver = levels_[at(std::min<Index>(1, depth()))];
  const Index width = receiver.size + receiver.width;
  remainders_ = MatrixArray(receiver.n_groups, width, width);
  residual_rows_.assign(at(receiver.n_groups), 0);
  if (depth() == 0) {
    compress_all_rows(columns);
    return;
  }
  const LaneRows rows = find_rows(columns.levels.front().group);
  const bool simple =
      columns.root_weight.size() == 0 && columns.levels.front().columns.front().constant;
  const auto n_runs = static_cast<Index>(leaves_->runs.size());
  MatrixArray sums(n_runs, width, width);
  const VaryingColumns varying(columns);
  parallel_for(n_runs, n_runs < 8 ? 1 : threads_, [&](Index i) {
    const Run& run = leaves_->runs[at(i)];
    std::vector<unsigned char> doubtful(at(run.n_blocks * lanes), 1);
    if (simple) compress_run(run, varying, rows, sums[i], doubtful);
    for (Index lane = 0; lane < run.n_blocks * lanes; ++lane) {
      const Index slot = run.first_block * lanes + lane;
      if (doubtful[at(lane)] != 0 && leaf_group_[at(slot)] >= 0)
        compress_group(columns, rows.of(slot), slot, sums[i]);
    }
  });
  const Index q = levels_.front().size;
  for (Index i = 0; i < n_runs; ++i) {
    const Run& run = leaves_->runs[at(i)];
    remainders_[run.parent] += sums[i];
    Index& residual_rows = residual_rows_[at(run.parent)];
    for (Index slot = run.first_block * lanes; slot < (run.first_block + run.n_blocks) * lanes;
         ++slot) {
      residual_rows += rows.count[at(slot)];
      const double* value =
          leaves_->values.data() + slot / lanes * lanes * leaf_doubles() + slot % lanes;
      for (Index j = 0; j < q; ++j)
        if (value[(n_pairs(j) + j) * lanes] != 0) --residual_rows;
    }
  }
}

void NestedCrossProducts::compress_all_rows(const ModelColumns& columns) {
  constexpr Index piece = 4096;
  residual_rows_.front() = columns.rows;
  for (Index first = 0; first < columns.rows; first += piece) {
    std::vector<Index> rows(at(std::min(piece, columns.rows - first)));
    std::iota(rows.begin(), rows.end(), first);
    compress_group(columns, rows, 0, remainders_[0]);
  }
}

/// With the first own column constant, Q begins with a constant column: R and C begin with √n times
/// the means, and the rest follows from centred products. Marks the groups whose own columns are
/// too nearly dependent for that.
void NestedCrossProducts::compress_run(const Run& run, const VaryingColumns& varying,
                                       const LaneRows& rows, Eigen::Ref<MatrixXd> remainder,
                                       std::vector<unsigned char>& doubtful) {
  const Index n_own = varying.n_own;
  const auto n_shared = static_cast<Index>(varying.shared.size());
  const Index q = levels_.front().size;
  const Index width = levels_.front().width;
  const long result_size = leaf_rows_result_size(n_own, n_shared);
  double* const values = kernel_scratch(result_size * run.n_blocks + n_shared * n_shared +
                                        leaf_rows_scratch_size(n_own, n_shared));
  double* const sum = values + result_size * run.n_blocks;
  std::fill_n(sum, n_shared * n_shared, 0.0);
  const Index first_slot = run.first_block * lanes;
  leaf_kernels().compress(
      {varying.values.data(), varying.shift.data(), varying.scale.data(), varying.n_own,
       static_cast<int>(n_shared), rows.rows.empty() ? nullptr : rows.rows.data(),
       rows.begin.data() + first_slot, rows.count.data() + first_slot, run.n_blocks,
       sum + n_shared * n_shared},
      {values, sum, doubtful.data()});
  for (Index j = 0; j < n_shared; ++j)
    for (Index i = 0; i < n_shared; ++i)
      remainder(varying.shared[at(i)], varying.shared[at(j)]) += sum[j * n_shared + i];

  const double sign = varying.own_constant < 0 ? -1 : 1;
  for (Index block = 0; block < run.n_blocks; ++block) {
    const double* means = values + block * result_size;
    const double* r = means + (n_own + n_shared) * lanes;
    const double* c = r + n_pairs(n_own) * lanes;
    double* out = leaves_->values.data() + (run.first_block + block) * lanes * leaf_doubles();
    for (Index lane = 0; lane < lanes; ++lane) {
      const double root_n =
          std::sqrt(static_cast<double>(rows.count[at(first_slot + block * lanes + lane)]));
      const auto put = [&](Index place, double value) { out[place * lanes + lane] = value; };
      put(0, sign * varying.own_constant * root_n);
      for (Index j = 0; j < n_own; ++j) {
        put(n_pairs(j + 1), sign * means[j * lanes + lane]);
        for (Index i = 0; i <= j; ++i)
          put(n_pairs(j + 1) + i + 1, r[(n_pairs(j) + i) * lanes + lane]);
      }
      Index varies = 0;
      for (Index k = 0; k < width; ++k) {
        const Index column = n_pairs(q) + k * q;
        const double constant = varying.constants[at(k)];
        const bool is_constant = !std::isnan(constant);
        if (const Index own = varying.same_as_own[at(k)]; own >= 0) {  // C is the column of R
          put(column, sign * means[own * lanes + lane]);
          for (Index i = 0; i < n_own; ++i)
            put(column + i + 1, i <= own ? r[(n_pairs(own) + i) * lanes + lane] : 0);
          continue;
        }
        put(column,
            sign * (is_constant ? constant * root_n : means[(n_own + varies) * lanes + lane]));
        for (Index i = 0; i < n_own; ++i)
          put(column + i + 1, is_constant ? 0 : c[(varies * n_own + i) * lanes + lane]);
        if (!is_constant) ++varies;
      }
    }
  }
}

void NestedCrossProducts::compress_group(const ModelColumns& columns,
                                         const std::vector<Index>& rows, Index slot,
                                         Eigen::Ref<MatrixXd> remainder) {
  const Index q = depth() == 0 ? 0 : levels_.front().size;
  const Index width = remainder.rows();
  MatrixXd work(static_cast<Index>(rows.size()), q + width);
  Index column = 0;
  const auto gather = [&](const ModelColumn& source) {
    for (Index i = 0; i < static_cast<Index>(rows.size()); ++i) {
      const double value = (source.values[rows[at(i)]] - source.shift) * source.scale;
      work(i, column) =
          columns.root_weight.size() == 0 ? value : value * columns.root_weight[rows[at(i)]];
    }
    ++column;
  };
  for (const GroupingLevel& level : columns.levels)
    for (const ModelColumn& source : level.columns) gather(source);
  for (const ModelColumn& source : columns.fixed) gather(source);

  if (q > 0) {
    const GroupFactor factor = factor_group(work, q);
    set_leaf(*leaves_, slot, factor.r, factor.c);
  }
  remainder.noalias() += work.rightCols(width).transpose() * work.rightCols(width);
}

void NestedCrossProducts::transform_effects(const std::vector<MatrixXd>& transforms) {
  if (depth() == 0) return;
  // Columns of Z of outer levels stand in every matrix that inner groups share.
  const Level& leaf = levels_.front();
  MatrixXd shared = MatrixXd::Identity(leaf.width, leaf.width);
  Index first = 0;
  for (Index l = 1; l < depth(); ++l) {
    const Index size = levels_[at(l)].size;
    shared.block(first, first, size, size) = transforms[at(l)];
    first += size;
  }
  for (Index g = 0; g < remainders_.size(); ++g)
    remainders_[g] = (shared.transpose() * remainders_[g] * shared).eval();
  transform_leaves(*leaves_, transforms.front(), shared);
  transform_leaves(merged_, transforms.front(), shared);
}

void NestedCrossProducts::transform_leaves(LeafSet& set, const MatrixXd& own,
                                           const MatrixXd& shared) const {
  const Index q = levels_.front().size;
  const Index first = levels_.front().width - levels_.back().width;  // columns of outer levels
  const Index block_size = lanes * leaf_doubles();
  for (double* r = set.values.data(); r != set.values.data() + set.values.size(); r += block_size) {
    double* c = r + n_pairs(q) * lanes;
    // Columns of an upper triangular product from the last, each from those before it; only Z of
    // outer levels changes in C.
    for (Index j = q - 1; j >= 0; --j)
      for (Index i = 0; i <= j; ++i)
        for (Index lane = 0; lane < lanes; ++lane) {
          double sum = 0;
          for (Index k = i; k <= j; ++k) sum += r[(n_pairs(k) + i) * lanes + lane] * own(k, j);
          r[(n_pairs(j) + i) * lanes + lane] = sum;
        }
    for (Index j = first - 1; j >= 0; --j)
      for (Index i = 0; i < q; ++i)
        for (Index lane = 0; lane < lanes; ++lane) {
          double sum = 0;
          for (Index k = 0; k <= j; ++k) sum += c[(k * q + i) * lanes + lane] * shared(k, j);
          c[(j * q + i) * lanes + lane] = sum;
        }
  }
}

std::vector<MatrixXd> NestedCrossProducts::mean_effect_grams() const {
  std::vector<MatrixXd> result;
  if (depth() == 0) return result;
  const Level& leaf = levels_.front();
  const Index q = leaf.size;
  const Index outer = leaf.width - levels_.back().width;  // columns of Z of the outer levels
  MatrixXd own = MatrixXd::Zero(q, q);
  MatrixXd shared = MatrixXd::Zero(outer, outer);
  const LeafSet& set = searched();
  for (std::size_t slot = 0; slot < set.values.size() / at(leaf_doubles()); slot += at(lanes)) {
    const double* r = set.values.data() + slot * at(leaf_doubles());
    const double* c = r + n_pairs(q) * lanes;
    for (Index j = 0; j < q; ++j)
      for (Index k = 0; k <= j; ++k)
        for (Index i = 0; i <= k; ++i)
          for (std::size_t lane = 0; lane < at(lanes); ++lane)
            own(k, j) += (set.multiplicity.empty() ? 1 : set.multiplicity[slot + lane]) *
                         r[at((n_pairs(j) + i) * lanes) + lane] *
                         r[at((n_pairs(k) + i) * lanes) + lane];
    for (Index j = 0; j < outer; ++j)
      for (Index k = 0; k <= j; ++k)
        for (Index i = 0; i < q * lanes; ++i)
          shared(k, j) += c[j * q * lanes + i] * c[k * q * lanes + i];
  }
  own = own.selfadjointView<Eigen::Upper>();
  shared = shared.selfadjointView<Eigen::Upper>();
  for (Index g = 0; g < remainders_.size(); ++g)
    shared += remainders_[g].topLeftCorner(outer, outer);
  result.push_back(own / static_cast<double>(leaf.n_groups));
  Index first = 0;
  for (Index l = 1; l < depth(); ++l) {
    const Level& level = levels_[at(l)];
    result.push_back(shared.block(first, first, level.size, level.size) /
                     static_cast<double>(level.n_groups));
    first += level.size;
  }
  return result;
}

}  // namespace rapport
