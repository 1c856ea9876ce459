#include <rapport/score/scale.hpp>

// A built-in key is checked as it compiles: item 13 of 12 cannot be reversed.
#ifdef RAPPORT_MISUSE
constexpr int reversed_item = 13;
#else
constexpr int reversed_item = 10;
#endif

constexpr rapport::InstrumentKey key =
    rapport::checked({.name = "twelve",
                      .title = "",
                      .construct = "",
                      .perspectives = {},
                      .items = 12,
                      .lower = 1,
                      .upper = 7,
                      .reversed = {4, reversed_item},
                      .allowed = {},
                      .subscales = {},
                      .total = {.name = "total", .items = rapport::items_to(12)},
                      .citation = "nobody"});
static_assert(key.items == 12);
