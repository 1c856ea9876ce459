#include <rapport/alliance/meta.hpp>
#include <rapport/alliance/meta_bias.hpp>
#include <rapport/report/meta.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct MetaCommand {
  MetaColumns columns;
  std::string moderators;
  std::string method = "reml";
  std::string test = "z";
  std::string page;
  bool robust = false;
  bool bias = false;
  bool leave_one_out = false;
  bool influence = false;
  bool blups = false;
};

MetaOptions model_of(const MetaCommand& command, double level) {
  using E = MetaEstimator;
  using T = MetaTest;
  return {.estimator = choose<E>("--method", command.method,
                                 {{"reml", E::reml},
                                  {"ml", E::ml},
                                  {"dl", E::dersimonian_laird},
                                  {"pm", E::paule_mandel},
                                  {"fe", E::fixed},
                                  {"sj", E::sidik_jonkman},
                                  {"hs", E::hunter_schmidt},
                                  {"he", E::hedges},
                                  {"eb", E::empirical_bayes}}),
          .test = choose<T>("--test", command.test,
                            {{"z", T::z}, {"t", T::t}, {"knha", T::knapp_hartung}}),
          .confidence_level = level};
}

void check_usage(const MetaCommand& command) {
  const MetaColumns& c = command.columns;
  const bool effects = !c.effect.empty() || !c.variance.empty();
  const bool correlations = !c.correlation.empty() || !c.size.empty();
  if (effects == correlations)
    throw UsageError("meta: give --effect and --variance, or --r and --n");
  if (effects && (c.effect.empty() || c.variance.empty()))
    throw UsageError("meta: --effect and --variance go together");
  if (correlations && (c.correlation.empty() || c.size.empty()))
    throw UsageError("meta: --r and --n go together");
  if (c.study.empty() && !c.effect_id.empty()) throw UsageError("meta: --effect-id needs --study");
  const bool three_levels = !c.study.empty();
  if (three_levels && command.test == "knha")
    throw UsageError("--test: knha is for two levels; with --study use z or t, or --robust");
  if (three_levels && command.method != "reml" && command.method != "ml" && command.method != "fe")
    throw UsageError("--method: " + command.method +
                     " is for two levels; with --study use reml, ml or fe");
  if (three_levels && (command.bias || command.influence))
    throw UsageError("meta: --bias and --influence are for two levels; leave out --study");
  if (command.bias && !command.moderators.empty())
    throw UsageError("meta: --bias takes no --moderators");
}

std::vector<std::string> warnings_of(const MetaFit& fit,
                                     const std::optional<ConfidenceInterval>& interval) {
  std::vector<std::string> warnings;
  if (fit.n_omitted > 0)
    warnings.push_back(std::to_string(fit.n_omitted) + " rows miss a value and were left out");
  if (fit.termination != Termination::converged)
    warnings.push_back("the variances did not converge");
  if (fit.variances.size() > 1 && fit.at_boundary)
    warnings.push_back("a variance is at its boundary of 0");
  if (interval && interval->upper == 0)
    warnings.push_back(
        "the effects vary less than their sampling errors allow: the interval of tau2 is 0 alone");
  return warnings;
}

Outcome run(const MetaCommand& command, const CommonOptions& common) {
  check_usage(command);
  MetaColumns columns = command.columns;
  if (!command.moderators.empty())
    columns.moderators = split_list(command.moderators, "--moderators");
  const MetaOptions model = model_of(command, common.level);
  const Table table = load_table(common);

  report::MetaReport found{.data = make_meta_data(table, columns),
                           .correlations = !columns.correlation.empty()};
  found.fit = fit_meta(found.data, model);
  const bool two_levels = found.data.study.empty();
  if (two_levels && model.estimator != MetaEstimator::fixed)
    found.tau2_interval = tau2_interval(found.data, common.level);
  if (command.robust) found.robust = robust_coefficients(found.data, *found.fit);
  if (command.bias) found.bias = meta_bias(found.data, model);
  if (command.leave_one_out) found.leave_one_out = leave_one_out(found.data, *found.fit);
  if (command.influence) found.influence = meta_influence(found.data, *found.fit);
  if (command.blups) found.blups = meta_blups(found.data, *found.fit);
  Outcome outcome{.result = report::to_json(found),
                  .main_table = "coefficients",
                  .text = {},
                  .warnings = warnings_of(*found.fit, found.tau2_interval),
                  .rows = table.rows(),
                  .used = found.fit->n_used};
  return outcome;
}

}  // namespace

void add_meta(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto c = std::make_shared<MetaCommand>();
  CLI::App* command = add_command(
      program, chosen, "meta",
      "Meta-analysis: pooled effects, heterogeneity, moderators, bias (csv: the coefficients)",
      common, [c, common] { return run(*c, *common); });
  command->add_option("--effect", c->columns.effect, "Column of the effects");
  command->add_option("--variance", c->columns.variance, "Column of their sampling variances");
  command->add_option("--r", c->columns.correlation,
                      "Column of correlations, analysed as Fisher's z");
  command->add_option("--n", c->columns.size, "Column of their sample sizes");
  command->add_option("--moderators", c->moderators, "Columns of moderators: a,b");
  command->add_option("--study", c->columns.study, "Column of studies: three levels");
  command->add_option("--effect-id", c->columns.effect_id, "Column of effects within studies");
  command->add_option("--label", c->columns.label, "Column that names the effects in pictures");
  command->add_option("--method", c->method, "reml (default), ml, dl, pm, sj, hs, he, eb or fe");
  command->add_option("--test", c->test, "z (default), t or knha (Knapp and Hartung)");
  command->add_flag("--robust", c->robust, "Cluster-robust tests (CR2) by study");
  command->add_flag("--bias", c->bias, "Small-study effects and selective publication");
  command->add_flag("--leave-one-out", c->leave_one_out,
                    "The model without each effect, or each study");
  command->add_flag("--influence", c->influence, "Cook's distance, hat values, deleted residuals");
  command->add_flag("--blups", c->blups, "Best linear unbiased predictions of the true effects");
  add_data(*command, *common);
}

}  // namespace rapport::program
