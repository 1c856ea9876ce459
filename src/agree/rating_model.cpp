#include <rapport/agree/rating_model.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/minimize.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A number with its first and second derivatives in two parameters: the criterion is a short chain
/// of arithmetic on a small matrix, so forward differentiation is exact and cheap.
struct Jet {
  double value = 0;
  double d0 = 0;
  double d1 = 0;
  double d00 = 0;
  double d01 = 0;
  double d11 = 0;
};

Jet operator+(const Jet& a, const Jet& b) {
  return {a.value + b.value, a.d0 + b.d0, a.d1 + b.d1, a.d00 + b.d00, a.d01 + b.d01, a.d11 + b.d11};
}
Jet operator*(double s, const Jet& a) {
  return {s * a.value, s * a.d0, s * a.d1, s * a.d00, s * a.d01, s * a.d11};
}
Jet operator-(const Jet& a, const Jet& b) { return a + -1.0 * b; }
Jet operator*(const Jet& a, const Jet& b) {
  return {a.value * b.value,
          a.d0 * b.value + a.value * b.d0,
          a.d1 * b.value + a.value * b.d1,
          a.d00 * b.value + 2 * a.d0 * b.d0 + a.value * b.d00,
          a.d01 * b.value + a.d0 * b.d1 + a.d1 * b.d0 + a.value * b.d01,
          a.d11 * b.value + 2 * a.d1 * b.d1 + a.value * b.d11};
}
/// f(a), given f, f′ and f″ at a.
Jet chain(const Jet& a, double f, double f1, double f2) {
  return {f,
          f1 * a.d0,
          f1 * a.d1,
          f1 * a.d00 + f2 * a.d0 * a.d0,
          f1 * a.d01 + f2 * a.d0 * a.d1,
          f1 * a.d11 + f2 * a.d1 * a.d1};
}
Jet log(const Jet& a) { return chain(a, std::log(a.value), 1 / a.value, -1 / (a.value * a.value)); }
Jet inverse(const Jet& a) {
  const double i = 1 / a.value;
  return chain(a, i, -i * i, 2 * i * i * i);
}
Jet constant(double value) { return {.value = value}; }

double inverse(double a) { return 1 / a; }
double constant_like(double value, double) { return value; }
Jet constant_like(double value, const Jet&) { return constant(value); }

/// The sums over subjects with m ratings each: their number and Σ z z', z the subject's column
/// sums.
struct SubjectClass {
  double ratings = 0;
  double subjects = 0;
  MatrixXd products = {};
};

/// Cross-products of the columns [rater indicators | X | y].
struct CrossProducts {
  Index raters;
  Index fixed;
  MatrixXd total;
  std::vector<SubjectClass> classes;
  double observations;
  Index subjects;
  double most_ratings;

  [[nodiscard]] Index size() const { return raters + fixed + 1; }
};

void check(const RatingDesign& d) {
  const Index n = d.response.size();
  require_same_size("fit_rating_model", "response", n, "fixed", d.fixed.rows());
  require_same_size("fit_rating_model", "response", n, "subject",
                    static_cast<Index>(d.subject.size()));
  if (!d.rater.empty())
    require_same_size("fit_rating_model", "response", n, "rater",
                      static_cast<Index>(d.rater.size()));
  require_at_least("fit_rating_model", "response", n, 2);
}

Index level_count(const std::vector<std::int32_t>& codes) {
  return codes.empty() ? 0 : static_cast<Index>(*std::max_element(codes.begin(), codes.end())) + 1;
}

CrossProducts compress(const RatingDesign& d) {
  check(d);
  const Index n = d.response.size();
  CrossProducts c;
  c.raters = level_count(d.rater);
  c.fixed = d.fixed.cols();
  c.observations = static_cast<double>(n);
  c.subjects = level_count(d.subject);
  c.total = MatrixXd::Zero(c.size(), c.size());
  MatrixXd sums = MatrixXd::Zero(c.size(), c.subjects);
  VectorXd ratings = VectorXd::Zero(c.subjects);
  MatrixXd rows(n, c.fixed + 1);
  rows << d.fixed, d.response;
  const Index tail = c.fixed + 1;
  c.total.bottomRightCorner(tail, tail) = rows.transpose() * rows;
  for (Index i = 0; i < n; ++i) {
    const Index s = d.subject[static_cast<std::size_t>(i)];
    ratings[s] += 1;
    sums.col(s).tail(tail) += rows.row(i).transpose();
    if (c.raters == 0) continue;
    const Index r = d.rater[static_cast<std::size_t>(i)];
    sums(r, s) += 1;
    c.total(r, r) += 1;
    c.total.col(r).tail(tail) += rows.row(i).transpose();
  }
  std::map<double, SubjectClass> classes;
  for (Index s = 0; s < c.subjects; ++s) {
    if (ratings[s] == 0) continue;
    auto [it, fresh] = classes.try_emplace(ratings[s], SubjectClass{.ratings = ratings[s]});
    if (fresh) it->second.products = MatrixXd::Zero(c.size(), c.size());
    it->second.subjects += 1;
    it->second.products.selfadjointView<Eigen::Lower>().rankUpdate(sums.col(s));
  }
  for (auto& [m, one] : classes) c.classes.push_back(std::move(one));
  c.most_ratings = ratings.maxCoeff();
  return c;
}

/// H⁻¹-weighted cross-products given the ratio γ = subject / residual variance and λ, the square
/// root of the ratio of raters: subjects are eliminated class by class, since
/// (I + γ11')⁻¹ = I − γ / (1 + γm) 11', and raters stand scaled by λ with a ridge of 1.
template <class T>
std::vector<T> weighted_products(const CrossProducts& c, const T& gamma, const T& lambda) {
  const Index size = c.size();
  std::vector<T> m(static_cast<std::size_t>(size * size), constant_like(0, gamma));
  std::vector<T> weight;
  for (const SubjectClass& one : c.classes)
    weight.push_back(gamma * inverse(constant_like(1, gamma) + one.ratings * gamma));
  for (Index j = 0; j < size; ++j)
    for (Index i = j; i < size; ++i) {
      T entry = constant_like(c.total(i, j), gamma);
      for (std::size_t k = 0; k < c.classes.size(); ++k)
        entry = entry - c.classes[k].products(i, j) * weight[k];
      if (j < c.raters) entry = i < c.raters ? lambda * lambda * entry : lambda * entry;
      if (i == j && j < c.raters) entry = entry + constant_like(1, gamma);
      m[static_cast<std::size_t>(j * size + i)] = entry;
    }
  return m;
}

/// Eliminates the first `count` columns of the lower triangle in place; the pivots stay on the
/// diagonal.
template <class T>
void eliminate(std::vector<T>& m, Index size, Index count) {
  const auto at = [size, &m](Index i, Index j) -> T& {
    return m[static_cast<std::size_t>(j * size + i)];
  };
  for (Index j = 0; j < count; ++j) {
    const T pivot = inverse(at(j, j));
    for (Index k = j + 1; k < size; ++k) {
      const T factor = at(k, j) * pivot;
      for (Index i = k; i < size; ++i) at(i, k) = at(i, k) - at(i, j) * factor;
    }
  }
}

double free_observations(const CrossProducts& c, bool reml) {
  return c.observations - (reml ? static_cast<double>(c.fixed) : 0);
}

/// −2 log of the likelihood, or of the restricted one, σ² profiled out.
template <class T>
T criterion(const CrossProducts& c, bool reml, const T& gamma, const T& lambda) {
  const Index size = c.size();
  std::vector<T> m = weighted_products(c, gamma, lambda);
  eliminate(m, size, size - 1);
  const auto pivot = [&](Index j) { return m[static_cast<std::size_t>(j * size + j)]; };
  const double n = free_observations(c, reml);
  T sum =
      constant_like(n * (1 + std::log(2 * std::numbers::pi / n)), gamma) + n * log(pivot(size - 1));
  for (Index j = 0; j < (reml ? size - 1 : c.raters); ++j) sum = sum + log(pivot(j));
  for (const SubjectClass& one : c.classes)
    sum = sum + one.subjects * log(constant_like(1, gamma) + one.ratings * gamma);
  return sum;
}

/// The two parametrisations: √γ and λ ≥ 0 (even functions, so that the boundary needs no care), or
/// log(1 + γm) on the whole line, m the most ratings of a subject.
struct Ratios {
  Jet gamma;
  Jet lambda;
};

Ratios ratios_at(const VectorXd& x, const CrossProducts& c, bool compound_symmetry) {
  if (compound_symmetry) {
    const double grown = std::exp(x[0]);
    return {chain({.value = x[0], .d0 = 1}, (grown - 1) / c.most_ratings, grown / c.most_ratings,
                  grown / c.most_ratings),
            constant(0)};
  }
  const Jet root{.value = x[0], .d0 = 1};
  const Jet lambda = c.raters > 0 ? Jet{.value = x[1], .d1 = 1} : constant(0);
  return {root * root, lambda};
}

Optimum minimize_criterion(const CrossProducts& c, const RatingModelOptions& options) {
  const auto f = [&](const VectorXd& x, Derivatives& out) {
    const Ratios ratios = ratios_at(x, c, options.compound_symmetry);
    const Jet value = criterion(c, options.reml, ratios.gamma, ratios.lambda);
    out.value = value.value;
    if (x.size() == 1) {
      out.gradient = VectorXd::Constant(1, value.d0);
      out.hessian = MatrixXd::Constant(1, 1, value.d00);
    } else {
      out.gradient = Eigen::Vector2d(value.d0, value.d1);
      out.hessian.resize(2, 2);
      out.hessian << value.d00, value.d01, value.d01, value.d11;
    }
  };
  Optimum optimum = minimize_newton(f, VectorXd::Ones(c.raters > 0 ? 2 : 1),
                                    {.iterations = 200, .gradient_tolerance = 1e-11});
  if (options.compound_symmetry) return optimum;
  // The criterion is even in √γ and λ: a step may end on the ridge at 0, where the gradient
  // vanishes although the variance is not 0. The curvature there tells.
  for (int restart = 0; restart < 4; ++restart) {
    VectorXd off = optimum.argument;
    for (Index j = 0; j < off.size(); ++j)
      if (std::abs(off[j]) < 1e-4 && optimum.hessian(j, j) < 0) off[j] = 0.1;
    if (off == optimum.argument) break;
    optimum = minimize_newton(f, off, {.iterations = 200, .gradient_tolerance = 1e-11});
  }
  return optimum;
}

/// Estimates at the optimum: the columns after the raters hold X'H⁻¹X, X'H⁻¹y and y'H⁻¹y.
void fill(RatingModel& r, const CrossProducts& c, bool reml, double gamma, double lambda) {
  const Index size = c.size();
  std::vector<double> m = weighted_products(c, gamma, lambda);
  eliminate(m, size, c.raters);
  const Eigen::Map<const MatrixXd> all(m.data(), size, size);
  const MatrixXd left =
      all.block(c.raters, c.raters, c.fixed, c.fixed).selfadjointView<Eigen::Lower>();
  const VectorXd right = all.block(size - 1, c.raters, 1, c.fixed).transpose();
  const Eigen::LLT<MatrixXd> solver(left);
  if (solver.info() != Eigen::Success)
    throw DataError(
        "fit_rating_model: the columns of the fixed part depend linearly on each other");
  r.coefficients = solver.solve(right);
  r.residual = (all(size - 1, size - 1) - right.dot(r.coefficients)) / free_observations(c, reml);
  r.covariance = r.residual * solver.solve(MatrixXd::Identity(c.fixed, c.fixed));
  r.subject = gamma * r.residual;
  r.rater = lambda * lambda * r.residual;
}

Eigen::Matrix2d covariance_of_ratios(const Optimum& optimum) {
  Eigen::Matrix2d result = Eigen::Matrix2d::Constant(missing);
  const Eigen::LLT<MatrixXd> solver(optimum.hessian);
  if (solver.info() != Eigen::Success) return result;
  const Index size = optimum.argument.size();
  result.topLeftCorner(size, size) = 2 * solver.solve(MatrixXd::Identity(size, size));
  for (Index j = 0; j < size; ++j)
    if (std::abs(optimum.argument[j]) < 1e-6) {
      result.row(j).setConstant(missing);
      result.col(j).setConstant(missing);
    }
  return result;
}

}  // namespace

RatingModel fit_rating_model(const RatingDesign& design, const RatingModelOptions& options) {
  if (options.compound_symmetry && !design.rater.empty())
    throw InvalidArgument(
        "fit_rating_model: `compound_symmetry` has no effect of raters; leave `rater` empty");
  const CrossProducts c = compress(design);
  if (c.most_ratings < 2)
    throw DataError(
        "fit_rating_model: no subject has two ratings; the subjects' variance cannot be told from "
        "the error");
  if (free_observations(c, options.reml) < 2 || c.observations <= static_cast<double>(c.fixed + 1))
    throw DataError("fit_rating_model: " + std::to_string(design.response.size()) +
                    " ratings are too few for " + std::to_string(c.fixed) +
                    " coefficients and the variances");
  RatingModel r{};
  r.observations = design.response.size();
  r.subjects = c.subjects;
  r.raters = c.raters;
  Optimum optimum = minimize_criterion(c, options);
  if (!options.compound_symmetry)  // the boundary itself, where the search came next to it
    optimum.argument = (optimum.argument.array().abs() < 1e-6).select(0, optimum.argument);
  const Ratios ratios = ratios_at(optimum.argument, c, options.compound_symmetry);
  r.converged = optimum.termination != Termination::iteration_limit;
  r.log_likelihood = -optimum.value / 2;
  r.ratio_covariance = options.compound_symmetry ? Eigen::Matrix2d::Constant(missing)
                                                 : covariance_of_ratios(optimum);
  fill(r, c, options.reml, ratios.gamma.value, ratios.lambda.value);
  return r;
}

SubjectTest subject_test(const RatingDesign& design) {
  const CrossProducts c = compress(design);
  const Index size = c.size();
  const double largest = c.total.diagonal().maxCoeff();
  // Residual sum of squares and rank after sweeping the columns that are not linear in those
  // before.
  const auto sweep = [&](MatrixXd m) {
    double rank = 0;
    for (Index j = 0; j + 1 < size; ++j) {
      const double pivot = m(j, j);
      if (pivot < 1e-10 * std::min(largest, c.total(j, j))) continue;
      rank += 1;
      const VectorXd column = m.col(j);
      m -= column * column.transpose() / pivot;
    }
    return std::pair<double, double>{m(size - 1, size - 1), rank};
  };
  const MatrixXd total = c.total.selfadjointView<Eigen::Lower>();
  MatrixXd within = total;
  for (const SubjectClass& one : c.classes)
    within -= MatrixXd(one.products.selfadjointView<Eigen::Lower>()) / one.ratings;
  const auto [without_subjects, rank_without] = sweep(total);
  const auto [with_subjects, rank_within] = sweep(within);
  SubjectTest test;
  test.df2 = c.observations - static_cast<double>(c.subjects) - rank_within;
  test.df1 = c.observations - rank_without - test.df2;
  test.f = test.df1 > 0 && test.df2 > 0
               ? (without_subjects - with_subjects) / test.df1 / (with_subjects / test.df2)
               : missing;
  return test;
}

}  // namespace rapport
