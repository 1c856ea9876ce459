#include "ordinal_shape.hpp"

#include <Eigen/QR>

#include <cmath>
#include <limits>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// θ = Tα for m thresholds, laid out as R's ordinal names its parameters.
MatrixXd threshold_map(Thresholds kind, Index m) {
  if (kind == Thresholds::flexible) return MatrixXd::Identity(m, m);
  if (kind == Thresholds::equidistant) {
    MatrixXd map = MatrixXd::Ones(m, 2);
    for (Index j = 0; j < m; ++j) map(j, 1) = static_cast<double>(j);
    return map;
  }
  const bool shifted = kind == Thresholds::symmetric;
  const Index central = !shifted ? 0 : m % 2 == 0 ? 2 : 1;
  const Index spacings = shifted ? (m - central) / 2 : m / 2;
  MatrixXd map = MatrixXd::Zero(m, central + spacings);
  for (Index j = 0; j < m; ++j) {
    const bool upper = j >= (m + 1) / 2;
    if (shifted) map(j, upper ? central - 1 : 0) = 1;
    const Index distance = upper ? j - (m - spacings) + 1 : spacings - j;
    if (distance > 0) map(j, central + distance - 1) = upper ? 1 : -1;
  }
  return map;
}

}  // namespace

OrdinalShape::OrdinalShape(const OrdinalOptions& options, Index categories)
    : kind_(options.thresholds),
      n_nominal_(static_cast<Index>(options.nominal.terms.size())),
      n_scale_(static_cast<Index>(options.scale.terms.size())),
      map_(threshold_map(options.thresholds, categories - 1)) {
  plain_ = kind_ == Thresholds::flexible && n_nominal_ == 0 && n_scale_ == 0;
}

VectorXd OrdinalShape::shift() const {
  return map_.householderQr().solve(VectorXd::Ones(map_.rows()));
}

VectorXd OrdinalShape::start(const VectorXd& thresholds) const {
  VectorXd psi = VectorXd::Zero(n_parameters());
  psi.head(map_.cols()) = map_.householderQr().solve(thresholds);
  return psi;
}

MatrixXd OrdinalShape::thresholds(const VectorXd& psi, const MatrixXd& nominal) const {
  const Index t = map_.cols();
  MatrixXd alpha = psi.head(t).transpose();
  if (n_nominal_ > 0) {
    alpha = alpha.replicate(nominal.rows(), 1).eval();
    for (Index k = 0; k < n_nominal_; ++k)
      alpha += nominal.col(k) * psi.segment(t * (1 + k), t).transpose();
  }
  return alpha * map_.transpose();
}

std::vector<std::string> OrdinalShape::threshold_parameter_names(
    const std::vector<std::string>& thresholds) const {
  if (kind_ == Thresholds::flexible) return thresholds;
  if (kind_ == Thresholds::equidistant) return {"threshold.1", "spacing"};
  std::vector<std::string> names;
  if (kind_ == Thresholds::symmetric && map_.rows() % 2 == 0) names = {"central.1", "central.2"};
  if (kind_ == Thresholds::symmetric && map_.rows() % 2 == 1) names = {"central"};
  for (Index k = static_cast<Index>(names.size()), s = 1; k < map_.cols(); ++k, ++s)
    names.push_back("spacing." + std::to_string(s));
  return names;
}

FittedThresholds::FittedThresholds(const GeneralizedFit& fit, const EffectColumns& nominal,
                                   const EffectColumns& scale) {
  const OrdinalShape shape(fit.options.ordinal, static_cast<Index>(fit.thresholds.size()) + 1);
  thresholds_ = shape.thresholds(fit.family_parameters, nominal.columns);
  precision_ = VectorXd::Ones(1);
  if (shape.n_scale() > 0)
    precision_ = (-(scale.columns * fit.family_parameters.tail(shape.n_scale()))).array().exp();
}

double FittedThresholds::cut(Index row, Index category, double eta) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (category < 0) return -infinity;
  if (category >= thresholds_.cols()) return infinity;
  const Index at = thresholds_.rows() == 1 ? 0 : row;
  return (thresholds_(at, category) - eta) * precision(row);
}

}  // namespace rapport::detail
