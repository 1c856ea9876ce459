#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Four rows; every number can be checked by hand.
Table small() {
  return parse_csv(
      "patient,session,x,y,treatment,my name\n"
      "P1,1,2,0,CBT,1\n"
      "P1,2,4,NA,CBT,2\n"
      "P2,1,NA,1,TAU,3\n"
      "P2,3,9,1,,4\n");
}

std::vector<double> values(const std::string& text, const Table& table = small()) {
  const auto value = evaluate(parse_expression(text), table);
  const Eigen::VectorXd& numbers = std::get<Eigen::VectorXd>(value);
  return {numbers.data(), numbers.data() + numbers.size()};
}

double one(const std::string& text) { return values(text)[0]; }

constexpr double na = -999;  // stands for missing where vectors are compared

std::vector<double> shown(const std::string& text) {
  std::vector<double> numbers = values(text);
  for (double& number : numbers)
    if (std::isnan(number)) number = na;
  return numbers;
}

TEST(Expression, BindsAsInR) {
  EXPECT_EQ(one("1 + 2 * 3"), 7);
  EXPECT_EQ(one("10 - 4 - 3"), 3);
  EXPECT_EQ(one("24 / 4 / 2"), 3);
  EXPECT_EQ(one("2^3^2"), 512);
  EXPECT_EQ(one("-2^2"), -4);
  EXPECT_EQ(one("2^-1"), 0.5);
  EXPECT_EQ(one("-(2)^-2"), -0.25);
  EXPECT_EQ(one("2 * -3"), -6);
  EXPECT_EQ(one("-2 * 3 + 1"), -5);
  EXPECT_EQ(one("!1 == 2"), 1) << "in R, ! binds less tightly than ==";
  EXPECT_EQ(one("0 & 0 | 1"), 1);
  EXPECT_EQ(one("1 | 0 & 0"), 1);
  EXPECT_EQ(one("1 + 1 == 2 & 3 > 2"), 1);
  EXPECT_EQ(one("!0 & 0"), 0);
}

TEST(Expression, ComputesElementwiseAndMissingStaysMissing) {
  EXPECT_THAT(shown("x + y"), ElementsAre(2, na, na, 10));
  EXPECT_THAT(shown("y | 1"), ElementsAre(1, na, 1, 1))
      << "an operation on a missing value is missing";
  EXPECT_THAT(shown("x > 3"), ElementsAre(0, 1, na, 1));
  EXPECT_THAT(shown("!y"), ElementsAre(1, na, 0, 0));
  EXPECT_THAT(shown("present(x)"), ElementsAre(1, 1, 0, 1));
  EXPECT_THAT(shown("present(treatment)"), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(shown("`my name` * 2"), ElementsAre(2, 4, 6, 8));
}

TEST(Expression, AResultThatIsNoNumberIsMissing) {
  EXPECT_THAT(shown("log(y)"), ElementsAre(na, na, 0, 0));
  EXPECT_THAT(shown("1 / y"), ElementsAre(na, na, 1, 1));
  EXPECT_TRUE(std::isnan(one("sqrt(-1)")));
}

TEST(Expression, Functions) {
  EXPECT_DOUBLE_EQ(one("log(exp(2))"), 2);
  EXPECT_EQ(one("sqrt(abs(-9))"), 3);
  EXPECT_THAT(shown("mean(x)"), ElementsAre(5, 5, na, 5))
      << "missing values are left out, and stay missing";
}

TEST(Expression, WithinAndBetween) {
  EXPECT_THAT(shown("within(x, patient)"), ElementsAre(-1, 1, na, 0));
  // The means of the patients are 3 and 9; between is taken from their unweighted mean, 6.
  EXPECT_THAT(shown("between(x, patient)"), ElementsAre(-3, -3, na, 3));
  EXPECT_THAT(shown("within(x, treatment)"), ElementsAre(-1, 1, na, na))
      << "a row without a group has no mean";
}

TEST(Expression, LagNeverCrossesAPatientAndKnowsAGap) {
  EXPECT_THAT(shown("lag(session, patient, session)"), ElementsAre(na, 1, na, na));
  EXPECT_THAT(shown("lag(x, patient, session)"), ElementsAre(na, 2, na, na));
}

TEST(Expression, LagRefusesASessionThatStandsTwice) {
  const Table table = parse_csv("p,s,x\nP1,1,2\nP1,1,3\n", {}, "panel.csv");
  EXPECT_THAT([&] { (void)evaluate(parse_expression("lag(x, p, s)"), table); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("P1"), HasSubstr("time 1 twice"))));
}

TEST(Expression, ComparesCategories) {
  EXPECT_THAT(shown("treatment == \"CBT\""), ElementsAre(1, 1, 0, na));
  EXPECT_THAT(shown("'CBT' != treatment"), ElementsAre(0, 0, 1, na));
  EXPECT_THAT(shown("factor(session) == 3"), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(shown("factor(session) >= 2"), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(shown("session == \"1\""), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(shown("patient == treatment"), ElementsAre(0, 0, 0, na));
}

TEST(Expression, RefusesWhatAKindDoesNotAllow) {
  const auto refuses = [](const std::string& text, const std::string& part) {
    EXPECT_THAT([&] { (void)values(text); }, ThrowsMessage<DataError>(HasSubstr(part))) << text;
  };
  refuses("treatment + 1", "categorical");
  refuses("log(patient)", "categorical");
  refuses("treatment < 3", "categorical");
  refuses("x == \"many\"", "no number");
  refuses("\"a\" == \"a\"", "two texts");
}

TEST(Expression, FactorTakesNumbersInAscendingOrder) {
  const auto value = evaluate(parse_expression("factor(10 - session)"), small());
  EXPECT_THAT(std::get<Factor>(value).levels, ElementsAre("7", "8", "9"));
}

TEST(Expression, AnUnknownColumnNamesTheNearest) {
  EXPECT_THAT([] { (void)values("sesion + 1"); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("sesion"), HasSubstr("\"session\""))));
}

void refused_at(const std::string& text, std::size_t position, const std::string& part) {
  try {
    (void)parse_expression(text);
    ADD_FAILURE() << text;
  } catch (const FormulaError& error) {
    EXPECT_EQ(error.position(), position) << text << ": " << error.what();
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(Expression, SaysWhereTheFaultIs) {
  refused_at("", 0, "ends");
  refused_at("a +", 3, "ends");
  refused_at("a + )", 4, "unexpected `)`");
  refused_at("(a + b", 0, "never closed");
  refused_at("log(a", 3, "never closed");
  refused_at("log(a, b)", 0, "takes 1 argument, not 2");
  refused_at("lag(a)", 0, "takes 3 arguments, not 1");
  refused_at("a b", 2, "unexpected `b`");
  refused_at("a = b", 2, "unexpected `=`");
  refused_at("a && b", 3, "unexpected `&`");
  refused_at("a < b < c", 6, "chain");
  refused_at("lgo(a)", 0, "did you mean `log`");
  refused_at("\"open", 0, "never closed");
  refused_at("`open", 0, "never closed");
  refused_at("2nd + 1", 0, "backquotes");
  refused_at("1e999", 0, "range");
  refused_at("a + \xC3\xA4 @", 7, "unexpected `@`");
}

TEST(Expression, NestingIsLimited) {
  const auto nested = [](int depth) {
    const auto n = static_cast<std::size_t>(depth);
    return std::string(n, '(') + "a" + std::string(n, ')');
  };
  EXPECT_NO_THROW((void)parse_expression(nested(200)));
  EXPECT_THROW((void)parse_expression(nested(201)), FormulaError);
  EXPECT_THROW((void)parse_expression(std::string(100'000, '-') + "a"), FormulaError);
  EXPECT_THROW((void)parse_expression(std::string(100'000, '!') + "a"), FormulaError);
  std::string chain = "a";
  for (int i = 0; i < 900; ++i) chain += " + a";
  EXPECT_NO_THROW((void)parse_expression(chain));
  for (int i = 0; i < 100'000; ++i) chain += "+a";
  EXPECT_THROW((void)parse_expression(chain), FormulaError);
}

TEST(Expression, WritesAsR) {
  const auto again = [](const std::string& text) { return to_string(parse_expression(text)); };
  EXPECT_EQ(again("log( x+1 )"), "log(x + 1)");
  EXPECT_EQ(again("(x)^2"), "x^2");
  EXPECT_EQ(again("(a+b)*c"), "(a + b) * c");
  EXPECT_EQ(again("a-(b-c)"), "a - (b - c)");
  EXPECT_EQ(again("(a^b)^c"), "(a^b)^c");
  EXPECT_EQ(again("(-a)^2"), "(-a)^2");
  EXPECT_EQ(again("lag(`my x`,p,s)"), "lag(`my x`, p, s)");
  EXPECT_EQ(again("t=='a\"b'"), "t == \"a\\\"b\"");
}

TEST(Expression, ListsTheColumnsOnce) {
  EXPECT_THAT(columns_used(parse_expression("b + log(a) * within(b, `g h`)")),
              ElementsAre("b", "a", "g h"));
}

TEST(Expression, ParsesInsideAnotherLanguage) {
  const std::string formula = "log(y + 1) ~ x";
  std::size_t position = 0;
  EXPECT_EQ(to_string(parse_expression_at(formula, position)), "log(y + 1)");
  EXPECT_EQ(position, 10U);
  position = 0;
  EXPECT_EQ(to_string(parse_operand_at("a:b", position)), "a");
  EXPECT_EQ(position, 1U);
}

TEST(Expression, LetAddsAndReplaces) {
  Table table = small();
  let(table, "z = x * 2");
  let(table, "x = 0 * session");
  let(table, "`new name` = factor(session)");
  EXPECT_EQ(table.numbers("z")[1], 8);
  EXPECT_EQ(table.numbers("x")[1], 0);
  EXPECT_EQ(table.factor("new name").level_count(), 3);
  EXPECT_THROW(let(table, "x == 2"), FormulaError);
  EXPECT_THROW(let(table, "x"), FormulaError);
  EXPECT_THROW(let(table, "x = 2 3"), FormulaError);
}

TEST(Expression, WhereKeepsTheRowsOnWhichTheConditionHolds) {
  EXPECT_EQ(where(small(), "x > 3").rows(), 2) << "a missing condition drops the row";
  EXPECT_EQ(where(small(), "x > 3").line(0), 3);
  EXPECT_THAT([] { (void)where(small(), "x > 99"); }, ThrowsMessage<DataError>(HasSubstr("where")));
  EXPECT_THROW((void)where(small(), "treatment"), DataError);
}

TEST(Expression, PanelColumnsKeepTheirValueWhenRowsAreDropped) {
  const Expression expression = parse_expression("1 + within(x, patient)");
  Table table = small();
  add_panel_columns(table, expression);
  const Table kept = where(table, "session == 1");
  EXPECT_EQ(std::get<Eigen::VectorXd>(evaluate(expression, kept))[0], 0);
  EXPECT_EQ(std::get<Eigen::VectorXd>(evaluate(expression, where(small(), "session == 1")))[0], 1);
}

Expression build(ExpressionNode::Kind kind, double number, std::string name,
                 std::vector<Expression> arguments = {}) {
  ExpressionNode node;
  node.kind = kind;
  node.number = number;
  node.name = std::move(name);
  node.arguments = std::move(arguments);
  return std::make_shared<const ExpressionNode>(std::move(node));
}

Expression random_expression(int depth) {
  const int choice = *rc::gen::inRange(0, depth == 0 ? 3 : 7);
  if (choice == 0)
    return build(ExpressionNode::Kind::number, std::abs(*rc::gen::arbitrary<int>()) / 8.0, "");
  if (choice == 1) return build(ExpressionNode::Kind::text, 0, *rc::gen::arbitrary<std::string>());
  if (choice == 2) {
    const auto name = *rc::gen::nonEmpty(
        rc::gen::container<std::string>(rc::gen::element('a', 'Z', '`', '\\', ' ', '.', '1')));
    return build(ExpressionNode::Kind::column, 0, name);
  }
  const auto part = [&] { return random_expression(depth - 1); };
  if (choice == 3)
    return build(ExpressionNode::Kind::call, 0, *rc::gen::element<std::string>("-", "+", "!"),
                 {part()});
  if (choice == 4) return build(ExpressionNode::Kind::call, 0, "lag", {part(), part(), part()});
  if (choice == 5)
    return build(ExpressionNode::Kind::call, 0, *rc::gen::element<std::string>("log", "present"),
                 {part()});
  const auto operation =
      *rc::gen::element<std::string>("+", "-", "*", "/", "^", "==", "<=", "<", "&", "|");
  return build(ExpressionNode::Kind::call, 0, operation, {part(), part()});
}

RC_GTEST_PROP(ExpressionProperty, TextParsesToTheSameExpression, ()) {
  const Expression expression = random_expression(4);
  RC_LOG() << to_string(expression);
  RC_ASSERT(same_expression(parse_expression(to_string(expression)), expression));
}

RC_GTEST_PROP(ExpressionProperty, AnyTextIsParsedOrRefused, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('a', '1', '.', '(', ')', '+', '-', '^', '!', '=', '<', '&', '|', '"', '`',
                       ',', ' ', '\\', '\0', 'e'));
  try {
    const Expression expression = parse_expression(text);
    RC_ASSERT(same_expression(parse_expression(to_string(expression)), expression));
  } catch (const FormulaError&) {
  }
}

}  // namespace
}  // namespace rapport
