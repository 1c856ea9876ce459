#include <rapport/base/error.hpp>

#include "crossed.hpp"
#include "node.hpp"
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// A value on the model's internal scale.
double internal_value(const ModelColumns& columns, const ModelColumn& source, Index row) {
  const double scaled = (source.values[row] - source.shift) * source.scale;
  return columns.root_weight.size() == 0 ? scaled : scaled * columns.root_weight[row];
}

/// Rows sorted by group: those of group g from begin[g] to begin[g + 1].
struct SortedRows {
  std::vector<Index> rows;
  std::vector<Index> begin;

  explicit SortedRows(const GroupingLevel& level)
      : rows(level.group.size()), begin(at(level.n_groups + 1), 0) {
    for (const std::int32_t g : level.group) ++begin[static_cast<std::size_t>(g) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<Index> next(begin.begin(), begin.end() - 1);
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[at(next[static_cast<std::size_t>(level.group[i])]++)] = static_cast<Index>(i);
  }
};

/// The nodes (groups of the root's levels) that each leaf meets, ascending.
struct MetNodes {
  std::vector<Index> begin = {0};
  std::vector<std::int32_t> nodes;
};

MetNodes find_met(const ModelColumns& columns, const std::vector<Index>& first_node, Index nodes) {
  MetNodes met;
  const SortedRows sorted(columns.levels.front());
  std::vector<Index> seen(at(nodes), -1);
  for (Index leaf = 0; leaf < columns.levels.front().n_groups; ++leaf) {
    for (Index i = sorted.begin[at(leaf)]; i < sorted.begin[at(leaf + 1)]; ++i)
      for (std::size_t l = 0; l < first_node.size(); ++l) {
        const Index node = first_node[l] + columns.levels[l + 1].group[at(sorted.rows[at(i)])];
        if (seen[at(node)] == leaf) continue;
        seen[at(node)] = leaf;
        met.nodes.push_back(static_cast<std::int32_t>(node));
      }
    std::sort(met.nodes.begin() + met.begin.back(), met.nodes.end());
    met.begin.push_back(static_cast<Index>(met.nodes.size()));
  }
  return met;
}

/// A set of small numbers that gives them back in ascending order: a bit each, and a bit for every
/// word that has one.
class BitSet {
 public:
  explicit BitSet(Index n) : words_(at(n / 64 + 1), 0), filled_(at(n / 4096 + 1), 0) {}

  void insert(std::int32_t i) {
    const auto word = static_cast<std::size_t>(i) >> 6;
    words_[word] |= std::uint64_t{1} << (i & 63);
    filled_[word >> 6] |= std::uint64_t{1} << (word & 63);
  }
  void move_to(std::vector<std::int32_t>& out) {
    for (std::size_t f = 0; f < filled_.size(); ++f)
      for (; filled_[f] != 0; filled_[f] &= filled_[f] - 1) {
        const std::size_t word = (f << 6) + static_cast<std::size_t>(std::countr_zero(filled_[f]));
        for (; words_[word] != 0; words_[word] &= words_[word] - 1)
          out.push_back(static_cast<std::int32_t>(
              (word << 6) + static_cast<std::size_t>(std::countr_zero(words_[word]))));
      }
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> filled_;
};

/// Nodes that one leaf meets are neighbours; none if there are more than `most` pairs.
std::optional<LowerGraph> neighbours_of(const MetNodes& met, Index nodes, double most) {
  // Where each node stands in the leaves' lists.
  std::vector<Index> begin(at(nodes + 1), 0);
  for (const std::int32_t node : met.nodes) ++begin[static_cast<std::size_t>(node) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<Index> next(begin.begin(), begin.end() - 1);
  struct Stand {
    Index first;
    Index end;
  };
  std::vector<Stand> stands(met.nodes.size());
  for (std::size_t leaf = 0; leaf + 1 < met.begin.size(); ++leaf)
    for (Index e = met.begin[leaf]; e < met.begin[leaf + 1]; ++e)
      stands[at(next[static_cast<std::size_t>(met.nodes[at(e)])]++)] = {e + 1, met.begin[leaf + 1]};
  LowerGraph graph;
  graph.begin = {0};
  BitSet seen(nodes);
  for (Index node = 0; node < nodes; ++node) {
    for (Index i = begin[at(node)]; i < begin[at(node + 1)]; ++i)
      for (Index e = stands[at(i)].first; e < stands[at(i)].end; ++e) seen.insert(met.nodes[at(e)]);
    seen.move_to(graph.neighbours);
    graph.begin.push_back(static_cast<Index>(graph.neighbours.size()));
    if (static_cast<double>(graph.neighbours.size()) > most) return std::nullopt;
  }
  return graph;
}

SupernodalPattern pattern_of(const MetNodes& met, const std::vector<Index>& sizes) {
  const auto nodes = static_cast<Index>(sizes.size());
  constexpr double most = 2e8;  // pairs of a sparse root; one of more is refused for its size
  const double pairs = 0.5 * static_cast<double>(nodes) * static_cast<double>(nodes);
  if (std::accumulate(sizes.begin(), sizes.end(), Index{0}) > SupernodalPattern::small)
    if (const auto graph =
            neighbours_of(met, nodes, std::min(SupernodalPattern::filled * pairs, most)))
      return {*graph, sizes};
  return SupernodalPattern(sizes);
}

void require_memory(const SupernodalPattern& root) {
  constexpr Index most = 200'000'000;  // doubles: 1.6 GB, of which a search holds about three
  if (root.n_values() <= most) return;
  const auto gigabytes = [](Index values) {
    return std::to_string((8 * values + 500'000'000) / 1'000'000'000);
  };
  throw DataError("fit_mixed_model: the crossed grouping factors have " +
                  std::to_string(root.columns()) +
                  " random effects beside those of the factor with most levels, and their "
                  "factorisation needs " +
                  gigabytes(root.n_values()) + " GB; at most " + gigabytes(most) +
                  " GB are supported (take a random effect of fewer levels, or fewer effects a "
                  "level)");
}

}  // namespace

std::shared_ptr<const CrossedCrossProducts::Layout> CrossedCrossProducts::make_layout(
    const ModelColumns& columns) {
  auto layout = std::make_shared<Layout>();
  std::vector<Index> first_node;
  std::vector<Index> sizes;
  for (std::size_t l = 1; l < columns.levels.size(); ++l) {
    const auto size = static_cast<Index>(columns.levels[l].columns.size());
    first_node.push_back(static_cast<Index>(sizes.size()));
    sizes.insert(sizes.end(), at(columns.levels[l].n_groups), size);
    layout->levels.push_back({size, columns.levels[l].n_groups, {}});
  }
  const MetNodes met = find_met(columns, first_node, static_cast<Index>(sizes.size()));
  layout->root = pattern_of(met, sizes);
  require_memory(layout->root);

  const Index n = layout->root.columns();
  layout->column_level.resize(at(n));
  for (std::size_t l = 0; l < layout->levels.size(); ++l)
    for (Index g = 0; g < layout->levels[l].n_groups; ++g) {
      const Index column = layout->root.first_column(first_node[l] + g);
      layout->levels[l].column.push_back(column);
      std::fill_n(layout->column_level.begin() + column, layout->levels[l].size,
                  static_cast<std::int32_t>(l));
    }
  layout->first = {0};
  layout->column_first.assign(at(n + 1), 0);
  for (std::size_t leaf = 0; leaf + 1 < met.begin.size(); ++leaf) {
    for (Index e = met.begin[leaf]; e < met.begin[leaf + 1]; ++e) {
      const auto node = static_cast<std::size_t>(met.nodes[at(e)]);
      for (Index j = 0; j < sizes[node]; ++j)
        layout->met.push_back(
            static_cast<std::int32_t>(layout->root.first_column(static_cast<Index>(node)) + j));
    }
    std::sort(layout->met.begin() + layout->first.back(), layout->met.end());
    layout->first.push_back(static_cast<Index>(layout->met.size()));
  }
  for (const std::int32_t column : layout->met)
    ++layout->column_first[static_cast<std::size_t>(column) + 1];
  std::partial_sum(layout->column_first.begin(), layout->column_first.end(),
                   layout->column_first.begin());
  layout->entries.resize(layout->met.size());
  std::vector<Index> next(layout->column_first.begin(), layout->column_first.end() - 1);
  for (std::size_t leaf = 0; leaf + 1 < layout->first.size(); ++leaf)
    for (Index e = layout->first[leaf]; e < layout->first[leaf + 1]; ++e)
      layout->entries[at(next[static_cast<std::size_t>(layout->met[at(e)])]++)] = {
          e, static_cast<std::int32_t>(leaf)};
  return layout;
}

CrossedCrossProducts::CrossedCrossProducts(const ModelColumns& columns,
                                           CovarianceStructure structure)
    : structure_(std::move(structure)),
      fixed_columns_(static_cast<Index>(columns.fixed.size())),
      leaf_size_(static_cast<Index>(columns.levels.front().columns.size())),
      layout_(make_layout(columns)),
      leaf_r_(MatrixXd::Zero(leaf_size_, leaf_size_ * n_leaves())),
      leaf_c_(MatrixXd::Zero(leaf_size_, static_cast<Index>(layout_->met.size()))),
      leaf_fixed_(MatrixXd::Zero(fixed_columns_, leaf_size_ * n_leaves())),
      remainder_(layout_->root),
      remainder_cross_(MatrixXd::Zero(layout_->root.columns(), fixed_columns_)),
      remainder_fixed_(MatrixXd::Zero(fixed_columns_, fixed_columns_)) {
  compress(columns);
}

void CrossedCrossProducts::compress(const ModelColumns& columns) {
  const SortedRows sorted(columns.levels.front());
  std::vector<Index> rows;
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    rows.assign(sorted.rows.begin() + sorted.begin[at(leaf)],
                sorted.rows.begin() + sorted.begin[at(leaf + 1)]);
    compress_leaf(columns, leaf, rows);
  }
  add_leaf_products(leaf_c_, leaf_c_, -1, remainder_);
  for (Index leaf = 0; leaf < n_leaves(); ++leaf)
    for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e)
      remainder_cross_.row(layout_->met[at(e)]).transpose() -=
          leaf_fixed_.middleCols(leaf * leaf_size_, leaf_size_) * leaf_c_.col(e);
}

/// A row has few columns of the root: its products are added as they are, and those of C taken
/// away later. X and y are left with residuals.
void CrossedCrossProducts::compress_leaf(const ModelColumns& columns, Index leaf,
                                         const std::vector<Index>& rows) {
  const Index q = leaf_size_;
  const Index m = fixed_columns_;
  const auto n_rows = static_cast<Index>(rows.size());
  MatrixXd own(n_rows, q + m);
  for (Index j = 0; j < q + m; ++j) {
    const ModelColumn& source =
        j < q ? columns.levels.front().columns[at(j)] : columns.fixed[at(j - q)];
    for (Index i = 0; i < n_rows; ++i) own(i, j) = internal_value(columns, source, rows[at(i)]);
  }
  const MatrixXd fixed = own.rightCols(m).transpose();
  const GroupFactor factor = factor_group(own, q);
  leaf_r_.middleCols(leaf * q, q) = factor.r;
  leaf_fixed_.middleCols(leaf * q, q) = factor.c.transpose();
  residual_rows_ += n_rows - (factor.r.diagonal().array() != 0).count();
  remainder_fixed_.noalias() += own.rightCols(m).transpose() * own.rightCols(m);

  const auto met_begin = layout_->met.begin() + layout_->first[at(leaf)];
  const auto met_end = layout_->met.begin() + layout_->first[at(leaf + 1)];
  std::vector<Index> column;
  std::vector<double> value;
  for (Index i = 0; i < n_rows; ++i) {
    const Index row = rows[at(i)];
    column.clear();
    value.clear();
    for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
      const GroupingLevel& level = columns.levels[l + 1];
      const Index first = layout_->levels[l].column[static_cast<std::size_t>(level.group[at(row)])];
      const Index place = std::lower_bound(met_begin, met_end, static_cast<std::int32_t>(first)) -
                          layout_->met.begin();
      for (Index j = 0; j < layout_->levels[l].size; ++j) {
        column.push_back(first + j);
        value.push_back(internal_value(columns, level.columns[at(j)], row));
        leaf_c_.col(place + j) += value.back() * own.row(i).head(q).transpose();
        remainder_cross_.row(first + j).transpose() += value.back() * fixed.col(i);
      }
    }
    for (std::size_t a = 0; a < value.size(); ++a)
      for (std::size_t b = 0; b <= a; ++b)
        remainder_.values()[at(
            layout_->root.place(std::max(column[a], column[b]), std::min(column[a], column[b])))] +=
            value[a] * value[b];
  }
}

void CrossedCrossProducts::transform_effects(const std::vector<MatrixXd>& transforms) {
  scale_root(transforms, remainder_);
  scale_rows(transforms, remainder_cross_);
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    auto r = leaf_r_.middleCols(leaf * leaf_size_, leaf_size_);
    r = (r * transforms.front()).eval();
  }
  scale_entries(transforms, leaf_c_);
}

std::vector<MatrixXd> CrossedCrossProducts::mean_effect_grams() const {
  std::vector<MatrixXd> result = {MatrixXd::Zero(leaf_size_, leaf_size_)};
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const auto r = leaf_r_.middleCols(leaf * leaf_size_, leaf_size_);
    result.front().noalias() += r.transpose() * r;
  }
  result.front() /= static_cast<double>(n_leaves());
  for (const RootLevel& level : layout_->levels) {
    MatrixXd sum = MatrixXd::Zero(level.size, level.size);
    for (const Index first : level.column)
      for (Index j = 0; j < level.size; ++j)
        for (Index i = j; i < level.size; ++i)
          sum(i, j) += remainder_.values()[at(layout_->root.place(first + i, first + j))];
    result.push_back(sum);
  }
  for (Index e = 0; e < leaf_c_.cols();) {
    const auto level = static_cast<std::size_t>(
        layout_->column_level[static_cast<std::size_t>(layout_->met[at(e)])]);
    const auto block = leaf_c_.middleCols(e, layout_->levels[level].size);
    result[level + 1].noalias() += block.transpose() * block;
    e += layout_->levels[level].size;
  }
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    MatrixXd& sum = result[l + 1];
    sum.triangularView<Eigen::StrictlyUpper>() = sum.transpose();
    sum /= static_cast<double>(layout_->levels[l].n_groups);
  }
  return result;
}

}  // namespace rapport
