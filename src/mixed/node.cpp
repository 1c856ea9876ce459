#include "node.hpp"

#include <Eigen/Cholesky>

#include <cmath>

namespace rapport {

using Eigen::MatrixXd;
using Eigen::VectorXd;

GroupNode solve_node(const MatrixXd& r, const MatrixXd& c, const MatrixXd& factor) {
  const MatrixXd scaled = r * factor;
  MatrixXd m = MatrixXd::Identity(r.rows(), r.rows());
  m.noalias() += scaled * scaled.transpose();
  const Eigen::LLT<MatrixXd> llt(m);
  GroupNode node;
  const MatrixXd lower = llt.matrixL();
  node.log_determinant = 2 * lower.diagonal().array().log().sum();
  node.half = llt.matrixL().solve(c);
  const MatrixXd half_r = llt.matrixL().solve(r);
  node.a.noalias() = half_r.transpose() * half_r;
  node.b.noalias() = half_r.transpose() * node.half;
  return node;
}

MatrixXd node_covariance(const MatrixXd& r, const MatrixXd& factor) {
  const MatrixXd scaled = r * factor;
  const MatrixXd inner =
      MatrixXd::Identity(factor.rows(), factor.rows()) + scaled.transpose() * scaled;
  return factor * Eigen::LLT<MatrixXd>(inner).solve(factor.transpose());
}

GroupFactor factor_group(MatrixXd& work, Index q) {
  constexpr double negligible = 1e-24;  // share of a column's squared norm
  const Index width = work.cols() - q;
  GroupFactor result{MatrixXd::Zero(q, q), MatrixXd::Zero(q, width)};
  const VectorXd original = work.leftCols(q).colwise().squaredNorm();
  for (Index k = 0; k < q; ++k) {
    const double norm = work.col(k).squaredNorm();
    if (norm <= negligible * original[k] || k >= work.rows()) {
      work.col(k).setZero();
      continue;
    }
    result.r(k, k) = std::sqrt(norm);
    const VectorXd direction = work.col(k) / result.r(k, k);
    work.col(k) = direction;
    for (Index j = k + 1; j < work.cols(); ++j) {
      const double product = direction.dot(work.col(j));
      work.col(j) -= product * direction;
      (j < q ? result.r(k, j) : result.c(k, j - q)) = product;
    }
  }
  return result;
}

VectorXd normal_vector(Index n, RandomStream& stream) {
  VectorXd result(n);
  for (double& value : result) value = stream.normal();
  return result;
}

VectorXd draw_gram_column(const MatrixXd& gram, const VectorXd& v, double sigma, Index rows,
                          RandomStream& stream) {
  constexpr double negligible = 1e-12;
  const Index n = gram.rows();
  VectorXd result(n + 1);
  // S'e = P'L√D z with independent z, one a positive pivot; what e holds beside the span of S is
  // χ².
  const Eigen::LDLT<MatrixXd> ldlt(gram);
  const VectorXd pivots = ldlt.vectorD();
  const double largest = n == 0 ? 0 : pivots.maxCoeff();
  VectorXd z = VectorXd::Zero(n);
  Index rank = 0;
  for (Index i = 0; i < n; ++i)
    if (pivots[i] > negligible * largest && rank < rows) {
      z[i] = stream.normal();
      ++rank;
    }
  const double beside = rows > rank ? stream.chi_squared(static_cast<double>(rows - rank)) : 0;
  VectorXd cross = ldlt.matrixL() * (pivots.cwiseMax(0).cwiseSqrt().cwiseProduct(z));
  cross = ldlt.transpositionsP().transpose() * cross;
  const VectorXd mean = gram * v;
  result.head(n) = mean + sigma * cross;
  result[n] = v.dot(mean) + 2 * sigma * v.dot(cross) + sigma * sigma * (z.squaredNorm() + beside);
  return result;
}

MatrixXd semidefinite_factor(const MatrixXd& gram) {
  constexpr double tolerance = 1e-13;
  const Index q = gram.rows();
  MatrixXd r = MatrixXd::Zero(q, q);
  for (Index k = 0; k < q; ++k) {
    const double pivot = gram(k, k) - r.col(k).head(k).squaredNorm();
    if (pivot <= tolerance * gram(k, k)) continue;
    r(k, k) = std::sqrt(pivot);
    for (Index j = k + 1; j < q; ++j)
      r(k, j) = (gram(k, j) - r.col(k).head(k).dot(r.col(j).head(k))) / r(k, k);
  }
  return r;
}

InnerNode::InnerNode(const OuterNode& node, Index q, Index width)
    : a(Eigen::Map<const MatrixXd>(node.a, q, q)),
      b(Eigen::Map<const MatrixXd>(node.b, width, q).transpose()),
      n(Eigen::Map<const MatrixXd>(node.n, q, q)),
      k(Eigen::Map<const MatrixXd>(node.k, q, q)),
      residual(q + width, width) {
  residual.topRows(q) = -Eigen::Map<const MatrixXd>(node.psi_b, width, q).transpose();
  residual.bottomRows(width).setIdentity();
}

MatrixXd symmetric_unit(Index q, Index row, Index column) {
  MatrixXd e = MatrixXd::Zero(q, q);
  e(row, column) = 1;
  e(column, row) = 1;
  return e;
}

MatrixXd inverse_of_upper(const MatrixView& u) {
  const Index n = u.rows();
  MatrixXd inverse = MatrixXd::Zero(n, n);
  for (Index j = 0; j < n; ++j) {
    inverse(j, j) = 1 / u(j, j);
    for (Index i = j - 1; i >= 0; --i) {
      double sum = 0;
      for (Index k = i + 1; k <= j; ++k) sum += u(i, k) * inverse(k, j);
      inverse(i, j) = -sum / u(i, i);
    }
  }
  return inverse;
}

double least_variance_bound(const MatrixView& factor) {
  const Index q = factor.rows();
  const double determinant = factor.diagonal().prod() * factor.diagonal().prod();
  if (q == 1) return determinant;
  const double others = static_cast<double>(q - 1);
  return determinant / std::pow(factor.squaredNorm() / others, others);
}

}  // namespace rapport
