#include "influence.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Cholesky>

#include "nested_deletion.hpp"
#include <optional>

namespace rapport {
namespace {

using detail::QuickFit;
using detail::ReducedFit;
using Eigen::VectorXd;

std::vector<Index> rows_without(const std::vector<std::int32_t>& groups, std::int32_t level) {
  std::vector<Index> rows;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i] != level) rows.push_back(static_cast<Index>(i));
  return rows;
}

/// The fit without a level; nothing if what remains allows none.
std::optional<ReducedFit> fit_without(
    const std::vector<std::int32_t>& groups, std::int32_t level,
    const std::function<ReducedFit(const std::vector<Index>&)>& fit, const QuickFit& quick) {
  try {
    if (quick)
      if (std::optional<ReducedFit> reduced = quick(level)) return reduced;
    return fit(rows_without(groups, level));
  } catch (const DataError&) {
    return std::nullopt;
  }
}

VectorXd random_sds(const std::vector<RandomEffects>& random) {
  Index n = 0;
  for (const RandomEffects& term : random) n += term.sd.size();
  VectorXd result(n);
  n = 0;
  for (const RandomEffects& term : random) {
    result.segment(n, term.sd.size()) = term.sd;
    n += term.sd.size();
  }
  return result;
}

LevelInfluence compare(const ReducedFit& full_fit, const std::optional<ReducedFit>& reduced,
                       const std::string& level) {
  const FixedEffects& full = full_fit.fixed;
  const Index p = full.estimate.size();
  LevelInfluence result{level,
                        missing,
                        VectorXd::Constant(p, missing),
                        VectorXd::Constant(p, missing),
                        missing,
                        VectorXd::Constant(random_sds(full_fit.random).size(), missing)};
  if (!reduced) return result;
  const FixedEffects& fixed = reduced->fixed;
  result.residual_sd = reduced->residual_sd;
  result.random_sd = random_sds(reduced->random);
  for (std::size_t k = 0; k < fixed.columns.size(); ++k)
    for (Index j = 0; j < p; ++j)
      if (full.columns[static_cast<std::size_t>(j)] == fixed.columns[k]) {
        const auto i = static_cast<Index>(k);
        result.estimate[j] = fixed.estimate[i];
        result.dfbetas[j] = (full.estimate[j] - fixed.estimate[i]) / fixed.standard_error[i];
      }
  const VectorXd change = result.estimate - full.estimate;
  if (change.allFinite())
    result.cooks_distance =
        change.dot(full.covariance.llt().solve(change)) / static_cast<double>(p);
  return result;
}

}  // namespace

std::vector<LevelInfluence> detail::influence_of(
    const ReducedFit& full, const std::vector<std::int32_t>& groups,
    const std::vector<std::string>& levels, int threads,
    const std::function<ReducedFit(const std::vector<Index>&)>& fit, const QuickFit& quick) {
  std::vector<LevelInfluence> result(levels.size());
  parallel_for(static_cast<Index>(levels.size()), threads, [&](Index level) {
    const auto i = static_cast<std::size_t>(level);
    result[i] =
        compare(full, fit_without(groups, static_cast<std::int32_t>(level), fit, quick), levels[i]);
  });
  return result;
}

std::vector<LevelInfluence> deletion_influence(const Design& design, const MixedFit& fit,
                                               const std::vector<std::int32_t>& groups,
                                               const std::vector<std::string>& levels,
                                               int threads) {
  require_same_size("deletion_influence", "groups", static_cast<Index>(groups.size()), "design",
                    design.response.size());
  const detail::NestedDeletion without(design, fit.criterion.method, groups,
                                       static_cast<Index>(levels.size()));
  const auto parts = [](const MixedFit& whole) {
    return ReducedFit{
        .fixed = whole.fixed, .random = whole.random, .residual_sd = whole.residual.sd};
  };
  const FitOptions options{.criterion = fit.criterion.method, .random_effects = false};
  return detail::influence_of(
      parts(fit), groups, levels, threads,
      [&](const std::vector<Index>& rows) {
        return parts(fit_mixed_model(select(design, rows), options));
      },
      [&](std::int32_t level) { return without(level); });
}

std::vector<LevelInfluence> deletion_influence(const Design& design, const GeneralizedFit& fit,
                                               const std::vector<std::int32_t>& groups,
                                               const std::vector<std::string>& levels,
                                               int threads) {
  require_same_size("deletion_influence", "groups", static_cast<Index>(groups.size()), "design",
                    design.response.size());
  GeneralizedOptions options = fit.options;
  options.random_effects = false;
  const ReducedFit full{.fixed = fit.fixed, .random = fit.random, .residual_sd = missing};
  return detail::influence_of(full, groups, levels, threads, [&](const std::vector<Index>& rows) {
    GeneralizedOptions own = options;
    own.ordinal = select(options.ordinal, rows);
    if (!own.zero_inflation.terms.empty())
      own.zero_inflation.columns =
          Eigen::MatrixXd(options.zero_inflation.columns(rows, Eigen::all));
    const GeneralizedFit reduced = fit_generalized_model(select(design, rows), own);
    return ReducedFit{.fixed = reduced.fixed, .random = reduced.random, .residual_sd = missing};
  });
}

}  // namespace rapport
