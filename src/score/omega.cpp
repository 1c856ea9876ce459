#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/omega.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

// --- One factor by maximum likelihood ----------------------------------------------------------

/// log|Σ| + tr(SΣ⁻¹) for Σ = λλ' + Θ, with Σ⁻¹ for its derivatives. `value` is infinite where Σ is
/// not positive definite.
struct OneFactor {
  Eigen::VectorXd loadings;
  Eigen::VectorXd uniquenesses;
  Eigen::MatrixXd inverse;
  double value = std::numeric_limits<double>::infinity();
};

OneFactor evaluate(const Eigen::MatrixXd& s, const Eigen::VectorXd& loadings,
                   const Eigen::VectorXd& uniquenesses) {
  OneFactor at{.loadings = loadings, .uniquenesses = uniquenesses, .inverse = {}};
  Eigen::MatrixXd sigma = loadings * loadings.transpose();
  sigma.diagonal() += uniquenesses;
  const Eigen::LLT<Eigen::MatrixXd> factor(sigma);
  if (factor.info() != Eigen::Success) return at;
  at.inverse = factor.solve(Eigen::MatrixXd::Identity(s.rows(), s.cols()));
  at.value = 2 * factor.matrixLLT().diagonal().array().log().sum() +
             (s.array() * at.inverse.array()).sum();
  return at;
}

/// Gradient in (λ, θ): 2Ωλ and diag Ω with Ω = Σ⁻¹(Σ − S)Σ⁻¹.
Eigen::VectorXd gradient_of(const Eigen::MatrixXd& s, const OneFactor& at) {
  const Index k = s.rows();
  const Eigen::MatrixXd omega = at.inverse - at.inverse * s * at.inverse;
  Eigen::VectorXd gradient(2 * k);
  gradient << 2 * omega * at.loadings, omega.diagonal();
  return gradient;
}

/// Expected second derivatives, tr(Σ⁻¹ ∂Σ Σ⁻¹ ∂Σ); half of it times n is the information.
Eigen::MatrixXd expected_hessian(const OneFactor& at) {
  const Index k = at.loadings.size();
  const Eigen::MatrixXd& w = at.inverse;
  const Eigen::VectorXd v = w * at.loadings;
  Eigen::MatrixXd h(2 * k, 2 * k);
  h.topLeftCorner(k, k) = 2 * v * v.transpose() + 2 * at.loadings.dot(v) * w;
  h.topRightCorner(k, k) = 2 * w * v.asDiagonal();
  h.bottomLeftCorner(k, k) = h.topRightCorner(k, k).transpose();
  h.bottomRightCorner(k, k) = w.array().square().matrix();
  return h;
}

/// Fisher scoring with halved steps. The model and the likelihood do not change with the items'
/// units, so it runs on correlations.
OneFactor fit_one_factor(const Eigen::MatrixXd& r, bool& converged) {
  const Index k = r.rows();
  Eigen::VectorXd start = r.rowwise().sum() / std::sqrt(r.sum());
  start = start.cwiseMax(0.1).cwiseMin(0.95);
  OneFactor at = evaluate(r, start, (1 - start.array().square()).matrix());
  converged = false;
  for (int iteration = 0; iteration < 500 && !converged; ++iteration) {
    const Eigen::VectorXd gradient = gradient_of(r, at);
    const Eigen::VectorXd step = expected_hessian(at).ldlt().solve(gradient);
    if (!step.allFinite()) return at;
    double length = 1;
    OneFactor next;
    do {
      next =
          evaluate(r, at.loadings - length * step.head(k), at.uniquenesses - length * step.tail(k));
      length /= 2;
    } while (!(next.value <= at.value + 1e-13 * std::abs(at.value)) && length > 1e-12);
    if (length <= 1e-12) break;
    at = next;
    converged = step.cwiseAbs().maxCoeff() * 2 * length < 1e-10;
  }
  if (!converged) converged = gradient_of(r, at).cwiseAbs().maxCoeff() < 1e-7;
  return at;
}

void finish_maximum_likelihood(const Eigen::MatrixXd& covariance, const Eigen::MatrixXd& r,
                               const OneFactor& at, OmegaResult& out, double level) {
  const Index k = r.rows();
  const auto n = static_cast<double>(out.n_used);
  const Eigen::VectorXd sd = covariance.diagonal().cwiseSqrt();
  // ω = a²/(a² + b), a = Σ sλ, b = Σ s²θ.
  const double a = out.loadings.sum();
  const double b = out.uniquenesses.sum();
  const double denominator = (a * a + b) * (a * a + b);
  Eigen::VectorXd slope(2 * k);
  slope << sd * (2 * a * b / denominator), sd.cwiseAbs2() * (-a * a / denominator);
  const Eigen::LDLT<Eigen::MatrixXd> hessian(expected_hessian(at));
  const double variance = 2 / n * slope.dot(hessian.solve(slope));
  out.standard_error = variance > 0 ? std::sqrt(variance) : missing;
  out.ci = normal_interval(out.total, out.standard_error, level);
  const Eigen::LLT<Eigen::MatrixXd> sample(r);
  if (sample.info() != Eigen::Success) return;
  const double saturated =
      2 * sample.matrixLLT().diagonal().array().log().sum() + static_cast<double>(k);
  out.chi_square = n * (at.value - saturated);
}

// --- Minimum residuals -------------------------------------------------------------------------

struct FactorModel {
  Eigen::MatrixXd loadings;
  Eigen::VectorXd uniquenesses;
  bool converged;
};

/// Eigenvalues of R − Ψ in descending order, with their vectors.
struct Reduced {
  Eigen::VectorXd values;
  Eigen::MatrixXd vectors;
};

Reduced reduced_correlation(const Eigen::MatrixXd& r, const Eigen::VectorXd& uniquenesses) {
  Eigen::MatrixXd reduced = r;
  reduced.diagonal() -= uniquenesses;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(reduced);
  return {.values = solver.eigenvalues().reverse(),
          .vectors = solver.eigenvectors().rowwise().reverse()};
}

/// Second derivatives in Ψ of ½ Σ of the squared eigenvalues beyond the first m: Σ c_ij (u_i∘u_j)
/// (u_i∘u_j)' over pairs of eigenvectors, c_ij the divided difference of μ ↦ μ beyond the first m
/// and 0 before (Lewis & Sendov 2001, SIAM J. Matrix Anal. Appl. 23:368).
Eigen::MatrixXd curvature_of(const Reduced& reduced, Index m) {
  const Index k = reduced.values.size();
  const auto common = reduced.vectors.leftCols(m);
  const auto unique = reduced.vectors.rightCols(k - m);
  const Eigen::ArrayXd rest = reduced.values.tail(k - m);
  Eigen::MatrixXd curvature = (unique * unique.transpose()).cwiseAbs2();
  for (Index j = 0; j < m; ++j) {
    const Eigen::VectorXd weight = (2 * rest / (rest - reduced.values[j])).matrix();
    const Eigen::MatrixXd scaled = common.col(j).asDiagonal() * unique;
    curvature += scaled * weight.asDiagonal() * scaled.transpose();
  }
  return curvature;
}

/// Least squares in the uniquenesses alone (Harman & Jones 1966; Jöreskog 1977): ½ Σ of the squared
/// eigenvalues of R − Ψ beyond the first m. Uniquenesses stay positive by ψ = 0.005 + exp(x).
FactorModel minimum_residuals(const Eigen::MatrixXd& r, Index m) {
  constexpr double least = 0.005;
  const Index k = r.rows();
  const auto uniquenesses_at = [&](const Eigen::VectorXd& x) -> Eigen::VectorXd {
    return (least + x.array().exp()).matrix();
  };
  const auto objective = [&](const Eigen::VectorXd& x, Derivatives& at) {
    const Eigen::VectorXd scale = x.array().exp().matrix();
    const Reduced reduced = reduced_correlation(r, uniquenesses_at(x));
    const Eigen::VectorXd rest = reduced.values.tail(k - m);
    const Eigen::MatrixXd u = reduced.vectors.rightCols(k - m);
    const Eigen::VectorXd slope = -u.cwiseAbs2() * rest;
    at.value = 0.5 * rest.squaredNorm();
    at.gradient = slope.cwiseProduct(scale);
    at.hessian = scale.asDiagonal() * curvature_of(reduced, m) * scale.asDiagonal();
    at.hessian.diagonal() += at.gradient;
  };
  Eigen::VectorXd start(k);
  const Eigen::LLT<Eigen::MatrixXd> factor(r);
  const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(k, k));
  for (Index i = 0; i < k; ++i) {
    const double unique = factor.info() == Eigen::Success ? 1 / inverse(i, i) : 0.5;
    start[i] = std::log(std::clamp(unique, 0.02, 0.98));
  }
  const Optimum optimum =
      minimize_newton(objective, start, {.iterations = 200, .gradient_tolerance = 1e-10});
  FactorModel out{
      .loadings = {},
      .uniquenesses = uniquenesses_at(optimum.argument),
      .converged = optimum.termination == Termination::converged || optimum.gradient_norm < 1e-7};
  const Reduced reduced = reduced_correlation(r, out.uniquenesses);
  out.loadings =
      reduced.vectors.leftCols(m) * reduced.values.head(m).cwiseMax(0).cwiseSqrt().asDiagonal();
  for (Index j = 0; j < m; ++j)
    if (out.loadings.col(j).sum() < 0) out.loadings.col(j) = -out.loadings.col(j);
  return out;
}

// --- Oblique rotation --------------------------------------------------------------------------

struct Oblique {
  Eigen::MatrixXd loadings;
  Eigen::MatrixXd correlation;
  bool converged;
};

/// ¼ Σ over pairs of factors of Σ λ²λ², and its gradient in the loadings (direct quartimin).
double quartimin(const Eigen::MatrixXd& loadings, Eigen::MatrixXd& gradient) {
  const Eigen::MatrixXd squares = loadings.cwiseAbs2();
  const Eigen::MatrixXd others = squares.rowwise().sum().replicate(1, loadings.cols()) - squares;
  gradient = loadings.cwiseProduct(others);
  return 0.25 * squares.cwiseProduct(others).sum();
}

/// The gradient projection algorithm for oblique rotation (Jennrich 2002).
Oblique rotate_quartimin(const Eigen::MatrixXd& unrotated) {
  const Index m = unrotated.cols();
  Eigen::MatrixXd t = Eigen::MatrixXd::Identity(m, m);
  Eigen::MatrixXd loadings = unrotated;
  Eigen::MatrixXd slope;
  double value = quartimin(loadings, slope);
  double step = 1;
  bool converged = false;
  for (int iteration = 0; iteration < 5000 && !converged; ++iteration) {
    const Eigen::MatrixXd inverse = t.inverse();
    const Eigen::MatrixXd gradient = -(loadings.transpose() * slope * inverse).transpose();
    const Eigen::RowVectorXd along = t.cwiseProduct(gradient).colwise().sum();
    const Eigen::MatrixXd projected = gradient - t * along.asDiagonal();
    const double size = projected.norm();
    converged = size < 1e-7;
    if (converged) break;
    step *= 2;
    for (int trial = 0; trial < 30; ++trial) {
      Eigen::MatrixXd next = t - step * projected;
      next.colwise().normalize();
      Eigen::MatrixXd next_slope;
      const Eigen::MatrixXd next_loadings = unrotated * next.inverse().transpose();
      const double next_value = quartimin(next_loadings, next_slope);
      if (next_value < value - 0.5 * size * size * step || trial == 29) {
        t = next;
        loadings = next_loadings;
        slope = next_slope;
        value = next_value;
        break;
      }
      step /= 2;
    }
  }
  return {.loadings = loadings, .correlation = t.transpose() * t, .converged = converged};
}

/// Loadings of the oblique factors on one general factor.
Eigen::VectorXd second_order_loadings(const Eigen::MatrixXd& correlation) {
  if (correlation.rows() == 2)
    return Eigen::VectorXd::Constant(2, std::sqrt(std::max(0.0, correlation(0, 1))));
  return minimum_residuals(correlation, 1).loadings.col(0).cwiseMin(1.0);
}

}  // namespace

OmegaResult omega_of_covariance(const MatrixView& covariance, Index n,
                                const OmegaOptions& options) {
  require_level("omega_total", "confidence_level", options.confidence_level);
  const Index k = covariance.rows();
  OmegaResult out{.total = missing,
                  .standard_error = missing,
                  .ci = {.level = options.confidence_level},
                  .loadings = Eigen::VectorXd::Constant(k, missing),
                  .uniquenesses = Eigen::VectorXd::Constant(k, missing),
                  .chi_square = missing,
                  .df = static_cast<double>(k * (k - 3)) / 2,
                  .heywood = false,
                  .converged = false,
                  .n_used = n,
                  .n_omitted = 0};
  if (k < 3 || !(covariance.diagonal().minCoeff() > 0)) return out;
  const Eigen::MatrixXd r = correlation_from_covariance(covariance);
  const Eigen::VectorXd sd = covariance.diagonal().cwiseSqrt();
  const bool likelihood = options.method == FactorMethod::maximum_likelihood;
  OneFactor at;
  if (likelihood) {
    if (Eigen::LLT<Eigen::MatrixXd>(r).info() != Eigen::Success) return out;
    at = fit_one_factor(r, out.converged);
  } else {
    const FactorModel model = minimum_residuals(r, 1);
    at = {.loadings = model.loadings.col(0), .uniquenesses = model.uniquenesses, .inverse = {}};
    out.converged = model.converged;
  }
  out.loadings = at.loadings.cwiseProduct(sd);
  out.uniquenesses = at.uniquenesses.cwiseProduct(covariance.diagonal());
  out.heywood = !(at.uniquenesses.minCoeff() > (likelihood ? 0.0 : 0.0050001));
  if (!out.converged) return out;
  const double common = out.loadings.sum() * out.loadings.sum();
  out.total = common / (common + out.uniquenesses.sum());
  if (likelihood) finish_maximum_likelihood(covariance, r, at, out, options.confidence_level);
  return out;
}

OmegaResult omega_total(const MatrixView& items, const OmegaOptions& options) {
  if (items.cols() < 2)
    throw InvalidArgument("omega_total: `items` has " + std::to_string(items.cols()) +
                          " column; at least 2 items are required");
  Index n = 0;
  for (Index i = 0; i < items.rows(); ++i) n += items.row(i).hasNaN() ? 0 : 1;
  if (n < 2)
    throw DataError("omega_total: " + std::to_string(n) +
                    " rows answered every item; at least 2 are required");
  OmegaResult out = omega_of_covariance(covariance_matrix(items), n, options);
  out.n_omitted = items.rows() - n;
  return out;
}

HierarchicalOmega omega_hierarchical(const MatrixView& correlation, Index factors) {
  const Index k = correlation.rows();
  if (factors < 2 || 2 * factors > k)
    throw InvalidArgument("omega_hierarchical: `factors` is " + std::to_string(factors) +
                          "; must lie in 2.." + std::to_string(k / 2) + " for " +
                          std::to_string(k) + " items");
  const FactorModel model = minimum_residuals(correlation, factors);
  const Oblique oblique = rotate_quartimin(model.loadings);
  Eigen::MatrixXd phi = oblique.correlation;
  Eigen::MatrixXd loadings = oblique.loadings;
  for (Index j = 0; j < factors; ++j)  // each factor points where its loadings do
    if (loadings.col(j).sum() < 0) {
      loadings.col(j) = -loadings.col(j);
      phi.row(j) = -phi.row(j);
      phi.col(j) = -phi.col(j);
    }
  const Eigen::VectorXd second = second_order_loadings(phi);
  HierarchicalOmega out{};
  out.general = loadings * second;
  out.group = loadings * (1 - second.array().square()).cwiseMax(0).sqrt().matrix().asDiagonal();
  out.uniquenesses = model.uniquenesses;
  out.factor_correlation = phi;
  const double total = correlation.sum();
  out.hierarchical = out.general.sum() * out.general.sum() / total;
  out.total = 1 - out.uniquenesses.sum() / total;
  out.asymptotic = out.hierarchical / out.total;
  out.converged = model.converged && oblique.converged;
  return out;
}

}  // namespace rapport
