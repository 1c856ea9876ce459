#include <rapport/base/error.hpp>

#include "nested.hpp"
#include "node.hpp"
#include <cmath>

// Draws of NestedCrossProducts, and the effects of single groups.

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

/// A normal vector with covariance I + RΨR' (0 where R has no row) is this times a standard one.
MatrixXd NestedCrossProducts::leaf_root(const MatrixXd& r, const MatrixXd& factor) {
  const MatrixXd scaled = r * factor;
  MatrixXd covariance = scaled * scaled.transpose();
  for (Index k = 0; k < r.rows(); ++k)
    if (r(k, k) != 0) covariance(k, k) += 1;
  return semidefinite_factor(covariance).transpose();
}

/// Given their other columns, the last columns c of the members of a bundle are independent normal
/// vectors. Σ(…)c' over members is then that of as many vectors as lanes carry other columns, and
/// the rest of Σcc' a Wishart matrix (Bartlett 1933).
void NestedCrossProducts::draw_bundle(const Bundle& bundle, const MatrixXd& factor,
                                      const VectorXd& around, double sigma, LeafSet& set,
                                      RandomStream& stream) const {
  const Level& leaf = levels_.front();
  const Index last = leaf.width - 1;
  const MatrixXd r = leaf_r(set, bundle.first);
  const MatrixXd root = sigma * leaf_root(r, factor);
  for (Index i = 0; i < bundle.n_shared; ++i) {
    MatrixXd c = leaf_c(set, bundle.first + i);
    c.col(last) = c.leftCols(last) * around + root * normal_vector(leaf.size, stream);
    set_leaf(set, bundle.first + i, r, c);
  }
  const double degrees = bundle.members - static_cast<double>(bundle.n_shared);
  for (Index i = 0; i < bundle.n_last; ++i) {
    MatrixXd c = MatrixXd::Zero(leaf.size, leaf.width);
    VectorXd column = VectorXd::Zero(leaf.size);
    column[i] = std::sqrt(stream.chi_squared(degrees - static_cast<double>(i)));
    for (Index k = i + 1; k < leaf.size; ++k) column[k] = stream.normal();
    c.col(last) = root * column;
    set_leaf(set, bundle.first + bundle.n_shared + i, r, c);
  }
}

void NestedCrossProducts::draw_leaves(const std::vector<MatrixXd>& factors,
                                      const std::vector<VectorXd>& around, double sigma,
                                      NestedCrossProducts& drawn, RandomStream& stream) const {
  if (depth() == 0) return;
  if (!merged_.runs.empty()) {
    for (const Bundle& bundle : bundles_)
      draw_bundle(bundle, factors.front(), around[at(bundle.parent)], sigma, drawn.merged_, stream);
  } else {
    drawn.leaves_ = std::make_shared<LeafSet>(*leaves_);
    for (std::size_t slot = 0; slot < leaf_group_.size(); ++slot)
      if (leaf_group_[slot] >= 0) {
        const Index parent = levels_.front().parent[at(leaf_group_[slot])];
        draw_bundle({parent, static_cast<Index>(slot), 1, 0, 1}, factors.front(),
                    around[at(parent)], sigma, *drawn.leaves_, stream);
      }
  }
  drawn.leaf_group_.clear();  // single groups are not drawn
}

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
  draw_leaves(factors, around, sigma, *drawn, stream);
  for (Index g = 0; g < remainders_.size(); ++g) {
    Eigen::Map<MatrixXd> remainder = drawn->remainders_[g];
    const Index last = remainder.cols() - 1;
    const VectorXd column = draw_gram_column(remainder.topLeftCorner(last, last), around[at(g)],
                                             sigma, residual_rows_[at(g)], stream);
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
  if (leaf_group_.empty())
    throw InvalidArgument("effects: the cross-products are drawn; single groups have none");
  const WeightedGram known = value(factors);
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
      const InnerNode node = outer(known, l, g);
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
    const MatrixXd r = leaf_r(*leaves_, slot);
    const GroupNode node = solve_node(r, leaf_c(*leaves_, slot), factor);
    const MatrixXd n = node_covariance(r, factor);
    MatrixXd joint;
    settle(0, g, n, -psi * node.b, joint);
  }
  return result;
}

}  // namespace rapport
