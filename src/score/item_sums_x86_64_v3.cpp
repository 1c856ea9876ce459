// The loop for processors with AVX2; compiled with -march=x86-64-v3, without contraction.
#include "item_sums.hpp"

namespace rapport {
namespace {

#include "item_sums_body.hpp"

}  // namespace

extern const ItemSums item_sums_x86_64_v3;
const ItemSums item_sums_x86_64_v3 = sum_rows;

}  // namespace rapport
