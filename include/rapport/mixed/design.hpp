#pragma once

#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/data/table.hpp>
#include <rapport/mixed/basis.hpp>
#include <rapport/mixed/formula.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rapport {

/// One random-effects term: q columns that vary over the levels of a grouping factor.
/// `(x || g)` gives one RandomTerm per column; `(1 + x | g)` one with q = 2 and a full covariance
/// matrix.
struct RandomTerm {
  std::string factor;               ///< "Subject", or "therapist:patient" for combinations
  std::vector<std::string> terms;   ///< names of the columns: "(Intercept)", "Days"
  Eigen::MatrixXd columns;          ///< n × q
  std::vector<std::int32_t> group;  ///< n, the row's level, from 0
  std::vector<std::string> levels;  ///< each occurs at least once in `group`
};

/// A variable of the formula as it was in the data of the fit, so that new data are coded alike.
struct ModelVariable {
  std::string name;                      ///< as in Formula
  Expression expression;                 ///< what is evaluated; mean(x) stands as the number it was
  std::vector<std::string> levels = {};  ///< of a factor, those that occur; empty: numeric
  std::optional<Basis> basis = {};       ///< of poly(), ns(), scale()
};

/// The columns of one term: the products of its variables' columns, the first variable's running
/// fastest.
struct TermColumns {
  FormulaTerm term;  ///< empty: the intercept
  std::vector<bool>
      all_levels;   ///< for each variable: a factor with a column a level, not contrasts
  Index first = 0;  ///< the first of its columns
  Index count = 0;
};

/// How a matrix of columns is made from variables: X, or the Z of one random term.
struct ColumnPlan {
  std::vector<TermColumns> terms;  ///< by number of variables, then in the formula's order
  std::vector<std::string> names;  ///< as R names coefficients
};

/// A column of the table that fixed effects rest on (or a panel function such as `within(x, g)`),
/// over the rows used.
struct ModelInput {
  std::string name;
  std::vector<std::string> levels =
      {};               ///< of a categorical column, or one within factor(); empty: a covariate
  bool numeric = true;  ///< a column of numbers
  double mean = 0;
  double sd = 0;
  double minimum = 0;
  double maximum = 0;
};

/// How a design was made, so that new rows, marginal means and tests of terms can follow it.
struct ModelFrame {
  Formula formula = {};
  Contrast contrast = Contrast::treatment;
  std::vector<ModelVariable> variables = {};
  ColumnPlan fixed = {};
  std::vector<ColumnPlan> random = {};
  std::vector<ModelInput> inputs = {};            ///< of the fixed effects
  std::vector<std::string> response_levels = {};  ///< of a categorical response
  std::vector<std::pair<std::string, Index>> missing_values =
      {};  ///< variables that miss a value, with how many rows
};

/// A model in numbers: rows that miss a variable are gone, factors are columns. y = offset + Xβ + Σ
/// Z b + e, Var e = σ² / weight.
struct Design {
  Eigen::VectorXd response;  ///< n
  Eigen::MatrixXd fixed;     ///< n × p, as the formula gives them (may be rank deficient)
  std::vector<std::string> fixed_terms;  ///< p names, as R names coefficients
  std::vector<RandomTerm> random;        ///< in the formula's order
  Eigen::VectorXd weights;               ///< n, positive; empty: all 1
  Eigen::VectorXd offset;                ///< n; empty: all 0
  std::vector<Index> rows;               ///< rows of the table that are used, ascending
  Index n_omitted = 0;                   ///< rows left out for a missing value
  ModelFrame frame = {};                 ///< empty for a design made by hand
  Eigen::MatrixXd fixed_triangle = {};   ///< of a design without its rows: the upper triangular R
                                         ///< with R'R = X'X; else empty
};

/// What the response has to be.
enum class ResponseKind {
  numeric,    ///< numbers
  binary,     ///< 0 and 1, two levels (the second is the success), or cbind(): proportions, with
              ///< trials as weights
  ordered,    ///< levels in their order, or the distinct values of numbers: codes from 0
  count,      ///< 0, 1, 2, …
  positive,   ///< numbers above 0
  proportion  ///< numbers strictly between 0 and 1
};

struct DesignOptions {
  Contrast contrast = Contrast::treatment;
  std::string weights = {};  ///< a column or an expression; empty: none
  ResponseKind response = ResponseKind::numeric;
  Missing missing = Missing::omit;  ///< `propagate` is refused
};

/// Makes the design of a formula from a table. Rows that miss a variable, a weight or a grouping
/// factor are left out and counted. A factor is coded by contrasts where the term without it stands
/// earlier in the model, else by a column a level (Chambers & Hastie 1992); poly(), ns() and
/// scale() take their constants from all rows of the table. within(), between() and lag() are
/// columns of that name where the table has them (see add_panel_columns), else computed from its
/// rows. Throws InvalidArgument for an unknown column, DataError (naming the column) for a response
/// or weight that is not numeric, a factor with a single level, or no complete row.
[[nodiscard]] Design make_design(const Formula& formula, const Table& table,
                                 const DesignOptions& options = {});

/// Adds to the table every within(), between() and lag() of the formula, computed from the rows
/// that it has now. Call it before rows are taken away.
void add_panel_columns(Table& table, const Formula& formula);

/// The grouping variables of within(), between() and lag() in the formula, each once.
[[nodiscard]] std::vector<std::string> panel_groups(const Formula& formula);

/// The columns of `plan` for the rows of another table, coded as in the fit. A missing value gives
/// a missing row. Throws DataError for a level that the fit did not see, unless `unseen_missing`:
/// then the row is missing.
[[nodiscard]] Eigen::MatrixXd plan_columns(const ModelFrame& frame, const ColumnPlan& plan,
                                           const Table& table, bool unseen_missing = false);

/// The sum of the formula's offsets on every row; empty if it has none.
[[nodiscard]] Eigen::VectorXd formula_offset(const Formula& formula, const Table& table);

/// The design restricted to some of its rows (positions from 0 in the design, ascending). Levels
/// that no longer occur are left out; fixed columns stay.
[[nodiscard]] Design select(const Design& design, const std::vector<Index>& rows);

}  // namespace rapport
