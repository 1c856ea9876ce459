#include "residual_kernels.hpp"

#include "dense_kernels.hpp"

namespace rapport {
namespace {

#include "residual_kernels_body.hpp"

constexpr ResidualKernels baseline = {square, cross, combine, contract, eliminate, block_adjoint};

}  // namespace

#if defined(RAPPORT_X86_64_V3_KERNELS)
extern const ResidualKernels residual_kernels_x86_64_v3;
#endif

const ResidualKernels& residual_kernels() {
#if defined(RAPPORT_X86_64_V3_KERNELS)
  if (has_x86_64_v3()) return residual_kernels_x86_64_v3;
#endif
  return baseline;
}

}  // namespace rapport
