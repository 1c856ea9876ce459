// The kernels of groups for processors with AVX2 and FMA (x86-64-v3); compiled with
// -march=x86-64-v3 -ffp-contract=fast.
#include "group_kernels.hpp"

namespace rapport::detail {
namespace {

#include "group_kernels_body.hpp"
}  // namespace

extern const GroupKernels group_kernels_x86_64_v3;
const GroupKernels group_kernels_x86_64_v3 = {
    binomial_logit,        poisson_log, negative_binomial, cumulative_logit,
    zero_inflated_poisson, laplace,     quadrature};

}  // namespace rapport::detail
