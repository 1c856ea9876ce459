#pragma once

#include <rapport/mixed/generalized.hpp>

namespace rapport::detail {

/// The mean at a linear predictor, and its derivatives.
struct MeanAt {
  double mean;
  double slope;
};
MeanAt mean_at(Link link, double eta);
/// The linear predictor of a mean, and its derivative dη/dμ.
struct PredictorAt {
  double predictor;
  double slope;
};
PredictorAt predictor_at(Link link, double mean);

/// Var(y) given the mean. Throws InvalidArgument for Family::cumulative, which has none.
double variance_at(Family family, double mean, double dispersion);

}  // namespace rapport::detail
