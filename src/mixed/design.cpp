#include <rapport/base/error.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/design.hpp>

#include "prepared_design.hpp"
#include "variable.hpp"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

namespace rapport {
namespace {

using Evaluated = std::variant<Eigen::VectorXd, Factor>;

/// The expression with every mean(x) replaced by its value in the table, so that new data are
/// centred alike.
Expression with_fixed_means(const Expression& expression, const Table& table) {
  if (expression->arguments.empty()) return expression;
  ExpressionNode node = *expression;
  if (expression->kind == ExpressionNode::Kind::call && expression->name == "mean") {
    const Eigen::VectorXd values = std::get<Eigen::VectorXd>(evaluate(expression, table));
    node = {
        .kind = ExpressionNode::Kind::number, .number = mean(values), .name = {}, .arguments = {}};
  } else {
    for (Expression& argument : node.arguments) argument = with_fixed_means(argument, table);
  }
  return std::make_shared<const ExpressionNode>(std::move(node));
}

/// One variable on all rows of the table, before rows are left out.
struct Prepared {
  ModelVariable variable;
  detail::VariableValues values;
  std::vector<std::string> levels;  ///< of a factor, in the table's order
};

class DesignMaker {
 public:
  DesignMaker(const Formula& formula, const Table& table, const DesignOptions& options)
      : formula_(formula), table_(table), options_(options) {
    if (options.missing == Missing::propagate)
      throw InvalidArgument(
          "make_design: `missing` is propagate; a model needs complete rows, so omit or reject is "
          "required");
    design_.frame.formula = formula;
    design_.frame.contrast = options.contrast;
  }

  detail::PreparedDesign prepare() {
    prepare_response();
    prepare_variables();
    prepare_groups();
    prepare_numbers();
    choose_rows();
    restrict_levels();
    plan_columns();
    return {.design = std::move(design_),
            .response = std::move(response_),
            .values = std::move(values_),
            .groups = std::move(groups_)};
  }

  Design make() {
    detail::PreparedDesign prepared = prepare();
    design_ = std::move(prepared.design);
    values_ = std::move(prepared.values);
    groups_ = std::move(prepared.groups);
    if (design_.rows.empty()) {
      design_.rows.resize(static_cast<std::size_t>(table_.rows()));
      std::iota(design_.rows.begin(), design_.rows.end(), Index{0});
    }
    design_.response = prepared.response.values(0);
    design_.fixed = detail::fill_columns(design_.frame, design_.frame.fixed, values_, used());
    fill_random();
    describe_inputs();
    return std::move(design_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw DataError(message, detail::file_of(table_));
  }

  void note_missing(const std::string& name, const std::vector<bool>& is_missing) {
    if (complete_.empty()) complete_.assign(static_cast<std::size_t>(table_.rows()), true);
    Index count = 0;
    for (std::size_t i = 0; i < is_missing.size(); ++i) {
      if (!is_missing[i]) continue;
      ++count;
      complete_[i] = false;
    }
    if (count > 0) design_.frame.missing_values.emplace_back(name, count);
  }

  void note_missing(const std::string& name, const VectorView& values) {
    if (!std::isnan(values.sum()) || !values.hasNaN()) return;
    std::vector<bool> is_missing(static_cast<std::size_t>(values.size()));
    for (Index i = 0; i < values.size(); ++i)
      is_missing[static_cast<std::size_t>(i)] = std::isnan(values[i]);
    note_missing(name, is_missing);
  }

  void note_missing(const std::string& name, const std::vector<std::int32_t>& codes) {
    std::int32_t least = 0;
    for (const std::int32_t code : codes) least = std::min(least, code);
    if (least >= 0) return;
    std::vector<bool> is_missing(codes.size());
    for (std::size_t i = 0; i < codes.size(); ++i) is_missing[i] = codes[i] < 0;
    note_missing(name, is_missing);
  }

  Eigen::VectorXd numbers(const Expression& expression, const std::string& what) const {
    if (expression->kind == ExpressionNode::Kind::column) return table_.numbers(expression->name);
    Evaluated evaluated = evaluate(expression, table_);
    if (auto* values = std::get_if<Eigen::VectorXd>(&evaluated)) return std::move(*values);
    fail(what + " \"" + to_string(expression) + "\" is categorical; numbers are required");
  }

  void prepare_response() {
    const detail::VariableSyntax syntax = detail::parse_variable(formula_.response);
    if (syntax.kind == detail::VariableSyntax::Kind::pair) {
      prepare_pair(syntax);
    } else if (options_.response == ResponseKind::binary ||
               options_.response == ResponseKind::ordered) {
      prepare_categories(syntax.argument);
    } else {
      response_.column = detail::plain_column(syntax.argument, table_);
      if (response_.column == nullptr) response_.numbers = numbers(syntax.argument, "the response");
      if (options_.response != ResponseKind::numeric) require_range();
    }
    note_missing(formula_.response, response_.values(0));
  }

  /// What a response of numbers may hold, other than missing values.
  void require_range() const {
    const auto may_hold = [kind = options_.response](double y) {
      if (kind == ResponseKind::count) return y >= 0 && y == std::floor(y);
      return y > 0 && (kind == ResponseKind::positive || y < 1);
    };
    const char* const required = options_.response == ResponseKind::count ? "a count: 0, 1, 2, …"
                                 : options_.response == ResponseKind::positive
                                     ? "a number above 0"
                                     : "a number strictly between 0 and 1";
    for (Index i = 0; i < table_.rows(); ++i) {
      const double y = response_.values(0)[i];
      if (!std::isnan(y) && !may_hold(y))
        throw DataError("column \"" + formula_.response + "\": " + shortest_decimal(y) +
                            " is not " + required + "; the response has to be",
                        detail::file_of(table_), table_.line(i));
    }
  }

  /// cbind(successes, failures): the proportion, with the trials as weights.
  void prepare_pair(const detail::VariableSyntax& syntax) {
    if (options_.response != ResponseKind::binary)
      fail("the response " + syntax.text +
           " counts successes and failures; that needs --family binomial");
    const Eigen::VectorXd successes = numbers(syntax.argument, "the response");
    const Eigen::VectorXd failures = numbers(syntax.second, "the response");
    if ((successes.array() < 0).any() || (failures.array() < 0).any())
      fail("the response " + syntax.text + " has a negative count");
    trials_ = successes + failures;
    response_.numbers = (successes.array() / trials_.array()).matrix();
  }

  void prepare_categories(const Expression& expression) {
    Evaluated evaluated = evaluate(expression, table_);
    const std::string name = to_string(expression);
    auto* values = std::get_if<Eigen::VectorXd>(&evaluated);
    if (values != nullptr && options_.response == ResponseKind::binary) {
      for (Index i = 0; i < values->size(); ++i)
        if (!std::isnan((*values)[i]) && (*values)[i] != 0 && (*values)[i] != 1)
          throw DataError("column \"" + name + "\": " + shortest_decimal((*values)[i]) +
                              " is neither 0 nor 1; a binomial response needs 0 and 1, two levels "
                              "or cbind(successes, failures)",
                          detail::file_of(table_), table_.line(i));
      response_.numbers = std::move(*values);
      return;
    }
    const Factor factor =
        values != nullptr ? make_factor(*values) : std::get<Factor>(std::move(evaluated));
    if (options_.response == ResponseKind::binary && factor.level_count() != 2)
      fail("column \"" + name + "\" has " + std::to_string(factor.level_count()) +
           " levels; a binomial response needs two (--factor orders them: the second is the "
           "success)");
    if (factor.level_count() < 2)
      fail("column \"" + name + "\" has a single level; a response needs at least two");
    design_.frame.response_levels = factor.levels;
    response_.numbers.resize(factor.size(), 1);
    for (Index i = 0; i < factor.size(); ++i) {
      const std::int32_t code = factor.codes[static_cast<std::size_t>(i)];
      response_.numbers(i, 0) = code < 0 ? missing : code;
    }
  }

  void prepare_variables() {
    for (const FormulaTerm& term : formula_.fixed) prepare_term(term);
    for (const RandomFormula& random : formula_.random)
      for (const FormulaTerm& term : random.terms) prepare_term(term);
  }

  void prepare_term(const FormulaTerm& term) {
    for (const std::string& name : term) {
      const bool known =
          std::any_of(prepared_.begin(), prepared_.end(),
                      [&](const Prepared& prepared) { return prepared.variable.name == name; });
      if (!known) prepared_.push_back(prepare_variable(name));
    }
  }

  Prepared prepare_variable(const std::string& name) {
    const detail::VariableSyntax syntax = detail::parse_variable(name);
    Prepared prepared{
        .variable = {.name = name, .expression = with_fixed_means(syntax.argument, table_)},
        .values = {},
        .levels = {}};
    prepared.values.column = plain_column_of(syntax, prepared.variable);
    if (prepared.values.column != nullptr) {
      note_missing(name, *prepared.values.column);
      return prepared;
    }
    Evaluated evaluated = evaluate(prepared.variable.expression, table_);
    if (auto* factor = std::get_if<Factor>(&evaluated)) {
      if (syntax.kind != detail::VariableSyntax::Kind::expression &&
          syntax.kind != detail::VariableSyntax::Kind::identity)
        fail(name + ": " + to_string(syntax.argument) + " is categorical; numbers are required");
      prepared.levels = factor->levels;
      prepared.values.is_factor = true;
      prepared.values.codes = std::move(factor->codes);
      note_missing(name, prepared.values.codes);
      return prepared;
    }
    Eigen::VectorXd& values = std::get<Eigen::VectorXd>(evaluated);
    note_missing(name, values);
    prepared.variable.basis = basis_of(syntax, values);
    prepared.values.numbers = prepared.variable.basis
                                  ? basis_columns(*prepared.variable.basis, values)
                                  : Eigen::MatrixXd(std::move(values));
    return prepared;
  }

  const Eigen::VectorXd* plain_column_of(const detail::VariableSyntax& syntax,
                                         const ModelVariable& variable) const {
    using Kind = detail::VariableSyntax::Kind;
    const bool as_it_is = syntax.kind == Kind::expression || syntax.kind == Kind::identity;
    return as_it_is ? detail::plain_column(variable.expression, table_) : nullptr;
  }

  std::optional<Basis> basis_of(const detail::VariableSyntax& syntax,
                                const VectorView& values) const {
    try {
      switch (syntax.kind) {
        case detail::VariableSyntax::Kind::polynomial:
          return polynomial_basis(values, syntax.size, syntax.raw);
        case detail::VariableSyntax::Kind::spline:
          return spline_basis(values, syntax.size);
        case detail::VariableSyntax::Kind::standardized:
          return standardization(values);
        case detail::VariableSyntax::Kind::expression:
        case detail::VariableSyntax::Kind::identity:
        case detail::VariableSyntax::Kind::pair:
        case detail::VariableSyntax::Kind::offset:
          return std::nullopt;
      }
    } catch (const InvalidArgument& error) {
      fail(syntax.text + ": " + error.what());
    }
    return std::nullopt;
  }

  void prepare_groups() {
    for (const RandomFormula& random : formula_.random) {
      const std::string label = term_label(random.group);
      if (groups_.count(label) > 0) continue;
      detail::PreparedGroup group;
      if (random.group.size() == 1) group.in_table = plain_factor(random.group.front());
      if (group.in_table != nullptr) {
        note_missing(label, group.in_table->codes);
      } else {
        for (const std::string& name : random.group) {
          Factor part = factor(name);
          note_missing(name, part.codes);
          group.made = group.made.levels.empty() ? std::move(part) : cross(group.made, part);
        }
      }
      groups_.emplace(label, std::move(group));
    }
  }

  const Factor* plain_factor(const std::string& name) const {
    const Expression expression = detail::parse_variable(name).argument;
    if (expression->kind != ExpressionNode::Kind::column) return nullptr;
    return std::get_if<Factor>(&table_.column(expression->name).values);
  }

  Factor factor(const std::string& name) const {
    Evaluated evaluated = evaluate(detail::parse_variable(name).argument, table_);
    if (auto* levels = std::get_if<Factor>(&evaluated)) return std::move(*levels);
    return make_factor(std::get<Eigen::VectorXd>(evaluated));
  }

  void prepare_numbers() {
    design_.offset = formula_offset(formula_, table_);
    note_missing("offset", design_.offset);
    if (!options_.weights.empty()) {
      design_.weights = numbers(parse_expression(options_.weights), "the weights");
      note_missing(options_.weights, design_.weights);
      for (Index i = 0; i < design_.weights.size(); ++i)
        if (design_.weights[i] <= 0)
          throw DataError(
              "weights \"" + options_.weights + "\": " + shortest_decimal(design_.weights[i]) +
                  " is not positive; weights must be above 0 (drop the row with --where)",
              detail::file_of(table_), table_.line(i));
    }
    if (trials_.size() > 0)
      design_.weights = design_.weights.size() > 0
                            ? Eigen::VectorXd(design_.weights.cwiseProduct(trials_))
                            : trials_;
  }

  void choose_rows() {
    const bool all = std::find(complete_.begin(), complete_.end(), false) == complete_.end();
    if (table_.rows() == 0) fail(without_rows());
    if (all) return;
    for (std::size_t i = 0; i < complete_.size(); ++i)
      if (complete_[i]) design_.rows.push_back(static_cast<Index>(i));
    design_.n_omitted = table_.rows() - static_cast<Index>(design_.rows.size());
    if (options_.missing == Missing::reject)
      fail("column \"" + design_.frame.missing_values.front().first +
           "\" misses values; complete rows are required");
    if (design_.rows.empty()) fail(without_rows());
    response_ = detail::select(std::move(response_), design_.rows);
    keep_rows(design_.offset);
    keep_rows(design_.weights);
    for (Prepared& prepared : prepared_)
      prepared.values = detail::select(std::move(prepared.values), design_.rows);
  }

  std::string without_rows() const {
    for (const auto& [name, count] : design_.frame.missing_values)
      if (count == table_.rows())
        return "column \"" + name + "\" is missing on every row; no row is left for the model";
    return "no row is complete in all variables of the model";
  }

  void keep_rows(Eigen::VectorXd& values) const {
    if (values.size() == 0) return;
    values = Eigen::VectorXd(values(design_.rows));
  }

  /// Levels that occur on the rows used; a factor needs two.
  void restrict_levels() {
    for (Prepared& prepared : prepared_) {
      if (prepared.values.is_factor) {
        const Factor kept =
            used_levels({.codes = std::move(prepared.values.codes), .levels = prepared.levels});
        prepared.values.codes = kept.codes;
        prepared.variable.levels = kept.levels;
        if (kept.level_count() < 2)
          fail("column \"" + prepared.variable.name + "\" has one level" +
               (kept.levels.empty() ? "" : " (\"" + kept.levels[0] + "\")") +
               " on the rows used; a categorical predictor needs at least two");
      }
      design_.frame.variables.push_back(prepared.variable);
      values_.push_back(std::move(prepared.values));
    }
  }

  static Factor used_levels(Factor factor) {
    std::vector<char> used(factor.levels.size(), 0);
    for (const std::int32_t code : factor.codes) used[static_cast<std::size_t>(code)] = 1;
    if (std::find(used.begin(), used.end(), 0) == used.end()) return factor;
    std::vector<Index> all(factor.codes.size());
    std::iota(all.begin(), all.end(), Index{0});
    return rapport::select(factor, all);
  }

  /// Which columns the terms have, and their groups on the rows used.
  void plan_columns() {
    design_.frame.fixed = detail::make_plan(design_.frame, formula_.intercept, formula_.fixed);
    design_.fixed_terms = design_.frame.fixed.names;
    for (auto& [label, group] : groups_) {
      if (design_.n_omitted > 0)
        group = {.in_table = nullptr, .made = rapport::select(group.factor(), design_.rows)};
    }
    for (const RandomFormula& random : formula_.random) {
      ColumnPlan plan = detail::make_plan(design_.frame, random.intercept, random.terms);
      design_.random.push_back({.factor = term_label(random.group),
                                .terms = plan.names,
                                .columns = {},
                                .group = {},
                                .levels = {}});
      design_.frame.random.push_back(std::move(plan));
    }
  }

  [[nodiscard]] Index used() const { return static_cast<Index>(design_.rows.size()); }

  void fill_random() {
    for (auto& [label, group] : groups_) {
      group = {
          .in_table = nullptr,
          .made = used_levels(group.in_table != nullptr ? *group.in_table : std::move(group.made))};
      const Factor& factor = group.made;
      if (factor.level_count() < 2)
        fail("column \"" + label + "\" has one level" +
             (factor.levels.empty() ? "" : " (\"" + factor.levels[0] + "\")") +
             " on the rows used; a grouping factor needs at least two");
    }
    for (std::size_t k = 0; k < design_.random.size(); ++k) {
      RandomTerm& term = design_.random[k];
      Factor& group = groups_.at(term.factor).made;
      const bool again = std::any_of(
          design_.random.begin() + static_cast<std::ptrdiff_t>(k) + 1, design_.random.end(),
          [&](const RandomTerm& later) { return later.factor == term.factor; });
      Factor own = again ? group : std::move(group);
      term.columns = detail::fill_columns(design_.frame, design_.frame.random[k], values_, used());
      term.group = std::move(own.codes);
      term.levels = std::move(own.levels);
    }
  }

  void describe_inputs() {
    std::vector<ModelInput>& inputs = design_.frame.inputs;
    std::vector<bool> categorical;
    for (const FormulaTerm& term : formula_.fixed)
      for (const std::string& name : term)
        detail::collect_inputs(detail::find_variable(design_.frame, name).expression, table_, false,
                               inputs, categorical);
    for (std::size_t k = 0; k < inputs.size(); ++k) describe(inputs[k], categorical[k]);
  }

  void describe(ModelInput& input, bool categorical) const {
    if (categorical) {
      input.levels = rapport::select(table_.factor(input.name), design_.rows).levels;
      return;
    }
    if (table_.contains(input.name))
      describe_numbers(input, table_.numbers(input.name));
    else  // a panel function that the table does not hold
      describe_numbers(input,
                       std::get<Eigen::VectorXd>(evaluate(parse_expression(input.name), table_)));
  }

  /// Mean, SD and range over the rows used.
  void describe_numbers(ModelInput& input, const Eigen::VectorXd& values) const {
    const Eigen::VectorXd kept =
        design_.n_omitted == 0 ? Eigen::VectorXd() : Eigen::VectorXd(values(design_.rows));
    const Eigen::VectorXd& used = design_.n_omitted == 0 ? values : kept;
    const auto n = static_cast<double>(used.size());
    input.minimum = used.minCoeff();
    input.maximum = used.maxCoeff();
    input.mean = used.mean();
    input.sd = n > 1 ? std::sqrt((used.array() - input.mean).square().sum() / (n - 1)) : missing;
  }

  const Formula& formula_;
  const Table& table_;
  const DesignOptions& options_;
  Design design_ = {};
  std::vector<bool> complete_;
  std::vector<Prepared> prepared_;
  std::vector<detail::VariableValues> values_;
  std::map<std::string, detail::PreparedGroup> groups_;
  detail::VariableValues response_;
  Eigen::VectorXd trials_;
};

}  // namespace

detail::PreparedDesign detail::prepare_design(const Formula& formula, const Table& table,
                                              const DesignOptions& options) {
  return DesignMaker(formula, table, options).prepare();
}

Design make_design(const Formula& formula, const Table& table, const DesignOptions& options) {
  return DesignMaker(formula, table, options).make();
}

}  // namespace rapport
