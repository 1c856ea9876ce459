#include "effect_errors.hpp"

#include <rapport/base/error.hpp>

#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Sparse = Eigen::SparseMatrix<double>;

/// A lower triangular Λ with ΛΛ' = matrix, which is positive semidefinite.
MatrixXd semidefinite_factor(const MatrixXd& matrix) {
  MatrixXd factor = MatrixXd::Zero(matrix.rows(), matrix.cols());
  for (Index j = 0; j < matrix.cols(); ++j) {
    const double pivot = matrix(j, j) - factor.row(j).head(j).squaredNorm();
    if (pivot <= 1e-14 * matrix(j, j)) continue;
    factor(j, j) = std::sqrt(pivot);
    for (Index i = j + 1; i < matrix.rows(); ++i)
      factor(i, j) =
          (matrix(i, j) - factor.row(i).head(j).dot(factor.row(j).head(j))) / factor(j, j);
  }
  return factor;
}

/// Λ of each term.
std::vector<MatrixXd> relative_factors(const MixedFit& fit) {
  const double variance = fit.residual.sd * fit.residual.sd;
  std::vector<MatrixXd> factors;
  for (const RandomEffects& term : fit.random)
    factors.push_back(semidefinite_factor(term.covariance / variance));
  return factors;
}

}  // namespace

EffectEquations effect_equations(const Design& design, const MixedFit& fit) {
  require_same_size("effect_equations", "random", static_cast<Index>(fit.random.size()), "design",
                    static_cast<Index>(design.random.size()));
  const detail::EffectPositions positions(design);
  const Sparse zl =
      detail::random_loadings(design, positions, relative_factors(fit), design.weights);
  Sparse system = zl.transpose() * zl;
  for (Index j = 0; j < positions.size; ++j) system.coeffRef(j, j) += 1;
  const Sparse lower = system.triangularView<Eigen::Lower>();
  MatrixXd x = design.fixed(Eigen::all, fit.fixed.columns);
  if (design.weights.size() > 0) x = design.weights.cwiseSqrt().asDiagonal() * x;
  EffectEquations result;
  result.cross = zl.transpose() * x;
  for (Index j = 0; j < positions.size; ++j) {
    result.starts.push_back(static_cast<Index>(result.rows.size()));
    for (Sparse::InnerIterator entry(lower, j); entry; ++entry) {
      result.rows.push_back(entry.row());
      result.values.push_back(entry.value());
    }
  }
  result.starts.push_back(static_cast<Index>(result.rows.size()));
  return result;
}

detail::EffectErrors::EffectErrors(const Design& design, const MixedFit& fit,
                                   const EffectEquations& equations)
    : positions_(design), factors_(relative_factors(fit)), cross_(equations.cross) {
  std::vector<Eigen::Triplet<double>> entries;
  for (Index j = 0; j < positions_.size; ++j)
    for (Index k = equations.starts[static_cast<std::size_t>(j)];
         k < equations.starts[static_cast<std::size_t>(j) + 1]; ++k)
      entries.emplace_back(equations.rows[static_cast<std::size_t>(k)], j,
                           equations.values[static_cast<std::size_t>(k)]);
  Sparse system(positions_.size, positions_.size);
  system.setFromTriplets(entries.begin(), entries.end());
  cholesky_.compute(system);
}

const detail::EffectErrors::OfLevels& detail::EffectErrors::of(
    const std::vector<std::int32_t>& levels) {
  const auto known = errors_.find(levels);
  if (known != errors_.end()) return known->second;
  Index q = 0;
  for (const MatrixXd& factor : factors_) q += factor.rows();
  MatrixXd a = MatrixXd::Zero(positions_.size, q);
  Index column = 0;
  for (std::size_t k = 0; k < factors_.size(); ++k) {
    const Index width = factors_[k].rows();
    if (levels[k] >= 0)
      a.block(positions_.of(k, levels[k]), column, width, width) = factors_[k].transpose();
    column += width;
  }
  const MatrixXd solved = cholesky_.solve(a);
  return errors_
      .emplace(levels,
               OfLevels{.inner = a.transpose() * solved, .cross = cross_.transpose() * solved})
      .first->second;
}

}  // namespace rapport
