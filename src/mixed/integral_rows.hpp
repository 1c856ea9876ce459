#pragma once

#include "group_kernels.hpp"
#include "integral.hpp"
#include "likelihood.hpp"
#include "row_family.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// The log-likelihood of all rows and its derivatives: by the kernels of groups where they know the
/// family, the rows as one block of theirs; else by a Likelihood, without what only Hessians need.
class IntegralRows {
 public:
  IntegralRows(std::unique_ptr<Likelihood> likelihood, const SortedResponse& response);

  [[nodiscard]] bool has_kernels() const { return family_ != nullptr; }
  [[nodiscard]] Index n_parameters() const { return likelihood_->n_parameters(); }
  [[nodiscard]] bool set_parameters(const Eigen::VectorXd& psi);
  [[nodiscard]] RowFamily::Constant constant() const;
  /// The parameters' columns, padded; without kernels none.
  [[nodiscard]] const std::vector<RowFamily::Entry>& entries() const { return entries_; }
  /// 1 + the ψ_m of a row.
  [[nodiscard]] int n_kinds() const;

  /// η of the rows, in their order.
  double* eta() { return eta_.data(); }
  [[nodiscard]] double eta(Index row) const { return eta_[row]; }
  /// Σℓ; the derivatives up to `order` stand below afterwards.
  double evaluate(RowOrder order);
  /// The k-th derivative in η.
  [[nodiscard]] auto derivative(int k) const { return eta_derivative_[k - 1].head(n_); }
  /// The k-th derivative in η of ∂ψ_m of ℓ (m from 1), and of ∂ψ_m∂ψ_l.
  [[nodiscard]] const Eigen::VectorXd& family(int m, int k) const {
    return family_derivative_[m - 1][k];
  }
  [[nodiscard]] const Eigen::VectorXd& pair(int m, int l, int k) const {
    return pair_derivative_[m == l ? (m == 1 ? 0 : 2) : 1][k];
  }
  /// Σ value ∂ℓ + first ∂ℓ' + second ∂ℓ'' in ψ.
  [[nodiscard]] Eigen::VectorXd parameter_gradient(const RowWeights& weights) const;

 private:
  void allocate(Index padded);

  std::unique_ptr<Likelihood> likelihood_;
  Index n_;
  std::unique_ptr<RowFamily> family_;
  std::vector<RowFamily::Entry> entries_;
  long first_ = 0;
  long rows_;  ///< of the one block
  Eigen::VectorXd eta_;
  Eigen::VectorXd eta_derivative_[4];
  Eigen::VectorXd family_derivative_[2][4];
  Eigen::VectorXd pair_derivative_[3][3];
  double value_[group_lanes] = {};
  RowOutput out_ = {};
};

}  // namespace rapport::detail
