#include "scale_arguments.hpp"

#include <rapport/base/missing.hpp>
#include <rapport/score/catalogue.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport::program {
namespace {

Instrument read_key(const std::string& path) { return parse_instrument(load_json(path), path); }

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// NAME as the key has it, as the user typed it, or without the perspective: the first that the
/// table has columns of.
std::string columns_prefix(const ScaleArguments& arguments, const Instrument& instrument,
                           const Table& table) {
  std::vector<std::string> names{instrument.name, arguments.instrument};
  for (const InstrumentKey& key : catalogue())
    if (instrument.name.rfind(std::string(key.name) + "-", 0) == 0) names.emplace_back(key.name);
  for (const std::string& name : names)
    if (std::string prefix = underscored(name); table.contains(prefix + "_1")) return prefix;
  return underscored(instrument.name);
}

/// PREFIX_1 … or PREFIX1 …, whichever the table has; `count` of them, or as many as there are where
/// it is 0.
std::vector<std::string> numbered_columns(const std::string& prefix, int count,
                                          const Table& table) {
  const std::string stem =
      !table.contains(prefix + "_1") && table.contains(prefix + "1") ? prefix : prefix + "_";
  std::vector<std::string> columns;
  for (int i = 1; count > 0 ? i <= count : table.contains(stem + std::to_string(i)); ++i)
    columns.push_back(stem + std::to_string(i));
  return columns;
}

std::vector<std::string> item_columns(const ScaleArguments& arguments,
                                      const std::optional<Instrument>& instrument,
                                      const Table& table) {
  const int count = instrument ? instrument->items : 0;
  if (arguments.items.empty())
    return numbered_columns(columns_prefix(arguments, *instrument, table), count, table);
  const std::vector<std::string> given = split_names(arguments.items, "--items");
  if (given.size() == 1 && !table.contains(given[0])) {
    std::vector<std::string> columns = numbered_columns(given[0], count, table);
    if (!columns.empty()) return columns;
  }
  if (instrument && static_cast<int>(given.size()) != count)
    throw UsageError("--items: " + std::to_string(given.size()) + " columns for the " +
                     std::to_string(count) + " items of \"" + instrument->name +
                     "\"; name one column an item, in the key's order");
  return given;
}

std::vector<int> positions(const std::string& reverse, const std::vector<std::string>& columns) {
  std::vector<int> out;
  if (reverse.empty()) return out;
  for (const std::string& name : split_list(reverse, "--reverse")) {
    const auto at = std::find(columns.begin(), columns.end(), name);
    if (at == columns.end())
      throw UsageError("--reverse: \"" + name + "\" is not among the --items");
    out.push_back(static_cast<int>(at - columns.begin()) + 1);
  }
  return out;
}

/// Another response range than the key's: what rests on the old one goes.
void set_range(Instrument& instrument, const std::string& range,
               std::vector<std::string>& warnings) {
  const auto [low, high] = split_range(range, "--range");
  if (low == instrument.lower && high == instrument.upper) return;
  instrument.lower = low;
  instrument.upper = high;
  instrument.allowed.clear();
  instrument.criteria.clear();
  instrument.reliable_change = {};
  instrument.total.bands.clear();
  instrument.total.attainable = {};
  for (Score& subscale : instrument.subscales) {
    subscale.bands.clear();
    subscale.attainable = {};
  }
  warnings.push_back("\"" + instrument.name + "\" is scored on the range " + range +
                     " instead of the key's; its bands do not apply");
}

Instrument made_at_hand(const ScaleArguments& arguments, const std::vector<std::string>& columns) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  const std::vector<int> reversed = positions(arguments.reverse, columns);
  if (!arguments.range.empty()) {
    std::tie(low, high) = split_range(arguments.range, "--range");
  } else if (!reversed.empty()) {
    throw UsageError("--reverse needs --range LOW:HIGH: a reversed item is LOW + HIGH − x");
  }
  const ScoreRule rule =
      choose<ScoreRule>("--score", arguments.score.empty() ? "sum" : arguments.score,
                        {{"sum", ScoreRule::sum}, {"mean", ScoreRule::mean}});
  return make_scale(static_cast<int>(columns.size()),
                    {.reversed = reversed, .lower = low, .upper = high, .rule = rule});
}

}  // namespace

void add_instrument_options(CLI::App& command, ScaleArguments& arguments) {
  command.add_option("--instrument", arguments.instrument,
                     "Name of a built-in key (rapport instruments)");
  command.add_option("--key", arguments.key, "JSON file with a key of your own");
  command.add_flag("--accept-unverified", arguments.accept_unverified,
                   "Use a key that rests on a single source");
}

void add_scale_options(CLI::App& command, ScaleArguments& arguments) {
  add_instrument_options(command, arguments);
  command.add_option("--items", arguments.items,
                     "Columns of the items a,b,c or their PREFIX (default NAME_1 … NAME_k)");
  command.add_option("--reverse", arguments.reverse, "Reversed items, without an instrument");
  command.add_option("--range", arguments.range, "LOW:HIGH of the responses");
  command.add_option("--score", arguments.score, "sum (default) or mean, without an instrument");
}

std::optional<Instrument> named_instrument(const ScaleArguments& arguments) {
  if (!arguments.instrument.empty() && !arguments.key.empty())
    throw UsageError("give --instrument or --key, not both");
  if (!arguments.key.empty()) {
    Instrument own = read_key(arguments.key);
    if (own.confidence == Confidence::single_source && !arguments.accept_unverified)
      throw UsageError(
          "the key in " + arguments.key +
          " says that it rests on a single source; --accept-unverified uses it all the same");
    return own;
  }
  if (arguments.instrument.empty()) return std::nullopt;
  try {
    return find_instrument(arguments.instrument, arguments.accept_unverified);
  } catch (const InvalidArgument& error) {
    throw UsageError(std::string("--instrument: ") + error.what());
  }
}

Scale resolve_scale(const ScaleArguments& arguments, const Table& table) {
  std::optional<Instrument> instrument = named_instrument(arguments);
  if (!instrument && arguments.items.empty())
    throw UsageError("give --instrument NAME, --key FILE or --items a,b,c");
  if (instrument && !arguments.reverse.empty())
    throw UsageError("--reverse: the key says which items are reversed; leave it out");
  if (instrument && !arguments.score.empty())
    throw UsageError("--score: the key says how it is scored; leave it out");
  Scale scale;
  scale.columns = item_columns(arguments, instrument, table);
  if (instrument) {
    scale.instrument = std::move(*instrument);
    if (!arguments.range.empty()) set_range(scale.instrument, arguments.range, scale.warnings);
    if (scale.instrument.confidence == Confidence::single_source)
      scale.warnings.push_back("the key of \"" + scale.instrument.name +
                               "\" rests on a single source: " + scale.instrument.source);
  } else {
    scale.instrument = made_at_hand(arguments, scale.columns);
  }
  scale.responses = table.matrix(scale.columns);
  return scale;
}

void require_allowed(const Scale& scale, const Table& table) {
  for (Index i = 0; i < scale.responses.rows(); ++i)
    for (Index j = 0; j < scale.responses.cols(); ++j) {
      if (is_allowed(scale.instrument, j, scale.responses(i, j))) continue;
      throw DataError("column \"" + scale.columns[static_cast<std::size_t>(j)] +
                          "\": " + shortest_decimal(scale.responses(i, j)) + " is outside " +
                          shortest_decimal(scale.instrument.lower) + ".." +
                          shortest_decimal(scale.instrument.upper) +
                          (scale.instrument.allowed.empty() ? "" : " or no value of this item") +
                          " (a code for a missing answer is named by --na)",
                      table.origin().file, table.line(i));
    }
}

std::vector<std::string> joined_ids(const Table& table, const std::vector<std::string>& columns) {
  std::vector<std::string> ids;
  if (columns.empty()) return ids;
  for (Index i = 0; i < table.rows(); ++i) {
    std::string id;
    for (std::size_t c = 0; c < columns.size(); ++c)
      id += (c > 0 ? "/" : "") + cell_text(table.column(columns[c]), i);
    ids.push_back(id);
  }
  return ids;
}

}  // namespace rapport::program
