#include "variable.hpp"

#include <rapport/base/error.hpp>

#include <charconv>
#include <optional>
#include <utility>

namespace rapport::detail {
namespace {

using Kind = VariableSyntax::Kind;

/// Functions that only formulas know.
std::optional<Kind> formula_function(std::string_view name) {
  if (name == "I") return Kind::identity;
  if (name == "poly") return Kind::polynomial;
  if (name == "ns") return Kind::spline;
  if (name == "scale") return Kind::standardized;
  if (name == "cbind") return Kind::pair;
  if (name == "offset") return Kind::offset;
  return std::nullopt;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class CallParser {
 public:
  CallParser(std::string_view text, std::size_t position) : text_(text), at_(position) {}

  [[nodiscard]] std::size_t position() const { return at_; }

  VariableSyntax parse(const std::string& name, Kind kind) {
    VariableSyntax variable{.kind = kind};
    expect('(', name);
    variable.argument = parse_expression_at(text_, at_);
    variable.text = name + "(" + to_string(variable.argument);
    if (kind == Kind::pair) {
      expect(',', name);
      variable.second = parse_expression_at(text_, at_);
      variable.text += ", " + to_string(variable.second);
    }
    if (kind == Kind::polynomial || kind == Kind::spline) parse_size(variable, name);
    expect(')', name);
    variable.text += ")";
    return variable;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw FormulaError(message, std::string(text_), at_);
  }

  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  bool accept(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c, const std::string& function) {
    if (!accept(c)) fail("`" + std::string(1, c) + "` is missing in " + function + "()");
  }

  bool accept_word(std::string_view word) {
    skip_blanks();
    if (text_.substr(std::min(at_, text_.size()), word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  /// `, 2`, `, degree = 2`, `, df = 3`, `, raw = TRUE`.
  void parse_size(VariableSyntax& variable, const std::string& function) {
    const bool polynomial = variable.kind == Kind::polynomial;
    const std::string size_name = polynomial ? "degree" : "df";
    while (accept(',')) {
      if (polynomial && accept_word("raw")) {
        expect('=', function);
        variable.raw = accept_word("TRUE");
        if (!variable.raw && !accept_word("FALSE")) fail("raw must be TRUE or FALSE");
        variable.text += std::string(", raw = ") + (variable.raw ? "TRUE" : "FALSE");
        continue;
      }
      const bool named = accept_word(size_name);
      if (named) expect('=', function);
      variable.size = whole_number(function + "(): the " + size_name);
      variable.text +=
          ", " + (named ? size_name + " = " : std::string()) + std::to_string(variable.size);
    }
    if (variable.size == 0) variable.size = 1;
  }

  int whole_number(const std::string& what) {
    skip_blanks();
    int value = 0;
    const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (parsed.ec != std::errc() || value < 1 || value > 100)
      fail(what + " must be a whole number from 1 to 100");
    at_ = static_cast<std::size_t>(parsed.ptr - text_.data());
    return value;
  }

  std::string_view text_;
  std::size_t at_;
};

std::size_t after_blanks(std::string_view text, std::size_t position) {
  while (position < text.size() && is_blank(text[position])) ++position;
  return position;
}

/// The function of formulas that is called at `position`, with its name.
std::optional<std::pair<std::string, Kind>> call_at(std::string_view text, std::size_t position) {
  std::size_t end = position;
  const auto in_name = [](char c) { return (c >= 'a' && c <= 'z') || c == 'I'; };
  while (end < text.size() && in_name(text[end])) ++end;
  const std::string_view name = text.substr(position, end - position);
  const std::optional<Kind> kind = formula_function(name);
  const std::size_t open = after_blanks(text, end);
  if (!kind || open >= text.size() || text[open] != '(') return std::nullopt;
  return std::pair(std::string(name), *kind);
}

VariableSyntax expression_variable(Expression expression) {
  VariableSyntax variable{.argument = std::move(expression)};
  variable.text = to_string(variable.argument);
  return variable;
}

}  // namespace

VariableSyntax parse_variable_at(std::string_view text, std::size_t& position) {
  position = after_blanks(text, position);
  const auto call = call_at(text, position);
  if (!call) return expression_variable(parse_operand_at(text, position));
  CallParser parser(text, position + call->first.size());
  VariableSyntax variable = parser.parse(call->first, call->second);
  position = parser.position();
  return variable;
}

VariableSyntax parse_variable(std::string_view text) {
  std::size_t position = after_blanks(text, 0);
  if (!call_at(text, position)) return expression_variable(parse_expression(text));
  VariableSyntax variable = parse_variable_at(text, position);
  if (after_blanks(text, position) < text.size())
    throw FormulaError("nothing may follow the call; write I(…) around arithmetic",
                       std::string(text), position);
  return variable;
}

}  // namespace rapport::detail
