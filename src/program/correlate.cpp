#include <rapport/base/parallel.hpp>
#include <rapport/report/correlate.hpp>

#include "commands.hpp"
#include "correlate_settings.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::program {
namespace correlate {
namespace {

struct ColumnPair {
  std::string x;
  std::string y;
};

std::vector<ColumnPair> column_pairs(const Arguments& arguments) {
  std::vector<ColumnPair> pairs;
  if (!arguments.columns.empty()) {
    if (!arguments.x.empty() || !arguments.y.empty())
      throw UsageError(
          "--columns: does not go with --x and --y; give all columns, or two lists to cross");
    const std::vector<std::string> names = split_names(arguments.columns, "--columns");
    if (names.size() < 2)
      throw UsageError("--columns: names one column; at least two are required");
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = i + 1; j < names.size(); ++j)
        pairs.push_back({.x = names[i], .y = names[j]});
    return pairs;
  }
  if (arguments.x.empty() || arguments.y.empty())
    throw UsageError("--columns a,b,c, or --x a,b with --y c,d: one of the two is required");
  for (const std::string& x : split_names(arguments.x, "--x"))
    for (const std::string& y : split_names(arguments.y, "--y")) pairs.push_back({.x = x, .y = y});
  return pairs;
}

std::vector<std::string> names_in(const std::vector<ColumnPair>& pairs) {
  std::vector<std::string> names;
  for (const ColumnPair& pair : pairs)
    for (const std::string& name : {pair.x, pair.y})
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

/// A factor's positions as numbers, NaN where missing.
Eigen::VectorXd codes_as_numbers(const Factor& factor) {
  Eigen::VectorXd numbers(factor.size());
  for (Index i = 0; i < numbers.size(); ++i) {
    const std::int32_t code = factor.codes[static_cast<std::size_t>(i)];
    numbers[i] = code < 0 ? missing : code;
  }
  return numbers;
}

/// A column for the method: its numbers; for methods on order or categories also the positions of
/// levels whose order
/// --factor has fixed.
Eigen::VectorXd values_of(const Table& table, const CommonOptions& common, const std::string& name,
                          Method method) {
  const bool categories_will_do = method == Method::cramer || declared_factor(common, name);
  const bool moments =
      is_one_of(method, {Method::pearson, Method::percentage_bend, Method::winsorized});
  if (!table.is_numeric(name) && categories_will_do && !moments)
    return codes_as_numbers(table.factor(name));
  return table.numbers(name);
}

/// Rows on which none of the columns is missing.
Table listwise(const Table& table, const std::vector<std::string>& names) {
  std::vector<Index> rows;
  for (Index i = 0; i < table.rows(); ++i) {
    const auto absent = [&](const std::string& name) { return is_missing(table.column(name), i); };
    if (std::none_of(names.begin(), names.end(), absent)) rows.push_back(i);
  }
  return table.select(rows);
}

/// The two groups of x apart: first level and second.
Json rank_biserial_of_groups(const Table& table, const ColumnPair& pair,
                             const RankBiserialOptions& options) {
  const Factor groups = table.factor(pair.x);
  if (groups.level_count() != 2)
    throw DataError(
        "rank-biserial: column \"" + pair.x + "\" has " + std::to_string(groups.level_count()) +
            " groups; two are required (or --paired for two measurements of the same persons)",
        table.origin().file);
  const Eigen::VectorXd& values = table.numbers(pair.y);
  Eigen::VectorXd first = values;
  Eigen::VectorXd second = values;
  Index n_first = 0;
  Index n_second = 0;
  for (Index i = 0; i < values.size(); ++i) {
    const std::int32_t code = groups.codes[static_cast<std::size_t>(i)];
    if (code == 0) first[n_first++] = values[i];
    if (code == 1) second[n_second++] = values[i];
  }
  Json result = report::to_json(
      rank_biserial_correlation(first.head(n_first), second.head(n_second), options));
  result.set("groups", std::vector<std::string>{groups.levels[0], groups.levels[1]});
  return result;
}

/// The coefficient of one pair of columns without partialling, clusters or weights.
Json plain_coefficient(const VectorView& x, const VectorView& y, const Settings& s) {
  using report::to_json;
  switch (s.method) {
    case Method::pearson:
      return to_json(pearson_correlation(x, y, s.plain()));
    case Method::spearman:
      return to_json(spearman_correlation(x, y,
                                          {.alternative = s.alternative,
                                           .exact = s.exact,
                                           .interval = s.spearman_interval,
                                           .confidence_level = s.level}));
    case Method::kendall:
      return to_json(kendall_tau(x, y,
                                 {.alternative = s.alternative,
                                  .exact = s.exact,
                                  .continuity = s.continuity,
                                  .confidence_level = s.level}));
    case Method::kendall_a:
      return to_json(kendall_tau_a(x, y, s.plain()));
    case Method::kendall_c:
      return to_json(stuart_tau_c(x, y, s.plain()));
    case Method::gamma:
      return to_json(goodman_kruskal_gamma(x, y, s.plain()));
    case Method::somers_d:
      return to_json(somers_d(x, y, s.plain()));
    case Method::weighted_tau:
      return to_json(weighted_tau(x, y, s.weighted_tau));
    case Method::xi:
      return to_json(chatterjee_xi(x, y));
    case Method::hoeffding:
      return to_json(hoeffding_d(x, y));
    case Method::bergsma_dassios:
      return to_json(bergsma_dassios_tau(x, y));
    case Method::blomqvist:
      return to_json(blomqvist_beta(x, y, s.plain()));
    case Method::percentage_bend:
      return to_json(percentage_bend_correlation(x, y, 0.2, s.plain()));
    case Method::winsorized:
      return to_json(winsorized_correlation(x, y, 0.2, s.plain()));
    case Method::cramer:
      return to_json(cramers_v(x, y, s.plain()));
    case Method::polychoric:
      return to_json(polychoric_correlation(
          x, y,
          {.estimator = s.estimator, .alternative = s.alternative, .confidence_level = s.level}));
    case Method::polyserial:
      return to_json(polyserial_correlation(
          x, y,
          {.estimator = s.estimator, .alternative = s.alternative, .confidence_level = s.level}));
    case Method::rank_biserial:
      return to_json(paired_rank_biserial_correlation(x, y,
                                                      {.alternative = s.alternative,
                                                       .exact = s.exact,
                                                       .continuity = s.continuity,
                                                       .confidence_level = s.level}));
  }
  return {};
}

Json weighted_coefficient(const VectorView& x, const VectorView& y, const VectorView& weights,
                          const Settings& s) {
  using report::to_json;
  if (s.method == Method::pearson)
    return to_json(weighted_pearson_correlation(x, y, weights, s.plain()));
  if (s.method == Method::spearman)
    return to_json(weighted_spearman_correlation(x, y, weights,
                                                 {.alternative = s.alternative,
                                                  .interval = s.spearman_interval,
                                                  .confidence_level = s.level}));
  return to_json(weighted_kendall_tau(
      x, y, weights,
      {.alternative = s.alternative, .continuity = s.continuity, .confidence_level = s.level}));
}

Json partial_coefficient(const VectorView& x, const VectorView& y, const MatrixView& covariates,
                         const Settings& s) {
  const PartialMethod method = s.method == Method::pearson    ? PartialMethod::pearson
                               : s.method == Method::spearman ? PartialMethod::spearman
                                                              : PartialMethod::kendall;
  return report::to_json(
      partial_correlation(x, y, covariates,
                          {.method = method,
                           .remove_from = s.remove_from.value_or(RemoveFrom::both),
                           .alternative = s.alternative,
                           .confidence_level = s.level}));
}

ClusteredOptions clustered_options(const Settings& s) {
  return {
      .method = s.method == Method::spearman ? ClusteredMethod::spearman : ClusteredMethod::pearson,
      .alternative = s.alternative,
      .confidence_level = s.level};
}

/// The estimate alone, for the bootstrap.
CorrelationStatistic statistic_of(const Settings& settings) {
  Settings quick = settings;
  quick.exact.test = ExactTest::no;
  if (settings.method == Method::kendall)
    return [](const VectorView& x, const VectorView& y) {
      return kendall_tau_b(count_pairs(dense_ranks(x), dense_ranks(y)));
    };
  return [quick](const VectorView& x, const VectorView& y) {
    return plain_coefficient(x, y, quick).at("estimate").number();
  };
}

Json one_pair(const Table& table, const CommonOptions& common, const Arguments& arguments,
              const Settings& settings, const ColumnPair& pair) {
  if (settings.method == Method::rank_biserial && !settings.paired)
    return rank_biserial_of_groups(table, pair,
                                   {.alternative = settings.alternative,
                                    .exact = settings.exact,
                                    .continuity = settings.continuity,
                                    .confidence_level = settings.level});
  const Method x_method = settings.method == Method::polyserial ? Method::pearson : settings.method;
  const Eigen::VectorXd x = values_of(table, common, pair.x, x_method);
  const Eigen::VectorXd y = values_of(table, common, pair.y, settings.method);
  if (!arguments.partial.empty())
    return partial_coefficient(x, y, table.matrix(split_names(arguments.partial, "--partial")),
                               settings);
  if (!arguments.weights.empty())
    return weighted_coefficient(x, y, table.numbers(arguments.weights), settings);
  if (!arguments.by.empty())
    return report::to_json(within_between_correlation(x, y, table.factor(arguments.by).codes,
                                                      clustered_options(settings)),
                           pair.x, pair.y);
  if (!arguments.repeated.empty())
    return report::to_json(repeated_measures_correlation(
        x, y, table.factor(arguments.repeated).codes, clustered_options(settings)));
  Json result = plain_coefficient(x, y, settings);
  if (arguments.bootstrap > 0) {
    const ClusterCodes cluster =
        arguments.cluster.empty() ? ClusterCodes{} : table.factor(arguments.cluster).codes;
    report::set_bootstrap(result,
                          bootstrap_correlation(x, y, statistic_of(settings), Seed{common.seed},
                                                {.replicates = arguments.bootstrap,
                                                 .confidence_level = common.level,
                                                 .threads = common.threads,
                                                 .progress = progress_bar(common, "bootstrap")},
                                                cluster));
  }
  return result;
}

/// The member at `path` ("estimate", or "within.estimate") as a number; NaN where absent.
double number_at(const Json& object, const char* key) {
  const Json* found = object.find(key);
  return found != nullptr && found->is_number() ? found->number() : missing;
}

void adjust(std::vector<Json>& pairs, Adjustment adjustment) {
  if (adjustment == Adjustment::none) return;
  Eigen::VectorXd p(static_cast<Index>(pairs.size()));
  for (Index k = 0; k < p.size(); ++k)
    p[k] = number_at(pairs[static_cast<std::size_t>(k)], "p_value");
  const Eigen::VectorXd adjusted = adjust_p_values(p, adjustment);
  for (Index k = 0; k < p.size(); ++k)
    if (!std::isnan(adjusted[k])) pairs[static_cast<std::size_t>(k)].set("p_adjusted", adjusted[k]);
}

Json finished_result(const Arguments& arguments, std::vector<Json> pairs) {
  return Json::object(
      {{"method", arguments.method}, {"pairs", Json(Json::Array(std::move(pairs)))}});
}

Outcome correlate_summary(const Arguments& arguments, const Settings& s) {
  if (std::isnan(arguments.r) || std::isnan(arguments.n))
    throw UsageError("--r and --n: both are required in place of DATA");
  const SpearmanOptions spearman{
      .alternative = s.alternative, .interval = s.spearman_interval, .confidence_level = s.level};
  const CorrelationResult result =
      s.method == Method::pearson    ? pearson_from_summary(arguments.r, arguments.n, s.plain())
      : s.method == Method::spearman ? spearman_from_summary(arguments.r, arguments.n, spearman)
                                     : kendall_from_summary(arguments.r, arguments.n, s.plain());
  Outcome outcome;
  outcome.result = finished_result(arguments, {report::to_json(result)});
  outcome.main_table = "pairs";
  return outcome;
}

Outcome correlate_data(const CommonOptions& common, const Arguments& arguments,
                       const Settings& settings) {
  const std::vector<ColumnPair> wanted = column_pairs(arguments);
  Table table = load_table(common);
  Outcome outcome;
  outcome.main_table = "pairs";
  outcome.rows = table.rows();
  std::vector<std::string> names = names_in(wanted);
  if (!arguments.partial.empty())
    for (const std::string& name : split_names(arguments.partial, "--partial"))
      names.push_back(name);
  for (const std::string* name :
       {&arguments.weights, &arguments.by, &arguments.repeated, &arguments.cluster})
    if (!name->empty()) names.push_back(*name);
  for (const std::string& name : names) (void)table.column(name);
  if (settings.listwise) table = listwise(table, names);

  const bool many = wanted.size() > 1;
  std::vector<Json> pairs(wanted.size());
  Settings each = settings;
  if (many) each.exact.threads = 1;
  const bool parallel = many && arguments.bootstrap == 0;  // the bootstrap runs in parallel itself
  parallel_for(static_cast<Index>(wanted.size()), parallel ? common.threads : 1, [&](Index number) {
    const ColumnPair& pair = wanted[static_cast<std::size_t>(number)];
    Json object = Json::object({{"x", pair.x}, {"y", pair.y}});
    const Json coefficient = one_pair(table, common, arguments, each, pair);
    for (const auto& [key, value] : coefficient.members()) object.set(key, value);
    pairs[static_cast<std::size_t>(number)] = std::move(object);
  });
  for (const Json& pair : pairs) {
    const double n = number_at(pair, "n");
    outcome.used = std::max(outcome.used, static_cast<Index>(n));
    const Json* estimate = pair.find("estimate");
    if (estimate != nullptr && std::isnan(estimate->number()))
      outcome.warnings.push_back(pair.at("x").string() + " and " + pair.at("y").string() +
                                 ": the coefficient is undefined (too few complete rows, or a "
                                 "variable that does not vary)");
  }
  adjust(pairs, settings.adjustment);
  outcome.result = finished_result(arguments, std::move(pairs));
  return outcome;
}

}  // namespace
}  // namespace correlate

void add_correlate(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<correlate::Arguments>();
  const auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App* command = add_command(
      program, chosen, "correlate", "Correlation and association of columns (csv: one row a pair)",
      common, [common, arguments, self] {
        const correlate::Settings settings = correlate::settings_of(*arguments, *common);
        correlate::check_combinations(*arguments, settings.method, **self);
        if (common->data.empty()) {
          if ((*self)->count("--r") == 0)
            throw UsageError("DATA is required (or --r R --n N, a summary)");
          return correlate::correlate_summary(*arguments, settings);
        }
        if ((*self)->count("--r") > 0)
          throw UsageError("--r and --n: stand in place of DATA, not beside it");
        return correlate::correlate_data(*common, *arguments, settings);
      });
  *self = command;
  correlate::add_options(*command, *arguments);
  add_data(*command, *common, false);
}

}  // namespace rapport::program
