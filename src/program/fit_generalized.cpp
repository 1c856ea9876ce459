#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "fit.hpp"
#include "fit_extras.hpp"
#include <cmath>

namespace rapport::program {
namespace {

/// Refuses options that the model has no answer for, rather than leave them out silently.
void refuse(const FitArguments& arguments, const std::string& model) {
  const auto unless = [&](bool fine, const std::string& option) {
    if (!fine) throw UsageError(option + ": not available for " + model);
  };
  unless(arguments.ci == "wald", "--ci " + arguments.ci);
  unless(arguments.influence.empty(), "--influence");
  unless(arguments.simulate == 0, "--simulate");
}

Outcome fit_family(const FitArguments& arguments, const Formula& formula, const Table& table) {
  refuse(arguments, "a generalized model");
  if (arguments.residual != "independent" || arguments.variance != "constant") {
    throw UsageError("--residual and --variance need --family gaussian");
  }
  GeneralizedOptions options{.family = *parse_family(arguments.family),
                             .quadrature_points = arguments.agq};
  if (!arguments.link.empty()) {
    options.link = choose<Link>("--link", arguments.link,
                                {{"logit", Link::logit},
                                 {"probit", Link::probit},
                                 {"cloglog", Link::cloglog},
                                 {"log", Link::log}});
  }
  const ResponseKind response = options.family == Family::binomial     ? ResponseKind::binary
                                : options.family == Family::cumulative ? ResponseKind::ordered
                                                                       : ResponseKind::numeric;
  const Design design = make_design(formula, table, design_options(arguments, response));
  const bool scalar = design.random.size() == 1 && design.random.front().columns.cols() == 1;
  if (arguments.agq > 1 && !scalar) {
    throw UsageError("--agq: " + std::to_string(arguments.agq) +
                     " points need exactly one random effect, as in (1 | g); use --agq 1, "
                     "Laplace's approximation");
  }
  const GeneralizedFit fit = fit_generalized_model(design, options);
  const MixedFit linear = linear_part(design, fit);
  const FixedInference inference(fit.fixed, arguments.common->level);
  MixedSummary summary = summarize(design, linear, inference);
  summary.formula = arguments.formula;
  for (const std::string& warning : fit.warnings) summary.warnings.push_back(warning);
  Outcome outcome =
      outcome_of(report::to_json(summary, fit), report::generalized_text(summary, fit),
                 summary.warnings, table, design);
  const FitExtras extras(arguments, design, linear, inference);
  extras.add(outcome, fit.fitted);
  extras.add_predictions(outcome, [&](const Table& rows, const PredictOptions& predict_options) {
    return predict(design, fit, rows, predict_options);
  });
  if (!arguments.against.empty()) {
    const Design other =
        make_design(parse_formula(arguments.against), table, design_options(arguments, response));
    require_same_rows(design, other);
    const GeneralizedFit second = fit_generalized_model(other, options);
    outcome.result.set("likelihood_ratio",
                       comparison_json(fit.criterion.value, fit.criterion.parameters,
                                       second.criterion.value, second.criterion.parameters));
  }
  return outcome;
}

}  // namespace

Outcome fit_generalized(const FitArguments& arguments, const Formula& formula, const Table& table) {
  if (arguments.family != "gaussian") return fit_family(arguments, formula, table);
  if (!arguments.link.empty() && arguments.link != "identity") {
    throw UsageError("--link: \"" + arguments.link +
                     "\" does not go with family gaussian, whose link is identity");
  }
  return fit_residual(arguments, formula, table);
}

}  // namespace rapport::program
