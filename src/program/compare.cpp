#include <rapport/correlate/matrix.hpp>
#include <rapport/report/correlate.hpp>

#include "commands.hpp"
#include <cmath>

namespace rapport::program {
namespace {

struct Arguments {
  std::string y;
  std::string x1;
  std::string x2;
  std::string x3;
  std::string x4;
  std::string r;
  std::string independent;
  std::string alternative = "two-sided";
  std::string cluster;
  Index bootstrap = 0;
  double n = missing;
};

ComparisonResult compare_summary(const Arguments& arguments, const CorrelationOptions& options) {
  const std::vector<double> r = split_numbers(arguments.r, "--r");
  if (std::isnan(arguments.n)) throw UsageError("--n: is required with --r");
  if (r.size() == 3) return compare_overlapping(r[0], r[1], r[2], arguments.n, options);
  if (r.size() == 6)
    return compare_nonoverlapping(
        {.r12 = r[0], .r34 = r[1], .r13 = r[2], .r14 = r[3], .r23 = r[4], .r24 = r[5]}, arguments.n,
        options);
  throw UsageError("--r: holds " + std::to_string(r.size()) +
                   " correlations; three (r(y,x1),r(y,x2),r(x1,x2)) or six "
                   "(r12,r34,r13,r14,r23,r24) are required");
}

ComparisonResult compare_groups(const Arguments& arguments, const CorrelationOptions& options) {
  const std::vector<double> values = split_numbers(arguments.independent, "--independent");
  if (values.size() != 4)
    throw UsageError("--independent: holds " + std::to_string(values.size()) +
                     " numbers; four (r1,n1,r2,n2) are required");
  return compare_independent(values[0], values[1], values[2], values[3], options);
}

Outcome compare_data(const CommonOptions& common, const Arguments& arguments,
                     const CorrelationOptions& options) {
  const bool four = !arguments.x3.empty() || !arguments.x4.empty();
  const std::vector<std::string> names =
      four ? std::vector<std::string>{arguments.x1, arguments.x2, arguments.x3, arguments.x4}
           : std::vector<std::string>{arguments.y, arguments.x1, arguments.x2};
  for (const std::string& name : names)
    if (name.empty())
      throw UsageError("--y, --x1 and --x2, or --x1 to --x4: all are required with DATA");
  if (four && !arguments.y.empty()) throw UsageError("--y: does not go with --x3 and --x4");
  const Table table = load_table(common);
  const Eigen::MatrixXd data = table.matrix(names);
  const ComparisonResult comparison =
      four ? compare_nonoverlapping(data, options)
           : compare_overlapping(data.col(0), data.col(1), data.col(2), options);
  Outcome outcome;
  outcome.result = report::to_json(comparison);
  outcome.rows = table.rows();
  outcome.used = comparison.n_used;
  if (arguments.bootstrap > 0) {
    if (four) throw UsageError("--bootstrap: goes with --y, --x1 and --x2");
    const ClusterCodes cluster =
        arguments.cluster.empty() ? ClusterCodes{} : table.factor(arguments.cluster).codes;
    const auto pearson = [](const VectorView& x, const VectorView& y) {
      return detail::product_moment(x, y);
    };
    const BootstrapResult found =
        bootstrap_difference(data.col(0), data.col(1), data.col(2), pearson, Seed{common.seed},
                             {.replicates = arguments.bootstrap,
                              .confidence_level = common.level,
                              .threads = common.threads,
                              .progress = progress_bar(common, "bootstrap")},
                             cluster);
    Json bootstrap = Json::object({{"estimate", found.estimate}});
    report::set_bootstrap(bootstrap, found);
    outcome.result.set("bootstrap", bootstrap);
  }
  return outcome;
}

}  // namespace

void add_compare(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = add_command(
      program, chosen, "compare", "Do two correlations differ? (csv: one row a test)", common,
      [common, arguments] {
        const CorrelationOptions options{
            .alternative = choose<Alternative>("--alternative", arguments->alternative,
                                               {{"two-sided", Alternative::two_sided},
                                                {"less", Alternative::less},
                                                {"greater", Alternative::greater}}),
            .confidence_level = common->level};
        const int sources = static_cast<int>(!common->data.empty()) +
                            static_cast<int>(!arguments->r.empty()) +
                            static_cast<int>(!arguments->independent.empty());
        if (sources != 1)
          throw UsageError("DATA, --r with --n, or --independent: exactly one of them is required");
        Outcome outcome;
        if (!common->data.empty()) {
          outcome = compare_data(*common, *arguments, options);
        } else {
          outcome.result =
              report::to_json(arguments->r.empty() ? compare_groups(*arguments, options)
                                                   : compare_summary(*arguments, options));
        }
        outcome.main_table = "tests";
        return outcome;
      });
  Arguments& a = *arguments;
  command->add_option("--y", a.y, "What both are correlated with");
  command->add_option("--x1", a.x1, "The first column");
  command->add_option("--x2", a.x2, "The second column");
  command->add_option("--x3", a.x3, "With --x4: r(x1, x2) against r(x3, x4)");
  command->add_option("--x4", a.x4, "See --x3");
  command->add_option(
      "--r", a.r,
      "r(y,x1),r(y,x2),r(x1,x2), or r12,r34,r13,r14,r23,r24: a summary in place of DATA");
  command->add_option("--n", a.n, "Its sample size");
  command->add_option("--independent", a.independent, "r1,n1,r2,n2: two groups");
  command->add_option("--alternative", a.alternative, "two-sided (default), less or greater");
  command->add_option("--bootstrap", a.bootstrap, "N replicates: BCa interval of the difference");
  command->add_option("--cluster", a.cluster, "Person: whole clusters are resampled");
  add_data(*command, *common, false);
}

}  // namespace rapport::program
