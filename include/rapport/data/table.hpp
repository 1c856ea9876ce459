#pragma once

#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rapport {

/// A named column: numbers (NaN is missing) or a factor (code −1 is missing).
struct Column {
  std::string name;
  std::variant<Eigen::VectorXd, Factor> values;
};

/// Where a table came from, so that errors can name file and line.
struct TableOrigin {
  std::string file;  ///< as the user named it; empty for a table made in memory
  std::vector<Index>
      lines;  ///< line of each row in the file, from 1; empty for a table made in memory
};

/// Columns of equal length, in a fixed order. Column names may repeat, as they do in files; asking
/// for a repeated name throws.
class Table {
 public:
  Table() = default;
  explicit Table(TableOrigin origin) : origin_(std::move(origin)) {}

  /// Appends a column. Throws InvalidArgument if its length differs from the columns there already.
  void add(std::string name, Eigen::VectorXd values);
  void add(std::string name, Factor values);
  /// Replaces the column of that name, or appends it.
  void set(std::string name, Eigen::VectorXd values);
  void set(std::string name, Factor values);
  /// Renames the column at `position` (from 0).
  void rename(Index position, std::string name);

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index columns() const { return static_cast<Index>(columns_.size()); }
  [[nodiscard]] const Column& at(Index position) const {
    return columns_[static_cast<std::size_t>(position)];
  }
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] const TableOrigin& origin() const { return origin_; }

  /// The column of that name. Throws InvalidArgument, with the nearest name, if there is none, and
  /// if it stands twice.
  [[nodiscard]] const Column& column(std::string_view name) const;
  [[nodiscard]] bool is_numeric(std::string_view name) const;
  /// Its numbers. Throws DataError, naming the first cell that is text, if the column is
  /// categorical.
  [[nodiscard]] const Eigen::VectorXd& numbers(std::string_view name) const;
  /// Its categories; a numeric column becomes a factor with levels in ascending order.
  [[nodiscard]] Factor factor(std::string_view name) const;
  /// The named numeric columns side by side, rows() × names.size().
  [[nodiscard]] Eigen::MatrixXd matrix(const std::vector<std::string>& names) const;

  /// The given rows (from 0), in the given order; levels that no longer occur are left out.
  [[nodiscard]] Table select(const std::vector<Index>& rows) const;

  /// The row's line in its file (from 1), or its number from 1 where the table has no file.
  [[nodiscard]] Index line(Index row) const;

 private:
  void check_length(const std::string& name, Index size);

  TableOrigin origin_;
  std::vector<Column> columns_;
  Index rows_ = 0;
};

/// True where the cell of `column` at `row` is missing.
[[nodiscard]] bool is_missing(const Column& column, Index row);

/// The cell as text: the level, or the shortest decimal; empty where missing.
[[nodiscard]] std::string cell_text(const Column& column, Index row);

}  // namespace rapport
