#pragma once

#include <rapport/base/eigen.hpp>

#include <array>
#include <cstdint>

namespace rapport {

/// The seed of everything stochastic; the same seed gives the same numbers on every machine and for
/// any number of threads.
enum class Seed : std::uint64_t {};

/// One block of Philox4x32-10, the counter-based generator of Salmon et al. (2011), "Parallel
/// random numbers: as easy as 1, 2, 3".
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32U) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32U) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

/// A stream of random numbers that is a function of (seed, replicate) alone: replicates may run in
/// any order, on any thread, and in any number without changing one another.
class RandomStream {
 public:
  RandomStream(Seed seed, std::uint64_t replicate)
      : seed_(static_cast<std::uint64_t>(seed)), replicate_(replicate) {}

  /// 64 uniform bits.
  std::uint64_t bits();
  /// Uniform on the open interval (0, 1); multiples of 2⁻⁵³ shifted by 2⁻⁵⁴.
  double uniform();
  /// Standard normal, by inversion of a uniform (Wichura 1988, AS 241).
  double normal();
  /// Uniform on {0, …, bound − 1} without bias (Lemire 2019). `bound` ≥ 1.
  Index below(Index bound);
  /// Exponential with mean 1.
  double exponential();
  /// Gamma with the given shape > 0 and scale 1 (Marsaglia & Tsang 2000).
  double gamma(double shape);
  /// χ² with `df` > 0 degrees of freedom.
  double chi_squared(double df) { return 2 * gamma(df / 2); }

 private:
  std::uint64_t seed_;
  std::uint64_t replicate_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> buffer_{};
  int left_ = 0;
};

}  // namespace rapport
