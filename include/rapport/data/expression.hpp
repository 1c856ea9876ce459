#pragma once

#include <rapport/data/table.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rapport {

/// A parsed expression over the columns of a table: `log(base / 4)`, `treatment == "CBT" & session
/// <= 5`, `within(alliance, patient)`. A value: cheap to copy, immutable.
struct ExpressionNode;
using Expression = std::shared_ptr<const ExpressionNode>;

/// One node of the syntax tree.
struct ExpressionNode {
  enum class Kind { number, text, column, call };
  Kind kind = Kind::number;
  double number = 0;  ///< kind number
  std::string name;   ///< text: the string; column: its name; call: the function or operator (`+`,
                      ///< `==`, `log`)
  std::vector<Expression> arguments;  ///< kind call
  std::size_t position = 0;           ///< offset in the text it was parsed from
  int depth = 1;                      ///< levels of the tree, this node among them
};

/// Parses the expression language of --let and --where: + - * / ^ ( ), == != < <= > >= & | !, log
/// exp sqrt abs, factor(x), present(x), mean(x), within(x, g), between(x, g), lag(x, g, t). Names
/// may hold letters, digits, `_` and `.`; any other name stands in backquotes. Operators bind as in
/// R: ^ (from the right), sign, * /, + -, comparisons (which do not chain), !, &, |. Throws
/// FormulaError with the offset of the fault. Nesting is limited to 200 levels, a chain such as a +
/// b + … to 1000 terms.
[[nodiscard]] Expression parse_expression(std::string_view text);

/// The longest expression at `position`, which is moved past it: for languages, such as model
/// formulas, in which an expression stands between delimiters of their own (`~`, `,`, `)`).
[[nodiscard]] Expression parse_expression_at(std::string_view text, std::size_t& position);

/// One operand at `position` (a name, a number, a string, a call or an expression in parentheses),
/// which is moved past it.
[[nodiscard]] Expression parse_operand_at(std::string_view text, std::size_t& position);

/// A column name at `position` (plain or in backquotes), which is moved past it; blanks before it
/// are skipped.
[[nodiscard]] std::string parse_name_at(std::string_view text, std::size_t& position);

/// A column name without backquotes at `position`, which is moved past it; empty where there is
/// none, or a call.
[[nodiscard]] std::string_view plain_name_at(std::string_view text, std::size_t& position);

/// The name as it stands in an expression: itself, or in backquotes where it needs them.
[[nodiscard]] std::string quoted_name(std::string_view name);

/// True for log, within and the other functions of the language.
[[nodiscard]] bool is_expression_function(std::string_view name);

/// The expression as text that parses to the same expression, spaced as R prints it: `log(x + 1)`,
/// `x^2`.
[[nodiscard]] std::string to_string(const Expression& expression);

/// True if both are the same tree; where they stood in their texts does not matter.
[[nodiscard]] bool same_expression(const Expression& a, const Expression& b);

/// The names of the columns that it uses, in order of appearance, each once.
[[nodiscard]] std::vector<std::string> columns_used(const Expression& expression);

/// Its value on every row of the table: numbers, or a factor (a categorical column, or factor(x)).
/// An operation on a missing value is missing, and so is a result that is no finite number (log(0),
/// 1/0, sqrt(-1)); within, between and mean leave missing values out. A call of within, between or
/// lag whose text is the name of a column is that column: see add_panel_columns. Throws
/// InvalidArgument for an unknown column (naming the nearest), DataError for an operation that the
/// kind of its argument does not allow.
[[nodiscard]] std::variant<Eigen::VectorXd, Factor> evaluate(const Expression& expression,
                                                             const Table& table);

/// Adds to the table, for each call of within, between and lag in the expression, a column named as
/// the call is written by to_string, so that the call keeps its value when rows are dropped
/// afterwards.
void add_panel_columns(Table& table, const Expression& expression);

/// Adds `NAME = EXPRESSION` to the table. Throws FormulaError if the text is not of that form.
void let(Table& table, std::string_view definition);

/// The rows on which the condition holds; rows where it is missing are dropped. Throws DataError if
/// no row is kept.
[[nodiscard]] Table where(const Table& table, std::string_view condition);

}  // namespace rapport
