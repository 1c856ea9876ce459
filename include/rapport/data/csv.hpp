#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rapport/data/table.hpp>

namespace rapport {

/// How a delimited file is written.
struct CsvOptions {
  char separator = 0;                                   ///< 0: told from the header (`,` `;` or tab)
  char decimal = 0;                                     ///< 0: told from the cells; a comma only where `;` separates
  std::vector<std::string> missing = {"NA", "NaN", "."};  ///< besides the empty cell, which is always missing
};

/// Reads a CSV or TSV file (RFC 4180; UTF-8, a BOM is skipped; LF or CRLF; quoted cells may hold separators and newlines).
/// A column is numeric if every cell that is not missing is a number, else categorical with levels sorted by bytes.
/// "-" reads standard input. Throws DataError with file, line and column: no such file, an empty file, a header without
/// rows, a row of another width, an unclosed quote, a NUL byte, invalid UTF-8, an infinite number.
[[nodiscard]] Table read_csv(const std::string& path, const CsvOptions& options = {});

/// The same from text in memory; `name` stands for the file in errors.
[[nodiscard]] Table parse_csv(std::string_view text, const CsvOptions& options = {}, const std::string& name = "text");

/// The table as CSV (comma, LF, quotes where needed, shortest decimals, missing cells empty).
[[nodiscard]] std::string to_csv(const Table& table);

}  // namespace rapport
