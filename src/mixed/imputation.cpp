#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/design.hpp>
#include <rapport/mixed/imputation.hpp>

#include "imputation_sampler.hpp"
#include "independent_columns.hpp"
#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A variable of the model with what turns it into numbers and back.
struct Variable {
  std::string name;
  IncompleteColumn column;  ///< over the rows of the model, or over groups
  double mean = 0;          ///< continuous
  double sd = 1;
  Factor categories = {};  ///< of the whole table: binary and ordinal
  bool numeric = true;     ///< a column of numbers
  VectorXd numbers = {};   ///< numeric: each category's value
};

bool names(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

ImputedKind kind_of(const Table& table, const std::string& name, const Factor& levels,
                    const ImputationModel& model) {
  if (levels.level_count() < 2)
    throw DataError(
        "impute: \"" + name + "\" " +
            (levels.level_count() == 0 ? "is missing in every row" : "has one value only") +
            "; nothing can be learnt from it",
        table.origin().file);
  if (levels.level_count() == 2) return ImputedKind::binary;
  if (names(model.ordinal, name)) return ImputedKind::ordinal;
  if (!table.is_numeric(name))
    throw InvalidArgument("impute: `" + name + "` is text with " +
                          std::to_string(levels.level_count()) +
                          " levels; name it in `ordinal` if their order is meant, else code it by "
                          "several columns of 0 and 1");
  return ImputedKind::continuous;
}

Variable make_variable(const Table& rows, const std::string& name, const ImputationModel& model) {
  Variable variable;
  variable.name = name;
  variable.numeric = rows.is_numeric(name);
  Factor levels = rows.factor(name);
  variable.column.kind = kind_of(rows, name, levels, model);
  if (variable.column.kind == ImputedKind::continuous) {
    const VectorXd& values = rows.numbers(name);
    const Moments all = moments(values);
    variable.mean = all.mean;
    variable.sd = all.sd;
    variable.column.values = (values.array() - all.mean) / all.sd;
    return variable;
  }
  variable.column.codes = levels.codes;
  variable.column.categories = levels.level_count();
  if (variable.numeric) {  // the levels of a numeric column ascend
    const VectorXd& values = rows.numbers(name);
    variable.numbers.resize(levels.level_count());
    for (Index i = 0; i < values.size(); ++i)
      if (const auto code = levels.codes[static_cast<std::size_t>(i)]; code >= 0)
        variable.numbers[code] = values[i];
  }
  variable.categories = std::move(levels);
  return variable;
}

/// One row a group, with each group's value of the group variables wherever it stands.
Table group_table(const Table& rows, const Factor& group, const ImputationModel& model) {
  std::vector<Index> first(static_cast<std::size_t>(group.level_count()), -1);
  for (Index i = 0; i < rows.rows(); ++i) {
    Index& at = first[static_cast<std::size_t>(group.codes[static_cast<std::size_t>(i)])];
    if (at < 0) at = i;
  }
  Table groups = rows.select(first);
  for (const std::string& name : model.group_variables) {
    const Factor values = rows.factor(name);
    std::vector<Index> at = first;  // a row that has the value
    for (Index i = 0; i < rows.rows(); ++i) {
      const auto code = values.codes[static_cast<std::size_t>(i)];
      if (code < 0) continue;
      const auto g = static_cast<std::size_t>(group.codes[static_cast<std::size_t>(i)]);
      const auto known = values.codes[static_cast<std::size_t>(at[g])];
      if (known >= 0 && known != code)
        throw DataError("impute: \"" + name + "\" has two values (" +
                            values.levels[static_cast<std::size_t>(known)] + ", " +
                            values.levels[static_cast<std::size_t>(code)] + ") in " + model.group +
                            " \"" + group.levels[g] +
                            "\"; a variable that changes within groups belongs in `variables`",
                        rows.origin().file, rows.line(i));
      if (known < 0) at[g] = i;
    }
    const Table found = rows.select(at);
    const Column& column = found.column(name);
    if (rows.is_numeric(name))
      groups.set(name, std::get<VectorXd>(column.values));
    else
      groups.set(name, std::get<Factor>(column.values));
  }
  return groups;
}

constexpr const char* constant = ".one";  // the response of designs that are made for their columns

Design columns_design(Table table, const std::string& right) {
  table.set(constant, VectorXd(VectorXd::Ones(table.rows())));
  return make_design(parse_formula(std::string(constant) + " ~ " + right), table);
}

/// X with the columns that vary over groups first, without columns that depend on others.
struct FixedColumns {
  MatrixXd columns;
  std::vector<std::string> names;
};

FixedColumns fixed_columns(const Design& design, const std::vector<std::string>& first) {
  std::vector<Index> order;
  for (const std::string& term : first)
    order.push_back(std::find(design.fixed_terms.begin(), design.fixed_terms.end(), term) -
                    design.fixed_terms.begin());
  for (Index k = 0; k < design.fixed.cols(); ++k)
    if (!std::count(order.begin(), order.end(), k)) order.push_back(k);
  FixedColumns ordered;
  const MatrixXd all = design.fixed(Eigen::all, order);
  for (const Index k : detail::independent_columns(all)) {
    ordered.names.push_back(
        design.fixed_terms[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]);
    ordered.columns.conservativeResize(all.rows(), ordered.columns.cols() + 1);
    VectorXd column = all.col(k);
    const double sd = std::sqrt(variance(column));
    if (sd > 0) column /= sd;  // so that one prior suits every slope
    ordered.columns.rightCols(1) = column;
  }
  return ordered;
}

/// Everything that the chains need, and what turns their values back.
struct Prepared {
  ImputationProblem problem;
  ImputationNames names;
  std::vector<Variable> variables;
  std::vector<Variable> group_variables;
  std::vector<Index> rows;  ///< of the table
};

std::string right_hand_side(const ImputationModel& model) {
  std::string right = "1";
  for (const std::string& slope : model.slopes) right += " + " + quoted_name(slope);
  if (!model.predictors.empty()) right += " + " + model.predictors;
  if (model.group.empty()) return right;
  right += " + (1";
  for (const std::string& slope : model.slopes) right += " + " + quoted_name(slope);
  return right + " | " + quoted_name(model.group) + ")";
}

void prepare_groups(const Table& rows, const Design& design, const ImputationModel& model,
                    Prepared& prepared) {
  const RandomTerm& term = design.random.front();
  prepared.problem.group = term.group;
  prepared.problem.groups = static_cast<Index>(term.levels.size());
  prepared.problem.effects = term.columns.cols();
  prepared.names.effects = term.terms;
  prepared.names.group = model.group;
  if (model.group_variables.empty()) return;
  const Factor group{.codes = term.group, .levels = term.levels};
  const Table groups = group_table(rows, group, model);
  const Design of_groups = columns_design(
      groups, model.group_predictors.empty() ? "1" : "1 + " + model.group_predictors);
  if (of_groups.n_omitted > 0)
    throw DataError("impute: " + std::to_string(of_groups.n_omitted) + " groups of \"" +
                        model.group + "\" miss a group predictor; predictors must be complete",
                    rows.origin().file);
  const FixedColumns fixed = fixed_columns(of_groups, {"(Intercept)"});
  prepared.problem.group_fixed = fixed.columns;
  prepared.names.group_fixed = fixed.names;
  for (const std::string& name : model.group_variables) {
    prepared.group_variables.push_back(make_variable(groups, name, model));
    prepared.problem.group_columns.push_back(prepared.group_variables.back().column);
  }
  prepared.names.group_variables = model.group_variables;
}

Prepared prepare(const Table& table, const ImputationModel& model) {
  const Design design = columns_design(table, right_hand_side(model));
  Prepared prepared;
  prepared.rows = design.rows;
  const Table rows = table.select(design.rows);
  const FixedColumns fixed =
      fixed_columns(design, design.random.empty() ? std::vector<std::string>{"(Intercept)"}
                                                  : design.random.front().terms);
  prepared.problem.fixed = fixed.columns;
  prepared.names.fixed = fixed.names;
  for (const std::string& name : model.variables) {
    prepared.variables.push_back(make_variable(rows, name, model));
    prepared.problem.columns.push_back(prepared.variables.back().column);
  }
  prepared.names.variables = model.variables;
  if (!model.group.empty()) prepare_groups(rows, design, model, prepared);
  return prepared;
}

void validate(const Table& table, const ImputationModel& model, const ImputationOptions& options) {
  if (model.variables.empty())
    throw InvalidArgument("impute: `variables` is empty; at least one variable is required");
  if (model.group.empty() && (!model.group_variables.empty() || !model.slopes.empty()))
    throw InvalidArgument("impute: `group_variables` and `slopes` need a `group`");
  std::set<std::string> seen;
  for (const auto* list : {&model.variables, &model.group_variables})
    for (const std::string& name : *list) {
      (void)table.column(name);
      if (!seen.insert(name).second)
        throw InvalidArgument("impute: `" + name + "` stands among the variables twice");
    }
  for (const std::string& slope : model.slopes)
    if (const Eigen::VectorXd& x = table.numbers(slope); !(variance(x) > 0))
      throw DataError("impute: the slopes of \"" + slope + "\" cannot vary: it is constant",
                      table.origin().file);
  for (const std::string& name : model.ordinal)
    if (!seen.count(name))
      throw InvalidArgument("impute: `" + name + "` is ordinal and not among the variables");
  require_at_least("impute", "imputations", options.imputations, 1);
  require_at_least("impute", "chains", options.chains, 1);
  require_at_least("impute", "thin", options.thin, 1);
  require_at_least("impute", "burn_in", options.burn_in, 0);
}

/// The table's column with the drawn values where it has none; `value(place)` is the drawn one at
/// a place among the model's rows.
template <class Value>
void fill(Table& table, const Prepared& prepared, const Variable& variable, const Value& value) {
  const bool continuous = variable.column.kind == ImputedKind::continuous;
  if (variable.numeric) {
    VectorXd numbers = table.numbers(variable.name);
    for (std::size_t i = 0; i < prepared.rows.size(); ++i) {
      double& cell = numbers[prepared.rows[i]];
      if (!is_missing(cell)) continue;
      cell = continuous ? variable.mean + variable.sd * value(i)
                        : variable.numbers[static_cast<Index>(value(i))];
    }
    table.set(variable.name, std::move(numbers));
    return;
  }
  Factor factor = table.factor(variable.name);
  for (std::size_t i = 0; i < prepared.rows.size(); ++i) {
    std::int32_t& code = factor.codes[static_cast<std::size_t>(prepared.rows[i])];
    if (code >= 0) continue;
    const std::string& level = variable.categories.levels[static_cast<std::size_t>(value(i))];
    code = static_cast<std::int32_t>(std::find(factor.levels.begin(), factor.levels.end(), level) -
                                     factor.levels.begin());
  }
  table.set(variable.name, std::move(factor));
}

Table completed(const Table& table, const Prepared& prepared, const ImputationSampler& chain) {
  Table result = table;
  for (std::size_t k = 0; k < prepared.variables.size(); ++k) {
    const Variable& variable = prepared.variables[k];
    const bool continuous = variable.column.kind == ImputedKind::continuous;
    fill(result, prepared, variable, [&](std::size_t i) {
      const double drawn = chain.values()(static_cast<Index>(i), static_cast<Index>(k));
      return continuous ? drawn : static_cast<double>(chain.code(k, drawn));
    });
  }
  for (std::size_t k = 0; k < prepared.group_variables.size(); ++k) {
    const Variable& variable = prepared.group_variables[k];
    fill(result, prepared, variable, [&](std::size_t i) {
      const std::int32_t group = prepared.problem.group[i];
      const double drawn = chain.group_values()(group, static_cast<Index>(k));
      if (variable.column.kind != ImputedKind::continuous)
        return static_cast<double>(chain.group_code(k, drawn));
      return drawn;  // observed in another row of the group: that value
    });
  }
  return result;
}

/// How many imputations chain c draws, and the number of its first.
struct Share {
  Index first;
  Index count;
};
Share share_of(Index chain, const ImputationOptions& options) {
  const Index each = options.imputations / options.chains;
  const Index more = options.imputations % options.chains;
  return {chain * each + std::min(chain, more), each + (chain < more ? 1 : 0)};
}

/// Reports the iterations of all chains together; false asks them to stop.
class Listener {
 public:
  Listener(const Progress& progress, Index total) : progress_(progress), total_(total) {}

  void step() {
    if (!progress_) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!progress_(++done_, total_)) throw Interrupted("impute: stopped");
  }

 private:
  const Progress& progress_;
  Index total_;
  Index done_ = 0;
  std::mutex mutex_;
};

void count_missing(const std::vector<Variable>& variables, bool of_group, Imputation& result) {
  for (const Variable& variable : variables) {
    Index n_missing = 0;
    for (Index i = 0; i < variable.column.rows(); ++i)
      n_missing += variable.column.is_missing(i) ? 1 : 0;
    result.variables.push_back({.name = variable.name,
                                .kind = variable.column.kind,
                                .of_group = of_group,
                                .n_missing = n_missing});
  }
}

void diagnose(const std::vector<MatrixXd>& traces, const std::vector<std::string>& parameters,
              const ImputationOptions& options, Imputation& result) {
  const Index iterations = traces.front().rows();
  result.largest_r_hat = result.largest_autocorrelation = missing;
  if (iterations < 4) return;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    MatrixXd draws(iterations, static_cast<Index>(traces.size()));
    for (std::size_t c = 0; c < traces.size(); ++c)
      draws.col(static_cast<Index>(c)) = traces[c].col(static_cast<Index>(k));
    const ChainDiagnostic diagnostic =
        chain_diagnostic(draws, std::min(options.thin, iterations - 1));
    result.parameters.push_back({.name = parameters[k], .diagnostic = diagnostic});
    result.largest_r_hat = std::fmax(result.largest_r_hat, diagnostic.r_hat);
    result.largest_autocorrelation =
        std::fmax(result.largest_autocorrelation, diagnostic.autocorrelation);
  }
  if (result.largest_r_hat > 1.05)
    result.warnings.push_back("the chains have not come together (largest R-hat " +
                              shortest_decimal(std::round(result.largest_r_hat * 1000) / 1000) +
                              "): a longer burn-in, or fewer variables, is needed");
}

}  // namespace

Imputation impute(const Table& table, const ImputationModel& model, Seed seed,
                  const ImputationOptions& options) {
  validate(table, model, options);
  const Prepared prepared = prepare(table, model);
  const std::vector<std::string> parameters = parameter_names(prepared.problem, prepared.names);
  const Index most = (options.imputations + options.chains - 1) / options.chains;
  const Index iterations = most * options.thin;
  Imputation result{};
  result.tables.resize(static_cast<std::size_t>(options.imputations));
  std::vector<MatrixXd> traces(static_cast<std::size_t>(options.chains));
  Listener listener(options.progress, options.chains * (options.burn_in + iterations));
  parallel_for(options.chains, options.threads, [&](Index c) {
    ImputationSampler chain(prepared.problem, RandomStream(seed, static_cast<std::uint64_t>(c)));
    const Share share = share_of(c, options);
    MatrixXd& trace = traces[static_cast<std::size_t>(c)];
    trace.resize(iterations, static_cast<Index>(parameters.size()));
    for (Index t = 0; t < options.burn_in; ++t) {
      chain.step(true);
      listener.step();
    }
    for (Index t = 0; t < iterations; ++t) {
      chain.step(false);
      trace.row(t) = chain.parameters().transpose();
      const Index draw = (t + 1) / options.thin;
      if ((t + 1) % options.thin == 0 && draw <= share.count)
        result.tables[static_cast<std::size_t>(share.first + draw - 1)] =
            completed(table, prepared, chain);
      listener.step();
    }
  });
  count_missing(prepared.variables, false, result);
  count_missing(prepared.group_variables, true, result);
  diagnose(traces, parameters, options, result);
  result.n_used = static_cast<Index>(prepared.rows.size());
  result.n_omitted = table.rows() - result.n_used;
  if (result.n_omitted > 0)
    result.warnings.push_back(std::to_string(result.n_omitted) +
                              " rows miss the group or a predictor: nothing is imputed in them");
  return result;
}

}  // namespace rapport
