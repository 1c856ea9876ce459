#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/change.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace rapport {
namespace {

/// Moments of the group that the indices use.
struct Group {
  double mean_pre;
  double mean_post;
  double sd_pre;
  double sd_post;
  double covariance;
};

void check(double reliability, const ChangeOptions& options) {
  const auto refuse = [](const std::string& name, double value, const std::string& required) {
    throw InvalidArgument("reliable_change: `" + name + "` is " + shortest_decimal(value) + "; " +
                          required);
  };
  if (!(reliability > 0 && reliability < 1))
    refuse("reliability", reliability, "must lie strictly between 0 and 1");
  if (!is_missing(options.reliability_post) &&
      !(options.reliability_post > 0 && options.reliability_post < 1))
    refuse("reliability_post", options.reliability_post, "must lie strictly between 0 and 1");
  if (options.method == ChangeMethod::nunnally_kotsch && is_missing(options.reliability_post))
    throw InvalidArgument(
        "reliable_change: `reliability_post` is missing; the method of Nunnally & Kotsch needs it");
  if (!is_missing(options.sd) && !(options.sd > 0)) refuse("sd", options.sd, "must be above 0");
  if (!is_missing(options.normal_sd) && !(options.normal_sd > 0))
    refuse("normal_sd", options.normal_sd, "must be above 0");
  if (is_missing(options.normal_mean) != is_missing(options.normal_sd))
    throw InvalidArgument(
        "reliable_change: `normal_mean` and `normal_sd` belong together; give both or neither");
  if (options.cutoff == CutoffKind::b && is_missing(options.normal_mean))
    throw InvalidArgument("reliable_change: cut-off b needs `normal_mean` and `normal_sd`");
  if (options.cutoff == CutoffKind::value && is_missing(options.cutoff_value))
    throw InvalidArgument("reliable_change: `cutoff_value` is missing");
}

Cutoffs cutoffs_of(const Group& group, Direction higher_is, const ChangeOptions& options) {
  const double towards_health = higher_is == Direction::better ? 1 : -1;
  Cutoffs out{};
  out.a = group.mean_pre + towards_health * 2 * group.sd_pre;
  out.b = options.normal_mean - towards_health * 2 * options.normal_sd;
  out.c = (group.sd_pre * options.normal_mean + options.normal_sd * group.mean_pre) /
          (group.sd_pre + options.normal_sd);
  switch (options.cutoff) {
    case CutoffKind::a:
      out.used = out.a;
      break;
    case CutoffKind::b:
      out.used = out.b;
      break;
    case CutoffKind::c:
      out.used = out.c;
      break;
    case CutoffKind::value:
      out.used = options.cutoff_value;
      break;
  }
  return out;
}

/// The index as a function of the two scores, and what it divides by.
class ChangeIndex {
 public:
  ChangeIndex(const Group& group, double reliability, const ChangeOptions& options)
      : group_(group), r_(reliability), method_(options.method) {
    const double s = group.sd_pre;
    switch (method_) {
      case ChangeMethod::jacobson_truax:
        error_ = s * std::sqrt(2 * (1 - r_));
        break;
      case ChangeMethod::gulliksen_lord_novick:
      case ChangeMethod::hsu_linn_lord:
        error_ = s * std::sqrt(1 - r_ * r_);
        break;
      case ChangeMethod::edwards_nunnally:
        error_ = s * std::sqrt(1 - r_);
        break;
      case ChangeMethod::nunnally_kotsch:
        error_ = std::sqrt(r_ * r_ * s * s * (1 - r_) + s * s * (1 - options.reliability_post));
        break;
      case ChangeMethod::hageman_arrindell: {
        // The reliability of the differences, from both reliabilities and the observed covariance.
        const double r_post = is_missing(options.reliability_post) ? r_ : options.reliability_post;
        const double post = group.sd_post * group.sd_post;
        of_differences_ = (s * s * r_ + post * r_post - 2 * group.covariance) /
                          (s * s + post - 2 * group.covariance);
        error_ = std::sqrt(of_differences_) * s *
                 std::sqrt(2 * (1 - r_));  // NaN where the differences carry no reliable part
        break;
      }
    }
  }

  [[nodiscard]] double error() const { return error_; }

  [[nodiscard]] double operator()(double pre, double post) const {
    const double regressed = r_ * (pre - group_.mean_pre);
    switch (method_) {
      case ChangeMethod::jacobson_truax:
        return (post - pre) / error_;
      case ChangeMethod::hsu_linn_lord:
        return (post - group_.mean_post - regressed) / error_;
      case ChangeMethod::gulliksen_lord_novick:
      case ChangeMethod::edwards_nunnally:
      case ChangeMethod::nunnally_kotsch:
        return (post - group_.mean_pre - regressed) / error_;
      case ChangeMethod::hageman_arrindell:
        return ((post - pre) * of_differences_ +
                (group_.mean_post - group_.mean_pre) * (1 - of_differences_)) /
               error_;
    }
    throw InvalidArgument("reliable_change: not a ChangeMethod");
  }

 private:
  const Group& group_;
  double r_;
  ChangeMethod method_;
  double error_ = 0;
  double of_differences_ = 0;
};

ChangeClass classify(const PersonChange& person, double critical, double cutoff,
                     Direction higher_is) {
  const double sign = higher_is == Direction::better ? 1 : -1;
  if (sign * person.index > critical) {
    const bool crossed = sign * (person.pre - cutoff) < 0 && sign * (person.post - cutoff) > 0;
    return crossed ? ChangeClass::recovered : ChangeClass::improved;
  }
  return sign * person.index < -critical ? ChangeClass::deteriorated : ChangeClass::unchanged;
}

void count(ChangeClass change, ChangeCounts& counts) {
  switch (change) {
    case ChangeClass::recovered:
      ++counts.recovered;
      return;
    case ChangeClass::improved:
      ++counts.improved;
      return;
    case ChangeClass::unchanged:
      ++counts.unchanged;
      return;
    case ChangeClass::deteriorated:
      ++counts.deteriorated;
      return;
  }
}

std::vector<Index> complete_pairs(const VectorView& pre, const VectorView& post) {
  std::vector<Index> rows;
  for (Index i = 0; i < pre.size(); ++i)
    if (!is_missing(pre[i]) && !is_missing(post[i])) rows.push_back(i);
  return rows;
}

Group group_of(const Eigen::VectorXd& pre, const Eigen::VectorXd& post,
               const ChangeOptions& options) {
  const Index least = is_missing(options.sd) ? 2 : 1;
  if (pre.size() < least)
    throw DataError("reliable_change: " + std::to_string(pre.size()) +
                    " persons have both scores; at least " + std::to_string(least) +
                    " are required");
  Group group{.mean_pre = mean(pre),
              .mean_post = mean(post),
              .sd_pre = is_missing(options.sd) ? std::sqrt(variance(pre)) : options.sd,
              .sd_post = std::sqrt(variance(post)),
              .covariance = covariance(pre, post)};
  if (!(group.sd_pre > 0))
    throw DataError(
        "reliable_change: the scores before do not vary; give the SD of a larger group");
  return group;
}

}  // namespace

std::optional<ChangeMethod> parse_change_method(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, ChangeMethod>, 6> names{
      {{"jt", ChangeMethod::jacobson_truax},
       {"gln", ChangeMethod::gulliksen_lord_novick},
       {"hll", ChangeMethod::hsu_linn_lord},
       {"en", ChangeMethod::edwards_nunnally},
       {"nk", ChangeMethod::nunnally_kotsch},
       {"ha", ChangeMethod::hageman_arrindell}}};
  for (const auto& [name, method] : names)
    if (name == text) return method;
  return std::nullopt;
}

std::string_view to_text(ChangeClass change) {
  constexpr std::array<std::string_view, 4> names{"recovered", "improved", "unchanged",
                                                  "deteriorated"};
  return names[static_cast<std::size_t>(change)];
}

ChangeResult reliable_change(const VectorView& pre, const VectorView& post, double reliability,
                             Direction higher_is, const ChangeOptions& options) {
  require_same_size("reliable_change", "pre", pre.size(), "post", post.size());
  check(reliability, options);
  ChangeResult out{};
  out.rows = complete_pairs(pre, post);
  const Eigen::VectorXd before = pre(out.rows);
  const Eigen::VectorXd after = post(out.rows);
  const Group group = group_of(before, after, options);
  const ChangeIndex index(group, reliability, options);
  out.critical = options.method == ChangeMethod::hageman_arrindell ? 1.65 : 1.96;
  out.standard_error_of_measurement = group.sd_pre * std::sqrt(1 - reliability);
  out.standard_error_difference = index.error();
  out.reliable_change_threshold =
      options.method == ChangeMethod::jacobson_truax ? out.critical * index.error() : missing;
  out.cutoff = cutoffs_of(group, higher_is, options);
  for (Index i = 0; i < before.size(); ++i) {
    PersonChange person{.pre = before[i],
                        .post = after[i],
                        .change = after[i] - before[i],
                        .index = index(before[i], after[i]),
                        .classified = ChangeClass::unchanged};
    person.classified = classify(person, out.critical, out.cutoff.used, higher_is);
    count(person.classified, out.counts);
    out.persons.push_back(person);
  }
  out.n_used = before.size();
  out.n_omitted = pre.size() - out.n_used;
  return out;
}

ExpectedChange expected_change(const VectorView& pre, const VectorView& post, double level) {
  require_same_size("expected_change", "pre", pre.size(), "post", post.size());
  require_level("expected_change", "level", level);
  const std::vector<Index> rows = complete_pairs(pre, post);
  const auto n = static_cast<double>(rows.size());
  if (rows.size() < 3)
    throw DataError("expected_change: " + std::to_string(rows.size()) +
                    " persons have both scores; at least 3 are required");
  const Eigen::VectorXd x = pre(rows);
  const Eigen::VectorXd y = post(rows);
  const double centre = x.mean();
  const double spread = (x.array() - centre).square().sum();
  if (!(spread > 0)) throw DataError("expected_change: the scores before do not vary");
  ExpectedChange out{};
  out.slope = ((x.array() - centre) * y.array()).sum() / spread;
  out.intercept = y.mean() - out.slope * centre;
  const Eigen::ArrayXd residual = y.array() - out.intercept - out.slope * x.array();
  out.residual_sd = std::sqrt(residual.square().sum() / (n - 2));
  out.level = level;
  out.n_used = x.size();
  const Eigen::ArrayXd error =
      out.residual_sd * (1 + 1 / n + (pre.array() - centre).square() / spread).sqrt();
  const double reach = students_t_quantile((1 + level) / 2, n - 2);
  out.expected = (out.intercept + out.slope * pre.array()).matrix();
  out.lower = (out.expected.array() - reach * error).matrix();
  out.upper = (out.expected.array() + reach * error).matrix();
  out.discrepancy = ((post - out.expected).array() / error).matrix();
  return out;
}

ScorePairs pair_scores(const Factor& person, const Factor& occasion, const VectorView& score,
                       const std::string& pre, const std::string& post) {
  require_same_size("pair_scores", "person", person.size(), "occasion", occasion.size());
  require_same_size("pair_scores", "person", person.size(), "score", score.size());
  const auto code_of = [&](const std::string& level) -> std::int32_t {
    const auto at = std::find(occasion.levels.begin(), occasion.levels.end(), level);
    if (at == occasion.levels.end()) {
      const std::string near = nearest_name(level, occasion.levels);
      throw DataError("there is no occasion \"" + level + "\"" +
                      (near.empty() ? "" : "; did you mean " + near + "?"));
    }
    return static_cast<std::int32_t>(at - occasion.levels.begin());
  };
  const bool named = !pre.empty();
  const std::int32_t wanted_pre = named ? code_of(pre) : -1;
  const std::int32_t wanted_post = named ? code_of(post) : -1;
  const auto m = static_cast<std::size_t>(person.level_count());
  std::vector<std::vector<std::pair<std::int32_t, double>>> scores(m);
  for (std::size_t i = 0; i < person.codes.size(); ++i) {
    const double value = score[static_cast<Index>(i)];
    if (person.codes[i] < 0 || occasion.codes[i] < 0 || is_missing(value)) continue;
    scores[static_cast<std::size_t>(person.codes[i])].emplace_back(occasion.codes[i], value);
  }
  ScorePairs out{.persons = person.levels,
                 .pre = Eigen::VectorXd::Constant(person.level_count(), missing),
                 .post = Eigen::VectorXd::Constant(person.level_count(), missing)};
  for (std::size_t p = 0; p < m; ++p) {
    auto& own = scores[p];
    std::sort(own.begin(), own.end());
    for (std::size_t i = 1; i < own.size(); ++i)
      if (own[i].first == own[i - 1].first)
        throw DataError("person \"" + person.levels[p] + "\" has two scores at occasion \"" +
                        occasion.levels[static_cast<std::size_t>(own[i].first)] +
                        "\"; each occasion takes one");
    const auto at = static_cast<Index>(p);
    if (!named && own.size() >= 2) {
      out.pre[at] = own.front().second;
      out.post[at] = own.back().second;
    }
    for (const auto& [code, value] : own) {
      if (named && code == wanted_pre) out.pre[at] = value;
      if (named && code == wanted_post) out.post[at] = value;
    }
  }
  return out;
}

}  // namespace rapport
