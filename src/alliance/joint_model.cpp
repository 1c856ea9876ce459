#include <rapport/alliance/joint_model.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/mixed/fit.hpp>

#include <Eigen/Cholesky>

#include "joint_likelihood.hpp"
#include <algorithm>
#include <cmath>
#include <map>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Both models fitted alone: where the search begins, and what the joint fit is set against.
struct SeparateFits {
  Design outcome;
  Design hazard;
  MixedFit of_outcome;
  GeneralizedFit of_hazard;
};

void validate(const Design& outcome, const PersonPeriod& period, const JointOptions& options) {
  require_level("joint_model", "confidence_level", options.confidence_level);
  if (options.link != Link::logit && options.link != Link::cloglog)
    throw InvalidArgument("joint_model: `link` is " + std::string(to_string(options.link)) +
                          "; must be logit or cloglog");
  if (options.quadrature_points < 5 || options.quadrature_points > 50)
    throw InvalidArgument("joint_model: `quadrature_points` is " +
                          std::to_string(options.quadrature_points) + "; must lie in 5 … 50");
  if (outcome.random.size() != 1 || outcome.random.front().factor != period.columns.patient ||
      outcome.random.front().columns.cols() > 2)
    throw InvalidArgument("joint_model: `outcome` needs one random term, (1 | " +
                          period.columns.patient + ") or (1 + session | " + period.columns.patient +
                          ")");
}

void require_full_rank(const FixedEffects& fixed, const char* of) {
  if (!fixed.dropped.empty())
    throw DataError("joint_model: `" + fixed.dropped.front() + "` of the " + of +
                    " depends on other terms; leave it out");
}

SeparateFits fit_separately(const PersonPeriod& period, const std::string& outcome,
                            const std::string& hazard, const JointOptions& options) {
  const Formula formula = parse_formula("leaves ~ " + hazard);
  if (!formula.random.empty())
    throw InvalidArgument("joint_model: `hazard` has a random term; its effects are the outcome's");
  SeparateFits fits{
      .outcome = make_design(parse_formula(outcome), period.table),
      .hazard = make_design(formula, period.table, {.response = ResponseKind::binary}),
      .of_outcome = {},
      .of_hazard = {}};
  validate(fits.outcome, period, options);
  if (!(fits.hazard.response.array() == 1).any())
    throw DataError("joint_model: no patient left in the rows that can be used",
                    period.table.origin().file);
  fits.of_outcome = fit_mixed_model(fits.outcome, {.criterion = Criterion::ml});
  fits.of_hazard =
      fit_generalized_model(fits.hazard, {.family = Family::binomial, .link = options.link});
  require_full_rank(fits.of_outcome.fixed, "outcome");
  require_full_rank(fits.of_hazard.fixed, "hazard");
  return fits;
}

/// Rows of each patient, by the code in the period's table.
std::map<std::int32_t, std::vector<Index>> rows_by_patient(const Factor& patient,
                                                           const std::vector<Index>& rows) {
  std::map<std::int32_t, std::vector<Index>> by_patient;
  for (std::size_t i = 0; i < rows.size(); ++i)
    by_patient[patient.codes[static_cast<std::size_t>(rows[i])]].push_back(static_cast<Index>(i));
  return by_patient;
}

std::vector<JointPatient> patients_of(const PersonPeriod& period, const SeparateFits& fits,
                                      SharedPart shared) {
  const Factor patient = period.table.factor(period.columns.patient);
  auto outcomes = rows_by_patient(patient, fits.outcome.rows);
  auto hazards = rows_by_patient(patient, fits.hazard.rows);
  MatrixXd lines;  // Z at the rows at risk
  if (shared == SharedPart::current)
    lines = plan_columns(fits.outcome.frame, fits.outcome.frame.random.front(),
                         period.table.select(fits.hazard.rows));
  VectorXd response = fits.outcome.response;
  if (fits.outcome.offset.size() > 0) response -= fits.outcome.offset;
  std::vector<JointPatient> patients;
  for (std::int32_t code = 0; code < patient.level_count(); ++code) {
    const std::vector<Index>& y = outcomes[code];
    const std::vector<Index>& d = hazards[code];
    if (y.empty() && d.empty()) continue;
    patients.push_back({.response = response(y),
                        .fixed = fits.outcome.fixed(y, Eigen::all),
                        .random = fits.outcome.random.front().columns(y, Eigen::all),
                        .left = fits.hazard.response(d),
                        .hazard = fits.hazard.fixed(d, Eigen::all),
                        .shared = {}});
    if (shared == SharedPart::current) patients.back().shared = lines(d, Eigen::all);
  }
  return patients;
}

VectorXd start_of(const SeparateFits& fits, const JointLayout& layout) {
  VectorXd start = VectorXd::Zero(layout.size());
  start.head(layout.fixed) = fits.of_outcome.fixed.estimate;
  start[layout.log_sigma()] = std::log(fits.of_outcome.residual.sd);
  MatrixXd covariance = fits.of_outcome.random.front().covariance;
  covariance.diagonal() *= 1.01;  // a singular fit would hold the search where it is
  covariance.diagonal().array() += 1e-4 * covariance.diagonal().maxCoeff() + 1e-8;
  const MatrixXd lower = Eigen::LLT<MatrixXd>(covariance).matrixL();
  Index at = layout.factor();
  for (Index j = 0; j < layout.effects; ++j)
    for (Index i = j; i < layout.effects; ++i) start[at++] = lower(i, j);
  start.segment(layout.gamma(), layout.hazard) = fits.of_hazard.fixed.estimate;
  return start;
}

JointTerm term_of(const std::string& name, double estimate, double standard_error, double separate,
                  double separate_error, double level) {
  return {.term = name,
          .estimate = estimate,
          .standard_error = standard_error,
          .statistic = estimate / standard_error,
          .p_value = normal_p_value(estimate / standard_error),
          .ci = normal_interval(estimate, standard_error, level),
          .separate = separate,
          .separate_standard_error = separate_error};
}

/// Minus the inverse of the Jacobian of the score, by central differences of two widths in the
/// units of `errors`, extrapolated; NaN where that is no covariance matrix.
MatrixXd covariance_of(const JointLikelihood& likelihood, const VectorXd& at,
                       const VectorXd& errors) {
  const Index n = at.size();
  const auto score_at = [&](Index k, double by) {
    VectorXd moved = at;
    moved[k] += by;
    MatrixXd scores;
    (void)likelihood.evaluate(moved, scores);
    return VectorXd(scores.rowwise().sum());
  };
  MatrixXd jacobian(n, n);
  for (Index k = 0; k < n; ++k) {
    const double step = 0.02 * errors[k];
    const VectorXd narrow = (score_at(k, step) - score_at(k, -step)) / (2 * step);
    const VectorXd wide = (score_at(k, 2 * step) - score_at(k, -2 * step)) / (4 * step);
    jacobian.col(k) = (4 * narrow - wide) / 3;
  }
  const MatrixXd information = -0.5 * (jacobian + jacobian.transpose());
  const Eigen::LLT<MatrixXd> root(information);
  if (root.info() != Eigen::Success) return MatrixXd::Constant(n, n, missing);
  return root.solve(MatrixXd::Identity(n, n));
}

void add_terms(JointModel& model, const SeparateFits& fits, const JointLayout& layout,
               const VectorXd& estimate, const MatrixXd& covariance, double level) {
  const auto se = [&](Index k) { return std::sqrt(covariance(k, k)); };
  for (Index k = 0; k < layout.fixed; ++k)
    model.outcome.push_back(term_of(fits.outcome.fixed_terms[static_cast<std::size_t>(k)],
                                    estimate[k], se(k), fits.of_outcome.fixed.estimate[k],
                                    fits.of_outcome.fixed.standard_error[k], level));
  for (Index k = 0; k < layout.hazard; ++k) {
    const Index at = layout.gamma() + k;
    model.hazard.push_back(term_of(fits.hazard.fixed_terms[static_cast<std::size_t>(k)],
                                   estimate[at], se(at), fits.of_hazard.fixed.estimate[k],
                                   fits.of_hazard.fixed.standard_error[k], level));
  }
  for (Index k = 0; k < layout.associations; ++k) {
    const Index at = layout.alpha() + k;
    const std::string name = model.shared == SharedPart::current
                                 ? "current"
                                 : fits.outcome.random.front().terms[static_cast<std::size_t>(k)];
    model.association.push_back(term_of(name, estimate[at], se(at), 0, missing, level));
  }
}

}  // namespace

JointModel joint_model(const PersonPeriod& period, const std::string& outcome,
                       const std::string& hazard, const JointOptions& options) {
  const SeparateFits fits = fit_separately(period, outcome, hazard, options);
  const Index q = fits.outcome.random.front().columns.cols();
  const JointLayout layout{.fixed = fits.outcome.fixed.cols(),
                           .effects = q,
                           .hazard = fits.hazard.fixed.cols(),
                           .associations = options.shared == SharedPart::current ? 1 : q};
  const JointLikelihood likelihood(patients_of(period, fits, options.shared), layout, options.link,
                                   options.quadrature_points, options.threads);
  const VectorXd start = start_of(fits, layout);
  MatrixXd scores;
  (void)likelihood.evaluate(start, scores);
  MinimizeOptions search{.iterations = options.iterations, .gradient_tolerance = 1e-9};
  search.initial_hessian = scores * scores.transpose();
  search.initial_hessian.diagonal() *= 1.0001;
  const Optimum optimum = minimize_bfgs(
      [&](const VectorXd& parameters, Derivatives& at) {
        MatrixXd of_patients;
        at.value = -likelihood.evaluate(parameters, of_patients);
        at.gradient = -of_patients.rowwise().sum();
      },
      start, search);

  JointModel model{};
  model.outcome_formula = to_string(parse_formula(outcome));
  model.hazard_formula = to_string(parse_formula("leaves ~ " + hazard));
  model.link = options.link;
  model.shared = options.shared;
  const VectorXd errors = search.initial_hessian.diagonal().cwiseSqrt().cwiseInverse();
  const MatrixXd covariance = covariance_of(likelihood, optimum.argument, errors);
  add_terms(model, fits, layout, optimum.argument, covariance, options.confidence_level);
  const MatrixXd factor = layout.factor_of(optimum.argument);
  model.random_covariance = factor * factor.transpose();
  model.random_sd = model.random_covariance.diagonal().cwiseSqrt();
  model.residual_sd = std::exp(optimum.argument[layout.log_sigma()]);
  model.log_likelihood = -optimum.value;
  model.separate_log_likelihood =
      fits.of_outcome.criterion.log_likelihood + fits.of_hazard.criterion.log_likelihood;
  model.statistic = std::max(0.0, 2 * (model.log_likelihood - model.separate_log_likelihood));
  model.df = static_cast<double>(layout.associations);
  model.p_value = chi_squared_upper_tail(model.statistic, model.df);
  model.n_patients = static_cast<Index>(scores.cols());
  model.n_outcomes = fits.outcome.response.size();
  model.n_sessions = fits.hazard.response.size();
  model.n_left = (fits.hazard.response.array() == 1).count();
  // A rounding error away from the optimum the line search finds no better point: what counts is
  // how far a Newton step would still go, in standard errors.
  VectorXd gradient;
  (void)likelihood.evaluate(optimum.argument, scores);
  gradient = scores.rowwise().sum();
  const double decrement = gradient.dot(covariance * gradient);
  model.converged = decrement < 1e-6;
  if (!model.converged)
    model.warnings.emplace_back(
        "the search did not end in a maximum; fewer shared effects, or a random intercept only, "
        "may help");
  if (fits.of_outcome.optimizer.singular)
    model.warnings.emplace_back("the outcome's random effects are singular: " +
                                fits.of_outcome.optimizer.message);
  for (const std::string& warning : fits.of_hazard.warnings) model.warnings.push_back(warning);
  return model;
}

}  // namespace rapport
