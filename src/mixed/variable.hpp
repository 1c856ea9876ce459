#pragma once

#include <rapport/data/expression.hpp>

#include <string>
#include <string_view>

/// Not installed: what a variable of a formula is, read from its text.
namespace rapport::detail {

/// A variable of a formula: an expression, or a call that only formulas know.
struct VariableSyntax {
  enum class Kind {
    expression,    ///< x, log(x), factor(x), within(x, g)
    identity,      ///< I(expression)
    polynomial,    ///< poly(expression, degree)
    spline,        ///< ns(expression, df)
    standardized,  ///< scale(expression)
    pair,          ///< cbind(successes, failures)
    offset         ///< offset(expression)
  };
  Kind kind = Kind::expression;
  Expression argument = {};  ///< the first argument, or the expression itself
  Expression second = {};    ///< kind pair
  int size = 0;              ///< degree or df
  bool raw = false;          ///< poly(…, raw = TRUE)
  std::string text = {};     ///< canonical
};

/// Reads the variable at `position` (a name, or a call), which is moved past it. Throws
/// FormulaError.
[[nodiscard]] VariableSyntax parse_variable_at(std::string_view text, std::size_t& position);

/// Reads a variable that takes up the whole text, or any expression that does.
[[nodiscard]] VariableSyntax parse_variable(std::string_view text);

}  // namespace rapport::detail
