#include "supernodal.hpp"

#include "dense.hpp"
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Supernode = SupernodalPattern::Supernode;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Adds the lower triangle of a child's update to the front of its parent: the panel and, for rows
/// below it, the parent's own update.
void extend_add(const MatrixXd& update, const std::int32_t* places, Index width,
                SupernodalMatrix::Panel panel, MatrixXd& below) {
  for (Index j = 0; j < update.cols(); ++j) {
    const Index column = places[j];
    const double* from = update.col(j).data();
    double* to =
        column < width ? panel.col(column).data() : below.col(column - width).data() - width;
    for (Index i = j; i < update.rows(); ++i) to[places[i]] += from[i];
  }
}

/// The symmetric matrix of some rows and columns of another.
MatrixXd gather(const MatrixXd& front, const std::int32_t* places, Index n) {
  MatrixXd result(n, n);
  for (Index j = 0; j < n; ++j) {
    const double* from = front.col(places[j]).data();
    double* to = result.col(j).data();
    for (Index i = 0; i < n; ++i) to[i] = from[places[i]];
  }
  return result;
}

/// Up to how many columns a supernode is solved with by loops.
constexpr Index narrow = 48;

/// to += factor · from.
void add_multiple(double* to, double factor, const double* from, Index n) {
  for (Index i = 0; i < n; ++i) to[i] += factor * from[i];
}

/// The children of each supernode.
std::vector<std::vector<std::size_t>> children_of(const std::vector<Supernode>& supernodes) {
  std::vector<std::vector<std::size_t>> children(supernodes.size());
  for (std::size_t k = 0; k < supernodes.size(); ++k)
    if (supernodes[k].parent >= 0) children[at(supernodes[k].parent)].push_back(k);
  return children;
}

}  // namespace

bool SupernodalMatrix::factorize() {
  const std::vector<Supernode>& supernodes = pattern_->supernodes();
  const auto children = children_of(supernodes);
  std::vector<MatrixXd> updates(supernodes.size());
  for (std::size_t k = 0; k < supernodes.size(); ++k) {
    const Supernode& s = supernodes[k];
    Panel own = panel(s);
    MatrixXd& update = updates[k];
    update = MatrixXd::Zero(s.below(), s.below());
    for (const std::size_t child : children[k]) {
      extend_add(updates[child], pattern_->places(supernodes[child]), s.width, own, update);
      updates[child].resize(0, 0);
    }
    if (!factor_panel(own)) return false;
    if (s.below() > 0) add_lower_square(update, -1, own.bottomRows(s.below()));
  }
  return true;
}

double SupernodalMatrix::log_determinant() const {
  double sum = 0;
  for (const Supernode& s : pattern_->supernodes()) sum += panel(s).diagonal().array().log().sum();
  return 2 * sum;
}

void SupernodalMatrix::solve_lower(Eigen::Ref<MatrixXd> x) const {
  if (pattern_->supernodes().size() == 1) return solve_lower_triangle(panel(front()), x);
  MatrixXd t = x.transpose();  // what belongs to a row stands together
  const Index m = t.rows();
  for (const Supernode& s : pattern_->supernodes()) {
    const ConstPanel own = panel(s);
    const std::int32_t* rows = pattern_->rows(s);
    if (s.width > narrow) {
      MatrixXd top = t.middleCols(s.first, s.width).transpose();
      solve_lower_triangle(own.topRows(s.width), top);
      t.middleCols(s.first, s.width) = top.transpose();
      MatrixXd change = MatrixXd::Zero(m, s.below());
      add_product_transposed(change, 1, t.middleCols(s.first, s.width), own.bottomRows(s.below()));
      for (Index i = 0; i < s.below(); ++i) t.col(rows[s.width + i]) -= change.col(i);
      continue;
    }
    for (Index j = 0; j < s.width; ++j) {
      double* from = t.data() + (s.first + j) * m;
      const double scale = 1 / own(j, j);
      for (Index k = 0; k < m; ++k) from[k] *= scale;
      for (Index i = j + 1; i < s.n_rows; ++i)
        add_multiple(t.data() + rows[i] * m, -own(i, j), from, m);
    }
  }
  x = t.transpose();
}

void SupernodalMatrix::solve_transposed(Eigen::Ref<MatrixXd> x) const {
  const std::vector<Supernode>& supernodes = pattern_->supernodes();
  if (supernodes.size() == 1) return solve_transposed_triangle(panel(front()), x);
  MatrixXd t = x.transpose();
  const Index m = t.rows();
  for (std::size_t k = supernodes.size(); k-- > 0;) {
    const Supernode& s = supernodes[k];
    const ConstPanel own = panel(s);
    const std::int32_t* rows = pattern_->rows(s);
    if (s.width > narrow) {
      MatrixXd below(m, s.below());
      for (Index i = 0; i < s.below(); ++i) below.col(i) = t.col(rows[s.width + i]);
      add_product(t.middleCols(s.first, s.width), -1, below, own.bottomRows(s.below()));
      MatrixXd top = t.middleCols(s.first, s.width).transpose();
      solve_transposed_triangle(own.topRows(s.width), top);
      t.middleCols(s.first, s.width) = top.transpose();
      continue;
    }
    for (Index j = s.width; j-- > 0;) {
      double* to = t.data() + (s.first + j) * m;
      for (Index i = j + 1; i < s.n_rows; ++i)
        add_multiple(to, -own(i, j), t.data() + rows[i] * m, m);
      const double scale = 1 / own(j, j);
      for (Index l = 0; l < m; ++l) to[l] *= scale;
    }
  }
  x = t.transpose();
}

SupernodalMatrix SupernodalMatrix::selected_inverse() const {
  SupernodalMatrix inverse(*pattern_);
  const std::vector<Supernode>& supernodes = pattern_->supernodes();
  const auto children = children_of(supernodes);
  // The inverse on a supernode's rows, until its first child has taken its part.
  std::vector<MatrixXd> fronts(supernodes.size());
  for (std::size_t k = supernodes.size(); k-- > 0;) {
    const Supernode& s = supernodes[k];
    const ConstPanel own = panel(s);
    const Index w = s.width;
    const Index below = s.below();
    Panel out = inverse.panel(s);
    auto square = out.topRows(w);
    square = own.topRows(w).triangularView<Eigen::Lower>();
    invert_lower(square);
    MatrixXd corner;
    MatrixXd ratio;  // L_below L_own⁻¹
    if (below > 0) {
      MatrixXd& front = fronts[at(s.parent)];
      corner = gather(front, pattern_->places(s), below);
      if (children[at(s.parent)].front() == k) front.resize(0, 0);
      ratio = MatrixXd::Zero(below, w);
      add_product(ratio, 1, own.bottomRows(below), square);
      add_product(out.bottomRows(below), -1, corner, ratio);
    }
    square_lower(square);
    if (below > 0) add_transposed_product(square, -1, ratio, out.bottomRows(below));
    square.triangularView<Eigen::StrictlyUpper>() = square.transpose();
    if (children[k].empty()) continue;
    MatrixXd& front = fronts[k];
    front.resize(s.n_rows, s.n_rows);
    front.leftCols(w) = out;
    front.topRightCorner(w, below) = out.bottomRows(below).transpose();
    front.bottomRightCorner(below, below) = corner;
  }
  return inverse;
}

}  // namespace rapport
