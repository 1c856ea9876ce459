#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rapport::report {

/// `text` as it may stand in HTML, SVG and their attributes: the five special characters become
/// entities, control characters a blank, and bytes that are no UTF-8 the replacement character.
[[nodiscard]] std::string escaped_markup(std::string_view text);

/// The width of `text` in ems of a sans-serif face, estimated without a font: good to about a
/// tenth.
[[nodiscard]] double text_width(std::string_view text);

/// A coordinate for SVG: at most two decimals, no trailing zeros; the same text on every machine.
[[nodiscard]] std::string coordinate(double value);

/// `decimals` decimals with a true minus sign; what rounds to 0 is 0, NaN "–" and infinity "∞".
[[nodiscard]] std::string plain_decimal(double value, int decimals);

}  // namespace rapport::report
