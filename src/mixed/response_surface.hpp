#pragma once

#include <rapport/math/quadrature.hpp>
#include <rapport/mixed/generalized.hpp>

#include "ordinal_shape.hpp"
#include <optional>
#include <string>
#include <vector>

namespace rapport::detail {

/// Rows of new data as a model meets them.
struct ResponseRows {
  Eigen::MatrixXd x;               ///< rows × p, the kept columns
  Eigen::VectorXd offset;          ///< rows
  std::vector<Eigen::MatrixXd> z;  ///< of each random term; empty unless averaged
  EffectColumns nominal;
  EffectColumns scale;
  std::optional<FittedThresholds> thresholds;  ///< of Family::cumulative
  Eigen::MatrixXd zeros;                       ///< the predictors of extra zeros; empty without
  [[nodiscard]] Index size() const { return x.rows(); }
};

/// Smooth functions of the parameters and their gradients in (β, the lower triangles of Λ by
/// columns, ψ), a row each.
struct Outputs {
  Eigen::VectorXd value = {};
  Eigen::MatrixXd gradient = {};
  Eigen::VectorXd by_predictor = {};  ///< derivatives in a row's linear predictor
};

/// Mean responses, or the probabilities of categories, as functions of all parameters of a fit;
/// averaged over the random effects by quadrature in the linear predictor, or at 0.
class ResponseSurface {
 public:
  ResponseSurface(const Design& design, const GeneralizedFit& fit, bool averaged);

  /// "mean", or the categories.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] Index outputs() const { return n_outputs_; }
  /// Rows of new data, with their own offsets.
  [[nodiscard]] ResponseRows rows(const Table& table) const;
  /// Rows of a reference grid, at the mean offset.
  [[nodiscard]] ResponseRows grid_rows(const Table& table) const;
  [[nodiscard]] Outputs at(const ResponseRows& rows, Index row) const;
  [[nodiscard]] Outputs mean(const ResponseRows& rows) const;
  /// √diag(G V G').
  [[nodiscard]] Eigen::VectorXd standard_errors(const Eigen::MatrixXd& gradient) const;

 private:
  /// The SD of a row's random part and its gradient in the entries of Λ.
  struct Spread {
    double sd = 0;
    Eigen::VectorXd gradient;
  };
  [[nodiscard]] Spread spread(const ResponseRows& rows, Index row) const;
  void add_mean(const ResponseRows& rows, Index row, double eta, const Spread& spread,
                const Eigen::VectorXd& x, Outputs& out) const;
  /// Takes the share of extra zeros, whose predictors are given, from a mean.
  void add_zeros(const Eigen::VectorXd& columns, Outputs& out) const;
  void add_categories(const ResponseRows& rows, Index row, double eta, const Spread& spread,
                      const Eigen::VectorXd& x, Outputs& out) const;

  const Design& design_;
  const GeneralizedFit& fit_;
  bool averaged_;
  QuadratureRule rule_;
  Index n_fixed_;
  Index n_factor_;
  Index n_outputs_;
};

}  // namespace rapport::detail
