#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/mixed/generalized_inference.hpp>

#include <algorithm>

namespace rapport {
namespace {

/// The effects with the kept columns of a term beside those they have.
EffectColumns with_term(EffectColumns effects, const Design& design, const GeneralizedFit& fit,
                        const TermColumns& term) {
  for (std::size_t k = 0; k < fit.fixed.columns.size(); ++k) {
    const Index column = fit.fixed.columns[k];
    const std::string& name = fit.fixed.terms[k];
    const bool own = column >= term.first && column < term.first + term.count;
    const bool known =
        std::find(effects.terms.begin(), effects.terms.end(), name) != effects.terms.end();
    if (!own || known) continue;
    const Index width = effects.columns.cols();
    effects.columns.conservativeResize(design.fixed.rows(), width + 1);
    effects.columns.col(width) = design.fixed.col(column);
    effects.terms.push_back(name);
  }
  return effects;
}

LikelihoodRatioTest against(const Design& design, const GeneralizedFit& fit,
                            const OrdinalOptions& ordinal) {
  GeneralizedOptions options = fit.options;
  options.ordinal = ordinal;
  options.random_effects = false;
  try {
    const GeneralizedFit larger = fit_generalized_model(design, options);
    if (larger.optimizer.converged) return likelihood_ratio_test(fit, larger);
  } catch (const DataError&) {  // no fit: undefined
  }
  return {.statistic = missing, .df = missing, .p_value = missing, .p_value_boundary = missing};
}

std::string name_of(const FormulaTerm& term) {
  std::string name;
  for (const std::string& variable : term) name += (name.empty() ? "" : ":") + variable;
  return name;
}

}  // namespace

std::vector<OrdinalTermTest> ordinal_term_tests(const Design& design, const GeneralizedFit& fit,
                                                int threads) {
  if (fit.family != Family::cumulative)
    throw InvalidArgument("ordinal_term_tests: `fit` is of family " +
                          std::string(to_string(fit.family)) + "; cumulative is required");
  if (design.frame.formula.response.empty())
    throw InvalidArgument(
        "ordinal_term_tests: `design` was made by hand; one made from a formula is required");
  std::vector<TermColumns> terms;
  for (const TermColumns& term : design.frame.fixed.terms)
    if (!term.term.empty()) terms.push_back(term);
  std::vector<OrdinalTermTest> tests(terms.size());
  parallel_for(static_cast<Index>(terms.size()), threads, [&](Index k) {
    const auto i = static_cast<std::size_t>(k);
    OrdinalOptions nominal = fit.options.ordinal;
    nominal.nominal = with_term(nominal.nominal, design, fit, terms[i]);
    OrdinalOptions scale = fit.options.ordinal;
    scale.scale = with_term(scale.scale, design, fit, terms[i]);
    tests[i] = {.term = name_of(terms[i].term),
                .nominal = against(design, fit, nominal),
                .scale = against(design, fit, scale)};
  });
  return tests;
}

}  // namespace rapport
