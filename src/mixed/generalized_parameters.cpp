#include "generalized_parameters.hpp"

#include <cmath>

namespace rapport::detail {
namespace {

using Kind = GeneralizedParameter::Kind;

void add_term(const RandomEffects& random, std::size_t term,
              std::vector<GeneralizedParameter>& parameters) {
  for (Index j = 0; j < random.sd.size(); ++j) {
    for (Index i = j; i < random.sd.size(); ++i) {
      const std::string& first = random.terms[static_cast<std::size_t>(j)];
      const std::string& second = random.terms[static_cast<std::size_t>(i)];
      const bool sd = i == j;
      parameters.push_back({.name = sd ? "sd(" + first + "|" + random.factor + ")"
                                       : "cor(" + first + "," + second + "|" + random.factor + ")",
                            .kind = sd ? Kind::sd : Kind::correlation,
                            .term = term,
                            .row = i,
                            .column = j});
    }
  }
}

}  // namespace

std::vector<GeneralizedParameter> generalized_parameters(const GeneralizedFit& fit) {
  std::vector<GeneralizedParameter> parameters;
  for (std::size_t t = 0; t < fit.random.size(); ++t) add_term(fit.random[t], t, parameters);
  for (Index k = 0; k < fit.family_parameters.size(); ++k) {
    const auto i = static_cast<std::size_t>(k);
    parameters.push_back({.name = i < fit.thresholds.size() ? fit.thresholds[i].term : "dispersion",
                          .kind = Kind::family,
                          .row = k});
  }
  for (std::size_t k = 0; k < fit.fixed.terms.size(); ++k)
    parameters.push_back(
        {.name = fit.fixed.terms[k], .kind = Kind::fixed, .row = static_cast<Index>(k)});
  return parameters;
}

double parameter_estimate(const GeneralizedFit& fit, const GeneralizedParameter& parameter) {
  switch (parameter.kind) {
    case Kind::sd:
      return fit.random[parameter.term].sd[parameter.row];
    case Kind::correlation:
      return fit.random[parameter.term].correlation(parameter.row, parameter.column);
    case Kind::family:
      return family_scale(fit, fit.family_parameters[parameter.row]);
    case Kind::fixed:
      break;
  }
  return fit.fixed.estimate[parameter.row];
}

double family_scale(const GeneralizedFit& fit, double internal) {
  if (fit.family == Family::cumulative) return internal;
  return std::exp(fit.family == Family::gamma ? -internal : internal);
}

}  // namespace rapport::detail
