#pragma once

#include <rapport/mixed/predict.hpp>

#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>

#include "loadings.hpp"
#include <cstdint>
#include <map>
#include <vector>

namespace rapport::detail {

/// Errors of predicted effects by Henderson's equations.
class EffectErrors {
 public:
  /// Of `design` only the levels are looked at.
  EffectErrors(const Design& design, const MixedFit& fit, const EffectEquations& equations);

  /// Errors of the effects of one level of each term: with a = Λ'z, all terms side by side,
  /// z'(inner)z = a'M⁻¹a and (cross)z = X'ZΛM⁻¹a, where M = Λ'Z'ZΛ + I.
  struct OfLevels {
    Eigen::MatrixXd inner;  ///< q × q
    Eigen::MatrixXd cross;  ///< p × q
  };

  /// `levels` has one level a term; −1 for none. Solved once for each combination.
  const OfLevels& of(const std::vector<std::int32_t>& levels);

 private:
  EffectPositions positions_;
  std::vector<Eigen::MatrixXd> factors_;
  Eigen::SimplicialLLT<Eigen::SparseMatrix<double>> cholesky_;
  const Eigen::MatrixXd& cross_;
  std::map<std::vector<std::int32_t>, OfLevels> errors_;
};

}  // namespace rapport::detail
