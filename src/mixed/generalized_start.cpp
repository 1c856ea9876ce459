#include "generalized_start.hpp"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// The rows' scores and weights near the optimum without random effects.
struct WorkingModel {
  VectorXd fixed;
  VectorXd weights;
  VectorXd scores;
};

WorkingModel working_model(Likelihood& likelihood, const SortedDesign& design,
                           const MatrixXd& columns) {
  const Index n = design.n();
  WorkingModel model{.fixed = VectorXd::Zero(columns.cols()),
                     .weights = VectorXd::Ones(n),
                     .scores = VectorXd::Zero(n)};
  likelihood.set_parameters(likelihood.start());
  VectorXd eta(n);
  for (Index i = 0; i < n; ++i) eta[i] = likelihood.first_guess(i);
  VectorXd first(n);
  VectorXd second(n);
  double before = std::numeric_limits<double>::infinity();
  for (int iteration = 0; iteration < 3; ++iteration) {
    const double value = likelihood.evaluate(
        0, n, eta.data(), {.first = first.data(), .second = second.data(), .third = nullptr});
    if (!std::isfinite(value) || (iteration > 1 && -value > before)) break;
    before = -value;
    model.scores = first;
    model.weights = (-second).cwiseMax(1e-8 * (-second).maxCoeff()).cwiseMax(1e-300);
    const VectorXd working = (eta - design.offset).array() + first.array() / model.weights.array();
    const MatrixXd weighted = columns.array().colwise() * model.weights.array();
    const Eigen::LLT<MatrixXd> llt(columns.transpose() * weighted);
    if (llt.info() != Eigen::Success) break;
    model.fixed = llt.solve(weighted.transpose() * working);
    eta = design.offset + columns * model.fixed;
  }
  return model;
}

/// The variance of one effect by moments: two rows of a level have E r r' ≈ w w' z z' σ².
double moment_variance(const WorkingModel& model, const RandomTerm& term, Index column) {
  const auto levels = static_cast<Index>(term.levels.size());
  VectorXd score = VectorXd::Zero(levels);
  VectorXd weight = VectorXd::Zero(levels);
  double own_scores = 0;
  double own_weights = 0;
  for (Index i = 0; i < term.columns.rows(); ++i) {
    const double z = term.columns(i, column);
    const Index g = term.group[static_cast<std::size_t>(i)];
    score[g] += z * model.scores[i];
    weight[g] += z * z * model.weights[i];
    own_scores += z * z * model.scores[i] * model.scores[i];
    own_weights += z * z * z * z * model.weights[i] * model.weights[i];
  }
  return (score.squaredNorm() - own_scores) / (weight.squaredNorm() - own_weights);
}

/// 1 / the variance of the latent variable: the normal approximation of a logistic one is Zeger,
/// Liang & Albert's (1988), (16√3/15π)².
double attenuation(Link link) {
  switch (link) {
    case Link::logit:
      return 0.346;
    case Link::probit:
      return 1;
    case Link::cloglog:
    case Link::loglog:
      return 0.6;
    default:
      return 0;
  }
}

}  // namespace

GeneralizedStart generalized_start(Likelihood& likelihood, const SortedDesign& design, Link link,
                                   bool centred) {
  MatrixXd columns = design.fixed;
  if (centred && columns.cols() > 0) columns.rowwise() -= design.fixed.colwise().mean();
  const WorkingModel model = working_model(likelihood, design, columns);
  GeneralizedStart start{
      .fixed = model.fixed, .weights = model.weights, .sd = VectorXd(), .stretch = 1};
  std::vector<double> sd;
  double variance = 0;  // of a row's random part
  for (const RandomTerm& term : design.random) {
    for (Index j = 0; j < term.columns.cols(); ++j) {
      const double size =
          std::sqrt(term.columns.col(j).squaredNorm() / static_cast<double>(term.columns.rows()));
      double own = size * size * moment_variance(model, term, j);
      if (link == Link::log) own = std::log1p(std::max(own, 0.0));
      own = std::isfinite(own) ? std::clamp(own, 0.2, 1.5) : 0.5;
      variance += own;
      sd.push_back(std::sqrt(own) / size);
    }
  }
  // The moments too are those of the model without random effects.
  const double shrunk = std::min(attenuation(link) * variance, 0.6);
  start.stretch = 1 / std::sqrt(1 - shrunk);
  start.sd = start.stretch * Eigen::Map<const VectorXd>(sd.data(), static_cast<Index>(sd.size()));
  return start;
}

}  // namespace rapport::detail
