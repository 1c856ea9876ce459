#include <Eigen/Cholesky>

#include "crossed.hpp"
#include "node.hpp"
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Below this share of a column's squared norm, what is left of it is rounding.
constexpr double negligible = 1e-8;
/// Added to every diagonal, as a share, so that the factorisation of a singular matrix goes on: its
/// null columns are then left with this share, and the others are moved by it.
constexpr double ridge = 1e-11;

/// matrix · x for a symmetric matrix of which the lower triangle is stored.
VectorXd symmetric_product(const SupernodalMatrix& matrix, const VectorXd& x) {
  VectorXd result = VectorXd::Zero(x.size());
  for (const SupernodalPattern::Supernode& s : matrix.pattern().supernodes()) {
    const auto panel = matrix.panel(s);
    const std::int32_t* rows = matrix.pattern().rows(s);
    for (Index j = 0; j < s.width; ++j) {
      const Index column = s.first + j;
      result[column] += panel(j, j) * x[column];
      for (Index i = j + 1; i < s.n_rows; ++i) {
        result[rows[i]] += panel(i, j) * x[column];
        result[column] += panel(i, j) * x[rows[i]];
      }
    }
  }
  return result;
}

/// L x.
VectorXd lower_product(const SupernodalMatrix& lower, const VectorXd& x) {
  VectorXd result = VectorXd::Zero(x.size());
  for (const SupernodalPattern::Supernode& s : lower.pattern().supernodes()) {
    const auto panel = lower.panel(s);
    const std::int32_t* rows = lower.pattern().rows(s);
    for (Index j = 0; j < s.width; ++j)
      for (Index i = j; i < s.n_rows; ++i) result[rows[i]] += panel(i, j) * x[s.first + j];
  }
  return result;
}

}  // namespace

std::unique_ptr<CrossProducts> CrossedCrossProducts::simulate(const std::vector<MatrixXd>& factors,
                                                              const VectorXd& coefficients,
                                                              double sigma,
                                                              RandomStream& stream) const {
  std::unique_ptr<CrossedCrossProducts> drawn(new CrossedCrossProducts(*this));
  const Index q = leaf_size_;
  const Index p = fixed_columns_ - 1;
  const Index n = layout_->root.columns();
  VectorXd effects(n);
  for (std::size_t l = 0; l < layout_->levels.size(); ++l)
    for (const Index first : layout_->levels[l].column)
      effects.segment(first, layout_->levels[l].size) =
          sigma * (factors[l + 1] * normal_vector(layout_->levels[l].size, stream));
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const auto r = leaf_r_.middleCols(leaf * q, q);
    VectorXd response = r * (sigma * (factors.front() * normal_vector(q, stream)));
    for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e)
      response += effects[layout_->met[at(e)]] * leaf_c_.col(e);
    response += leaf_fixed_.middleCols(leaf * q, q).topRows(p).transpose() * coefficients;
    const VectorXd noise = sigma * normal_vector(q, stream);
    for (Index k = 0; k < q; ++k)
      drawn->leaf_fixed_(p, leaf * q + k) = response[k] + (r(k, k) != 0 ? noise[k] : 0.0);
  }
  drawn->draw_remainder(effects, coefficients, sigma, stream);
  return drawn;
}

/// The cross-products of the residuals with a response drawn around effects and coefficients: S'e
/// for the residuals S of [Z of the root, X] is L z with S'S = LL', and what e holds beside the
/// span of S is χ² (see draw_gram_column()).
void CrossedCrossProducts::draw_remainder(const VectorXd& effects, const VectorXd& coefficients,
                                          double sigma, RandomStream& stream) {
  const Index p = fixed_columns_ - 1;
  const Index n = layout_->root.columns();
  SupernodalMatrix remainder = root_gram_;
  add_leaf_products(leaf_c_, leaf_c_, -1, remainder);
  SupernodalMatrix lower = remainder;
  VectorXd original(n);
  for (const SupernodalPattern::Supernode& s : layout_->root.supernodes()) {
    original.segment(s.first, s.width) = lower.panel(s).diagonal();
    lower.panel(s).diagonal().array() = lower.panel(s).diagonal().array() * (1 + ridge) + 1e-300;
  }
  const MatrixXd x = remainder_fixed_.topLeftCorner(p, p);
  MatrixXd half = remainder_cross_.leftCols(p);
  static_cast<void>(lower.factorize());
  lower.solve_lower(half);
  Index rank = 0;
  VectorXd z = VectorXd::Zero(n);
  for (Index j = 0; j < n; ++j) {
    const double pivot = lower.diagonal(j);
    if (pivot * pivot <= negligible * original[j] || rank >= residual_rows_) {
      half.row(j).setZero();
      continue;
    }
    z[j] = stream.normal();
    ++rank;
  }
  const VectorXd cross = lower_product(lower, z);
  // X beside Z.
  const MatrixXd left = x - half.transpose() * half;
  const Eigen::LDLT<MatrixXd> ldlt(left);
  VectorXd y(p);
  VectorXd beside_z = VectorXd::Zero(p);
  for (Index j = 0; j < p; ++j)
    if (ldlt.vectorD()[j] > negligible * x.diagonal().maxCoeff() && rank < residual_rows_) {
      beside_z[j] = stream.normal();
      ++rank;
    }
  y = ldlt.matrixL() * (ldlt.vectorD().cwiseMax(0).cwiseSqrt().cwiseProduct(beside_z));
  y = ldlt.transpositionsP().transpose() * y;
  y += half.transpose() * z;
  const double beside =
      residual_rows_ > rank ? stream.chi_squared(static_cast<double>(residual_rows_ - rank)) : 0;

  const VectorXd mean_z =
      symmetric_product(remainder, effects) + remainder_cross_.leftCols(p) * coefficients;
  const VectorXd mean_x = remainder_cross_.leftCols(p).transpose() * effects + x * coefficients;
  remainder_cross_.col(p) = mean_z + sigma * cross;
  remainder_fixed_.col(p).head(p) = mean_x + sigma * y;
  remainder_fixed_.row(p).head(p) = remainder_fixed_.col(p).head(p).transpose();
  remainder_fixed_(p, p) = effects.dot(mean_z) + coefficients.dot(mean_x) +
                           2 * sigma * (effects.dot(cross) + coefficients.dot(y)) +
                           sigma * sigma * (z.squaredNorm() + beside_z.squaredNorm() + beside);
}

}  // namespace rapport
