#pragma once

#include "residual_correlation.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// Structures given by a function R(times; κ): matrices are made once for each distinct pattern of
/// times.
class DenseCorrelation : public CorrelationModel {
 public:
  explicit DenseCorrelation(const SortedRows& rows);
  bool set(const Eigen::VectorXd& parameters) final;
  void precision(Index group, std::vector<PrecisionTerm>& terms) const final;
  [[nodiscard]] Index precision_terms(Index n) const final { return n * (n + 1) / 2; }
  void whiten(Index group, Eigen::Ref<Eigen::MatrixXd> rows) const final;
  void add_adjoint(Index group, const Eigen::Ref<const Eigen::MatrixXd>& rows,
                   const Eigen::MatrixXd& g, Eigen::Ref<Eigen::VectorXd> diagonal) final;
  /// ⟨∂R, N R⁻¹ − R⁻¹MR⁻¹⟩ summed over patterns of N groups.
  [[nodiscard]] Eigen::VectorXd gradient() const final;

 protected:
  [[nodiscard]] virtual Index n_parameters() const = 0;
  virtual void prepare(const Eigen::VectorXd& parameters) = 0;
  /// gradient_k += ⟨∂R/∂κ_k, adjoint⟩ for a pattern of times.
  virtual void chain(const Eigen::VectorXd& times, const Eigen::MatrixXd& adjoint,
                     Eigen::VectorXd& gradient) const = 0;

 private:
  struct Pattern {
    Eigen::VectorXd times = {};
    Index first = 0;  ///< coefficient
    double count = 0;
    Eigen::MatrixXd factor = {};
    Eigen::MatrixXd inverse = {};
  };
  std::vector<Pattern> patterns_;
  std::vector<Index> pattern_of_;
  Index n_coefficients_ = 0;
};

/// The structures whose correlations are free, but for what holds them together.
[[nodiscard]] std::unique_ptr<CorrelationModel> make_toeplitz(const SortedRows& rows);
[[nodiscard]] std::unique_ptr<CorrelationModel> make_unstructured(const SortedRows& rows);

}  // namespace rapport::detail
