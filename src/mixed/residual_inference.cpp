#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/residual_inference.hpp>

#include "bootstrap_replicates.hpp"
#include "influence.hpp"
#include "random_draws.hpp"
#include "residual_covariance.hpp"
#include "residual_parameters.hpp"
#include "residual_structure.hpp"
#include <algorithm>
#include <cmath>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Draws responses from a fit.
class Drawer {
 public:
  Drawer(const Design& design, const ResidualStructure& structure, const ResidualFit& fit)
      : design_(design), fit_(fit), covariance_(design, structure, fit) {
    fixed_ = fitted_values(design, fit.fit, true);
    for (Index g = 0; g < covariance_.sorted().n_groups(); ++g)
      factors_.push_back(covariance_.residual_factor(g));
  }
  [[nodiscard]] VectorXd draw(RandomStream stream) const {
    VectorXd response = fixed_ + detail::draw_random_part(design_, fit_.fit.random, stream);
    const detail::SortedRows& rows = covariance_.sorted();
    for (Index g = 0; g < rows.n_groups(); ++g) {
      const Index first = rows.group_starts[at(g)];
      VectorXd white(rows.group_starts[at(g + 1)] - first);
      for (double& value : white) value = stream.normal();
      const VectorXd error = factors_[at(g)] * white;
      for (Index k = 0; k < error.size(); ++k) response[rows.order[at(first + k)]] += error[k];
    }
    return response;
  }

 private:
  const Design& design_;
  const ResidualFit& fit_;
  detail::ResidualCovariance covariance_;
  VectorXd fixed_;
  std::vector<MatrixXd> factors_;
};

ResidualStructure select_structure(const ResidualStructure& structure,
                                   const std::vector<Index>& rows) {
  ResidualStructure result = structure;
  const auto codes = [&](std::vector<std::int32_t>& values) {
    if (values.empty()) return;
    std::vector<std::int32_t> kept;
    std::vector<std::int32_t> number(
        static_cast<std::size_t>(*std::max_element(values.begin(), values.end())) + 1, -1);
    for (const Index row : rows) number[static_cast<std::size_t>(values[at(row)])] = 0;
    std::int32_t next = 0;
    for (std::int32_t& n : number)
      if (n == 0) n = next++;
    for (const Index row : rows) kept.push_back(number[static_cast<std::size_t>(values[at(row)])]);
    values = std::move(kept);
  };
  codes(result.group);
  result.groups.clear();
  if (structure.time.size() > 0) result.time = structure.time(rows);
  for (VarianceTerm& term : result.variance) {
    if (term.covariate.size() > 0) term.covariate = VectorXd(term.covariate(rows));
    if (term.stratum.empty()) continue;
    std::vector<bool> seen(term.strata.size(), false);
    for (const Index row : rows) seen[static_cast<std::size_t>(term.stratum[at(row)])] = true;
    std::vector<std::string> strata;
    for (std::size_t s = 0; s < seen.size(); ++s)
      if (seen[s]) strata.push_back(term.strata[s]);
    codes(term.stratum);
    term.strata = std::move(strata);
  }
  return result;
}

/// The design as it is once the residuals of each group are made white and of variance σ²; nothing
/// if a group meets several levels of a term.
bool whiten_design(const ResidualStructure& structure, const ResidualFit& fit, Design& design) {
  detail::ResidualCovariance covariance(design, structure, fit);
  const detail::SortedRows& rows = covariance.sorted();
  for (const RandomTerm& term : design.random)
    if (!structure.group.empty() && !detail::holds_groups(term, structure.group)) return false;
  const double sigma = fit.fit.residual.sd;
  for (Index g = 0; g < rows.n_groups(); ++g) {
    const Index first = rows.group_starts[at(g)];
    const std::vector<Index> part(rows.order.begin() + first,
                                  rows.order.begin() + rows.group_starts[at(g + 1)]);
    const MatrixXd factor = covariance.residual_factor(g) / sigma;
    const auto whiten = [&](MatrixXd& columns) {
      MatrixXd values = columns(part, Eigen::all);
      factor.triangularView<Eigen::Lower>().solveInPlace(values);
      columns(part, Eigen::all) = values;
    };
    whiten(design.fixed);
    for (RandomTerm& term : design.random) whiten(term.columns);
  }
  design.weights.resize(0);
  return true;
}

}  // namespace

MatrixXd simulate_responses(const Design& design, const ResidualStructure& structure,
                            const ResidualFit& fit, Seed seed, Index replicates) {
  require_at_least("simulate_responses", "replicates", replicates, 1);
  const Drawer drawer(design, structure, fit);
  MatrixXd result(design.response.size(), replicates);
  for (Index replicate = 0; replicate < replicates; ++replicate)
    result.col(replicate) = drawer.draw(RandomStream(seed, static_cast<std::uint64_t>(replicate)));
  return result;
}

MixedBootstrap parametric_bootstrap(const Design& design, const ResidualStructure& structure,
                                    const ResidualFit& fit, Seed seed,
                                    const MixedBootstrapOptions& options) {
  const detail::SortedRows rows = detail::structured_rows(design, structure);
  const auto correlation = detail::make_correlation(structure.correlation, rows);
  const detail::VarianceModel variance(structure.variance, rows.order);
  const detail::ResidualParameters estimates =
      detail::residual_parameters(fit, *correlation, variance);
  const auto n = static_cast<Index>(estimates.names.size());
  const Drawer drawer(design, structure, fit);
  const FitOptions refit{.criterion = fit.fit.criterion.method, .random_effects = false};
  std::vector<char> singular(at(std::max<Index>(options.replicates, 0)), 0);
  const MatrixXd columns = detail::bootstrap_columns(n, options, [&](Index replicate) -> VectorXd {
    Design drawn = design;
    drawn.response = drawer.draw(RandomStream(seed, static_cast<std::uint64_t>(replicate)));
    const ResidualFit again = fit_residual_model(drawn, structure, refit);
    singular[at(replicate)] = again.fit.optimizer.singular ? 1 : 0;
    return detail::residual_parameters(again, *correlation, variance).values;
  });
  MixedBootstrap result;
  result.replicates = columns.transpose();
  result.n_singular = std::count(singular.begin(), singular.end(), 1);
  for (Index k = 0; k < n; ++k)
    result.intervals.push_back(
        detail::percentile_interval(estimates.names[at(k)], estimates.values[k],
                                    result.replicates.col(k), options.confidence_level));
  return result;
}

std::vector<LevelInfluence> deletion_influence(
    const Design& design, const ResidualStructure& structure, const ResidualFit& fit,
    const std::vector<std::int32_t>& groups, const std::vector<std::string>& levels, int threads) {
  const FitOptions options{.criterion = fit.fit.criterion.method, .random_effects = false};
  const auto parts = [](const MixedFit& whole) {
    return detail::ReducedFit{
        .fixed = whole.fixed, .random = whole.random, .residual_sd = whole.residual.sd};
  };
  return detail::influence_of(
      parts(fit.fit), groups, levels, threads, [&](const std::vector<Index>& rows) {
        return parts(
            fit_residual_model(select(design, rows), select_structure(structure, rows), options)
                .fit);
      });
}

Predictions predict(const Design& design, const ResidualStructure& structure,
                    const ResidualFit& fit, const Table& rows, const PredictOptions& options,
                    const MatrixXd& fixed_covariance) {
  Design white = design;
  PredictOptions with_errors = options;
  const bool conditional = !options.population && !design.random.empty();
  if (conditional)
    with_errors.errors_of_effects =
        whiten_design(structure, fit, white) && options.errors_of_effects;
  return predict(white, fit.fit, rows, with_errors, fixed_covariance);
}

}  // namespace rapport
