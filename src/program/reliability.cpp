#include <rapport/math/moments.hpp>
#include <rapport/report/score.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::program {
namespace {

struct ReliabilityCommand {
  ScaleArguments scale;
  std::string missing = "listwise";
  std::string interval = "feldt";
  std::string subscale;
  std::string person;
  std::string occasion;
  std::string by;
  std::string rater;
  std::string retest;
  std::string alphas;
  std::string correlations;
  Index bootstrap = 0;
  Index factors = 0;
};

/// The items that the analysis is about: keyed answers with their names.
struct KeyedItems {
  Eigen::MatrixXd answers;
  std::vector<std::string> names;
  std::vector<bool> reversed;
};

const Score& chosen_score(const Instrument& instrument, const std::string& subscale) {
  std::vector<std::string> names;
  for (const Score& score : instrument.subscales) {
    if (score.name == subscale) return score;
    names.push_back(score.name);
  }
  if (!subscale.empty()) {
    const std::string near = nearest_name(subscale, names);
    throw UsageError("--subscale: \"" + instrument.name + "\" has no subscale \"" + subscale +
                     "\"" + (near.empty() ? "" : "; did you mean " + near + "?"));
  }
  if (instrument.total.items.empty()) {
    std::string listed;
    for (const std::string& name : names) listed += (listed.empty() ? "" : ", ") + name;
    throw UsageError("\"" + instrument.name + "\" has no total; choose --subscale of " + listed);
  }
  return instrument.total;
}

KeyedItems keyed_items(const Scale& scale, const Score& score) {
  const Eigen::MatrixXd keyed = keyed_responses(scale.instrument, scale.responses);
  KeyedItems out;
  std::vector<Index> columns;
  for (const int item : score.items) {
    columns.push_back(item - 1);
    out.names.push_back(scale.columns[static_cast<std::size_t>(item - 1)]);
    const auto& reversed = scale.instrument.reversed;
    out.reversed.push_back(std::find(reversed.begin(), reversed.end(), item) != reversed.end());
  }
  out.answers = keyed(Eigen::all, columns);
  return out;
}

ReliabilityOptions options_of(const ReliabilityCommand& command, double level) {
  return {.missing = choose<ItemMissing>(
              "--missing", command.missing,
              {{"listwise", ItemMissing::listwise}, {"pairwise", ItemMissing::pairwise}}),
          .interval = choose<AlphaInterval>("--interval", command.interval,
                                            {{"feldt", AlphaInterval::feldt},
                                             {"asymptotic", AlphaInterval::asymptotic},
                                             {"adf", AlphaInterval::distribution_free}}),
          .confidence_level = level};
}

Json omega_json(const ReliabilityCommand& command, const KeyedItems& items, double level,
                std::vector<std::string>& warnings) {
  const OmegaResult omega = omega_total(items.answers, {.confidence_level = level});
  if (!omega.converged)
    warnings.push_back(
        "omega could not be computed: one factor needs at least 3 items that are not linearly "
        "dependent");
  if (omega.heywood)
    warnings.push_back(
        "omega: an item has no unique variance of its own under one factor (a Heywood case); do "
        "not trust it");
  Json out = report::to_json(omega);
  if (command.factors == 0) return out;
  if (command.factors < 2) throw UsageError("--factors: must be at least 2");
  const bool pairwise = command.missing == "pairwise";
  const Eigen::MatrixXd covariance =
      pairwise ? pairwise_covariance_matrix(items.answers) : covariance_matrix(items.answers);
  const HierarchicalOmega bifactor =
      omega_hierarchical(correlation_from_covariance(covariance), command.factors);
  if (!bifactor.converged) warnings.push_back("the factors of omega hierarchical did not converge");
  out.set("hierarchical", report::to_json(bifactor, items.names));
  return out;
}

/// α of each group of rows, and the test that they are equal.
Json groups_json(const ReliabilityCommand& command, const KeyedItems& items, const Table& table,
                 const ReliabilityOptions& options) {
  const Factor factor = table.factor(command.by);
  Json groups = Json::array();
  std::vector<AlphaOfGroup> alphas;
  for (Index level = 0; level < factor.level_count(); ++level) {
    std::vector<Index> rows;
    for (Index i = 0; i < factor.size(); ++i)
      if (factor.codes[static_cast<std::size_t>(i)] == level) rows.push_back(i);
    const AlphaResult alpha = cronbach_alpha(items.answers(rows, Eigen::all), options);
    groups.push_back(Json::object({{"group", factor.levels[static_cast<std::size_t>(level)]},
                                   {"n", alpha.n_used},
                                   {"alpha", report::to_json(alpha)}}));
    alphas.push_back({.alpha = alpha.estimate, .n = alpha.n_used, .items = items.answers.cols()});
  }
  Json out = Json::object({{"groups", groups}});
  if (alphas.size() > 1) out.set("test", report::to_json(compare_alphas(alphas)));
  return out;
}

/// The score (sum of the items of complete rows) on two occasions.
Json retest_json(const ReliabilityCommand& command, const KeyedItems& items, const Table& table,
                 double level) {
  const std::vector<std::string> ends = split_list(command.retest, "--retest");
  if (ends.size() != 2)
    throw UsageError("--retest: \"" + command.retest + "\" must be two occasions, such as 1,2");
  const ScorePairs pairs =
      pair_scores(table.factor(command.person), table.factor(command.occasion),
                  Eigen::VectorXd(items.answers.rowwise().sum()), ends[0], ends[1]);
  Json out = Json::object({{"first", ends[0]}, {"second", ends[1]}});
  const Json result = report::to_json(test_retest(pairs.pre, pairs.post, level));
  for (const auto& [name, value] : result.members()) out.set(name, value);
  return out;
}

Index whole_number(double value) {
  if (!(value >= 2 && value <= 1e9 && value == std::floor(value)))
    throw UsageError("--alphas: n and items must be whole numbers of at least 2");
  return static_cast<Index>(value);
}

/// r12,r13,…,r23,… as a matrix.
Eigen::MatrixXd correlations_of(const ReliabilityCommand& command,
                                const std::vector<AlphaOfGroup>& groups) {
  const std::vector<double> numbers = split_numbers(command.correlations, "--correlations");
  const auto m = static_cast<Index>(groups.size());
  if (static_cast<Index>(numbers.size()) != m * (m - 1) / 2)
    throw UsageError("--correlations: must be " + std::to_string(m * (m - 1) / 2) +
                     ", of the totals of each pair of the alphas (12, 13, …, 23, …)");
  Eigen::MatrixXd out = Eigen::MatrixXd::Identity(m, m);
  std::size_t next = 0;
  for (Index i = 0; i < m; ++i)
    for (Index j = i + 1; j < m; ++j) out(i, j) = out(j, i) = numbers[next++];
  if (!(out.cwiseAbs().maxCoeff() <= 1)) throw UsageError("--correlations: must lie within -1..1");
  return out;
}

/// The tests of published α: no data are read.
Outcome compare_published(const ReliabilityCommand& command, double level) {
  const std::vector<double> numbers = split_numbers(command.alphas, "--alphas");
  if (numbers.size() < 6 || numbers.size() % 3 != 0)
    throw UsageError("--alphas: must be alpha,n,items of at least two groups");
  std::vector<AlphaOfGroup> groups;
  Json listed = Json::array();
  for (std::size_t i = 0; i < numbers.size(); i += 3) {
    const AlphaOfGroup group{.alpha = numbers[i],
                             .n = whole_number(numbers[i + 1]),
                             .items = whole_number(numbers[i + 2])};
    if (!(group.alpha < 1)) throw UsageError("--alphas: each alpha must be below 1");
    const ConfidenceInterval ci = feldt_interval(group.alpha, group.n, group.items, level);
    listed.push_back(Json::object({{"alpha", group.alpha},
                                   {"n", group.n},
                                   {"items", group.items},
                                   {"ci_lower", ci.lower},
                                   {"ci_upper", ci.upper}}));
    groups.push_back(group);
  }
  const bool dependent = !command.correlations.empty();
  const AlphaComparison test =
      dependent ? compare_dependent_alphas(groups, correlations_of(command, groups))
                : compare_alphas(groups);
  return {.result = Json::object(
              {{"groups", listed}, {"dependent", dependent}, {"test", report::to_json(test)}}),
          .main_table = "groups",
          .text = {},
          .warnings = {}};
}

void require_consistent(const ReliabilityCommand& command) {
  if (command.rater.empty() && command.person.empty() != command.occasion.empty())
    throw UsageError("--person and --occasion go together");
  if (!command.rater.empty() && command.person.empty())
    throw UsageError("--rater needs --person, whom the raters rated");
  if (!command.retest.empty() && (command.occasion.empty() || !command.rater.empty()))
    throw UsageError("--retest needs --person and --occasion, and data of one rater");
  if (command.bootstrap != 0) require_replicates("--bootstrap", command.bootstrap);
  if (!command.correlations.empty() && command.alphas.empty())
    throw UsageError("--correlations goes with --alphas");
}

/// Adds what --by, --rater, --person and --retest ask for.
void add_designs(const ReliabilityCommand& command, const KeyedItems& items, const Table& table,
                 const ReliabilityOptions& options, Json& result) {
  if (!command.by.empty()) result.set("by", groups_json(command, items, table, options));
  if (!command.rater.empty()) {
    Factor person = table.factor(command.person);
    if (!command.occasion.empty()) person = cross(person, table.factor(command.occasion));
    result.set("by_rater",
               report::to_json(reliability_by_rater(items.answers, person,
                                                    table.factor(command.rater), options),
                               items.names));
  } else if (!command.person.empty()) {
    result.set("multilevel",
               report::to_json(multilevel_reliability(items.answers, table.factor(command.person),
                                                      table.factor(command.occasion))));
  }
  if (!command.retest.empty())
    result.set("test_retest", retest_json(command, items, table, options.confidence_level));
}

Outcome run(const ReliabilityCommand& command, const CommonOptions& common) {
  const ReliabilityOptions options = options_of(command, common.level);
  require_consistent(command);
  if (!command.alphas.empty()) {
    if (!common.data.empty()) throw UsageError("give DATA or --alphas, not both");
    return compare_published(command, common.level);
  }
  if (common.data.empty())
    throw UsageError("DATA is required (or --alphas, a summary of published studies)");
  const Table table = load_table(common);
  const Scale scale = resolve_scale(command.scale, table);
  require_allowed(scale, table);
  const KeyedItems items = keyed_items(scale, chosen_score(scale.instrument, command.subscale));
  ReliabilityResult result = reliability(items.answers, options);
  if (command.bootstrap > 0)
    result.alpha = bootstrap_alpha(items.answers, Seed{common.seed}, command.bootstrap,
                                   common.level, common.threads);
  Outcome outcome{.result = report::to_json(result, items.names, items.reversed),
                  .main_table = "item_statistics",
                  .text = {},
                  .warnings = scale.warnings,
                  .rows = table.rows(),
                  .used = result.alpha.n_used};
  if (command.bootstrap > 0) {
    Json alpha = report::to_json(result.alpha);
    alpha.set("method", "bootstrap");
    outcome.result.set("alpha", alpha);
  }
  outcome.result.set("omega", omega_json(command, items, common.level, outcome.warnings));
  add_designs(command, items, table, options, outcome.result);
  for (const ItemStatistic& item : result.items)
    if (item.r_drop < 0) {
      outcome.warnings.push_back(
          "an item falls as the rest of the scale rises; `rapport screen` says which and why");
      break;
    }
  return outcome;
}

}  // namespace

void add_reliability(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<ReliabilityCommand>();
  CLI::App* command = add_command(
      program, chosen, "reliability",
      "Alpha, omega, Guttman's bounds, split halves, items; over sessions too (csv: the items)",
      common, [own, common] { return run(*own, *common); });
  add_scale_options(*command, own->scale);
  command->add_option("--missing", own->missing, "listwise (default) or pairwise");
  command->add_option("--interval", own->interval,
                      "feldt (default), asymptotic or adf (distribution-free)");
  command->add_option("--bootstrap", own->bootstrap,
                      "Replicates of a bootstrap interval for alpha");
  command->add_option("--factors", own->factors, "Group factors: adds omega hierarchical");
  command->add_option("--subscale", own->subscale,
                      "A subscale of the instrument instead of its total");
  command->add_option("--by", own->by,
                      "Column of groups: alpha of each, and the test that they are equal");
  command->add_option("--person", own->person,
                      "Column of persons: adds reliability between and within persons");
  command->add_option("--occasion", own->occasion, "Column of occasions");
  command->add_option("--retest", own->retest,
                      "Two occasions, such as 1,2: adds test-retest reliability of the sum");
  command->add_option(
      "--rater", own->rater,
      "Column of raters of the same persons: adds alpha by rater, and the test that "
      "they are equal");
  command->add_option("--alphas", own->alphas,
                      "alpha,n,items of each of several studies, to be compared in place of DATA");
  command->add_option("--correlations", own->correlations,
                      "With --alphas of the same persons: r12,r13,…,r23,… of the totals");
  add_data(*command, *common, false);
}

}  // namespace rapport::program
