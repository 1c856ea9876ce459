// First derivatives of crossed models in the covariances, and the second ones of the Gram matrix.
#include "crossed_solve.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Λ with its diagonal kept away from 0, so that Λ⁻¹ exists. Derivatives in Ψ are smooth: this
/// moves them by 1e-8 of themselves.
MatrixXd regular(MatrixXd factor) {
  constexpr double least = 1e-4;
  for (Index j = 0; j < factor.rows(); ++j)
    if (std::abs(factor(j, j)) < least) factor(j, j) = factor(j, j) < 0 ? -least : least;
  return factor;
}

/// Column k of every leaf's q.
auto every(const MatrixXd& side_by_side, Index k, Index q) {
  return Eigen::Map<const MatrixXd, 0, Eigen::OuterStride<>>(
      side_by_side.col(k).data(), side_by_side.rows(), side_by_side.cols() / q,
      Eigen::OuterStride<>(q * side_by_side.rows()));
}

/// Every leaf's block times a symmetric matrix of its own (side by side) or, for `many` false, one
/// for all.
MatrixXd times_blocks(const MatrixXd& rows, const MatrixXd& blocks, Index q, bool many) {
  MatrixXd result(rows.rows(), rows.cols());
  if (q == 1) {
    for (Index s = 0; s < rows.cols(); ++s) result.col(s) = rows.col(s) * blocks(0, many ? s : 0);
    return result;
  }
  for (Index s = 0; s < rows.cols(); s += q)
    result.middleCols(s, q).noalias() = rows.middleCols(s, q) * blocks.middleCols(many ? s : 0, q);
  return result;
}

}  // namespace

CrossedCrossProducts::Sweep CrossedCrossProducts::prepare_sweep(
    const std::vector<MatrixXd>& factors, const WeightedGram& known, const MatrixXd& projection,
    bool rough) const {
  const Index q = leaf_size_;
  std::vector<MatrixXd> usable = {factors.front()};
  for (std::size_t l = 1; l < factors.size(); ++l) usable.push_back(regular(factors[l]));
  auto solved = std::static_pointer_cast<const Solved>(known.factorization);
  if (solved == nullptr || solved->factors != usable) solved = solve(usable);
  Sweep sweep{.solved = solved,
              .factors = usable,
              .back_factors = {},
              .units = {},
              .projection = projection,
              .inverse = {},
              .predictor = solved->half,
              .leaf_a = MatrixXd(q, q * n_leaves()),
              .leaf_b = MatrixXd(q, leaf_c_.cols()),
              .leaf_spread = {}};
  for (const MatrixXd& factor : usable) sweep.back_factors.emplace_back(factor.transpose());
  for (const CovarianceStructure::Coordinate& c : structure_.coordinates()) {
    sweep.units.push_back(symmetric_unit(structure_.size(c.level), c.row, c.column));
    const auto lambda = usable[at(c.level)].triangularView<Eigen::Lower>();
    sweep.scaled.emplace_back();
    if (c.level == 0) continue;
    const MatrixXd half = lambda.solve(sweep.units.back());
    sweep.scaled.back() = lambda.solve(half.transpose());
  }
  solved->lower.solve_transposed(sweep.predictor);
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    const Index first = layout_->first[at(leaf)];
    const Index n = layout_->first[at(leaf + 1)] - first;
    const auto r = solved->leaves.r.middleCols(leaf * q, q);
    if (q == 1) {
      sweep.leaf_a(0, leaf) = r(0, 0) * r(0, 0);
      sweep.leaf_b.middleCols(first, n) = r(0, 0) * solved->leaves.c.middleCols(first, n);
      continue;
    }
    sweep.leaf_a.middleCols(leaf * q, q).noalias() = r.transpose() * r;
    sweep.leaf_b.middleCols(first, n).noalias() =
        r.transpose() * solved->leaves.c.middleCols(first, n);
  }
  if (rough) return sweep;
  sweep.inverse = solved->lower.selected_inverse();
  MatrixXd scaled_b = sweep.leaf_b;
  scale_entries(sweep.factors, scaled_b);
  sweep.leaf_spread = leaf_forms(scaled_b, *sweep.inverse);
  return sweep;
}

/// `moves` receives −Λ'Σb'E_kB of the leaves' coordinates, projected.
void CrossedCrossProducts::add_leaf_terms(const Sweep& sweep, std::vector<MatrixXd>& moves,
                                          SecondOrder& result) const {
  const Index q = leaf_size_;
  const Index n = structure_.n_parameters();
  // What remains of each leaf's B' once the root's effects are predicted.
  MatrixXd predictor = sweep.predictor;
  scale_rows(sweep.back_factors, predictor);
  MatrixXd b = -to_leaves(predictor.transpose(), sweep.leaf_b);
  for (Index leaf = 0; leaf < n_leaves(); ++leaf)
    b.middleCols(leaf * q, q) += sweep.solved->leaves.fixed.middleCols(leaf * q, q)
                                     .lazyProduct(sweep.solved->leaves.r.middleCols(leaf * q, q));
  const MatrixXd projected = sweep.projection.transpose() * b;
  const MatrixXd a = sweep.inverse ? MatrixXd(sweep.leaf_a - sweep.leaf_spread) : MatrixXd();
  std::vector<MatrixXd> sides;  // (E_kBP)', leaf by leaf
  for (Index k = 0; k < structure_.offset(1); ++k) {
    const CovarianceStructure::Coordinate& c = structure_.coordinates()[at(k)];
    const MatrixXd product = every(b, c.row, q) * every(b, c.column, q).transpose();
    const bool diagonal = c.row == c.column;
    result.gram[at(k)] -= diagonal ? product : MatrixXd(product + product.transpose());
    if (sweep.inverse)
      result.log_determinant[k] += (diagonal ? 1 : 2) * every(a, c.column, q).row(c.row).sum();
    sides.push_back(times_blocks(projected, sweep.units[at(k)], q, false));
    moves[at(k)] = -to_root(sides.back(), sweep.leaf_b).transpose();
    scale_rows(sweep.factors, moves[at(k)]);
    const MatrixXd weighted = times_blocks(sides.back(), sweep.leaf_a, q, true);
    for (Index l = 0; l <= k; ++l)
      result.second_gram[at(k * n + l)] = weighted * sides[at(l)].transpose();
  }
}

/// What one coordinate of a level of several effects gives in add_root_terms().
void CrossedCrossProducts::add_vector_terms(const Sweep& sweep, Index k, const MatrixXd& projected,
                                            MatrixXd& move, SecondOrder& result) const {
  const RootLevel& level = level_of(k);
  const MatrixXd& e = sweep.scaled[at(k)];
  for (const Index first : level.column) {
    const auto rows = sweep.predictor.middleRows(first, level.size);
    move.middleRows(first, level.size).noalias() = e * projected.middleRows(first, level.size);
    result.gram[at(k)] -= rows.transpose() * e * rows;
    if (!sweep.inverse) continue;
    for (Index j = 0; j < level.size; ++j)
      for (Index i = j; i < level.size; ++i) {
        const double value = sweep.inverse->values()[at(layout_->root.place(first + i, first + j))];
        result.log_determinant[k] += i == j ? e(i, i) * (1 - value) : -2 * e(i, j) * value;
      }
  }
}

/// `moves` receives Λ⁻¹E_kB of the root's coordinates, projected.
void CrossedCrossProducts::add_root_terms(const Sweep& sweep, std::vector<MatrixXd>& moves,
                                          SecondOrder& result) const {
  const Index n = structure_.n_parameters();
  const MatrixXd projected = sweep.predictor * sweep.projection;
  for (Index k = structure_.offset(1); k < n; ++k) {
    const RootLevel& level = level_of(k);
    const MatrixXd& e = sweep.scaled[at(k)];
    MatrixXd& move = moves[at(k)];
    if (level.size == 1) {
      VectorXd weight = VectorXd::Zero(projected.rows());
      for (const Index column : level.column) {
        weight[column] = e(0, 0);
        if (sweep.inverse)
          result.log_determinant[k] += e(0, 0) * (1 - sweep.inverse->diagonal(column));
      }
      move = weight.asDiagonal() * projected;
      result.gram[at(k)] -= sweep.predictor.transpose() * weight.asDiagonal() * sweep.predictor;
    } else {
      move = MatrixXd::Zero(projected.rows(), projected.cols());
      add_vector_terms(sweep, k, projected, move, result);
    }
    for (Index l = structure_.offset(1); l <= k; ++l)
      result.second_gram[at(k * n + l)] = move.transpose() * moves[at(l)];
  }
}

const CrossedCrossProducts::RootLevel& CrossedCrossProducts::level_of(Index coordinate) const {
  return layout_->levels[at(structure_.coordinates()[at(coordinate)].level - 1)];
}

CrossedCrossProducts::SecondOrder CrossedCrossProducts::second_order(
    const std::vector<MatrixXd>& factors, const WeightedGram& known, const MatrixXd& projection,
    bool rough) const {
  if (has_moments() && std::all_of(factors.begin(), factors.end(),
                                   [](const MatrixXd& factor) { return factor.isZero(0); }))
    return second_order_at_zero(projection);
  const Index n = structure_.n_parameters();
  const Index m = fixed_columns_;
  const Sweep sweep = prepare_sweep(factors, known, projection, rough);
  SecondOrder result;
  result.log_determinant = VectorXd::Zero(n);
  result.gram.assign(at(n), MatrixXd::Zero(m, m));
  result.second_gram.assign(at(n * n), MatrixXd::Zero(projection.cols(), projection.cols()));
  std::vector<MatrixXd> moves(at(n));
  add_leaf_terms(sweep, moves, result);
  add_root_terms(sweep, moves, result);
  for (MatrixXd& move : moves) sweep.solved->lower.solve_lower(move);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l <= k; ++l) {
      MatrixXd& second = result.second_gram[at(k * n + l)];
      second.noalias() -= moves[at(k)].transpose() * moves[at(l)];
      second = (second + second.transpose()).eval();
      result.second_gram[at(l * n + k)] = second;
    }
  if (!rough && has_dense_root()) {
    result.information = dense_information(sweep);
    return result;
  }
  const Probes probes = make_probes(sweep);
  result.information = estimated_information(sweep, probes);
  if (rough) result.log_determinant = estimated_traces(probes);
  return result;
}

GramDerivatives CrossedCrossProducts::derivatives(const std::vector<MatrixXd>& factors,
                                                  const WeightedGram& known,
                                                  const MatrixXd& trace_factor,
                                                  const VectorXd& data_vector) const {
  return contracted_derivatives(factors, known, trace_factor, data_vector, false);
}

GramDerivatives CrossedCrossProducts::rough_derivatives(const std::vector<MatrixXd>& factors,
                                                        const WeightedGram& known,
                                                        const MatrixXd& trace_factor,
                                                        const VectorXd& data_vector) const {
  return contracted_derivatives(factors, known, trace_factor, data_vector, has_costly_inverse());
}

GramDerivatives CrossedCrossProducts::contracted_derivatives(const std::vector<MatrixXd>& factors,
                                                             const WeightedGram& known,
                                                             const MatrixXd& trace_factor,
                                                             const VectorXd& data_vector,
                                                             bool rough) const {
  const Index n = structure_.n_parameters();
  const Index rank = trace_factor.cols();
  MatrixXd projection(fixed_columns_, rank + 1);
  projection << trace_factor, data_vector;
  SecondOrder second = second_order(factors, known, projection, rough);
  GramDerivatives result;
  result.log_determinant = std::move(second.log_determinant);
  result.gram = std::move(second.gram);
  result.trace_part = -second.information;
  result.data_part.resize(n, n);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l < n; ++l) {
      const MatrixXd& gram = second.second_gram[at(k * n + l)];
      result.trace_part(k, l) += gram.diagonal().head(rank).sum();
      result.data_part(k, l) = gram(rank, rank);
    }
  return result;
}

GramJet CrossedCrossProducts::jet(const std::vector<MatrixXd>& factors) const {
  SecondOrder second =
      second_order(factors, {}, MatrixXd::Identity(fixed_columns_, fixed_columns_), false);
  return {std::move(second.log_determinant), std::move(second.gram), -second.information,
          std::move(second.second_gram)};
}

// ---- At Λ = 0 ----

/// V = I there, so that nothing needs a factorisation: the start of a search (MINQUE(0): Rao 1971).
bool CrossedCrossProducts::has_moments() const {
  return structure_.n_parameters() == structure_.n_levels();
}

CrossedCrossProducts::SecondOrder CrossedCrossProducts::second_order_at_zero(
    const MatrixXd& projection) const {
  const Index n = structure_.n_parameters();
  const Index c = projection.cols();
  // W'Z of the root
  const MatrixXd cross = remainder_cross_.transpose() + to_root(leaf_fixed_, leaf_c_);
  SecondOrder result;
  result.log_determinant = VectorXd::Zero(n);
  result.gram.assign(at(n), MatrixXd::Zero(fixed_columns_, fixed_columns_));
  result.information = MatrixXd::Zero(n, n);
  result.second_gram.assign(at(n * n), MatrixXd::Zero(c, c));
  const MatrixXd projected = projection.transpose() * cross;
  add_leaf_moments(projection, projected, result);
  add_root_moments(cross, projected, result);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l <= k; ++l) {
      MatrixXd& second = result.second_gram[at(k * n + l)];
      second = (second + second.transpose()).eval();
      result.second_gram[at(l * n + k)] = second;
      result.information(l, k) = result.information(k, l);
    }
  return result;
}

/// `projected`: P'W'Z of the root.
void CrossedCrossProducts::add_leaf_moments(const MatrixXd& projection, const MatrixXd& projected,
                                            SecondOrder& result) const {
  const Index n = structure_.n_parameters();
  const VectorXd square = leaf_r_.row(0).cwiseAbs2().transpose();
  const MatrixXd cross = leaf_fixed_ * leaf_r_.row(0).asDiagonal();
  const MatrixXd own = projection.transpose() * cross;
  result.log_determinant[0] = square.sum();
  result.gram[0] = -cross * cross.transpose();
  result.information(0, 0) = square.squaredNorm();
  result.second_gram[0] = own * square.asDiagonal() * own.transpose();
  MatrixXd by_level(projected.rows(), n - 1);  // Σ over the columns of each level
  for (Index leaf = 0; leaf < n_leaves(); ++leaf) {
    by_level.setZero();
    for (Index e = layout_->first[at(leaf)]; e < layout_->first[at(leaf + 1)]; ++e) {
      const Index column = layout_->met[at(e)];
      const Index level = layout_->column_level[at(column)];
      const double value = leaf_r_(0, leaf) * leaf_c_(0, e);
      result.information(level + 1, 0) += value * value;
      by_level.col(level) += value * projected.col(column);
    }
    for (Index k = 1; k < n; ++k)
      result.second_gram[at(k * n)].noalias() += by_level.col(k - 1) * own.col(leaf).transpose();
  }
}

/// `cross`: W'Z of the root.
void CrossedCrossProducts::add_root_moments(const MatrixXd& cross, const MatrixXd& projected,
                                            SecondOrder& result) const {
  const Index n = structure_.n_parameters();
  const Index c = projected.rows();
  MatrixXd by_level(c, n);  // Σ over the rows of a column, level by level
  for (const SupernodalPattern::Supernode& s : layout_->root.supernodes()) {
    const auto panel = root_gram_.panel(s);
    const std::int32_t* rows = layout_->root.rows(s);
    for (Index j = 0; j < s.width; ++j) {
      const Index column = s.first + j;
      const Index k = Index{layout_->column_level[at(column)]} + 1;
      const double* values = panel.col(j).data();
      result.log_determinant[k] += values[j];
      result.gram[at(k)].noalias() -= cross.col(column).lazyProduct(cross.col(column).transpose());
      by_level.setZero();
      // The diagonal counts half: what is below stands above as well.
      result.information(k, k) -= values[j] * values[j];
      by_level.col(k) -= 0.5 * values[j] * projected.col(column);
      for (Index i = j; i < s.n_rows; ++i) {
        const double value = values[i];
        if (value == 0) continue;
        const Index l = Index{layout_->column_level[at(rows[i])]} + 1;
        result.information(std::max(k, l), std::min(k, l)) += (k == l ? 2 : 1) * value * value;
        double* sum = by_level.data() + l * c;
        const double* other = projected.data() + rows[i] * c;
        for (Index r = 0; r < c; ++r) sum[r] += value * other[r];
      }
      for (Index l = 1; l < n; ++l) {
        MatrixXd& second = result.second_gram[at(std::max(k, l) * n + std::min(k, l))];
        second += by_level.col(l).lazyProduct(projected.col(column).transpose());
        if (l == k) second += projected.col(column).lazyProduct(by_level.col(l).transpose());
      }
    }
  }
}

}  // namespace rapport
