#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/basis.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace rapport {
namespace {

constexpr Index order = 4;  // of a cubic spline

std::vector<double> distinct_values(const VectorView& x) {
  std::vector<double> values;
  for (const double value : x)
    if (!std::isnan(value)) values.push_back(value);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

void require_distinct(std::string_view function, const VectorView& x, Index more_than) {
  const auto distinct = static_cast<Index>(distinct_values(x).size());
  if (distinct > more_than) return;
  std::ostringstream message;
  message << function << ": the variable has " << distinct << " distinct values; more than "
          << more_than << " are required";
  throw InvalidArgument(message.str());
}

/// The span [knots[s], knots[s + 1]) that holds x, s from order − 1; the last span is closed.
Index span_of(const Eigen::VectorXd& knots, double x) {
  Index span = order - 1;
  const Index last = knots.size() - order - 1;
  while (span < last && x >= knots[span + 1]) ++span;
  return span;
}

/// The B-splines of order 4 that are not zero on the span of x, by the recurrence of de Boor
/// (1978), or their `derivative`-th derivative (0, 1 or 2): values at columns span − 3 … span.
Eigen::Vector4d local_splines(const Eigen::VectorXd& knots, Index span, double x, int derivative) {
  Eigen::Matrix4d by_order = Eigen::Matrix4d::Zero();  // row k: the k + 1 splines of order k + 1
  by_order(0, 0) = 1;
  for (Index k = 1; k < order; ++k) {
    for (Index j = 0; j <= k; ++j) {
      const Index first = span - k + j;
      double value = 0;
      if (j > 0)
        value += (x - knots[first]) / (knots[first + k] - knots[first]) * by_order(k - 1, j - 1);
      if (j < k)
        value += (knots[first + k + 1] - x) / (knots[first + k + 1] - knots[first + 1]) *
                 by_order(k - 1, j);
      by_order(k, j) = value;
    }
  }
  // B'_{i,k} = (k − 1) (B_{i,k−1} / (t_{i+k−1} − t_i) − B_{i+1,k−1} / (t_{i+k} − t_{i+1}))
  Eigen::Vector4d values = by_order.row(order - 1 - derivative).transpose();
  for (Index k = order - derivative; k < order; ++k) {
    Eigen::Vector4d next = Eigen::Vector4d::Zero();
    for (Index j = 0; j <= k; ++j) {
      const Index first = span - k + j;
      const auto degree = static_cast<double>(k);
      if (j > 0) next[j] += degree * values[j - 1] / (knots[first + k] - knots[first]);
      if (j < k) next[j] -= degree * values[j] / (knots[first + k + 1] - knots[first + 1]);
    }
    values = next;
  }
  return values;
}

/// All B-splines but the first at x, or a derivative of them.
Eigen::RowVectorXd splines_at(const Eigen::VectorXd& knots, double x, int derivative) {
  Eigen::RowVectorXd all = Eigen::RowVectorXd::Zero(knots.size() - order);
  const Index span = span_of(knots, x);
  const Eigen::Vector4d local = local_splines(knots, span, x, derivative);
  for (Index j = 0; j < order; ++j) all[span - order + 1 + j] = local[j];
  return all.tail(all.size() - 1);
}

/// The reflection that sends v to −sign(v₀)‖v‖ e₀, applied to the columns of m (Householder 1958).
void reflect(const Eigen::VectorXd& v, Eigen::Ref<Eigen::MatrixXd> m) {
  Eigen::VectorXd direction = v;
  direction[0] += v[0] >= 0 ? v.norm() : -v.norm();
  const double squared = direction.squaredNorm();
  if (squared == 0) return;
  const Eigen::RowVectorXd products = (2 / squared) * (direction.transpose() * m);
  m.noalias() -= direction * products;
}

/// An orthonormal basis, k × (k − 2), of the coefficients without curvature at either boundary.
Eigen::MatrixXd without_curvature(const Eigen::VectorXd& knots) {
  const Index k = knots.size() - order - 1;
  Eigen::MatrixXd constraints(k, 2);
  constraints.col(0) = splines_at(knots, knots[0], 2).transpose();
  constraints.col(1) = splines_at(knots, knots[knots.size() - 1], 2).transpose();
  const Eigen::VectorXd first = constraints.col(0);
  Eigen::MatrixXd second = constraints.rightCols(1);
  reflect(first, second);
  const Eigen::VectorXd below = second.col(0).tail(k - 1);
  Eigen::MatrixXd q = Eigen::MatrixXd::Identity(k, k);
  reflect(below, q.bottomRows(k - 1));
  reflect(first, q);
  return q.rightCols(k - 2);
}

Eigen::MatrixXd columns(const PolynomialBasis& basis, const VectorView& x) {
  const Index degree = basis.centres.size();
  Eigen::MatrixXd values(x.size(), degree);
  if (basis.raw) {
    for (Index k = 0; k < degree; ++k) values.col(k) = x.array().pow(static_cast<double>(k + 1));
    return values;
  }
  Eigen::VectorXd before = Eigen::VectorXd::Zero(x.size());
  Eigen::VectorXd current = Eigen::VectorXd::Ones(x.size());
  for (Index k = 0; k < degree; ++k) {
    const double ratio = k == 0 ? 0 : basis.norms[k] / basis.norms[k - 1];
    const Eigen::VectorXd next =
        (x.array() - basis.centres[k]) * current.array() - ratio * before.array();
    before = current;
    current = next;
    values.col(k) = current / std::sqrt(basis.norms[k + 1]);
  }
  return values;
}

Eigen::MatrixXd columns(const SplineBasis& basis, const VectorView& x) {
  Eigen::MatrixXd values(x.size(), basis.projection.cols());
  const double lower = basis.knots[0];
  const double upper = basis.knots[basis.knots.size() - 1];
  for (Index i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      values.row(i).setConstant(missing);
      continue;
    }
    const double inside = std::clamp(x[i], lower, upper);
    values.row(i) = splines_at(basis.knots, inside, 0) * basis.projection;
    if (inside != x[i])
      values.row(i) += (x[i] - inside) * (splines_at(basis.knots, inside, 1) * basis.projection);
  }
  return values;
}

Eigen::MatrixXd columns(const Standardization& basis, const VectorView& x) {
  return (x.array() - basis.mean) / basis.sd;
}

}  // namespace

std::optional<Contrast> parse_contrast(std::string_view text) {
  if (text == "treatment") return Contrast::treatment;
  if (text == "sum") return Contrast::sum;
  if (text == "helmert") return Contrast::helmert;
  if (text == "poly") return Contrast::polynomial;
  return std::nullopt;
}

Eigen::MatrixXd contrast_matrix(Contrast contrast, Index levels) {
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(levels, levels - 1);
  switch (contrast) {
    case Contrast::treatment:
      matrix.bottomRows(levels - 1).setIdentity();
      return matrix;
    case Contrast::sum:
      matrix.topRows(levels - 1).setIdentity();
      matrix.row(levels - 1).setConstant(-1);
      return matrix;
    case Contrast::helmert:
      for (Index j = 0; j < levels - 1; ++j) {
        matrix.col(j).head(j + 1).setConstant(-1);
        matrix(j + 1, j) = static_cast<double>(j + 1);
      }
      return matrix;
    case Contrast::polynomial: {
      const Eigen::VectorXd positions =
          Eigen::VectorXd::LinSpaced(levels, 1, static_cast<double>(levels));
      return columns(polynomial_basis(positions, levels - 1), positions);
    }
  }
  throw InvalidArgument("contrast_matrix: not a Contrast");
}

std::vector<std::string> contrast_names(Contrast contrast, const std::vector<std::string>& levels) {
  std::vector<std::string> names;
  for (std::size_t j = 1; j < levels.size(); ++j) {
    if (contrast == Contrast::treatment) {
      names.push_back(levels[j]);
    } else if (contrast == Contrast::polynomial) {
      names.push_back(j == 1 ? ".L" : j == 2 ? ".Q" : j == 3 ? ".C" : "^" + std::to_string(j));
    } else {
      names.push_back(std::to_string(j));
    }
  }
  return names;
}

PolynomialBasis polynomial_basis(const VectorView& x, Index degree, bool raw) {
  require_at_least("polynomial_basis", "degree", degree, 1);
  require_distinct("poly", x, degree);
  std::vector<double> present;
  for (const double value : x)
    if (!std::isnan(value)) present.push_back(value);
  const Eigen::Map<const Eigen::ArrayXd> values(present.data(), static_cast<Index>(present.size()));
  PolynomialBasis basis{.centres = Eigen::VectorXd::Zero(degree),
                        .norms = Eigen::VectorXd::Ones(degree + 1),
                        .raw = raw};
  if (raw) return basis;
  Eigen::ArrayXd before = Eigen::ArrayXd::Zero(values.size());
  Eigen::ArrayXd current = Eigen::ArrayXd::Ones(values.size());
  basis.norms[0] = static_cast<double>(values.size());
  for (Index k = 0; k < degree; ++k) {
    const double centre = (values * current.square()).sum() / basis.norms[k];
    const double ratio = k == 0 ? 0 : basis.norms[k] / basis.norms[k - 1];
    const Eigen::ArrayXd next = (values - centre) * current - ratio * before;
    before = current;
    current = next;
    basis.centres[k] = centre;
    basis.norms[k + 1] = current.square().sum();
  }
  return basis;
}

SplineBasis spline_basis(const VectorView& x, Index df) {
  require_at_least("spline_basis", "df", df, 1);
  require_distinct("ns", x, df);
  const std::vector<double> distinct = distinct_values(x);
  SplineBasis basis;
  basis.knots.resize(df - 1 + 2 * order);
  basis.knots.head(order).setConstant(distinct.front());
  basis.knots.tail(order).setConstant(distinct.back());
  for (Index k = 1; k < df; ++k) {
    const double knot = quantile(x, static_cast<double>(k) / static_cast<double>(df));
    if (!(knot > basis.knots[order + k - 2] && knot < distinct.back()))
      throw InvalidArgument(
          "ns: so many values are equal that two knots coincide; a smaller df is required");
    basis.knots[order + k - 1] = knot;
  }
  basis.projection = without_curvature(basis.knots);
  return basis;
}

Standardization standardization(const VectorView& x) {
  require_distinct("scale", x, 1);
  const Moments m = moments(x);
  return {.mean = m.mean, .sd = m.sd};
}

Eigen::MatrixXd basis_columns(const Basis& basis, const VectorView& x) {
  return std::visit([&](const auto& kind) { return columns(kind, x); }, basis);
}

}  // namespace rapport
