#include <rapport/alliance/fitted_model.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>

#include <algorithm>

namespace rapport {
namespace {

/// The design without the rows that lack a time or a group.
Design timed_design(std::string_view formula, const Table& table, const SerialResiduals& serial) {
  const Design all = make_design(parse_formula(formula), table);
  const Eigen::VectorXd& time = table.numbers(serial.time);
  const Factor group = table.factor(serial.group);
  std::vector<Index> kept;
  for (std::size_t i = 0; i < all.rows.size(); ++i)
    if (!is_missing(time[all.rows[i]]) && group.codes[static_cast<std::size_t>(all.rows[i])] >= 0)
      kept.push_back(static_cast<Index>(i));
  return select(all, kept);
}

}  // namespace

std::string to_string(const SerialResiduals& serial) {
  return "car1(" + quoted_name(serial.time) + " | " + quoted_name(serial.group) + ")";
}

FittedModel::FittedModel(std::string_view formula, const Table& table, double level)
    : formula_(to_string(parse_formula(formula))),
      design_(make_design(parse_formula(formula), table)),
      model_(design_),
      fit_(model_->fit()),
      inference_(*model_, fit_, DegreesOfFreedom::satterthwaite, level) {}

FittedModel::FittedModel(std::string_view formula, const Table& table,
                         const SerialResiduals& serial, double level)
    : formula_(to_string(parse_formula(formula))),
      design_(timed_design(formula, table, serial)),
      residuals_(fit_residual_model(
          design_, {.correlation = ResidualCorrelation::car1,
                    .time = table.numbers(serial.time)(design_.rows),
                    .group = select(table.factor(serial.group), design_.rows).codes})),
      fit_(residuals_->fit),
      inference_(fit_, DegreesOfFreedom::satterthwaite, level) {}

const MixedModel& FittedModel::model() const {
  if (!model_)
    throw InvalidArgument("FittedModel: the model has serial residuals and is no MixedModel");
  return *model_;
}

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
