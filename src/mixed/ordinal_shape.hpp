#pragma once

#include <rapport/mixed/generalized.hpp>

#include <string>
#include <vector>

namespace rapport::detail {

/// Where the parameters ψ of a cumulative model stand and what they do: threshold parameters α (θ =
/// Tα), then for each nominal column its effects on them, then the effects on the log scale.
class OrdinalShape {
 public:
  OrdinalShape(const OrdinalOptions& options, Index categories);

  /// One threshold between neighbouring categories.
  [[nodiscard]] Index n_thresholds() const { return map_.rows(); }
  [[nodiscard]] Index n_threshold_parameters() const { return map_.cols(); }
  [[nodiscard]] Index n_nominal() const { return n_nominal_; }
  [[nodiscard]] Index n_scale() const { return n_scale_; }
  [[nodiscard]] Index n_parameters() const { return scale_start() + n_scale_; }
  [[nodiscard]] Index scale_start() const { return map_.cols() * (1 + n_nominal_); }
  /// Flexible thresholds and nothing else.
  [[nodiscard]] bool plain() const { return plain_; }
  /// T.
  [[nodiscard]] const Eigen::MatrixXd& map() const { return map_; }
  /// The threshold parameters that move all thresholds by 1.
  [[nodiscard]] Eigen::VectorXd shift() const;
  /// ψ with thresholds as near as may be to those given and no effects.
  [[nodiscard]] Eigen::VectorXd start(const Eigen::VectorXd& thresholds) const;
  /// The thresholds of rows (n × thresholds) or, without nominal columns, the common ones (1 ×).
  [[nodiscard]] Eigen::MatrixXd thresholds(const Eigen::VectorXd& psi,
                                           const Eigen::MatrixXd& nominal) const;
  /// Names of the threshold parameters: those of the thresholds themselves where flexible.
  [[nodiscard]] std::vector<std::string> threshold_parameter_names(
      const std::vector<std::string>& thresholds) const;

 private:
  Thresholds kind_;
  bool plain_;
  Index n_nominal_;
  Index n_scale_;
  Eigen::MatrixXd map_;
};

/// A row's thresholds and log scale at the estimates of a fit.
class FittedThresholds {
 public:
  FittedThresholds(const GeneralizedFit& fit, const EffectColumns& nominal,
                   const EffectColumns& scale);
  explicit FittedThresholds(const GeneralizedFit& fit)
      : FittedThresholds(fit, fit.options.ordinal.nominal, fit.options.ordinal.scale) {}

  [[nodiscard]] Index categories() const { return thresholds_.cols() + 1; }
  /// The argument of F for P(y ≤ category) at a linear predictor; −∞ and ∞ beyond the ends.
  [[nodiscard]] double cut(Index row, Index category, double eta) const;
  /// 1 / exp(s'ζ).
  [[nodiscard]] double precision(Index row) const {
    return precision_.size() == 1 ? precision_[0] : precision_[row];
  }

 private:
  Eigen::MatrixXd thresholds_;  ///< a row each, or one
  Eigen::VectorXd precision_;
};

}  // namespace rapport::detail
