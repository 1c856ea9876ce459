#include "fit_structure.hpp"

#include <rapport/data/expression.hpp>

#include <cmath>
#include <utility>
#include <variant>

namespace rapport::program {
namespace {

/// "ar1(session | therapist/patient)" in its parts.
struct Call {
  std::string name;
  std::string argument;  ///< "session"; empty without parentheses
  std::string group;     ///< "therapist/patient"; empty without a bar
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Call parse_call(const std::string& text, const std::string& option) {
  const std::size_t open = text.find('(');
  Call call{.name = trimmed(text.substr(0, open)), .argument = {}, .group = {}};
  if (open == std::string::npos) return call;
  const std::size_t close = text.rfind(')');
  if (close == std::string::npos || close < open || !trimmed(text.substr(close + 1)).empty()) {
    throw UsageError(option + ": \"" + text + "\" lacks its closing parenthesis");
  }
  const std::string inside = text.substr(open + 1, close - open - 1);
  const std::size_t bar = inside.find('|');
  call.argument = trimmed(inside.substr(0, bar));
  if (bar != std::string::npos) call.group = trimmed(inside.substr(bar + 1));
  return call;
}

/// The text between stars that stand outside of parentheses.
std::vector<std::string> factors_of(const std::string& text) {
  std::vector<std::string> factors(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == '*' && depth == 0)
      factors.emplace_back();
    else
      factors.back() += c;
  }
  return factors;
}

void parse_variance(const std::string& text, StructureRequest& request) {
  if (trimmed(text) == "constant") return;
  for (const std::string& factor : factors_of(text)) {
    const Call call = parse_call(trimmed(factor), "--variance");
    const auto function = choose("--variance", call.name, parse_variance_function,
                                 {"ident", "power", "exp", "const-power"});
    if (call.argument.empty())
      throw UsageError("--variance: \"" + text + "\" must be " + call.name + "(COLUMN)");
    request.variance.push_back({.function = function, .column = call.argument});
  }
}

Factor factor_of(const std::string& text, const Table& table) {
  const std::variant<Eigen::VectorXd, Factor> value = evaluate(parse_expression(text), table);
  if (const auto* factor = std::get_if<Factor>(&value)) return *factor;
  return make_factor(std::get<Eigen::VectorXd>(value));
}

/// "therapist/patient" or "therapist:patient": the combinations.
Factor groups_of(const std::string& text, const Table& table) {
  const std::size_t cut = text.find_first_of("/:");
  if (cut == std::string::npos) return factor_of(text, table);
  return cross(factor_of(trimmed(text.substr(0, cut)), table),
               groups_of(trimmed(text.substr(cut + 1)), table));
}

Eigen::VectorXd numbers_of(const std::string& text, const Table& table, const std::string& option) {
  const std::variant<Eigen::VectorXd, Factor> value = evaluate(parse_expression(text), table);
  if (const auto* numbers = std::get_if<Eigen::VectorXd>(&value)) return *numbers;
  throw DataError(option + ": " + text + " is categorical; numbers are required");
}

/// The columns of a structure over all rows of the table; empty where it needs none.
struct StructureColumns {
  Factor groups = {};
  Eigen::VectorXd time = {};
  std::vector<Factor> strata = {};               ///< of each variance function, or empty
  std::vector<Eigen::VectorXd> covariates = {};  ///< of each variance function, or empty

  [[nodiscard]] bool misses(Index row) const {
    const auto at = static_cast<std::size_t>(row);
    bool any = (!groups.codes.empty() && groups.codes[at] < 0) ||
               (time.size() > 0 && std::isnan(time[row]));
    for (const Factor& factor : strata)
      any = any || (!factor.codes.empty() && factor.codes[at] < 0);
    for (const Eigen::VectorXd& values : covariates)
      any = any || (values.size() > 0 && std::isnan(values[row]));
    return any;
  }
};

StructureColumns columns_of(const StructureRequest& request, const Table& table) {
  StructureColumns columns;
  if (!request.group.empty()) columns.groups = groups_of(request.group, table);
  if (!request.time.empty()) columns.time = numbers_of(request.time, table, "--residual");
  for (const StructureRequest::Variance& term : request.variance) {
    const bool by_level = term.function == VarianceFunction::by_level;
    columns.strata.push_back(by_level ? factor_of(term.column, table) : Factor{});
    columns.covariates.push_back(by_level ? Eigen::VectorXd()
                                          : numbers_of(term.column, table, "--variance"));
  }
  return columns;
}

}  // namespace

StructureRequest parse_structure(const FitArguments& arguments) {
  StructureRequest request;
  const Call residual = parse_call(arguments.residual, "--residual");
  request.correlation = choose(
      "--residual", residual.name, parse_residual_correlation,
      {"independent", "ar1", "car1", "car1-nugget", "arma", "toeplitz", "cs", "unstructured"});
  const bool exchangeable = request.correlation == ResidualCorrelation::compound_symmetry;
  if (exchangeable) {
    request.group = residual.group.empty() ? residual.argument : residual.group;
  } else {
    request.time = residual.argument;
    request.group = residual.group;
  }
  const bool independent = request.correlation == ResidualCorrelation::independent;
  if (!independent && (request.group.empty() || (!exchangeable && request.time.empty()))) {
    throw UsageError("--residual: \"" + arguments.residual + "\" must be " + residual.name +
                     (exchangeable ? "(GROUP)" : "(TIME | GROUP)"));
  }
  parse_variance(arguments.variance, request);
  return request;
}

PreparedStructure prepare_structure(const StructureRequest& request, const Table& table,
                                    Design design) {
  const StructureColumns columns = columns_of(request, table);
  std::vector<Index> kept;
  for (std::size_t i = 0; i < design.rows.size(); ++i)
    if (!columns.misses(design.rows[i])) kept.push_back(static_cast<Index>(i));
  const auto dropped = static_cast<Index>(design.rows.size() - kept.size());
  if (dropped > 0) {
    const Index omitted = design.n_omitted;
    design = select(design, kept);
    design.n_omitted = omitted + dropped;
  }
  ResidualStructure structure{.correlation = request.correlation};
  if (!request.group.empty()) {
    Factor used = select(columns.groups, design.rows);
    structure.group = std::move(used.codes);
    structure.groups = std::move(used.levels);
  }
  if (!request.time.empty()) structure.time = columns.time(design.rows);
  for (std::size_t t = 0; t < request.variance.size(); ++t) {
    VarianceTerm term{.function = request.variance[t].function};
    if (term.function == VarianceFunction::by_level) {
      Factor used = select(columns.strata[t], design.rows);
      term.stratum = std::move(used.codes);
      term.strata = std::move(used.levels);
    } else {
      term.covariate = columns.covariates[t](design.rows);
    }
    structure.variance.push_back(std::move(term));
  }
  return {.design = std::move(design), .structure = std::move(structure)};
}

}  // namespace rapport::program
