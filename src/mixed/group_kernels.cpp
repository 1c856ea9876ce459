#include "group_kernels.hpp"

#include "dense_kernels.hpp"

namespace rapport::detail {
namespace {

#include "group_kernels_body.hpp"
constexpr GroupKernels baseline = {binomial_logit,   poisson_log,           negative_binomial,
                                   cumulative_logit, zero_inflated_poisson, laplace,
                                   quadrature};

}  // namespace

#if defined(RAPPORT_X86_64_V3_KERNELS)
extern const GroupKernels group_kernels_x86_64_v3;
#endif

const GroupKernels& group_kernels() {
#if defined(RAPPORT_X86_64_V3_KERNELS)
  if (has_x86_64_v3()) return group_kernels_x86_64_v3;
#endif
  return baseline;
}

}  // namespace rapport::detail
