#include <rapport/alliance/fitted_model.hpp>
#include <rapport/base/error.hpp>

#include <algorithm>

namespace rapport {

FittedModel::FittedModel(std::string_view formula, const Table& table, double level)
    : formula_(to_string(parse_formula(formula))),
      design_(make_design(parse_formula(formula), table)),
      model_(design_),
      fit_(model_.fit()),
      inference_(model_, fit_, DegreesOfFreedom::satterthwaite, level) {}

Index FittedModel::position(std::string_view term) const {
  const auto& terms = fit_.fixed.terms;
  return std::find(terms.begin(), terms.end(), term) - terms.begin();
}

bool FittedModel::has(std::string_view term) const {
  return position(term) < static_cast<Index>(fit_.fixed.terms.size());
}

ContrastEstimate FittedModel::combination(const TermWeights& weights) const {
  Eigen::VectorXd contrast = Eigen::VectorXd::Zero(fit_.fixed.estimate.size());
  for (const auto& [term, weight] : weights) {
    if (!has(term)) throw InvalidArgument("FittedModel: the model has no term `" + term + "`");
    contrast[position(term)] += weight;
  }
  return inference_.contrast(contrast);
}

std::vector<ContrastEstimate> FittedModel::effects() const {
  std::vector<ContrastEstimate> all;
  for (const std::string& term : fit_.fixed.terms) all.push_back(effect(term));
  return all;
}

ContrastTest FittedModel::joint_test(const std::vector<std::string>& terms) const {
  std::vector<Index> columns;
  for (const std::string& term : terms)
    if (has(term)) columns.push_back(position(term));
  Eigen::MatrixXd contrasts =
      Eigen::MatrixXd::Zero(static_cast<Index>(columns.size()), fit_.fixed.estimate.size());
  for (std::size_t k = 0; k < columns.size(); ++k) contrasts(static_cast<Index>(k), columns[k]) = 1;
  return inference_.test(contrasts);
}

}  // namespace rapport
