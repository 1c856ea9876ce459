#include "estimable_functions.hpp"

#include <rapport/base/random.hpp>

#include <Eigen/LU>
#include <Eigen/QR>

#include "model_columns.hpp"
#include <algorithm>

namespace rapport::detail {
namespace {

constexpr Index most_grid_rows = 20000;
constexpr Index most_columns = 400;
constexpr double zero = 1e-9;  // relative, of pivots

/// The model with a column a level for every factor of every term.
ColumnPlan overparametrised(const ModelFrame& frame) {
  ColumnPlan plan;
  for (const TermColumns& original : frame.fixed.terms) {
    TermColumns columns{.term = original.term,
                        .all_levels = {},
                        .first = static_cast<Index>(plan.names.size()),
                        .count = 1};
    for (const std::string& name : original.term) {
      const ModelVariable& variable = find_variable(frame, name);
      columns.all_levels.push_back(!variable.levels.empty());
      columns.count *= column_count(variable, true);
    }
    plan.names.resize(plan.names.size() + static_cast<std::size_t>(columns.count));
    plan.terms.push_back(std::move(columns));
  }
  return plan;
}

/// All combinations of levels, each with as many draws of the numeric variables as there are
/// functions of them.
std::vector<VariableValues> generic_rows(const ModelFrame& frame, const ColumnPlan& plan,
                                         Index& rows) {
  Index draws = 1;
  for (const TermColumns& columns : plan.terms) {
    Index numeric = 1;
    bool any = false;
    for (const std::string& name : columns.term) {
      const ModelVariable& variable = find_variable(frame, name);
      if (!variable.levels.empty()) continue;
      numeric *= column_count(variable, true);
      any = true;
    }
    if (any) draws += numeric;
  }
  rows = draws;
  for (const ModelVariable& variable : frame.variables)
    if (!variable.levels.empty() && rows <= most_grid_rows)
      rows *= static_cast<Index>(variable.levels.size());
  std::vector<VariableValues> values(frame.variables.size());
  if (rows > most_grid_rows) return values;
  RandomStream stream(Seed{1}, 0);
  Index repeat = draws;
  for (std::size_t v = 0; v < values.size(); ++v) {
    const ModelVariable& variable = frame.variables[v];
    const auto levels = static_cast<Index>(variable.levels.size());
    values[v].is_factor = levels > 0;
    for (Index i = 0; i < rows && levels > 0; ++i)
      values[v].codes.push_back(static_cast<std::int32_t>(i / repeat % levels));
    if (levels > 0) {
      repeat *= levels;
      continue;
    }
    values[v].numbers.resize(rows, column_count(variable, true));
    for (double& value : values[v].numbers.reshaped()) value = stream.normal();
  }
  return values;
}

/// An orthonormal basis of the columns.
Eigen::MatrixXd column_space(const Eigen::MatrixXd& matrix) {
  if (matrix.cols() == 0) return matrix;
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(matrix.rows(), matrix.cols());
  qr.setThreshold(zero);
  qr.compute(matrix);
  if (qr.maxPivot() < zero) return Eigen::MatrixXd(matrix.rows(), 0);
  return qr.householderQ() * Eigen::MatrixXd::Identity(matrix.rows(), qr.rank());
}

/// The vectors that the matrix maps to 0, as columns.
Eigen::MatrixXd null_space(const Eigen::MatrixXd& matrix) {
  if (matrix.size() == 0) return Eigen::MatrixXd::Identity(matrix.cols(), matrix.cols());
  Eigen::FullPivLU<Eigen::MatrixXd> lu(matrix.rows(), matrix.cols());
  lu.setThreshold(1e-8);
  lu.compute(matrix);
  if (lu.dimensionOfKernel() == 0) return Eigen::MatrixXd(matrix.cols(), 0);
  return lu.kernel();
}

/// Scales the columns of each term alike; terms in the same numeric variables have the same scale.
void scale_terms(const ColumnPlan& plan, Eigen::MatrixXd& x) {
  for (const TermColumns& columns : plan.terms) {
    auto block = x.middleCols(columns.first, columns.count);
    const double size = block.norm();
    if (size > 0) block /= size;
  }
}

/// A term that lost all its columns is no part of the model that was fitted.
void leave_out_dropped_terms(const Design& design, const FixedEffects& fixed,
                             const ColumnPlan& plan, Eigen::MatrixXd& x) {
  for (std::size_t t = 0; t < plan.terms.size(); ++t) {
    const TermColumns& coded = design.frame.fixed.terms[t];
    const bool kept = std::any_of(fixed.columns.begin(), fixed.columns.end(), [&](Index column) {
      return column >= coded.first && column < coded.first + coded.count;
    });
    if (!kept) x.middleCols(plan.terms[t].first, plan.terms[t].count).setZero();
  }
}

std::vector<Index> columns_where(const ColumnPlan& plan, const std::vector<bool>& chosen) {
  std::vector<Index> columns;
  for (std::size_t t = 0; t < plan.terms.size(); ++t)
    for (Index j = 0; chosen[t] && j < plan.terms[t].count; ++j)
      columns.push_back(plan.terms[t].first + j);
  return columns;
}

}  // namespace

bool contains_term(const ModelFrame& frame, const FormulaTerm& higher, const FormulaTerm& term) {
  const auto has = [](const FormulaTerm& whole, const std::string& name) {
    return std::find(whole.begin(), whole.end(), name) != whole.end();
  };
  return std::all_of(term.begin(), term.end(),
                     [&](const std::string& name) { return has(higher, name); }) &&
         std::all_of(higher.begin(), higher.end(), [&](const std::string& name) {
           return has(term, name) || !find_variable(frame, name).levels.empty();
         });
}

std::optional<std::vector<Eigen::MatrixXd>> estimable_hypotheses(const Design& design,
                                                                 const FixedEffects& fixed) {
  const ModelFrame& frame = design.frame;
  const ColumnPlan plan = overparametrised(frame);
  Index rows = 0;
  const std::vector<VariableValues> values = generic_rows(frame, plan, rows);
  if (rows > most_grid_rows || static_cast<Index>(plan.names.size()) > most_columns)
    return std::nullopt;

  // X_over = X · from_design, found where every function of the variables can be told apart.
  const Eigen::MatrixXd coded = fill_columns(frame, frame.fixed, values, rows);
  const Eigen::MatrixXd from_design =
      coded.completeOrthogonalDecomposition().solve(fill_columns(frame, plan, values, rows));
  Eigen::MatrixXd x = design.fixed * from_design;
  leave_out_dropped_terms(design, fixed, plan, x);
  scale_terms(plan, x);
  const Eigen::MatrixXd gram = x.transpose() * x;
  const Eigen::MatrixXd functions =
      column_space(gram);  // every estimable function is a combination of these
  const Eigen::MatrixXd kept = design.fixed(Eigen::all, fixed.columns);
  // l'β̃ is k'β with k = X'X̃(X̃'X̃)⁻l, and l lies in the space of the functions, where the Gram is
  // regular.
  const Eigen::MatrixXd regular = functions.transpose() * gram * functions;
  const Eigen::MatrixXd to_kept =
      (kept.transpose() * x) * functions * regular.partialPivLu().solve(functions.transpose());

  std::vector<Eigen::MatrixXd> hypotheses;
  for (const TermColumns& term : plan.terms) {
    std::vector<bool> elsewhere;
    std::vector<bool> here_too;
    for (const TermColumns& other : plan.terms) {
      const bool apart = !contains_term(frame, other.term, term.term);
      elsewhere.push_back(apart);
      here_too.push_back(apart || other.term == term.term);
    }
    const Eigen::MatrixXd about =
        functions * null_space(functions(columns_where(plan, elsewhere), Eigen::all));
    const Eigen::MatrixXd beyond =
        column_space(functions * null_space(functions(columns_where(plan, here_too), Eigen::all)));
    const Eigen::MatrixXd own = column_space(about - beyond * (beyond.transpose() * about));
    hypotheses.push_back((to_kept * own).transpose());
  }
  return hypotheses;
}

}  // namespace rapport::detail
