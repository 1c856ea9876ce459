#include <rapport/math/moments.hpp>
#include <rapport/report/score.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"
#include <algorithm>

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

Outcome run(const ReliabilityCommand& command, const CommonOptions& common) {
  const ReliabilityOptions options = options_of(command, common.level);
  if (command.person.empty() != command.occasion.empty())
    throw UsageError("--person and --occasion go together");
  if (command.bootstrap < 0) throw UsageError("--bootstrap: must be the number of replicates");
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
  if (!command.by.empty()) outcome.result.set("by", groups_json(command, items, table, options));
  if (!command.person.empty())
    outcome.result.set("multilevel", report::to_json(multilevel_reliability(
                                         items.answers, table.factor(command.person),
                                         table.factor(command.occasion))));
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
  add_data(*command, *common);
}

}  // namespace rapport::program
