#pragma once

#include <rapport/base/random.hpp>
#include <rapport/mixed/generalized.hpp>

#include "ordinal_shape.hpp"
#include <optional>

namespace rapport::detail {

/// The distribution of a row's response given its linear predictor, at the estimates of a fit.
/// Refers to both.
class ResponseDistribution {
 public:
  ResponseDistribution(const Design& design, const GeneralizedFit& fit)
      : design_(design), fit_(fit) {
    if (fit.family == Family::cumulative) thresholds_.emplace(fit);
  }

  /// Draws a response. Throws InvalidArgument where prior weights leave the distribution undefined.
  double draw(Index row, double eta, RandomStream& stream) const;

  /// P(Y < y) and P(Y ≤ y) at the row's own response.
  struct Tails {
    double below;
    double up_to;
  };
  [[nodiscard]] Tails tails(Index row, double eta) const;

  /// P(Y ≤ category) of Family::cumulative; 1 at the last.
  [[nodiscard]] double cumulative_probability(Index row, Index category, double eta) const;

 private:
  [[nodiscard]] double trials(Index row) const {
    return design_.weights.size() == 0 ? 1 : design_.weights[row];
  }
  /// The share of zeros whatever the mean.
  [[nodiscard]] double extra_zeros(Index row) const;
  /// P(Y ≤ y) of counts.
  [[nodiscard]] double count_cdf(double y, double mean) const;

  const Design& design_;
  const GeneralizedFit& fit_;
  std::optional<FittedThresholds> thresholds_;
};

}  // namespace rapport::detail
