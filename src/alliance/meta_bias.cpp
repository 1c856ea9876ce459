#include <rapport/alliance/meta_bias.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/ranks.hpp>

#include <Eigen/Cholesky>

#include "meta_design.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

namespace rapport {
namespace {

/// Effects of two levels without moderators, at least three of them.
MetaDesign plain_design(const std::string& function, const MetaData& data) {
  if (!data.study.empty())
    throw InvalidArgument(function + ": `study` is given; it takes one effect a study");
  if (data.moderators.cols() > 0)
    throw InvalidArgument(function + ": `moderators` are given; it takes none");
  if (data.covariance.size() > 0)
    throw InvalidArgument(function + ": `covariance` is given; it takes independent effects");
  MetaDesign design = make_meta_design(function, data);
  require_at_least(function, "effect", data.effect.size(), 3);
  return design;
}

Eigen::VectorXd standard_errors(const MetaData& data) { return data.variance.cwiseSqrt(); }

/// Least squares of y on [1, x] with weights 1/v and a multiplicative dispersion; t on k − 2.
std::pair<MetaCoefficient, MetaCoefficient> weighted_regression(const MetaData& data,
                                                                const Eigen::VectorXd& x,
                                                                const std::string& name,
                                                                double level) {
  const Index k = data.effect.size();
  const Eigen::VectorXd root = data.variance.cwiseSqrt().cwiseInverse();
  Eigen::MatrixXd columns(k, 2);
  columns << root, root.cwiseProduct(x);
  const Orthonormal basis = orthonormalized(columns);
  if (basis.dependent >= 0)
    return {meta_coefficient("(Intercept)", missing, missing, static_cast<double>(k - 2), level),
            meta_coefficient(name, missing, missing, static_cast<double>(k - 2), level)};
  const Eigen::VectorXd response = root.cwiseProduct(data.effect);
  const Eigen::VectorXd projected = basis.q.transpose() * response;
  const auto df = static_cast<double>(k - 2);
  const double dispersion = (response - basis.q * projected).squaredNorm() / df;
  const GeneralizedLeastSquares fit =
      on_scale_of_x({.coefficients = projected,
                     .covariance = dispersion * Eigen::MatrixXd::Identity(2, 2),
                     .quadratic = df},
                    basis.r);
  return {meta_coefficient("(Intercept)", fit.coefficients[0], std::sqrt(fit.covariance(0, 0)), df,
                           level),
          meta_coefficient(name, fit.coefficients[1], std::sqrt(fit.covariance(1, 1)), df, level)};
}

MetaData with_moderator(MetaData data, const Eigen::VectorXd& column, const std::string& name) {
  data.moderators = column;
  data.terms = {name};
  data.moderator_of = {};
  return data;
}

MetaData mirrored(MetaData data) {
  data.effect = -data.effect;
  return data;
}

/// How many of `k` ascending effects lie too far to the right of `center` (L0 of Duval & Tweedie
/// 2000).
Index too_many_to_the_right(const Eigen::VectorXd& effects, double center) {
  const Eigen::VectorXd distance = effects.array() - center;
  const std::vector<Index> order = ascending_order(distance.cwiseAbs());
  double positive_ranks = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    if (distance[order[rank]] > 0) positive_ranks += static_cast<double>(rank + 1);
  const auto k = static_cast<double>(effects.size());
  const double l0 = (4 * positive_ranks - k * (k + 1)) / (2 * k - 1);
  return std::clamp<Index>(static_cast<Index>(std::nearbyint(l0)), 0, effects.size() - 2);
}

MetaData filled_in(const MetaData& sorted, Index k0, double center) {
  const Index k = sorted.effect.size();
  MetaData filled;
  filled.effect.resize(k + k0);
  filled.variance.resize(k + k0);
  filled.effect << sorted.effect, (2 * center - sorted.effect.tail(k0).array()).matrix();
  filled.variance << sorted.variance, sorted.variance.tail(k0);
  return filled;
}

}  // namespace

EggerTest egger_test(const MetaData& data) {
  (void)plain_design("egger_test", data);
  const auto fit = weighted_regression(data, standard_errors(data), "standard error", 0.95);
  return {.intercept = fit.first.estimate,
          .slope = fit.second.estimate,
          .statistic = fit.second.statistic,
          .df = fit.second.df,
          .p_value = fit.second.p_value};
}

RegressionTest regression_test(const MetaData& data, const MetaOptions& options) {
  (void)plain_design("regression_test", data);
  const MetaFit fit =
      fit_meta(with_moderator(data, standard_errors(data), "standard error"), options);
  return {.limit = fit.coefficients[0], .slope = fit.coefficients[1]};
}

RankTest rank_test(const MetaData& data) {
  (void)plain_design("rank_test", data);
  const Eigen::ArrayXd weights = data.variance.cwiseInverse();
  const double mean = (weights * data.effect.array()).sum() / weights.sum();
  const Eigen::VectorXd standardized =
      (data.effect.array() - mean) / (data.variance.array() - 1 / weights.sum()).sqrt();
  const bool ties = !tie_sizes(standardized).empty() || !tie_sizes(data.variance).empty();
  const KendallResult kendall =
      kendall_tau(standardized, data.variance,
                  {.exact = {.test = ties ? ExactTest::no : ExactTest::yes}, .interval = false});
  return {.tau = kendall.estimate, .p_value = kendall.p_value};
}

TrimAndFill trim_and_fill(const MetaData& data, const MetaOptions& model) {
  (void)plain_design("trim_and_fill", data);
  MetaOptions options = model;
  options.test = MetaTest::z;
  const bool right = regression_test(data, options).slope.estimate < 0;
  const MetaData facing =
      select(right ? mirrored(data) : data, ascending_order(right ? -data.effect : data.effect));
  const Index k = data.effect.size();
  Index k0 = 0;
  double center = 0;
  TrimAndFill result{};
  for (result.iterations = 1; result.iterations <= 100; ++result.iterations) {
    std::vector<Index> kept;
    for (Index i = 0; i < k - k0; ++i) kept.push_back(i);
    center = fit_meta(select(facing, kept), options).coefficients[0].estimate;
    const Index next = too_many_to_the_right(facing.effect, center);
    if (next == k0) break;
    k0 = next;
  }
  const MetaData filled = filled_in(facing, k0, center);
  result.k0 = k0;
  result.right = right;
  result.filled = right ? mirrored(filled) : filled;
  result.fit = fit_meta(result.filled, options);
  return result;
}

PetPeese pet_peese(const MetaData& data, const MetaOptions& options) {
  (void)plain_design("pet_peese", data);
  const auto pet =
      weighted_regression(data, standard_errors(data), "standard error", options.confidence_level);
  const auto peese = weighted_regression(data, data.variance, "variance", options.confidence_level);
  const bool use_peese = pet.first.p_value / 2 < 0.05;
  return {.pet = pet.first,
          .pet_slope = pet.second,
          .peese = peese.first,
          .use_peese = use_peese,
          .estimate = use_peese ? peese.first.estimate : pet.first.estimate};
}

double fail_safe_n(const MetaData& data, double alpha) {
  require_level("fail_safe_n", "alpha", alpha);
  (void)make_meta_design("fail_safe_n", data);
  const double sum = (data.effect.array() / data.variance.array().sqrt()).sum();
  const double needed = sum / normal_quantile(1 - alpha);
  return std::max(0.0, std::ceil(needed * needed - static_cast<double>(data.effect.size())));
}

MetaBias meta_bias(const MetaData& data, const MetaOptions& options) {
  return {.egger = egger_test(data),
          .regression = regression_test(data, options),
          .rank = rank_test(data),
          .trim_fill = trim_and_fill(data, options),
          .pet_peese = pet_peese(data, options),
          .selection = selection_model(data, {.confidence_level = options.confidence_level}),
          .fail_safe_n = fail_safe_n(data)};
}

}  // namespace rapport
