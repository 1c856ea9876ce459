#include <rapport/base/missing.hpp>
#include <rapport/math/incomplete_normal.hpp>
#include <rapport/math/minimize.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <limits>
#include <map>
#include <numbers>

namespace rapport {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What one pattern needs at given parameters: W = Σ⁻¹, the deviation d of its mean, and S* = S +
/// dd'.
struct PatternTerms {
  bool positive_definite = false;
  double log_determinant = 0;
  Eigen::MatrixXd inverse;
  Eigen::VectorXd deviation;
  Eigen::MatrixXd scatter;
};

PatternTerms terms_of(const std::vector<Index>& present, const Eigen::VectorXd& pattern_mean,
                      const Eigen::MatrixXd& pattern_covariance, const Eigen::VectorXd& mean,
                      const Eigen::MatrixXd& covariance) {
  PatternTerms terms;
  const Eigen::MatrixXd sigma = covariance(present, present);
  const Eigen::LLT<Eigen::MatrixXd> cholesky(sigma);
  if (cholesky.info() != Eigen::Success) return terms;
  terms.positive_definite = true;
  terms.log_determinant = 2 * cholesky.matrixLLT().diagonal().array().log().sum();
  terms.inverse = cholesky.solve(Eigen::MatrixXd::Identity(sigma.rows(), sigma.cols()));
  terms.deviation = pattern_mean - mean(present);
  terms.scatter = pattern_covariance + terms.deviation * terms.deviation.transpose();
  return terms;
}

/// Position of (row, column), row ≥ column, in the lower triangle taken column by column.
Index triangle_index(Index row, Index column, Index d) {
  return column * d - column * (column - 1) / 2 + row - column;
}

/// Adds the second derivatives of one pattern (Magnus & Neudecker 2019, ch. 15): with W = Σ⁻¹, C =
/// W S* W and v = W d, along changes D₁ and D₂ of Σ, −½ n [−tr(W D₁ W D₂) + tr(W D₁ C D₂) + tr(C D₁
/// W D₂)]; means and Σ, −n W D v; means, −n W.
void add_hessian(const std::vector<Index>& present, double n, const PatternTerms& terms, Index d,
                 Eigen::MatrixXd& hessian) {
  const Eigen::MatrixXd& w = terms.inverse;
  const Eigen::MatrixXd c = w * terms.scatter * w;
  const Eigen::VectorXd v = w * terms.deviation;
  const auto k = static_cast<Index>(present.size());
  const auto at = [&](Index i) { return present[static_cast<std::size_t>(i)]; };
  for (Index j = 0; j < k; ++j)
    for (Index i = 0; i < k; ++i) hessian(at(i), at(j)) -= n * w(i, j);
  for (Index b = 0; b < k; ++b)
    for (Index a = b; a < k; ++a) {
      const Index first = d + triangle_index(at(a), at(b), d);
      const double half_ab = a == b ? 0.5 : 1;
      for (Index i = 0; i < k; ++i) {
        const double mixed = -n * half_ab * (w(i, a) * v[b] + w(i, b) * v[a]);
        hessian(at(i), first) += mixed;
        hessian(first, at(i)) += mixed;
      }
      for (Index f = 0; f < k; ++f)
        for (Index e = f; e < k; ++e) {
          const Index second = d + triangle_index(at(e), at(f), d);
          if (second < first) continue;
          const double half = half_ab * (e == f ? 0.5 : 1);
          const double ww =
              w(f, a) * w(b, e) + w(f, b) * w(a, e) + w(e, a) * w(b, f) + w(e, b) * w(a, f);
          const double wc =
              w(f, a) * c(b, e) + w(f, b) * c(a, e) + w(e, a) * c(b, f) + w(e, b) * c(a, f);
          const double cw =
              c(f, a) * w(b, e) + c(f, b) * w(a, e) + c(e, a) * w(b, f) + c(e, b) * w(a, f);
          const double change = -0.5 * n * half * (wc + cw - ww);
          hessian(first, second) += change;
          if (second != first) hessian(second, first) += change;
        }
    }
}

}  // namespace

Eigen::VectorXd lower_triangle(const MatrixView& matrix) {
  const Index d = matrix.rows();
  Eigen::VectorXd triangle(d * (d + 1) / 2);
  Index k = 0;
  for (Index j = 0; j < d; ++j)
    for (Index i = j; i < d; ++i) triangle[k++] = matrix(i, j);
  return triangle;
}

Eigen::MatrixXd from_lower_triangle(const VectorView& triangle, Index dimension) {
  Eigen::MatrixXd matrix(dimension, dimension);
  Index k = 0;
  for (Index j = 0; j < dimension; ++j)
    for (Index i = j; i < dimension; ++i) matrix(i, j) = matrix(j, i) = triangle[k++];
  return matrix;
}

IncompleteNormal::IncompleteNormal(const MatrixView& data)
    : dimension_(data.cols()), pairs_(Eigen::MatrixXd::Zero(data.cols(), data.cols())) {
  std::map<std::vector<Index>, std::vector<Index>> rows_of;
  for (Index i = 0; i < data.rows(); ++i) {
    std::vector<Index> present;
    for (Index j = 0; j < dimension_; ++j)
      if (!is_missing(data(i, j))) present.push_back(j);
    if (!present.empty()) rows_of[present].push_back(i);
  }
  for (const auto& [present, rows] : rows_of) {
    const Eigen::MatrixXd values = data(rows, present);
    Pattern pattern{.present = present,
                    .count = static_cast<double>(rows.size()),
                    .mean = {},
                    .covariance = {}};
    pattern.mean = values.colwise().mean().transpose();
    const Eigen::MatrixXd centred = values.rowwise() - pattern.mean.transpose();
    pattern.covariance = centred.transpose() * centred / pattern.count;
    for (const Index a : present)
      for (const Index b : present) pairs_(a, b) += pattern.count;
    rows_ += static_cast<Index>(rows.size());
    patterns_.push_back(std::move(pattern));
  }
}

double IncompleteNormal::log_likelihood(const Eigen::VectorXd& mean,
                                        const Eigen::MatrixXd& covariance) const {
  double value = 0;
  for (const Pattern& pattern : patterns_) {
    const PatternTerms terms =
        terms_of(pattern.present, pattern.mean, pattern.covariance, mean, covariance);
    if (!terms.positive_definite) return -infinity;
    const auto k = static_cast<double>(pattern.present.size());
    value -= 0.5 * pattern.count *
             (k * std::log(2 * std::numbers::pi) + terms.log_determinant +
              terms.inverse.cwiseProduct(terms.scatter).sum());
  }
  return value;
}

IncompleteNormal::Derivatives IncompleteNormal::derivatives(const Eigen::VectorXd& mean,
                                                            const Eigen::MatrixXd& covariance,
                                                            bool with_hessian) const {
  const Index d = dimension_;
  Derivatives result;
  result.mean = Eigen::VectorXd::Zero(d);
  result.covariance = Eigen::MatrixXd::Zero(d, d);
  if (with_hessian)
    result.hessian = Eigen::MatrixXd::Zero(d + d * (d + 1) / 2, d + d * (d + 1) / 2);
  for (const Pattern& pattern : patterns_) {
    const PatternTerms terms =
        terms_of(pattern.present, pattern.mean, pattern.covariance, mean, covariance);
    if (!terms.positive_definite) {
      result.value = -infinity;
      return result;
    }
    const auto k = static_cast<double>(pattern.present.size());
    result.value -= 0.5 * pattern.count *
                    (k * std::log(2 * std::numbers::pi) + terms.log_determinant +
                     terms.inverse.cwiseProduct(terms.scatter).sum());
    result.mean(pattern.present) += pattern.count * (terms.inverse * terms.deviation);
    result.covariance(pattern.present, pattern.present) +=
        -0.5 * pattern.count * (terms.inverse - terms.inverse * terms.scatter * terms.inverse);
    if (with_hessian) add_hessian(pattern.present, pattern.count, terms, d, result.hessian);
  }
  return result;
}

void IncompleteNormal::em_step(Eigen::VectorXd& mean, Eigen::MatrixXd& covariance) const {
  const Index d = dimension_;
  Eigen::VectorXd first = Eigen::VectorXd::Zero(d);
  Eigen::MatrixXd second = Eigen::MatrixXd::Zero(d, d);
  for (const Pattern& pattern : patterns_) {
    // Expected values given those present: mean + regression × deviation, and the residual
    // covariance.
    const Eigen::MatrixXd sigma = covariance(pattern.present, pattern.present);
    const Eigen::MatrixXd across = covariance(Eigen::all, pattern.present);
    const Eigen::MatrixXd regression =
        Eigen::LDLT<Eigen::MatrixXd>(sigma).solve(across.transpose()).transpose();
    const Eigen::VectorXd expected = mean + regression * (pattern.mean - mean(pattern.present));
    first += pattern.count * expected;
    second += pattern.count *
              (expected * expected.transpose() + covariance - regression * across.transpose() +
               regression * pattern.covariance * regression.transpose());
  }
  mean = first / static_cast<double>(rows_);
  covariance = second / static_cast<double>(rows_) - mean * mean.transpose();
  covariance = (0.5 * (covariance + covariance.transpose())).eval();
}

IncompleteNormal::Saturated IncompleteNormal::independent() const {
  Saturated result{.mean = Eigen::VectorXd::Zero(dimension_),
                   .covariance = Eigen::MatrixXd::Zero(dimension_, dimension_),
                   .log_likelihood = 0,
                   .converged = true};
  Eigen::VectorXd squares = Eigen::VectorXd::Zero(dimension_);
  for (const Pattern& pattern : patterns_) {
    result.mean(pattern.present) += pattern.count * pattern.mean;
    squares(pattern.present) +=
        pattern.count * (pattern.covariance.diagonal() + pattern.mean.cwiseAbs2());
  }
  result.mean.array() /= pairs_.diagonal().array();
  result.covariance.diagonal() = squares.cwiseQuotient(pairs_.diagonal()) - result.mean.cwiseAbs2();
  result.log_likelihood = log_likelihood(result.mean, result.covariance);
  return result;
}

IncompleteNormal::Saturated IncompleteNormal::approximate() const {
  constexpr int em_steps = 50;
  Saturated result = independent();
  for (int step = 0; step < em_steps; ++step) em_step(result.mean, result.covariance);
  result.log_likelihood = log_likelihood(result.mean, result.covariance);
  result.converged = false;
  return result;
}

IncompleteNormal::Saturated IncompleteNormal::saturated() const {
  Saturated result = approximate();
  Eigen::VectorXd start(dimension_ + dimension_ * (dimension_ + 1) / 2);
  start << result.mean, lower_triangle(result.covariance);
  const auto objective = [&](const Eigen::VectorXd& parameters, rapport::Derivatives& out) {
    const Eigen::MatrixXd covariance =
        from_lower_triangle(parameters.tail(parameters.size() - dimension_), dimension_);
    const Derivatives at = derivatives(parameters.head(dimension_), covariance);
    out.value = -at.value;
    if (!std::isfinite(at.value)) return;
    // An off-diagonal element stands twice in the matrix.
    Eigen::MatrixXd doubled = 2 * at.covariance;
    doubled.diagonal() = at.covariance.diagonal();
    out.gradient.resize(parameters.size());
    out.gradient << -at.mean, -lower_triangle(doubled);
    out.hessian = -at.hessian;
  };
  const Optimum optimum = minimize_newton(objective, start, {.iterations = 100});
  result.mean = optimum.argument.head(dimension_);
  result.covariance =
      from_lower_triangle(optimum.argument.tail(start.size() - dimension_), dimension_);
  result.log_likelihood = -optimum.value;
  result.converged = optimum.termination != Termination::iteration_limit;
  return result;
}

}  // namespace rapport
