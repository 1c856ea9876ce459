#include "fit_effects.hpp"

#include <algorithm>
#include <iterator>

namespace rapport::program {
namespace {

/// What stands after a tilde, if there is one.
std::string without_tilde(const std::string& terms) {
  const std::size_t tilde = terms.find('~');
  return tilde == std::string::npos ? terms : terms.substr(tilde + 1);
}

}  // namespace

Design effect_design(const Formula& formula, const std::string& terms, const std::string& option,
                     const Table& table, const FitArguments& arguments, EffectTerms allowed) {
  Formula effects = parse_formula("y ~ " + without_tilde(terms));
  const bool refused = allowed == EffectTerms::fixed && !effects.random.empty();
  if (refused || !effects.offsets.empty())
    throw UsageError(option + ": \"" + terms + "\" must hold fixed terms only");
  effects.response = formula.response;
  return make_design(effects, table, design_options(arguments, ResponseKind::ordered));
}

void keep_common_rows(const std::vector<Design*>& designs) {
  std::vector<Index> common = designs.front()->rows;
  for (const Design* design : designs) {
    std::vector<Index> both;
    std::set_intersection(common.begin(), common.end(), design->rows.begin(), design->rows.end(),
                          std::back_inserter(both));
    common = std::move(both);
  }
  for (Design* design : designs) {
    if (design->rows == common) continue;
    std::vector<Index> kept;
    for (std::size_t i = 0; i < design->rows.size(); ++i)
      if (std::binary_search(common.begin(), common.end(), design->rows[i]))
        kept.push_back(static_cast<Index>(i));
    const Index omitted = design->n_omitted + static_cast<Index>(design->rows.size() - kept.size());
    *design = select(*design, kept);
    design->n_omitted = omitted;
  }
}

bool has_random_scale(const FitArguments& arguments) {
  return arguments.scale.find('|') != std::string::npos;
}

}  // namespace rapport::program
