#include "residual_parameters.hpp"

#include "parameters.hpp"

namespace rapport::detail {

ResidualParameters residual_parameters(const ResidualFit& fit, const CorrelationModel& correlation,
                                       const VarianceModel& variance) {
  ResidualParameters result;
  std::vector<double> values;
  const auto add = [&](bool fixed) {
    for (const FitParameter& parameter : fit_parameters(fit.fit)) {
      if ((parameter.kind == FitParameter::Kind::fixed) != fixed) continue;
      result.names.push_back(parameter.name);
      values.push_back(parameter_estimate(fit.fit, parameter));
    }
  };
  add(false);
  result.first_of_structure = static_cast<Index>(values.size());
  for (const std::string& name : correlation.names()) result.names.push_back(name);
  for (const std::string& name : variance.names()) result.names.push_back(name);
  const Eigen::VectorXd& x = fit.fit.information.theta;
  const Index n_correlation = correlation.start().size();
  const Index n_variance = variance.n_parameters();
  for (const double value :
       correlation.natural(x.segment(x.size() - n_correlation - n_variance, n_correlation)))
    values.push_back(value);
  for (const double value : variance.natural(x.tail(n_variance))) values.push_back(value);
  result.first_fixed = static_cast<Index>(values.size());
  add(true);
  result.values =
      Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
  return result;
}

}  // namespace rapport::detail
