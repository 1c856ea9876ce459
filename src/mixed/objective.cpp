#include <rapport/math/minimize.hpp>
#include <rapport/mixed/objective.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// (−β, 1), so that W · combination = y − Xβ.
VectorXd combination(const VectorXd& coefficients) {
  VectorXd result(coefficients.size() + 1);
  result << -coefficients, 1;
  return result;
}

/// target −= times · X'X.
void subtract_gram(const MatrixXd& x, double times, MatrixXd& target) {
  for (Index k = 0; k < x.cols(); ++k)
    for (Index l = 0; l <= k; ++l) {
      const double product = times * x.col(k).dot(x.col(l));
      target(k, l) -= product;
      if (l < k) target(l, k) -= product;
    }
}

}  // namespace

Objective::Objective(const GramFunction& products, const CovarianceStructure& structure,
                     Criterion criterion, Index observations, MatrixXd projection)
    : products_(products),
      structure_(structure),
      criterion_(criterion),
      observations_(static_cast<double>(observations)),
      projection_(std::move(projection)) {
  const Index columns = projection_.size() == 0 ? products_.fixed_columns() : projection_.cols();
  degrees_ = observations_;
  if (criterion_ == Criterion::reml) degrees_ -= static_cast<double>(columns - 1);
}

ProfiledValue Objective::value(const VectorXd& theta) const {
  ProfiledValue result;
  result.factors = structure_.factors(theta);
  result.weighted = products_.value(result.factors);
  MatrixXd upper = result.weighted.gram;
  if (projection_.size() > 0) upper = (projection_.transpose() * upper * projection_).eval();
  const Index p = upper.rows() - 1;
  const bool finite = upper.allFinite();
  const Eigen::LLT<Eigen::Ref<MatrixXd>, Eigen::Upper> llt(upper);  // in place
  if (llt.info() != Eigen::Success || !finite) {
    result.criterion = std::numeric_limits<double>::infinity();
    return result;
  }
  // The factor of the Gram matrix of [X y] holds U, U⁻ᵀX'V⁻¹y and r.
  const auto u = upper.topLeftCorner(p, p).triangularView<Eigen::Upper>();
  result.inverse_root = inverse_of_upper(upper.topLeftCorner(p, p));
  result.coefficients = u.solve(upper.col(p).head(p));
  const double r_squared = upper(p, p) * upper(p, p);
  result.sigma_squared = r_squared / degrees_;
  result.criterion = result.weighted.log_determinant +
                     degrees_ * (1 + std::log(2 * std::numbers::pi * result.sigma_squared));
  if (criterion_ == Criterion::reml)
    result.criterion += 2 * upper.diagonal().head(p).array().log().sum();
  return result;
}

CriterionDerivatives Objective::derivatives(const ProfiledValue& at_theta) const {
  return contract(at_theta, &GramFunction::derivatives);
}

CriterionDerivatives Objective::rough_derivatives(const ProfiledValue& at_theta) const {
  return contract(at_theta, &GramFunction::rough_derivatives);
}

CriterionDerivatives Objective::contract(const ProfiledValue& at_theta,
                                         Contraction contraction) const {
  const Index n = structure_.n_parameters();
  const Index p = at_theta.coefficients.size();
  const bool reml = criterion_ == Criterion::reml;
  const MatrixXd& root = at_theta.inverse_root;
  const VectorXd residual = combination(at_theta.coefficients);
  MatrixXd trace_factor = MatrixXd::Zero(p + 1, reml ? p : 0);
  if (reml) trace_factor.topRows(p) = root;
  GramDerivatives d =
      projection_.size() == 0
          ? (products_.*contraction)(at_theta.factors, at_theta.weighted, trace_factor, residual)
          : (products_.*contraction)(at_theta.factors, at_theta.weighted,
                                     projection_ * trace_factor, projection_ * residual);
  if (projection_.size() > 0)
    for (MatrixXd& gram : d.gram) gram = (projection_.transpose() * gram * projection_).eval();

  CriterionDerivatives result;
  result.trace = std::move(d.log_determinant);
  result.quadratic.resize(n);
  MatrixXd whitened(p * p, reml ? n : 0);  // U⁻ᵀ ∂(X'V⁻¹X) U⁻¹, a column each
  MatrixXd moved(p, n);                    // U⁻ᵀ X' ∂(V⁻¹) (y − Xβ)
  VectorXd pushed(p + 1);
  MatrixXd half(p, p);
  for (Index k = 0; k < n; ++k) {
    const MatrixXd& change = d.gram[at(k)];
    pushed.noalias() = change.lazyProduct(residual);
    result.quadratic[k] = -residual.dot(pushed);
    moved.col(k).noalias() = root.transpose().lazyProduct(pushed.head(p));
    if (!reml) continue;
    half.noalias() = change.topLeftCorner(p, p) * root;
    Eigen::Map<MatrixXd> square(whitened.col(k).data(), p, p);
    square.noalias() = root.transpose() * half;
    result.trace[k] += square.trace();
  }
  const double sigma_squared = at_theta.sigma_squared;
  MatrixXd& trace_second = d.trace_part;
  if (reml) subtract_gram(whitened, 1, trace_second);
  subtract_gram(moved, 2, d.data_part);
  result.expected = -trace_second;
  result.gradient = result.trace - result.quadratic / sigma_squared;
  result.hessian = trace_second + d.data_part / sigma_squared;
  result.sigma_cross = result.quadratic / (sigma_squared * sigma_squared);
  result.sigma_curvature = degrees_ / (sigma_squared * sigma_squared);
  result.profiled_hessian = result.hessian;
  result.profiled_hessian.noalias() -=
      result.sigma_cross * result.sigma_cross.transpose() / result.sigma_curvature;
  result.gram = std::move(d.gram);
  return result;
}

namespace {

/// One step of iterated generalised least squares (MINQUE with the current covariances as prior):
/// solves Σ_b tr(P V_a P V_b) v_b = y'P V_a P y for v = (σ², σ²ψ), with V_0 = I = V − Σψ_kV_k.
/// Exact for balanced data. Returns the new ψ, each level's Ψ made positive definite.
VectorXd least_squares_psi(const Objective& objective, const VectorXd& psi,
                           const ProfiledValue& value, const CriterionDerivatives& d) {
  constexpr double floor =
      1e-2;  // in units in which an effect of variance 1 is as large as its error
  const Index n = psi.size();
  MatrixXd normal(n + 1, n + 1);
  VectorXd right(n + 1);
  const VectorXd cross = d.trace - d.expected * psi;
  normal(0, 0) = objective.degrees() - 2 * psi.dot(d.trace) + psi.dot(d.expected * psi);
  normal.block(1, 0, n, 1) = cross;
  normal.block(0, 1, 1, n) = cross.transpose();
  normal.bottomRightCorner(n, n) = d.expected;
  right[0] = value.sigma_squared * objective.degrees() - psi.dot(d.quadratic);
  right.tail(n) = d.quadratic;
  const VectorXd variances = normal.ldlt().solve(right);
  if (!variances.allFinite() || !(variances[0] > 0)) return psi;
  std::vector<MatrixXd> covariances =
      objective.structure().covariances(variances.tail(n) / variances[0]);
  for (MatrixXd& covariance : covariances) {
    const Eigen::LLT<MatrixXd> above(
        covariance - floor * MatrixXd::Identity(covariance.rows(), covariance.cols()));
    if (above.info() == Eigen::Success) continue;
    const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(covariance);
    covariance = solver.eigenvectors() * solver.eigenvalues().cwiseMax(floor).asDiagonal() *
                 solver.eigenvectors().transpose();
  }
  return objective.structure().psi(covariances);
}

VectorXd theta_of_psi(const CovarianceStructure& structure, const VectorXd& psi) {
  std::vector<MatrixXd> factors = structure.covariances(psi);
  for (MatrixXd& factor : factors) factor = Eigen::LLT<MatrixXd>(factor).matrixL();
  return structure.theta(factors);
}

VectorXd psi_of_theta(const CovarianceStructure& structure, const VectorXd& theta) {
  std::vector<MatrixXd> covariances = structure.factors(theta);
  for (MatrixXd& covariance : covariances)
    covariance = (covariance * covariance.transpose()).eval();
  return structure.psi(covariances);
}

/// The least eigenvalue of the gradient in Ψ on the null space of each block of Ψ, with its
/// direction.
struct BoundarySlope {
  double multiplier = std::numeric_limits<double>::quiet_NaN();
  Index level = 0;
  VectorXd direction;  ///< in the level's effects
};

/// That of one block, if it is less than what `worst` holds.
void look_at_block(const MatrixView& factor, const MatrixView& gradient, Index level, Index first,
                   Index level_size, BoundarySlope& worst) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> psi(factor * factor.transpose());
  const Index null = (psi.eigenvalues().array() < null_variance).count();
  if (null == 0) return;
  const MatrixXd basis = psi.eigenvectors().leftCols(null);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> slope(basis.transpose() * gradient * basis);
  if (slope.eigenvalues()[0] >= worst.multiplier) return;
  worst.multiplier = slope.eigenvalues()[0];
  worst.level = level;
  worst.direction = VectorXd::Zero(level_size);
  worst.direction.segment(first, factor.rows()) = basis * slope.eigenvectors().col(0);
}

BoundarySlope boundary_slope(const CovarianceStructure& structure,
                             const std::vector<MatrixXd>& factors, const VectorXd& psi_gradient) {
  BoundarySlope worst;
  for (Index level = 0; level < structure.n_levels(); ++level) {
    Index first = 0;
    for (const Index size : structure.blocks(level)) {
      const auto factor = factors[at(level)].block(first, first, size, size);
      if (least_variance_bound(factor) <= null_variance) {
        // ψ moves both (r, c) and (c, r), so that off the diagonal the matrix holds half the
        // derivative.
        MatrixXd gradient = 0.5 * structure.covariances(psi_gradient)[at(level)];
        gradient.diagonal() *= 2;
        look_at_block(factor, gradient.block(first, first, size, size), level, first,
                      structure.size(level), worst);
      }
      first += size;
    }
  }
  return worst;
}

/// A search in progress: the current point with everything known there.
class Search {
 public:
  using Derivation = CriterionDerivatives (Objective::*)(const ProfiledValue&) const;

  Search(const Objective& objective, const VectorXd& start) : objective_(objective) {
    here_.converged = false;
    here_.iterations = 0;
    here_.evaluations = 0;
    move_to(start, evaluate(start), &Objective::rough_derivatives);
  }

  /// Derivatives in full.
  void refine() {
    if (derivation_ == &Objective::rough_derivatives)
      move_to(here_.theta, here_.value, &Objective::derivatives);
  }

  void try_least_squares(Derivation derivation) {
    const VectorXd psi = psi_of_theta(objective_.structure(), here_.theta);
    const VectorXd better = least_squares_psi(objective_, psi, here_.value, here_.derivatives);
    const bool from_zero = here_.theta.isZero(0);  // where slopes in θ tell nothing: leave it
    const VectorXd candidate = from_zero && better == psi
                                   ? identity_theta(objective_.structure())
                                   : theta_of_psi(objective_.structure(), better);
    ProfiledValue value = evaluate(candidate);
    if (value.criterion < here_.value.criterion || from_zero)
      move_to(candidate, std::move(value), derivation);
  }

  /// True if no digit that is reported depends on the step.
  [[nodiscard]] bool is_negligible(const VectorXd& step) const {
    const VectorXd size = here_.theta.cwiseAbs().cwiseMax(1e-3 * here_.theta.norm());
    return (step.array().abs() <= 1e-7 * size.array()).all();
  }

  /// Newton in a trust region; sets `converged`.
  void descend(Index limit) {
    double radius = std::max(1.0, here_.theta.norm());
    double previous = std::numeric_limits<double>::infinity();
    bool first = true;
    while (true) {
      const VectorXd step = trust_region_step(here_.gradient, here_.hessian, radius);
      const double predicted = -(here_.gradient.dot(step) + 0.5 * step.dot(here_.hessian * step));
      const bool interior = step.norm() < 0.99 * radius;
      const double rounding = 4e-15 * std::max(1.0, std::abs(here_.value.criterion));
      here_.certificate.predicted_decrease = predicted;
      if (interior && predicted <= (is_negligible(step) ? 10 : 1) * rounding) {
        here_.converged = true;
        return;
      }
      if (here_.iterations >= limit || !std::isfinite(predicted)) return;
      ++here_.iterations;
      const bool last =
          interior && (predicted < 1e-9 ||
                       (!first && predicted < 1e-3 && predicted * predicted < 1e-12 * previous));
      ProfiledValue there = evaluate(here_.theta + step);
      const double decrease = here_.value.criterion - there.criterion;
      const double noise = 1e3 * rounding;
      const bool accepted = decrease > 0.1 * predicted || (predicted < noise && decrease > -noise);
      if (accepted) {
        if (decrease > 0.75 * predicted && !interior) radius *= 2;
        if (decrease < 0.25 * predicted && predicted >= noise) radius = 0.5 * step.norm();
        move_to(here_.theta + step, std::move(there));
        previous = predicted;
        first = false;
        if (last) {
          here_.converged = true;
          const VectorXd next = trust_region_step(here_.gradient, here_.hessian, radius);
          here_.certificate.predicted_decrease =
              -(here_.gradient.dot(next) + 0.5 * next.dot(here_.hessian * next));
          return;
        }
      } else {
        radius = 0.25 * step.norm();
        if (radius < 1e-12) {
          here_.converged = predicted < noise;
          return;
        }
      }
    }
  }

  /// True if the criterion falls along a direction of no variance; then moves there.
  bool leave_saddle() {
    const BoundarySlope slope =
        boundary_slope(objective_.structure(), here_.value.factors, here_.derivatives.gradient);
    here_.certificate.boundary_multiplier = slope.multiplier;
    const double scale = std::max(1.0, here_.derivatives.trace.cwiseAbs().maxCoeff());
    if (!(slope.multiplier < -1e-6 * scale)) return false;
    for (double variance = 1; variance > 1e-8; variance *= 0.25) {
      std::vector<MatrixXd> covariances =
          objective_.structure().covariances(psi_of_theta(objective_.structure(), here_.theta));
      MatrixXd& covariance = covariances[at(slope.level)];
      covariance += variance * slope.direction * slope.direction.transpose();
      covariance.diagonal().array() += 1e-12;
      const VectorXd candidate =
          theta_of_psi(objective_.structure(), objective_.structure().psi(covariances));
      ProfiledValue value = evaluate(candidate);
      if (value.criterion < here_.value.criterion) {
        move_to(candidate, std::move(value));
        return true;
      }
    }
    return false;
  }

  /// To be called once.
  [[nodiscard]] CriterionOptimum result() {
    if (here_.theta.size() == 0) {
      here_.converged = true;
      return std::move(here_);
    }
    here_.certificate.smallest_curvature =
        Eigen::SelfAdjointEigenSolver<MatrixXd>(here_.hessian, Eigen::EigenvaluesOnly)
            .eigenvalues()[0];
    return std::move(here_);
  }

 private:
  ProfiledValue evaluate(const VectorXd& theta) {
    ++here_.evaluations;
    return objective_.value(theta);
  }

  void move_to(VectorXd theta, ProfiledValue value,
               Derivation derivation = &Objective::derivatives) {
    here_.theta = std::move(theta);
    here_.value = std::move(value);
    here_.derivatives = (objective_.*derivation)(here_.value);
    derivation_ = derivation;
    const MatrixXd jacobian = objective_.structure().jacobian(here_.theta);
    here_.gradient.noalias() = jacobian.transpose().lazyProduct(here_.derivatives.gradient);
    const MatrixXd half = here_.derivatives.profiled_hessian * jacobian;
    here_.hessian = objective_.structure().curvature(here_.derivatives.gradient);
    here_.hessian.noalias() += jacobian.transpose() * half;
  }

  const Objective& objective_;
  CriterionOptimum here_;
  Derivation derivation_ = nullptr;  ///< of what is known here
};

}  // namespace

VectorXd identity_theta(const CovarianceStructure& structure) {
  std::vector<MatrixXd> factors;
  for (Index level = 0; level < structure.n_levels(); ++level)
    factors.push_back(MatrixXd::Identity(structure.size(level), structure.size(level)));
  return structure.theta(factors);
}

CriterionOptimum minimize_criterion(const Objective& objective, const VectorXd& start,
                                    Index iterations) {
  constexpr int escapes = 10;
  Search search(objective, start);
  if (start.size() == 0) return search.result();
  if (start.isZero(0)) search.try_least_squares(&Objective::rough_derivatives);
  search.try_least_squares(&Objective::derivatives);
  search.refine();
  for (int escape = 0; escape < escapes; ++escape) {
    search.descend(iterations);
    if (!search.leave_saddle()) break;
  }
  return search.result();
}

}  // namespace rapport
