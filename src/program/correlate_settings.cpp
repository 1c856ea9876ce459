#include "correlate_settings.hpp"

#include <algorithm>

namespace rapport::program::correlate {
namespace {

const std::vector<std::pair<std::string, Method>> methods = {
    {"pearson", Method::pearson},
    {"spearman", Method::spearman},
    {"kendall", Method::kendall},
    {"kendall-a", Method::kendall_a},
    {"kendall-c", Method::kendall_c},
    {"gamma", Method::gamma},
    {"somers-d", Method::somers_d},
    {"weighted-tau", Method::weighted_tau},
    {"xi", Method::xi},
    {"hoeffding", Method::hoeffding},
    {"bergsma-dassios", Method::bergsma_dassios},
    {"blomqvist", Method::blomqvist},
    {"percentage-bend", Method::percentage_bend},
    {"winsorized", Method::winsorized},
    {"cramer", Method::cramer},
    {"polychoric", Method::polychoric},
    {"polyserial", Method::polyserial},
    {"rank-biserial", Method::rank_biserial}};

const std::vector<std::pair<std::string, Alternative>> alternatives = {
    {"two-sided", Alternative::two_sided},
    {"less", Alternative::less},
    {"greater", Alternative::greater}};

void refuse_unless(bool allowed, const std::string& option, const std::string& method,
                   const std::string& allowed_methods) {
  if (!allowed)
    throw UsageError(option + ": does not go with " + method + "; it goes with " + allowed_methods);
}

void add_selection_options(CLI::App& command, Arguments& a) {
  const std::string what = "What to correlate";
  command.add_option("--columns", a.columns, "a,b,c: every pair of these columns")->group(what);
  command.add_option("--x", a.x, "a,b: each of these with each of --y")->group(what);
  command.add_option("--y", a.y, "c,d")->group(what);
  command
      .add_option("--partial", a.partial, "z,w: covariates to remove (pearson, spearman, kendall)")
      ->group(what);
  command
      .add_option("--remove-from", a.remove_from,
                  "x or y: semi-partial, covariates removed from that variable only")
      ->group(what);
  command.add_option("--weights", a.weights, "Column of counts (pearson, spearman, kendall)")
      ->group(what);
  command.add_option("--by", a.by, "Person: within- and between-person correlation")->group(what);
  command.add_option("--repeated", a.repeated, "Person: repeated-measures correlation")
      ->group(what);
  command.add_option("--missing", a.missing, "pairwise (default) or listwise")->group(what);
  command.add_option("--r", a.r, "A published coefficient, in place of DATA")->group(what);
  command.add_option("--n", a.n, "Its sample size")->group(what);
  command
      .add_flag("--paired", a.paired,
                "rank-biserial: x and y are two measurements of the same persons")
      ->group(what);
}

void add_inference_options(CLI::App& command, Arguments& a) {
  const std::string how = "Inference";
  command.add_option("--exact", a.exact, "auto (default), yes or no")->group(how);
  command
      .add_option("--permutations", a.permutations,
                  "Random permutations where enumeration is too dear (default 100000)")
      ->group(how);
  command.add_option("--alternative", a.alternative, "two-sided (default), less or greater")
      ->group(how);
  command.add_flag("--continuity", a.continuity, "Continuity correction (kendall, rank-biserial)")
      ->group(how);
  command.add_option("--adjust", a.adjust, "none (default), holm, hochberg, bh, by or bonferroni")
      ->group(how);
  command.add_option("--ci", a.ci, "spearman: bonett-wright (default) or fieller")->group(how);
  command.add_option("--bootstrap", a.bootstrap, "N replicates: BCa interval and standard error")
      ->group(how);
  command.add_option("--cluster", a.cluster, "Person: whole clusters are resampled")->group(how);
  command.add_option("--rank", a.rank, "weighted-tau: both (default), x or order")->group(how);
  command.add_option("--combine", a.combine, "weighted-tau: add (default) or multiply")->group(how);
  command
      .add_option("--estimator", a.estimator, "polychoric, polyserial: ml (default) or two-step")
      ->group(how);
}

}  // namespace

bool is_one_of(Method method, std::initializer_list<Method> list) {
  return std::find(list.begin(), list.end(), method) != list.end();
}

void check_combinations(const Arguments& arguments, Method method, const CLI::App& command) {
  const bool basic = is_one_of(method, {Method::pearson, Method::spearman, Method::kendall});
  const bool moments = is_one_of(method, {Method::pearson, Method::spearman});
  const auto given = [&](const char* option) { return command.count(option) > 0; };
  const std::string& name = arguments.method;
  refuse_unless(!given("--partial") || basic, "--partial", name, "pearson, spearman and kendall");
  refuse_unless(!given("--weights") || basic, "--weights", name, "pearson, spearman and kendall");
  refuse_unless(!given("--by") || moments, "--by", name, "pearson and spearman");
  refuse_unless(!given("--repeated") || moments, "--repeated", name, "pearson and spearman");
  refuse_unless(!given("--r") || basic, "--r", name, "pearson, spearman and kendall");
  refuse_unless(!given("--ci") || method == Method::spearman, "--ci", name, "spearman");
  refuse_unless(!given("--paired") || method == Method::rank_biserial, "--paired", name,
                "rank-biserial");
  refuse_unless(!given("--rank") || method == Method::weighted_tau, "--rank", name, "weighted-tau");
  refuse_unless(!given("--combine") || method == Method::weighted_tau, "--combine", name,
                "weighted-tau");
  refuse_unless(
      !given("--estimator") || is_one_of(method, {Method::polychoric, Method::polyserial}),
      "--estimator", name, "polychoric and polyserial");
  refuse_unless(
      !given("--continuity") || is_one_of(method, {Method::kendall, Method::rank_biserial}),
      "--continuity", name, "kendall and rank-biserial");
  refuse_unless(arguments.exact != "yes" ||
                    is_one_of(method, {Method::spearman, Method::kendall, Method::rank_biserial}),
                "--exact yes", name, "spearman, kendall and rank-biserial");
  if (given("--remove-from") && !given("--partial"))
    throw UsageError("--remove-from: needs --partial, which says what is removed");
  if (given("--cluster") && !given("--bootstrap"))
    throw UsageError("--cluster: needs --bootstrap N");
  const int structures = static_cast<int>(given("--partial")) +
                         static_cast<int>(given("--weights")) + static_cast<int>(given("--by")) +
                         static_cast<int>(given("--repeated"));
  if (structures > 1)
    throw UsageError("--partial, --weights, --by and --repeated: give one of them at a time");
  if (given("--bootstrap") && structures > 0)
    throw UsageError("--bootstrap: does not go with --partial, --weights, --by and --repeated");
  if (given("--bootstrap") && arguments.bootstrap < 2)
    throw UsageError("--bootstrap: " + std::to_string(arguments.bootstrap) +
                     " replicates; at least 2 are required");
}

Settings settings_of(const Arguments& arguments, const CommonOptions& common) {
  Settings settings{
      .method = choose("METHOD", arguments.method, methods),
      .alternative = choose("--alternative", arguments.alternative, alternatives),
      .exact = {.test = choose<ExactTest>("--exact", arguments.exact,
                                          {{"auto", ExactTest::automatic},
                                           {"yes", ExactTest::yes},
                                           {"no", ExactTest::no}}),
                .permutations = arguments.permutations,
                .seed = Seed{common.seed},
                .threads = common.threads},
      .spearman_interval =
          choose<SpearmanInterval>("--ci", arguments.ci,
                                   {{"bonett-wright", SpearmanInterval::bonett_wright},
                                    {"fieller", SpearmanInterval::fieller}}),
      .weighted_tau = {.rank = choose<WeightedTauRank>("--rank", arguments.rank,
                                                       {{"both", WeightedTauRank::both},
                                                        {"x", WeightedTauRank::x},
                                                        {"order", WeightedTauRank::order}}),
                       .combine = choose<WeightedTauCombine>(
                           "--combine", arguments.combine,
                           {{"add", WeightedTauCombine::add},
                            {"multiply", WeightedTauCombine::multiply}})},
      .estimator = choose<LatentEstimator>(
          "--estimator", arguments.estimator,
          {{"ml", LatentEstimator::maximum_likelihood}, {"two-step", LatentEstimator::two_step}}),
      .adjustment = choose("--adjust", arguments.adjust, parse_adjustment,
                           {"none", "holm", "hochberg", "bh", "by", "bonferroni"}),
      .remove_from = {},
      .listwise =
          choose<bool>("--missing", arguments.missing, {{"pairwise", false}, {"listwise", true}}),
      .continuity = arguments.continuity,
      .paired = arguments.paired,
      .level = common.level};
  if (!arguments.remove_from.empty())
    settings.remove_from = choose<RemoveFrom>("--remove-from", arguments.remove_from,
                                              {{"x", RemoveFrom::x}, {"y", RemoveFrom::y}});
  return settings;
}

void add_options(CLI::App& command, Arguments& arguments) {
  std::string names;
  for (const auto& [name, method] : methods) names += (names.empty() ? "" : " ") + name;
  command.add_option("METHOD", arguments.method, names)->required();
  add_selection_options(command, arguments);
  add_inference_options(command, arguments);
}

}  // namespace rapport::program::correlate
