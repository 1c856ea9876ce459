#pragma once

#include <rapport/base/error.hpp>
#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/data/table.hpp>

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport::program {

/// The command line is at fault: exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// What every command takes.
struct CommonOptions {
  std::string data;  ///< empty when the command got none
  std::string na;
  bool na_given = false;
  std::string separator;
  std::string decimal;
  std::vector<std::string> rename;
  std::vector<std::string> factor;
  std::vector<std::string> let;
  std::vector<std::string> where;
  std::string format = "text";
  std::string output;
  std::uint64_t seed = 1;
  int threads = 0;
  double level = 0.95;
  bool quiet = false;
};

/// What a command found.
struct Outcome {
  Json result;
  std::string main_table;  ///< member of `result` (dots go deeper) that --format csv writes; empty:
                           ///< the result itself
  std::string text;        ///< for --format text; empty: the result rendered generically
  std::vector<std::string> warnings;
  Index rows = 0;  ///< rows of the data after --where
  Index used = 0;  ///< rows that the result rests on
};

/// The command that the command line chose; main runs it after parsing.
struct Chosen {
  std::string name;
  std::shared_ptr<CommonOptions> common;
  std::function<Outcome()> run;
};

/// Adds a command with the options that all share (data commands: `DATA` as the last positional;
/// `data_required` false lets it be left out) and returns it, for the caller to add its own. `run`
/// is called after parsing; keep the state that options write to alive by capturing it, usually as
/// a shared_ptr.
CLI::App* add_command(CLI::App& program, Chosen& chosen, const std::string& name,
                      const std::string& description, const std::shared_ptr<CommonOptions>& common,
                      const std::function<Outcome()>& run);

/// Adds the positional DATA. Call it after the command's own positionals (FORMULA, COEFFICIENT).
void add_data(CLI::App& command, CommonOptions& common, bool required = true);

/// Adds an option that takes one argument each time it is given, and may be given several times.
CLI::Option* add_repeatable(CLI::App& command, const std::string& name,
                            std::vector<std::string>& values, const std::string& description);

/// Reads DATA and applies --rename, --factor, --let and --where, in that order; `before_where` sees
/// all rows.
[[nodiscard]] Table load_table(const CommonOptions& common,
                               const std::function<void(Table&)>& before_where = {});

/// How DATA is written.
[[nodiscard]] CsvOptions csv_options(const CommonOptions& common);

/// Applies --rename, --factor, --let and --where to a table, or to a piece of one.
[[nodiscard]] Table prepared_table(const CommonOptions& common, Table table,
                                   const std::function<void(Table&)>& before_where = {});

/// Reads another file of the same kind, such as rows to predict: --rename, --factor and --let are
/// applied where it has their columns (a column that it has already is not computed again), --where
/// is not.
[[nodiscard]] Table load_further_table(const CommonOptions& common, const std::string& path);

/// Reads a file of JSON. Throws DataError naming it.
[[nodiscard]] Json load_json(const std::string& path);

/// "a, b,c" to its parts, blanks trimmed; a part in backquotes may hold a comma. Empty parts are
/// refused.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text, std::string_view option);

/// True if a --factor names the column.
[[nodiscard]] bool declared_factor(const CommonOptions& common, const std::string& name);

/// The names of a list option, none of which may stand twice. Throws UsageError naming the option.
[[nodiscard]] std::vector<std::string> split_names(std::string_view text, std::string_view option);

/// Throws UsageError unless there are at least 2 replicates of a bootstrap.
void require_replicates(std::string_view option, Index replicates);

/// For each of `names` that is a text column of which most cells are numbers, and that --factor
/// does not declare: a warning that names the first cell that is none.
[[nodiscard]] std::vector<std::string> mixed_column_warnings(const CommonOptions& common,
                                                             const Table& table,
                                                             const std::vector<std::string>& names);

/// The numbers of a list option. Throws UsageError naming the option.
[[nodiscard]] std::vector<double> split_numbers(std::string_view text, std::string_view option);

/// "1:6" to its two ends. Throws UsageError naming the option.
[[nodiscard]] std::pair<double, double> split_range(std::string_view text, std::string_view option);

/// The value that `text` names in `choices`. Throws UsageError that lists the choices and the
/// nearest.
template <class Enum>
Enum choose(std::string_view option, std::string_view text,
            const std::vector<std::pair<std::string, Enum>>& choices) {
  std::string listed;
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
    listed += (listed.empty() ? "" : ", ") + name;
    names.push_back(name);
  }
  const std::string near = nearest_name(text, names);
  throw UsageError(std::string(option) + ": \"" + std::string(text) + "\" is not one of " + listed +
                   (near.empty() ? "" : "; did you mean " + near + "?"));
}

/// The same for the words that a parse_* function of the library knows.
template <class Enum>
Enum choose(std::string_view option, std::string_view text,
            std::optional<Enum> (*parse)(std::string_view),
            std::initializer_list<std::string_view> names) {
  std::vector<std::pair<std::string, Enum>> choices;
  for (const std::string_view name : names) choices.emplace_back(name, parse(name).value());
  return choose(option, text, choices);
}

/// A bar on stderr while a computation runs for more than a second; silent with --quiet or where
/// stderr is no terminal.
[[nodiscard]] Progress progress_bar(const CommonOptions& common, const std::string& what);

/// Renders the outcome as --format says and writes it to --output (complete or not at all) or to
/// standard output.
void write_outcome(const Chosen& chosen, const Outcome& outcome);

}  // namespace rapport::program
