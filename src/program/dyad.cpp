#include <rapport/data/ratings.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/report/dyad.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct DyadOptions {
  std::string analysis;
  std::string outcomes;
  std::string predictors;
  std::string partner_rating;
  std::string focal_rating;
  std::string focal;
  std::string x;
  std::string y;
  std::string session;
  std::string dyad;
  std::string members;
  std::string group;
  std::string member;
  std::string rating;
  std::string threshold = "sd";
  Index bootstrap = 0;
};

void require(bool given, const DyadOptions& o, const std::string& options) {
  if (!given) throw UsageError("dyad " + o.analysis + ": " + options + " must be given");
}

Outcome outcome_of(const DyadOptions& o, const Table& table, const Json& result, Index used,
                   std::string main_table = "") {
  Outcome out;
  out.result = Json::object({{"analysis", o.analysis}});
  for (const auto& [key, value] : result.members()) out.result.set(key, value);
  out.main_table = std::move(main_table);
  out.rows = table.rows();
  out.used = used;
  return out;
}

std::vector<std::string> split_pair(const std::string& text, const std::string& option) {
  std::vector<std::string> names = split_list(text, option);
  if (names.size() != 2)
    throw UsageError(option + ": two columns are required, the first person's and the second's");
  return names;
}

Outcome run_apim(const CommonOptions& common, const DyadOptions& o) {
  require(!o.outcomes.empty() && !o.predictors.empty(), o, "--outcomes and --predictors");
  const std::vector<std::string> outcomes = split_pair(o.outcomes, "--outcomes");
  const std::vector<std::string> predictors = split_pair(o.predictors, "--predictors");
  if (o.bootstrap < 0) throw UsageError("--bootstrap: must be 0 or more");
  const Table table = load_table(common);
  const ActorPartnerResult r = actor_partner_model(
      table.numbers(outcomes[0]), table.numbers(outcomes[1]), table.numbers(predictors[0]),
      table.numbers(predictors[1]), Seed{common.seed},
      {.confidence_level = common.level, .bootstrap = o.bootstrap, .threads = common.threads});
  return outcome_of(o, table, report::to_json(r, outcomes[0], outcomes[1]), r.n_used, "effects");
}

Outcome run_one_with_many(const CommonOptions& common, const DyadOptions& o) {
  require(!o.partner_rating.empty() && !o.focal_rating.empty() && !o.focal.empty(), o,
          "--partner-rating, --focal-rating and --focal");
  const Table table = load_table(common);
  const OneWithManyResult r = one_with_many(
      table.numbers(o.partner_rating), table.numbers(o.focal_rating), table.factor(o.focal).codes);
  Outcome out = outcome_of(o, table, report::to_json(r), r.n_used);
  if (r.consensus < 0 || r.assimilation < 0)
    out.warnings.emplace_back("a variance between focal persons is negative: read it as none");
  return out;
}

Outcome run_convergence(const CommonOptions& common, const DyadOptions& o) {
  require(!o.x.empty() && !o.y.empty() && !o.session.empty() && !o.dyad.empty(), o,
          "--x, --y, --session and --dyad");
  const Table table = load_table(common);
  const ConvergenceResult r =
      dyadic_convergence(table.numbers(o.x), table.numbers(o.y), table.numbers(o.session),
                         table.factor(o.dyad).codes, common.level);
  return outcome_of(o, table, report::to_json(r), r.n_used, "coefficients");
}

Ratings members_ratings(const Table& table, const DyadOptions& o) {
  if (o.members.empty()) {
    require(!o.group.empty() && !o.member.empty() && !o.rating.empty(), o,
            "--members a,b,c (wide), or --group, --member and --rating (long)");
    return long_ratings(table, {o.group, o.member, o.rating});
  }
  Ratings ratings = wide_ratings(table, split_list(o.members, "--members"));
  if (!o.group.empty())
    for (Index i = 0; i < table.rows(); ++i)
      ratings.subjects[static_cast<std::size_t>(i)] = cell_text(table.column(o.group), i);
  return ratings;
}

Outcome run_split_alliance(const CommonOptions& common, const DyadOptions& o) {
  const Table table = load_table(common);
  const Ratings ratings = members_ratings(table, o);
  const double threshold = o.threshold == "sd" ? moments(ratings.values.reshaped()).sd
                                               : split_numbers(o.threshold, "--threshold").front();
  if (threshold < 0) throw UsageError("--threshold: must be sd or a number from 0");
  Json json = Json::object({{"threshold", threshold}});
  const Json found = report::to_json(split_alliance(ratings.values, threshold), ratings.subjects);
  for (const auto& [key, value] : found.members()) json.set(key, value);
  return outcome_of(o, table, json, table.rows(), "groups");
}

using Run = Outcome (*)(const CommonOptions&, const DyadOptions&);

}  // namespace

void add_dyad(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto options = std::make_shared<DyadOptions>();
  CLI::App* command = add_command(
      program, chosen, "dyad", "Client and therapist together: models of dyads and groups", common,
      [common, options] {
        const Run run = choose<Run>("ANALYSIS", options->analysis,
                                    {{"apim", run_apim},
                                     {"one-with-many", run_one_with_many},
                                     {"convergence", run_convergence},
                                     {"split-alliance", run_split_alliance}});
        return run(*common, *options);
      });
  DyadOptions& o = *options;
  command
      ->add_option("ANALYSIS", o.analysis,
                   "apim (actor-partner model) one-with-many convergence split-alliance")
      ->required();
  add_data(*command, *common);
  const std::string apim = "apim: a row a dyad";
  command->add_option("--outcomes", o.outcomes, "Y1,Y2: the first person's and the second's")
      ->group(apim);
  command->add_option("--predictors", o.predictors, "X1,X2: in the same order")->group(apim);
  command->add_option("--bootstrap", o.bootstrap, "Replicates over dyads for k's interval")
      ->group(apim);
  const std::string many = "one-with-many: a row a dyad";
  command->add_option("--partner-rating", o.partner_rating, "The partner's (client's) rating")
      ->group(many);
  command->add_option("--focal-rating", o.focal_rating, "The focal person's (therapist's) rating")
      ->group(many);
  command->add_option("--focal", o.focal, "Column of focal persons")->group(many);
  const std::string convergence = "convergence: a row a dyad's session";
  command->add_option("--x", o.x, "First rating (the client's)")->group(convergence);
  command->add_option("--y", o.y, "Second rating (the therapist's)")->group(convergence);
  command->add_option("--session", o.session, "Session, as a number; 0 is the start")
      ->group(convergence);
  command->add_option("--dyad", o.dyad, "Column of dyads")->group(convergence);
  const std::string split = "split-alliance";
  command->add_option("--members", o.members, "a,b,c: a row a group, a column a member")
      ->group(split);
  command->add_option("--group", o.group, "Column of groups (long; wide: names of the rows)")
      ->group(split);
  command->add_option("--member", o.member, "Long: column of members")->group(split);
  command->add_option("--rating", o.rating, "Long: column of ratings")->group(split);
  command
      ->add_option("--threshold", o.threshold,
                   "Split if the range exceeds it: points, or sd (default), one SD of all ratings")
      ->group(split);
}

}  // namespace rapport::program
