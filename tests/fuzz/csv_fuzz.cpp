#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Any bytes are read or refused by DataError; what was read is written as text that is read again
/// with the same shape.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const rapport::Table table = rapport::parse_csv(text);
    const rapport::Table again = rapport::parse_csv(rapport::to_csv(table), {.separator = ','});
    if (again.rows() != table.rows() || again.columns() != table.columns()) __builtin_trap();
  } catch (const rapport::DataError&) {
  }
  return 0;
}
