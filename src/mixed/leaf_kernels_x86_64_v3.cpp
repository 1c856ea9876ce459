// The leaf kernels for processors with AVX2 and FMA (x86-64-v3); compiled with -march=x86-64-v3
// -ffp-contract=fast.
#include "leaf_kernels.hpp"

namespace rapport {
namespace {

#include "leaf_kernels_body.hpp"
#include "outer_kernels_body.hpp"

}  // namespace

extern const LeafKernels leaf_kernels_x86_64_v3;
const LeafKernels leaf_kernels_x86_64_v3 = {value,   derivatives, second,           compress,
                                            moments, solve_outer, outer_derivatives};

}  // namespace rapport
