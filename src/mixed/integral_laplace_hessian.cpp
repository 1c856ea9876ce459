#include "arrow_directions.hpp"
#include "integral_laplace.hpp"
#include <algorithm>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

}  // namespace

/// What the directions of the parameters, one a row, move in a run of rows.
struct LaplaceIntegral::RowMoves {
  Index first;
  MatrixXd predictor;            ///< η
  std::vector<MatrixXd> family;  ///< ψ_m
  MatrixXd slope;                ///< ℓ'
  MatrixXd curvature;            ///< ℓ''
  MatrixXd adjoint;              ///< ż'λ, of the entries of Λ
  MatrixXd leverage;             ///< ż'H⁻¹z̃, of them

  [[nodiscard]] Index count() const { return predictor.cols(); }
};

/// ż = Λ̇'z has one entry, z at the direction's row, for the effect of its column.
void LaplaceIntegral::add_factor_pairs(Index row, const MatrixXd& inverse) {
  const double weight = -rows_.derivative(2)[row];
  const auto n = static_cast<Index>(entries_.size());
  for (Index k = 0; k < n; ++k) {
    const FactorEntry& left = entries_[static_cast<std::size_t>(k)];
    const double wz = weight * columns_(left.row, row);
    const double* column = inverse.col(local_(left.column, row)).data();
    for (Index l = k; l < n; ++l) {
      const FactorEntry& right = entries_[static_cast<std::size_t>(l)];
      factor_pairs_(l, k) += wz * columns_(right.row, row) * column[local_(right.column, row)];
    }
  }
}

/// The explicit changes, and what follows for ℓ' and ℓ''; without the modes' own motion.
void LaplaceIntegral::move_rows(Index first, Index count, RowMoves& moves) const {
  const Index p = n_fixed();
  const Index n = n_directions();
  const auto n_entries = static_cast<Index>(entries_.size());
  moves.first = first;
  moves.predictor.setZero(n, count);
  moves.predictor.topRows(p) = design_.fixed.middleRows(first, count).transpose();
  moves.adjoint.resize(n_entries, count);
  moves.leverage.resize(n_entries, count);
  for (Index i = 0; i < count; ++i) {
    const Index row = first + i;
    for (Index k = 0; k < n_entries; ++k) {
      const FactorEntry& entry = entries_[static_cast<std::size_t>(k)];
      const double z = columns_(entry.row, row);
      const Index place = place_(entry.column, row);
      moves.predictor(p + k, i) = z * effects_(0, place);
      moves.adjoint(k, i) = z * adjoint_(0, place);
      moves.leverage(k, i) = z * solved_(entry.column, row);
    }
  }
  moves.family.assign(static_cast<std::size_t>(rows_.n_kinds() - 1), MatrixXd::Zero(n, count));
  for (const RowFamily::Entry& entry : rows_.entries())
    moves.family[static_cast<std::size_t>(entry.kind - 1)].row(p + n_entries + entry.parameter) +=
        entry.column.segment(first, count).transpose();
}

/// û's motion: H times it is Σ z̃ times the explicit change of ℓ', and Σ ℓ'ż.
void LaplaceIntegral::move_modes() {
  const Index n = n_directions();
  motion_ = MatrixXd::Zero(n, effects_.size());
  if (effects_.size() == 0) return;
  constexpr Index chunk = 256;
  RowMoves moves;
  for (Index first = 0; first < design_.n(); first += chunk) {
    const Index count = std::min(chunk, design_.n() - first);
    move_rows(first, count, moves);
    change_of_rows(moves);
    for (Index i = 0; i < count; ++i) {
      const Index row = first + i;
      const double* change = moves.slope.col(i).data();
      for (Index j = 0; j < width(); ++j) {
        double* target = motion_.col(place_(j, row)).data();
        const double z = scaled_(j, row);
        for (Index k = 0; k < n; ++k) target[k] += z * change[k];
      }
      for (std::size_t k = 0; k < entries_.size(); ++k)
        motion_(n_fixed() + static_cast<Index>(k), place_(entries_[k].column, row)) +=
            rows_.derivative(1)[row] * columns_(entries_[k].row, row);
    }
  }
  matrix_.solve(motion_);
}

/// What the moves of η and ψ do to ℓ' and ℓ''.
void LaplaceIntegral::change_of_rows(RowMoves& moves) const {
  const Index first = moves.first;
  const Index count = moves.count();
  moves.slope = moves.predictor * rows_.derivative(2).segment(first, count).asDiagonal();
  moves.curvature = moves.predictor * rows_.derivative(3).segment(first, count).asDiagonal();
  for (std::size_t m = 0; m < moves.family.size(); ++m) {
    const int kind = static_cast<int>(m) + 1;
    moves.slope += moves.family[m] * rows_.family(kind, 1).segment(first, count).asDiagonal();
    moves.curvature += moves.family[m] * rows_.family(kind, 2).segment(first, count).asDiagonal();
  }
}

void LaplaceIntegral::add_motion(RowMoves& moves) const {
  const Index n = n_directions();
  for (Index i = 0; i < moves.count(); ++i) {
    double* target = moves.predictor.col(i).data();
    for (Index j = 0; j < width(); ++j) {
      const double z = scaled_(j, moves.first + i);
      const double* motion = motion_.col(place_(j, moves.first + i)).data();
      for (Index k = 0; k < n; ++k) target[k] += z * motion[k];
    }
  }
}

/// The products of two directions' changes in the rows.
void LaplaceIntegral::add_row_pairs(const RowMoves& moves, MatrixXd& hessian) const {
  const Index first = moves.first;
  const Index count = moves.count();
  const auto kappa = kappa_.segment(first, count);
  const VectorXd half = 0.5 * leverage_.segment(first, count);
  const auto weight = [&](const auto& d0, const auto& d1, const auto& d2) -> VectorXd {
    return d1.segment(first, count).cwiseProduct(kappa) - d0.segment(first, count) -
           d2.segment(first, count).cwiseProduct(half);
  };
  const VectorXd c = weight(rows_.derivative(2), rows_.derivative(3), rows_.derivative(4));
  hessian.noalias() += moves.predictor * c.asDiagonal() * moves.predictor.transpose();
  const MatrixXd crossed =
      moves.slope * moves.adjoint.transpose() - moves.curvature * moves.leverage.transpose();
  const Index p = n_fixed();
  hessian.middleCols(p, crossed.cols()) += crossed;
  hessian.middleRows(p, crossed.cols()) += crossed.transpose();
  for (std::size_t m = 0; m < moves.family.size(); ++m) {
    const int kind = static_cast<int>(m) + 1;
    const VectorXd mixed =
        weight(rows_.family(kind, 1), rows_.family(kind, 2), rows_.family(kind, 3));
    const MatrixXd product = moves.family[m] * mixed.asDiagonal() * moves.predictor.transpose();
    hessian += product + product.transpose();
    for (std::size_t l = 0; l < moves.family.size(); ++l) {
      const int other = static_cast<int>(l) + 1;
      const VectorXd own = weight(rows_.pair(kind, other, 0), rows_.pair(kind, other, 1),
                                  rows_.pair(kind, other, 2));
      hessian.noalias() += moves.family[m] * own.asDiagonal() * moves.family[l].transpose();
    }
  }
}

double* LaplaceIntegral::entry_of(Index row, Index i, Index j, ArrowDirections& directions) const {
  const Index a = std::max(local_(i, row), local_(j, row));
  const Index b = std::min(local_(i, row), local_(j, row));
  if (a < q_) return directions.own(a, b);
  return b < q_ ? directions.cross(b, a - q_) : directions.upper(a - q_, b - q_);
}

/// −Ḣ = Σ (∂ℓ'' z̃z̃' + ℓ'' (żz̃' + z̃ż')).
void LaplaceIntegral::add_row_moves(Index row, const double* curvature,
                                    ArrowDirections& directions) const {
  const Index n = n_directions();
  const double* z = scaled_.col(row).data();
  for (Index j = 0; j < width(); ++j) {
    for (Index i = j; i < width(); ++i) {
      double* target = entry_of(row, i, j, directions);
      const double zz = z[i] * z[j];
      for (Index k = 0; k < n; ++k) target[k] -= zz * curvature[k];
    }
  }
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    const Index direction = n_fixed() + static_cast<Index>(k);
    const double wz = -rows_.derivative(2)[row] * columns_(entries_[k].row, row);
    for (Index j = 0; j < width(); ++j) {
      const bool own = j == entries_[k].column;
      entry_of(row, entries_[k].column, j, directions)[direction] += (own ? 2 : 1) * wz * z[j];
    }
  }
}

/// Σ r z of the rows, for each entry of Λ at the effect of its column, times û's motion.
void LaplaceIntegral::add_bends(MatrixXd& hessian) const {
  const auto n_entries = static_cast<Index>(entries_.size());
  MatrixXd sums(n_entries, effects_.size());
  sums.setZero();
  for (Index k = 0; k < n_entries; ++k) {
    const FactorEntry& entry = entries_[static_cast<std::size_t>(k)];
    for (Index i = 0; i < design_.n(); ++i)
      sums(k, place_(entry.column, i)) += total_[i] * columns_(entry.row, i);
  }
  const MatrixXd bends = motion_ * sums.transpose();
  hessian.middleCols(n_fixed(), n_entries) += bends;
  hessian.middleRows(n_fixed(), n_entries) += bends.transpose();
}

void LaplaceIntegral::fill_hessian(MatrixXd& hessian) {
  const Index n = n_directions();
  move_modes();
  hessian.setZero(n, n);
  hessian.noalias() += motion_ * motion_.transpose();
  add_bends(hessian);
  const auto n_entries = static_cast<Index>(entries_.size());
  hessian.block(n_fixed(), n_fixed(), n_entries, n_entries) +=
      factor_pairs_.selfadjointView<Eigen::Lower>().toDenseMatrix();
  ArrowDirections directions(matrix_, n);
  RowMoves moves;
  Index block = 0;
  for (Index first = 0, last = 0; first < design_.n(); first = last) {
    constexpr Index chunk = 256;
    const Index next = block;
    while (block < design_.n_blocks() && (last == first || last - first < chunk))
      last = start_of(++block);
    if (design_.n_blocks() == 0) last = std::min(design_.n(), first + chunk);
    move_rows(first, last - first, moves);
    add_motion(moves);
    change_of_rows(moves);
    add_row_pairs(moves, hessian);
    for (Index b = next; b < block; ++b) {
      directions.start_block(b);
      for (Index row = start_of(b); row < start_of(b + 1); ++row)
        add_row_moves(row, moves.curvature.col(row - first).data(), directions);
      directions.finish_block();
    }
  }
  hessian -= 0.5 * directions.traces();
}

}  // namespace rapport::detail
