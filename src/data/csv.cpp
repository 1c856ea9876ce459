#include "csv_reader.hpp"
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace rapport {
namespace {

using detail::CsvReader;

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) (void)std::fclose(file);
  }
};

std::string whole_file(const std::string& path, const std::string& name) {
  const bool from_stdin = path == "-";
  std::error_code error;
  if (!from_stdin) {
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) throw DataError("there is no such file", name);
    if (std::filesystem::is_directory(status))
      throw DataError("is a folder; a CSV file is required", name);
  }
  const std::unique_ptr<std::FILE, CloseFile> file(from_stdin ? stdin
                                                              : std::fopen(path.c_str(), "rb"));
  if (!file) throw DataError("the file cannot be opened; check its permissions", name);
  const auto size = from_stdin ? std::uintmax_t{0} : std::filesystem::file_size(path, error);
  constexpr std::size_t block = std::size_t{1} << 20U;
  std::string text(error || size == 0 ? block : static_cast<std::size_t>(size) + 1, '\0');
  std::size_t used = 0;
  while (const std::size_t got =
             std::fread(text.data() + used, 1, text.size() - used, file.get())) {
    used += got;
    if (used == text.size()) text.resize(2 * text.size());
  }
  if (std::ferror(file.get()) != 0) throw DataError("the file cannot be read to its end", name);
  text.resize(used);
  return text;
}

std::string quoted_where_needed(const std::string& text) {
  const bool edge_blank =
      !text.empty() && (std::strchr(" \t", text.front()) || std::strchr(" \t", text.back()));
  const bool like_byte_order_mark = text.substr(0, 3) == "\xEF\xBB\xBF";
  if (!edge_blank && !like_byte_order_mark && text.find_first_of(",;\t\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

Table parse_csv(std::string_view text, const CsvOptions& options, const std::string& name) {
  return CsvReader(text, options, name).read();
}

Table read_csv(const std::string& path, const CsvOptions& options) {
  const std::string name = path == "-" ? "standard input" : path;
  return parse_csv(whole_file(path, name), options, name);
}

std::string to_csv(const Table& table) {
  // A blank line would be skipped on reading, so an empty cell that is a whole row is written as
  // "".
  const std::string empty = table.columns() == 1 ? "\"\"" : "";
  std::string out;
  const auto add_cell = [&](const std::string& cell, Index j) {
    if (j > 0) out += ',';
    out += cell.empty() ? empty : quoted_where_needed(cell);
  };
  for (Index j = 0; j < table.columns(); ++j) add_cell(table.at(j).name, j);
  out += '\n';
  for (Index i = 0; i < table.rows(); ++i) {
    for (Index j = 0; j < table.columns(); ++j) add_cell(cell_text(table.at(j), i), j);
    out += '\n';
  }
  return out;
}

}  // namespace rapport
