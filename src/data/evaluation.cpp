#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/data/panel.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rapport {
namespace {

bool is_operator_call(const ExpressionNode& node) {
  return node.kind == ExpressionNode::Kind::call && !is_expression_function(node.name);
}

bool is_comparison(const ExpressionNode& node) {
  constexpr std::array<std::string_view, 6> comparisons{"==", "!=", "<=", ">=", "<", ">"};
  return std::find(comparisons.begin(), comparisons.end(), node.name) != comparisons.end();
}

struct Text {
  std::string value;
};

using Value = std::variant<Eigen::VectorXd, Factor, Text>;

std::string describe(const Expression& expression) {
  return expression->kind == ExpressionNode::Kind::column ? "column \"" + expression->name + "\""
                                                          : "`" + to_string(expression) + "`";
}

std::optional<double> as_number(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value))
    return std::nullopt;
  return value;
}

double finite_or_missing(double value) { return std::isfinite(value) ? value : missing; }

double compare(const std::string& operation, double difference) {
  if (operation == "==") return difference == 0 ? 1 : 0;
  if (operation == "!=") return difference != 0 ? 1 : 0;
  if (operation == "<") return difference < 0 ? 1 : 0;
  if (operation == "<=") return difference <= 0 ? 1 : 0;
  if (operation == ">") return difference > 0 ? 1 : 0;
  return difference >= 0 ? 1 : 0;
}

double three_way(double a, double b) { return a < b ? -1 : (a > b ? 1 : 0); }

double combine(char operation, double a, double b) {
  switch (operation) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '^':
      return std::pow(a, b);
    case '&':
      return a != 0 && b != 0 ? 1 : 0;
    default:
      return a != 0 || b != 0 ? 1 : 0;
  }
}

class Evaluator {
 public:
  explicit Evaluator(const Table& table) : table_(table) {}

  [[nodiscard]] Value value(const Expression& expression) const {
    const ExpressionNode& node = *expression;
    switch (node.kind) {
      case ExpressionNode::Kind::number:
        return Eigen::VectorXd(Eigen::VectorXd::Constant(table_.rows(), node.number));
      case ExpressionNode::Kind::text:
        return Text{node.name};
      case ExpressionNode::Kind::column: {
        const Column& column = table_.column(node.name);
        if (const auto* numbers = std::get_if<Eigen::VectorXd>(&column.values)) return *numbers;
        return std::get<Factor>(column.values);
      }
      case ExpressionNode::Kind::call:
        break;
    }
    return is_operator_call(node) ? operation(expression) : function(expression);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    if (table_.origin().file.empty()) throw DataError(message);
    throw DataError(message, table_.origin().file);
  }

  [[nodiscard]] Eigen::VectorXd numbers(const Expression& expression,
                                        const std::string& operation) const {
    Value found = value(expression);
    if (auto* held = std::get_if<Eigen::VectorXd>(&found)) return std::move(*held);
    fail("`" + operation + "` requires numbers, but " + describe(expression) +
         (std::holds_alternative<Factor>(found) ? " is categorical" : " is text"));
  }

  [[nodiscard]] Factor groups(const Expression& expression) const {
    Value found = value(expression);
    if (auto* held = std::get_if<Eigen::VectorXd>(&found)) return make_factor(*held);
    if (auto* held = std::get_if<Factor>(&found)) return std::move(*held);
    fail(describe(expression) + " is text; a column of groups is required");
  }

  [[nodiscard]] Value operation(const Expression& expression) const {
    const ExpressionNode& node = *expression;
    if (is_comparison(node)) return comparison_of(node);
    Eigen::VectorXd left = numbers(node.arguments[0], node.name);
    if (node.arguments.size() == 1) {
      if (node.name == "-") left = -left;
      if (node.name == "!")
        left =
            left.unaryExpr([](double a) { return std::isnan(a) ? missing : (a == 0 ? 1.0 : 0.0); })
                .eval();
      return left;
    }
    const Eigen::VectorXd right = numbers(node.arguments[1], node.name);
    const char sign_of_operation = node.name[0];
    return Eigen::VectorXd(left.binaryExpr(right, [&](double a, double b) {
      return std::isnan(a) || std::isnan(b) ? missing
                                            : finite_or_missing(combine(sign_of_operation, a, b));
    }));
  }

  /// Numbers compare by value and categories by name; a category and a number compare by value
  /// where every category is a number. Categories have no order besides.
  [[nodiscard]] Value comparison_of(const ExpressionNode& node) const {
    const Value left = value(node.arguments[0]);
    const Value right = value(node.arguments[1]);
    const bool equality = node.name == "==" || node.name == "!=";
    if (std::holds_alternative<Text>(left) && std::holds_alternative<Text>(right))
      fail("`" + node.name + "` compares two texts; one side must be a column");
    Eigen::VectorXd result(table_.rows());
    const bool by_name = equality && !std::holds_alternative<Eigen::VectorXd>(left) &&
                         !std::holds_alternative<Eigen::VectorXd>(right);
    if (by_name) {
      for (Index i = 0; i < result.size(); ++i) {
        const std::string* a = name_at(left, i);
        const std::string* b = name_at(right, i);
        result[i] = a == nullptr || b == nullptr ? missing : compare(node.name, *a == *b ? 0 : 1);
      }
      return result;
    }
    const Eigen::VectorXd a = as_numbers(left, node, 0);
    const Eigen::VectorXd b = as_numbers(right, node, 1);
    for (Index i = 0; i < result.size(); ++i)
      result[i] = std::isnan(a[i]) || std::isnan(b[i]) ? missing
                                                       : compare(node.name, three_way(a[i], b[i]));
    return result;
  }

  static const std::string* name_at(const Value& value, Index row) {
    if (const auto* text = std::get_if<Text>(&value)) return &text->value;
    const auto& factor = std::get<Factor>(value);
    const std::int32_t code = factor.codes[static_cast<std::size_t>(row)];
    return code < 0 ? nullptr : &factor.levels[static_cast<std::size_t>(code)];
  }

  [[nodiscard]] Eigen::VectorXd as_numbers(const Value& value, const ExpressionNode& node,
                                           std::size_t which) const {
    if (const auto* held = std::get_if<Eigen::VectorXd>(&value)) return *held;
    const std::string what = "`" + node.name + "`: " + describe(node.arguments[which]);
    if (const auto* text = std::get_if<Text>(&value)) {
      const std::optional<double> number = as_number(text->value);
      if (!number) fail(what + " is no number, but the other side is numeric or has to be ordered");
      return Eigen::VectorXd::Constant(table_.rows(), *number);
    }
    const auto& factor = std::get<Factor>(value);
    std::vector<double> levels;
    for (const std::string& level : factor.levels) {
      const std::optional<double> number = as_number(level);
      if (!number)
        fail(what + " is categorical (\"" + level +
             "\"); compare it by == or != with a text in quotes");
      levels.push_back(*number);
    }
    Eigen::VectorXd numbers(factor.size());
    for (Index i = 0; i < numbers.size(); ++i) {
      const std::int32_t code = factor.codes[static_cast<std::size_t>(i)];
      numbers[i] = code < 0 ? missing : levels[static_cast<std::size_t>(code)];
    }
    return numbers;
  }

  [[nodiscard]] Value function(const Expression& expression) const {
    const ExpressionNode& node = *expression;
    const Expression& x = node.arguments[0];
    if (node.name == "factor") return groups(x);
    if (node.name == "present") return present(x);
    if (node.name == "mean") return mean(x);
    if (node.arguments.size() > 1) return panel_function(expression);
    double (*f)(double) = node.name == "log"    ? static_cast<double (*)(double)>(std::log)
                          : node.name == "exp"  ? static_cast<double (*)(double)>(std::exp)
                          : node.name == "sqrt" ? static_cast<double (*)(double)>(std::sqrt)
                                                : static_cast<double (*)(double)>(std::fabs);
    return Eigen::VectorXd(
        numbers(x, node.name).unaryExpr([f](double a) { return finite_or_missing(f(a)); }));
  }

  [[nodiscard]] Value present(const Expression& x) const {
    const Value found = value(x);
    Eigen::VectorXd result = Eigen::VectorXd::Ones(table_.rows());
    for (Index i = 0; i < result.size(); ++i) {
      if (const auto* held = std::get_if<Eigen::VectorXd>(&found))
        result[i] = std::isnan((*held)[i]) ? 0 : 1;
      else if (name_at(found, i) == nullptr)
        result[i] = 0;
    }
    return result;
  }

  [[nodiscard]] Value mean(const Expression& x) const {
    Eigen::VectorXd values = numbers(x, "mean");
    double total = 0;
    Index count = 0;
    for (const double v : values) {
      if (is_missing(v)) continue;
      total += v;
      ++count;
    }
    for (double& v : values)
      if (!is_missing(v)) v = total / static_cast<double>(count);
    return values;
  }

  [[nodiscard]] Value panel_function(const Expression& expression) const {
    const ExpressionNode& node = *expression;
    const std::string name = to_string(expression);
    if (table_.contains(name)) return table_.numbers(name);
    const Eigen::VectorXd x = numbers(node.arguments[0], node.name);
    const Factor g = groups(node.arguments[1]);
    if (node.name == "within") return within_group(x, g);
    if (node.name == "between") return between_group(x, g);
    return lag(x, g, numbers(node.arguments[2], node.name));
  }

  const Table& table_;
};

}  // namespace

std::variant<Eigen::VectorXd, Factor> evaluate(const Expression& expression, const Table& table) {
  Value value = Evaluator(table).value(expression);
  if (auto* numbers = std::get_if<Eigen::VectorXd>(&value)) return std::move(*numbers);
  if (auto* factor = std::get_if<Factor>(&value)) return std::move(*factor);
  const std::vector<std::string> same(static_cast<std::size_t>(table.rows()),
                                      std::get<Text>(value).value);
  return make_factor(same);
}

}  // namespace rapport
