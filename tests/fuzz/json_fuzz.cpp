#include <rapport/base/error.hpp>
#include <rapport/data/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Any text is parsed or refused by DataError; what was parsed is written as text that parses and
/// is written the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const std::string once = rapport::parse_json(text).dump();
    if (rapport::parse_json(once).dump() != once) __builtin_trap();
  } catch (const rapport::DataError&) {
  }
  return 0;
}
