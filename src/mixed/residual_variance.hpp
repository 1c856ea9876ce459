#pragma once

#include <rapport/mixed/residual.hpp>

#include <vector>

namespace rapport::detail {

/// The SDs of the rows over σ as functions of unconstrained parameters δ. Rows with the same
/// strata and covariates form a class.
class VarianceModel {
 public:
  /// `order`: the sorted rows.
  VarianceModel(const std::vector<VarianceTerm>& terms, const std::vector<Index>& order);

  [[nodiscard]] Index n_parameters() const { return n_parameters_; }
  [[nodiscard]] Index n_classes() const { return log_multiplier_.size(); }
  /// Of each sorted row.
  [[nodiscard]] const std::vector<std::int32_t>& class_of() const { return class_of_; }
  [[nodiscard]] Eigen::VectorXd start() const;
  /// False where a multiplier is not a positive number.
  bool set(const Eigen::VectorXd& parameters);
  /// Of each class.
  [[nodiscard]] const Eigen::VectorXd& multiplier() const { return multiplier_; }
  /// Σ log multiplier over the rows.
  [[nodiscard]] double log_multipliers() const { return counts_.dot(log_multiplier_); }
  /// ∂ log multiplier / ∂δ: classes × parameters.
  [[nodiscard]] const Eigen::MatrixXd& slopes() const { return slopes_; }
  /// Rows of each class.
  [[nodiscard]] const Eigen::VectorXd& counts() const { return counts_; }
  /// Natural parameters: ratios of SDs, powers, rates and constants.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] Eigen::VectorXd natural(const Eigen::VectorXd& parameters) const;
  [[nodiscard]] Eigen::VectorXd unconstrained(const Eigen::VectorXd& natural) const;
  /// Is a parameter the logarithm of its natural value?
  [[nodiscard]] std::vector<bool> logarithmic() const;
  /// The natural parameters by name.
  void describe(ResidualFit& fit) const;

 private:
  struct Term {
    VarianceFunction function;
    Index first;    ///< among the parameters
    Index columns;  ///< parameters
    std::vector<std::string> strata = {};
    std::string name = {};
    Eigen::VectorXd value = {};  ///< of each class: the stratum or the covariate
  };
  std::vector<Term> terms_;
  Index n_parameters_ = 0;
  std::vector<std::int32_t> class_of_;
  Eigen::VectorXd counts_;
  Eigen::VectorXd parameters_;
  Eigen::VectorXd log_multiplier_;
  Eigen::VectorXd multiplier_;
  Eigen::MatrixXd slopes_;
};

}  // namespace rapport::detail
