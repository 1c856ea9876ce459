#include "residual_structure.hpp"

#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace rapport {
namespace {

struct NamedCorrelation {
  std::string_view name;
  ResidualCorrelation correlation;
};
constexpr std::array<NamedCorrelation, 8> correlations{
    {{"independent", ResidualCorrelation::independent},
     {"ar1", ResidualCorrelation::ar1},
     {"car1", ResidualCorrelation::car1},
     {"car1-nugget", ResidualCorrelation::car1_nugget},
     {"arma", ResidualCorrelation::arma11},
     {"toeplitz", ResidualCorrelation::toeplitz},
     {"cs", ResidualCorrelation::compound_symmetry},
     {"unstructured", ResidualCorrelation::unstructured}}};

struct NamedFunction {
  std::string_view name;
  VarianceFunction function;
};
constexpr std::array<NamedFunction, 4> functions{
    {{"ident", VarianceFunction::by_level},
     {"power", VarianceFunction::power},
     {"exp", VarianceFunction::exponential},
     {"const-power", VarianceFunction::constant_power}}};

}  // namespace

std::optional<ResidualCorrelation> parse_residual_correlation(std::string_view text) {
  for (const NamedCorrelation& entry : correlations) {
    if (entry.name == text) return entry.correlation;
  }
  return std::nullopt;
}

std::string_view to_string(ResidualCorrelation correlation) {
  return std::find_if(
             correlations.begin(), correlations.end(),
             [&](const NamedCorrelation& entry) { return entry.correlation == correlation; })
      ->name;
}

std::optional<VarianceFunction> parse_variance_function(std::string_view text) {
  for (const NamedFunction& entry : functions) {
    if (entry.name == text) return entry.function;
  }
  return std::nullopt;
}

std::string_view to_string(VarianceFunction function) {
  return std::find_if(functions.begin(), functions.end(),
                      [&](const NamedFunction& entry) { return entry.function == function; })
      ->name;
}

}  // namespace rapport

namespace rapport::detail {
namespace {

using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

bool needs_whole_times(ResidualCorrelation correlation) {
  return correlation == ResidualCorrelation::ar1 || correlation == ResidualCorrelation::arma11 ||
         correlation == ResidualCorrelation::toeplitz;
}

std::string group_name(const ResidualStructure& structure, Index row) {
  const auto group = static_cast<std::size_t>(structure.group[at(row)]);
  return group < structure.groups.size() ? "group " + structure.groups[group] : "a group";
}

void require_strata(const ResidualStructure& structure, const VarianceTerm& term, Index n) {
  require_same_size("fit_residual_model", "stratum", static_cast<Index>(term.stratum.size()),
                    "response", n);
  if (term.strata.size() < 2)
    throw DataError(
        "the factor of the variance function has a single level; at least 2 are required");
  if (structure.correlation == ResidualCorrelation::unstructured) {
    throw InvalidArgument(
        "fit_residual_model: an unstructured covariance has a variance for every time already; "
        "leave the variance function out");
  }
}

void require_covariate(const VarianceTerm& term, Index n) {
  require_same_size("fit_residual_model", "covariate", term.covariate.size(), "response", n);
  if (!term.covariate.allFinite())
    throw DataError("the covariate of the variance function has a missing or infinite value");
  if (term.function == VarianceFunction::power && (term.covariate.array() == 0).any()) {
    throw DataError(
        "the covariate of the variance function power is 0 in a row, where the variance would be "
        "0 or infinite; shift it, or use const-power");
  }
  const VectorXd size = term.function == VarianceFunction::exponential
                            ? term.covariate
                            : VectorXd(term.covariate.cwiseAbs());
  if (size.maxCoeff() == size.minCoeff())
    throw DataError("the covariate of the variance function does not vary");
  if (term.function == VarianceFunction::constant_power) {
    const std::set<double> values(size.begin(), size.end());
    if (values.size() < 3) {
      throw DataError(
          "the covariate of the variance function const-power has two values only, which cannot "
          "tell its two parameters and sigma apart; use ident or power");
    }
  }
}

/// A random intercept and compound symmetry by the same groups say the same thing; an unstructured
/// covariance says all.
void require_identified(const Design& design, const ResidualStructure& structure) {
  if (structure.correlation != ResidualCorrelation::compound_symmetry &&
      structure.correlation != ResidualCorrelation::unstructured) {
    return;
  }
  const std::set<std::int32_t> groups(structure.group.begin(), structure.group.end());
  for (const RandomTerm& term : design.random) {
    if (holds_groups(term, structure.group) && term.levels.size() == groups.size()) {
      throw InvalidArgument(
          "fit_residual_model: the residual structure " +
          std::string(to_string(structure.correlation)) + " and the random effects by " +
          term.factor + " have the same groups and cannot be told apart; leave one of them out");
    }
  }
}

}  // namespace

bool needs_times(ResidualCorrelation correlation) {
  return correlation != ResidualCorrelation::independent &&
         correlation != ResidualCorrelation::compound_symmetry;
}

void require_structure(const Design& design, const ResidualStructure& structure) {
  const Index n = design.response.size();
  if (n == 0) throw DataError("fit_residual_model: the design has no rows");
  const std::string name(to_string(structure.correlation));
  if (structure.correlation != ResidualCorrelation::independent) {
    require_same_size("fit_residual_model", "group", static_cast<Index>(structure.group.size()),
                      "response", n);
  }
  if (needs_times(structure.correlation)) {
    require_same_size("fit_residual_model", "time", structure.time.size(), "response", n);
    if (!structure.time.allFinite())
      throw DataError("the times of " + name + " have a missing or infinite value");
  }
  for (const VarianceTerm& term : structure.variance) {
    if (term.function == VarianceFunction::by_level)
      require_strata(structure, term, n);
    else
      require_covariate(term, n);
  }
}

void require_times(const ResidualStructure& structure, const SortedRows& rows) {
  if (structure.correlation == ResidualCorrelation::independent) return;
  const std::string name(to_string(structure.correlation));
  Index longest = 0;
  for (Index g = 0; g < rows.n_groups(); ++g) {
    const Index first = rows.group_starts[at(g)];
    const Index end = rows.group_starts[at(g + 1)];
    longest = std::max(longest, end - first);
    if (!needs_times(structure.correlation)) continue;
    for (Index k = first; k < end; ++k) {
      const double t = rows.time[k];
      if (needs_whole_times(structure.correlation) && t != std::round(t)) {
        throw DataError("the times of " + name + " must be whole numbers, and one is " +
                        shortest_decimal(t) + "; use car1 for other times");
      }
      if (k > first && t == rows.time[k - 1]) {
        throw DataError("time " + shortest_decimal(t) + " stands twice in " +
                        group_name(structure, rows.order[at(k)]) + " of " + name +
                        "; each group needs distinct times (rows " +
                        std::to_string(rows.order[at(k - 1)] + 1) + " and " +
                        std::to_string(rows.order[at(k)] + 1) + " of those used)");
      }
    }
  }
  if (longest < 2) {
    throw DataError(
        "no group of " + name +
        " has two rows, so that nothing is known about the correlation of its residuals");
  }
  if (structure.correlation == ResidualCorrelation::unstructured) {
    const std::set<double> times(structure.time.begin(), structure.time.end());
    if (static_cast<Index>(times.size()) > rows.n_groups()) {
      throw DataError("unstructured has " + std::to_string(times.size()) + " times but only " +
                      std::to_string(rows.n_groups()) +
                      " groups; its covariance matrix cannot be estimated");
    }
  }
}

SortedRows structured_rows(const Design& design, const ResidualStructure& structure) {
  require_structure(design, structure);
  const bool independent = structure.correlation == ResidualCorrelation::independent;
  SortedRows rows = sort_rows(design, independent ? std::vector<std::int32_t>() : structure.group,
                              needs_times(structure.correlation) ? structure.time : VectorXd());
  require_times(structure, rows);
  if (!independent) require_identified(design, structure);
  return rows;
}

}  // namespace rapport::detail
