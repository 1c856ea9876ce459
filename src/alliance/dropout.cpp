#include <rapport/alliance/dropout.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace rapport {
namespace {

void validate(const PersonPeriod& period, const HazardOptions& options) {
  require_level("dropout_hazard", "confidence_level", options.confidence_level);
  if (options.link != Link::logit && options.link != Link::cloglog)
    throw InvalidArgument("dropout_hazard: `link` is " + std::string(to_string(options.link)) +
                          "; must be logit or cloglog");
  const bool needs_therapist = options.frailty == Frailty::therapist || options.therapist_level;
  if (needs_therapist && period.columns.therapist.empty())
    throw InvalidArgument("dropout_hazard: therapists are asked for and no column names them");
}

std::string formula_of(const PersonPeriod& period, const HazardOptions& options) {
  const DropoutColumns& columns = period.columns;
  std::string formula =
      "leaves ~ " + (options.baseline.empty() ? quoted_name(columns.session) : options.baseline) +
      " + alliance_within + " +
      (options.therapist_level ? "alliance_between_patient + alliance_between_therapist"
                               : "alliance_between");
  if (!options.covariates.empty()) formula += " + " + options.covariates;
  if (options.frailty != Frailty::none)
    formula +=
        " + (1 | " +
        quoted_name(options.frailty == Frailty::patient ? columns.patient : columns.therapist) +
        ")";
  return formula;
}

Index points_of(const HazardOptions& options) {
  if (options.quadrature_points > 0) return options.quadrature_points;
  return options.frailty == Frailty::patient ? 15 : 1;
}

std::vector<HazardTerm> terms_of(const GeneralizedFit& fit, double level) {
  std::vector<HazardTerm> terms;
  for (std::size_t k = 0; k < fit.fixed.terms.size(); ++k) {
    const double b = fit.fixed.estimate[static_cast<Index>(k)];
    const double se = fit.fixed.standard_error[static_cast<Index>(k)];
    const ConfidenceInterval ci = normal_interval(b, se, level);
    terms.push_back({.term = fit.fixed.terms[k],
                     .estimate = b,
                     .standard_error = se,
                     .statistic = b / se,
                     .p_value = normal_p_value(b / se),
                     .ci = ci,
                     .odds_ratio = std::exp(b),
                     .ratio_ci = {std::exp(ci.lower), std::exp(ci.upper), level}});
  }
  return terms;
}

void require_events(const PersonPeriod& period, const Design& design) {
  const Index left = (design.response.array() == 1).count();
  const std::string who =
      period.columns.dropout.empty() ? "" : " (column \"" + period.columns.dropout + "\")";
  if (left == 0)
    throw DataError(period.n_left == 0
                        ? "dropout: no patient left" + who
                        : "dropout: nobody who left" + who + " has what the model needs, such as " +
                              "the alliance in the last session",
                    period.table.origin().file);
}

/// Twice the gain in log-likelihood by the frailty, and half the p-value of χ²(1).
void test_frailty(const Design& design, const GeneralizedOptions& options, DropoutHazard& result) {
  Design without = design;
  without.random.clear();
  const GeneralizedFit fit = fit_generalized_model(without, options);
  result.frailty_statistic =
      std::max(0.0, 2 * (result.log_likelihood - fit.criterion.log_likelihood));
  result.frailty_p_value = 0.5 * chi_squared_upper_tail(result.frailty_statistic, 1);
}

}  // namespace

DropoutHazard dropout_hazard(const PersonPeriod& period, const HazardOptions& options) {
  validate(period, options);
  DropoutHazard result{};
  result.formula = formula_of(period, options);
  const Design design =
      make_design(parse_formula(result.formula), period.table, {.response = ResponseKind::binary});
  require_events(period, design);
  GeneralizedOptions engine{.family = Family::binomial,
                            .link = options.link,
                            .quadrature_points = design.random.empty() ? 1 : points_of(options)};
  const GeneralizedFit fit = fit_generalized_model(design, engine);
  if (!fit.optimizer.converged)
    throw DataError("dropout: the model of the hazard did not converge");
  result.link = options.link;
  result.method = fit.method;
  result.terms = terms_of(fit, options.confidence_level);
  result.frailty = options.frailty;
  result.frailty_sd = fit.random.empty() ? missing : fit.random[0].sd[0];
  result.frailty_statistic = result.frailty_p_value = missing;
  result.log_likelihood = fit.criterion.log_likelihood;
  if (!fit.random.empty()) {
    engine.quadrature_points = 1;
    test_frailty(design, engine, result);
  }
  result.n_sessions = fit.data.observations;
  const Eigen::VectorXd& leaves = period.table.numbers("leaves");
  result.n_omitted = (leaves.array() == leaves.array()).count() - result.n_sessions;
  result.n_left = (design.response.array() == 1).count();
  const Factor patient = period.table.factor(period.columns.patient);
  std::set<std::int32_t> patients;
  for (const Index row : design.rows) patients.insert(patient.codes[static_cast<std::size_t>(row)]);
  result.n_patients = static_cast<Index>(patients.size());
  result.warnings = fit.warnings;
  if (period.n_left_unrated > 0)
    result.warnings.push_back(
        std::to_string(period.n_left_unrated) + " of " + std::to_string(period.n_left) +
        " patients who left miss the alliance of their last session: the model does not see them "
        "leave (a rating may be carried forward, or imputed)");
  for (const std::string& column : fit.fixed.dropped)
    result.warnings.push_back(column + " depends on other terms and is left out");
  return result;
}

}  // namespace rapport
