#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Any text is parsed or refused by FormulaError; what was parsed is written as text that parses to
/// the same expression, and has a value or is refused by an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const rapport::Table table = rapport::parse_csv("a,b,g,t\n1,2,x,1\nNA,0,x,2\n-3,5,y,1\n");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  rapport::Expression expression;
  try {
    expression = rapport::parse_expression(text);
  } catch (const rapport::FormulaError&) {
    return 0;
  }
  if (!rapport::same_expression(rapport::parse_expression(rapport::to_string(expression)),
                                expression))
    __builtin_trap();
  try {
    (void)rapport::evaluate(expression, table);
  } catch (const rapport::Error&) {
  }
  return 0;
}
