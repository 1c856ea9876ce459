#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/kolmogorov.hpp>
#include <rapport/mixed/quantile_residuals.hpp>

#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>

#include "generalized_problem.hpp"
#include "loadings.hpp"
#include "response_distribution.hpp"
#include <algorithm>
#include <limits>

namespace rapport {
namespace {

using Eigen::VectorXd;
using Sparse = Eigen::SparseMatrix<double>;

/// −ℓ'' of each row at its linear predictor, in the design's order.
VectorXd observed_information(const Design& design, const GeneralizedFit& fit) {
  const detail::GeneralizedProblem problem(design, fit.options);
  const std::vector<Index>& order = problem.rows().order;
  const std::unique_ptr<detail::Likelihood> likelihood = problem.likelihood();
  likelihood->set_parameters(fit.family_parameters);
  const VectorXd eta = fit.linear_predictor(order);
  VectorXd first(eta.size());
  VectorXd second(eta.size());
  (void)likelihood->evaluate(0, eta.size(), eta.data(),
                             {.first = first.data(), .second = second.data(), .third = nullptr});
  VectorXd information(eta.size());
  for (Index k = 0; k < eta.size(); ++k)
    information[order[static_cast<std::size_t>(k)]] = std::max(0.0, -second[k]);
  return information;
}

/// ZΛv with v from N(0, M⁻¹), M = Λ'Z'WZΛ + I: how far the random part lies from its mode.
VectorXd draw_departure(const Design& design, const GeneralizedFit& fit, RandomStream& stream) {
  const detail::EffectPositions positions(design);
  const Sparse weighted =
      detail::random_loadings(design, positions, fit.factors, observed_information(design, fit));
  Sparse system = weighted.transpose() * weighted;
  for (Index j = 0; j < positions.size; ++j) system.coeffRef(j, j) += 1;
  const Eigen::SimplicialLLT<Sparse> cholesky(system);
  const VectorXd z = VectorXd::NullaryExpr(positions.size, [&] { return stream.normal(); });
  const VectorXd v = cholesky.permutationPinv() * VectorXd(cholesky.matrixU().solve(z));
  return detail::random_loadings(design, positions, fit.factors, {}) * v;
}

}  // namespace

QuantileResiduals quantile_residuals(const Design& design, const GeneralizedFit& fit, Seed seed,
                                     const QuantileResidualOptions& options) {
  for (const RandomEffects& term : fit.random)
    if (term.blups.size() == 0)
      throw InvalidArgument(
          "quantile_residuals: `fit` has no modes of its random effects; fit with random_effects = "
          "true");
  RandomStream stream(seed, 0);
  VectorXd eta = fit.linear_predictor;
  if (options.draw_effects && !design.random.empty()) eta += draw_departure(design, fit, stream);
  const detail::ResponseDistribution distribution(design, fit);
  QuantileResiduals result;
  result.uniform.resize(eta.size());
  result.normal.resize(eta.size());
  constexpr double least = std::numeric_limits<double>::min();
  for (Index i = 0; i < eta.size(); ++i) {
    const auto [below, up_to] = distribution.tails(i, eta[i]);
    const double place = below + stream.uniform() * (up_to - below);
    result.uniform[i] = std::clamp(place, least, 1 - std::numeric_limits<double>::epsilon() / 2);
    result.normal[i] = normal_quantile(result.uniform[i]);
  }
  result.statistic = kolmogorov_distance(result.uniform);
  result.p_value = kolmogorov_upper_tail(result.statistic, eta.size());
  return result;
}

}  // namespace rapport
