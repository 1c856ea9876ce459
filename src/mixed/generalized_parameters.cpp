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

/// Names of ψ.
std::vector<std::string> family_names(const GeneralizedFit& fit) {
  std::vector<std::string> names;
  for (const OtherParameter& parameter :
       fit.threshold_parameters.empty() ? fit.thresholds : fit.threshold_parameters)
    names.push_back(parameter.term);
  for (const OtherParameter& effect : fit.nominal_effects) names.push_back(effect.term);
  for (const OtherParameter& effect : fit.scale_effects)
    names.push_back("scale(" + effect.term + ")");
  if (fit.family != Family::cumulative && !std::isnan(fit.dispersion))
    names.emplace_back("dispersion");
  for (const OtherParameter& effect : fit.zero_inflation)
    names.push_back("zero_inflation(" + effect.term + ")");
  return names;
}

}  // namespace

std::vector<GeneralizedParameter> generalized_parameters(const GeneralizedFit& fit) {
  std::vector<GeneralizedParameter> parameters;
  for (std::size_t t = 0; t < fit.random.size(); ++t) add_term(fit.random[t], t, parameters);
  const std::vector<std::string> names = family_names(fit);
  for (std::size_t k = 0; k < names.size(); ++k)
    parameters.push_back({.name = names[k], .kind = Kind::family, .row = static_cast<Index>(k)});
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
      return family_scale(fit, parameter.row, fit.family_parameters[parameter.row]);
    case Kind::fixed:
      break;
  }
  return fit.fixed.estimate[parameter.row];
}

double family_scale(const GeneralizedFit& fit, Index k, double internal) {
  const auto n_zero = static_cast<Index>(fit.zero_inflation.size());
  const bool linear =
      fit.family == Family::cumulative || k >= fit.family_parameters.size() - n_zero;
  if (linear) return internal;
  return std::exp(fit.family == Family::gamma ? -internal : internal);
}

}  // namespace rapport::detail
