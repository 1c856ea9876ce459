#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rapport {

/// A categorical variable: `codes[i]` is the position of row i's category in `levels`, or −1 where
/// it is missing.
struct Factor {
  std::vector<std::int32_t> codes;
  std::vector<std::string> levels;  ///< distinct; the first is the reference level

  [[nodiscard]] Index size() const { return static_cast<Index>(codes.size()); }
  [[nodiscard]] Index level_count() const { return static_cast<Index>(levels.size()); }
};

/// Text to a factor; an empty string is missing. Levels are sorted by bytes, or are `levels` in
/// that order. Throws DataError if a value is not among the given `levels`.
[[nodiscard]] Factor make_factor(const std::vector<std::string>& values,
                                 const std::vector<std::string>& levels = {});

/// Numbers to a factor: levels ascending, each named by the shortest decimal that reads back to the
/// same double. NaN is missing. With `levels` (text, in the order wanted), throws DataError if a
/// value is not among them.
[[nodiscard]] Factor make_factor(const VectorView& values,
                                 const std::vector<std::string>& levels = {});

/// The combinations of two factors that occur, named "a:b" and ordered by a, then b; missing where
/// either is.
[[nodiscard]] Factor cross(const Factor& a, const Factor& b);

/// `factor` restricted to the given rows, levels that no longer occur left out.
[[nodiscard]] Factor select(const Factor& factor, const std::vector<Index>& rows);

/// The shortest decimal that reads back to the same double: "308", "0.1", "1e-09"; "NA" for NaN.
[[nodiscard]] std::string shortest_decimal(double value);

}  // namespace rapport
