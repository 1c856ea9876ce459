#include "nested.hpp"
#include "node.hpp"

// The second derivatives of NestedCrossProducts in full.

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

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
  LeafTerms terms(leaf.size, leaf.width);
  const VectorXd nothing = VectorXd::Zero(leaf.width);
  add_leaf_terms(searched(), run, {factor.data(), nothing.data(), 0, nothing.data()}, terms);
  double* scratch = kernel_scratch(leaf_second_scratch_size(leaf.size, leaf.width));
  std::vector<double> second(at(n_pairs(n_pairs(leaf.size)) * square), 0);
  leaf_kernels().second(blocks_of(searched(), run, scratch), factor.data(), second.data());
  const auto pair_of = [&](Index k) {
    const CovarianceStructure::Coordinate& c = structure_.coordinates()[at(k)];
    return MatrixPair{c.row, c.column};
  };
  const auto square_at = [&](const double* values) {
    return Eigen::Map<const MatrixXd>(values, leaf.width, leaf.width);
  };
  for (Index k = 0; k < n; ++k) {
    const MatrixPair own = pair_of(k);
    const Index s = pair_index(leaf.size, own.row, own.column);
    jet.log_determinant[k] += (own.row == own.column ? 1 : 2) * terms.a()[s];
    tangents.first[at(k)] -= square_at(terms.b_outer(s));
    for (Index l = 0; l <= k; ++l) {
      const MatrixPair other = pair_of(l);
      const Index t = pair_index(leaf.size, other.row, other.column);
      jet.second_log_determinant(k, l) -= contracted(terms.a_a(), leaf.size, own, other);
      tangents.at_pair(k, l) += square_at(second.data() + (n_pairs(s) + t) * square);
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
  const WeightedGram known = value(factors);
  if (depth() > 0) {
    tangents.assign(at(levels_[1].n_groups), Tangents(structure_.offset(1), levels_.front().width));
    for (const Run& run : searched().runs)
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
      const InnerNode inner = outer(known, l, g);
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
          receiver.at_pair(own, k) -=
              symmetric_part_twice(cross[at(k)].transpose() * inner.k.transpose() * e[i] * inner.b);
        }
      }
      add_own(inner.a, inner.b, e, lower, receiver);
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

}  // namespace rapport
