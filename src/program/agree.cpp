#include "agree_request.hpp"
#include "commands.hpp"

namespace rapport::program {
namespace agree {
namespace {

using Run = Outcome (*)(const Request&);

const std::vector<std::pair<std::string, Run>>& coefficients() {
  static const std::vector<std::pair<std::string, Run>> all = {
      {"percent", run_percent},
      {"cohen", run_cohen},
      {"light", run_light},
      {"fleiss", run_chance_corrected},
      {"conger", run_chance_corrected},
      {"scott", run_chance_corrected},
      {"brennan-prediger", run_chance_corrected},
      {"gwet", run_chance_corrected},
      {"krippendorff", run_krippendorff},
      {"icc", run_icc},
      {"ccc", run_ccc},
      {"bland-altman", run_bland_altman},
      {"kendall-w", run_kendall_w},
      {"finn", run_finn},
      {"robinson-a", run_robinson},
      {"maxwell-re", run_marginal},
      {"stuart-maxwell", run_marginal},
      {"mcnemar", run_marginal},
      {"bhapkar", run_marginal},
      {"rwg", run_within_group},
      {"ad", run_within_group},
      {"awg", run_within_group},
      {"icc1", run_within_group},
      {"profile", run_profile},
      {"gtheory", run_gtheory}};
  return all;
}

}  // namespace
}  // namespace agree

void add_agree(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto options = std::make_shared<agree::AgreeOptions>();
  CLI::App* command = add_command(
      program, chosen, "agree",
      "Agreement between raters (--format csv: by_category, forms, groups, … where there are)",
      common, [common, options] {
        const agree::Run run =
            choose<agree::Run>("COEFFICIENT", options->coefficient, agree::coefficients());
        return run(agree::Request(*common, *options));
      });
  agree::AgreeOptions& o = *options;
  std::string names;
  for (const auto& [name, run] : agree::coefficients()) names += (names.empty() ? "" : " ") + name;
  command->add_option("COEFFICIENT", o.coefficient, names)->required();
  add_data(*command, *common);
  const std::string layout = "Ratings";
  command->add_option("--raters", o.raters, "a,b,…: a row per subject, a column per rater")
      ->group(layout);
  command->add_option("--subject", o.subject, "Long: column of subjects")->group(layout);
  command->add_option("--rater", o.rater, "Long: column of raters")->group(layout);
  command->add_option("--rating", o.rating, "Long: column of ratings")->group(layout);
  command->add_option("--occasion", o.occasion, "gtheory, ccc --person: column of occasions")
      ->group(layout);
  command->add_option("--item", o.item, "gtheory --occasion: column of items, all crossed")
      ->group(layout);
  command
      ->add_option("--counts", o.counts, "a,b,…: a column per category, cells the number of raters")
      ->group(layout);
  command
      ->add_option("--categories", o.categories,
                   "The categories in order (default: those observed)")
      ->group(layout);
  command->add_option("--weights", o.weights,
                      "unweighted linear quadratic ordinal radical ratio circular bipolar, or a "
                      "CSV file of weights");
  command->add_option("--metric", o.metric,
                      "krippendorff: nominal (default) ordinal interval ratio; masi or jaccard "
                      "for cells that hold several labels");
  command->add_option("--label-separator", o.label_separator,
                      "krippendorff --metric masi|jaccard: what stands between the labels of a "
                      "cell (default |); a cell of it alone: no label applies");
  command->add_option("--bootstrap", o.bootstrap,
                      "krippendorff: replicates of a bootstrap over units");
  command->add_flag("--pairs", o.pairs, "percent: share of agreeing pairs of raters");
  command->add_option("--tolerance", o.tolerance, "percent: raters agree within this");
  command->add_flag("--sample-raters", o.sample_raters,
                    "Add the variance of a new sample of raters (jackknife)");
  command->add_option("--null", o.null_value, "icc: the ICC to test against (default 0)");
  command->add_option("--ci", o.ci,
                      "icc: spearman-brown or mcgraw-wong; bland-altman: approximate or exact");
  command->add_option("--person", o.person,
                      "bland-altman, ccc: column of persons with several rows");
  command->add_flag("--varying", o.varying,
                    "bland-altman --person: the true value varies between a person's pairs");
  command->add_option("--scale-points", o.scale_points, "finn: points of the scale");
  command->add_option("--model", o.model, "finn: oneway (default) or twoway");
  command->add_flag("--continuity", o.continuity, "mcnemar: continuity correction");
  command->add_option("--items", o.items, "rwg ad awg icc1 profile: columns of items");
  command->add_option("--group", o.group, "rwg ad awg icc1: column of groups");
  command->add_option("--null-variance", o.null_variance, "rwg: variance without agreement");
  command->add_flag("--lindell", o.lindell, "rwg: r*wg(J), no Spearman-Brown");
  command->add_option("--around", o.around, "ad: mean (default) or median");
  command->add_option("--range", o.range, "awg: LOW:HIGH of the scale");
  command->add_option("--method", o.method, "icc1: anova (default) or reml");
  command->add_option("--nested", o.nested, "gtheory: rater:occasion");
  command->add_option("--target", o.target,
                      "gtheory: coefficient to reach, in (0, 1): the least number of raters");
  command->add_option(
      "--d-study", o.d_study,
      "gtheory: numbers of raters, 2,5,10, raters x occasions, 3x2,1x1, or x items, 3x2x8");
}

}  // namespace rapport::program
