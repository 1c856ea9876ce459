#pragma once

#include <rapport/mixed/r_squared.hpp>

#include "model_columns.hpp"
#include "piecewise_model.hpp"
#include <limits>
#include <vector>

/// Not installed: what summaries need of rows that come in pieces.
namespace rapport::detail {

/// Second moments of the columns of X, and of Z of every random term.
class RowMoments {
 public:
  RowMoments() = default;
  explicit RowMoments(const ModelFrame& frame);

  /// X is centred by the first of these rows.
  void set_shift(const ModelRows& rows);
  void add(const ModelRows& rows);
  void merge(const RowMoments& other);
  [[nodiscard]] Index rows() const { return rows_; }
  /// The upper triangular R with R'R = X'X.
  [[nodiscard]] Eigen::MatrixXd triangle() const;
  /// variance_explained() of the rows added.
  [[nodiscard]] VarianceExplained explained(const MixedFit& fit) const;

 private:
  std::vector<PieceColumns> columns_;     ///< of X, then of each random term
  std::vector<Eigen::MatrixXd> squares_;  ///< Gram matrices
  Eigen::VectorXd shift_;
  Eigen::VectorXd sums_;  ///< of X − shift
  Index rows_ = 0;
};

/// A covariate over rows that come in pieces.
struct InputSummary {
  Index n = 0;
  double mean = 0;
  double squares = 0;  ///< about the mean
  double minimum = std::numeric_limits<double>::infinity();
  double maximum = -std::numeric_limits<double>::infinity();

  void add(const VectorView& values);
  void merge(const InputSummary& other);
  /// Sets the numbers of the input if there were values.
  void describe(ModelInput& input) const;
};

}  // namespace rapport::detail
