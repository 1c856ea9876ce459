#include "bootstrap_replicates.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace rapport::detail {

Eigen::MatrixXd bootstrap_columns(Index parameters, const MixedBootstrapOptions& options,
                                  const std::function<Eigen::VectorXd(Index)>& replicate) {
  require_level("parametric_bootstrap", "confidence_level", options.confidence_level);
  require_at_least("parametric_bootstrap", "replicates", options.replicates, 1);
  Eigen::MatrixXd columns(parameters, options.replicates);
  constexpr Index batch = 64;  // between two words to the listener
  for (Index first = 0; first < options.replicates; first += batch) {
    const Index count = std::min(batch, options.replicates - first);
    parallel_for(count, options.threads,
                 [&](Index i) { columns.col(first + i) = replicate(first + i); });
    if (options.progress && !options.progress(first + count, options.replicates))
      throw Interrupted("parametric_bootstrap: stopped");
  }
  return columns;
}

ParameterInterval percentile_interval(const std::string& name, double estimate,
                                      const Eigen::VectorXd& replicates, double level) {
  std::vector<double> values;
  for (const double value : replicates)
    if (!is_missing(value)) values.push_back(value);
  const Eigen::Map<const Eigen::VectorXd> defined(values.data(), static_cast<Index>(values.size()));
  ParameterInterval result{name, estimate, missing, {missing, missing, level}};
  if (values.size() < 2) return result;
  result.standard_error = std::sqrt(variance(defined));
  result.ci.lower = quantile(defined, (1 - level) / 2);
  result.ci.upper = quantile(defined, (1 + level) / 2);
  return result;
}

}  // namespace rapport::detail
