#pragma once

#include "crossed.hpp"
#include <optional>

namespace rapport {

/// The leaves at a given Λ: with M = I + RΨR' = LL', everything multiplied by L⁻¹.
struct CrossedCrossProducts::Leaves {
  double log_determinant;  ///< Σ log|M|
  Eigen::MatrixXd r;       ///< q × q·leaves: L⁻¹R
  Eigen::MatrixXd c;       ///< q × met: L⁻¹C
  Eigen::MatrixXd known;   ///< q × met: what the leaves explain, C'(I − M⁻¹)C = known'known
  Eigen::MatrixXd fixed;   ///< M × q·leaves: (L⁻¹C)' of [X y]
};

/// What value() worked out, the root's effects on the scale u = Λ⁻¹b.
struct CrossedCrossProducts::Solved final : Factorization {
  explicit Solved(const SupernodalMatrix& matrix) : lower(matrix) {}

  std::vector<Eigen::MatrixXd> factors;
  Leaves leaves;
  SupernodalMatrix lower;  ///< of I + Λ'GΛ
  Eigen::MatrixXd half;    ///< root × M: L⁻¹Λ'Z'V₁⁻¹W
  double log_determinant;
  Eigen::MatrixXd gram;  ///< W'V⁻¹W
};

/// What the terms of second order share.
struct CrossedCrossProducts::Sweep {
  std::shared_ptr<const Solved> solved;
  std::vector<Eigen::MatrixXd> factors;       ///< Λ, regular
  std::vector<Eigen::MatrixXd> back_factors;  ///< Λ'
  std::vector<Eigen::MatrixXd> units;         ///< E of each coordinate
  Eigen::MatrixXd projection;
  std::optional<SupernodalMatrix> inverse;  ///< (I + Ĝ)⁻¹, none if traces are estimated
  Eigen::MatrixXd predictor;                ///< root × M: (I + Ĝ)⁻¹Λ'Z'V₁⁻¹W
  Eigen::MatrixXd leaf_a;                   ///< q × q·leaves: Z'V₁⁻¹Z
  Eigen::MatrixXd leaf_b;                   ///< q × met: Z'V₁⁻¹Z of the root's columns
  Eigen::MatrixXd leaf_spread;  ///< q × q·leaves: bNb', N = Λ(I + Ĝ)⁻¹Λ'; if `inverse`
  std::vector<Eigen::MatrixXd> scaled = {};  ///< Λ⁻¹EΛ⁻ᵀ of the root's coordinates
};

/// Z'V⁻¹Zf for vectors f that stand on one effect of one level: 1 at one group each where the level
/// has few effects, else random signs at all groups.
struct CrossedCrossProducts::Probes {
  struct Set {
    Index first;  ///< row of its vectors; those of effect j from first + j·count
    Index count;  ///< vectors an effect
    bool exact;
  };
  std::vector<Set> sets;               ///< of each level
  std::vector<Eigen::MatrixXd> signs;  ///< of each level: vectors × groups, empty where exact
  Eigen::MatrixXd leaves;              ///< vectors × q·leaves
  Eigen::MatrixXd root;                ///< vectors × columns

  /// The values of one level's vectors at a group.
  void values_at(Index level, Index group, Eigen::VectorXd& values) const {
    const Set& set = sets[static_cast<std::size_t>(level)];
    if (set.exact)
      values = Eigen::VectorXd::Unit(set.count, group);
    else
      values = signs[static_cast<std::size_t>(level)].col(group);
  }
};

/// Derivatives with the second ones of the Gram matrix projected: P' ∂²(W'V⁻¹W) P.
struct CrossedCrossProducts::SecondOrder {
  Eigen::VectorXd log_determinant;
  std::vector<Eigen::MatrixXd> gram;
  Eigen::MatrixXd information;               ///< tr(V⁻¹V_kV⁻¹V_l)
  std::vector<Eigen::MatrixXd> second_gram;  ///< (k, l) at kK + l
};

}  // namespace rapport
