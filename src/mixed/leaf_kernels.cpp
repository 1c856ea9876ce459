#include "leaf_kernels.hpp"

#include "dense_kernels.hpp"

namespace rapport {
namespace {

#include "leaf_kernels_body.hpp"
#include "outer_kernels_body.hpp"

constexpr LeafKernels baseline = {value,   derivatives, second,           compress,
                                  moments, solve_outer, outer_derivatives};

}  // namespace

#if defined(RAPPORT_X86_64_V3_KERNELS)
extern const LeafKernels leaf_kernels_x86_64_v3;
#endif

const LeafKernels& leaf_kernels() {
#if defined(RAPPORT_X86_64_V3_KERNELS)
  if (has_x86_64_v3()) return leaf_kernels_x86_64_v3;
#endif
  return baseline;
}

}  // namespace rapport
