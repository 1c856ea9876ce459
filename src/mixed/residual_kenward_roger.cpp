#include <rapport/base/error.hpp>
#include <rapport/mixed/residual_inference.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "residual_covariance.hpp"
#include <cmath>
#include <utility>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
Index pair(Index a, Index b) { return a * (a + 1) / 2 + b; }  // a ≥ b

/// Sums over components: X'V⁻¹X; with V_a = ∂V/∂a, P_a = −X'V⁻¹V_aV⁻¹X, Q_ab =
/// X'V⁻¹V_aV⁻¹V_bV⁻¹X (its symmetric part), R_ab = X'V⁻¹V_abV⁻¹X and tr(V⁻¹V_aV⁻¹V_b).
struct Sums {
  MatrixXd information;
  std::vector<MatrixXd> p;
  std::vector<MatrixXd> q;
  std::vector<MatrixXd> r;
  MatrixXd traces;
};

void add_component(const detail::ResidualCovariance& covariance, Index component, const MatrixXd& x,
                   Sums& sums) {
  const Index k = covariance.n_parameters();
  const Eigen::LLT<MatrixXd> llt(covariance.covariance(component));
  if (llt.info() != Eigen::Success)
    throw DataError(
        "kenward_roger_adjustment: the fitted covariance is not positive definite to rounding; use "
        "Satterthwaite's method");
  const MatrixXd y = llt.solve(x);
  sums.information += x.transpose() * y;
  std::vector<MatrixXd> whitened;  // L⁻¹V_aL⁻ᵀ
  std::vector<MatrixXd> moved;     // L⁻¹V_aV⁻¹X
  for (Index a = 0; a < k; ++a) {
    const MatrixXd slope = covariance.slope(component, a);
    const MatrixXd v_y = slope * y;
    sums.p[at(a)] -= y.transpose() * v_y;
    moved.emplace_back(llt.matrixL().solve(v_y));
    const MatrixXd half = llt.matrixL().solve(slope);
    whitened.emplace_back(llt.matrixL().solve(half.transpose()));
    for (Index b = 0; b <= a; ++b) {
      const MatrixXd q = moved[at(a)].transpose() * moved[at(b)];
      sums.q[at(pair(a, b))] += 0.5 * (q + q.transpose());
      sums.traces(a, b) += whitened[at(a)].cwiseProduct(whitened[at(b)]).sum();
      if (covariance.is_curved(a, b))
        sums.r[at(pair(a, b))] += y.transpose() * covariance.curvature(component, a, b) * y;
    }
  }
}

Sums sum_components(const Design& design, const FixedEffects& fixed,
                    detail::ResidualCovariance& covariance) {
  constexpr Index largest = 4000;
  covariance.differentiate();
  const Index k = covariance.n_parameters();
  const auto p = static_cast<Index>(fixed.columns.size());
  const MatrixXd zero = MatrixXd::Zero(p, p);
  Sums sums{zero, std::vector<MatrixXd>(at(k), zero), std::vector<MatrixXd>(at(pair(k, 0)), zero),
            std::vector<MatrixXd>(at(pair(k, 0)), zero), MatrixXd::Zero(k, k)};
  for (Index c = 0; c < covariance.n_components(); ++c) {
    const std::vector<Index>& rows = covariance.rows(c);
    if (static_cast<Index>(rows.size()) > largest) {
      throw InvalidArgument("kenward_roger_adjustment: " + std::to_string(rows.size()) +
                            " rows depend on one another, and at most " + std::to_string(largest) +
                            " are possible; use Satterthwaite's method");
    }
    add_component(covariance, c, design.fixed(rows, fixed.columns), sums);
  }
  return sums;
}

/// Of a symmetric matrix, without its directions of no information.
MatrixXd pseudo_inverse(const MatrixXd& matrix) {
  const VectorXd scale = matrix.diagonal().cwiseMax(1e-300).cwiseSqrt().cwiseInverse();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(scale.asDiagonal() * matrix *
                                                      scale.asDiagonal());
  const VectorXd inverse =
      eigen.eigenvalues().unaryExpr([](double v) { return v > 1e-12 ? 1 / v : 0.0; });
  return scale.asDiagonal() * eigen.eigenvectors() * inverse.asDiagonal() *
         eigen.eigenvectors().transpose() * scale.asDiagonal();
}

}  // namespace

KenwardRogerAdjustment kenward_roger_adjustment(const Design& design,
                                                const ResidualStructure& structure,
                                                const ResidualFit& fit) {
  if (fit.fit.criterion.method != Criterion::reml)
    throw InvalidArgument("kenward_roger_adjustment: the fit is by ML; it needs a REML fit");
  detail::ResidualCovariance covariance(design, structure, fit);
  const Sums sums = sum_components(design, fit.fit.fixed, covariance);
  const Index k = covariance.n_parameters();
  const Index p = sums.information.rows();
  KenwardRogerAdjustment result;
  result.phi = sums.information.llt().solve(MatrixXd::Identity(p, p));
  result.p = sums.p;
  MatrixXd information(k, k);
  for (Index a = 0; a < k; ++a) {
    for (Index b = 0; b <= a; ++b) {
      const MatrixXd phi_p = result.phi * sums.p[at(a)];
      information(a, b) =
          0.5 * (sums.traces(a, b) - 2 * result.phi.cwiseProduct(sums.q[at(pair(a, b))]).sum() +
                 phi_p.cwiseProduct((result.phi * sums.p[at(b)]).transpose()).sum());
      information(b, a) = information(a, b);
    }
  }
  result.w = pseudo_inverse(information);
  MatrixXd correction = MatrixXd::Zero(p, p);
  for (Index a = 0; a < k; ++a) {
    for (Index b = 0; b < k; ++b) {
      const auto place = at(a >= b ? pair(a, b) : pair(b, a));
      correction += result.w(a, b) * (sums.q[place] - 0.25 * sums.r[place] -
                                      sums.p[at(a)] * result.phi * sums.p[at(b)]);
    }
  }
  result.adjusted = result.phi + 2 * result.phi * correction * result.phi;
  result.adjusted = (0.5 * (result.adjusted + result.adjusted.transpose())).eval();
  return result;
}

}  // namespace rapport
