#pragma once

#include "arrow.hpp"
#include "integral.hpp"
#include "integral_rows.hpp"
#include <cstdint>
#include <memory>
#include <vector>

namespace rapport::detail {

class ArrowDirections;

/// Laplace's approximation for any terms. With u all spherical effects, f(u) = −Σℓ + u'u/2 and H =
/// f''(û): −log L ≈ f(û) + ½ log|H|. Rows meet H through z̃ = Λ'z; s = z̃'H⁻¹z̃ is a row's leverage.
/// The gradient is exact: with v = ∂(½ log|H|)/∂u, λ = H⁻¹v and κ = z̃'λ, a change of a row's linear
/// predictor counts r = −ℓ' − ½ℓ'''s + ℓ''κ, and Λ acts besides through H and through f_u. The
/// formulas of the Hessian stand in docs/derivations.md, "Generalized models".
class LaplaceIntegral final : public Integral {
 public:
  LaplaceIntegral(const SortedDesign& design, std::unique_ptr<Likelihood> likelihood,
                  const SortedResponse& response);

  double evaluate(const ModelPoint& at, ModelPoint* gradient) override {
    return evaluate_at(at, gradient, nullptr);
  }
  double evaluate(const ModelPoint& at, ModelPoint& gradient, Eigen::MatrixXd& hessian) override {
    return evaluate_at(at, &gradient, &hessian);
  }
  /// Where the kernels know the family, and if the memory for it is no burden.
  [[nodiscard]] bool has_hessian() const override { return has_hessian_; }
  [[nodiscard]] std::vector<TermModes> modes() const override;
  [[nodiscard]] Eigen::VectorXd linear_predictor() const override;

 private:
  /// A free entry of some Λ, and where its row and column stand among a row's columns.
  struct FactorEntry {
    Index row;
    Index column;
  };
  struct RowMoves;

  void describe_columns();
  void describe_places();
  void describe_factors();
  [[nodiscard]] Index width() const { return columns_.rows(); }
  [[nodiscard]] Index n_fixed() const { return design_.fixed.cols(); }
  [[nodiscard]] Index n_directions() const {
    return n_fixed() + static_cast<Index>(entries_.size()) + rows_.n_parameters();
  }
  [[nodiscard]] Index start_of(Index block) const {
    return design_.starts[static_cast<std::size_t>(block)];
  }

  double evaluate_at(const ModelPoint& at, ModelPoint* gradient, Eigen::MatrixXd* hessian);
  void scale_columns();
  [[nodiscard]] Eigen::VectorXd natural_of(const ModelPoint& at) const;
  void predict_modes(const Eigen::VectorXd& natural);
  /// f and the rows' derivatives at given effects.
  double rows_at(const Eigen::MatrixXd& effects, RowOrder order);
  /// u += Σ weight · z̃ over the rows.
  void add_transposed(const Eigen::VectorXd& weight, Eigen::MatrixXd& u) const;
  bool factorize(bool positive);
  void add_block(Index block);
  void add_scalar_block(Index block);
  /// Newton's iteration with halving; leaves rows and H at the modes.
  double find_modes(RowOrder order);
  double move(const Eigen::MatrixXd& step, double before, RowOrder order);
  /// Leverages and H⁻¹z̃ (at the row's own columns) of every row.
  void solve_rows(bool hessian);
  void solve_row(Index row, const Eigen::MatrixXd& inverse);
  void fill_gradient(ModelPoint& gradient, bool hessian);
  [[nodiscard]] double factor_slope(const FactorEntry& entry) const;

  // integral_laplace_hessian.cpp
  void add_factor_pairs(Index row, const Eigen::MatrixXd& inverse);
  void fill_hessian(Eigen::MatrixXd& hessian);
  void move_modes();
  void move_rows(Index first, Index count, RowMoves& moves) const;
  void change_of_rows(RowMoves& moves) const;
  void add_motion(RowMoves& moves) const;
  void add_row_pairs(const RowMoves& moves, Eigen::MatrixXd& hessian) const;
  void add_bends(Eigen::MatrixXd& hessian) const;
  void add_row_moves(Index row, const double* curvature, ArrowDirections& directions) const;
  double* entry_of(Index row, Index i, Index j, ArrowDirections& directions) const;

  const SortedDesign& design_;
  IntegralRows rows_;
  UpperLayout layout_;
  Index q_;  ///< effects of the finest factor
  ArrowMatrix matrix_;
  bool has_hessian_;
  Eigen::MatrixXd columns_;        ///< a row's z in a column: inner terms, then upper terms
  std::vector<Index> term_start_;  ///< of each term's columns there
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic> place_;  ///< their effects in u
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, Eigen::Dynamic> local_;  ///< in the block's inverse
  std::vector<FactorEntry> entries_;
  // The last evaluation.
  std::vector<Eigen::MatrixXd> factor_;
  Eigen::MatrixXd scaled_;   ///< z̃
  Eigen::MatrixXd solved_;   ///< H⁻¹z̃ at the row's own columns
  Eigen::MatrixXd effects_;  ///< u as one row: of the blocks, then of the upper levels
  Eigen::MatrixXd adjoint_;  ///< λ
  Eigen::VectorXd base_, curvature_, leverage_, kappa_, total_;  ///< of the rows; total_: r
  Eigen::MatrixXd factor_pairs_;                                 ///< Σ −ℓ''ż₁'H⁻¹ż₂
  // The last evaluation with a Hessian: how the modes move from there.
  Eigen::VectorXd anchor_;
  Eigen::MatrixXd anchor_effects_, motion_;
};

}  // namespace rapport::detail
