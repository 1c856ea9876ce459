#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <vector>

namespace rapport {

/// An undirected graph on nodes from 0: the neighbours of a node with a greater number, ascending,
/// stand from begin[node] to begin[node + 1].
struct LowerGraph {
  std::vector<Index> begin;
  std::vector<std::int32_t> neighbours;

  [[nodiscard]] Index nodes() const { return static_cast<Index>(begin.size()) - 1; }
};

/// The pattern of the Cholesky factor of a sparse symmetric matrix whose rows come in nodes of
/// several columns. Nodes are put into an order that saves fill (approximate minimum degree:
/// Amestoy, Davis & Duff 1996), and columns with the same rows below are gathered in supernodes
/// (Liu, Ng & Peyton 1993), a few zeros being stored for wider ones. A small or well-filled matrix
/// had better be one supernode.
class SupernodalPattern {
 public:
  /// Columns first … first + width − 1. Its panel of values, n_rows × width by columns, has the
  /// rows of these columns (of which the upper triangle is not used), then those below.
  struct Supernode {
    Index first;
    Index width;
    Index n_rows;
    Index rows;    ///< where its row numbers start
    Index values;  ///< where its panel starts
    Index parent;  ///< the supernode of its first row below, −1 for none

    [[nodiscard]] Index below() const { return n_rows - width; }
  };

  /// Up to how many columns, and from how large a share of all pairs of nodes, a matrix is one
  /// supernode.
  static constexpr Index small = 384;
  static constexpr double filled = 0.35;

  SupernodalPattern() = default;
  /// One supernode. `sizes`: columns of each node.
  explicit SupernodalPattern(const std::vector<Index>& sizes);
  SupernodalPattern(const LowerGraph& graph, const std::vector<Index>& sizes);

  [[nodiscard]] Index columns() const { return columns_; }
  /// The first column of a node; its others follow.
  [[nodiscard]] Index first_column(Index node) const {
    return first_column_[static_cast<std::size_t>(node)];
  }
  [[nodiscard]] const std::vector<Supernode>& supernodes() const { return supernodes_; }
  /// Row numbers of a panel, ascending.
  [[nodiscard]] const std::int32_t* rows(const Supernode& s) const { return rows_.data() + s.rows; }
  /// Where the rows below stand in the parent's panel.
  [[nodiscard]] const std::int32_t* places(const Supernode& s) const {
    return places_.data() + s.rows + s.width;
  }
  /// Doubles of all panels together.
  [[nodiscard]] Index n_values() const { return n_values_; }
  /// Where the value at (row, column), row ≥ column, stands; it must be in the pattern.
  [[nodiscard]] Index place(Index row, Index column) const;

 private:
  void find_places();

  Index columns_ = 0;
  Index n_values_ = 0;
  std::vector<Index> first_column_;
  std::vector<Supernode> supernodes_;
  std::vector<std::int32_t> rows_;
  std::vector<std::int32_t> places_;
  std::vector<std::int32_t> supernode_of_;
};

}  // namespace rapport
