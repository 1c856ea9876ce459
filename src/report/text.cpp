#include <rapport/data/factor.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace rapport::report {
namespace {

bool is_scalar(const Json& value) { return !value.is_array() && !value.is_object(); }

bool is_table(const Json& value) {
  return value.is_array() && !value.items().empty() &&
         std::all_of(value.items().begin(), value.items().end(),
                     [](const Json& item) { return item.is_object(); });
}

/// Columns on the screen: UTF-8 continuation bytes take none.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

bool looks_numeric(const std::string& text) {
  return text.empty() || text == "–" || text[0] == '<' ||
         text.find_first_not_of("0123456789.-+e%") == std::string::npos || text.rfind("−", 0) == 0;
}

std::string label(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

bool is_p(const std::string& key) {
  return key == "p" || key.rfind("p_", 0) == 0 || key.find("p_value") != std::string::npos;
}

std::string scalar(const std::string& key, const Json& value) {
  if (value.is_null()) return "–";
  if (value.is_bool()) return value.boolean() ? "yes" : "no";
  if (value.is_string()) return value.string();
  const double number_value = value.number();
  if (is_p(key)) return p_value(number_value);
  if (number_value == std::round(number_value) && std::abs(number_value) < 1e15)
    return shortest_decimal(number_value);
  return number(number_value, 3);
}

void flatten(const std::string& prefix, const Json& value,
             std::vector<std::pair<std::string, Json>>& cells) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.members())
      flatten(prefix.empty() ? key : prefix + "." + key, member, cells);
  } else if (is_scalar(value)) {
    cells.emplace_back(prefix, value);
  } else if (!is_table(value)) {
    std::string joined;
    for (const Json& item : value.items())
      if (is_scalar(item)) joined += (joined.empty() ? "" : " ") + scalar(prefix, item);
    if (!joined.empty()) cells.emplace_back(prefix, Json(joined));
  }
}

/// The union of the rows' columns, in order of first appearance.
std::vector<std::string> columns_of(
    const std::vector<std::vector<std::pair<std::string, Json>>>& rows) {
  std::vector<std::string> columns;
  for (const auto& row : rows)
    for (const auto& cell : row)
      if (std::find(columns.begin(), columns.end(), cell.first) == columns.end())
        columns.push_back(cell.first);
  return columns;
}

std::vector<std::vector<std::pair<std::string, Json>>> flattened_rows(const Json& table) {
  std::vector<std::vector<std::pair<std::string, Json>>> rows;
  for (const Json& item : table.items()) {
    rows.emplace_back();
    flatten("", item, rows.back());
  }
  return rows;
}

const Json* cell_of(const std::vector<std::pair<std::string, Json>>& row,
                    const std::string& column) {
  for (const auto& [key, value] : row)
    if (key == column) return &value;
  return nullptr;
}

/// The limits of an interval in one cell, as people print it: `ci_lower` and `ci_upper` become
/// `CI`.
void join_interval(std::vector<std::pair<std::string, Json>>& cells) {
  constexpr std::string_view lower = "ci_lower";
  for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
    const std::string& key = cells[i].first;
    if (!key.ends_with(lower)) continue;
    const std::string prefix = key.substr(0, key.size() - lower.size());
    if (cells[i + 1].first != prefix + "ci_upper") continue;
    const bool known = !cells[i].second.is_null() || !cells[i + 1].second.is_null();
    const std::string text =
        "[" + scalar(key, cells[i].second) + ", " + scalar(key, cells[i + 1].second) + "]";
    cells[i] = {prefix + "CI", known ? Json(text) : Json()};
    cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

std::string table_text(const Json& table) {
  auto rows = flattened_rows(table);
  for (auto& row : rows) join_interval(row);
  const std::vector<std::string> columns = columns_of(rows);
  std::vector<std::string> header;
  for (const std::string& column : columns) header.push_back(label(column));
  std::vector<std::vector<std::string>> cells;
  for (const auto& row : rows) {
    cells.emplace_back();
    for (const std::string& column : columns) {
      const Json* value = cell_of(row, column);
      cells.back().push_back(value == nullptr ? "" : scalar(column, *value));
    }
  }
  return aligned(header, cells);
}

void section(const std::string& title, const Json& value, std::string& out) {
  if (is_table(value)) {
    out += "\n" + label(title) + "\n" + table_text(value);
    return;
  }
  if (value.is_array()) {
    out += "\n" + label(title) + "\n";
    for (const Json& row : value.items()) {
      out += "  ";
      if (is_scalar(row)) {
        out += scalar(title, row);
      } else if (row.is_array()) {
        for (const Json& item : row.items())
          out += (is_scalar(item) ? scalar(title, item) : item.dump(-1)) + "  ";
      }
      out += '\n';
    }
    return;
  }
  out += "\n" + label(title) + "\n" + plain_text(value);
}

}  // namespace

std::string number(double value, int decimals) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  const double size = std::abs(value);
  if (size >= 1e15) {
    char buffer[64];
    const int power = static_cast<int>(std::floor(std::log10(size)));
    std::snprintf(buffer, sizeof buffer, "%.2f × 10^%d", size / std::pow(10, power), power);
    return (value < 0 ? "−" : "") + std::string(buffer);
  }
  const bool lost = size >= 1e-10 && size < 0.5 * std::pow(10, -decimals);
  return plain_decimal(value, lost ? 1 - static_cast<int>(std::floor(std::log10(size))) : decimals);
}

std::string p_value(double p) {
  if (std::isnan(p)) return "–";
  if (p < 0.001) return "< .001";
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%.3f", p);
  return p >= 0.9995 ? buffer : buffer + 1;
}

std::string aligned(const std::vector<std::string>& header,
                    const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  std::vector<bool> numeric;
  for (std::size_t j = 0; j < header.size(); ++j) {
    std::size_t widest = width(header[j]);
    bool all_numeric = true;
    for (const auto& row : rows) {
      widest = std::max(widest, width(row[j]));
      all_numeric = all_numeric && looks_numeric(row[j]);
    }
    widths.push_back(widest);
    numeric.push_back(all_numeric);
  }
  std::string out;
  const auto write_row = [&](const std::vector<std::string>& row) {
    std::string line = " ";
    for (std::size_t j = 0; j < row.size(); ++j) {
      const std::string pad(widths[j] - width(row[j]), ' ');
      line += " " + (numeric[j] ? pad + row[j] : row[j] + pad) + " ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  write_row(header);
  std::size_t total = 0;
  for (const std::size_t w : widths) total += w + 2;
  out += "  ";
  for (std::size_t i = 0; i + 2 < total + 1; ++i) out += "─";
  out += '\n';
  for (const auto& row : rows) write_row(row);
  return out;
}

std::string plain_text(const Json& result) {
  if (is_table(result)) return table_text(result);
  if (!result.is_object()) return result.dump(-1) + "\n";
  std::string out;
  std::size_t widest = 0;
  std::vector<std::pair<std::string, Json>> scalars;
  for (const auto& member : result.members())
    if (is_scalar(member.second)) scalars.push_back(member);
  join_interval(scalars);
  for (const auto& [key, value] : scalars) widest = std::max(widest, width(label(key)));
  for (const auto& [key, value] : scalars) {
    const std::string name = label(key);
    out += "  " + name + std::string(widest - width(name) + 2, ' ') + scalar(key, value) + '\n';
  }
  for (const auto& [key, value] : result.members())
    if (!is_scalar(value) && !(value.is_array() && value.items().empty())) section(key, value, out);
  return out;
}

std::string csv_table(const Json& rows) {
  const Json table = rows.is_array() ? rows : Json(Json::Array{rows});
  const auto flat = flattened_rows(table);
  const std::vector<std::string> columns = columns_of(flat);
  const auto quoted = [](const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
  };
  std::string out;
  for (std::size_t j = 0; j < columns.size(); ++j) out += (j > 0 ? "," : "") + quoted(columns[j]);
  out += '\n';
  for (const auto& row : flat) {
    for (std::size_t j = 0; j < columns.size(); ++j) {
      if (j > 0) out += ',';
      const Json* value = cell_of(row, columns[j]);
      if (value == nullptr || value->is_null()) continue;
      if (value->is_string()) {
        out += quoted(value->string());
      } else if (value->is_bool()) {
        out += value->boolean() ? "1" : "0";
      } else if (std::isfinite(value->number())) {
        out += shortest_decimal(value->number());
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace rapport::report
