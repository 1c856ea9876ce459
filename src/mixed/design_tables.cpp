#include <rapport/base/error.hpp>
#include <rapport/mixed/design.hpp>

#include "prepared_design.hpp"
#include "variable.hpp"
#include <algorithm>

// What formulas rest on in a table, and designs on other rows.

namespace rapport {
namespace {

bool is_call(const Expression& expression, std::string_view name) {
  return expression->kind == ExpressionNode::Kind::call && expression->name == name;
}

bool is_panel_call(const Expression& expression) {
  return is_call(expression, "within") || is_call(expression, "between") ||
         is_call(expression, "lag");
}

}  // namespace

void detail::collect_inputs(const Expression& expression, const Table& table, bool within_factor,
                            std::vector<ModelInput>& inputs, std::vector<bool>& categorical) {
  const bool leaf = expression->kind == ExpressionNode::Kind::column || is_panel_call(expression);
  if (!leaf) {
    for (const Expression& argument : expression->arguments)
      collect_inputs(argument, table, within_factor || is_call(expression, "factor"), inputs,
                     categorical);
    return;
  }
  const std::string name = is_panel_call(expression) ? to_string(expression) : expression->name;
  const bool numeric = is_panel_call(expression) || table.is_numeric(name);
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const ModelInput& input) { return input.name == name; });
  if (found != inputs.end()) {
    const auto position = static_cast<std::size_t>(found - inputs.begin());
    categorical[position] = categorical[position] || within_factor;
    return;
  }
  inputs.push_back({.name = name, .numeric = numeric});
  categorical.push_back(!numeric || within_factor);
}

namespace {

/// Calls `visit` with every expression of the formula.
template <class Visit>
void visit_expressions(const Formula& formula, const Visit& visit) {
  const auto add = [&](const std::string& variable) {
    const detail::VariableSyntax syntax = detail::parse_variable(variable);
    visit(syntax.argument);
    if (syntax.second) visit(syntax.second);
  };
  add(formula.response);
  for (const std::string& offset : formula.offsets) add(offset);
  for (const FormulaTerm& term : formula.fixed)
    for (const std::string& variable : term) add(variable);
  for (const RandomFormula& random : formula.random) {
    for (const std::string& variable : random.group) add(variable);
    for (const FormulaTerm& term : random.terms)
      for (const std::string& variable : term) add(variable);
  }
}

void collect_panel_groups(const Expression& expression, std::vector<std::string>& groups) {
  if (is_panel_call(expression)) {
    const std::string group = to_string(expression->arguments[1]);
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  for (const Expression& argument : expression->arguments) collect_panel_groups(argument, groups);
}

}  // namespace

void add_panel_columns(Table& table, const Formula& formula) {
  visit_expressions(formula,
                    [&](const Expression& expression) { add_panel_columns(table, expression); });
}

std::vector<std::string> panel_groups(const Formula& formula) {
  std::vector<std::string> groups;
  visit_expressions(
      formula, [&](const Expression& expression) { collect_panel_groups(expression, groups); });
  return groups;
}

Eigen::MatrixXd plan_columns(const ModelFrame& frame, const ColumnPlan& plan, const Table& table,
                             bool unseen_missing) {
  std::vector<detail::VariableValues> values(frame.variables.size());
  for (std::size_t v = 0; v < values.size(); ++v) {
    const bool needed =
        std::any_of(plan.terms.begin(), plan.terms.end(), [&](const TermColumns& columns) {
          return std::find(columns.term.begin(), columns.term.end(), frame.variables[v].name) !=
                 columns.term.end();
        });
    if (needed) values[v] = detail::variable_values(frame.variables[v], table, unseen_missing);
  }
  return detail::fill_columns(frame, plan, values, table.rows());
}

Eigen::VectorXd formula_offset(const Formula& formula, const Table& table) {
  Eigen::VectorXd total;
  for (const std::string& text : formula.offsets) {
    const auto evaluated = evaluate(parse_expression(text), table);
    const auto* values = std::get_if<Eigen::VectorXd>(&evaluated);
    if (values == nullptr)
      throw DataError("offset(" + text + ") is categorical; numbers are required",
                      detail::file_of(table));
    total = total.size() == 0 ? *values : Eigen::VectorXd(total + *values);
  }
  return total;
}

Design select(const Design& design, const std::vector<Index>& rows) {
  Design kept;
  kept.response = design.response(rows);
  kept.fixed = design.fixed(rows, Eigen::all);
  kept.fixed_terms = design.fixed_terms;
  kept.frame = design.frame;
  if (design.weights.size() > 0) kept.weights = design.weights(rows);
  if (design.offset.size() > 0) kept.offset = design.offset(rows);
  for (const RandomTerm& term : design.random) {
    Factor group = select(Factor{.codes = term.group, .levels = term.levels}, rows);
    kept.random.push_back({.factor = term.factor,
                           .terms = term.terms,
                           .columns = term.columns(rows, Eigen::all),
                           .group = std::move(group.codes),
                           .levels = std::move(group.levels)});
  }
  for (const Index row : rows)
    if (!design.rows.empty()) kept.rows.push_back(design.rows[static_cast<std::size_t>(row)]);
  kept.n_omitted = design.n_omitted;
  return kept;
}

}  // namespace rapport
