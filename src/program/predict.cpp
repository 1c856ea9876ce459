#include <rapport/mixed/saved_fit.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct PredictArguments {
  std::string fit;
  bool population = false;
};

Outcome run_predict(const PredictArguments& arguments, const CommonOptions& common) {
  const SavedFit saved = saved_fit_from_json(load_json(arguments.fit));
  const Table rows =
      load_table(common, [&](Table& all) { add_panel_columns(all, saved.design.frame.formula); });
  const Predictions predictions =
      predict(saved, rows, {.population = arguments.population, .confidence_level = common.level});
  const Json list = report::to_json(predictions);
  Outcome outcome{
      .result = Json::object({{"formula", to_string(saved.design.frame.formula)},
                              {"observations", saved.fit.data.observations},
                              {"predictions", list}}),
      .main_table = "predictions",
      .text = report::plain_text(list),
      .warnings = {},
      .rows = rows.rows(),
      .used = predictions.estimate.size() - predictions.estimate.array().isNaN().count()};
  if (!saved.equations && !arguments.population && !saved.design.random.empty())
    outcome.warnings.push_back(
        "the saved fit has no equations of its random effects, so that there are no standard "
        "errors; --population needs none");
  return outcome;
}

}  // namespace

void add_predict(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<PredictArguments>();
  CLI::App* command = add_command(program, chosen, "predict",
                                  "Predict the rows of DATA from a fit kept by `fit --save`",
                                  common, [own, common] { return run_predict(*own, *common); });
  command->add_option("--fit", own->fit, "FIT.json, written by `fit --save`")->required();
  command->add_flag("--population", own->population, "Predict without the random effects");
  add_data(*command, *common);
}

}  // namespace rapport::program
