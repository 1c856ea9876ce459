#include <rapport/base/error.hpp>
#include <rapport/mixed/formula.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <rapidcheck.h>

namespace rapport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> labels(const std::string& text) {
  std::vector<std::string> labels;
  const Formula formula = parse_formula(text);
  for (const FormulaTerm& term : formula.fixed) labels.push_back(term_label(term));
  return labels;
}

std::vector<std::string> groups(const std::string& text) {
  std::vector<std::string> groups;
  for (const RandomFormula& random : parse_formula(text).random)
    groups.push_back(term_label(random.group));
  return groups;
}

// The algebra of Wilkinson & Rogers (1973); labels as R's terms() gives them.
TEST(Formula, ExpandsTheAlgebraOfTerms) {
  EXPECT_THAT(labels("y ~ a*b"), ElementsAre("a", "b", "a:b"));
  EXPECT_THAT(labels("y ~ a/b"), ElementsAre("a", "a:b"));
  EXPECT_THAT(labels("y ~ (a + b)/c"), ElementsAre("a", "b", "a:b:c"));
  EXPECT_THAT(labels("y ~ (a + b + c)^2"), ElementsAre("a", "b", "c", "a:b", "a:c", "b:c"));
  EXPECT_THAT(labels("y ~ (a + b):(c + d)"), ElementsAre("a:c", "a:d", "b:c", "b:d"));
  EXPECT_THAT(labels("y ~ a*b*c - a:b:c"), ElementsAre("a", "b", "a:b", "c", "a:c", "b:c"));
  EXPECT_THAT(labels("y ~ a + a + b:a + a:b"), ElementsAre("a", "a:b"));
  EXPECT_THAT(labels("y ~ a:a"), ElementsAre("a"));
}

TEST(Formula, NamesProductsInTheOrderOfTheText) {
  EXPECT_THAT(labels("y ~ b:a + a"), ElementsAre("b:a", "a"));
  EXPECT_THAT(labels("y ~ x*f - x"), ElementsAre("f", "x:f"));
  EXPECT_EQ(to_string(parse_formula("y ~ x*f - x")), "y ~ 1 + (x:f - x:f) + f + x:f");
}

TEST(Formula, TakesTheInterceptAway) {
  EXPECT_TRUE(parse_formula("y ~ a").intercept);
  EXPECT_FALSE(parse_formula("y ~ 0 + a").intercept);
  EXPECT_FALSE(parse_formula("y ~ a - 1").intercept);
  EXPECT_FALSE(parse_formula("y ~ -1 + a").intercept);
  EXPECT_TRUE(parse_formula("y ~ a - 1 + 1").intercept);
  EXPECT_TRUE(parse_formula("y ~ a - 0").intercept);
  EXPECT_TRUE(parse_formula("y ~ 1").intercept);
  EXPECT_THAT(parse_formula("y ~ 1").fixed, testing::IsEmpty());
}

TEST(Formula, WritesVariablesAsRDeparsesThem) {
  EXPECT_THAT(labels("y~I( x^2 )+poly(x,2)+log(x+1)+ns(x,df=3)+factor(g)"),
              ElementsAre("I(x^2)", "poly(x, 2)", "log(x + 1)", "ns(x, df = 3)", "factor(g)"));
  EXPECT_THAT(labels("y ~ within(wai,patient)*`my name`"),
              ElementsAre("within(wai, patient)", "`my name`", "within(wai, patient):`my name`"));
  EXPECT_EQ(parse_formula("log(y/2) ~ x").response, "log(y / 2)");
  EXPECT_EQ(parse_formula("cbind(s,f) ~ x").response, "cbind(s, f)");
  EXPECT_THAT(parse_formula("y ~ x + offset(log(t))").offsets, ElementsAre("log(t)"));
}

TEST(Formula, ReadsRandomTerms) {
  const Formula slopes = parse_formula("y ~ x + (1 + x | g)");
  EXPECT_EQ(slopes.random,
            (std::vector<RandomFormula>{{.intercept = true, .terms = {{"x"}}, .group = {"g"}}}));
  EXPECT_EQ(parse_formula("y ~ x + (x | g)"), slopes);
  EXPECT_THAT(labels("y ~ x + (z | g)"), ElementsAre("x"));
  const Formula independent = parse_formula("y ~ x + (1 + x + z || g)");
  EXPECT_EQ(independent.random,
            (std::vector<RandomFormula>{{.intercept = true, .group = {"g"}},
                                        {.intercept = false, .terms = {{"x"}}, .group = {"g"}},
                                        {.intercept = false, .terms = {{"z"}}, .group = {"g"}}}));
  EXPECT_FALSE(parse_formula("y ~ 1 + (0 + x | g)").random[0].intercept);
  EXPECT_FALSE(parse_formula("y ~ 1 + (x - 1 | g)").random[0].intercept);
}

TEST(Formula, WritesOutNestedGroups) {
  EXPECT_THAT(groups("y ~ 1 + (1 | a/b)"), ElementsAre("a", "a:b"));
  EXPECT_THAT(groups("y ~ 1 + (1 | a/b/c)"), ElementsAre("a", "a:b", "a:b:c"));
  EXPECT_THAT(groups("y ~ 1 + (1 | b:a) + (1 | a)"), ElementsAre("b:a", "a"));
}

TEST(Formula, BuildsWhatItParses) {
  EXPECT_EQ(make_formula("severity", {{"week"}, {"arm"}, {"week", "arm"}},
                         {{.terms = {{"week"}}, .group = {"patient"}}}),
            parse_formula("severity ~ week*arm + (1 + week | patient)"));
  EXPECT_THROW((void)make_formula("y", {{}}), InvalidArgument);
  EXPECT_THROW((void)make_formula("y", {{"x"}}, {{.terms = {{"x"}}}}), InvalidArgument);
}

struct Fault {
  const char* text;
  std::size_t position;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.text; }

class FormulaFault : public testing::TestWithParam<Fault> {};

TEST_P(FormulaFault, IsRefusedWithItsPlace) {
  try {
    (void)parse_formula(GetParam().text);
    FAIL() << "accepted";
  } catch (const FormulaError& error) {
    EXPECT_EQ(error.position(), GetParam().position) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("formula"));
    EXPECT_EQ(error.text(), GetParam().text);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formula, FormulaFault,
    testing::Values(Fault{"Reaction ~ Days + (1 | Subject", 18}, Fault{"y", 1}, Fault{"", 0},
                    Fault{"~ x", 0}, Fault{"y ~", 3}, Fault{"y ~ x +", 7}, Fault{"y ~ x + + z", 8},
                    Fault{"y ~ x)", 5}, Fault{"y ~ 2*x", 4}, Fault{"y ~ x^0", 6},
                    Fault{"y ~ (1 | )", 9}, Fault{"y ~ (1 | 1)", 8}, Fault{"y ~ (0 | g)", 5},
                    Fault{"y ~ (1 | g):x", 11}, Fault{"y ~ sin(x)", 4}, Fault{"y ~ x - (1 | g)", 8},
                    Fault{"y ~ poly(x, 0)", 12}, Fault{"y ~ cbind(a, b)", 4}, Fault{"y ~ .5", 4},
                    Fault{"y ~ I(2)", 4}, Fault{"y ~ \"a\"", 4}, Fault{"y ~ y", 2},
                    Fault{"y ~ (x - 1):z", 9}, Fault{"y ~ x ~ z", 6}, Fault{"y ~ x # z", 6}));

TEST(Formula, RefusesWhatWouldTakeForever) {
  std::string many = "y ~ (a0";
  for (int i = 1; i < 60; ++i) many += " + a" + std::to_string(i);
  EXPECT_THROW((void)parse_formula(many + ")^9"), FormulaError);
  EXPECT_THROW((void)parse_formula("y ~ " + std::string(5000, '(') + "a" + std::string(5000, ')')),
               FormulaError);
}

rc::Gen<std::string> any_variable() {
  return rc::gen::element<std::string>("a", "b", "c", "d", "I(a^2)", "poly(b, 2)", "log(c + 1)",
                                       "`odd name`", "within(a, g)");
}

rc::Gen<std::string> any_sum() {
  return rc::gen::map(
      rc::gen::nonEmpty(
          rc::gen::container<std::vector<std::pair<std::string, std::string>>>(rc::gen::pair(
              any_variable(), rc::gen::element<std::string>(" + ", " * ", ":", " - ", " / ")))),
      [](const std::vector<std::pair<std::string, std::string>>& parts) {
        std::string text = parts[0].first;
        for (std::size_t i = 1; i < parts.size() && i < 7; ++i)
          text += parts[i].second + parts[i].first;
        return text;
      });
}

TEST(Formula, TextOfAFormulaParsesToTheSameFormula) {
  rc::check("parse(to_string(f)) == f", [] {
    const std::string text = "y ~ " + *any_sum() + " + (" + *any_sum() +
                             *rc::gen::element<std::string>(" | ", " || ") +
                             *rc::gen::element<std::string>("g", "g/h", "h:g") + ")";
    Formula formula;
    try {
      formula = parse_formula(text);
    } catch (const FormulaError&) {
      RC_DISCARD("a random term without any effect");
    }
    RC_ASSERT(parse_formula(to_string(formula)) == formula);
  });
}

}  // namespace
}  // namespace rapport
