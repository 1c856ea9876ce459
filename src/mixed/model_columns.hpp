#pragma once

#include <rapport/mixed/design.hpp>

#include <cstdint>
#include <vector>

/// Not installed: the columns that variables and their products give.
namespace rapport::detail {

/// How errors name the table.
[[nodiscard]] std::string file_of(const Table& table);

/// The values of one variable on the rows of a table: numbers (n × k), or the codes of a factor.
struct VariableValues {
  Eigen::MatrixXd numbers = {};
  const Eigen::VectorXd* column =
      nullptr;  ///< a column of the table that serves as it is, in place of `numbers`
  std::vector<std::int32_t> codes = {};
  bool is_factor = false;

  [[nodiscard]] Index rows() const;
  /// Column j of the numbers.
  [[nodiscard]] Eigen::Ref<const Eigen::VectorXd> values(Index j) const {
    return column != nullptr ? Eigen::Ref<const Eigen::VectorXd>(*column) : numbers.col(j);
  }
};

/// The column that the expression names, if that is all it does and the column is numeric; else
/// nullptr.
[[nodiscard]] const Eigen::VectorXd* plain_column(const Expression& expression, const Table& table);

/// `variable` evaluated on a table, with the levels and the basis that it has. A level it does not
/// have throws DataError, or is missing.
[[nodiscard]] VariableValues variable_values(const ModelVariable& variable, const Table& table,
                                             bool unseen_missing);

/// The given rows of n.
[[nodiscard]] VariableValues select(VariableValues values, const std::vector<Index>& rows);

/// How many columns the variable has in a product.
[[nodiscard]] Index column_count(const ModelVariable& variable, bool all_levels);

/// What the columns of the variable append to its name.
[[nodiscard]] std::vector<std::string> column_suffixes(const ModelVariable& variable,
                                                       bool all_levels, Contrast contrast);

/// The matrix by which the codes of a factor become columns: levels × column_count.
[[nodiscard]] Eigen::MatrixXd coding_matrix(const ModelVariable& variable, bool all_levels,
                                            Contrast contrast);

[[nodiscard]] const ModelVariable& find_variable(const ModelFrame& frame, const std::string& name);

/// Decides how each term is coded (the rule of Chambers & Hastie 1992, as R's terms() and
/// model.matrix() apply it).
[[nodiscard]] ColumnPlan make_plan(const ModelFrame& frame, bool intercept,
                                   const std::vector<FormulaTerm>& terms);

/// The columns of a plan, made for a piece of the rows at a time.
class PieceColumns {
 public:
  PieceColumns(const ModelFrame& frame, const ColumnPlan& plan);

  [[nodiscard]] Index size() const { return static_cast<Index>(recipes_.size()); }
  /// True for the intercept.
  [[nodiscard]] bool is_one(Index column) const {
    return recipes_[static_cast<std::size_t>(column)].empty();
  }
  /// True if the column does not lie among the values of the frame's variables as it is.
  [[nodiscard]] bool is_made(Index column, const std::vector<VariableValues>& variables) const {
    const std::vector<Part>& recipe = recipes_[static_cast<std::size_t>(column)];
    return recipe.size() != 1 || variables[recipe.front().variable].is_factor;
  }
  [[nodiscard]] Index n_made(const std::vector<VariableValues>& variables) const {
    Index count = 0;
    for (Index j = 0; j < size(); ++j) count += !is_one(j) && is_made(j, variables) ? 1 : 0;
    return count;
  }
  /// `column` on rows first … first + n − 1, from the values of the frame's variables (in the
  /// frame's order): where it lies among them, or where is_made() `buffer` (n) after it is written
  /// there.
  const double* values(Index column, const std::vector<VariableValues>& variables, Index first,
                       Index n, double* buffer) const;

 private:
  struct Part {
    std::size_t variable;
    Index column;
    Eigen::VectorXd coding;  ///< of a factor, a level each
  };
  std::vector<std::vector<Part>> recipes_;  ///< of each column, what it is the product of
};

/// The columns of a plan from the values of the frame's variables (in the frame's order), n rows.
[[nodiscard]] Eigen::MatrixXd fill_columns(const ModelFrame& frame, const ColumnPlan& plan,
                                           const std::vector<VariableValues>& values, Index n);

}  // namespace rapport::detail
