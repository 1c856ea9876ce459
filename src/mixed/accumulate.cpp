#include <rapport/base/missing.hpp>
#include <rapport/mixed/accumulate.hpp>

#include "group_index.hpp"
#include "model.hpp"
#include "piecewise_model.hpp"
#include "prepared_design.hpp"
#include "row_moments.hpp"
#include "variable.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Evaluated = std::variant<VectorXd, Factor>;

bool calls(const Expression& expression, std::string_view name) {
  if (expression->kind == ExpressionNode::Kind::call && expression->name == name) return true;
  return std::any_of(expression->arguments.begin(), expression->arguments.end(),
                     [&](const Expression& argument) { return calls(argument, name); });
}

/// The expression of a variable that single rows suffice for.
Expression rowwise(const std::string& name) {
  using Kind = detail::VariableSyntax::Kind;
  const detail::VariableSyntax syntax = detail::parse_variable(name);
  if ((syntax.kind != Kind::expression && syntax.kind != Kind::identity) ||
      calls(syntax.argument, "mean"))
    throw InvalidArgument("MixedAccumulator: " + name +
                          " takes its constants from all rows, which do not come together; make it "
                          "a column of the data, or fit the rows at once");
  return syntax.argument;
}

std::vector<std::string> variables_of(const Formula& formula, bool random) {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<FormulaTerm>& terms) {
    for (const FormulaTerm& term : terms)
      for (const std::string& name : term)
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  add(formula.fixed);
  if (random)
    for (const RandomFormula& effects : formula.random) add(effects.terms);
  return names;
}

bool all_numbers(const std::vector<std::string>& levels) {
  return std::all_of(levels.begin(), levels.end(), [](const std::string& level) {
    char* end = nullptr;
    (void)std::strtod(level.c_str(), &end);
    return !level.empty() && *end == '\0';
  });
}

void sort_levels(std::vector<std::string>& levels) {
  if (all_numbers(levels))
    std::sort(levels.begin(), levels.end(), [](const std::string& a, const std::string& b) {
      return std::strtod(a.c_str(), nullptr) < std::strtod(b.c_str(), nullptr);
    });
  else
    std::sort(levels.begin(), levels.end());
}

std::vector<char> levels_that_occur(const Factor& factor) {
  std::vector<char> occurs(factor.levels.size(), 0);
  for (const std::int32_t code : factor.codes)
    if (code >= 0) occurs[static_cast<std::size_t>(code)] = 1;
  return occurs;
}

/// Grouping factors with most groups in `rows` first.
std::vector<std::string> inner_to_outer(std::vector<detail::GroupIndex>& groups,
                                        const Table& rows) {
  std::vector<std::pair<Index, std::string>> counts;
  for (detail::GroupIndex group : groups) {
    (void)group.numbers(rows);
    counts.emplace_back(-group.size(), term_label(group.group()));
  }
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    return std::count(a.second.begin(), a.second.end(), ':') >
           std::count(b.second.begin(), b.second.end(), ':');
  });
  std::vector<std::string> labels;
  for (const auto& [count, label] : counts) labels.push_back(label);
  std::vector<detail::GroupIndex> ordered;
  for (const std::string& label : labels)
    for (detail::GroupIndex& group : groups)
      if (term_label(group.group()) == label) ordered.push_back(group);
  groups = std::move(ordered);
  return labels;
}

/// Rows of a piece that miss nothing, ready for PiecewiseModel.
struct CompleteRows {
  std::vector<detail::VariableValues> values;
  VectorXd response;
  VectorXd offset;
  VectorXd root_weight;
  std::vector<std::vector<std::int32_t>> groups;
  Index omitted = 0;

  [[nodiscard]] ModelRows view() const {
    ModelRows rows{&values,
                   response.data(),
                   offset.size() > 0 ? offset.data() : nullptr,
                   root_weight.size() > 0 ? root_weight.data() : nullptr,
                   {},
                   response.size()};
    for (const std::vector<std::int32_t>& level : groups) rows.groups.push_back(level.data());
    return rows;
  }
};

}  // namespace

void collect_levels(const Formula& formula, const Table& rows, VariableLevels& levels) {
  for (const std::string& name : variables_of(formula, true)) {
    const Evaluated evaluated = evaluate(rowwise(name), rows);
    const auto* factor = std::get_if<Factor>(&evaluated);
    if (factor == nullptr) continue;
    std::vector<std::string>& known = levels[name];
    const std::vector<char> occurs = levels_that_occur(*factor);
    for (std::size_t k = 0; k < occurs.size(); ++k)
      if (occurs[k] != 0 && std::find(known.begin(), known.end(), factor->levels[k]) == known.end())
        known.push_back(factor->levels[k]);
    const auto place = [&](const std::string& level) {
      return std::find(factor->levels.begin(), factor->levels.end(), level);
    };
    if (std::all_of(known.begin(), known.end(),
                    [&](const std::string& level) { return place(level) != factor->levels.end(); }))
      std::sort(known.begin(), known.end(),
                [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
    else
      sort_levels(known);
  }
}

struct MixedAccumulator::State {
  State(const Formula& model_formula, const Table& first, const VariableLevels& known,
        const DesignOptions& design_options, int thread_number, Index expected_groups)
      : options(design_options), threads(thread_number), expected(expected_groups) {
    if (options.response != ResponseKind::numeric)
      throw InvalidArgument(
          "MixedAccumulator: `options` asks for a categorical response; a "
          "Gaussian model is required");
    frame().formula = model_formula;
    frame().contrast = options.contrast;
    VariableLevels levels = known;
    if (levels.empty()) collect_levels(model_formula, first, levels);
    for (const std::string& name : variables_of(model_formula, true)) {
      ModelVariable variable{.name = name, .expression = rowwise(name)};
      if (const auto found = levels.find(name); found != levels.end())
        variable.levels = found->second;
      if (std::holds_alternative<Factor>(evaluate(variable.expression, first)) &&
          variable.levels.size() < 2)
        throw DataError("column \"" + name +
                        "\" has one level; a categorical predictor needs at least two");
      frame().variables.push_back(std::move(variable));
    }
    frame().fixed = detail::make_plan(frame(), model_formula.intercept, model_formula.fixed);
    design.fixed_terms = frame().fixed.names;
    plan_groups(first);
    moments = detail::RowMoments(frame());
    start(first);
    describe_inputs(first);
  }

  ModelFrame& frame() { return design.frame; }

  void plan_groups(const Table& first) {
    for (const RandomFormula& random : frame().formula.random) {
      frame().random.push_back(detail::make_plan(frame(), random.intercept, random.terms));
      design.random.push_back({.factor = term_label(random.group),
                               .terms = frame().random.back().names,
                               .columns = {},
                               .group = {},
                               .levels = {}});
      if (std::none_of(groups.begin(), groups.end(), [&](const detail::GroupIndex& group) {
            return group.group() == random.group;
          }))
        groups.emplace_back(random.group);
    }
    if (groups.empty())
      throw InvalidArgument(
          "MixedAccumulator: `formula` has no random effects; at least one grouping factor is "
          "required");
    labels = inner_to_outer(groups, first);
  }

  /// The model, centred and scaled by some rows of `first`.
  void start(const Table& first) {
    const std::vector<detail::GroupIndex> before = groups;
    const CompleteRows rows = complete(first, false);
    groups = before;
    const Index n = rows.response.size();
    if (n == 0) throw DataError("none of the first rows is complete in all variables of the model");
    moments.set_shift(rows.view());
    model = std::make_unique<PiecewiseModel>(frame(), labels, rows.view(), expected, threads);
  }

  void describe_inputs(const Table& first) {
    std::vector<bool> categorical;
    for (const FormulaTerm& term : frame().formula.fixed)
      for (const std::string& name : term)
        detail::collect_inputs(detail::find_variable(frame(), name).expression, first, false,
                               frame().inputs, categorical);
    for (std::size_t k = 0; k < frame().inputs.size(); ++k) {
      ModelInput& input = frame().inputs[k];
      if (!categorical[k]) continue;
      for (const ModelVariable& variable : frame().variables) {
        std::vector<ModelInput> own;
        std::vector<bool> own_categorical;
        detail::collect_inputs(variable.expression, first, false, own, own_categorical);
        if (own.size() == 1 && own.front().name == input.name && !variable.levels.empty())
          input.levels = variable.levels;
      }
    }
    summaries.resize(frame().inputs.size());
  }

  detail::VariableValues values_of(const ModelVariable& variable, const Table& rows) const {
    if (!variable.levels.empty()) {
      const Evaluated evaluated = evaluate(variable.expression, rows);
      const auto& factor = std::get<Factor>(evaluated);
      const std::vector<char> occurs = levels_that_occur(factor);
      for (std::size_t k = 0; k < occurs.size(); ++k)
        if (occurs[k] != 0 && std::find(variable.levels.begin(), variable.levels.end(),
                                        factor.levels[k]) == variable.levels.end())
          throw UnknownLevel("\"" + variable.name + "\" has the level \"" + factor.levels[k] +
                             "\", which the first rows do not have; name its levels");
    }
    return detail::variable_values(variable, rows, false);
  }

  VectorXd numbers(const std::string& text, const std::string& what, const Table& rows) const {
    Evaluated evaluated = evaluate(rowwise(text), rows);
    if (auto* values = std::get_if<VectorXd>(&evaluated)) return std::move(*values);
    throw DataError(what + " \"" + text + "\" is categorical; numbers are required",
                    rows.origin().file);
  }

  CompleteRows complete(const Table& rows, bool count) {
    CompleteRows result;
    std::vector<char> keep(static_cast<std::size_t>(rows.rows()), 1);
    const auto note = [&](const std::string& name, auto&& is_missing_at) {
      Index missing_here = 0;
      for (std::size_t i = 0; i < keep.size(); ++i)
        if (is_missing_at(static_cast<Index>(i))) {
          keep[i] = 0;
          ++missing_here;
        }
      if (count && missing_here > 0) note_missing(name, missing_here);
    };
    const auto note_numbers = [&](const std::string& name, const VectorView& values) {
      if (std::isnan(values.sum())) note(name, [&](Index i) { return std::isnan(values[i]); });
    };
    result.response = numbers(frame().formula.response, "the response", rows);
    note_numbers(frame().formula.response, result.response);
    for (const ModelVariable& variable : frame().variables) {
      const detail::VariableValues& values = result.values.emplace_back(values_of(variable, rows));
      if (values.is_factor)
        note(variable.name, [&](Index i) { return values.codes[static_cast<std::size_t>(i)] < 0; });
      else
        note_numbers(variable.name, values.values(0));
    }
    for (detail::GroupIndex& group : groups) {
      const std::vector<std::int32_t>& codes = result.groups.emplace_back(group.numbers(rows));
      if (std::find(codes.begin(), codes.end(), -1) != codes.end())
        note(term_label(group.group()),
             [&](Index i) { return codes[static_cast<std::size_t>(i)] < 0; });
    }
    result.offset = formula_offset(frame().formula, rows);
    if (result.offset.size() > 0) note_numbers("offset", result.offset);
    if (!options.weights.empty()) {
      const VectorXd weights = numbers(options.weights, "the weights", rows);
      note_numbers(options.weights, weights);
      for (Index i = 0; i < weights.size(); ++i)
        if (weights[i] <= 0)
          throw DataError("weights \"" + options.weights + "\": " + shortest_decimal(weights[i]) +
                              " is not positive; weights must be above 0 (drop the row with "
                              "--where)",
                          rows.origin().file, rows.line(i));
      result.root_weight = weights.cwiseSqrt();
    }
    select_complete(keep, result);
    return result;
  }

  static void select_complete(const std::vector<char>& keep, CompleteRows& rows) {
    std::vector<Index> kept;
    for (std::size_t i = 0; i < keep.size(); ++i)
      if (keep[i] != 0) kept.push_back(static_cast<Index>(i));
    if (kept.size() == keep.size()) return;
    rows.omitted = static_cast<Index>(keep.size() - kept.size());
    for (detail::VariableValues& values : rows.values)
      values = detail::select(std::move(values), kept);
    rows.response = VectorXd(rows.response(kept));
    if (rows.offset.size() > 0) rows.offset = VectorXd(rows.offset(kept));
    if (rows.root_weight.size() > 0) rows.root_weight = VectorXd(rows.root_weight(kept));
    for (std::vector<std::int32_t>& codes : rows.groups) {
      std::vector<std::int32_t> selected;
      for (const Index row : kept) selected.push_back(codes[static_cast<std::size_t>(row)]);
      codes = std::move(selected);
    }
  }

  void note_missing(const std::string& name, Index number) {
    for (auto& [known, total] : frame().missing_values)
      if (known == name) {
        total += number;
        return;
      }
    frame().missing_values.emplace_back(name, number);
  }

  void add(const Table& table) {
    const CompleteRows rows = complete(table, true);
    omitted += rows.omitted;
    if (rows.response.size() == 0) return;
    model->add(rows.view());
    moments.add(rows.view());
    if (rows.offset.size() > 0) offset_sum += rows.offset.sum();
    for (std::size_t k = 0; k < summaries.size(); ++k)
      if (const Index place = variable_of_input(frame().inputs[k]); place >= 0)
        summaries[k].add(rows.values[static_cast<std::size_t>(place)].values(0));
  }

  /// The numeric variable that is the input itself; −1 if none is (as for log(x)).
  [[nodiscard]] Index variable_of_input(const ModelInput& input) {
    for (std::size_t v = 0; v < frame().variables.size(); ++v) {
      const ModelVariable& variable = frame().variables[v];
      if (variable.levels.empty() && to_string(variable.expression) == quoted_name(input.name))
        return static_cast<Index>(v);
      if (variable.levels.empty() && to_string(variable.expression) == input.name)
        return static_cast<Index>(v);
    }
    return -1;
  }

  void merge(const State& other) {
    std::vector<std::vector<std::int32_t>> maps;
    for (std::size_t l = 0; l < groups.size(); ++l)
      maps.push_back(groups[l].absorb(other.groups[l]));
    model->absorb(*other.model, maps);
    omitted += other.omitted;
    offset_sum += other.offset_sum;
    moments.merge(other.moments);
    for (std::size_t k = 0; k < summaries.size(); ++k) summaries[k].merge(other.summaries[k]);
    for (const auto& [name, number] : other.design.frame.missing_values) note_missing(name, number);
  }

  std::shared_ptr<const MixedModel::Data> finish() {
    std::vector<std::vector<std::int32_t>> numbers;
    std::vector<LevelNames> names;
    const Index n = model->rows();
    if (n == 0)
      throw DataError(
          "fit_mixed_model: no row is left to fit; every row misses a variable of the model");
    model->close();
    for (detail::GroupIndex& group : groups) {
      detail::GroupIndex::Order order = group.take_order();
      if (order.names.size() < 2)
        throw DataError("column \"" + term_label(group.group()) +
                        "\" has one level on the rows used; a grouping factor needs at least two");
      numbers.push_back(std::move(order.place));
      names.emplace_back(std::move(order.names));
      group = detail::GroupIndex(group.group());
    }
    model->renumber(numbers);
    std::shared_ptr<const MixedModel::Data> data = model->finish(names, omitted);
    model.reset();
    if (data == nullptr)
      throw DataError(
          "the fixed effects depend on one another, a group has no complete row, or a value is not "
          "finite; take the dependent term out, or fit the rows at once");
    describe(n);
    return data;
  }

  void describe(Index n) {
    for (std::size_t k = 0; k < summaries.size(); ++k) summaries[k].describe(frame().inputs[k]);
    design.n_omitted = omitted;
    design.fixed.resize(0, static_cast<Index>(design.fixed_terms.size()));
    design.fixed_triangle = moments.triangle();
    if (!frame().formula.offsets.empty())
      design.offset = VectorXd::Constant(1, offset_sum / static_cast<double>(n));
    for (RandomTerm& term : design.random)
      term.columns.resize(0, static_cast<Index>(term.terms.size()));
  }

  Design design;
  DesignOptions options;
  int threads;
  Index expected;
  std::vector<std::string> labels;         ///< of the grouping factors, innermost first
  std::vector<detail::GroupIndex> groups;  ///< the same
  std::unique_ptr<PiecewiseModel> model;
  detail::RowMoments moments;
  std::vector<detail::InputSummary> summaries;
  Index omitted = 0;
  double offset_sum = 0;
};

MixedAccumulator::MixedAccumulator(const Formula& formula, const Table& first,
                                   const VariableLevels& levels, const DesignOptions& options,
                                   int threads, Index expected_groups)
    : state_(std::make_unique<State>(formula, first, levels, options, threads, expected_groups)) {}
MixedAccumulator::~MixedAccumulator() = default;
MixedAccumulator::MixedAccumulator(MixedAccumulator&&) noexcept = default;
MixedAccumulator& MixedAccumulator::operator=(MixedAccumulator&&) noexcept = default;

void MixedAccumulator::add(const Table& rows) { state_->add(rows); }
void MixedAccumulator::merge(const MixedAccumulator& other) { state_->merge(*other.state_); }
Index MixedAccumulator::rows() const { return state_->moments.rows(); }
Index MixedAccumulator::groups() const { return state_->groups.front().size(); }
Index MixedAccumulator::omitted() const { return state_->omitted; }
MixedModel MixedAccumulator::model() { return MixedModel(state_->finish()); }
const Design& MixedAccumulator::design() const { return state_->design; }
VarianceExplained MixedAccumulator::explained(const MixedFit& fit) const {
  return state_->moments.explained(fit);
}

}  // namespace rapport
