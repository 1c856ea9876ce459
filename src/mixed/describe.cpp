#include "describe.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include "independent_columns.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::detail {

FixedEffects estimable_fixed_effects(const Design& design, const std::string& function) {
  FixedEffects fixed;
  fixed.columns = independent_columns(design.fixed);
  for (Index j = 0; j < design.fixed.cols(); ++j) {
    const bool kept = std::binary_search(fixed.columns.begin(), fixed.columns.end(), j);
    (kept ? fixed.terms : fixed.dropped).push_back(design.fixed_terms[static_cast<std::size_t>(j)]);
  }
  const Index n = design.response.size();
  const auto p = static_cast<Index>(fixed.columns.size());
  if (n <= p)
    throw DataError(function + ": " + std::to_string(n) + " rows are too few for " +
                    std::to_string(p) + " fixed effects");
  const Eigen::VectorXd response =
      design.offset.size() > 0 ? Eigen::VectorXd(design.response - design.offset) : design.response;
  if (response.maxCoeff() == response.minCoeff())
    throw DataError(function + ": the response is constant: every value is " +
                    std::to_string(response[0]) + "; a model needs a response that varies");
  return fixed;
}

RandomEffects describe_term(const RandomTerm& term, const Eigen::MatrixXd& factor) {
  RandomEffects random;
  random.factor = term.factor;
  random.terms = term.terms;
  random.levels = term.levels;
  random.covariance = factor * factor.transpose();
  random.sd = random.covariance.diagonal().cwiseSqrt();
  random.correlation = Eigen::MatrixXd::Identity(factor.rows(), factor.rows());
  for (Index j = 0; j < factor.rows(); ++j) {
    for (Index i = 0; i < factor.rows(); ++i) {
      const double scale = random.sd[i] * random.sd[j];
      if (i != j) random.correlation(i, j) = scale > 0 ? random.covariance(i, j) / scale : missing;
    }
  }
  return random;
}

bool is_singular(const RandomTerm& term, const Eigen::MatrixXd& factor, double scale) {
  const Eigen::VectorXd rms =
      (term.columns.colwise().squaredNorm() / static_cast<double>(term.columns.rows())).cwiseSqrt();
  return (factor.diagonal().cwiseAbs().array() * rms.array() < 1e-4 * scale).any();
}

CriterionValue describe_criterion(double value, Criterion method, Index parameters,
                                  Index observations) {
  const auto n = static_cast<double>(observations);
  const auto k = static_cast<double>(parameters);
  return {.method = method,
          .value = value,
          .log_likelihood = -0.5 * value,
          .parameters = parameters,
          .aic = value + 2 * k,
          .bic = value + std::log(n) * k,
          .aicc = n > k + 1 ? value + 2 * k + 2 * k * (k + 1) / (n - k - 1) : missing};
}

std::string describe_dropped(const std::vector<std::string>& names) {
  std::string text = "dropped from the fixed effects, because they are combinations of the others";
  for (std::size_t k = 0; k < names.size(); ++k) text += (k == 0 ? ": " : ", ") + names[k];
  return text;
}

OptimizerReport describe_search(const Minimum& minimum, bool singular) {
  OptimizerReport report{};
  report.converged = minimum.converged;
  report.iterations = minimum.iterations;
  report.evaluations = minimum.evaluations;
  report.gradient_norm =
      minimum.gradient.size() == 0 ? 0 : minimum.gradient.lpNorm<Eigen::Infinity>();
  report.singular = singular;
  report.certificate = {.predicted_decrease = minimum.decrement,
                        .smallest_curvature = minimum.smallest_curvature,
                        .boundary_multiplier = missing};
  report.message = minimum.converged
                       ? "converged"
                       : "stopped before the optimum was reached; the estimates are those reached";
  if (singular) report.message += "; a variance is estimated as 0 or a correlation as ±1";
  return report;
}

}  // namespace rapport::detail
