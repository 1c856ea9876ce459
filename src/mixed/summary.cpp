#include <rapport/base/missing.hpp>
#include <rapport/mixed/summary.hpp>

#include "describe.hpp"
#include <algorithm>
#include <charconv>
#include <sstream>

namespace rapport {
namespace {

std::vector<std::pair<std::string, Index>> groups_of(const MixedFit& fit) {
  std::vector<std::pair<std::string, Index>> groups;
  for (const RandomEffects& term : fit.random) {
    const std::pair<std::string, Index> group(term.factor, static_cast<Index>(term.levels.size()));
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  return groups;
}

std::vector<ParameterInterval> wald_intervals(const FixedEffects& fixed,
                                              const std::vector<ContrastEstimate>& estimates) {
  std::vector<ParameterInterval> intervals;
  for (std::size_t j = 0; j < fixed.terms.size(); ++j)
    intervals.push_back({.parameter = fixed.terms[j],
                         .estimate = estimates[j].estimate,
                         .standard_error = estimates[j].standard_error,
                         .ci = estimates[j].ci});
  return intervals;
}

bool reads_as_number(const std::string& text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

/// A predictor whose levels are numbers but for a few is more likely a column with a slip in it.
void warn_of_numbers_as_levels(const Design& design, std::vector<std::string>& warnings) {
  for (const ModelVariable& variable : design.frame.variables) {
    const auto slip =
        std::find_if_not(variable.levels.begin(), variable.levels.end(), reads_as_number);
    const auto numbers =
        std::count_if(variable.levels.begin(), variable.levels.end(), reads_as_number);
    if (slip == variable.levels.end() || numbers < 3 ||
        10 * numbers < 8 * static_cast<Index>(variable.levels.size()))
      continue;
    warnings.push_back("\"" + variable.name + "\" is treated as categorical because of \"" + *slip +
                       "\"; if it is a number, correct the cell or name it as missing (--na)");
  }
}

std::vector<std::string> warnings_of(const Design& design, const MixedFit& fit) {
  std::vector<std::string> warnings;
  warn_of_numbers_as_levels(design, warnings);
  if (!fit.fixed.dropped.empty()) warnings.push_back(detail::describe_dropped(fit.fixed.dropped));
  if (fit.optimizer.singular || !fit.optimizer.converged) warnings.push_back(fit.optimizer.message);
  if (design.n_omitted > 0) {
    std::ostringstream text;
    text << design.n_omitted << (design.n_omitted == 1 ? " row misses" : " rows miss")
         << " a variable of the model and " << (design.n_omitted == 1 ? "was" : "were")
         << " left out (";
    for (std::size_t k = 0; k < design.frame.missing_values.size(); ++k)
      text << (k > 0 ? ", " : "") << design.frame.missing_values[k].first << ": "
           << design.frame.missing_values[k].second;
    text << ")";
    warnings.push_back(text.str());
  }
  return warnings;
}

std::vector<FormulaTerm> as_set(std::vector<FormulaTerm> terms) {
  for (FormulaTerm& term : terms) std::sort(term.begin(), term.end());
  std::sort(terms.begin(), terms.end());
  return terms;
}

bool same_fixed_effects(const Formula& a, const Formula& b) {
  return a.intercept == b.intercept && a.offsets == b.offsets && as_set(a.fixed) == as_set(b.fixed);
}

}  // namespace

std::optional<IntervalMethod> parse_interval_method(std::string_view text) {
  if (text == "wald") return IntervalMethod::wald;
  if (text == "profile") return IntervalMethod::profile;
  if (text == "boot") return IntervalMethod::bootstrap;
  return std::nullopt;
}

MixedSummary summarize(const Design& design, const MixedFit& fit, const FixedInference& inference) {
  MixedSummary summary{
      .formula = design.frame.formula.response.empty() ? "" : to_string(design.frame.formula),
      .fit = fit,
      .groups = groups_of(fit),
      .fixed = {},
      .fixed_covariance = inference.covariance(),
      .tests = {},
      .intervals = {},
      .explained =
          design.fixed.rows() > 0
              ? variance_explained(design, fit)
              : variance_explained(fit, missing, std::vector<double>(fit.random.size(), missing)),
      .warnings = warnings_of(design, fit)};
  const auto p = static_cast<Index>(fit.fixed.terms.size());
  for (Index j = 0; j < p; ++j)
    summary.fixed.push_back(inference.contrast(Eigen::VectorXd::Unit(p, j)));
  if (!design.frame.fixed.terms.empty()) summary.tests = type3_tests(design, fit.fixed, inference);
  summary.intervals = wald_intervals(fit.fixed, summary.fixed);
  return summary;
}

MixedSummary summarize(const Design& design, const MixedModel& model, const MixedFit& fit,
                       const FixedInference& inference, const SummaryOptions& options) {
  MixedSummary summary = summarize(design, fit, inference);
  switch (options.intervals) {
    case IntervalMethod::wald:
      break;
    case IntervalMethod::profile:
      summary.intervals = profile_intervals(model, options.confidence_level);
      break;
    case IntervalMethod::bootstrap:
      summary.intervals = parametric_bootstrap(model, fit, options.seed,
                                               {.replicates = options.replicates,
                                                .confidence_level = options.confidence_level,
                                                .threads = options.threads,
                                                .progress = options.progress})
                              .intervals;
      break;
  }
  return summary;
}

MixedSummary analyse_mixed_model(const Formula& formula, const Table& table,
                                 const FitOptions& fit_options, const SummaryOptions& options,
                                 const DesignOptions& design_options) {
  const Design design = make_design(formula, table, design_options);
  const MixedModel model(design, fit_options.threads);
  const MixedFit fit = model.fit(fit_options);
  const FixedInference inference(model, fit, options.df, options.confidence_level);
  return summarize(design, model, fit, inference, options);
}

LikelihoodRatioTest compare_models(const Formula& a, const Formula& b, const Table& table,
                                   const FitOptions& options, const DesignOptions& design_options) {
  FitOptions both = options;
  both.random_effects = false;
  if (!same_fixed_effects(a, b)) both.criterion = Criterion::ml;
  Design design_a = make_design(a, table, design_options);
  Design design_b = make_design(b, table, design_options);
  if (design_a.rows != design_b.rows) {
    std::vector<Index> rows;
    std::set_intersection(design_a.rows.begin(), design_a.rows.end(), design_b.rows.begin(),
                          design_b.rows.end(), std::back_inserter(rows));
    const Table common = table.select(rows);
    design_a = make_design(a, common, design_options);
    design_b = make_design(b, common, design_options);
  }
  return likelihood_ratio_test(fit_mixed_model(design_a, both), fit_mixed_model(design_b, both));
}

}  // namespace rapport
