#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/survival.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace rapport {
namespace {

void validate(const char* function, const VectorView& time, const std::vector<int>& event,
              int largest) {
  require_same_size(function, "time", time.size(), "event", static_cast<Index>(event.size()));
  require_at_least(function, "time", time.size(), 1);
  for (Index i = 0; i < time.size(); ++i) {
    if (!(time[i] >= 0) || std::isinf(time[i]))
      throw InvalidArgument(std::string(function) + ": `time` is " + std::to_string(time[i]) +
                            " in place " + std::to_string(i) + "; must be 0 or more and finite");
    const int e = event[static_cast<std::size_t>(i)];
    if (e < 0 || e > largest)
      throw InvalidArgument(std::string(function) + ": `event` is " + std::to_string(e) +
                            " in place " + std::to_string(i) + "; must lie in 0 … " +
                            std::to_string(largest));
  }
}

/// How many of each event (0: censored) end at each distinct time, and how many are at risk.
struct EventTable {
  Eigen::VectorXd time;
  Eigen::MatrixXd ends;  ///< times × (1 + causes)
  Eigen::VectorXd at_risk;

  EventTable(const VectorView& times, const std::vector<int>& event, int causes) {
    std::map<double, Index> place;
    for (const double t : times) place.emplace(t, 0);
    time.resize(static_cast<Index>(place.size()));
    Index next = 0;
    for (auto& [t, k] : place) {
      time[next] = t;
      k = next++;
    }
    ends.setZero(next, causes + 1);
    for (Index i = 0; i < times.size(); ++i)
      ends(place[times[i]], event[static_cast<std::size_t>(i)]) += 1;
    at_risk.resize(next);
    double left = 0;
    for (Index k = next; k-- > 0;) at_risk[k] = left += ends.row(k).sum();
  }
};

ConfidenceInterval limits(double s, double se, const SurvivalOptions& options) {
  const double level = options.confidence_level;
  if (s == 1 && se == 0) return {1, 1, level};
  if (!(s > 0)) return {missing, missing, level};
  const double z = normal_quantile(0.5 + level / 2);
  switch (options.interval) {
    case SurvivalInterval::plain:
      return {std::max(0.0, s - z * se), std::min(1.0, s + z * se), level};
    case SurvivalInterval::log:
      return {s * std::exp(-z * se / s), std::min(1.0, s * std::exp(z * se / s)), level};
    case SurvivalInterval::log_log: {
      const double width = z * se / (s * std::log(s));
      return {std::pow(s, std::exp(-width)), std::pow(s, std::exp(width)), level};
    }
  }
  return {missing, missing, level};
}

/// The first time at which `values` is below a half; the middle of a plateau at a half.
double time_at_half(const Eigen::VectorXd& time, const Eigen::VectorXd& values) {
  constexpr double rounding = 1e-9;
  for (Index k = 0; k < time.size(); ++k) {
    if (is_missing(values[k])) return missing;
    if (values[k] < 0.5 - rounding) return time[k];
    if (values[k] > 0.5 + rounding) continue;
    Index end = k + 1;  // a plateau at a half
    while (end < time.size() && values[end] > 0.5 - rounding) ++end;
    return end < time.size() ? (time[k] + time[end]) / 2 : time[k];
  }
  return missing;
}

/// ∫ S from `from` to `to`.
double area(const SurvivalCurve& curve, double from, double to) {
  double sum = 0;
  double s = 1;
  double at = 0;
  for (Index k = 0; k <= curve.time.size(); ++k) {
    const double next = k < curve.time.size() ? curve.time[k] : std::max(to, at);
    sum += s * std::max(0.0, std::min(next, to) - std::max(at, from));
    if (k < curve.time.size()) s = curve.survival[k];
    at = next;
  }
  return sum;
}

/// The restricted mean and its variance, Σ (∫ from t to the end)² d / (n (n − d)) over event times
/// (Klein & Moeschberger 2003, 4.5).
void add_restricted_mean(SurvivalCurve& curve, double restriction) {
  const double end = is_missing(restriction) ? curve.time[curve.time.size() - 1] : restriction;
  curve.restriction = end;
  curve.restricted_mean = area(curve, 0, end);
  double variance = 0;
  for (Index k = 0; k < curve.time.size() && curve.time[k] <= end; ++k) {
    const double n = curve.at_risk[k];
    const double d = curve.events[k];
    if (d == 0 || n == d) continue;
    const double rest = area(curve, curve.time[k], end);
    variance += rest * rest * d / (n * (n - d));
  }
  curve.restricted_mean_standard_error = std::sqrt(variance);
}

/// Limits of a probability on the scale of log(−log(1 − F)).
ConfidenceInterval incidence_limits(double f, double se, double level) {
  if (f == 0) return {0, 0, level};
  if (!(f < 1)) return {missing, missing, level};
  const double z = normal_quantile(0.5 + level / 2);
  const double width = z * se / ((1 - f) * std::log1p(-f));
  return {-std::expm1(std::log1p(-f) * std::exp(width)),
          -std::expm1(std::log1p(-f) * std::exp(-width)), level};
}

}  // namespace

SurvivalCurve kaplan_meier(const VectorView& time, const std::vector<int>& event,
                           const SurvivalOptions& options) {
  validate("kaplan_meier", time, event, 1);
  require_level("kaplan_meier", "confidence_level", options.confidence_level);
  const EventTable table(time, event, 1);
  const Index n_times = table.time.size();
  SurvivalCurve curve{};
  curve.time = table.time;
  curve.at_risk = table.at_risk;
  curve.events = table.ends.col(1);
  curve.censored = table.ends.col(0);
  curve.survival.resize(n_times);
  curve.standard_error.resize(n_times);
  curve.ci_lower.resize(n_times);
  curve.ci_upper.resize(n_times);
  double s = 1;
  double relative_variance = 0;  // Greenwood (1926)
  for (Index k = 0; k < n_times; ++k) {
    const double n = curve.at_risk[k];
    const double d = curve.events[k];
    s *= (n - d) / n;
    relative_variance += n > d ? d / (n * (n - d)) : missing;
    curve.survival[k] = s;
    curve.standard_error[k] = s * std::sqrt(relative_variance);
    const ConfidenceInterval ci = limits(s, curve.standard_error[k], options);
    curve.ci_lower[k] = ci.lower;
    curve.ci_upper[k] = ci.upper;
  }
  curve.median = time_at_half(curve.time, curve.survival);
  curve.median_ci = {time_at_half(curve.time, curve.ci_lower),
                     time_at_half(curve.time, curve.ci_upper), options.confidence_level};
  add_restricted_mean(curve, options.restriction);
  curve.n = time.size();
  curve.n_events = static_cast<Index>(curve.events.sum());
  return curve;
}

CumulativeIncidence cumulative_incidence(const VectorView& time, const std::vector<int>& cause,
                                         int causes, const SurvivalOptions& options) {
  validate("cumulative_incidence", time, cause, causes);
  require_level("cumulative_incidence", "confidence_level", options.confidence_level);
  if (causes < 1) throw InvalidArgument("cumulative_incidence: `causes` must be 1 or more");
  const EventTable table(time, cause, causes);
  const Index n_times = table.time.size();
  CumulativeIncidence result{};
  result.time = table.time;
  result.at_risk = table.at_risk;
  result.events = table.ends.rightCols(causes);
  result.incidence.resize(n_times, causes);
  result.standard_error.resize(n_times, causes);
  result.ci_lower.resize(n_times, causes);
  result.ci_upper.resize(n_times, causes);
  result.survival.resize(n_times);
  // Where a person is (0: no event yet, k: ended by cause k), and its covariance.
  Eigen::VectorXd state = Eigen::VectorXd::Unit(causes + 1, 0);
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(causes + 1, causes + 1);
  for (Index t = 0; t < n_times; ++t) {
    const double n = table.at_risk[t];
    const Eigen::VectorXd hazard = result.events.row(t).transpose() / n;
    Eigen::VectorXd moves(causes + 1);  // out of state 0, and into each cause
    moves << -hazard.sum(), hazard;
    Eigen::MatrixXd step = Eigen::MatrixXd::Identity(causes + 1, causes + 1);
    step.row(0) += moves.transpose();
    Eigen::MatrixXd of_moves = -moves * moves.transpose();  // multinomial, divided by n below
    of_moves.bottomRightCorner(causes, causes).diagonal() += hazard;
    of_moves.block(0, 1, 1, causes) -= hazard.transpose();
    of_moves.block(1, 0, causes, 1) -= hazard;
    of_moves(0, 0) += hazard.sum();
    covariance = step.transpose() * covariance * step + state[0] * state[0] / n * of_moves;
    state = step.transpose() * state;
    result.survival[t] = state[0];
    for (int k = 0; k < causes; ++k) {
      const double f = state[k + 1];
      const double se = std::sqrt(std::max(0.0, covariance(k + 1, k + 1)));
      const ConfidenceInterval ci = incidence_limits(f, se, options.confidence_level);
      result.incidence(t, k) = f;
      result.standard_error(t, k) = se;
      result.ci_lower(t, k) = ci.lower;
      result.ci_upper(t, k) = ci.upper;
    }
  }
  result.n = time.size();
  return result;
}

LogRankTest log_rank_test(const VectorView& time, const std::vector<int>& event,
                          const std::vector<int>& group, int groups) {
  validate("log_rank_test", time, event, 1);
  require_same_size("log_rank_test", "time", time.size(), "group",
                    static_cast<Index>(group.size()));
  LogRankTest result{};
  result.n.setZero(groups);
  for (const int g : group) {
    if (g < 0 || g >= groups)
      throw InvalidArgument("log_rank_test: `group` is " + std::to_string(g) +
                            "; must lie in 0 … " + std::to_string(groups - 1));
    result.n[g] += 1;
  }
  if (!((result.n.array() > 0).all()))
    throw InvalidArgument("log_rank_test: `group`: a group has nobody");
  std::map<double, Eigen::MatrixXd> ends;  // groups × {ended, with the event}
  for (Index i = 0; i < time.size(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    Eigen::MatrixXd& at = ends.emplace(time[i], Eigen::MatrixXd::Zero(groups, 2)).first->second;
    at(group[k], 0) += 1;
    at(group[k], 1) += event[k];
  }
  result.observed.setZero(groups);
  result.expected.setZero(groups);
  Eigen::MatrixXd variance = Eigen::MatrixXd::Zero(groups, groups);
  Eigen::VectorXd at_risk = result.n;
  for (const auto& [t, at] : ends) {
    const double n = at_risk.sum();
    const double d = at.col(1).sum();
    const Eigen::VectorXd share = at_risk / n;
    result.observed += at.col(1);
    result.expected += d * share;
    if (n > 1)
      variance +=
          d * (n - d) / (n - 1) * (Eigen::MatrixXd(share.asDiagonal()) - share * share.transpose());
    at_risk -= at.col(0);
  }
  const Eigen::VectorXd excess = result.observed - result.expected;
  const Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> inverse(variance);
  result.df = static_cast<double>(inverse.rank());
  result.statistic = result.df > 0 ? excess.dot(inverse.solve(excess)) : missing;
  result.p_value = chi_squared_upper_tail(result.statistic, result.df);
  const Eigen::VectorXd order = Eigen::VectorXd::LinSpaced(groups, 0, groups - 1);
  result.trend_statistic = std::pow(order.dot(excess), 2) / order.dot(variance * order);
  result.trend_p_value = chi_squared_upper_tail(result.trend_statistic, 1);
  return result;
}

}  // namespace rapport
