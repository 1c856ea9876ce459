#pragma once

#include <rapport/data/json.hpp>

#include <string>
#include <vector>

/// Results as people read them. Nothing here computes; every number was computed below.
namespace rapport::report {

/// A table as aligned text: numbers to the right, text to the left, a rule under the header.
[[nodiscard]] std::string aligned(const std::vector<std::string>& header,
                                  const std::vector<std::vector<std::string>>& rows);

/// A number as APA prints it, to `decimals` places and with a true minus sign; one that would round
/// to 0 keeps two digits ("0.00034"), unless it is below 1e-10. "–" where it is missing.
[[nodiscard]] std::string number(double value, int decimals = 2);

/// "< .001" or ".042".
[[nodiscard]] std::string p_value(double p);

/// Any result as text: scalars as a list, arrays of objects as tables, estimates with their
/// intervals in one cell.
[[nodiscard]] std::string plain_text(const Json& result);

/// An array of objects (or one object) as CSV: a column a scalar member, nested objects flattened
/// with dots; full precision.
[[nodiscard]] std::string csv_table(const Json& rows);

}  // namespace rapport::report
