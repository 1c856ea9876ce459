#pragma once

#include <rapport/mixed/inference.hpp>

#include <functional>
#include <string>

namespace rapport::detail {

/// Calls `replicate(r)` for each replicate on the options' threads and reports progress: its
/// results side by side, parameters × replicates.
Eigen::MatrixXd bootstrap_columns(Index parameters, const MixedBootstrapOptions& options,
                                  const std::function<Eigen::VectorXd(Index)>& replicate);

/// Percentiles of the replicates in which the parameter is defined.
ParameterInterval percentile_interval(const std::string& name, double estimate,
                                      const Eigen::VectorXd& replicates, double level);

}  // namespace rapport::detail
