#include "item_sums.hpp"

namespace rapport {
namespace {

#include "item_sums_body.hpp"

}  // namespace

#ifdef RAPPORT_X86_64_V3_KERNELS
extern const ItemSums item_sums_x86_64_v3;
#endif

ItemSums item_sums() {
#ifdef RAPPORT_X86_64_V3_KERNELS
  static const bool modern = __builtin_cpu_supports("avx2");
  if (modern) return item_sums_x86_64_v3;
#endif
  return sum_rows;
}

}  // namespace rapport
