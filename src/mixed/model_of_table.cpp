#include <rapport/mixed/fit.hpp>

#include "model.hpp"
#include "piecewise_model.hpp"
#include "prepared_design.hpp"
#include <algorithm>

namespace rapport {
namespace {

using Eigen::VectorXd;

/// Grouping factors by number of levels, most first, where their rows stand together; none if
/// piecewise compression is not for them.
std::vector<std::string> nested_factors(const detail::PreparedDesign& prepared) {
  std::vector<std::string> labels;
  for (const auto& [label, group] : prepared.groups) labels.push_back(label);
  const auto count = [&](const std::string& label) {
    return prepared.groups.at(label).factor().level_count();
  };
  std::stable_sort(labels.begin(), labels.end(),
                   [&](const std::string& a, const std::string& b) { return count(a) > count(b); });
  for (std::size_t l = 0; l < labels.size(); ++l)
    if (count(labels[l]) < 2 || (l > 0 && count(labels[l]) == count(labels[l - 1]))) return {};
  if (labels.empty()) return {};
  const std::vector<std::int32_t>& codes = prepared.groups.at(labels.front()).factor().codes;
  Index runs = 1;
  for (std::size_t i = 1; i < codes.size(); ++i) runs += codes[i] != codes[i - 1] ? 1 : 0;
  if (runs > count(labels.front()) + count(labels.front()) / 8) return {};
  return labels;
}

/// Two terms with the same effect of the same factor are refused where the whole design is known.
bool terms_repeat(const Design& design) {
  for (std::size_t a = 0; a < design.random.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      for (const std::string& term : design.random[a].terms)
        if (design.random[a].factor == design.random[b].factor &&
            std::count(design.random[b].terms.begin(), design.random[b].terms.end(), term) > 0)
          return true;
  return false;
}

detail::VariableValues rows_of(const detail::VariableValues& values,
                               const std::vector<Index>& rows) {
  detail::VariableValues result;
  result.is_factor = values.is_factor;
  if (values.is_factor) {
    for (const Index row : rows)
      result.codes.push_back(values.codes[static_cast<std::size_t>(row)]);
  } else if (values.column != nullptr) {
    result.numbers = (*values.column)(rows);
  } else {
    result.numbers = values.numbers(rows, Eigen::all);
  }
  return result;
}

/// Every k-th of the rows, by which columns are centred and scaled.
class Sample {
 public:
  explicit Sample(const ModelRows& all) : rows_(all) {
    const Index step = summary_step(all.size);
    if (step == 1) return;
    std::vector<Index> chosen;
    for (Index i = 0; i < all.size; i += step) chosen.push_back(i);
    for (const detail::VariableValues& variable : *all.values)
      values_.push_back(rows_of(variable, chosen));
    response_ = Eigen::Map<const VectorXd>(all.response, all.size)(chosen);
    if (all.offset != nullptr) offset_ = Eigen::Map<const VectorXd>(all.offset, all.size)(chosen);
    rows_ = {&values_, response_.data(), all.offset != nullptr ? offset_.data() : nullptr, nullptr,
             {},       response_.size()};
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;

  [[nodiscard]] const ModelRows& rows() const { return rows_; }

 private:
  std::vector<detail::VariableValues> values_;
  VectorXd response_;
  VectorXd offset_;
  ModelRows rows_;
};

/// The model by pieces of rows, or nothing if it takes the whole design.
std::shared_ptr<const MixedModel::Data> piecewise(detail::PreparedDesign prepared, int threads) {
  const std::vector<std::string> labels = nested_factors(prepared);
  const Eigen::Ref<const VectorXd> response = prepared.response.values(0);
  if (labels.empty() || terms_repeat(prepared.design) ||
      is_constant(response.data(), response.size()))
    return nullptr;
  Design& design = prepared.design;
  const VectorXd root_weight = design.weights.cwiseSqrt();
  ModelRows rows{&prepared.values,
                 response.data(),
                 design.offset.size() > 0 ? design.offset.data() : nullptr,
                 root_weight.size() > 0 ? root_weight.data() : nullptr,
                 {},
                 response.size()};
  std::vector<LevelNames> levels;
  for (const std::string& label : labels) {
    const Factor& factor = prepared.groups.at(label).factor();
    rows.groups.push_back(factor.codes.data());
    levels.emplace_back(factor.levels);
  }
  const Sample sample(rows);
  try {
    PiecewiseModel model(std::move(design.frame), labels, sample.rows(),
                         static_cast<Index>(levels.front().size()), threads);
    model.add(rows);
    return model.finish(levels, design.n_omitted);
  } catch (const NotNested&) {
    return nullptr;
  }
}

}  // namespace

MixedModel::MixedModel(const Formula& formula, const Table& table, const DesignOptions& options,
                       int threads)
    : data_(piecewise(detail::prepare_design(formula, table, options), threads)) {
  if (data_ == nullptr) *this = MixedModel(make_design(formula, table, options), threads);
}

MixedFit fit_mixed_model(const Formula& formula, const Table& table, const FitOptions& options,
                         const DesignOptions& design_options) {
  return MixedModel(formula, table, design_options, options.threads).fit(options);
}

}  // namespace rapport
