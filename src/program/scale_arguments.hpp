#pragma once

#include <rapport/score/scoring.hpp>

#include "command.hpp"
#include <string>
#include <vector>

namespace rapport::program {

/// The options that say which scale the data hold; score, screen and reliability share them.
struct ScaleArguments {
  std::string instrument;
  std::string key;
  bool accept_unverified = false;
  std::string items;
  std::string reverse;
  std::string range;
  std::string score;
};

void add_scale_options(CLI::App& command, ScaleArguments& arguments);

/// --instrument and --key alone, for commands that take a score and not items.
void add_instrument_options(CLI::App& command, ScaleArguments& arguments);

/// The instrument that --instrument or --key names; nothing if neither is given.
[[nodiscard]] std::optional<Instrument> named_instrument(const ScaleArguments& arguments);

/// The instrument and its columns in the table.
struct Scale {
  Instrument instrument;
  std::vector<std::string> columns;  ///< of the items, in the key's order
  Eigen::MatrixXd responses;
  std::vector<std::string> warnings;  ///< what a person must know before using the key
};

[[nodiscard]] Scale resolve_scale(const ScaleArguments& arguments, const Table& table);

/// Throws DataError naming file, row and column for the first response that the key does not allow.
void require_allowed(const Scale& scale, const Table& table);

/// The cells of several columns as text, a row each, joined by "/" (an id).
[[nodiscard]] std::vector<std::string> joined_ids(const Table& table,
                                                  const std::vector<std::string>& columns);

}  // namespace rapport::program
