#include "residual_variance.hpp"

#include <cmath>
#include <map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index parameters_of(const VarianceTerm& term) {
  switch (term.function) {
    case VarianceFunction::by_level:
      return static_cast<Index>(term.strata.size()) - 1;
    case VarianceFunction::power:
    case VarianceFunction::exponential:
      return 1;
    case VarianceFunction::constant_power:
      return 2;
  }
  return 0;
}

}  // namespace

VarianceModel::VarianceModel(const std::vector<VarianceTerm>& terms,
                             const std::vector<Index>& order)
    : class_of_(order.size(), 0) {
  for (const VarianceTerm& term : terms) {
    terms_.push_back({.function = term.function,
                      .first = n_parameters_,
                      .columns = parameters_of(term),
                      .strata = term.strata,
                      .name = term.name});
    n_parameters_ += terms_.back().columns;
  }
  std::map<std::vector<double>, std::int32_t> number;
  std::vector<std::vector<double>> values;
  std::vector<double> key(terms.size());
  if (terms.empty()) {
    values.push_back(key);
  }
  for (std::size_t k = 0; k < order.size() && !terms.empty(); ++k) {
    for (std::size_t t = 0; t < terms.size(); ++t) {
      key[t] = terms[t].function == VarianceFunction::by_level
                   ? static_cast<double>(terms[t].stratum[at(order[k])])
                   : terms[t].covariate[order[k]];
    }
    const auto found = number.emplace(key, static_cast<std::int32_t>(values.size()));
    if (found.second) values.push_back(key);
    class_of_[k] = found.first->second;
  }
  const auto n_classes = static_cast<Index>(values.size());
  counts_ = VectorXd::Zero(n_classes);
  for (const std::int32_t c : class_of_) counts_[c] += 1;
  for (std::size_t t = 0; t < terms.size(); ++t) {
    terms_[t].value.resize(n_classes);
    for (Index c = 0; c < n_classes; ++c) terms_[t].value[c] = values[at(c)][t];
  }
  log_multiplier_ = VectorXd::Zero(n_classes);
  multiplier_ = VectorXd::Ones(n_classes);
  slopes_ = MatrixXd::Zero(n_classes, n_parameters_);
}

VectorXd VarianceModel::start() const {
  VectorXd start = VectorXd::Zero(n_parameters_);
  for (const Term& term : terms_) {
    if (term.function == VarianceFunction::constant_power) start[term.first + 1] = 0.1;
  }
  return start;
}

bool VarianceModel::set(const VectorXd& parameters) {
  parameters_ = parameters;
  if (terms_.empty()) return true;
  log_multiplier_.setZero();
  slopes_.setZero();
  for (const Term& term : terms_) {
    for (Index c = 0; c < n_classes(); ++c) {
      const double x = term.value[c];
      const double delta = parameters[term.first];
      switch (term.function) {
        case VarianceFunction::by_level: {
          if (x == 0) break;
          const Index column = term.first + static_cast<Index>(x) - 1;
          log_multiplier_[c] += parameters[column];
          slopes_(c, column) = 1;
          break;
        }
        case VarianceFunction::power:
          log_multiplier_[c] += delta * std::log(std::abs(x));
          slopes_(c, term.first) = std::log(std::abs(x));
          break;
        case VarianceFunction::exponential:
          log_multiplier_[c] += delta * x;
          slopes_(c, term.first) = x;
          break;
        case VarianceFunction::constant_power: {
          const double constant = std::exp(delta);
          const double log_x = std::log(std::abs(x));
          const double power = x == 0 ? 0.0 : std::exp(parameters[term.first + 1] * log_x);
          const double sum = constant + power;
          log_multiplier_[c] += std::log(sum);
          slopes_(c, term.first) = constant / sum;
          slopes_(c, term.first + 1) = x == 0 ? 0.0 : power * log_x / sum;
          break;
        }
      }
    }
  }
  multiplier_ = log_multiplier_.array().exp();
  return multiplier_.allFinite() && multiplier_.minCoeff() > 0;
}

std::vector<std::string> VarianceModel::names() const {
  std::vector<std::string> names;
  for (const Term& term : terms_) {
    switch (term.function) {
      case VarianceFunction::by_level:
        names.insert(names.end(), term.strata.begin() + 1, term.strata.end());
        break;
      case VarianceFunction::power:
        names.emplace_back("power");
        break;
      case VarianceFunction::exponential:
        names.push_back(term.name.empty() ? "exp" : term.name);
        break;
      case VarianceFunction::constant_power:
        names.emplace_back("const");
        names.emplace_back("power");
        break;
    }
  }
  return names;
}

std::vector<bool> VarianceModel::logarithmic() const {
  std::vector<bool> logarithmic;
  for (const Term& term : terms_) {
    for (Index k = 0; k < term.columns; ++k) {
      logarithmic.push_back(term.function == VarianceFunction::by_level ||
                            (term.function == VarianceFunction::constant_power && k == 0));
    }
  }
  return logarithmic;
}

VectorXd VarianceModel::natural(const VectorXd& parameters) const {
  const std::vector<bool> logs = logarithmic();
  VectorXd natural = parameters;
  for (Index k = 0; k < natural.size(); ++k)
    if (logs[at(k)]) natural[k] = std::exp(natural[k]);
  return natural;
}

VectorXd VarianceModel::unconstrained(const VectorXd& natural) const {
  const std::vector<bool> logs = logarithmic();
  VectorXd parameters = natural;
  for (Index k = 0; k < natural.size(); ++k)
    if (logs[at(k)]) parameters[k] = std::log(parameters[k]);
  return parameters;
}

void VarianceModel::describe(ResidualFit& fit) const {
  const std::vector<std::string> names = this->names();
  const VectorXd values = natural(parameters_);
  for (Index k = 0; k < values.size(); ++k)
    fit.variance_parameters.emplace_back(names[at(k)], values[k]);
}

}  // namespace rapport::detail
