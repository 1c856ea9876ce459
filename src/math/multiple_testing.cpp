#include <rapport/base/missing.hpp>
#include <rapport/math/multiple_testing.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace rapport {
namespace {

/// What the p-value of ascending rank `rank` (from 1) among `n` is multiplied by before
/// monotonicity is restored.
double factor(Adjustment adjustment, double rank, double n, double harmonic) {
  switch (adjustment) {
    case Adjustment::none:
      return 1;
    case Adjustment::bonferroni:
      return n;
    case Adjustment::holm:
    case Adjustment::hochberg:
      return n - rank + 1;
    case Adjustment::benjamini_hochberg:
      return n / rank;
    case Adjustment::benjamini_yekutieli:
      return harmonic * n / rank;
  }
  return missing;
}

}  // namespace

std::optional<Adjustment> parse_adjustment(std::string_view text) {
  if (text == "none") return Adjustment::none;
  if (text == "bonferroni") return Adjustment::bonferroni;
  if (text == "holm") return Adjustment::holm;
  if (text == "hochberg") return Adjustment::hochberg;
  if (text == "bh") return Adjustment::benjamini_hochberg;
  if (text == "by") return Adjustment::benjamini_yekutieli;
  return std::nullopt;
}

Eigen::VectorXd adjust_p_values(const VectorView& p_values, Adjustment adjustment) {
  std::vector<Index> order;
  for (Index i = 0; i < p_values.size(); ++i) {
    if (!is_missing(p_values[i])) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](Index i) { return p_values[i]; });
  const std::size_t n = order.size();
  double harmonic = 0;
  for (std::size_t k = n; k >= 1; --k) harmonic += 1 / static_cast<double>(k);

  Eigen::VectorXd adjusted = p_values;
  for (std::size_t k = 0; k < n; ++k) {
    adjusted[order[k]] *=
        factor(adjustment, static_cast<double>(k + 1), static_cast<double>(n), harmonic);
  }
  // Step down: an adjusted value is never below the one before it; step up: never above the one
  // after it.
  if (adjustment == Adjustment::holm) {
    for (std::size_t k = 1; k < n; ++k)
      adjusted[order[k]] = std::max(adjusted[order[k]], adjusted[order[k - 1]]);
  } else if (adjustment != Adjustment::none && adjustment != Adjustment::bonferroni) {
    for (std::size_t k = n; k-- > 1;)
      adjusted[order[k - 1]] = std::min(adjusted[order[k - 1]], adjusted[order[k]]);
  }
  for (const Index i : order) adjusted[i] = std::min(1.0, adjusted[i]);
  return adjusted;
}

}  // namespace rapport
