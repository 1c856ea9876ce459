#include <rapport/base/random.hpp>

/// A seed is named as such: an integer that happens to stand in its place is no seed.
double draw() {
#ifdef RAPPORT_MISUSE
  return rapport::RandomStream(42, 0).normal();
#else
  return rapport::RandomStream(rapport::Seed{42}, 0).normal();
#endif
}
