#include <rapport/alliance/retention.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <limits>

namespace rapport {
namespace {

/// One patient who is in the comparison.
struct Stay {
  double alliance;
  double time;
  int cause;  ///< 0: censored, 1: left, 2: ended as planned
  int group = 0;
};

/// The mean rating of each patient up to the session, NaN without one; patients as in the panel.
Eigen::VectorXd early_means(const PersonPeriod& period, const Panel& panel, Index sessions) {
  Eigen::VectorXd early = period.table.numbers(period.columns.alliance);
  for (Index row = 0; row < early.size(); ++row)
    if (panel.session[row] > static_cast<double>(sessions)) early[row] = missing;
  return group_means(early, panel.patient);
}

int cause_of(TreatmentEnd end) {
  switch (end) {
    case TreatmentEnd::unknown:
      return 0;
    case TreatmentEnd::dropout:
      return 1;
    case TreatmentEnd::completed:
      return 2;
  }
  return 0;
}

std::string label_of(int group, int groups) {
  if (groups == 2) return group == 0 ? "low" : "high";
  if (groups == 3) return group == 0 ? "low" : group == 1 ? "middle" : "high";
  return std::to_string(group + 1) + " of " + std::to_string(groups);
}

/// Assigns quantile groups, by type 7 of Hyndman & Fan (1996); equal ratings stay together.
void group_by_alliance(std::vector<Stay>& stays, int groups) {
  Eigen::VectorXd alliance(static_cast<Index>(stays.size()));
  for (std::size_t k = 0; k < stays.size(); ++k)
    alliance[static_cast<Index>(k)] = stays[k].alliance;
  for (int g = 1; g < groups; ++g) {
    const double cut = quantile(alliance, static_cast<double>(g) / groups);
    for (Stay& stay : stays)
      if (stay.alliance > cut) stay.group = g;
  }
}

RetentionGroup describe(const std::vector<Stay>& stays, int group, const SurvivalOptions& options) {
  std::vector<double> time;
  std::vector<int> cause;
  RetentionGroup result{};
  result.alliance_minimum = std::numeric_limits<double>::infinity();
  result.alliance_maximum = -result.alliance_minimum;
  for (const Stay& stay : stays) {
    if (group >= 0 && stay.group != group) continue;
    time.push_back(stay.time);
    cause.push_back(stay.cause);
    result.alliance_minimum = std::min(result.alliance_minimum, stay.alliance);
    result.alliance_maximum = std::max(result.alliance_maximum, stay.alliance);
  }
  const Eigen::Map<const Eigen::VectorXd> times(time.data(), static_cast<Index>(time.size()));
  std::vector<int> left;
  for (const int c : cause) left.push_back(c == 1 ? 1 : 0);
  result.retention = kaplan_meier(times, left, options);
  result.incidence = cumulative_incidence(times, cause, 2, options);
  return result;
}

/// The last time that every group reaches.
double common_time(const std::vector<Stay>& stays, int groups) {
  std::vector<double> last(static_cast<std::size_t>(groups), 0);
  for (const Stay& stay : stays) {
    double& t = last[static_cast<std::size_t>(stay.group)];
    t = std::max(t, stay.time);
  }
  return *std::min_element(last.begin(), last.end());
}

LogRankTest compare(const std::vector<Stay>& stays, int groups) {
  Eigen::VectorXd time(static_cast<Index>(stays.size()));
  std::vector<int> left;
  std::vector<int> group;
  for (std::size_t k = 0; k < stays.size(); ++k) {
    time[static_cast<Index>(k)] = stays[k].time;
    left.push_back(stays[k].cause == 1 ? 1 : 0);
    group.push_back(stays[k].group);
  }
  return log_rank_test(time, left, group, groups);
}

}  // namespace

Retention retention_by_alliance(const PersonPeriod& period, const RetentionOptions& options) {
  if (options.groups < 2 || options.groups > 20)
    throw InvalidArgument("retention_by_alliance: `groups` is " + std::to_string(options.groups) +
                          "; must lie in 2 … 20");
  require_at_least("retention_by_alliance", "early_sessions", options.early_sessions, 1);
  const Panel panel = make_panel(
      period.table,
      {.patient = period.columns.patient, .session = period.columns.session, .therapist = ""});
  const Eigen::VectorXd early = early_means(period, panel, options.early_sessions);
  Retention result{};
  result.early_sessions = options.early_sessions;
  std::vector<Stay> stays;
  for (std::size_t k = 0; k < period.ends.size(); ++k) {
    const PatientEnd& end = period.ends[k];
    const double alliance = early[static_cast<Index>(k)];
    if (end.last_session < static_cast<double>(options.early_sessions)) {
      ++result.n_before_landmark;
    } else if (is_missing(alliance)) {
      ++result.n_unrated;
    } else {
      stays.push_back({.alliance = alliance, .time = end.last_session, .cause = cause_of(end.end)});
    }
  }
  const auto groups = static_cast<int>(options.groups);
  if (stays.size() < static_cast<std::size_t>(groups))
    throw DataError("retention: " + std::to_string(stays.size()) +
                    " patients have an early alliance, fewer than groups");
  group_by_alliance(stays, groups);
  for (int g = 0; g < groups; ++g)
    if (std::none_of(stays.begin(), stays.end(), [&](const Stay& s) { return s.group == g; }))
      throw DataError("retention: so many patients share an early alliance that group \"" +
                      label_of(g, groups) + "\" is empty; ask for fewer groups");
  const SurvivalOptions curves{.interval = options.interval,
                               .confidence_level = options.confidence_level,
                               .restriction = common_time(stays, groups)};
  result.groups.push_back(describe(stays, -1, curves));
  result.groups.back().label = "all";
  for (int g = 0; g < groups; ++g) {
    result.groups.push_back(describe(stays, g, curves));
    result.groups.back().label = label_of(g, groups);
  }
  result.log_rank = compare(stays, groups);
  result.n_used = static_cast<Index>(stays.size());
  return result;
}

}  // namespace rapport
