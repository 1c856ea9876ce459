#include "command.hpp"

#include <rapport/data/expression.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/text.hpp>
#include <rapport/version.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>

namespace rapport::program {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<double> parsed_number(std::string_view text) {
  double value = 0;
  const std::string_view digits = !text.empty() && text.front() == '+' ? text.substr(1) : text;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() ||
      !std::isfinite(value))
    return std::nullopt;
  return value;
}

double to_number(std::string_view text, std::string_view option) {
  const std::optional<double> value = parsed_number(text);
  if (!value)
    throw UsageError(std::string(option) + ": \"" + std::string(text) + "\" is not a number");
  return *value;
}

char one_character(const std::string& text, const std::string& option) {
  if (text.empty()) return 0;
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() == 1) return text[0];
  throw UsageError(option + ": \"" + text + "\" must be one character, or tab");
}

void apply_rename(Table& table, const std::string& rule) {
  const std::size_t equals = rule.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == rule.size())
    throw UsageError("--rename: \"" + rule + "\" must be OLD=NEW or POSITION=NEW");
  const std::string old = rule.substr(0, equals);
  const std::string name = rule.substr(equals + 1);
  Index position = 0;
  const auto parsed = std::from_chars(old.data(), old.data() + old.size(), position);
  if (parsed.ec == std::errc() && parsed.ptr == old.data() + old.size() && position >= 1 &&
      position <= table.columns()) {
    table.rename(position - 1, name);
    return;
  }
  (void)table.column(old);  // throws for an unknown name and for one that stands twice
  for (Index j = 0; j < table.columns(); ++j)
    if (table.at(j).name == old) table.rename(j, name);
}

void apply_factor(Table& table, const std::string& rule) {
  const std::size_t equals = rule.find('=');
  const std::string name = rule.substr(0, equals);
  const std::vector<std::string> levels = equals == std::string::npos
                                              ? std::vector<std::string>{}
                                              : split_list(rule.substr(equals + 1), "--factor");
  const Column& column = table.column(name);
  try {
    if (const auto* numbers = std::get_if<Eigen::VectorXd>(&column.values)) {
      table.set(name, make_factor(*numbers, levels));
    } else if (!levels.empty()) {
      std::vector<std::string> cells;
      for (Index i = 0; i < table.rows(); ++i) cells.push_back(cell_text(column, i));
      table.set(name, make_factor(cells, levels));
    }
  } catch (const DataError& error) {
    throw DataError("column \"" + name + "\": " + error.what(), table.origin().file);
  }
}

std::string read_as_csv(const Json& result, const std::string& path) {
  const Json* node = &result;
  std::string_view left = path;
  while (!left.empty() && node != nullptr) {
    const std::size_t dot = left.find('.');
    node = node->find(left.substr(0, dot));
    left = dot == std::string_view::npos ? std::string_view{} : left.substr(dot + 1);
  }
  return report::csv_table(node != nullptr ? *node : result);
}

/// Negative numbers wrap around on their way into an unsigned one.
std::string not_negative(const std::string& text) {
  return text.rfind('-', 0) == 0 ? "must be a whole number, 0 or more" : "";
}

}  // namespace

CLI::Option* add_repeatable(CLI::App& command, const std::string& name,
                            std::vector<std::string>& values, const std::string& description) {
  return command.add_option(name, values, description)->allow_extra_args(false);
}

CLI::App* add_command(CLI::App& program, Chosen& chosen, const std::string& name,
                      const std::string& description, const std::shared_ptr<CommonOptions>& common,
                      const std::function<Outcome()>& run) {
  CLI::App* command = program.add_subcommand(name, description);
  CommonOptions& c = *common;
  const std::string reading = "Reading the data";
  command
      ->add_option("--na", c.na, "Cells that are missing, besides the empty one (default NA,NaN,.)")
      ->group(reading);
  command
      ->add_option("--separator", c.separator, "Separator of cells (default: told from the header)")
      ->group(reading);
  command->add_option("--decimal", c.decimal, "Decimal sign (default: told from the cells)")
      ->group(reading);
  add_repeatable(*command, "--rename", c.rename, "POSITION=NAME or OLD=NAME (repeatable)")
      ->group(reading);
  add_repeatable(*command, "--factor", c.factor,
                 "COLUMN[=LEVEL,LEVEL,…]: categorical, levels in this order (repeatable)")
      ->group(reading);
  add_repeatable(*command, "--let", c.let, "'NAME = EXPRESSION': adds a column (repeatable)")
      ->group(reading);
  add_repeatable(*command, "--where", c.where,
                 "'EXPRESSION': keeps the rows on which it holds (repeatable)")
      ->group(reading);
  const std::string writing = "Writing the result";
  command->add_option("--format", c.format, "text, json or csv")->group(writing);
  command->add_option("--output", c.output, "Write to FILE")->group(writing);
  command->add_option("--level", c.level, "Level of every interval (default 0.95)")->group(writing);
  command->add_option("--seed", c.seed, "Seed of everything random (default 1)")
      ->check(not_negative)
      ->group(writing);
  command
      ->add_option("--threads", c.threads,
                   "Threads (default: every core); the result does not depend on it")
      ->group(writing);
  command->add_flag("--quiet", c.quiet, "No progress bar")->group(writing);
  command->callback([&chosen, name, common, run, command] {
    common->na_given = command->count("--na") > 0;
    chosen = {.name = name, .common = common, .run = run};
  });
  return command;
}

void add_data(CLI::App& command, CommonOptions& common, bool required) {
  command.add_option("DATA", common.data, "CSV or TSV file; - for standard input")
      ->required(required);
}

CsvOptions csv_options(const CommonOptions& common) {
  CsvOptions options;
  options.separator = one_character(common.separator, "--separator");
  options.decimal = one_character(common.decimal, "--decimal");
  if (options.decimal != 0 && options.decimal != '.' && options.decimal != ',')
    throw UsageError("--decimal: \"" + common.decimal + "\" must be . or ,");
  if (common.na_given) options.missing = split_list(common.na, "--na");
  return options;
}

Table load_table(const CommonOptions& common, const std::function<void(Table&)>& before_where) {
  return prepared_table(common, read_csv(common.data, csv_options(common)), before_where);
}

Table prepared_table(const CommonOptions& common, Table table,
                     const std::function<void(Table&)>& before_where) {
  for (const std::string& rule : common.rename) apply_rename(table, rule);
  // A rule for a column that only --let makes waits for it.
  const auto names_a_column = [&](const std::string& rule) {
    return table.contains(rule.substr(0, rule.find('=')));
  };
  std::vector<std::string> later;
  for (const std::string& rule : common.factor)
    if (names_a_column(rule) || common.let.empty()) {
      apply_factor(table, rule);
    } else {
      later.push_back(rule);
    }
  for (const std::string& definition : common.let) let(table, definition);
  for (const std::string& rule : later) apply_factor(table, rule);
  if (before_where) before_where(table);
  for (const std::string& condition : common.where) table = where(table, condition);
  return table;
}

Json load_json(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw DataError("cannot be read; check the path", path);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_json(text, path);
}

Table load_further_table(const CommonOptions& common, const std::string& path) {
  Table table = read_csv(path, csv_options(common));
  for (const std::string& rule : common.rename) {
    const std::size_t equals = std::min(rule.find('='), rule.size());
    const std::string old = rule.substr(0, equals);
    const bool by_position =
        !old.empty() && old.find_first_not_of("0123456789") == std::string::npos;
    const bool has_new_name = equals < rule.size() && table.contains(rule.substr(equals + 1));
    if (!has_new_name && (by_position || table.contains(old))) apply_rename(table, rule);
  }
  for (const std::string& rule : common.factor)
    if (table.contains(rule.substr(0, rule.find('='))))
      apply_factor(table, rule.substr(0, rule.find('=')));
  for (const std::string& definition : common.let) {
    std::size_t position = 0;
    if (table.contains(parse_name_at(definition, position))) continue;
    position = definition.find('=', position) + 1;
    const std::vector<std::string> needed = columns_used(parse_expression_at(definition, position));
    if (std::all_of(needed.begin(), needed.end(),
                    [&](const std::string& name) { return table.contains(name); }))
      let(table, definition);
  }
  return table;
}

std::vector<std::string> split_list(std::string_view text, std::string_view option) {
  std::vector<std::string> parts;
  std::string part;
  bool quoted = false;
  const auto finish = [&] {
    const std::string_view kept = trimmed(part);
    if (kept.empty())
      throw UsageError(std::string(option) + ": \"" + std::string(text) + "\" has an empty part");
    parts.emplace_back(kept);
    part.clear();
  };
  for (const char c : text) {
    if (c == '`') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      finish();
    } else {
      part += c;
    }
  }
  finish();
  return parts;
}

std::vector<std::string> split_names(std::string_view text, std::string_view option) {
  std::vector<std::string> names = split_list(text, option);
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) != name)
      throw UsageError(std::string(option) + ": \"" + *name + "\" stands twice");
  return names;
}

void require_replicates(std::string_view option, Index replicates) {
  if (replicates < 2)
    throw UsageError(std::string(option) + ": " + std::to_string(replicates) +
                     " replicates; at least 2 are required");
}

bool declared_factor(const CommonOptions& common, const std::string& name) {
  return std::any_of(common.factor.begin(), common.factor.end(), [&](const std::string& rule) {
    return rule.substr(0, rule.find('=')) == name;
  });
}

std::vector<std::string> mixed_column_warnings(const CommonOptions& common, const Table& table,
                                               const std::vector<std::string>& names) {
  std::vector<std::string> warnings;
  for (const std::string& name : names) {
    if (!table.contains(name) || table.is_numeric(name) || declared_factor(common, name)) continue;
    const Column& column = table.column(name);
    Index numbers = 0;
    Index texts = 0;
    Index first = 0;
    for (Index i = 0; i < table.rows(); ++i) {
      if (is_missing(column, i)) continue;
      if (parsed_number(cell_text(column, i))) {
        ++numbers;
      } else if (texts++ == 0) {
        first = i;
      }
    }
    if (texts > 0 && numbers > texts)
      warnings.push_back("column \"" + name + "\" is taken as categories, since line " +
                         std::to_string(table.line(first)) + " holds \"" +
                         cell_text(column, first) + "\"; " + std::to_string(numbers) +
                         " of its cells are numbers: correct the cell, name it as missing (--na), "
                         "or confirm with --factor " +
                         name);
  }
  return warnings;
}

std::vector<double> split_numbers(std::string_view text, std::string_view option) {
  std::vector<double> numbers;
  for (const std::string& part : split_list(text, option))
    numbers.push_back(to_number(part, option));
  return numbers;
}

std::pair<double, double> split_range(std::string_view text, std::string_view option) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    throw UsageError(std::string(option) + ": \"" + std::string(text) +
                     "\" must be LOW:HIGH, such as 1:7");
  const double low = to_number(trimmed(text.substr(0, colon)), option);
  const double high = to_number(trimmed(text.substr(colon + 1)), option);
  if (!(low < high))
    throw UsageError(std::string(option) + ": \"" + std::string(text) +
                     "\" must rise from the lower to the higher end");
  return {low, high};
}

void write_outcome(const Chosen& chosen, const Outcome& outcome) {
  const CommonOptions& common = *chosen.common;
  std::string content;
  if (common.format == "json") {
    Json envelope = Json::object({{"rapport", version}, {"command", chosen.name}});
    if (!common.data.empty())
      envelope.set(
          "data",
          Json::object({{"file", common.data}, {"rows", outcome.rows}, {"used", outcome.used}}));
    envelope.set("warnings", Json(outcome.warnings));
    envelope.set("result", outcome.result);
    content = envelope.dump() + "\n";
  } else if (common.format == "csv") {
    content = read_as_csv(outcome.result, outcome.main_table);
  } else {
    content = outcome.text.empty() ? report::plain_text(outcome.result) : outcome.text;
  }
  for (const std::string& warning : outcome.warnings)
    std::cerr << "rapport: warning: " << warning << '\n';
  if (common.output.empty()) {
    std::cout << content << std::flush;
    if (!std::cout) throw DataError("standard output cannot be written");
  } else {
    report::write_file(common.output, content);
  }
}

}  // namespace rapport::program
