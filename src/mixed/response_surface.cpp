#include "response_surface.hpp"

#include <rapport/base/error.hpp>

#include "generalized_problem.hpp"
#include "link_function.hpp"
#include <cmath>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// The logistic-normal integral to 1e-10 up to an SD of 2, to 1e-6 up to 5.
constexpr Index quadrature_points = 100;

MatrixXd effect_rows(const EffectColumns& effects, const Table& table) {
  if (effects.terms.empty()) return {};
  const MatrixXd all = plan_columns(effects.frame, effects.frame.fixed, table);
  return all(Eigen::all, effects.positions);
}

}  // namespace

ResponseSurface::ResponseSurface(const Design& design, const GeneralizedFit& fit, bool averaged)
    : design_(design),
      fit_(fit),
      averaged_(averaged && !design.random.empty()),
      rule_(gauss_hermite(averaged_ ? quadrature_points : 1)),
      n_fixed_(fit.fixed.estimate.size()),
      n_factor_(fit.parameter_covariance.rows() - fit.fixed.estimate.size() -
                fit.family_parameters.size()),
      n_outputs_(fit.family == Family::cumulative ? static_cast<Index>(fit.thresholds.size()) + 1
                                                  : 1) {
  if (design.frame.formula.response.empty())
    throw InvalidArgument(
        "predict_response: `design` was made by hand; one made from a formula is required");
}

std::vector<std::string> ResponseSurface::names() const {
  if (fit_.family != Family::cumulative) return {"mean"};
  std::vector<std::string> names;
  for (Index k = 0; k < n_outputs_; ++k) names.push_back(category_name(design_, k));
  return names;
}

ResponseRows ResponseSurface::grid_rows(const Table& table) const {
  ResponseRows rows;
  const MatrixXd all = plan_columns(design_.frame, design_.frame.fixed, table);
  rows.x = all(Eigen::all, fit_.fixed.columns);
  rows.offset =
      VectorXd::Constant(rows.x.rows(), design_.offset.size() == 0 ? 0 : design_.offset.mean());
  if (averaged_)
    for (const ColumnPlan& plan : design_.frame.random)
      rows.z.push_back(plan_columns(design_.frame, plan, table, true));
  rows.zeros = effect_rows(fit_.options.zero_inflation, table);
  if (fit_.family != Family::cumulative) return rows;
  rows.nominal = fit_.options.ordinal.nominal;
  rows.nominal.columns = effect_rows(rows.nominal, table);
  rows.scale = fit_.options.ordinal.scale;
  rows.scale.columns = effect_rows(rows.scale, table);
  rows.thresholds.emplace(fit_, rows.nominal, rows.scale);
  return rows;
}

ResponseRows ResponseSurface::rows(const Table& table) const {
  ResponseRows rows = grid_rows(table);
  rows.offset = formula_offset(design_.frame.formula, table);
  if (rows.offset.size() == 0) rows.offset = VectorXd::Zero(rows.x.rows());
  return rows;
}

ResponseSurface::Spread ResponseSurface::spread(const ResponseRows& rows, Index row) const {
  Spread result{0, VectorXd::Zero(n_factor_)};
  if (!averaged_) return result;
  double variance = 0;
  Index k = 0;
  for (std::size_t t = 0; t < rows.z.size(); ++t) {
    const VectorXd z = rows.z[t].row(row);
    const VectorXd scaled = fit_.factors[t].transpose() * z;
    variance += scaled.squaredNorm();
    for (Index j = 0; j < z.size(); ++j)
      for (Index i = j; i < z.size(); ++i) result.gradient[k++] = z[i] * scaled[j];
  }
  result.sd = std::sqrt(variance);
  if (result.sd > 0) result.gradient /= result.sd;
  return result;
}

void ResponseSurface::add_mean(const ResponseRows& rows, Index row, double eta,
                               const Spread& spread, const VectorXd& x, Outputs& out) const {
  double by_eta = 0;
  double by_sd = 0;
  for (Index q = 0; q < rule_.nodes.size(); ++q) {
    const MeanAt at = mean_at(fit_.link, eta + spread.sd * rule_.nodes[q]);
    out.value[0] += rule_.weights[q] * at.mean;
    by_eta += rule_.weights[q] * at.slope;
    by_sd += rule_.weights[q] * rule_.nodes[q] * at.slope;
  }
  out.by_predictor[0] = by_eta;
  out.gradient.row(0).head(n_fixed_) = by_eta * x.transpose();
  out.gradient.row(0).segment(n_fixed_, n_factor_) = by_sd * spread.gradient.transpose();
  if (rows.zeros.size() > 0) add_zeros(rows.zeros.row(row), out);
}

void ResponseSurface::add_zeros(const VectorXd& columns, Outputs& out) const {
  const Index k = columns.size();
  const double share = mean_at(Link::logit, columns.dot(fit_.family_parameters.tail(k))).mean;
  out.gradient *= 1 - share;
  out.gradient.row(0).tail(k) = -share * (1 - share) * out.value[0] * columns.transpose();
  out.value *= 1 - share;
  out.by_predictor *= 1 - share;
}

void ResponseSurface::add_categories(const ResponseRows& rows, Index row, double eta,
                                     const Spread& spread, const VectorXd& x, Outputs& out) const {
  const OrdinalShape shape(fit_.options.ordinal, n_outputs_);
  const FittedThresholds& thresholds = *rows.thresholds;
  const double precision = thresholds.precision(row);
  const Index t = shape.n_threshold_parameters();
  const Index psi = n_fixed_ + n_factor_;
  for (Index j = 0; j < shape.n_thresholds(); ++j) {
    double below = 0;
    double slope = 0;
    double by_sd = 0;
    double by_log_scale = 0;
    for (Index q = 0; q < rule_.nodes.size(); ++q) {
      const double cut = thresholds.cut(row, j, eta + spread.sd * rule_.nodes[q]);
      const MeanAt at = mean_at(fit_.link, cut);
      below += rule_.weights[q] * at.mean;
      slope += rule_.weights[q] * at.slope * precision;
      by_sd -= rule_.weights[q] * rule_.nodes[q] * at.slope * precision;
      by_log_scale -= rule_.weights[q] * at.slope * cut;
    }
    VectorXd gradient = VectorXd::Zero(out.gradient.cols());
    gradient.head(n_fixed_) = -slope * x;
    gradient.segment(n_fixed_, n_factor_) = by_sd * spread.gradient;
    const VectorXd by_threshold = slope * shape.map().row(j);
    gradient.segment(psi, t) = by_threshold;
    for (Index k = 0; k < shape.n_nominal(); ++k)
      gradient.segment(psi + t * (1 + k), t) = by_threshold * rows.nominal.columns(row, k);
    for (Index k = 0; k < shape.n_scale(); ++k)
      gradient[psi + shape.scale_start() + k] = by_log_scale * rows.scale.columns(row, k);
    out.by_predictor[j] -= slope;
    out.by_predictor[j + 1] += slope;
    out.value[j] += below;
    out.value[j + 1] -= below;
    out.gradient.row(j) += gradient.transpose();
    out.gradient.row(j + 1) -= gradient.transpose();
  }
  out.value[n_outputs_ - 1] += 1;
}

Outputs ResponseSurface::at(const ResponseRows& rows, Index row) const {
  Outputs out{VectorXd::Zero(n_outputs_),
              MatrixXd::Zero(n_outputs_, fit_.parameter_covariance.rows()),
              VectorXd::Zero(n_outputs_)};
  const VectorXd x = rows.x.row(row);
  const double eta = rows.offset[row] + x.dot(fit_.fixed.estimate);
  const Spread random = spread(rows, row);
  if (fit_.family == Family::cumulative)
    add_categories(rows, row, eta, random, x, out);
  else
    add_mean(rows, row, eta, random, x, out);
  return out;
}

Outputs ResponseSurface::mean(const ResponseRows& rows) const {
  Outputs sum = at(rows, 0);
  for (Index i = 1; i < rows.size(); ++i) {
    const Outputs next = at(rows, i);
    sum.value += next.value;
    sum.gradient += next.gradient;
  }
  sum.value /= static_cast<double>(rows.size());
  sum.gradient /= static_cast<double>(rows.size());
  return sum;
}

VectorXd ResponseSurface::standard_errors(const MatrixXd& gradient) const {
  return (gradient * fit_.parameter_covariance)
      .cwiseProduct(gradient)
      .rowwise()
      .sum()
      .cwiseMax(0)
      .cwiseSqrt();
}

}  // namespace rapport::detail
