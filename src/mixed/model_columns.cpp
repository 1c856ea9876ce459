#include "model_columns.hpp"

#include <rapport/base/error.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace rapport::detail {
namespace {

/// Codes of `factor` in the order of `levels`.
std::vector<std::int32_t> recoded(const Factor& factor, const ModelVariable& variable,
                                  const Table& table, bool unseen_missing) {
  std::unordered_map<std::string, std::int32_t> position;
  for (std::size_t k = 0; k < variable.levels.size(); ++k)
    position.emplace(variable.levels[k], static_cast<std::int32_t>(k));
  std::vector<std::int32_t> code_of(factor.levels.size(), -1);
  for (std::size_t k = 0; k < factor.levels.size(); ++k) {
    const auto found = position.find(factor.levels[k]);
    if (found != position.end()) code_of[k] = found->second;
  }
  std::vector<std::int32_t> codes(factor.codes.size(), -1);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (factor.codes[i] < 0) continue;
    codes[i] = code_of[static_cast<std::size_t>(factor.codes[i])];
    if (codes[i] < 0 && !unseen_missing)
      throw DataError("\"" + variable.name + "\" has the level \"" +
                          factor.levels[static_cast<std::size_t>(factor.codes[i])] +
                          "\", which the data of the fit do not have",
                      file_of(table), table.line(static_cast<Index>(i)));
  }
  return codes;
}

bool is_subset(const FormulaTerm& part, const FormulaTerm& whole) {
  return std::all_of(part.begin(), part.end(), [&](const std::string& variable) {
    return std::find(whole.begin(), whole.end(), variable) != whole.end();
  });
}

FormulaTerm without(const FormulaTerm& term, const std::string& variable) {
  FormulaTerm rest;
  std::copy_if(term.begin(), term.end(), std::back_inserter(rest),
               [&](const std::string& v) { return v != variable; });
  return rest;
}

bool is_factor(const ModelFrame& frame, const std::string& name) {
  return !find_variable(frame, name).levels.empty();
}

/// Without an intercept, the first factor met has a column a level.
void code_first_factor_fully(const ModelFrame& frame, std::vector<TermColumns>& terms) {
  for (TermColumns& columns : terms)
    for (std::size_t v = 0; v < columns.term.size(); ++v)
      if (is_factor(frame, columns.term[v])) {
        columns.all_levels[v] = true;
        return;
      }
}

std::vector<std::string> names_of(const ModelFrame& frame, const TermColumns& columns) {
  if (columns.term.empty()) return {"(Intercept)"};
  std::vector<std::string> names{""};
  for (std::size_t v = 0; v < columns.term.size(); ++v) {
    const ModelVariable& variable = find_variable(frame, columns.term[v]);
    std::vector<std::string> longer;
    for (const std::string& suffix :
         column_suffixes(variable, columns.all_levels[v], frame.contrast))
      for (const std::string& name : names)
        longer.push_back(name + (v == 0 ? "" : ":") + variable.name + suffix);
    names = std::move(longer);
  }
  return names;
}

/// Writes the values of one variable's column to `out`, or multiplies `out` by them.
void put(const double* values, Index n, bool multiply, double* out) {
  if (multiply)
    for (Index i = 0; i < n; ++i) out[i] *= values[i];
  else
    std::copy(values, values + n, out);
}

void put(const std::int32_t* codes, const Eigen::VectorXd& coding, Index n, bool multiply,
         double* out) {
  for (Index i = 0; i < n; ++i) {
    const double value = codes[i] < 0 ? missing : coding[codes[i]];
    out[i] = multiply ? out[i] * value : value;
  }
}

}  // namespace

std::string file_of(const Table& table) {
  return table.origin().file.empty() ? "table" : table.origin().file;
}

Index VariableValues::rows() const {
  if (is_factor) return static_cast<Index>(codes.size());
  return column != nullptr ? column->size() : numbers.rows();
}

const Eigen::VectorXd* plain_column(const Expression& expression, const Table& table) {
  const bool plain =
      expression->kind == ExpressionNode::Kind::column && table.is_numeric(expression->name);
  return plain ? &table.numbers(expression->name) : nullptr;
}

VariableValues variable_values(const ModelVariable& variable, const Table& table,
                               bool unseen_missing) {
  VariableValues values;
  values.is_factor = !variable.levels.empty();
  if (!values.is_factor && !variable.basis)
    values.column = plain_column(variable.expression, table);
  if (values.column != nullptr) return values;
  auto evaluated = evaluate(variable.expression, table);
  if (values.is_factor) {
    const auto* numbers = std::get_if<Eigen::VectorXd>(&evaluated);
    const Factor factor =
        numbers != nullptr ? make_factor(*numbers) : std::get<Factor>(std::move(evaluated));
    values.codes = recoded(factor, variable, table, unseen_missing);
    return values;
  }
  auto* numbers = std::get_if<Eigen::VectorXd>(&evaluated);
  if (numbers == nullptr)
    throw DataError(
        "\"" + variable.name + "\" is categorical here; it was numeric in the data of the fit",
        file_of(table));
  values.numbers = variable.basis ? basis_columns(*variable.basis, *numbers)
                                  : Eigen::MatrixXd(std::move(*numbers));
  return values;
}

VariableValues select(VariableValues values, const std::vector<Index>& rows) {
  if (static_cast<Index>(rows.size()) == values.rows()) return values;
  if (values.is_factor) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      values.codes[i] = values.codes[static_cast<std::size_t>(rows[i])];
    values.codes.resize(rows.size());
    return values;
  }
  values.numbers = values.column != nullptr ? Eigen::MatrixXd((*values.column)(rows))
                                            : Eigen::MatrixXd(values.numbers(rows, Eigen::all));
  values.column = nullptr;
  return values;
}

Index column_count(const ModelVariable& variable, bool all_levels) {
  if (!variable.levels.empty())
    return static_cast<Index>(variable.levels.size()) - (all_levels ? 0 : 1);
  if (!variable.basis) return 1;
  if (const auto* polynomial = std::get_if<PolynomialBasis>(&*variable.basis))
    return polynomial->centres.size();
  if (const auto* spline = std::get_if<SplineBasis>(&*variable.basis))
    return spline->projection.cols();
  return 1;
}

std::vector<std::string> column_suffixes(const ModelVariable& variable, bool all_levels,
                                         Contrast contrast) {
  if (!variable.levels.empty())
    return all_levels ? variable.levels : contrast_names(contrast, variable.levels);
  const Index count = column_count(variable, all_levels);
  if (count == 1) return {""};
  std::vector<std::string> suffixes;
  for (Index j = 1; j <= count; ++j) suffixes.push_back(std::to_string(j));
  return suffixes;
}

Eigen::MatrixXd coding_matrix(const ModelVariable& variable, bool all_levels, Contrast contrast) {
  const auto levels = static_cast<Index>(variable.levels.size());
  return all_levels ? Eigen::MatrixXd::Identity(levels, levels) : contrast_matrix(contrast, levels);
}

const ModelVariable& find_variable(const ModelFrame& frame, const std::string& name) {
  for (const ModelVariable& variable : frame.variables)
    if (variable.name == name) return variable;
  throw InvalidArgument("the model has no variable \"" + name + "\"");
}

ColumnPlan make_plan(const ModelFrame& frame, bool intercept,
                     const std::vector<FormulaTerm>& terms) {
  std::vector<const FormulaTerm*> sorted;
  sorted.reserve(terms.size());
  for (const FormulaTerm& term : terms) sorted.push_back(&term);
  std::stable_sort(sorted.begin(), sorted.end(), [](const FormulaTerm* a, const FormulaTerm* b) {
    return a->size() < b->size();
  });
  ColumnPlan plan;
  plan.terms.reserve(terms.size() + 1);
  if (intercept) plan.terms.emplace_back();
  for (auto term = sorted.begin(); term != sorted.end(); ++term) {
    TermColumns columns{.term = **term, .all_levels = {}};
    for (const std::string& variable : columns.term) {
      const auto has_margin = [&] {
        const FormulaTerm margin = without(columns.term, variable);
        return margin.empty() || std::any_of(sorted.begin(), term, [&](const FormulaTerm* earlier) {
                 return is_subset(margin, *earlier);
               });
      };
      columns.all_levels.push_back(is_factor(frame, variable) && !has_margin());
    }
    plan.terms.push_back(std::move(columns));
  }
  if (!intercept) code_first_factor_fully(frame, plan.terms);
  for (TermColumns& columns : plan.terms) {
    std::vector<std::string> names = names_of(frame, columns);
    columns.first = static_cast<Index>(plan.names.size());
    columns.count = static_cast<Index>(names.size());
    std::move(names.begin(), names.end(), std::back_inserter(plan.names));
  }
  return plan;
}

PieceColumns::PieceColumns(const ModelFrame& frame, const ColumnPlan& plan) {
  recipes_.reserve(plan.names.size());
  for (const TermColumns& columns : plan.terms)
    for (Index column = 0; column < columns.count; ++column) {
      std::vector<Part>& recipe = recipes_.emplace_back();
      Index repeat = 1;  // columns that share one column of this variable
      for (std::size_t v = 0; v < columns.term.size(); ++v) {
        const ModelVariable& variable = find_variable(frame, columns.term[v]);
        const Index count = column_count(variable, columns.all_levels[v]);
        Part part{static_cast<std::size_t>(&variable - frame.variables.data()),
                  column / repeat % count,
                  {}};
        if (!variable.levels.empty())
          part.coding =
              coding_matrix(variable, columns.all_levels[v], frame.contrast).col(part.column);
        recipe.push_back(std::move(part));
        repeat *= count;
      }
    }
}

const double* PieceColumns::values(Index column, const std::vector<VariableValues>& variables,
                                   Index first, Index n, double* buffer) const {
  const std::vector<Part>& recipe = recipes_[static_cast<std::size_t>(column)];
  if (recipe.empty()) std::fill(buffer, buffer + n, 1.0);
  for (std::size_t v = 0; v < recipe.size(); ++v) {
    const VariableValues& held = variables[recipe[v].variable];
    if (held.is_factor) {
      put(held.codes.data() + first, recipe[v].coding, n, v > 0, buffer);
      continue;
    }
    const double* values = held.values(recipe[v].column).data() + first;
    if (recipe.size() == 1) return values;
    put(values, n, v > 0, buffer);
  }
  return buffer;
}

Eigen::MatrixXd fill_columns(const ModelFrame& frame, const ColumnPlan& plan,
                             const std::vector<VariableValues>& values, Index n) {
  Eigen::MatrixXd matrix(n, static_cast<Index>(plan.names.size()));
  const PieceColumns columns(frame, plan);
  for (Index j = 0; j < matrix.cols(); ++j) {
    double* const out = matrix.col(j).data();
    const double* const made = columns.values(j, values, 0, n, out);
    if (made != out) std::copy(made, made + n, out);
  }
  return matrix;
}

}  // namespace rapport::detail
