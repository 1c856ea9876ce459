#pragma once

#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/r_squared.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rapport {

/// Levels of the categorical variables of fixed effects, by the variable's text in the formula.
using VariableLevels = std::map<std::string, std::vector<std::string>>;

/// A model whose fixed effects meet a level that they do not know.
class UnknownLevel : public DataError {
 public:
  using DataError::DataError;
};

/// Adds to `levels` those of the categorical variables of the fixed effects that occur in `rows`:
/// numbers ascending, text by bytes, or in the order of a factor of the table that holds them all.
void collect_levels(const Formula& formula, const Table& rows, VariableLevels& levels);

/// Gathers the cross-products of a nested mixed model from rows that come in pieces, in any order,
/// so that they need never be in memory together: about 8 (q(q + 1)/2 + q(p + 1)) bytes for each
/// innermost group and their names are kept. Two accumulators, filled by threads or machines,
/// merge.
///
///     MixedAccumulator sums(formula, first);
///     for (const Table& rows : pieces) sums.add(rows);
///     const MixedModel model = sums.model();
///
/// The model is that of all rows at once, up to rounding. Refused, because they need all rows at
/// once (InvalidArgument): poly(), ns(), scale() and mean(). within(), between() and lag() are
/// taken from columns of that name (add_panel_columns) or computed within the piece, which must
/// hold all rows of a person. Grouping factors must be nested (DataError).
class MixedAccumulator {
 public:
  /// `first` are some rows, such as the first piece: they tell the kinds of the columns and about
  /// how large their values are; they are not added. `levels` are those of categorical fixed
  /// effects where they are not all in `first`. Memory is taken for `expected_groups` innermost
  /// groups at once, and as more come.
  MixedAccumulator(const Formula& formula, const Table& first, const VariableLevels& levels = {},
                   const DesignOptions& options = {}, int threads = 1, Index expected_groups = 0);
  ~MixedAccumulator();
  MixedAccumulator(MixedAccumulator&&) noexcept;
  MixedAccumulator& operator=(MixedAccumulator&&) noexcept;

  /// Throws UnknownLevel if a categorical fixed effect has a level that was not named.
  void add(const Table& rows);
  /// Adds what another gathered; it must have been made from the same arguments.
  void merge(const MixedAccumulator& other);

  /// Rows that were used so far, and that were left out for a missing value.
  [[nodiscard]] Index rows() const;
  [[nodiscard]] Index omitted() const;

  /// The model of the rows so far; ends the accumulation. Throws DataError like MixedModel, and
  /// where fixed effects depend (nearly) on one another: take one out, or fit the rows at once.
  [[nodiscard]] MixedModel model();
  /// Innermost groups so far; 0 after model().
  [[nodiscard]] Index groups() const;
  /// After model(): its design without rows and without the levels of random terms (the fit has
  /// them), for summaries and means.
  [[nodiscard]] const Design& design() const;
  /// After model(): as of the whole design.
  [[nodiscard]] VarianceExplained explained(const MixedFit& fit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rapport
