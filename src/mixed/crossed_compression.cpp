#include <rapport/base/error.hpp>

#include "crossed.hpp"
#include "index_lists.hpp"
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

/// The rows of each leaf.
IndexLists rows_of(const GroupingLevel& level) {
  return lists_by_item(level.n_groups, [&](const auto& use) {
    std::int32_t row = 0;
    for (const std::int32_t group : level.group) use(row++, group);
  });
}

/// The nodes (groups of the root's levels) that each leaf meets.
IndexLists find_met(const ModelColumns& columns, const IndexLists& leaf_rows,
                    const std::vector<Index>& first_node, Index nodes) {
  IndexLists met;
  std::vector<Index> seen(at(nodes), -1);
  for (Index leaf = 0; leaf < columns.levels.front().n_groups; ++leaf) {
    for (Index i = leaf_rows.begin[at(leaf)]; i < leaf_rows.begin[at(leaf + 1)]; ++i)
      for (std::size_t l = 0; l < first_node.size(); ++l) {
        const Index node = first_node[l] + columns.levels[l + 1].group[at(leaf_rows.items[at(i)])];
        if (seen[at(node)] == leaf) continue;
        seen[at(node)] = leaf;
        met.items.push_back(static_cast<std::int32_t>(node));
      }
    met.begin.push_back(static_cast<Index>(met.items.size()));
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

/// Nodes that one leaf meets are neighbours; none if there are more than `most` pairs. `meeting`:
/// the leaves that meet each node.
std::optional<LowerGraph> neighbours_of(const IndexLists& meeting, Index leaves, double most) {
  const Index nodes = meeting.size();
  const IndexLists met = transposed(meeting, leaves);  // ascending within a leaf
  std::vector<Index> next(met.begin.begin(), met.begin.end() - 1);
  LowerGraph graph;
  graph.begin = {0};
  BitSet seen(nodes);
  for (Index node = 0; node < nodes; ++node) {
    for (Index i = meeting.begin[at(node)]; i < meeting.begin[at(node + 1)]; ++i) {
      const auto leaf = static_cast<std::size_t>(meeting.items[at(i)]);
      for (Index e = ++next[leaf]; e < met.begin[leaf + 1]; ++e) seen.insert(met.items[at(e)]);
    }
    seen.move_to(graph.neighbours);
    graph.begin.push_back(static_cast<Index>(graph.neighbours.size()));
    if (static_cast<double>(graph.neighbours.size()) > most) return std::nullopt;
  }
  return graph;
}

SupernodalPattern pattern_of(const IndexLists& meeting, Index leaves,
                             const std::vector<Index>& sizes) {
  const auto nodes = static_cast<Index>(sizes.size());
  constexpr double most = 2e8;  // pairs of a sparse root; one of more is refused for its size
  const double pairs = 0.5 * static_cast<double>(nodes) * static_cast<double>(nodes);
  if (std::accumulate(sizes.begin(), sizes.end(), Index{0}) > SupernodalPattern::small)
    if (const auto graph =
            neighbours_of(meeting, leaves, std::min(SupernodalPattern::filled * pairs, most)))
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

/// The columns that leaves meet, and where, from the leaves that meet each node.
void CrossedCrossProducts::list_entries(const IndexLists& meeting, const std::vector<Index>& sizes,
                                        Layout& layout) {
  const auto n = static_cast<std::size_t>(layout.root.columns());
  std::vector<std::size_t> node_at(n, sizes.size());  // in the order of their columns
  for (std::size_t node = 0; node < sizes.size(); ++node) {
    node_at[at(layout.root.first_column(static_cast<Index>(node)))] = node;
    for (Index i = meeting.begin[node]; i < meeting.begin[node + 1]; ++i)
      layout.first[static_cast<std::size_t>(meeting.items[at(i)]) + 1] += sizes[node];
  }
  std::partial_sum(layout.first.begin(), layout.first.end(), layout.first.begin());
  layout.met.resize(at(layout.first.back()));
  layout.entries.reserve(layout.met.size());
  layout.column_first = {0};
  std::vector<Index> next(layout.first.begin(), layout.first.end() - 1);
  for (std::size_t column = 0; column < n;) {
    const std::size_t node = node_at[column];
    for (Index j = 0; j < sizes[node]; ++j, ++column) {
      for (Index i = meeting.begin[node]; i < meeting.begin[node + 1]; ++i) {
        const std::int32_t leaf = meeting.items[at(i)];
        const Index place = next[static_cast<std::size_t>(leaf)]++;
        layout.met[at(place)] = static_cast<std::int32_t>(column);
        layout.entries.push_back({place, leaf});
      }
      layout.column_first.push_back(static_cast<Index>(layout.entries.size()));
    }
  }
}

std::shared_ptr<const CrossedCrossProducts::Layout> CrossedCrossProducts::make_layout(
    const ModelColumns& columns, const IndexLists& leaf_rows) {
  auto layout = std::make_shared<Layout>();
  std::vector<Index> first_node;
  std::vector<Index> sizes;
  for (std::size_t l = 1; l < columns.levels.size(); ++l) {
    const auto size = static_cast<Index>(columns.levels[l].columns.size());
    first_node.push_back(static_cast<Index>(sizes.size()));
    sizes.insert(sizes.end(), at(columns.levels[l].n_groups), size);
    layout->levels.push_back({size, columns.levels[l].n_groups, {}});
  }
  const Index leaves = columns.levels.front().n_groups;
  const IndexLists meeting =
      transposed(find_met(columns, leaf_rows, first_node, static_cast<Index>(sizes.size())),
                 static_cast<Index>(sizes.size()));
  layout->root = pattern_of(meeting, leaves, sizes);
  require_memory(layout->root);

  const Index n = layout->root.columns();
  layout->column_level.resize(at(n));
  layout->root_in_order = layout->root.supernodes().size() == 1;
  for (std::size_t l = 0; l < layout->levels.size(); ++l)
    for (Index g = 0; g < layout->levels[l].n_groups; ++g) {
      const Index column = layout->root.first_column(first_node[l] + g);
      layout->root_in_order =
          layout->root_in_order && (g == 0 || column > layout->levels[l].column.back());
      layout->levels[l].column.push_back(column);
      std::fill_n(layout->column_level.begin() + column, layout->levels[l].size,
                  static_cast<std::int32_t>(l));
    }
  layout->first.assign(at(leaves + 1), 0);
  list_entries(meeting, sizes, *layout);
  return layout;
}

CrossedCrossProducts::CrossedCrossProducts(const ModelColumns& columns,
                                           CovarianceStructure structure)
    : CrossedCrossProducts(columns, std::move(structure), rows_of(columns.levels.front())) {}

CrossedCrossProducts::CrossedCrossProducts(const ModelColumns& columns,
                                           CovarianceStructure structure,
                                           const IndexLists& leaf_rows)
    : structure_(std::move(structure)),
      fixed_columns_(static_cast<Index>(columns.fixed.size())),
      leaf_size_(static_cast<Index>(columns.levels.front().columns.size())),
      layout_(make_layout(columns, leaf_rows)),
      leaf_r_(MatrixXd::Zero(leaf_size_, leaf_size_ * n_leaves())),
      leaf_c_(MatrixXd::Zero(leaf_size_, static_cast<Index>(layout_->met.size()))),
      leaf_fixed_(MatrixXd::Zero(fixed_columns_, leaf_size_ * n_leaves())),
      root_gram_(layout_->root),
      remainder_fixed_(MatrixXd::Zero(fixed_columns_, fixed_columns_)) {
  compress(columns, leaf_rows);
}

/// What the rows of a leaf hold, and what they add to.
struct CrossedCrossProducts::Compression {
  MatrixXd own;               ///< rows × (q + M) of the leaf's Z and [X y]
  MatrixXd fixed;             ///< M × rows
  MatrixXd cross;             ///< M × root: W'Z
  std::vector<Index> place;   ///< of each column of the root among the leaf's entries
  std::vector<Index> column;  ///< of the root in a row, with its value
  std::vector<double> value;
};

void CrossedCrossProducts::compress(const ModelColumns& columns, const IndexLists& leaf_rows) {
  Compression work;
  work.cross = MatrixXd::Zero(fixed_columns_, layout_->root.columns());
  work.place.resize(at(layout_->root.columns()));
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const Index begin = leaf_rows.begin[at(leaf)];
    compress_leaf(columns, leaf, leaf_rows.items.data() + begin,
                  leaf_rows.begin[at(leaf + 1)] - begin, work);
  }
  remainder_cross_ = (work.cross - to_root(leaf_fixed_, leaf_c_)).transpose();
  remainder_fixed_.triangularView<Eigen::StrictlyUpper>() = remainder_fixed_.transpose();
}

/// A row has few columns of the root: its products are added as they are. X and y are left with
/// residuals.
void CrossedCrossProducts::compress_leaf(const ModelColumns& columns, Index leaf,
                                         const std::int32_t* rows, Index n_rows,
                                         Compression& work) {
  const Index q = leaf_size_;
  const Index m = fixed_columns_;
  work.own.resize(n_rows, q + m);
  for (Index j = 0; j < q + m; ++j) {
    const ModelColumn& source =
        j < q ? columns.levels.front().columns[at(j)] : columns.fixed[at(j - q)];
    double* to = work.own.data() + j * n_rows;
    for (Index i = 0; i < n_rows; ++i) to[i] = internal_value(columns, source, rows[i]);
  }
  work.fixed = work.own.rightCols(m).transpose();
  factor_leaf(leaf, work.own);
  for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e)
    work.place[at(layout_->met[at(e)])] = e;
  for (Index i = 0; i < n_rows; ++i) add_root_row(columns, rows[i], i, work);
}

/// R and C of a leaf; `own` is left with residuals.
void CrossedCrossProducts::factor_leaf(Index leaf, MatrixXd& own) {
  const Index q = leaf_size_;
  const Index m = fixed_columns_;
  const Index n = own.rows();
  const GroupFactor factor = factor_group(own, q);
  leaf_r_.middleCols(leaf * q, q) = factor.r;
  leaf_fixed_.middleCols(leaf * q, q) = factor.c.transpose();
  residual_rows_ += n - (factor.r.diagonal().array() != 0).count();
  for (Index j = 0; j < m; ++j)
    for (Index k = j; k < m; ++k) {
      const double* left = own.data() + (q + j) * n;
      const double* right = own.data() + (q + k) * n;
      double sum = 0;
      for (Index i = 0; i < n; ++i) sum += left[i] * right[i];
      remainder_fixed_(k, j) += sum;
    }
}

/// Adds the products of a row's columns of the root; `i`: its place in the leaf.
void CrossedCrossProducts::add_root_row(const ModelColumns& columns, Index row, Index i,
                                        Compression& work) {
  const Index q = leaf_size_;
  const Index m = fixed_columns_;
  const double* fixed = work.fixed.data() + i * m;
  work.column.clear();
  work.value.clear();
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    const GroupingLevel& level = columns.levels[l + 1];
    const Index first = layout_->levels[l].column[at(level.group[at(row)])];
    const Index place = work.place[at(first)];
    for (Index j = 0; j < layout_->levels[l].size; ++j) {
      const double value = internal_value(columns, level.columns[at(j)], row);
      work.column.push_back(first + j);
      work.value.push_back(value);
      double* c = leaf_c_.data() + (place + j) * q;
      for (Index k = 0; k < q; ++k) c[k] += value * work.own(i, k);
      double* cross = work.cross.data() + (first + j) * m;
      for (Index k = 0; k < m; ++k) cross[k] += value * fixed[k];
    }
  }
  for (std::size_t a = 0; a < work.value.size(); ++a)
    for (std::size_t b = 0; b <= a; ++b)
      root_gram_.values()[at(layout_->root.place(std::max(work.column[a], work.column[b]),
                                                 std::min(work.column[a], work.column[b])))] +=
          work.value[a] * work.value[b];
}

void CrossedCrossProducts::transform_effects(const std::vector<MatrixXd>& transforms) {
  scale_root(transforms, root_gram_);
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
          sum(i, j) += root_gram_.values()[at(layout_->root.place(first + i, first + j))];
    result.push_back(sum);
  }
  for (std::size_t l = 0; l < layout_->levels.size(); ++l) {
    MatrixXd& sum = result[l + 1];
    sum.triangularView<Eigen::StrictlyUpper>() = sum.transpose();
    sum /= static_cast<double>(layout_->levels[l].n_groups);
  }
  return result;
}

}  // namespace rapport
