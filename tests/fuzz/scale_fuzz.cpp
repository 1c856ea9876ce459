#include <rapport/base/error.hpp>
#include <rapport/score/scale.hpp>
#include <rapport/score/scoring.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

// Any text is either refused by a DataError or a key that writes, reads back unchanged, and scores.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const rapport::Instrument key =
        rapport::parse_instrument(rapport::parse_json(text, "fuzz"), "fuzz");
    const std::string written = rapport::instrument_json(key).dump();
    if (rapport::instrument_json(rapport::parse_instrument(rapport::parse_json(written))).dump() !=
        written)
      std::abort();
    (void)rapport::score_scale(key, Eigen::MatrixXd::Constant(2, key.items, key.lower),
                               {.missing = rapport::MissingItems::strict});
  } catch (const rapport::DataError&) {
  }
  return 0;
}
