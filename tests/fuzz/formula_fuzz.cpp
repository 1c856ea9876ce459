#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/design.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Any text is parsed or refused by FormulaError; what was parsed is written as text that parses to
/// the same formula, and makes a design or is refused by an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const rapport::Table table = rapport::parse_csv(
      "y,a,b,g,t\n1,2,x,p,1\nNA,0,x,p,2\n-3,5,y,q,1\n2,1,y,q,2\n4,7,x,r,3\n0,1,y,r,1\n");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  rapport::Formula formula;
  try {
    formula = rapport::parse_formula(text);
  } catch (const rapport::FormulaError&) {
    return 0;
  }
  if (rapport::parse_formula(rapport::to_string(formula)) != formula) __builtin_trap();
  if (formula.fixed.size() > 40) return 0;
  try {
    (void)rapport::make_design(formula, table);
  } catch (const rapport::Error&) {
  }
  return 0;
}
