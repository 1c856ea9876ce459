#include "model_parts.hpp"

#include <rapport/base/error.hpp>

#include <Eigen/Cholesky>

#include "node.hpp"
#include <algorithm>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

bool is_constant(const double* values, Index n) {
  for (Index i = 1; i < n; ++i)
    if (values[i] != values[0]) return false;
  return true;
}

ColumnSummary summarize_column(const double* values, Index n) {
  ColumnSummary summary{values[0], values[0], 0, is_constant(values, n)};
  if (summary.constant) return summary;
  const auto look = [&](Index step) {
    using Lanes = Eigen::Array4d;  // side by side: a sum waits for the one before it
    Lanes sum = Lanes::Zero();
    Lanes least = Lanes::Constant(values[0]);
    Lanes greatest = least;
    const auto add = [&](const Lanes& x) {
      sum += x - values[0];
      least = least.min(x);
      greatest = greatest.max(x);
    };
    Index i = 0;
    for (; i + 3 * step < n; i += 4 * step)
      add(Lanes(values[i], values[i + step], values[i + 2 * step], values[i + 3 * step]));
    for (; i < n; i += step) add(Lanes(values[i], values[0], values[0], values[0]));
    summary.mean = values[0] + sum.sum() / static_cast<double>((n - 1) / step + 1);
    summary.half_range = 0.5 * (greatest.maxCoeff() - least.minCoeff());
  };
  look(summary_step(n));
  if (!(summary.half_range > 0)) look(1);
  if (!std::isfinite(summary.mean) || !(summary.half_range > 0))
    return {values[0], 0, 1, false};  // refused later
  return summary;
}

ColumnGroup standardize(const std::vector<ColumnSummary>& summaries,
                        const std::vector<const double*>& values) {
  const auto k = static_cast<Index>(summaries.size());
  ColumnGroup group;
  group.transform = MatrixXd::Zero(k, k);
  group.columns.reserve(at(k));
  Index constant = -1;
  for (Index j = 0; j < k && constant < 0; ++j)
    if (summaries[at(j)].constant && summaries[at(j)].first != 0) constant = j;
  for (Index j = 0; j < k; ++j) {
    const ColumnSummary& summary = summaries[at(j)];
    ModelColumn column = {values[at(j)], 0, 1 / summary.scale(), summary.constant};
    if (constant >= 0 && !summary.constant) {
      column.shift = summary.mean;
      group.transform(constant, j) = -column.shift * column.scale / summaries[at(constant)].first;
    }
    group.transform(j, j) = column.scale;
    group.columns.push_back(column);
  }
  return group;
}

double log_determinant(const MatrixXd& transform) {
  return transform.diagonal().array().abs().log().sum();
}

ModelColumn standardize_response(const double* values, const ColumnSummary& summary,
                                 const std::vector<ModelColumn>& fixed, MixedModel::Data& data) {
  ModelColumn column = {values, 0, 1 / summary.scale()};
  data.fixed_shift = VectorXd::Zero(static_cast<Index>(fixed.size()));
  for (std::size_t j = 0; j < fixed.size(); ++j)
    if (fixed[j].constant && fixed[j].values[0] != 0) {
      column.shift = summary.mean;
      data.fixed_shift[static_cast<Index>(j)] = summary.mean / fixed[j].values[0];
      break;
    }
  data.response_scale = column.scale;
  return column;
}

Dependence column_dependence(const MatrixXd& gram, double tolerance) {
  Dependence result{{}, 1};
  MatrixXd r = MatrixXd::Zero(gram.rows(), gram.cols());
  Index rank = 0;
  for (Index j = 0; j < gram.cols(); ++j) {
    for (Index k = 0; k < rank; ++k)
      r(k, j) =
          (gram(result.kept[at(k)], j) - r.col(result.kept[at(k)]).head(k).dot(r.col(j).head(k))) /
          r(k, result.kept[at(k)]);
    const double left = gram(j, j) - r.col(j).head(rank).squaredNorm();
    if (gram(j, j) <= 0 || left <= tolerance * gram(j, j)) continue;
    r(rank, j) = std::sqrt(left);
    result.least = std::min(result.least, left / gram(j, j));
    result.kept.push_back(j);
    ++rank;
  }
  return result;
}

void check_factor(const std::string& factor, Index m, Index q, Index n) {
  const std::string name = "grouping factor `" + factor + "`";
  if (m < 2)
    throw DataError("fit_mixed_model: " + name +
                    " has one level, so that its variance cannot be told; at least 2 are required");
  if (m >= n)
    throw DataError("fit_mixed_model: " + name + " has as many levels as there are rows (" +
                    std::to_string(n) +
                    "), so that its effects and the residual cannot be told apart; fewer levels "
                    "than rows are required");
  if (m * q >= n)
    throw DataError("fit_mixed_model: " + name + " has " + std::to_string(q) +
                    " random effects at each of " + std::to_string(m) +
                    " levels, but there are only " + std::to_string(n) +
                    " rows, so that they and the residual cannot be told apart; take fewer "
                    "effects (a simpler random term)");
}

MatrixXd unweighted_gram(const MixedModel::Data& data) {
  return data.products->value(data.structure.factors(VectorXd::Zero(data.structure.n_parameters())))
      .gram;
}

namespace {

/// y'V⁻¹y less what X explains of it, from W'V⁻¹W.
double residual_sum(const MatrixXd& gram) {
  const Index p = gram.rows() - 1;
  VectorXd explained = gram.col(p).head(p);
  Eigen::LLT<MatrixXd>(gram.topLeftCorner(p, p)).matrixL().solveInPlace(explained);
  return gram(p, p) - explained.squaredNorm();
}

}  // namespace

void check_residual(const MixedModel::Data& data, const MatrixXd& gram) {
  if (residual_sum(gram) <= 1e-15 * gram(gram.rows() - 1, gram.cols() - 1))
    throw DataError(
        "fit_mixed_model: the fixed effects reproduce the response exactly; no variance is left "
        "for a mixed model");
  if (!data.products->has_moments()) require_residual_variance(data, gram);
}

void require_residual_variance(const MixedModel::Data& data, const MatrixXd& gram) {
  constexpr double huge = 1e6;       // of random effects, in units of their errors
  constexpr double nothing = 1e-10;  // more than such effects leave of what is between groups
  if (data.terms.empty()) return;
  const WeightedGram apart =
      data.products->value(data.structure.factors(huge * identity_theta(data.structure)));
  if (residual_sum(apart.gram) > nothing * residual_sum(gram)) return;
  throw DataError("fit_mixed_model: the response does not vary within the levels of " +
                  data.terms.front().factor +
                  " beyond its fixed effects, so that there is no residual variance; a model of "
                  "one row a level is required");
}

void standardize_effects(MixedModel::Data& data) {
  const std::vector<MatrixXd> grams = data.products->mean_effect_grams();
  std::vector<MatrixXd> transforms;
  for (const MatrixXd& gram : grams)
    transforms.push_back(MatrixXd::Identity(gram.rows(), gram.cols()));
  for (TermPlace& term : data.terms) {
    const Index q = term.size();
    const MatrixXd gram = grams[at(term.level)].block(term.first, term.first, q, q);
    MatrixXd transform = MatrixXd::Identity(q, q);
    const VectorXd root = gram.diagonal().cwiseSqrt();
    if (!(root.minCoeff() > 0))
      throw DataError("fit_mixed_model: a random effect of grouping factor `" + term.factor +
                      "` is zero in every row");
    MatrixXd upper = root.cwiseInverse().asDiagonal() * gram * root.cwiseInverse().asDiagonal();
    const Eigen::LLT<Eigen::Ref<MatrixXd>, Eigen::Upper> llt(upper);  // in place
    // Nearly dependent effects are only scaled: whitening them would amplify rounding.
    if (llt.info() == Eigen::Success && upper.diagonal().minCoeff() > 1e-5)
      transform = inverse_of_upper(upper);
    transform = root.cwiseInverse().asDiagonal() * transform;
    transforms[at(term.level)].block(term.first, term.first, q, q) = transform;
    term.transform *= transform;
  }
  data.products->transform_effects(transforms);
}

}  // namespace rapport
