#pragma once

#include <rapport/mixed/cross_products.hpp>

#include "model.hpp"
#include <memory>
#include <utility>
#include <vector>

namespace rapport::detail {

/// The rows of a nested model on its internal scale, so that some can be compressed alone.
class InternalRows {
 public:
  InternalRows(const Design& design, const MixedModel::Data& data);

  /// False if values lie so far from 0 in units of their spread that what these rows give and what
  /// the model holds of them differ by more than rounding.
  [[nodiscard]] bool accurate() const { return accurate_; }
  /// Of each level, innermost first: the group of each row.
  [[nodiscard]] const std::vector<std::vector<std::int32_t>>& groups() const { return groups_; }
  [[nodiscard]] std::unique_ptr<GramFunction> compress(const std::vector<Index>& rows) const;

 private:
  void place_effects(const Design& design, const MixedModel::Data& data);
  void place(const Eigen::MatrixXd& columns, const Eigen::MatrixXd& transform, Index first);

  CovarianceStructure structure_;
  Eigen::MatrixXd values_;  ///< n × columns: Z of each level, X, y
  std::vector<char> constant_;
  Eigen::VectorXd root_weight_;
  std::vector<std::vector<std::int32_t>> groups_;
  bool accurate_ = true;
};

/// Cross-products of which everything is known at one point, and the value at Λ = 0.
class KnownProducts final : public GramFunction {
 public:
  KnownProducts(const CrossProducts& products, const CovarianceStructure& structure,
                const Eigen::VectorXd& theta);

  [[nodiscard]] Index fixed_columns() const override { return products_.fixed_columns(); }
  [[nodiscard]] WeightedGram value(const std::vector<Eigen::MatrixXd>& factors) const override;
  [[nodiscard]] GramDerivatives derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                            const WeightedGram& at,
                                            const Eigen::MatrixXd& trace_factor,
                                            const Eigen::VectorXd& data_vector) const override;

 private:
  const CrossProducts& products_;
  std::vector<Eigen::MatrixXd> zero_;
  WeightedGram at_zero_;
  std::vector<Eigen::MatrixXd> factors_;
  WeightedGram value_;
  GramJet jet_;
};

/// Cross-products of a nested model without some of its rows: those of all, less those of the
/// outermost groups that lose rows, plus those of what these groups keep.
class ReducedProducts final : public GramFunction {
 public:
  /// `kept` may be null: nothing.
  ReducedProducts(const GramFunction& whole, std::unique_ptr<GramFunction> touched,
                  std::unique_ptr<GramFunction> kept)
      : whole_(whole), touched_(std::move(touched)), kept_(std::move(kept)) {}

  [[nodiscard]] Index fixed_columns() const override { return whole_.fixed_columns(); }
  [[nodiscard]] WeightedGram value(const std::vector<Eigen::MatrixXd>& factors) const override;
  [[nodiscard]] GramDerivatives derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                            const WeightedGram& at,
                                            const Eigen::MatrixXd& trace_factor,
                                            const Eigen::VectorXd& data_vector) const override;

 private:
  struct Parts;

  const GramFunction& whole_;
  std::unique_ptr<GramFunction> touched_;
  std::unique_ptr<GramFunction> kept_;
};

}  // namespace rapport::detail
