#include "supernodes.hpp"

#include <Eigen/OrderingMethods>
#include <Eigen/SparseCore>

#include <algorithm>
#include <numeric>

namespace rapport {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Both directions of a graph's edges, with nodes renumbered.
struct Adjacency {
  std::vector<Index> begin;
  std::vector<std::int32_t> neighbours;

  Adjacency(const LowerGraph& graph, const std::vector<Index>& number)
      : begin(at(graph.nodes() + 1), 0), neighbours(2 * graph.neighbours.size()) {
    const auto each_edge = [&](const auto& use) {
      for (Index a = 0; a < graph.nodes(); ++a)
        for (Index e = graph.begin[at(a)]; e < graph.begin[at(a + 1)]; ++e)
          use(number[at(a)], number[at(graph.neighbours[at(e)])]);
    };
    each_edge([&](Index a, Index b) {
      ++begin[at(a + 1)];
      ++begin[at(b + 1)];
    });
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<Index> next(begin.begin(), begin.end() - 1);
    each_edge([&](Index a, Index b) {
      neighbours[at(next[at(a)]++)] = static_cast<std::int32_t>(b);
      neighbours[at(next[at(b)]++)] = static_cast<std::int32_t>(a);
    });
  }
};

/// Nodes in the order of elimination.
std::vector<Index> minimum_degree_order(const LowerGraph& graph) {
  const auto n = static_cast<int>(graph.nodes());
  std::vector<int> outer = {0};
  std::vector<int> inner;
  inner.reserve(graph.neighbours.size() + at(n));
  for (int a = 0; a < n; ++a) {
    inner.push_back(a);
    inner.insert(inner.end(), graph.neighbours.begin() + graph.begin[at(a)],
                 graph.neighbours.begin() + graph.begin[at(a + 1)]);
    outer.push_back(static_cast<int>(inner.size()));
  }
  const std::vector<double> values(inner.size(), 1.0);
  const Eigen::Map<const Eigen::SparseMatrix<double, Eigen::ColMajor, int>> matrix(
      n, n, outer.back(), outer.data(), inner.data(), values.data());
  Eigen::AMDOrdering<int>::PermutationType permutation;
  Eigen::AMDOrdering<int>()(matrix.selfadjointView<Eigen::Lower>(), permutation);
  return {permutation.indices().data(), permutation.indices().data() + n};
}

std::vector<Index> inverse_of(const std::vector<Index>& order) {
  std::vector<Index> result(order.size());
  for (std::size_t k = 0; k < order.size(); ++k) result[at(order[k])] = static_cast<Index>(k);
  return result;
}

/// The elimination tree (Liu 1990): the parent of each node, −1 for a root.
std::vector<Index> elimination_tree(const Adjacency& adjacency) {
  const auto n = static_cast<Index>(adjacency.begin.size()) - 1;
  std::vector<Index> parent(at(n), -1);
  std::vector<Index> ancestor(at(n), -1);
  for (Index k = 0; k < n; ++k)
    for (Index e = adjacency.begin[at(k)]; e < adjacency.begin[at(k + 1)]; ++e)
      for (Index i = adjacency.neighbours[at(e)]; i >= 0 && i < k;) {
        const Index next = ancestor[at(i)];
        ancestor[at(i)] = k;
        if (next < 0) parent[at(i)] = k;
        i = next;
      }
  return parent;
}

/// Nodes with every subtree in one run, children before parents.
std::vector<Index> postorder(const std::vector<Index>& parent) {
  const auto n = static_cast<Index>(parent.size());
  std::vector<Index> first_child(at(n), -1);
  std::vector<Index> sibling(at(n), -1);
  std::vector<Index> stack;
  for (Index k = n; k-- > 0;) {
    if (parent[at(k)] < 0) {
      stack.push_back(k);
      continue;
    }
    sibling[at(k)] = first_child[at(parent[at(k)])];
    first_child[at(parent[at(k)])] = k;
  }
  std::vector<Index> order;
  while (!stack.empty()) {
    const Index node = stack.back();
    const Index child = first_child[at(node)];
    if (child >= 0) {
      first_child[at(node)] = sibling[at(child)];
      stack.push_back(child);
    } else {
      order.push_back(node);
      stack.pop_back();
    }
  }
  return order;
}

/// Nodes first … last and the nodes below that meet them; sizes in columns.
struct NodeRun {
  Index first;
  Index last;
  std::vector<std::int32_t> below;  ///< nodes
  Index width;
  Index below_columns;
  Index zeros;  ///< stored though they are not in the pattern
};

/// Whether a wider supernode is worth the zeros that it stores.
bool worth_merging(Index width, Index zeros, Index entries) {
  const double share = static_cast<double>(zeros) / static_cast<double>(entries);
  return width <= 4 || (width <= 32 && share < 0.5) || (width <= 96 && share < 0.15) ||
         share < 0.05;
}

/// Runs of columns with the same pattern, wider where few zeros are added. Nodes stand in
/// postorder.
std::vector<NodeRun> find_runs(const Adjacency& adjacency, const std::vector<Index>& parent,
                               const std::vector<Index>& size) {
  const auto n = static_cast<Index>(parent.size());
  std::vector<NodeRun> runs;
  std::vector<std::vector<std::size_t>> children(at(n));  // runs that end in a child of the node
  std::vector<Index> marked(at(n), -1);
  for (Index j = 0; j < n; ++j) {
    NodeRun run{j, j, {}, size[at(j)], 0, 0};
    const auto add = [&](std::int32_t i) {
      if (i <= j || marked[at(i)] == j) return;
      marked[at(i)] = j;
      run.below.push_back(i);
      run.below_columns += size[at(i)];
    };
    for (Index e = adjacency.begin[at(j)]; e < adjacency.begin[at(j + 1)]; ++e)
      add(adjacency.neighbours[at(e)]);
    for (const std::size_t child : children[at(j)])
      for (const std::int32_t i : runs[child].below) add(i);
    // Where the last run ends in a child of this one, the two can be one.
    while (!runs.empty() && runs.back().last + 1 == run.first &&
           parent[at(runs.back().last)] >= 0 && parent[at(runs.back().last)] <= run.last) {
      const NodeRun& before = runs.back();
      const Index width = before.width + run.width;
      const Index added = before.width * (run.width + run.below_columns - before.below_columns);
      const Index zeros = before.zeros + run.zeros + added;
      if (added > 0 && !worth_merging(width, zeros, width * (width + run.below_columns))) break;
      run.first = before.first;
      run.width = width;
      run.zeros = zeros;
      runs.pop_back();
    }
    if (parent[at(j)] >= 0) children[at(parent[at(j)])].push_back(runs.size());
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace

SupernodalPattern::SupernodalPattern(const LowerGraph& graph, const std::vector<Index>& sizes) {
  const Index n = graph.nodes();
  columns_ = std::accumulate(sizes.begin(), sizes.end(), Index{0});
  std::vector<Index> order = minimum_degree_order(graph);
  const std::vector<Index> parent = elimination_tree(Adjacency(graph, inverse_of(order)));
  const std::vector<Index> post = postorder(parent);
  std::vector<Index> settled;
  std::vector<Index> settled_sizes;
  for (const Index k : post) {
    settled.push_back(order[at(k)]);
    settled_sizes.push_back(sizes[at(order[at(k)])]);
  }
  const Adjacency adjacency(graph, inverse_of(settled));
  const std::vector<Index> place = inverse_of(post);
  std::vector<Index> settled_parent;
  for (const Index k : post)
    settled_parent.push_back(parent[at(k)] < 0 ? -1 : place[at(parent[at(k)])]);
  std::vector<NodeRun> runs = find_runs(adjacency, settled_parent, settled_sizes);

  std::vector<Index> start(at(n + 1), 0);  // first column of each node in elimination order
  for (Index k = 0; k < n; ++k) start[at(k + 1)] = start[at(k)] + settled_sizes[at(k)];
  first_column_.resize(at(n));
  for (Index k = 0; k < n; ++k) first_column_[at(settled[at(k)])] = start[at(k)];
  supernode_of_.resize(at(columns_));
  for (NodeRun& run : runs) {
    Supernode s{start[at(run.first)],
                run.width,
                run.width + run.below_columns,
                static_cast<Index>(rows_.size()),
                n_values_,
                -1};
    std::fill_n(supernode_of_.begin() + s.first, s.width,
                static_cast<std::int32_t>(supernodes_.size()));
    for (Index c = 0; c < s.width; ++c) rows_.push_back(static_cast<std::int32_t>(s.first + c));
    std::sort(run.below.begin(), run.below.end());
    for (const std::int32_t node : run.below)
      for (Index c = start[at(node)]; c < start[at(node + 1)]; ++c)
        rows_.push_back(static_cast<std::int32_t>(c));
    n_values_ += s.n_rows * s.width;
    supernodes_.push_back(s);
  }
  find_places();
}

SupernodalPattern::SupernodalPattern(const std::vector<Index>& sizes) {
  for (const Index size : sizes) {
    first_column_.push_back(columns_);
    columns_ += size;
  }
  rows_.resize(at(columns_));
  std::iota(rows_.begin(), rows_.end(), 0);
  places_ = rows_;
  supernode_of_.assign(at(columns_), 0);
  n_values_ = columns_ * columns_;
  if (columns_ > 0) supernodes_.push_back({0, columns_, columns_, 0, 0, -1});
}

void SupernodalPattern::find_places() {
  places_.assign(rows_.size(), 0);
  for (Supernode& s : supernodes_) {
    if (s.below() == 0) continue;
    const std::int32_t* mine = rows(s);
    s.parent = supernode_of_[at(mine[s.width])];
    const Supernode& parent = supernodes_[at(s.parent)];
    const std::int32_t* theirs = rows(parent);
    Index place = 0;
    for (Index i = s.width; i < s.n_rows; ++i) {
      while (theirs[place] != mine[i]) ++place;
      places_[at(s.rows + i)] = static_cast<std::int32_t>(place);
    }
  }
}

Index SupernodalPattern::place(Index row, Index column) const {
  const Supernode& s = supernodes_[at(supernode_of_[at(column)])];
  Index local = row - s.first;
  if (local >= s.width) {
    const std::int32_t* first = rows(s) + s.width;
    local = std::lower_bound(first, rows(s) + s.n_rows, static_cast<std::int32_t>(row)) - rows(s);
  }
  return s.values + (column - s.first) * s.n_rows + local;
}

}  // namespace rapport
