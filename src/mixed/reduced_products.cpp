#include "reduced_products.hpp"

#include "nested.hpp"
#include <unordered_map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

InternalRows::InternalRows(const Design& design, const MixedModel::Data& data)
    : structure_(data.structure) {
  const Index n = design.response.size();
  Index effects = 0;
  for (Index level = 0; level < structure_.n_levels(); ++level) effects += structure_.size(level);
  values_.resize(n, effects + data.rank() + 1);
  constant_.resize(at(values_.cols()), 0);
  place_effects(design, data);
  const MatrixXd fixed = design.fixed(Eigen::all, data.fixed_columns);
  place(fixed, data.fixed_transform, effects);
  VectorXd response = design.response - fixed * data.fixed_shift;
  if (design.offset.size() > 0) response -= design.offset;
  place(response, MatrixXd::Constant(1, 1, data.response_scale), effects + data.rank());
  accurate_ = accurate_ && design.response.cwiseAbs().maxCoeff() * data.response_scale < 1e5;
  if (design.weights.size() > 0) root_weight_ = design.weights.cwiseSqrt();
}

void InternalRows::place(const MatrixXd& columns, const MatrixXd& transform, Index first) {
  constexpr double far = 1e5;
  values_.middleCols(first, transform.cols()) = columns * transform;
  accurate_ = accurate_ &&
              (columns.cwiseAbs().colwise().maxCoeff() * transform.cwiseAbs()).maxCoeff() < far;
  for (Index j = first; j < first + transform.cols(); ++j)
    constant_[at(j)] = (values_.col(j).array() == values_(0, j)).all() ? 1 : 0;
}

void InternalRows::place_effects(const Design& design, const MixedModel::Data& data) {
  std::vector<Index> offset;
  for (Index level = 0, first = 0; level < structure_.n_levels(); ++level) {
    offset.push_back(first);
    first += structure_.size(level);
  }
  groups_.resize(offset.size());
  for (std::size_t t = 0; t < data.terms.size(); ++t) {
    const TermPlace& term = data.terms[t];
    place(design.random[t].columns, term.transform, offset[at(term.level)] + term.first);
    std::vector<std::int32_t>& groups = groups_[at(term.level)];
    if (!groups.empty()) continue;
    groups = design.random[t].group;
    if (!term.level_group.empty())
      for (std::int32_t& group : groups) group = term.level_group[static_cast<std::size_t>(group)];
  }
}

std::unique_ptr<GramFunction> InternalRows::compress(const std::vector<Index>& rows) const {
  const MatrixXd values = values_(rows, Eigen::all);
  ModelColumns columns;
  columns.rows = values.rows();
  if (root_weight_.size() > 0) columns.root_weight = root_weight_(rows);
  Index column = 0;
  const auto next = [&] {
    ModelColumn result{values.col(column).data()};
    result.constant = constant_[at(column++)] != 0;
    return result;
  };
  for (Index l = 0; l < structure_.n_levels(); ++l) {
    GroupingLevel& level = columns.levels.emplace_back();
    for (Index j = 0; j < structure_.size(l); ++j) level.columns.push_back(next());
    std::unordered_map<std::int32_t, std::int32_t> numbers;
    for (const Index row : rows)
      level.group.push_back(
          numbers.try_emplace(groups_[at(l)][at(row)], static_cast<std::int32_t>(numbers.size()))
              .first->second);
    level.n_groups = static_cast<Index>(numbers.size());
  }
  while (column < values.cols()) columns.fixed.push_back(next());
  return std::make_unique<NestedCrossProducts>(NestedCrossProducts::Part{}, columns, structure_);
}

KnownProducts::KnownProducts(const CrossProducts& products, const CovarianceStructure& structure,
                             const VectorXd& theta)
    : products_(products),
      zero_(structure.factors(VectorXd::Zero(theta.size()))),
      at_zero_(products.value(zero_)),
      factors_(structure.factors(theta)),
      value_(products.value(factors_)),
      jet_(products.jet(factors_)) {}

WeightedGram KnownProducts::value(const std::vector<MatrixXd>& factors) const {
  if (factors == factors_) return value_;
  if (factors == zero_) return at_zero_;
  return products_.value(factors);
}

GramDerivatives KnownProducts::derivatives(const std::vector<MatrixXd>& factors,
                                           const WeightedGram& known, const MatrixXd& trace_factor,
                                           const VectorXd& data_vector) const {
  if (factors != factors_) return products_.derivatives(factors, known, trace_factor, data_vector);
  GramDerivatives result{jet_.log_determinant, jet_.gram, jet_.second_log_determinant, {}};
  const Index n = jet_.log_determinant.size();
  result.data_part.resize(n, n);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l < n; ++l) {
      const MatrixXd& second = jet_.second_gram[at(k * n + l)];
      if (trace_factor.size() > 0)
        result.trace_part(k, l) += (second * trace_factor).cwiseProduct(trace_factor).sum();
      result.data_part(k, l) = data_vector.dot(second * data_vector);
    }
  return result;
}

struct ReducedProducts::Parts final : Factorization {
  WeightedGram whole;
  WeightedGram touched;
  WeightedGram kept;
};

WeightedGram ReducedProducts::value(const std::vector<MatrixXd>& factors) const {
  const auto parts = std::make_shared<Parts>();
  parts->whole = whole_.value(factors);
  parts->touched = touched_->value(factors);
  WeightedGram result{parts->whole.log_determinant - parts->touched.log_determinant,
                      parts->whole.gram - parts->touched.gram, parts};
  if (kept_) {
    parts->kept = kept_->value(factors);
    result.log_determinant += parts->kept.log_determinant;
    result.gram += parts->kept.gram;
  }
  return result;
}

GramDerivatives ReducedProducts::derivatives(const std::vector<MatrixXd>& factors,
                                             const WeightedGram& known,
                                             const MatrixXd& trace_factor,
                                             const VectorXd& data_vector) const {
  const auto& parts = static_cast<const Parts&>(*known.factorization);
  GramDerivatives result = whole_.derivatives(factors, parts.whole, trace_factor, data_vector);
  const auto add = [&](const GramFunction& part, const WeightedGram& at_part, double sign) {
    const GramDerivatives own = part.derivatives(factors, at_part, trace_factor, data_vector);
    result.log_determinant += sign * own.log_determinant;
    for (std::size_t k = 0; k < result.gram.size(); ++k) result.gram[k] += sign * own.gram[k];
    result.trace_part += sign * own.trace_part;
    result.data_part += sign * own.data_part;
  };
  add(*touched_, parts.touched, -1);
  if (kept_) add(*kept_, parts.kept, 1);
  return result;
}

}  // namespace rapport::detail
