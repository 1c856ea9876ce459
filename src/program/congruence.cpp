#include <rapport/base/missing.hpp>
#include <rapport/report/agree.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct CongruenceOptions {
  std::string outcome;
  std::string x;
  std::string y;
  std::string centre = "none";
  std::string range;
  std::string patient;
  std::string judgment;
  std::string truth;
  std::string bias;
  Index bootstrap = 0;
  bool ml = false;
  bool within = false;
};

double centre_of(const CongruenceOptions& o, const VectorView& x, const VectorView& y) {
  if (o.centre == "none") return 0;
  if (o.centre == "pooled") return pooled_mean(x, y);
  if (o.centre == "midpoint") {
    if (o.range.empty()) throw UsageError("--center midpoint: --range LOW:HIGH must be given");
    const auto [low, high] = split_range(o.range, "--range");
    return (low + high) / 2;
  }
  return split_numbers(o.centre, "--center").front();
}

Outcome run_truth_and_bias(const CommonOptions& common, const CongruenceOptions& o) {
  if (o.judgment.empty() || o.truth.empty() || o.bias.empty() || o.patient.empty())
    throw UsageError(
        "congruence: --judgment, --truth, --bias and --patient must be given together");
  const Table table = load_table(common);
  const TruthAndBiasResult r =
      truth_and_bias(table.numbers(o.judgment), table.numbers(o.truth), table.numbers(o.bias),
                     table.factor(o.patient).codes,
                     {.confidence_level = common.level,
                      .reml = !o.ml,
                      .centre = o.within ? TruthCentre::person : TruthCentre::grand});
  Outcome out;
  out.result = report::to_json(r);
  out.rows = table.rows();
  out.used = r.n_used;
  return out;
}

Outcome run_surface(const CommonOptions& common, const CongruenceOptions& o) {
  if (o.outcome.empty() || o.x.empty() || o.y.empty())
    throw UsageError(
        "congruence: --outcome, --x and --y must be given (or --judgment, --truth, --bias and "
        "--patient)");
  const Table table = load_table(common);
  const Eigen::VectorXd& x = table.numbers(o.x);
  const Eigen::VectorXd& y = table.numbers(o.y);
  ResponseSurfaceOptions options{.confidence_level = common.level, .centre = centre_of(o, x, y)};
  if (!o.patient.empty()) options.patient = table.factor(o.patient).codes;
  const ResponseSurfaceResult r = response_surface(table.numbers(o.outcome), x, y, options);
  Outcome out;
  out.result = report::to_json(r);
  if (o.bootstrap > 0)
    out.result.set("bootstrap", report::to_json(response_surface_bootstrap(
                                    table.numbers(o.outcome), x, y, Seed{common.seed},
                                    {.replicates = o.bootstrap,
                                     .confidence_level = common.level,
                                     .centre = options.centre,
                                     .cluster = options.patient,
                                     .threads = common.threads})));
  out.main_table = "surface";
  out.rows = table.rows();
  out.used = r.n_used;
  return out;
}

}  // namespace

void add_congruence(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto options = std::make_shared<CongruenceOptions>();
  CLI::App* command = add_command(
      program, chosen, "congruence",
      "Does agreement matter? Response surface, or truth and bias (--format csv: surface)", common,
      [common, options] {
        const CongruenceOptions& o = *options;
        const bool judged = !o.judgment.empty() || !o.truth.empty() || !o.bias.empty();
        return judged ? run_truth_and_bias(*common, o) : run_surface(*common, o);
      });
  CongruenceOptions& o = *options;
  add_data(*command, *common);
  command->add_option("--outcome", o.outcome, "Column of the outcome");
  command->add_option("--x", o.x, "First rating (the client's)");
  command->add_option("--y", o.y, "Second rating (the therapist's)");
  command->add_option("--center", o.centre,
                      "none (default), midpoint (of --range), pooled, or a number");
  command->add_option("--range", o.range, "LOW:HIGH of the scale, for --center midpoint");
  command->add_option("--patient", o.patient,
                      "Column of patients: a random intercept; required by --judgment");
  command->add_option("--bootstrap", o.bootstrap,
                      "Replicates of a bootstrap over rows, or patients where given");
  const std::string judging = "Truth and bias";
  command->add_option("--judgment", o.judgment, "Column of judgments")->group(judging);
  command->add_option("--truth", o.truth, "Column of the truth")->group(judging);
  command->add_option("--bias", o.bias, "Column of the bias variable")->group(judging);
  command->add_flag("--ml", o.ml, "Maximum likelihood (default: restricted)")->group(judging);
  command->add_flag("--within", o.within, "Centre at each patient's own means")->group(judging);
}

}  // namespace rapport::program
