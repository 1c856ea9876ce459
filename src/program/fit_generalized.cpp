#include <rapport/data/expression.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "fit.hpp"
#include <cmath>
#include <utility>
#include <variant>

namespace rapport::program {
namespace {

/// "ar1(session | therapist/patient)" in its parts.
struct Call {
  std::string name;
  std::string argument;  ///< "session"; empty without parentheses
  std::string group;     ///< "therapist/patient"; empty without a bar
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Call parse_call(const std::string& text, const std::string& option) {
  const std::size_t open = text.find('(');
  Call call{.name = trimmed(text.substr(0, open)), .argument = {}, .group = {}};
  if (open == std::string::npos) return call;
  const std::size_t close = text.rfind(')');
  if (close == std::string::npos || close < open || !trimmed(text.substr(close + 1)).empty()) {
    throw UsageError(option + ": \"" + text + "\" lacks its closing parenthesis");
  }
  const std::string inside = text.substr(open + 1, close - open - 1);
  const std::size_t bar = inside.find('|');
  call.argument = trimmed(inside.substr(0, bar));
  if (bar != std::string::npos) call.group = trimmed(inside.substr(bar + 1));
  return call;
}

/// The residual structure as the command line names it.
struct StructureRequest {
  ResidualCorrelation correlation = ResidualCorrelation::independent;
  std::string time;
  std::string group;
  VarianceFunction variance = VarianceFunction::constant;
  std::string covariate;
};

StructureRequest parse_structure(const FitArguments& arguments) {
  StructureRequest request;
  const Call residual = parse_call(arguments.residual, "--residual");
  request.correlation =
      choose<ResidualCorrelation>("--residual", residual.name,
                                  {{"independent", ResidualCorrelation::independent},
                                   {"ar1", ResidualCorrelation::ar1},
                                   {"car1", ResidualCorrelation::car1},
                                   {"car1-nugget", ResidualCorrelation::car1_nugget},
                                   {"arma", ResidualCorrelation::arma11},
                                   {"toeplitz", ResidualCorrelation::toeplitz},
                                   {"cs", ResidualCorrelation::compound_symmetry},
                                   {"unstructured", ResidualCorrelation::unstructured}});
  const bool exchangeable = request.correlation == ResidualCorrelation::compound_symmetry;
  if (exchangeable) {
    request.group = residual.group.empty() ? residual.argument : residual.group;
  } else {
    request.time = residual.argument;
    request.group = residual.group;
  }
  const bool independent = request.correlation == ResidualCorrelation::independent;
  if (!independent && (request.group.empty() || (!exchangeable && request.time.empty()))) {
    throw UsageError("--residual: \"" + arguments.residual + "\" must be " + residual.name +
                     (exchangeable ? "(GROUP)" : "(TIME | GROUP)"));
  }
  const Call variance = parse_call(arguments.variance, "--variance");
  request.variance = choose<VarianceFunction>("--variance", variance.name,
                                              {{"constant", VarianceFunction::constant},
                                               {"ident", VarianceFunction::by_level},
                                               {"power", VarianceFunction::power},
                                               {"exp", VarianceFunction::exponential}});
  request.covariate = variance.argument;
  if (request.variance != VarianceFunction::constant && request.covariate.empty()) {
    throw UsageError("--variance: \"" + arguments.variance + "\" must be " + variance.name +
                     "(COLUMN)");
  }
  return request;
}

Factor factor_of(const std::string& text, const Table& table) {
  const std::variant<Eigen::VectorXd, Factor> value = evaluate(parse_expression(text), table);
  if (const auto* factor = std::get_if<Factor>(&value)) return *factor;
  return make_factor(std::get<Eigen::VectorXd>(value));
}

/// "therapist/patient" or "therapist:patient": the combinations.
Factor groups_of(const std::string& text, const Table& table) {
  const std::size_t cut = text.find_first_of("/:");
  if (cut == std::string::npos) return factor_of(text, table);
  return cross(factor_of(trimmed(text.substr(0, cut)), table),
               groups_of(trimmed(text.substr(cut + 1)), table));
}

Eigen::VectorXd numbers_of(const std::string& text, const Table& table, const std::string& option) {
  const std::variant<Eigen::VectorXd, Factor> value = evaluate(parse_expression(text), table);
  if (const auto* numbers = std::get_if<Eigen::VectorXd>(&value)) return *numbers;
  throw DataError(option + ": " + text + " is categorical; numbers are required");
}

/// The structure on the rows of a design, and those rows of the design that miss nothing of it.
struct PreparedStructure {
  Design design;
  ResidualStructure structure;
};

PreparedStructure prepare(const StructureRequest& request, const Table& table, Design design) {
  const bool correlated = request.correlation != ResidualCorrelation::independent;
  const bool by_level = request.variance == VarianceFunction::by_level;
  const bool timed = correlated && request.correlation != ResidualCorrelation::compound_symmetry;
  const bool covaried = request.variance == VarianceFunction::power ||
                        request.variance == VarianceFunction::exponential;
  Factor groups;
  Factor strata;
  Eigen::VectorXd time;
  Eigen::VectorXd covariate;
  if (correlated) groups = groups_of(request.group, table);
  if (timed) time = numbers_of(request.time, table, "--residual");
  if (by_level) strata = factor_of(request.covariate, table);
  if (covaried) covariate = numbers_of(request.covariate, table, "--variance");

  std::vector<Index> kept;
  for (std::size_t i = 0; i < design.rows.size(); ++i) {
    const Index row = design.rows[i];
    const auto at = static_cast<std::size_t>(row);
    const bool misses = (correlated && groups.codes[at] < 0) || (timed && std::isnan(time[row])) ||
                        (by_level && strata.codes[at] < 0) ||
                        (covaried && std::isnan(covariate[row]));
    if (!misses) kept.push_back(static_cast<Index>(i));
  }
  const auto dropped = static_cast<Index>(design.rows.size() - kept.size());
  if (dropped > 0) {
    const Index omitted = design.n_omitted;
    design = select(design, kept);
    design.n_omitted = omitted + dropped;
  }
  ResidualStructure structure{.correlation = request.correlation, .variance = request.variance};
  if (correlated) structure.group = select(groups, design.rows).codes;
  if (timed) structure.time = time(design.rows);
  if (by_level) {
    Factor used = select(strata, design.rows);
    structure.stratum = std::move(used.codes);
    structure.strata = std::move(used.levels);
  }
  if (covaried) structure.covariate = covariate(design.rows);
  return {.design = std::move(design), .structure = std::move(structure)};
}

/// What both kinds of model add in the same way.
class Extras {
 public:
  Extras(const FitArguments& arguments, const Design& design, const MixedFit& fit,
         const FixedInference& inference)
      : arguments_(arguments), design_(design), fit_(fit), inference_(inference) {}

  void add(Outcome& outcome, const Eigen::VectorXd& fitted) const {
    if (arguments_.random_effects) {
      const Json blups = report::blups_json(fit_);
      outcome.result.set("blups", blups);
      outcome.text += "\nRandom effects of the levels\n" + report::plain_text(blups);
    }
    if (arguments_.fitted) {
      outcome.result.set("fitted", Json(fitted));
      outcome.result.set("residuals", Json(Eigen::VectorXd(design_.response - fitted)));
    }
    add_means(outcome);
  }

  /// `predictor(rows, options)` predicts.
  template <class Predictor>
  void add_predictions(Outcome& outcome, const Predictor& predictor) const {
    if (arguments_.predict.empty()) return;
    const Table rows = load_further_table(*arguments_.common, arguments_.predict);
    const Json predictions = report::to_json(
        predictor(rows, PredictOptions{.population = arguments_.population,
                                       .confidence_level = arguments_.common->level}));
    outcome.result.set("predictions", predictions);
    outcome.text += "\nPredictions (linear predictor)\n" + report::plain_text(predictions);
  }

 private:
  void add_means(Outcome& outcome) const {
    if (!arguments_.means.empty()) {
      const ByClause clause = parse_by_clause(arguments_.means, "--means");
      const MarginalMeans means =
          marginal_means(design_, fit_.fixed, inference_, clause.first, clause.by);
      outcome.result.set("means", report::means_json(means));
      outcome.result.set("mean_differences", report::mean_differences_json(means));
      outcome.text += report::means_text(means);
    }
    if (!arguments_.slopes.empty()) {
      const ByClause clause = parse_by_clause(arguments_.slopes, "--slopes");
      const SimpleSlopes slopes = simple_slopes(design_, fit_.fixed, inference_, clause.first,
                                                clause.by, clause.values, arguments_.common->level);
      outcome.result.set("slopes", report::slopes_json(slopes));
      if (slopes.region) outcome.result.set("johnson_neyman", report::to_json(*slopes.region));
      outcome.text +=
          report::slopes_text(slopes, clause.first, clause.by, arguments_.common->level);
    }
  }

  const FitArguments& arguments_;
  const Design& design_;
  const MixedFit& fit_;
  const FixedInference& inference_;
};

Outcome outcome_of(Json result, std::string text, std::vector<std::string> warnings,
                   const Table& table, const Design& design) {
  return {.result = std::move(result),
          .main_table = "fixed_effects",
          .text = std::move(text),
          .warnings = std::move(warnings),
          .rows = table.rows(),
          .used = static_cast<Index>(design.rows.size())};
}

/// Refuses options that the model has no answer for, rather than leave them out silently.
void refuse(const FitArguments& arguments, const std::string& model) {
  const auto unless = [&](bool fine, const std::string& option) {
    if (!fine) throw UsageError(option + ": not available for " + model);
  };
  unless(arguments.ci == "wald", "--ci " + arguments.ci);
  unless(arguments.influence.empty(), "--influence");
  unless(arguments.simulate == 0, "--simulate");
}

Json comparison_json(double value_a, Index parameters_a, double value_b, Index parameters_b) {
  const double statistic =
      std::max(0.0, parameters_a > parameters_b ? value_b - value_a : value_a - value_b);
  const auto df = static_cast<double>(std::abs(parameters_a - parameters_b));
  return report::to_json(LikelihoodRatioTest{.statistic = statistic,
                                             .df = df,
                                             .p_value = chi_squared_upper_tail(statistic, df),
                                             .p_value_boundary = std::nan("")});
}

void require_same_rows(const Design& a, const Design& b) {
  if (a.rows != b.rows) {
    throw DataError(
        "--against: the two models use different rows, because a variable of one of them is "
        "missing in some; keep the rows that both can use with --where");
  }
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
  const Extras extras(arguments, design, linear, inference);
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

Outcome fit_structure(const FitArguments& arguments, const Formula& formula, const Table& table) {
  refuse(arguments, "a residual structure");
  const StructureRequest request = parse_structure(arguments);
  if (arguments.df == "kenward-roger") {
    throw UsageError(
        "--df kenward-roger: not available for a residual structure; use satterthwaite");
  }
  const PreparedStructure prepared =
      prepare(request, table,
              make_design(formula, table, design_options(arguments, ResponseKind::numeric)));
  const FitOptions options{.criterion = arguments.ml ? Criterion::ml : Criterion::reml};
  const ResidualFit fit = fit_residual_model(prepared.design, prepared.structure, options);
  const FixedInference inference(fit.fit, parse_degrees_of_freedom(arguments.df).value(),
                                 arguments.common->level);
  MixedSummary summary = summarize(prepared.design, fit.fit, inference);
  summary.formula = arguments.formula;
  Outcome outcome = outcome_of(report::to_json(summary, fit), report::residual_text(summary, fit),
                               summary.warnings, table, prepared.design);
  const Extras extras(arguments, prepared.design, fit.fit, inference);
  extras.add(outcome, fit.fitted);
  extras.add_predictions(outcome, [&](const Table& rows, PredictOptions predict_options) {
    predict_options.errors_of_effects = false;  // they would be those of independent residuals
    return predict(prepared.design, fit.fit, rows, predict_options, inference.covariance());
  });
  const bool without_errors =
      !arguments.predict.empty() && !arguments.population && !prepared.design.random.empty();
  if (without_errors) {
    outcome.warnings.push_back(
        "--predict: no standard errors of conditional predictions under a residual structure; "
        "--population has them");
  }
  if (!arguments.against.empty()) {
    // Different fixed effects can only be compared by ML.
    const PreparedStructure other =
        prepare(request, table,
                make_design(parse_formula(arguments.against), table,
                            design_options(arguments, ResponseKind::numeric)));
    require_same_rows(prepared.design, other.design);
    const ResidualFit first =
        fit_residual_model(prepared.design, prepared.structure, {.criterion = Criterion::ml});
    const ResidualFit second =
        fit_residual_model(other.design, other.structure, {.criterion = Criterion::ml});
    outcome.result.set(
        "likelihood_ratio",
        comparison_json(first.fit.criterion.value, first.fit.criterion.parameters,
                        second.fit.criterion.value, second.fit.criterion.parameters));
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
  return fit_structure(arguments, formula, table);
}

}  // namespace rapport::program
