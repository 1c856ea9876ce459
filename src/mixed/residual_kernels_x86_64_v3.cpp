// The residual kernels for processors with AVX2 and FMA (x86-64-v3); compiled with
// -march=x86-64-v3 -ffp-contract=fast.
#include "residual_kernels.hpp"

namespace rapport {
namespace {

#include "residual_kernels_body.hpp"

}  // namespace

extern const ResidualKernels residual_kernels_x86_64_v3;
const ResidualKernels residual_kernels_x86_64_v3 = {square,   cross,     combine,
                                                    contract, eliminate, block_adjoint};

}  // namespace rapport
