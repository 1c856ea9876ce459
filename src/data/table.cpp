#include <rapport/data/table.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace rapport {
namespace {

bool reads_as_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

void Table::check_length(const std::string& name, Index size) {
  if (columns_.empty()) rows_ = size;
  if (size == rows_) return;
  std::ostringstream message;
  message << "Table: column \"" << name << "\" has " << size << " rows but the table has " << rows_;
  throw InvalidArgument(message.str());
}

void Table::add(std::string name, Eigen::VectorXd values) {
  check_length(name, values.size());
  columns_.push_back({.name = std::move(name), .values = std::move(values)});
}

void Table::add(std::string name, Factor values) {
  check_length(name, values.size());
  columns_.push_back({.name = std::move(name), .values = std::move(values)});
}

void Table::set(std::string name, Eigen::VectorXd values) {
  for (Column& column : columns_) {
    if (column.name != name) continue;
    check_length(name, values.size());
    column.values = std::move(values);
    return;
  }
  add(std::move(name), std::move(values));
}

void Table::set(std::string name, Factor values) {
  for (Column& column : columns_) {
    if (column.name != name) continue;
    check_length(name, values.size());
    column.values = std::move(values);
    return;
  }
  add(std::move(name), std::move(values));
}

void Table::rename(Index position, std::string name) {
  columns_.at(static_cast<std::size_t>(position)).name = std::move(name);
}

std::vector<std::string> Table::names() const {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  return names;
}

bool Table::contains(std::string_view name) const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [&](const Column& column) { return column.name == name; });
}

const Column& Table::column(std::string_view name) const {
  const Column* found = nullptr;
  Index first = 0;
  for (Index j = 0; j < columns(); ++j) {
    if (at(j).name != name) continue;
    if (found != nullptr) {
      std::ostringstream message;
      message << "column \"" << name << "\" stands twice, as columns " << first + 1 << " and "
              << j + 1 << "; give one another name (--rename " << j + 1 << "=NAME)";
      throw InvalidArgument(message.str());
    }
    found = &at(j);
    first = j;
  }
  if (found != nullptr) return *found;
  std::string message = "there is no column \"" + std::string(name) + "\"";
  if (!origin_.file.empty()) message += " in " + origin_.file;
  const std::string near = nearest_name(name, names());
  if (!near.empty()) message += "; did you mean \"" + near + "\"?";
  throw InvalidArgument(message);
}

bool Table::is_numeric(std::string_view name) const {
  return std::holds_alternative<Eigen::VectorXd>(column(name).values);
}

const Eigen::VectorXd& Table::numbers(std::string_view name) const {
  const Column& found = column(name);
  if (const auto* values = std::get_if<Eigen::VectorXd>(&found.values)) return *values;
  const Factor& factor = std::get<Factor>(found.values);
  for (Index i = 0; i < rows(); ++i) {
    const std::int32_t code = factor.codes[static_cast<std::size_t>(i)];
    if (code < 0) continue;
    const std::string& level = factor.levels[static_cast<std::size_t>(code)];
    if (reads_as_number(level)) continue;
    throw DataError("column \"" + found.name + "\": \"" + level +
                        "\" is not a number; correct the cell, or name it as missing (--na)",
                    origin_.file.empty() ? "table" : origin_.file, line(i));
  }
  throw DataError("column \"" + found.name + "\" is categorical; a numeric column is required",
                  origin_.file.empty() ? "table" : origin_.file);
}

Factor Table::factor(std::string_view name) const {
  const Column& found = column(name);
  if (const auto* factor = std::get_if<Factor>(&found.values)) return *factor;
  return make_factor(std::get<Eigen::VectorXd>(found.values));
}

Eigen::MatrixXd Table::matrix(const std::vector<std::string>& names) const {
  Eigen::MatrixXd values(rows(), static_cast<Index>(names.size()));
  for (std::size_t j = 0; j < names.size(); ++j)
    values.col(static_cast<Index>(j)) = numbers(names[j]);
  return values;
}

Table Table::select(const std::vector<Index>& rows) const {
  TableOrigin origin{.file = origin_.file, .lines = {}};
  if (!origin_.lines.empty())
    for (const Index row : rows) origin.lines.push_back(line(row));
  Table kept(std::move(origin));
  for (const Column& column : columns_) {
    if (const auto* values = std::get_if<Eigen::VectorXd>(&column.values)) {
      Eigen::VectorXd some(static_cast<Index>(rows.size()));
      for (std::size_t i = 0; i < rows.size(); ++i)
        some[static_cast<Index>(i)] = (*values)[rows[i]];
      kept.add(column.name, std::move(some));
    } else {
      kept.add(column.name, rapport::select(std::get<Factor>(column.values), rows));
    }
  }
  return kept;
}

Index Table::line(Index row) const {
  return origin_.lines.empty() ? row + 1 : origin_.lines[static_cast<std::size_t>(row)];
}

bool is_missing(const Column& column, Index row) {
  if (const auto* values = std::get_if<Eigen::VectorXd>(&column.values))
    return std::isnan((*values)[row]);
  return std::get<Factor>(column.values).codes[static_cast<std::size_t>(row)] < 0;
}

std::string cell_text(const Column& column, Index row) {
  if (is_missing(column, row)) return {};
  if (const auto* values = std::get_if<Eigen::VectorXd>(&column.values))
    return shortest_decimal((*values)[row]);
  const Factor& factor = std::get<Factor>(column.values);
  return factor.levels[static_cast<std::size_t>(factor.codes[static_cast<std::size_t>(row)])];
}

}  // namespace rapport
