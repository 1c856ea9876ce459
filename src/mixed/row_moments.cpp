#include "row_moments.hpp"

#include <rapport/base/missing.hpp>

#include <Eigen/Cholesky>
#include <Eigen/QR>

#include <algorithm>
#include <cmath>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Rows of the columns, made.
MatrixXd made(const PieceColumns& columns, const ModelRows& rows, Index first, Index n) {
  MatrixXd matrix(n, columns.size());
  for (Index j = 0; j < columns.size(); ++j) {
    double* const out = matrix.col(j).data();
    const double* const values = columns.values(j, *rows.values, first, n, out);
    if (values != out) std::copy(values, values + n, out);
  }
  return matrix;
}

}  // namespace

RowMoments::RowMoments(const ModelFrame& frame) {
  columns_.emplace_back(frame, frame.fixed);
  for (const ColumnPlan& plan : frame.random) columns_.emplace_back(frame, plan);
  for (const PieceColumns& columns : columns_)
    squares_.push_back(MatrixXd::Zero(columns.size(), columns.size()));
  shift_ = VectorXd::Zero(columns_.front().size());
  sums_ = VectorXd::Zero(columns_.front().size());
}

void RowMoments::set_shift(const ModelRows& rows) {
  shift_ = made(columns_.front(), rows, 0, 1).row(0).transpose();
}

void RowMoments::add(const ModelRows& rows) {
  constexpr Index piece = 2048;
  for (Index first = 0; first < rows.size; first += piece) {
    const Index n = std::min(piece, rows.size - first);
    for (std::size_t k = 0; k < columns_.size(); ++k) {
      MatrixXd matrix = made(columns_[k], rows, first, n);
      if (k == 0) {
        matrix.rowwise() -= shift_.transpose();
        sums_ += matrix.colwise().sum().transpose();
      }
      squares_[k].noalias() += matrix.transpose() * matrix;
    }
  }
  rows_ += rows.size;
}

void RowMoments::merge(const RowMoments& other) {
  for (std::size_t k = 0; k < squares_.size(); ++k) squares_[k] += other.squares_[k];
  sums_ += other.sums_;
  rows_ += other.rows_;
}

MatrixXd RowMoments::triangle() const {
  const Index p = shift_.size();
  const auto n = static_cast<double>(rows_);
  const Eigen::LDLT<MatrixXd> centred(squares_.front() - sums_ * sums_.transpose() / n);
  MatrixXd stacked(p + 1, p);
  stacked.row(0) = std::sqrt(n) * (shift_ + sums_ / n).transpose();
  stacked.bottomRows(p) = centred.vectorD().cwiseMax(0).cwiseSqrt().asDiagonal() *
                          MatrixXd(centred.matrixU()) * centred.transpositionsP();
  return stacked.householderQr().matrixQR().topRows(p).triangularView<Eigen::Upper>();
}

VarianceExplained RowMoments::explained(const MixedFit& fit) const {
  VectorXd weights = VectorXd::Zero(shift_.size());
  for (std::size_t j = 0; j < fit.fixed.columns.size(); ++j)
    weights[fit.fixed.columns[j]] = fit.fixed.estimate[static_cast<Index>(j)];
  const auto n = static_cast<double>(rows_);
  const double sum = weights.dot(sums_);
  const double fixed = (weights.dot(squares_.front() * weights) - sum * sum / n) / (n - 1);
  std::vector<double> shares;
  for (std::size_t k = 0; k < fit.random.size(); ++k)
    shares.push_back(squares_[k + 1].cwiseProduct(fit.random[k].covariance).sum() / n);
  return variance_explained(fit, fixed, shares);
}

void InputSummary::add(const VectorView& values) {
  if (values.size() == 0) return;
  InputSummary own;
  own.n = values.size();
  own.mean = values.mean();
  own.squares = (values.array() - own.mean).square().sum();
  own.minimum = values.minCoeff();
  own.maximum = values.maxCoeff();
  merge(own);
}

void InputSummary::merge(const InputSummary& other) {
  if (other.n == 0) return;
  const auto total = static_cast<double>(n + other.n);
  const double difference = other.mean - mean;
  squares += other.squares + difference * difference * static_cast<double>(n) *
                                 static_cast<double>(other.n) / total;
  mean += difference * static_cast<double>(other.n) / total;
  n += other.n;
  minimum = std::min(minimum, other.minimum);
  maximum = std::max(maximum, other.maximum);
}

void InputSummary::describe(ModelInput& input) const {
  if (n == 0) return;
  input.mean = mean;
  input.sd = n > 1 ? std::sqrt(squares / static_cast<double>(n - 1)) : missing;
  input.minimum = minimum;
  input.maximum = maximum;
}

}  // namespace rapport::detail
