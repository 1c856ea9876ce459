#pragma once

#include "model.hpp"
#include <cmath>
#include <string>
#include <vector>

/// What models are made of, however their rows come.
namespace rapport {

/// Where a column lies and how wide it is, well enough to centre and scale it: from every k-th row.
/// Constancy is exact.
struct ColumnSummary {
  double first;
  double mean;
  double half_range;
  bool constant;

  [[nodiscard]] double scale() const {
    if (!constant) return half_range;
    return first == 0 ? 1 : std::abs(first);
  }
};

[[nodiscard]] bool is_constant(const double* values, Index n);
[[nodiscard]] ColumnSummary summarize_column(const double* values, Index n);

/// The distance between the rows that summaries look at.
[[nodiscard]] constexpr Index summary_step(Index n) { return n < 1024 ? 1 : n / 1024; }

/// Columns to be centred and scaled together: only a constant among them allows centring.
struct ColumnGroup {
  std::vector<ModelColumn> columns;
  Eigen::MatrixXd transform;  ///< scaled columns = columns · transform
};

/// `values` are the columns' rows, or null where they come later.
[[nodiscard]] ColumnGroup standardize(const std::vector<ColumnSummary>& summaries,
                                      const std::vector<const double*>& values);

/// Of a transform of standardize() or an orthogonalisation, which is triangular for some order of
/// its columns.
[[nodiscard]] double log_determinant(const Eigen::MatrixXd& transform);

/// Centres and scales the response: sets the response's part of `data`.
[[nodiscard]] ModelColumn standardize_response(const double* values, const ColumnSummary& summary,
                                               const std::vector<ModelColumn>& fixed,
                                               MixedModel::Data& data);

/// How far the columns of X depend on those before them.
struct Dependence {
  std::vector<Index> kept;
  double least;  ///< least share of a kept column's squared norm that those before it leave
};

/// Share of a column's squared norm above which its Gram matrix tells enough.
constexpr double independent_share = 1e-8;

/// Cholesky in the order of the columns, skipping those that leave a share of `tolerance` or less.
[[nodiscard]] Dependence column_dependence(const Eigen::MatrixXd& gram, double tolerance);

/// W'W.
[[nodiscard]] Eigen::MatrixXd unweighted_gram(const MixedModel::Data& data);

/// Makes the mean of Z'Z over each level's groups the identity, term by term: effects of variance
/// 1 are as large as their errors.
void standardize_effects(MixedModel::Data& data);

/// Refuses a response that X, or X and the groups, explain without residual. `gram` is
/// unweighted_gram(data). Where CrossProducts::has_moments(), the groups are left to
/// require_residual_variance() after a search that ran away.
void check_residual(const MixedModel::Data& data, const Eigen::MatrixXd& gram);

/// Refuses a response that X and the groups explain without residual.
void require_residual_variance(const MixedModel::Data& data, const Eigen::MatrixXd& gram);

/// Refuses a grouping factor of m levels with q effects each among n rows.
void check_factor(const std::string& factor, Index m, Index q, Index n);

}  // namespace rapport
