#include <rapport/base/error.hpp>
#include <rapport/mixed/ordinal.hpp>

#include "independent_columns.hpp"
#include <algorithm>
#include <array>

namespace rapport {
namespace {

struct NamedThresholds {
  std::string_view name;
  Thresholds thresholds;
};
constexpr std::array<NamedThresholds, 4> names{{{"flexible", Thresholds::flexible},
                                                {"symmetric", Thresholds::symmetric},
                                                {"symmetric2", Thresholds::symmetric2},
                                                {"equidistant", Thresholds::equidistant}}};

EffectColumns select_rows(const EffectColumns& effects, const std::vector<Index>& rows) {
  EffectColumns selected = effects;
  if (effects.columns.size() > 0)
    selected.columns = Eigen::MatrixXd(effects.columns(rows, Eigen::all));
  return selected;
}

}  // namespace

std::optional<Thresholds> parse_thresholds(std::string_view text) {
  for (const NamedThresholds& entry : names)
    if (entry.name == text) return entry.thresholds;
  return std::nullopt;
}

std::string_view to_string(Thresholds thresholds) {
  return std::find_if(names.begin(), names.end(),
                      [&](const NamedThresholds& n) { return n.thresholds == thresholds; })
      ->name;
}

EffectColumns effect_columns(const Design& effects, Design& design) {
  if (effects.rows != design.rows)
    throw DataError(
        "the nominal or scale effects use other rows than the model, because a variable of one of "
        "them is missing in some; keep the rows that all can use");
  std::vector<Index> candidates;
  for (Index j = 0; j < effects.fixed.cols(); ++j)
    if ((effects.fixed.col(j).array() != effects.fixed(0, j)).any()) candidates.push_back(j);
  Eigen::MatrixXd centred = effects.fixed(Eigen::all, candidates);
  if (centred.cols() > 0) centred.rowwise() -= centred.colwise().mean().eval();
  EffectColumns result;
  for (const Index k : detail::independent_columns(centred)) {
    const Index position = candidates[static_cast<std::size_t>(k)];
    result.positions.push_back(position);
    result.terms.push_back(effects.fixed_terms[static_cast<std::size_t>(position)]);
  }
  result.columns = effects.fixed(Eigen::all, result.positions);
  result.frame = effects.frame;
  for (const ModelInput& input : effects.frame.inputs) {
    const bool known = std::any_of(design.frame.inputs.begin(), design.frame.inputs.end(),
                                   [&](const ModelInput& i) { return i.name == input.name; });
    if (!known) design.frame.inputs.push_back(input);
  }
  return result;
}

OrdinalOptions select(const OrdinalOptions& options, const std::vector<Index>& rows) {
  return {.thresholds = options.thresholds,
          .nominal = select_rows(options.nominal, rows),
          .scale = select_rows(options.scale, rows)};
}

}  // namespace rapport
