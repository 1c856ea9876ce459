#pragma once

#include <rapport/data/panel.hpp>
#include <rapport/mixed/pooled_fit.hpp>

#include <string>
#include <vector>

namespace rapport {

/// One term of a model when imputed outcomes after dropout are `delta` higher.
struct TippingRow {
  double delta;
  PooledEstimate effect;
};

/// How far outcomes after dropout would have to lie from where missing at random puts them for the
/// conclusion to change (Rubin 1977; Carpenter & Kenward 2013, chapter 10).
struct [[nodiscard]] TippingPoint {
  std::string formula;
  std::string outcome;
  std::string term;
  std::vector<TippingRow> rows;  ///< by delta
  /// Of the smallest |delta| at which p crosses 1 − level, linear in p between two rows; NaN if
  /// within the deltas it does not.
  double tipping_delta;
  Index n_shifted;  ///< rows of each table that are shifted
};

/// Rows that miss the outcome and come after the last session in which the patient has it.
[[nodiscard]] std::vector<Index> rows_after_dropout(const Table& table, const PanelColumns& columns,
                                                    const std::string& outcome);

/// Adds each delta to `outcome` in `rows` of every imputation, fits the model and pools `term`.
/// Throws InvalidArgument if there is no such term, no delta or no row.
TippingPoint tipping_point(const std::vector<Table>& imputations, const std::string& outcome,
                           const std::vector<Index>& rows, const std::string& formula,
                           const std::string& term, std::vector<double> deltas,
                           const PooledFitOptions& options = {});

}  // namespace rapport
