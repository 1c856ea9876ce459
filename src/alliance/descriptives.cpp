#include <rapport/alliance/descriptives.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace rapport {

SessionCounts session_counts(const Panel& panel, const MatrixView& variables) {
  require_same_size("session_counts", "variables", variables.rows(), "panel", panel.rows());
  Eigen::VectorXd sessions = Eigen::VectorXd::Zero(panel.patients());
  std::set<std::int32_t> therapists;
  for (const Index row : panel.order) {
    if (variables.row(row).array().isNaN().all()) continue;
    sessions[panel.patient.codes[static_cast<std::size_t>(row)]] += 1;
    if (panel.has_therapist())
      therapists.insert(panel.therapist.codes[static_cast<std::size_t>(row)]);
  }
  const Eigen::VectorXd seen = sessions.unaryExpr([](double n) { return n > 0 ? n : missing; });
  const Moments all = moments(seen);
  return {.patients = all.n_used,
          .therapists = static_cast<Index>(therapists.size()),
          .sessions = static_cast<Index>(sessions.sum()),
          .mean = all.mean,
          .median = all.n_used > 0 ? median(seen) : missing,
          .minimum = all.minimum,
          .maximum = all.maximum};
}

VariableDescription describe(const Panel& panel, const VectorView& x, const std::string& name) {
  Panel of_patients = panel;  // the share of patients whoever their therapist is
  of_patients.therapist = {};
  const Decomposition parts = decompose(of_patients, x);
  return {.name = name,
          .moments = moments(x),
          .sd_within = moments(parts.within).sd,
          .sd_between = moments(group_means(x, panel.patient)).sd,
          .icc = parts.icc,
          .reliability = parts.mean_reliability};
}

std::vector<SessionDescription> describe_sessions(const Panel& panel, const VectorView& alliance,
                                                  const VectorView& outcome, double level) {
  require_same_size("describe_sessions", "alliance", alliance.size(), "panel", panel.rows());
  require_same_size("describe_sessions", "outcome", outcome.size(), "panel", panel.rows());
  std::map<double, std::vector<Index>> rows_of;
  for (const Index row : panel.order) rows_of[panel.session[row]].push_back(row);
  std::vector<SessionDescription> sessions;
  for (const auto& [session, rows] : rows_of) {
    const Eigen::VectorXd a = alliance(rows);
    const Eigen::VectorXd y = outcome(rows);
    const Moments of_alliance = moments(a);
    const Moments of_outcome = moments(y);
    std::vector<Index> both;
    for (Index i = 0; i < a.size(); ++i)
      if (!is_missing(a[i]) && !is_missing(y[i])) both.push_back(i);
    const auto n = static_cast<Index>(both.size());
    SessionDescription at{.session = session,
                          .n_alliance = of_alliance.n_used,
                          .n_outcome = of_outcome.n_used,
                          .alliance_mean = of_alliance.mean,
                          .outcome_mean = of_outcome.mean,
                          .n_both = n,
                          .correlation = missing,
                          .ci = {.lower = missing, .upper = missing, .level = level}};
    if (n >= 3) {
      const Eigen::VectorXd complete_a = a(both);
      const Eigen::VectorXd complete_y = y(both);
      at.correlation = covariance(complete_a, complete_y) /
                       std::sqrt(variance(complete_a) * variance(complete_y));
      if (!std::isfinite(at.correlation)) at.correlation = missing;
    }
    if (n >= 4) {
      const ConfidenceInterval z = normal_interval(
          std::atanh(at.correlation), 1 / std::sqrt(static_cast<double>(n - 3)), level);
      at.ci = {.lower = std::tanh(z.lower), .upper = std::tanh(z.upper), .level = level};
    }
    sessions.push_back(at);
  }
  return sessions;
}

}  // namespace rapport
