#include "link_function.hpp"

#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include <cmath>
#include <numbers>

namespace rapport::detail {

MeanAt mean_at(Link link, double eta) {
  switch (link) {
    case Link::logit: {
      const double mean = 1 / (1 + std::exp(-eta));
      return {.mean = mean, .slope = mean / (1 + std::exp(eta))};
    }
    case Link::probit:
      return {.mean = normal_cdf(eta), .slope = normal_density(eta)};
    case Link::cloglog:
      return {.mean = -std::expm1(-std::exp(eta)), .slope = std::exp(eta - std::exp(eta))};
    case Link::loglog:
      return {.mean = std::exp(-std::exp(-eta)), .slope = std::exp(-eta - std::exp(-eta))};
    case Link::cauchit:
      return {.mean = eta < -1 ? std::atan(-1 / eta) / std::numbers::pi
                               : 0.5 + std::atan(eta) / std::numbers::pi,
              .slope = 1 / (std::numbers::pi * (1 + eta * eta))};
    case Link::log:
      return {.mean = std::exp(eta), .slope = std::exp(eta)};
    case Link::identity:
      return {.mean = eta, .slope = 1};
    case Link::inverse:
      return {.mean = 1 / eta, .slope = -1 / (eta * eta)};
  }
  throw InvalidArgument("mean_at: not a Link");
}

PredictorAt predictor_at(Link link, double mean) {
  double eta = mean;
  switch (link) {
    case Link::logit:
      eta = std::log(mean) - std::log1p(-mean);
      break;
    case Link::probit:
      eta = normal_quantile(mean);
      break;
    case Link::cloglog:
      eta = std::log(-std::log1p(-mean));
      break;
    case Link::loglog:
      eta = -std::log(-std::log(mean));
      break;
    case Link::cauchit:
      eta = std::tan(std::numbers::pi * (mean - 0.5));
      break;
    case Link::log:
      eta = std::log(mean);
      break;
    case Link::identity:
      break;
    case Link::inverse:
      eta = 1 / mean;
      break;
  }
  return {.predictor = eta, .slope = 1 / mean_at(link, eta).slope};
}

double variance_at(Family family, double mean, double dispersion) {
  switch (family) {
    case Family::binomial:
      return mean * (1 - mean);
    case Family::poisson:
      return mean;
    case Family::nbinom1:
      return mean * (1 + dispersion);
    case Family::nbinom2:
      return mean + mean * mean / dispersion;
    case Family::gamma:
      return mean * mean * dispersion;
    case Family::beta:
      return mean * (1 - mean) / (1 + dispersion);
    case Family::cumulative:
      break;  // has no single mean
  }
  throw InvalidArgument("variance_at: not a Family with a mean");
}

}  // namespace rapport::detail
