#include <rapport/alliance/lags.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/moments.hpp>

#include <cmath>
#include <set>

namespace rapport {
namespace {

/// The names that the formulas are built from.
class LagTerms {
 public:
  explicit LagTerms(const StudyColumns& columns)
      : patient_(quoted_name(columns.patient)), session_(quoted_name(columns.session)) {}

  /// "within(lag(lag(x, P, S), P, S), P)" for two steps.
  [[nodiscard]] std::string before(const std::string& x, Index steps = 1) const {
    std::string lagged = quoted_name(x);
    for (Index k = 0; k < steps; ++k)
      lagged = "lag(" + lagged + ", " + patient_ + ", " + session_ + ")";
    return "within(" + lagged + ", " + patient_ + ")";
  }
  [[nodiscard]] std::string between(const std::string& x) const {
    return "between(" + quoted_name(x) + ", " + patient_ + ")";
  }

 private:
  std::string patient_;
  std::string session_;
};

std::string random_intercepts(const StudyColumns& columns) {
  std::string random = "(1 | " + quoted_name(columns.patient) + ")";
  if (!columns.therapist.empty()) random += " + (1 | " + quoted_name(columns.therapist) + ")";
  return random;
}

Index patients_used(const FittedModel& model, const Factor& patient) {
  std::set<std::int32_t> codes;
  for (const Index row : model.design().rows)
    codes.insert(patient.codes[static_cast<std::size_t>(row)]);
  return static_cast<Index>(codes.size());
}

Index sessions_used(const FittedModel& model) {
  return static_cast<Index>(model.design().rows.size());
}

/// The k-th term of the formula (from 0).
const std::string& fixed_term(const FittedModel& model, std::size_t k) {
  return model.design().frame.formula.fixed[k].front();
}

/// Times between neighbouring rows of the same patient.
double median_gap(const Table& table, const StudyColumns& columns) {
  const Panel panel =
      make_panel(table, {.patient = columns.patient, .session = columns.session, .therapist = ""});
  const Eigen::VectorXd& time = table.numbers(columns.time);
  std::vector<double> gaps;
  for (std::size_t k = 1; k < panel.order.size(); ++k) {
    const auto a = static_cast<std::size_t>(panel.order[k - 1]);
    const auto b = static_cast<std::size_t>(panel.order[k]);
    const double gap = time[panel.order[k]] - time[panel.order[k - 1]];
    if (panel.patient.codes[a] == panel.patient.codes[b] && !is_missing(gap)) gaps.push_back(gap);
  }
  if (gaps.empty()) return missing;
  return median(Eigen::Map<const Eigen::VectorXd>(gaps.data(), static_cast<Index>(gaps.size())));
}

}  // namespace

std::string lagged_formula(const StudyColumns& columns, const std::string& predictor,
                           const std::string& outcome) {
  return distributed_lag_formula(columns, predictor, outcome, 1);
}

LaggedInfluence lagged_influence(const FittedModel& model, const Table& table,
                                 const StudyColumns& columns) {
  const std::string& predictor = fixed_term(model, 1);
  const std::string& own = fixed_term(model, 2);
  const Factor patient = table.factor(columns.patient);
  const auto sd = [&](const std::string& text) {
    return moments(within_group(std::get<Eigen::VectorXd>(evaluate(parse_expression(text), table)),
                                patient))
        .sd;
  };
  LaggedInfluence result{};
  result.effect = model.effect(predictor);
  result.autoregression = model.effect(own);
  result.standardized =
      result.effect.estimate * sd(predictor) / sd(model.design().frame.formula.response);
  result.n_sessions = sessions_used(model);
  result.n_patients = patients_used(model, patient);
  return result;
}

ReciprocalInfluence reciprocal_influence(const Table& table, const StudyColumns& columns,
                                         const std::string& x, const std::string& y, double level) {
  const FittedModel to_y(lagged_formula(columns, x, y), table, level);
  const FittedModel to_x(lagged_formula(columns, y, x), table, level);
  return {.to_y = to_y,
          .to_x = to_x,
          .x_to_y = lagged_influence(to_y, table, columns),
          .y_to_x = lagged_influence(to_x, table, columns)};
}

std::string distributed_lag_formula(const StudyColumns& columns, const std::string& predictor,
                                    const std::string& outcome, Index lags) {
  require_at_least("distributed_lag_formula", "lags", lags, 1);
  const LagTerms terms(columns);
  std::string formula = quoted_name(outcome) + " ~ " + quoted_name(columns.session);
  for (Index k = 1; k <= lags; ++k) formula += " + " + terms.before(predictor, k);
  return formula + " + " + terms.before(outcome) + " + " + terms.between(predictor) + " + " +
         random_intercepts(columns);
}

DistributedLags distributed_lags(const FittedModel& model, const Table& table,
                                 const StudyColumns& columns, Index lags) {
  DistributedLags result{};
  TermWeights sum;
  for (Index k = 1; k <= lags; ++k) {
    const std::string& term = fixed_term(model, static_cast<std::size_t>(k));
    sum.emplace_back(term, 1.0);
    result.effects.push_back(model.effect(term));
    result.cumulative.push_back(model.combination(sum));
  }
  result.autoregression = model.effect(fixed_term(model, static_cast<std::size_t>(lags) + 1));
  result.n_sessions = sessions_used(model);
  result.n_patients = patients_used(model, table.factor(columns.patient));
  return result;
}

std::string continuous_time_formula(const StudyColumns& columns, const std::string& predictor,
                                    const std::string& outcome) {
  const LagTerms terms(columns);
  return quoted_name(outcome) + " ~ " + quoted_name(columns.time) + " + " +
         terms.before(predictor) + " + " + terms.between(predictor) + " + " +
         random_intercepts(columns);
}

ContinuousTimeInfluence continuous_time_influence(const FittedModel& model, const Table& table,
                                                  const StudyColumns& columns) {
  if (model.residuals() == nullptr)
    throw InvalidArgument("continuous_time_influence: `model` has independent residuals");
  ContinuousTimeInfluence result{};
  result.effect = model.effect(fixed_term(model, 1));
  result.rho = model.residuals()->correlation_parameters.front().second;
  const bool decays = result.rho > 0 && result.rho < 1;
  result.half_life = decays ? std::log(0.5) / std::log(result.rho) : missing;
  result.median_gap = median_gap(table, columns);
  result.n_sessions = sessions_used(model);
  result.n_patients = patients_used(model, table.factor(columns.patient));
  return result;
}

}  // namespace rapport
