#include <rapport/report/text.hpp>
#include <rapport/score/catalogue.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"

namespace rapport::program {
namespace {

struct InstrumentsCommand {
  std::string name;
  ScaleArguments scale;
};

std::string catalogue_text(const std::vector<Instrument>& instruments) {
  std::vector<std::vector<std::string>> rows;
  for (const Instrument& one : instruments)
    rows.push_back({one.name, std::to_string(one.items),
                    shortest_decimal(one.lower) + "–" + shortest_decimal(one.upper),
                    std::string(to_text(one.confidence)), one.title});
  return report::aligned({"name", "items", "range", "confidence", "title"}, rows);
}

Outcome run(InstrumentsCommand command) {
  std::vector<Instrument> found;
  if (!command.name.empty() && !command.scale.key.empty())
    throw UsageError("give a NAME or --key, not both");
  command.scale.instrument = command.name;
  if (const auto one = named_instrument(command.scale)) {
    found.push_back(*one);
  } else {
    for (const InstrumentKey& key : catalogue()) found.push_back(make_instrument(key));
  }
  Outcome outcome{
      .result = {}, .main_table = "instruments", .text = {}, .warnings = {}, .rows = 0, .used = 0};
  Json list = Json::array();
  for (const Instrument& instrument : found) {
    Json key = instrument_json(instrument);
    key.set("fingerprint", fingerprint(instrument));
    list.push_back(key);
  }
  outcome.text = found.size() == 1 ? report::plain_text(list.items()[0]) : catalogue_text(found);
  outcome.result = Json::object({{"instruments", list}});
  return outcome;
}

}  // namespace

void add_instruments(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<InstrumentsCommand>();
  CLI::App* command =
      add_command(program, chosen, "instruments",
                  "Scoring keys with their sources; checks a key of your own (csv: the keys)",
                  common, [own] { return run(*own); });
  command->add_option("--key", own->scale.key,
                      "JSON file with a key of your own, to check and show");
  command->add_flag("--accept-unverified", own->scale.accept_unverified,
                    "Show a key that rests on a single source");
  command->add_option("NAME", own->name, "One instrument (default: all)");
}

}  // namespace rapport::program
