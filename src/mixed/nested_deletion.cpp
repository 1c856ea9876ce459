#include "nested_deletion.hpp"

#include "model_parts.hpp"
#include "nested.hpp"
#include <algorithm>
#include <unordered_map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index iterations = 200;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::vector<std::vector<Index>> members(const std::vector<std::int32_t>& groups, Index n) {
  std::vector<std::vector<Index>> result(at(n));
  for (std::size_t i = 0; i < groups.size(); ++i)
    result[at(groups[i])].push_back(static_cast<Index>(i));
  return result;
}

std::vector<Index> sizes(const std::vector<std::int32_t>& groups) {
  std::vector<Index> result;
  for (const std::int32_t group : groups) {
    if (at(group) >= result.size()) result.resize(at(group) + 1, 0);
    ++result[at(group)];
  }
  return result;
}

/// True if no column of [X y] depends nearly on the others.
bool well_determined(const GramFunction& products, const CovarianceStructure& structure) {
  constexpr double tolerance = 1e-6;
  const VectorXd zero = VectorXd::Zero(structure.n_parameters());
  const MatrixXd gram = products.value(structure.factors(zero)).gram;
  return static_cast<Index>(column_dependence(gram, tolerance).kept.size()) == gram.cols();
}

}  // namespace

NestedDeletion::NestedDeletion(const Design& design, Criterion criterion,
                               const std::vector<std::int32_t>& groups, Index n_levels)
    : criterion_(criterion), groups_(groups), model_(design) {
  const MixedModel::Data& data = model_.data();
  if (dynamic_cast<const NestedCrossProducts*>(data.products.get()) == nullptr) return;
  rows_.emplace(design, data);
  if (!rows_->accurate()) {
    rows_.reset();
    return;
  }
  deleted_ = members(groups, n_levels);
  for (const std::vector<std::int32_t>& level : rows_->groups()) size_.push_back(sizes(level));
  if (!size_.empty())
    outermost_ = members(rows_->groups().back(), static_cast<Index>(size_.back().size()));
  const Objective objective(*data.products, data.structure, criterion_, data.observations);
  theta_ = minimize_criterion(objective, start_theta(data), iterations).theta;
  products_.emplace(*data.products, data.structure, theta_);
}

/// The rows of every outermost group that loses some.
std::vector<Index> NestedDeletion::touched_by(const std::vector<Index>& deleted) const {
  if (outermost_.empty()) return deleted;
  std::vector<std::int32_t> groups;
  for (const Index row : deleted) groups.push_back(rows_->groups().back()[at(row)]);
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  std::vector<Index> rows;
  for (const std::int32_t group : groups)
    rows.insert(rows.end(), outermost_[at(group)].begin(), outermost_[at(group)].end());
  return rows;
}

/// Refuses what a model of the rows that are left refuses.
void NestedDeletion::check_factors(const std::vector<Index>& deleted, Index left) const {
  for (const TermPlace& term : model_.data().terms) {
    const std::vector<std::int32_t>& groups = rows_->groups()[at(term.level)];
    std::unordered_map<std::int32_t, Index> lost;
    for (const Index row : deleted) ++lost[groups[at(row)]];
    auto levels = static_cast<Index>(term.levels.size());
    for (const auto& [group, rows] : lost)
      if (rows == size_[at(term.level)][at(group)]) --levels;
    check_factor(term.factor, levels, term.size(), left);
  }
}

std::optional<ReducedFit> NestedDeletion::operator()(std::int32_t level) const {
  if (!rows_) return std::nullopt;
  const MixedModel::Data& data = model_.data();
  const std::vector<Index>& deleted = deleted_[at(level)];
  const std::vector<Index> touched = touched_by(deleted);
  if (2 * static_cast<Index>(touched.size()) > data.observations) return std::nullopt;
  const Index left = data.observations - static_cast<Index>(deleted.size());
  check_factors(deleted, left);
  std::vector<Index> kept;
  for (const Index row : touched)
    if (groups_[at(row)] != level) kept.push_back(row);
  const ReducedProducts products(*products_, rows_->compress(touched),
                                 kept.empty() ? nullptr : rows_->compress(kept));
  if (!well_determined(products, data.structure)) return std::nullopt;
  const Objective objective(products, data.structure, criterion_, left);
  const CriterionOptimum optimum = minimize_criterion(objective, theta_, iterations);
  constexpr double far = 1e3;  // effects, in units of their errors
  if (!optimum.converged || !((optimum.theta.array().abs() < far).all())) return std::nullopt;
  MixedFit fit = describe_estimates(data, optimum);
  return ReducedFit{.fixed = describe_fixed(data, optimum.value),
                    .random = std::move(fit.random),
                    .residual_sd = fit.residual.sd};
}

}  // namespace rapport::detail
