#include "arrow_directions.hpp"

#include "dense.hpp"
#include <algorithm>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// x := L⁻¹x along the columns first, first + step, … of x.
void half_solve(const Eigen::Map<const MatrixXd>& l, MatrixXd& x, Index first, Index step) {
  for (Index i = 0; i < l.rows(); ++i) {
    auto column = x.col(first + step * i);
    for (Index j = 0; j < i; ++j) column -= l(i, j) * x.col(first + step * j);
    column /= l(i, i);
  }
}

}  // namespace

ArrowDirections::ArrowDirections(const ArrowMatrix& matrix, Index directions)
    : matrix_(matrix),
      directions_(directions),
      own_(directions, matrix.q_ * matrix.q_),
      upper_(MatrixXd::Zero(directions, static_cast<Index>(matrix.c_.size()))),
      sum_(MatrixXd::Zero(directions, directions)) {}

double ArrowDirections::memory(const ArrowMatrix& matrix, Index directions) {
  return static_cast<double>(directions) * static_cast<double>(matrix.c_.size());
}

void ArrowDirections::start_block(Index block) {
  block_ = block;
  own_.setZero();
  cross_.setZero(directions_, q() * matrix_.k(block));
}

double* ArrowDirections::upper(Index touched, Index other) {
  const UpperLayout::Touched& columns = matrix_.layout_.touched[at(block_)];
  const Index start = matrix_.layout_.component_start[at(columns.component)];
  const Index size = matrix_.layout_.component_start[at(columns.component) + 1] - start;
  const Index row = columns.columns[at(std::max(touched, other))] - start;
  const Index column = columns.columns[at(std::min(touched, other))] - start;
  return upper_.col(matrix_.c_start_[at(columns.component)] + column * size + row).data();
}

void ArrowDirections::finish_block() {
  for (Index j = 0; j < q(); ++j) {
    for (Index i = 0; i < j; ++i) own_.col(i + q() * j) = own_.col(j + q() * i);
  }
  if (matrix_.k(block_) > 0) add_to_batch();
  add_own_traces();
}

/// L⁻¹A_kL⁻ᵀ.
void ArrowDirections::add_own_traces() {
  const Eigen::Map<const MatrixXd> factor(matrix_.a_.data() + block_ * q() * q(), q(), q());
  for (Index j = 0; j < q(); ++j) half_solve(factor, own_, q() * j, 1);
  for (Index i = 0; i < q(); ++i) half_solve(factor, own_, i, q());
  sum_.noalias() += own_ * own_.transpose();
}

void ArrowDirections::add_to_batch() {
  const auto& touched = matrix_.layout_.touched;
  const Index count = matrix_.k(block_);
  if (lines_ > 0 && (lines_ + q() > batch_lines ||
                     touched[at(block_)].columns != touched[at(batch_block_)].columns))
    finish_batch();
  if (lines_ == 0) {
    batch_block_ = block_;
    const Index lines = std::max(batch_lines, q());
    batch_half_.resize(directions_ * lines, count);
    batch_white_.resize(directions_ * lines, count);
    batch_solved_.resize(lines, count);
  }
  const double* solved = matrix_.b_.data() + matrix_.b_start_[at(block_)];
  const Eigen::Map<const MatrixXd> factor(matrix_.a_.data() + block_ * q() * q(), q(), q());
  for (Index j = 0; j < count; ++j) {
    for (Index l = 0; l < q(); ++l) {
      auto change = cross_.col(l + q() * j);
      auto half = batch_half_.col(j).segment((lines_ + l) * directions_, directions_);
      half = change;
      for (Index r = 0; r < q(); ++r) change -= solved[r + q() * j] * own_.col(l + q() * r);
      half = 0.5 * (half + change);
      batch_solved_(lines_ + l, j) = solved[l + q() * j];
    }
    half_solve(factor, cross_, q() * j, 1);
    for (Index l = 0; l < q(); ++l)
      batch_white_.col(j).segment((lines_ + l) * directions_, directions_) =
          cross_.col(l + q() * j);
  }
  lines_ += q();
}

void ArrowDirections::finish_batch() {
  if (lines_ == 0) return;
  const auto& columns = matrix_.layout_.touched[at(batch_block_)].columns;
  add_cross_traces(columns);
  eliminate(columns);
  lines_ = 0;
}

void ArrowDirections::add_cross_traces(const std::vector<Index>& columns) {
  const auto count = static_cast<Index>(columns.size());
  const Index number = matrix_.layout_.touched[at(batch_block_)].component;
  const Index start = matrix_.layout_.component_start[at(number)];
  const auto whole = matrix_.component(matrix_.inverse_, number);
  MatrixXd inverse(count, count);
  for (Index j = 0; j < count; ++j) {
    for (Index i = 0; i < count; ++i)
      inverse(i, j) = whole(columns[at(i)] - start, columns[at(j)] - start);
  }
  const MatrixXd white = batch_white_.topRows(lines_ * directions_);
  MatrixXd product = MatrixXd::Zero(white.rows(), count);
  add_product(product, 2, white, inverse);
  const Eigen::Map<const MatrixXd> left(white.data(), directions_, lines_ * count);
  const Eigen::Map<const MatrixXd> right(product.data(), directions_, lines_ * count);
  add_product_transposed(sum_, 1, left, right);
}

/// C_k loses B_k'S + S'B_k − S'A_kS.
void ArrowDirections::eliminate(const std::vector<Index>& columns) {
  const auto count = static_cast<Index>(columns.size());
  const Index number = matrix_.layout_.touched[at(batch_block_)].component;
  const Index start = matrix_.layout_.component_start[at(number)];
  const Index size = matrix_.layout_.component_start[at(number) + 1] - start;
  const auto target = [&](Index i, Index j) {
    return upper_.col(matrix_.c_start_[at(number)] + (columns[at(j)] - start) * size +
                      columns[at(i)] - start);
  };
  MatrixXd product(directions_, count);
  for (Index j = 0; j < count; ++j) {
    const Eigen::Map<const MatrixXd> half(batch_half_.col(j).data(), directions_, lines_);
    product.setZero();
    add_product(product, 1, half, batch_solved_.topRows(lines_));
    for (Index i = 0; i < count; ++i) {
      if (i >= j) target(i, j) -= product.col(i);
      if (i <= j) target(j, i) -= product.col(i);
    }
  }
}

MatrixXd ArrowDirections::traces() {
  finish_batch();
  for (Index c = 0; c < matrix_.layout_.n_components(); ++c) {
    const auto factor = matrix_.component(matrix_.c_, c);
    const Index size = factor.rows();
    MatrixXd whitened(size * size, directions_);
    for (Index k = 0; k < directions_; ++k) {
      Eigen::Map<MatrixXd> whole(whitened.col(k).data(), size, size);
      for (Index j = 0; j < size; ++j) {
        for (Index i = j; i < size; ++i)
          whole(i, j) = whole(j, i) = upper_(k, matrix_.c_start_[at(c)] + j * size + i);
      }
      factor.triangularView<Eigen::Lower>().solveInPlace(whole);
      factor.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(whole);
    }
    sum_.noalias() += whitened.transpose() * whitened;
  }
  return sum_;
}

}  // namespace rapport::detail
