#include <rapport/base/error.hpp>
#include <rapport/data/expression.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>

namespace rapport {
namespace {

constexpr int deepest_nesting = 200;
constexpr int deepest_tree = 1000;

struct FunctionName {
  std::string_view name;
  std::size_t arguments;
};

constexpr std::array<FunctionName, 10> functions = {{{"log", 1},
                                                     {"exp", 1},
                                                     {"sqrt", 1},
                                                     {"abs", 1},
                                                     {"factor", 1},
                                                     {"present", 1},
                                                     {"mean", 1},
                                                     {"within", 2},
                                                     {"between", 2},
                                                     {"lag", 3}}};

const FunctionName* find_function(std::string_view name) {
  const auto* const found = std::find_if(functions.begin(), functions.end(),
                                         [&](const FunctionName& f) { return f.name == name; });
  return found == functions.end() ? nullptr : found;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Letters of ASCII and every byte of a longer UTF-8 character.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.'; }

bool starts_name(std::string_view text) {
  if (text.empty()) return false;
  if (text[0] == '.') return text.size() == 1 || !is_digit(text[1]);
  return is_letter(text[0]) || text[0] == '_';
}

bool is_plain_name(std::string_view text) {
  return starts_name(text) && std::all_of(text.begin(), text.end(), continues_name);
}

/// Binary operators by how tightly they bind; those of one level associate from the left, ^ from
/// the right.
enum Level { disjunction, conjunction, negation, comparison, sum, product, sign, power, operand };

struct Operator {
  std::string_view text;
  Level level;
};

constexpr std::array<Operator, 13> operators = {{{"==", comparison},
                                                 {"!=", comparison},
                                                 {"<=", comparison},
                                                 {">=", comparison},
                                                 {"<", comparison},
                                                 {">", comparison},
                                                 {"|", disjunction},
                                                 {"&", conjunction},
                                                 {"+", sum},
                                                 {"-", sum},
                                                 {"*", product},
                                                 {"/", product},
                                                 {"^", power}}};

Expression call(std::string name, std::vector<Expression> arguments, std::size_t position) {
  ExpressionNode node{.kind = ExpressionNode::Kind::call,
                      .number = 0,
                      .name = std::move(name),
                      .arguments = std::move(arguments),
                      .position = position,
                      .depth = 1};
  for (const Expression& argument : node.arguments)
    node.depth = std::max(node.depth, argument->depth + 1);
  return std::make_shared<const ExpressionNode>(std::move(node));
}

Expression leaf(ExpressionNode::Kind kind, double number, std::string name, std::size_t position) {
  return std::make_shared<const ExpressionNode>(ExpressionNode{.kind = kind,
                                                               .number = number,
                                                               .name = std::move(name),
                                                               .arguments = {},
                                                               .position = position,
                                                               .depth = 1});
}

/// Recursive descent, one function a level of the grammar.
class Parser {
 public:
  Parser(std::string_view text, std::size_t position) : text_(text), p_(position) {}

  [[nodiscard]] std::size_t position() const { return p_; }

  void skip_blanks() {
    while (p_ < text_.size() && std::strchr(" \t\r\n", text_[p_]) != nullptr && text_[p_] != '\0')
      ++p_;
  }

  [[noreturn]] void fail(const std::string& message, std::size_t position) const {
    throw FormulaError(message, std::string(text_), position);
  }

  [[noreturn]] void unexpected(const std::string& wanted) const {
    if (p_ >= text_.size()) fail("the expression ends where " + wanted + " is required", p_);
    std::size_t length = 1;  // a whole UTF-8 character
    while (p_ + length < text_.size() &&
           (static_cast<unsigned char>(text_[p_ + length]) & 0xC0U) == 0x80U)
      ++length;
    fail("unexpected `" + std::string(text_.substr(p_, length)) + "` where " + wanted +
             " is required",
         p_);
  }

  Expression expression() { return binary(disjunction); }

  Expression operand_here() {
    skip_blanks();
    const std::size_t start = p_;
    if (p_ >= text_.size()) unexpected("a name, a number or `(`");
    const char c = text_[p_];
    if (c == '(') return parenthesised();
    if (c == '"' || c == '\'')
      return leaf(ExpressionNode::Kind::text, 0, quoted(c, "string"), start);
    if (is_digit(c) || (c == '.' && p_ + 1 < text_.size() && is_digit(text_[p_ + 1])))
      return number();
    if (c != '`' && !starts_name(text_.substr(p_))) unexpected("a name, a number or `(`");
    const bool plain = c != '`';
    std::string word = name();
    const std::size_t after = p_;
    skip_blanks();
    if (plain && p_ < text_.size() && text_[p_] == '(') return function(std::move(word), start);
    p_ = after;
    return leaf(ExpressionNode::Kind::column, 0, std::move(word), start);
  }

  std::string name() {
    skip_blanks();
    if (p_ < text_.size() && text_[p_] == '`') {
      const std::size_t start = p_;
      std::string word = quoted('`', "name");
      if (word.empty()) fail("an empty name", start);
      return word;
    }
    if (!starts_name(text_.substr(std::min(p_, text_.size())))) unexpected("a column name");
    const std::size_t start = p_;
    while (p_ < text_.size() && continues_name(text_[p_])) ++p_;
    return std::string(text_.substr(start, p_ - start));
  }

 private:
  /// Counts levels of recursion, so that no text can exhaust the stack.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > deepest_nesting)
        parser_.fail("nested deeper than " + std::to_string(deepest_nesting) + " levels",
                     parser_.p_);
    }
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  /// The operator at p_ if it is of this level, without moving.
  [[nodiscard]] const Operator* operator_here(Level level) {
    if (p_ >= text_.size()) return nullptr;
    const std::size_t before = p_;
    skip_blanks();
    const std::string_view rest = text_.substr(std::min(p_, text_.size()));
    for (const Operator& candidate : operators)
      if (rest.substr(0, candidate.text.size()) == candidate.text) {
        if (candidate.level == level) return &candidate;
        break;
      }
    p_ = before;
    return nullptr;
  }

  [[nodiscard]] Expression checked(Expression expression, std::size_t position) const {
    if (expression->depth > deepest_tree)
      fail("an expression of more than " + std::to_string(deepest_tree) + " terms in a chain",
           position);
    return expression;
  }

  Expression binary(Level level) {
    if (level == negation) return unary("!", negation, comparison);
    if (level == sign) return sign_or_power();
    const auto next = static_cast<Level>(level + 1);
    Expression left = binary(next);
    while (const Operator* found = operator_here(level)) {
      const std::size_t at = p_;
      p_ += found->text.size();
      Expression right = binary(next);
      left = checked(call(std::string(found->text), {std::move(left), std::move(right)}, at), at);
      if (level == comparison && operator_here(comparison) != nullptr)
        fail("comparisons do not chain; join two with `&`", p_);
    }
    return left;
  }

  Expression unary(std::string_view mark, Level own, Level next) {
    skip_blanks();
    const bool there =
        p_ < text_.size() && text_.substr(p_, mark.size()) == mark && text_.substr(p_, 2) != "!=";
    if (!there) return binary(next);
    const Nesting nesting(*this);
    const std::size_t at = p_;
    p_ += mark.size();
    return checked(call(std::string(mark), {binary(own)}, at), at);
  }

  /// A sign binds less tightly than ^ to its right (−2^2 is −4) but may stand after it (2^−1).
  Expression sign_or_power() {
    skip_blanks();
    if (p_ < text_.size() && (text_[p_] == '-' || text_[p_] == '+')) {
      const Nesting nesting(*this);
      const std::size_t at = p_++;
      return call(std::string(1, text_[at]), {sign_or_power()}, at);
    }
    Expression base = operand_here();
    if (operator_here(power) == nullptr) return base;
    const Nesting nesting(*this);
    const std::size_t at = p_++;
    Expression exponent = sign_or_power();
    return call("^", {std::move(base), std::move(exponent)}, at);
  }

  Expression parenthesised() {
    const Nesting nesting(*this);
    const std::size_t opened = p_++;
    Expression inner = expression();
    skip_blanks();
    if (p_ >= text_.size()) fail("`(` is never closed", opened);
    if (text_[p_] != ')') unexpected("an operator or `)`");
    ++p_;
    return inner;
  }

  Expression function(std::string name, std::size_t start) {
    const Nesting nesting(*this);
    const FunctionName* known = find_function(name);
    if (known == nullptr) {
      std::vector<std::string_view> names;
      for (const FunctionName& f : functions) names.push_back(f.name);
      const std::string near = nearest_name(name, names);
      fail("there is no function `" + name + "`" +
               (near.empty() ? "" : "; did you mean `" + near + "`?"),
           start);
    }
    const std::size_t opened = p_++;
    std::vector<Expression> arguments;
    while (true) {
      arguments.push_back(expression());
      skip_blanks();
      if (p_ >= text_.size()) fail("`(` is never closed", opened);
      if (text_[p_] == ')') break;
      if (text_[p_] != ',') unexpected("`,` or `)`");
      ++p_;
    }
    ++p_;
    if (arguments.size() != known->arguments)
      fail("`" + name + "` takes " + std::to_string(known->arguments) +
               (known->arguments == 1 ? " argument" : " arguments") + ", not " +
               std::to_string(arguments.size()),
           start);
    return call(std::move(name), std::move(arguments), start);
  }

  Expression number() {
    const std::size_t start = p_;
    double value = 0;
    const char* const end = text_.data() + text_.size();
    const auto parsed = std::from_chars(text_.data() + p_, end, value);
    p_ = static_cast<std::size_t>(parsed.ptr - text_.data());
    if (parsed.ec != std::errc()) fail("a number outside the range of double precision", start);
    if (p_ < text_.size() && continues_name(text_[p_]))
      fail("a name cannot start with a digit; write it in backquotes", start);
    return leaf(ExpressionNode::Kind::number, value, {}, start);
  }

  /// Text between two marks; a backslash before a mark or a backslash stands for that character.
  std::string quoted(char mark, const std::string& what) {
    const std::size_t opened = p_++;
    std::string inside;
    for (; p_ < text_.size(); ++p_) {
      if (text_[p_] == mark) {
        ++p_;
        return inside;
      }
      const bool escape = text_[p_] == '\\' && p_ + 1 < text_.size() &&
                          (text_[p_ + 1] == mark || text_[p_ + 1] == '\\');
      if (escape) ++p_;
      inside += text_[p_];
    }
    fail("the " + what + " is never closed", opened);
  }

  std::string_view text_;
  std::size_t p_;
  int nesting_ = 0;
};

std::string marked(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char c : text) {
    if (c == mark || c == '\\') out += '\\';
    out += c;
  }
  return out + mark;
}

bool is_operator(const ExpressionNode& node) {
  return node.kind == ExpressionNode::Kind::call && find_function(node.name) == nullptr;
}

Level level_of(const ExpressionNode& node) {
  if (node.kind == ExpressionNode::Kind::number && std::signbit(node.number)) return sign;
  if (!is_operator(node)) return operand;
  if (node.name == "!") return negation;
  if (node.arguments.size() == 1) return sign;
  const auto* const found = std::find_if(operators.begin(), operators.end(),
                                         [&](const Operator& o) { return o.text == node.name; });
  return found == operators.end() ? operand : found->level;
}

std::string written(const Expression& expression, Level least);

std::string written_operator(const ExpressionNode& node) {
  const Level level = level_of(node);
  if (node.arguments.size() == 1) return node.name + written(node.arguments[0], level);
  if (level == power)
    return written(node.arguments[0], operand) + "^" + written(node.arguments[1], sign);
  const auto tighter = static_cast<Level>(level + 1);
  const Level left = level == comparison ? tighter : level;
  return written(node.arguments[0], left) + " " + node.name + " " +
         written(node.arguments[1], tighter);
}

/// The text of an expression, in parentheses if it binds less tightly than its place requires.
std::string written(const Expression& expression, Level least) {
  const ExpressionNode& node = *expression;
  std::string text;
  if (node.kind == ExpressionNode::Kind::number) text = shortest_decimal(node.number);
  if (node.kind == ExpressionNode::Kind::text) text = marked(node.name, '"');
  if (node.kind == ExpressionNode::Kind::column) text = quoted_name(node.name);
  if (is_operator(node)) {
    text = written_operator(node);
  } else if (node.kind == ExpressionNode::Kind::call) {
    text = node.name + "(";
    for (std::size_t i = 0; i < node.arguments.size(); ++i)
      text += (i > 0 ? ", " : "") + written(node.arguments[i], disjunction);
    text += ")";
  }
  return level_of(node) < least ? "(" + text + ")" : text;
}

void visit(const Expression& expression, const std::function<void(const Expression&)>& action) {
  action(expression);
  for (const Expression& argument : expression->arguments) visit(argument, action);
}

}  // namespace

bool is_expression_function(std::string_view name) { return find_function(name) != nullptr; }

Expression parse_expression(std::string_view text) {
  if (is_plain_name(text)) return leaf(ExpressionNode::Kind::column, 0, std::string(text), 0);
  Parser parser(text, 0);
  Expression expression = parser.expression();
  parser.skip_blanks();
  if (parser.position() < text.size()) parser.unexpected("an operator or the end");
  return expression;
}

Expression parse_expression_at(std::string_view text, std::size_t& position) {
  Parser parser(text, position);
  Expression expression = parser.expression();
  position = parser.position();
  return expression;
}

Expression parse_operand_at(std::string_view text, std::size_t& position) {
  Parser parser(text, position);
  Expression expression = parser.operand_here();
  position = parser.position();
  return expression;
}

std::string parse_name_at(std::string_view text, std::size_t& position) {
  Parser parser(text, position);
  std::string name = parser.name();
  position = parser.position();
  return name;
}

std::string_view plain_name_at(std::string_view text, std::size_t& position) {
  const std::string_view rest = text.substr(std::min(position, text.size()));
  if (!starts_name(rest)) return {};
  const auto end = std::find_if_not(rest.begin(), rest.end(), continues_name);
  const std::string_view name = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  Parser parser(text, position + name.size());
  parser.skip_blanks();
  if (parser.position() < text.size() && text[parser.position()] == '(') return {};
  position += name.size();
  return name;
}

std::string quoted_name(std::string_view name) {
  return is_plain_name(name) ? std::string(name) : marked(name, '`');
}

std::string to_string(const Expression& expression) { return written(expression, disjunction); }

bool same_expression(const Expression& a, const Expression& b) {
  if (a == b) return true;
  if (a->kind != b->kind || a->name != b->name || a->number != b->number) return false;
  return std::equal(a->arguments.begin(), a->arguments.end(), b->arguments.begin(),
                    b->arguments.end(), same_expression);
}

std::vector<std::string> columns_used(const Expression& expression) {
  std::vector<std::string> names;
  visit(expression, [&](const Expression& part) {
    if (part->kind != ExpressionNode::Kind::column) return;
    if (std::find(names.begin(), names.end(), part->name) == names.end())
      names.push_back(part->name);
  });
  return names;
}

void add_panel_columns(Table& table, const Expression& expression) {
  visit(expression, [&](const Expression& part) {
    const bool is_panel_call =
        part->kind == ExpressionNode::Kind::call &&
        (part->name == "within" || part->name == "between" || part->name == "lag");
    if (is_panel_call) table.set(to_string(part), std::get<Eigen::VectorXd>(evaluate(part, table)));
  });
}

void let(Table& table, std::string_view definition) {
  std::size_t position = 0;
  const std::string name = parse_name_at(definition, position);
  Parser rest(definition, position);
  rest.skip_blanks();
  position = rest.position();
  if (definition.substr(position, 1) != "=" || definition.substr(position, 2) == "==")
    rest.unexpected("`=` (NAME = EXPRESSION)");
  ++position;
  const Expression expression = parse_expression_at(definition, position);
  Parser end(definition, position);
  end.skip_blanks();
  if (end.position() < definition.size()) end.unexpected("an operator or the end");
  if (table.contains(name)) (void)table.column(name);  // throws where the name stands twice
  std::variant<Eigen::VectorXd, Factor> value = evaluate(expression, table);
  if (auto* numbers = std::get_if<Eigen::VectorXd>(&value))
    table.set(name, std::move(*numbers));
  else
    table.set(name, std::get<Factor>(std::move(value)));
}

Table where(const Table& table, std::string_view condition) {
  const std::variant<Eigen::VectorXd, Factor> value = evaluate(parse_expression(condition), table);
  const std::string file = table.origin().file.empty() ? "table" : table.origin().file;
  const auto* holds = std::get_if<Eigen::VectorXd>(&value);
  if (holds == nullptr)
    throw DataError(
        "where: \"" + std::string(condition) + "\" is categorical; a condition is required", file);
  std::vector<Index> rows;
  for (Index i = 0; i < holds->size(); ++i)
    if (!std::isnan((*holds)[i]) && (*holds)[i] != 0) rows.push_back(i);
  if (rows.empty())
    throw DataError("where: no row satisfies \"" + std::string(condition) + "\"", file);
  return table.select(rows);
}

}  // namespace rapport
