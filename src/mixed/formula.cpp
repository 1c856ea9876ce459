#include <rapport/base/error.hpp>
#include <rapport/mixed/formula.hpp>

#include "variable.hpp"
#include <algorithm>
#include <cctype>
#include <charconv>

namespace rapport {
namespace {

/// The algebra of Wilkinson & Rogers on sets of products. A product is a sorted set of variables;
/// the empty one is the intercept.
using Products = std::vector<FormulaTerm>;

constexpr std::size_t most_products = 500;
constexpr std::size_t most_pairs = 20000;
constexpr int deepest_nesting = 100;

void insert(Products& products, const FormulaTerm& product) {
  if (std::find(products.begin(), products.end(), product) == products.end())
    products.push_back(product);
}

void erase(Products& products, const FormulaTerm& product) {
  products.erase(std::remove(products.begin(), products.end(), product), products.end());
}

FormulaTerm combined(const FormulaTerm& a, const FormulaTerm& b) {
  FormulaTerm both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

Products interaction(const Products& a, const Products& b) {
  Products products;
  for (const FormulaTerm& left : a)
    for (const FormulaTerm& right : b) insert(products, combined(left, right));
  return products;
}

Products sum(Products a, const Products& b) {
  for (const FormulaTerm& product : b) insert(a, product);
  return a;
}

/// a/b = a + b within every combination of a.
Products nesting(const Products& a, const Products& b) {
  FormulaTerm all;
  for (const FormulaTerm& product : a) all = combined(all, product);
  return sum(a, interaction({all}, b));
}

/// Variables in the order of their first appearance.
std::vector<std::string> appearance(const Products& products) {
  std::vector<std::string> variables;
  for (const FormulaTerm& product : products)
    for (const std::string& variable : product)
      if (std::find(variables.begin(), variables.end(), variable) == variables.end())
        variables.push_back(variable);
  return variables;
}

std::size_t position_in(const std::vector<std::string>& variables, const std::string& variable) {
  return static_cast<std::size_t>(std::find(variables.begin(), variables.end(), variable) -
                                  variables.begin());
}

void order_within(Products& products, const std::vector<std::string>& variables) {
  for (FormulaTerm& product : products)
    std::sort(product.begin(), product.end(), [&](const std::string& a, const std::string& b) {
      return position_in(variables, a) < position_in(variables, b);
    });
}

/// True if every product names its variables in this order.
bool is_ordered(const Products& products, const std::vector<std::string>& variables) {
  return std::all_of(products.begin(), products.end(), [&](const FormulaTerm& product) {
    return std::is_sorted(product.begin(), product.end(),
                          [&](const std::string& a, const std::string& b) {
                            return position_in(variables, a) < position_in(variables, b);
                          });
  });
}

/// An order of all variables that agrees with the order within every product.
std::vector<std::string> common_order(const Products& products) {
  std::vector<std::string> waiting = appearance(products);
  std::vector<std::string> placed;
  const auto comes_after_a_waiting_one = [&](const std::string& variable) {
    return std::any_of(products.begin(), products.end(), [&](const FormulaTerm& product) {
      const auto found = std::find(product.begin(), product.end(), variable);
      return found != product.end() &&
             std::any_of(product.begin(), found, [&](const std::string& before) {
               return std::find(waiting.begin(), waiting.end(), before) != waiting.end();
             });
    });
  };
  while (!waiting.empty()) {
    auto next = std::find_if_not(waiting.begin(), waiting.end(), comes_after_a_waiting_one);
    if (next == waiting.end()) next = waiting.begin();
    placed.push_back(*next);
    waiting.erase(next);
  }
  return placed;
}

/// One operand of a sum.
struct Operand {
  enum class Kind { products, zero, random, offset };
  Kind kind = Kind::products;
  Products products = {};
  std::vector<RandomFormula> random = {};
  std::string offset = {};
  std::size_t position = 0;
  bool removed = false;  ///< stands after a minus
};

class FormulaParser {
 public:
  explicit FormulaParser(std::string_view text) : text_(text) {}

  Formula parse() {
    Formula formula;
    const std::size_t tilde = find_tilde();
    formula.response = response(tilde);
    at_ = tilde + 1;
    add_operands(formula, parse_sum());
    if (skip_blanks(); at_ < text_.size()) fail(unexpected(), at_);
    return formula;
  }

 private:
  [[noreturn]] void fail(const std::string& message, std::size_t position) const {
    throw FormulaError("formula: " + message, std::string(text_), position);
  }

  std::string unexpected() const {
    if (at_ >= text_.size()) return "it ends where a variable is expected";
    return std::string("\"") + text_[at_] + "\" is not expected here";
  }

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }

  bool accept(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool next_is(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }

  std::size_t find_tilde() const {
    char quote = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '`' || c == '"' || c == '\'') {
        quote = c;
      } else if (c == '~') {
        return i;
      }
    }
    fail("there is no ~ between response and predictors; write it as \"outcome ~ predictors\"",
         text_.size());
  }

  std::string response(std::size_t tilde) const {
    if (text_.substr(0, tilde).find_first_not_of(" \t\r\n") == std::string_view::npos)
      fail("the response is missing before ~", 0);
    const detail::VariableSyntax read =
        within_formula([&] { return detail::parse_variable(text_.substr(0, tilde)); });
    using Kind = detail::VariableSyntax::Kind;
    if (read.kind != Kind::expression && read.kind != Kind::identity && read.kind != Kind::pair)
      fail("the response must be one column, an expression or cbind(successes, failures)", 0);
    return read.text;
  }

  /// Errors of the expression language, told as errors of the formula.
  template <class Parse>
  detail::VariableSyntax within_formula(const Parse& parse) const {
    try {
      return parse();
    } catch (const FormulaError& error) {
      fail(error.what(), error.position());
    }
  }

  // sum := ['+' | '-'] starred (('+' | '-') starred)*
  std::vector<Operand> parse_sum() {
    std::vector<Operand> operands;
    bool removed = accept('-');
    if (!removed) (void)accept('+');
    while (true) {
      Operand operand = parse_starred();
      operand.removed = removed;
      operands.push_back(std::move(operand));
      if (accept('+')) {
        removed = false;
      } else if (accept('-')) {
        removed = true;
      } else {
        return operands;
      }
    }
  }

  // starred := crossed (('*' | '/') crossed)*
  Operand parse_starred() {
    Operand left = parse_crossed();
    while (true) {
      const bool star = next_is('*');
      if (!star && !next_is('/')) return left;
      const std::size_t position = at_++;
      const Operand right = parse_crossed();
      require_products(left, position);
      require_products(right, position);
      require_few_pairs(left.products, right.products, position);
      left.products =
          star ? sum(sum(left.products, right.products), interaction(left.products, right.products))
               : nesting(left.products, right.products);
      require_few(left.products, position);
    }
  }

  // crossed := power (':' power)*
  Operand parse_crossed() {
    Operand left = parse_power();
    while (next_is(':')) {
      const std::size_t position = at_++;
      const Operand right = parse_power();
      require_products(left, position);
      require_products(right, position);
      require_few_pairs(left.products, right.products, position);
      left.products = interaction(left.products, right.products);
      require_few(left.products, position);
    }
    return left;
  }

  // power := primary ('^' whole number)?
  Operand parse_power() {
    Operand base = parse_primary();
    while (next_is('^')) {
      const std::size_t position = at_++;
      const int exponent = whole_number();
      require_products(base, position);
      const Products once = base.products;
      for (int i = 1; i < exponent; ++i) {
        require_few_pairs(base.products, once, position);
        base.products = sum(base.products, interaction(base.products, once));
        require_few(base.products, position);
      }
    }
    return base;
  }

  int whole_number() {
    skip_blanks();
    int value = 0;
    const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (parsed.ec != std::errc() || value < 1 || value > 20)
      fail(
          "a power of terms must be a whole number from 1 to 20; write I(x^2) for the square of a "
          "variable",
          at_);
    at_ = static_cast<std::size_t>(parsed.ptr - text_.data());
    return value;
  }

  Operand parse_primary() {
    skip_blanks();
    if (at_ >= text_.size()) fail(unexpected(), at_);
    const char c = text_[at_];
    if (c == '(') return parse_parentheses();
    if (c >= '0' && c <= '9') return parse_number();
    return parse_variable();
  }

  Operand parse_number() {
    const std::size_t start = at_;
    while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    const std::string_view digits = text_.substr(start, at_ - start);
    if (digits == "1") return {.products = {FormulaTerm{}}, .position = start};
    if (digits == "0") return {.kind = Operand::Kind::zero, .position = start};
    fail(
        "only 0 and 1 stand for themselves (without and with an intercept); write I(…) for "
        "arithmetic",
        start);
  }

  /// A name, or a call of a function.
  Operand parse_variable() {
    const std::size_t start = at_;
    if (const std::string_view name = plain_name_at(text_, at_); !name.empty())
      return variable(std::string(name), start);
    using Kind = detail::VariableSyntax::Kind;
    const detail::VariableSyntax read =
        within_formula([&] { return detail::parse_variable_at(text_, at_); });
    if (read.argument->kind == ExpressionNode::Kind::text)
      fail("a text in quotes is not a variable; a name with blanks stands in backquotes", start);
    if (read.argument->kind == ExpressionNode::Kind::number)
      fail("a number is not a variable", start);
    if (read.kind == Kind::pair) fail("cbind() can only be the response", start);
    if (read.kind == Kind::offset)
      return {.kind = Operand::Kind::offset, .offset = to_string(read.argument), .position = start};
    return variable(read.text, start);
  }

  Operand variable(std::string text, std::size_t position) {
    appeared_.push_back(text);
    Operand operand{.position = position};
    operand.products.emplace_back(1, std::move(text));
    return operand;
  }

  // parentheses := '(' sum ')' | '(' sum '|' group ')' | '(' sum '||' group ')'
  Operand parse_parentheses() {
    const std::size_t open = at_++;
    if (++depth_ > deepest_nesting) fail("parentheses are nested too deeply", open);
    const std::size_t appeared = appeared_.size();
    const std::vector<Operand> operands = parse_sum();
    Operand result{.position = open};
    if (accept('|')) {
      const bool independent = at_ < text_.size() && text_[at_] == '|';
      if (independent) ++at_;
      const std::vector<std::string> variables(
          appeared_.begin() + static_cast<std::ptrdiff_t>(appeared), appeared_.end());
      result.kind = Operand::Kind::random;
      result.random = random_terms(operands, variables, independent, parse_groups());
      appeared_.resize(appeared);
    } else {
      for (const Operand& operand : operands) {
        if (operand.kind == Operand::Kind::zero ||
            (operand.removed && operand.products == Products{FormulaTerm{}}))
          fail("the intercept is removed outside parentheses", operand.position);
        require_products(operand, operand.position);
        for (const FormulaTerm& product : operand.products)
          operand.removed ? erase(result.products, product) : insert(result.products, product);
      }
    }
    if (!accept(')')) fail("this parenthesis is not closed", open);
    --depth_;
    return result;
  }

  /// The grouping factors: `a`, `a:b`, `a/b`.
  Products parse_groups() {
    const std::size_t appeared = appeared_.size();
    const std::size_t position = at_;
    Operand group = parse_starred();
    require_products(group, position);
    const std::vector<std::string> variables(
        appeared_.begin() + static_cast<std::ptrdiff_t>(appeared), appeared_.end());
    Products groups = std::move(group.products);
    order_within(groups, variables);
    for (const FormulaTerm& factor : groups)
      if (factor.empty()) fail("1 is not a grouping factor", position);
    return groups;
  }

  std::vector<RandomFormula> random_terms(const std::vector<Operand>& operands,
                                          const std::vector<std::string>& variables,
                                          bool independent, const Products& groups) const {
    Products products{FormulaTerm{}};
    for (const Operand& operand : operands) combine(products, operand);
    RandomFormula whole;
    whole.intercept = std::find(products.begin(), products.end(), FormulaTerm{}) != products.end();
    erase(products, FormulaTerm{});
    order_within(products, variables);
    whole.terms = std::move(products);
    if (!whole.intercept && whole.terms.empty())
      fail("a random term has neither an intercept nor a slope", operands.front().position);
    std::vector<RandomFormula> random;
    for (const FormulaTerm& group : groups) {
      whole.group = group;
      if (!independent) {
        random.push_back(whole);
        continue;
      }
      if (whole.intercept) random.push_back({.intercept = true, .terms = {}, .group = group});
      for (const FormulaTerm& term : whole.terms)
        random.push_back({.intercept = false, .terms = {term}, .group = group});
    }
    return random;
  }

  /// Adds an operand to a set of products, or takes it away.
  void combine(Products& products, const Operand& operand) const {
    if (operand.kind == Operand::Kind::zero) {
      operand.removed ? insert(products, FormulaTerm{}) : erase(products, FormulaTerm{});
      return;
    }
    require_products(operand, operand.position);
    for (const FormulaTerm& product : operand.products)
      operand.removed ? erase(products, product) : insert(products, product);
    require_few(products, operand.position);
  }

  void add_operands(Formula& formula, std::vector<Operand> operands) const {
    Products products{FormulaTerm{}};
    for (Operand& operand : operands) {
      if (operand.removed &&
          (operand.kind == Operand::Kind::random || operand.kind == Operand::Kind::offset))
        fail("a random term or an offset cannot be taken away; leave it out", operand.position);
      if (operand.kind == Operand::Kind::random) {
        std::move(operand.random.begin(), operand.random.end(), std::back_inserter(formula.random));
      } else if (operand.kind == Operand::Kind::offset) {
        formula.offsets.push_back(operand.offset);
      } else {
        combine(products, operand);
      }
    }
    formula.intercept =
        std::find(products.begin(), products.end(), FormulaTerm{}) != products.end();
    erase(products, FormulaTerm{});
    order_within(products, appeared_);
    formula.fixed = std::move(products);
    for (const FormulaTerm& product : formula.fixed)
      for (const std::string& name : product)
        if (name == formula.response)
          fail("the response " + name + " stands on both sides of ~", text_.find('~'));
  }

  void require_products(const Operand& operand, std::size_t position) const {
    if (operand.kind == Operand::Kind::products) return;
    fail("random terms, offsets and 0 can only be added", position);
  }

  void require_few(const Products& products, std::size_t position) const {
    if (products.size() > most_products) fail("it stands for more than 500 terms", position);
  }

  void require_few_pairs(const Products& a, const Products& b, std::size_t position) const {
    if (a.size() * b.size() > most_pairs) fail("it stands for more than 500 terms", position);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<std::string> appeared_;  ///< variables of the fixed part as the text names them
};

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? std::string() : std::string(separator)) + part;
  return text;
}

/// The sum as text. R names a product's variables in the order in which the text first names them
/// (`x*f - x` leaves `f + x:f`); where the products alone would tell another order, a product that
/// is taken away again tells it first.
std::string side(bool intercept, const Products& products) {
  std::vector<std::string> parts{intercept ? "1" : "0"};
  if (!is_ordered(products, appearance(products))) {
    const std::string all = joined(common_order(products), ":");
    parts.push_back("(" + all + " - " + all + ")");
  }
  for (const FormulaTerm& product : products) parts.push_back(joined(product, ":"));
  return joined(parts, " + ");
}

/// The products with each variable in canonical text.
Products canonical(const std::vector<FormulaTerm>& terms) {
  Products products;
  std::vector<std::string> variables;
  for (const FormulaTerm& term : terms) {
    FormulaTerm product;
    for (const std::string& text : term) {
      const detail::VariableSyntax read = detail::parse_variable(text);
      product.push_back(read.text);
      variables.push_back(read.text);
    }
    std::sort(product.begin(), product.end());
    product.erase(std::unique(product.begin(), product.end()), product.end());
    if (product.empty())
      throw InvalidArgument(
          "make_formula: a term has no variable; use `intercept` for the intercept");
    insert(products, product);
  }
  order_within(products, variables);
  return products;
}

}  // namespace

Formula parse_formula(std::string_view text) { return FormulaParser(text).parse(); }

Formula make_formula(std::string_view response, const std::vector<FormulaTerm>& fixed,
                     const std::vector<RandomFormula>& random) {
  Formula formula{.response = detail::parse_variable(response).text, .fixed = canonical(fixed)};
  for (const RandomFormula& term : random) {
    if (term.group.empty())
      throw InvalidArgument("make_formula: a random term has no grouping factor");
    if (!term.intercept && term.terms.empty())
      throw InvalidArgument("make_formula: a random term has neither an intercept nor a slope");
    formula.random.push_back({.intercept = term.intercept,
                              .terms = canonical(term.terms),
                              .group = canonical({term.group}).front()});
  }
  return formula;
}

std::string to_string(const Formula& formula) {
  std::string text = formula.response + " ~ " + side(formula.intercept, formula.fixed);
  for (const std::string& offset : formula.offsets) text += " + offset(" + offset + ")";
  for (const RandomFormula& term : formula.random)
    text += " + (" + side(term.intercept, term.terms) + " | " + joined(term.group, ":") + ")";
  return text;
}

std::string term_label(const FormulaTerm& term) {
  return term.empty() ? "(Intercept)" : joined(term, ":");
}

}  // namespace rapport
