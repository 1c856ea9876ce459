#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <rapport/data/table.hpp>

namespace rapport {

/// A parsed expression over the columns of a table: `log(base / 4)`, `treatment == "CBT" & session <= 5`,
/// `within(alliance, patient)`. A value: cheap to copy, immutable.
struct ExpressionNode;
using Expression = std::shared_ptr<const ExpressionNode>;

/// One node of the syntax tree.
struct ExpressionNode {
  enum class Kind { number, text, column, call };
  Kind kind = Kind::number;
  double number = 0;                   ///< kind number
  std::string name;                    ///< text: the string; column: its name; call: the function or operator (`+`, `==`, `log`)
  std::vector<Expression> arguments;   ///< kind call
  std::size_t position = 0;            ///< offset in the text it was parsed from
};

/// Parses the expression language of --let and --where: + - * / ^ ( ), == != < <= > >= & | !, log exp sqrt abs,
/// factor(x), present(x), mean(x), within(x, g), between(x, g), lag(x, g, t). Names may hold letters, digits, `_` and `.`;
/// any other name stands in backquotes. Throws FormulaError with the offset of the fault. Nesting is limited to 200 levels.
[[nodiscard]] Expression parse_expression(std::string_view text);

/// The expression as text that parses to the same expression.
[[nodiscard]] std::string to_string(const Expression& expression);

/// The names of the columns that it uses, in order of appearance, each once.
[[nodiscard]] std::vector<std::string> columns_used(const Expression& expression);

/// Its value on every row of the table: numbers, or a factor (a categorical column, or factor(x)). An operation on a missing
/// value is missing; within, between and mean leave missing values out. Throws InvalidArgument for an unknown column
/// (naming the nearest), DataError for an operation that the kind of its argument does not allow.
[[nodiscard]] std::variant<Eigen::VectorXd, Factor> evaluate(const Expression& expression, const Table& table);

/// Adds `NAME = EXPRESSION` to the table. Throws FormulaError if the text is not of that form.
void let(Table& table, std::string_view definition);

/// The rows on which the condition holds; rows where it is missing are dropped. Throws DataError if no row is kept.
[[nodiscard]] Table where(const Table& table, std::string_view condition);

}  // namespace rapport
