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

MatrixXd gather_rows(const Eigen::Ref<MatrixXd>& x, const std::int32_t* rows, Index n) {
  MatrixXd result(n, x.cols());
  for (Index j = 0; j < x.cols(); ++j)
    for (Index i = 0; i < n; ++i) result(i, j) = x(rows[i], j);
  return result;
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
  for (const Supernode& s : pattern_->supernodes()) {
    const ConstPanel own = panel(s);
    auto top = x.middleRows(s.first, s.width);
    solve_lower_triangle(own.topRows(s.width), top);
    if (s.below() == 0) continue;
    MatrixXd change = MatrixXd::Zero(s.below(), x.cols());
    add_product(change, 1, own.bottomRows(s.below()), top);
    const std::int32_t* rows = pattern_->rows(s) + s.width;
    for (Index j = 0; j < x.cols(); ++j)
      for (Index i = 0; i < s.below(); ++i) x(rows[i], j) -= change(i, j);
  }
}

void SupernodalMatrix::solve_transposed(Eigen::Ref<MatrixXd> x) const {
  const std::vector<Supernode>& supernodes = pattern_->supernodes();
  for (std::size_t k = supernodes.size(); k-- > 0;) {
    const Supernode& s = supernodes[k];
    const ConstPanel own = panel(s);
    auto top = x.middleRows(s.first, s.width);
    if (s.below() > 0)
      add_transposed_product(top, -1, own.bottomRows(s.below()),
                             gather_rows(x, pattern_->rows(s) + s.width, s.below()));
    solve_transposed_triangle(own.topRows(s.width), top);
  }
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
