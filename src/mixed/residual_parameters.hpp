#pragma once

#include <rapport/mixed/residual.hpp>

#include "residual_correlation.hpp"
#include "residual_variance.hpp"
#include <string>
#include <vector>

namespace rapport::detail {

/// Names and values of all parameters of a fit: the random terms' and sigma, those of the
/// correlation and of the variance function, fixed effects.
struct ResidualParameters {
  std::vector<std::string> names;
  Eigen::VectorXd values;
  Index first_of_structure;
  Index first_fixed;
};

[[nodiscard]] ResidualParameters residual_parameters(const ResidualFit& fit,
                                                     const CorrelationModel& correlation,
                                                     const VarianceModel& variance);

}  // namespace rapport::detail
