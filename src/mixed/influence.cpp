#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <optional>

namespace rapport {
namespace {

using Eigen::VectorXd;

std::vector<Index> rows_without(const std::vector<std::int32_t>& groups, std::int32_t level) {
  std::vector<Index> rows;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i] != level) rows.push_back(static_cast<Index>(i));
  return rows;
}

/// The fit without a level; nothing if what remains allows none.
std::optional<MixedFit> fit_without(const Design& design, const std::vector<std::int32_t>& groups,
                                    std::int32_t level, Criterion criterion) {
  try {
    return fit_mixed_model(select(design, rows_without(groups, level)),
                           {.criterion = criterion, .random_effects = false});
  } catch (const DataError&) {
    return std::nullopt;
  }
}

LevelInfluence compare(const MixedFit& full, const std::optional<MixedFit>& reduced,
                       const std::string& level) {
  const Index p = full.fixed.estimate.size();
  LevelInfluence result{level, missing, VectorXd::Constant(p, missing),
                        VectorXd::Constant(p, missing), missing};
  if (!reduced) return result;
  result.residual_sd = reduced->residual.sd;
  for (std::size_t k = 0; k < reduced->fixed.columns.size(); ++k)
    for (Index j = 0; j < p; ++j)
      if (full.fixed.columns[static_cast<std::size_t>(j)] == reduced->fixed.columns[k]) {
        const auto i = static_cast<Index>(k);
        result.estimate[j] = reduced->fixed.estimate[i];
        result.dfbetas[j] = (full.fixed.estimate[j] - reduced->fixed.estimate[i]) /
                            reduced->fixed.standard_error[i];
      }
  const VectorXd change = result.estimate - full.fixed.estimate;
  if (change.allFinite())
    result.cooks_distance =
        change.dot(full.fixed.covariance.llt().solve(change)) / static_cast<double>(p);
  return result;
}

}  // namespace

std::vector<LevelInfluence> deletion_influence(const Design& design, const MixedFit& fit,
                                               const std::vector<std::int32_t>& groups,
                                               const std::vector<std::string>& levels,
                                               int threads) {
  require_same_size("deletion_influence", "groups", static_cast<Index>(groups.size()), "design",
                    design.response.size());
  std::vector<LevelInfluence> result(levels.size());
  parallel_for(static_cast<Index>(levels.size()), threads, [&](Index level) {
    const auto i = static_cast<std::size_t>(level);
    result[i] = compare(
        fit, fit_without(design, groups, static_cast<std::int32_t>(level), fit.criterion.method),
        levels[i]);
  });
  return result;
}

}  // namespace rapport
