#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Kolmogorov's D: the largest distance between the distribution function of the values and the
/// uniform one on (0, 1). NaN without values.
[[nodiscard]] double kolmogorov_distance(const VectorView& uniform);
/// P(D ≥ d) of n independent uniform values: exact for n ≤ 1000 (Marsaglia, Tsang & Wang 2003),
/// beyond that Kolmogorov's limit with Stephens's (1970) correction.
[[nodiscard]] double kolmogorov_upper_tail(double d, Index n);

}  // namespace rapport
