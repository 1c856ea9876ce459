#pragma once

#include <rapport/score/scale.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// The built-in keys, by name. Each was checked by the compiler (find_fault).
[[nodiscard]] std::span<const InstrumentKey> catalogue();

/// The names of the built-in keys in order.
[[nodiscard]] std::vector<std::string> instrument_names();

/// The key of that name in any case; a name may end in a perspective of the key
/// ("wai-s-therapist"), which is then part of the instrument's name and its only perspective.
/// Throws InvalidArgument with the nearest name if there is none, and for a key of confidence
/// single_source unless `accept_unverified`.
[[nodiscard]] Instrument find_instrument(std::string_view name, bool accept_unverified = false);

}  // namespace rapport
