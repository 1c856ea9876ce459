#include <rapport/alliance/dropout.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/generalized.hpp>

#include <cmath>
#include <set>

namespace rapport {

Eigen::VectorXd leaving_sessions(const Panel& panel, const VectorView& dropout) {
  require_same_size("leaving_sessions", "dropout", dropout.size(), "panel", panel.rows());
  Eigen::VectorXd leaves = Eigen::VectorXd::Constant(panel.rows(), missing);
  for (Index p = 0; p < panel.patients(); ++p) {
    const Index from = panel.first[static_cast<std::size_t>(p)];
    const Index to = panel.first[static_cast<std::size_t>(p) + 1];
    bool left = false;
    for (Index k = from; k < to; ++k) {
      const Index row = panel.order[static_cast<std::size_t>(k)];
      left = left || dropout[row] == 1;
      leaves[row] = 0;
    }
    if (left) leaves[panel.order[static_cast<std::size_t>(to - 1)]] = 1;
  }
  return leaves;
}

DropoutHazard dropout_hazard(const Table& table, const StudyColumns& columns, double level) {
  const StudyTerms terms = study_terms(columns);
  const Eigen::VectorXd& leaves = table.numbers("leaves");
  DropoutHazard result{};
  result.n_left = (leaves.array() == 1).count();
  if (result.n_left == 0)
    throw DataError("dropout: no patient left (column \"" + columns.dropout + "\" is never 1)");
  result.formula = "leaves ~ " + terms.session + " + " + terms.within + " + between(" +
                   terms.alliance + ", " + terms.patient + ")";
  if (!columns.therapist.empty())
    result.formula += " + (1 | " + quoted_name(columns.therapist) + ")";
  const Design design =
      make_design(parse_formula(result.formula), table, {.response = ResponseKind::binary});
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::binomial});
  if (!fit.optimizer.converged)
    throw DataError("dropout: the model of the hazard did not converge");
  for (std::size_t k = 0; k < fit.fixed.terms.size(); ++k) {
    const auto i = static_cast<Index>(k);
    const double b = fit.fixed.estimate[i];
    const double se = fit.fixed.standard_error[i];
    result.terms.push_back({.term = fit.fixed.terms[k],
                            .estimate = b,
                            .standard_error = se,
                            .statistic = b / se,
                            .p_value = normal_p_value(b / se),
                            .ci = normal_interval(b, se, level),
                            .odds_ratio = std::exp(b)});
  }
  result.method = fit.method;
  result.therapist_sd = fit.random.empty() ? missing : fit.random[0].sd[0];
  result.n_sessions = fit.data.observations;
  const Factor patient = table.factor(columns.patient);
  std::set<std::int32_t> patients;
  for (const Index row : design.rows) patients.insert(patient.codes[static_cast<std::size_t>(row)]);
  result.n_patients = static_cast<Index>(patients.size());
  return result;
}

}  // namespace rapport
