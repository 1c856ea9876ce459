#include <rapport/alliance/rupture.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace rapport {
namespace {

constexpr std::array<std::pair<RuptureRule, std::string_view>, 8> rule_names = {
    {{RuptureRule::stiles, "stiles"},
     {RuptureRule::strauss, "strauss"},
     {RuptureRule::gumz, "gumz"},
     {RuptureRule::gumz_strict, "gumz-2sd"},
     {RuptureRule::control_chart, "xmr"},
     {RuptureRule::cusum, "cusum"},
     {RuptureRule::reliable_change, "reliable-change"},
     {RuptureRule::srs_alert, "srs"}}};

/// The ratings of one patient in order, and what the rules compare them with.
struct Series {
  Index patient = 0;
  std::vector<Index> row;
  std::vector<double> session;
  std::vector<double> rating;
  double mean = missing;
  double sd = missing;            ///< of the patient's ratings; NaN below two
  double moving_range = missing;  ///< mean |difference| of neighbours

  [[nodiscard]] std::size_t size() const { return rating.size(); }
};

Series series_of(const Panel& panel, const VectorView& alliance, Index patient) {
  Series series;
  series.patient = patient;
  for (Index k = panel.first[static_cast<std::size_t>(patient)];
       k < panel.first[static_cast<std::size_t>(patient) + 1]; ++k) {
    const Index row = panel.order[static_cast<std::size_t>(k)];
    if (is_missing(alliance[row])) continue;
    series.row.push_back(row);
    series.session.push_back(panel.session[row]);
    series.rating.push_back(alliance[row]);
  }
  if (series.size() < 2) return series;
  const Moments all = moments(
      Eigen::Map<const Eigen::VectorXd>(series.rating.data(), static_cast<Index>(series.size())));
  series.mean = all.mean;
  series.sd = all.sd;
  series.moving_range = 0;
  for (std::size_t k = 1; k < series.size(); ++k)
    series.moving_range += std::abs(series.rating[k] - series.rating[k - 1]);
  series.moving_range /= static_cast<double>(series.size() - 1);
  return series;
}

/// What the rules share over patients.
struct Sample {
  double sd;
  double standard_error_of_measurement;
};

class Finder {
 public:
  Finder(const RuptureOptions& options, const Sample& sample)
      : options_(options), sample_(sample) {}

  /// The ruptures of one patient by one rule.
  [[nodiscard]] std::vector<Rupture> find(RuptureRule rule, const Series& series) const {
    switch (rule) {
      case RuptureRule::stiles:
        return repaired_only(drops(rule, series, 2 * series.sd));
      case RuptureRule::strauss:
        return repaired_only(excursions(rule, series));
      case RuptureRule::gumz:
        return declines(rule, series, std::max(series.sd, sample_.sd));
      case RuptureRule::gumz_strict:
        return declines(rule, series, 2 * std::max(series.sd, sample_.sd));
      case RuptureRule::control_chart:
        return below(rule, series, series.mean - 2.66 * series.moving_range);
      case RuptureRule::cusum:
        return cusum(rule, series);
      case RuptureRule::reliable_change:
        return drops(rule, series, 1.96 * std::sqrt(2.0) * sample_.standard_error_of_measurement);
      case RuptureRule::srs_alert:
        return alerts(rule, series);
    }
    throw InvalidArgument("find_ruptures: not a RuptureRule");
  }

 private:
  [[nodiscard]] Rupture rupture(RuptureRule rule, const Series& series, std::size_t at,
                                double before) const {
    Rupture found{.rule = rule,
                  .patient = series.patient,
                  .session = series.session[at],
                  .before = before,
                  .low = series.rating[at],
                  .depth = before - series.rating[at],
                  .repaired = false,
                  .repair_session = missing,
                  .length = static_cast<Index>(series.size() - at)};
    const double recovered = before - found.depth / 2;
    for (std::size_t k = at + 1;
         k < series.size() && k <= at + static_cast<std::size_t>(options_.repair_sessions); ++k) {
      if (series.rating[k] < recovered) continue;
      found.repaired = true;
      found.repair_session = series.session[k];
      found.length = static_cast<Index>(k - at);
      break;
    }
    found.pattern = pattern_of(found);
    return found;
  }

  [[nodiscard]] std::vector<Rupture> drops(RuptureRule rule, const Series& series,
                                           double threshold) const {
    std::vector<Rupture> found;
    for (std::size_t k = 1; k < series.size(); ++k)
      if (threshold > 0 && series.rating[k - 1] - series.rating[k] >= threshold)
        found.push_back(rupture(rule, series, k, series.rating[k - 1]));
    return found;
  }

  /// Runs of falling ratings that fall by the threshold in all, each named by its lowest session.
  [[nodiscard]] std::vector<Rupture> declines(RuptureRule rule, const Series& series,
                                              double threshold) const {
    std::vector<Rupture> found;
    std::size_t peak = 0;
    for (std::size_t k = 1; k < series.size(); ++k) {
      if (series.rating[k] >= series.rating[k - 1]) peak = k;
      const bool lowest = k + 1 == series.size() || series.rating[k + 1] >= series.rating[k];
      const double fall = series.rating[peak] - series.rating[k];
      if (!lowest || !(threshold > 0) || fall < threshold) continue;
      found.push_back(rupture(rule, series, k, series.rating[peak]));
      found.back().fall = static_cast<Index>(k - peak);
      found.back().pattern = pattern_of(found.back());
    }
    return found;
  }

  static RupturePattern pattern_of(const Rupture& rupture) {
    if (!rupture.repaired) return RupturePattern::no_repair;
    if (rupture.fall > 1)
      return rupture.length > 1 ? RupturePattern::gradual : RupturePattern::gradual_fall;
    return rupture.length > 1 ? RupturePattern::gradual_repair : RupturePattern::v_shape;
  }

  /// Onsets of spells at least one SD of the sample below the highest rating so far.
  [[nodiscard]] std::vector<Rupture> excursions(RuptureRule rule, const Series& series) const {
    std::vector<Rupture> found;
    double highest = series.rating.empty() ? missing : series.rating[0];
    bool inside = false;
    for (std::size_t k = 1; k < series.size(); ++k) {
      const bool low = series.rating[k] <= highest - sample_.sd;
      if (low && !inside) found.push_back(rupture(rule, series, k, highest));
      inside = low;
      highest = std::max(highest, series.rating[k]);
    }
    return found;
  }

  /// Ratings below a limit of the patient's own; a chart needs at least four.
  [[nodiscard]] std::vector<Rupture> below(RuptureRule rule, const Series& series,
                                           double limit) const {
    std::vector<Rupture> found;
    for (std::size_t k = 1; k < series.size() && series.size() >= 4; ++k)
      if (series.rating[k] < limit) found.push_back(rupture(rule, series, k, series.mean));
    return found;
  }

  [[nodiscard]] std::vector<Rupture> cusum(RuptureRule rule, const Series& series) const {
    std::vector<Rupture> found;
    const double sd =
        series.moving_range / 1.128;  // d₂ of two: the mean range of two normals in SD
    double sum = 0;
    for (std::size_t k = 1; k < series.size() && series.size() >= 4 && sd > 0; ++k) {
      sum = std::max(0.0, sum + (series.mean - series.rating[k]) / sd - options_.cusum_allowance);
      if (sum <= options_.cusum_limit) continue;
      found.push_back(rupture(rule, series, k, series.mean));
      sum = 0;
    }
    return found;
  }

  [[nodiscard]] std::vector<Rupture> alerts(RuptureRule rule, const Series& series) const {
    std::vector<Rupture> found;
    for (std::size_t k = 1; k < series.size(); ++k) {
      const double drop = series.rating[k - 1] - series.rating[k];
      const bool fell = options_.srs_drop > 0 && drop >= options_.srs_drop;
      if (fell || series.rating[k] < options_.srs_cutoff || low_line(series.row[k]))
        found.push_back(rupture(rule, series, k, series.rating[k - 1]));
    }
    return found;
  }

  [[nodiscard]] bool low_line(Index row) const {
    return options_.srs_lines.rows() > 0 &&
           (options_.srs_lines.row(row).array() < options_.srs_line_cutoff).any();
  }

  static std::vector<Rupture> repaired_only(std::vector<Rupture> all) {
    all.erase(std::remove_if(all.begin(), all.end(), [](const Rupture& r) { return !r.repaired; }),
              all.end());
    return all;
  }

  const RuptureOptions& options_;
  const Sample& sample_;
};

RuleConcordance concordance_of(RuptureRule first, const std::vector<bool>& a, RuptureRule second,
                               const std::vector<bool>& b) {
  RuleConcordance table{.first = first,
                        .second = second,
                        .both = 0,
                        .only_first = 0,
                        .only_second = 0,
                        .neither = 0,
                        .kappa = missing};
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] && b[i]) ++table.both;
    if (a[i] && !b[i]) ++table.only_first;
    if (!a[i] && b[i]) ++table.only_second;
    if (!a[i] && !b[i]) ++table.neither;
  }
  const auto n = static_cast<double>(a.size());
  const double p = static_cast<double>(table.both + table.only_first) / n;
  const double q = static_cast<double>(table.both + table.only_second) / n;
  const double observed = static_cast<double>(table.both + table.neither) / n;
  const double expected = p * q + (1 - p) * (1 - q);
  if (expected < 1) table.kappa = (observed - expected) / (1 - expected);
  return table;
}

void validate(const RuptureOptions& options) {
  if (!(options.reliability >= 0 && options.reliability <= 1))
    throw InvalidArgument("find_ruptures: `reliability` must lie in [0, 1]");
  if (!(options.srs_drop >= 0))
    throw InvalidArgument("find_ruptures: `srs_drop` must be 0 (no such alert) or positive");
  require_at_least("find_ruptures", "repair_sessions", options.repair_sessions, 1);
}

}  // namespace

std::string_view name_of(RuptureRule rule) {
  for (const auto& [known, name] : rule_names)
    if (known == rule) return name;
  throw InvalidArgument("name_of: not a RuptureRule");
}

std::string_view name_of(RupturePattern pattern) {
  switch (pattern) {
    case RupturePattern::v_shape:
      return "v-shape";
    case RupturePattern::gradual_fall:
      return "gradual-fall";
    case RupturePattern::gradual_repair:
      return "gradual-repair";
    case RupturePattern::gradual:
      return "gradual";
    case RupturePattern::no_repair:
      return "no-repair";
  }
  throw InvalidArgument("name_of: not a RupturePattern");
}

std::optional<RuptureRule> parse_rupture_rule(std::string_view text) {
  for (const auto& [rule, name] : rule_names)
    if (name == text) return rule;
  return std::nullopt;
}

RuptureAnalysis find_ruptures(const Panel& panel, const VectorView& alliance,
                              const RuptureOptions& options) {
  require_same_size("find_ruptures", "alliance", alliance.size(), "panel", panel.rows());
  validate(options);
  if (options.srs_lines.rows() > 0)
    require_same_size("find_ruptures", "srs_lines", options.srs_lines.rows(), "panel",
                      panel.rows());
  std::vector<Series> patients;
  std::vector<double> all;
  for (Index p = 0; p < panel.patients(); ++p) {
    patients.push_back(series_of(panel, alliance, p));
    all.insert(all.end(), patients.back().rating.begin(), patients.back().rating.end());
  }
  RuptureAnalysis result{};
  result.sd_between_ratings =
      moments(Eigen::Map<const Eigen::VectorXd>(all.data(), static_cast<Index>(all.size()))).sd;
  result.standard_error_of_measurement =
      result.sd_between_ratings * std::sqrt(1 - options.reliability);
  const Sample sample{.sd = result.sd_between_ratings,
                      .standard_error_of_measurement = result.standard_error_of_measurement};
  const Finder finder(options, sample);
  std::vector<Index> offset;
  for (const Series& series : patients) {
    offset.push_back(result.n_sessions);
    if (series.size() < 2) continue;
    result.n_sessions += static_cast<Index>(series.size()) - 1;
    ++result.n_patients;
  }
  std::vector<std::vector<bool>> named;
  for (const RuptureRule rule : options.rules) {
    named.emplace_back(static_cast<std::size_t>(result.n_sessions), false);
    for (const Series& series : patients)
      for (const Rupture& rupture : finder.find(rule, series)) {
        const auto at = std::find(series.session.begin(), series.session.end(), rupture.session) -
                        series.session.begin();
        named.back()[static_cast<std::size_t>(offset[static_cast<std::size_t>(series.patient)] +
                                              at - 1)] = true;
        result.ruptures.push_back(rupture);
      }
  }
  for (std::size_t i = 0; i < options.rules.size(); ++i)
    for (std::size_t j = i + 1; j < options.rules.size(); ++j)
      result.concordance.push_back(
          concordance_of(options.rules[i], named[i], options.rules[j], named[j]));
  return result;
}

}  // namespace rapport
